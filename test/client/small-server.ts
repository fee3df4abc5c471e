/**
 * A server of one small world that speaks the protocol through src/wire: one tick loop, each client sees everybody. It
 * moves entities as the real one does, so that predictions can be exact, and can be told to misbehave.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import { entityIdFrom } from '../../src/base/brand.ts';
import type { EntityId } from '../../src/base/brand.ts';
import type { Values } from '../../src/base/pack.ts';
import type { World } from '../../src/base/world.ts';
import { decodeClientMessage, encodeServerMessage } from '../../src/wire/client.wire.ts';
import { clientMessageFromJson, toJson } from '../../src/wire/json.wire.ts';
import { PROTOCOL_VERSION } from '../../src/wire/messages.ts';
import type { ClientMessage, ErrorMessage, Handover, Pong, Snapshot, Welcome } from '../../src/wire/messages.ts';
import { encodeSnapshot } from '../../src/wire/snapshot.wire.ts';

export const TICK_HZ = 50;
const SNAPSHOT_HZ = 25;
const EDGE_METRES = 1000;
/** The kind and component that players have: the first of the schema. */
const PLAYER_KIND = 0;
const PLAYER_COMPONENT = 0;

interface Being {
  readonly id: EntityId;
  readonly components: Map<number, Values>;
  x: number;
  z: number;
  vx: number;
  vz: number;
}

interface SmallSession {
  readonly number: number;
  readonly token: string;
  readonly being: Being;
  readonly aliases: Map<EntityId, { alias: number; xCm: number; zCm: number }>;
  pending: { sequence: number; input: Values }[];
  inputSequence: number;
  socket: WebSocket | undefined;
  json: boolean;
  needsKeyframe: boolean;
}

export class SmallServer {
  readonly sessions: SmallSession[] = [];
  readonly beings: Being[] = [];
  /** Every message received, in order. */
  readonly received: ClientMessage[] = [];
  tick = 1000;
  /** Instead of a welcome. */
  refusal: { error: ErrorMessage; closeCode: number } | undefined;
  /** False: inputs wait, and are not acknowledged. */
  appliesInputs = true;
  hellos = 0;
  /** Where aliases begin. */
  aliasFirst = 1;
  readonly #world: World;
  readonly #server: WebSocketServer;
  #timer: ReturnType<typeof setInterval> | undefined;
  #nextId = 1;

  static async open(world: World): Promise<SmallServer> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    return new SmallServer(world, server);
  }

  constructor(world: World, server: WebSocketServer) {
    this.#world = world;
    this.#server = server;
    server.on('connection', (socket, request) => this.#accept(socket, request.url?.includes('format=json') === true));
    this.#timer = setInterval(() => this.#step(), 1000 / TICK_HZ);
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    for (const client of this.#server.clients) client.terminate();
    this.#server.close();
    await once(this.#server, 'close');
  }

  addBeing(x: number, name = 'npc'): Being {
    const being: Being = {
      id: entityIdFrom(3, this.#nextId++),
      components: new Map([[PLAYER_COMPONENT, { name }]]),
      x,
      z: 0,
      vx: 0,
      vz: 0,
    };
    this.beings.push(being);
    return being;
  }

  removeBeing(being: Being): void {
    this.beings.splice(this.beings.indexOf(being), 1);
  }

  /** Cuts every connection without a word. */
  cut(): void {
    for (const client of this.#server.clients) client.terminate();
  }

  closeAll(closeCode: number): void {
    for (const client of this.#server.clients) client.close(closeCode);
  }

  closeSome(count: number, closeCode: number): void {
    for (const client of [...this.#server.clients].slice(0, count)) client.close(closeCode);
  }

  /** As after a handover to another node: another count of ticks, other aliases, a keyframe. */
  handOver({ node, seq, ticks, aliasFirst }: { node: string; seq: number; ticks: number; aliasFirst: number }): void {
    this.tick += ticks;
    this.aliasFirst = aliasFirst;
    for (const session of this.sessions) {
      session.needsKeyframe = true;
      if (session.socket === undefined) continue;
      this.#send({ socket: session.socket, json: session.json }, { type: 'handover', seq, node });
    }
  }

  /** Sends bytes as they are. */
  sendRaw(bytes: Uint8Array): void {
    for (const client of this.#server.clients) client.send(bytes);
  }

  #accept(socket: WebSocket, json: boolean): void {
    let session: SmallSession | undefined;
    socket.on('message', (data: Buffer) => {
      const { schema } = this.#world;
      const message = json ? clientMessageFromJson(data.toString(), schema) : decodeClientMessage(data, schema);
      this.received.push(message);
      if (message.type === 'hello') session = this.#hello(socket, message, json);
      else if (session !== undefined) this.#receive(session, message);
    });
    socket.on('close', () => {
      if (session?.socket === socket) session.socket = undefined;
    });
  }

  #hello(socket: WebSocket, hello: Extract<ClientMessage, { type: 'hello' }>, json: boolean): SmallSession | undefined {
    this.hellos++;
    if (this.refusal !== undefined) {
      this.#send({ socket, json }, this.refusal.error);
      socket.close(this.refusal.closeCode);
      return undefined;
    }
    const known = this.sessions.find((candidate) => candidate.token === hello.resumeToken);
    const session = known ?? this.#newSession(hello.name);
    session.socket = socket;
    session.json = json;
    session.needsKeyframe = true;
    this.#send(
      { socket, json },
      this.#welcome(session, { resumed: known !== undefined, withSchema: hello.schemaHash === 0 }),
    );
    return session;
  }

  #newSession(name: string): SmallSession {
    const number = this.sessions.length;
    const session: SmallSession = {
      number,
      token: `token-${number}`,
      being: this.addBeing(0, name),
      aliases: new Map(),
      pending: [],
      inputSequence: 0,
      socket: undefined,
      json: false,
      needsKeyframe: true,
    };
    this.sessions.push(session);
    return session;
  }

  #welcome(session: SmallSession, { resumed, withSchema }: { resumed: boolean; withSchema: boolean }): Welcome {
    const { schema } = this.#world;
    return {
      type: 'welcome',
      protocolVersion: PROTOCOL_VERSION,
      session: session.number,
      resumed,
      tick: this.tick,
      serverTimeMs: Date.now(),
      tickHz: TICK_HZ,
      snapshotHz: SNAPSHOT_HZ,
      aoiRadius: 128,
      cellSize: 256,
      minX: -EDGE_METRES,
      minZ: -EDGE_METRES,
      maxX: EDGE_METRES,
      maxZ: EDGE_METRES,
      edge: 'stop',
      resumeGraceMs: 30_000,
      resumeToken: session.token,
      mode: 'tunnel',
      gateways: [],
      schemaHash: schema.hash,
      schema: withSchema ? schema : undefined,
    };
  }

  #receive(session: SmallSession, message: ClientMessage): void {
    if (message.type === 'ping' && session.socket !== undefined) {
      const pong: Pong = { type: 'pong', nonce: message.nonce, serverTimeMs: Date.now(), tick: this.tick };
      this.#send({ socket: session.socket, json: session.json }, pong);
    }
    if (message.type !== 'input') return;
    const last = session.pending.at(-1)?.sequence ?? session.inputSequence;
    if (message.sequence > last) session.pending.push({ sequence: message.sequence, input: message.input });
  }

  #send(
    { socket, json }: { socket: WebSocket; json: boolean },
    message: Welcome | Pong | ErrorMessage | Handover,
  ): void {
    socket.send(json ? toJson(message) : encodeServerMessage(message));
  }

  #step(): void {
    this.tick++;
    for (const session of this.sessions) {
      if (!this.appliesInputs) continue;
      for (const { sequence, input } of session.pending) {
        this.#world.declaration.input?.apply(session.being as never, input as never);
        session.inputSequence = sequence;
      }
      session.pending = [];
    }
    const dt = Math.fround(1 / TICK_HZ);
    for (const being of this.beings) {
      being.x = Math.fround(being.x + Math.fround(Math.fround(being.vx) * dt));
      being.z = Math.fround(being.z + Math.fround(Math.fround(being.vz) * dt));
    }
    if (this.tick % (TICK_HZ / SNAPSHOT_HZ) !== 0) return;
    for (const session of this.sessions) {
      const { socket, json } = session;
      if (socket === undefined || socket.readyState !== socket.OPEN) continue;
      const snapshot = this.#snapshotFor(session);
      socket.send(json ? toJson(snapshot) : encodeSnapshot(snapshot, this.#world.schema));
    }
  }

  #snapshotFor(session: SmallSession): Snapshot {
    const { aliases, needsKeyframe: keyframe, being: own } = session;
    session.needsKeyframe = false;
    if (keyframe) aliases.clear();
    const leaves: number[] = [];
    for (const [id, { alias }] of aliases) {
      if (this.beings.some((being) => being.id === id)) continue;
      leaves.push(alias);
      aliases.delete(id);
    }
    const enters: Snapshot['enters'][number][] = [];
    const jumps: Snapshot['jumps'][number][] = [];
    for (const being of this.beings) {
      const xCm = Math.round(being.x * 100);
      const zCm = Math.round(being.z * 100);
      const known = aliases.get(being.id);
      if (known === undefined) {
        const alias = freeAlias(aliases, this.aliasFirst);
        aliases.set(being.id, { alias, xCm, zCm });
        enters.push({ alias, id: being.id, kind: PLAYER_KIND, xCm, zCm, components: being.components });
      } else if (known.xCm !== xCm || known.zCm !== zCm) {
        jumps.push({ alias: known.alias, xCm, zCm });
        aliases.set(being.id, { alias: known.alias, xCm, zCm });
      }
    }
    const { x, z, vx, vz } = own;
    return {
      type: 'snapshot',
      keyframe,
      resync: false,
      tick: this.tick,
      inputSequence: session.inputSequence,
      durableLag: 0,
      self: { alias: aliases.get(own.id)?.alias ?? 0, x, z, vx: Math.fround(vx), vz: Math.fround(vz) },
      leaves,
      enters,
      moves: [],
      jumps,
      turns: [],
      changes: [],
      events: [],
    };
  }
}

/** The lowest from `first` on that nobody has: aliases are used again as soon as they can be. */
function freeAlias(aliases: SmallSession['aliases'], first: number): number {
  const used = new Set([...aliases.values()].map((entry) => entry.alias));
  let alias = first;
  while (used.has(alias)) alias++;
  return alias;
}
