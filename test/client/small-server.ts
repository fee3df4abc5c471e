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
import { CLOSE_CODE, PROTOCOL_VERSION } from '../../src/wire/messages.ts';
import type { ClientMessage, ErrorMessage, Pong, ServerMessage, Snapshot, Welcome } from '../../src/wire/messages.ts';
import { encodeSnapshot } from '../../src/wire/snapshot.wire.ts';

export const TICK_HZ = 50;
const SNAPSHOT_HZ = 25;
const EDGE_METRES = 1000;
/** The kind and component that players have: the first of the schema. */
const PLAYER_KIND = 0;
const PLAYER_COMPONENT = 0;

const SKEW_REFUSAL = {
  error: { type: 'error', code: 'ERR_CLOCK_SKEW', message: 'your clock is off' },
  closeCode: CLOSE_CODE.clockSkew,
} as const;

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
  /** Of the last welcome; spent by the next. */
  token: string;
  /** Of redirects that were not followed. */
  readonly redirectTokens: Set<string>;
  readonly being: Being;
  readonly aliases: Map<EntityId, { alias: number; xCm: number; zCm: number }>;
  pending: { sequence: number; input: Values }[];
  inputSequence: number;
  socket: WebSocket | undefined;
  json: boolean;
  needsKeyframe: boolean;
  /** Instead of the keyframe after a resume. */
  needsResync: boolean;
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
  /** In each welcome. */
  gateways: string[] = [];
  /** What a snapshot says of its input. */
  durableLag = 0;
  /** Clients whose clock is further off are refused. */
  skewMsMax = Number.POSITIVE_INFINITY;
  /** Whether a client that says what it has is sent the difference. */
  resyncs = false;
  /** Inputs with these sequences are not received, and not waited for. */
  readonly lost = new Set<number>();
  sendsSnapshots = true;
  answersPings = true;
  /** Where aliases begin. */
  aliasFirst = 1;
  readonly #world: World;
  readonly #server: WebSocketServer;
  readonly #others: WebSocketServer[] = [];
  #tokenCount = 0;
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
    this.#listen(server);
    this.#timer = setInterval(() => this.#step(), 1000 / TICK_HZ);
  }

  get url(): string {
    return urlOf(this.#server);
  }

  /** Another gateway of the same world; returns its URL. */
  async openGateway(): Promise<string> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    this.#others.push(server);
    this.#listen(server);
    return urlOf(server);
  }

  /** As when its process is killed. */
  async killGateway(url: string): Promise<void> {
    const server = [this.#server, ...this.#others].find((candidate) => urlOf(candidate) === url);
    if (server !== undefined) await stop(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    for (const server of [this.#server, ...this.#others]) await stop(server);
  }

  /** Direct mode: offers the first session a connection at another gateway. */
  redirect(url: string, token = `redirect-${++this.#tokenCount}`): void {
    const [session] = this.sessions;
    if (session?.socket === undefined) return;
    session.redirectTokens.add(token);
    this.#send(session.socket, session.json, { type: 'handoverStart', seq: 7, url, token, validMs: 2000 });
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
    for (const server of [this.#server, ...this.#others]) for (const client of server.clients) client.terminate();
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
      this.#send(session.socket, session.json, { type: 'handover', seq, node });
    }
  }

  /** Sends bytes as they are. */
  sendRaw(bytes: Uint8Array): void {
    for (const client of this.#server.clients) client.send(bytes);
  }

  #listen(server: WebSocketServer): void {
    server.on('connection', (socket, request) => this.#accept(socket, request.url?.includes('format=json') === true));
  }

  #accept(socket: WebSocket, json: boolean): void {
    let session: SmallSession | undefined;
    socket.on('message', (data: Buffer) => {
      const { schema } = this.#world;
      const message = json ? clientMessageFromJson(data.toString(), schema) : decodeClientMessage(data, schema);
      this.received.push(message);
      if (message.type === 'ping') {
        if (!this.answersPings) return;
        const pong: Pong = { type: 'pong', nonce: message.nonce, serverTimeMs: Date.now(), tick: this.tick };
        this.#send(socket, json, pong);
      } else if (message.type === 'hello') session = this.#hello(socket, message, json);
      else if (session !== undefined && session.socket === socket) this.#receive(session, message);
    });
    socket.on('close', () => {
      if (session?.socket === socket) session.socket = undefined;
    });
  }

  #hello(socket: WebSocket, hello: Extract<ClientMessage, { type: 'hello' }>, json: boolean): SmallSession | undefined {
    this.hellos++;
    const isSkewed = Math.abs(hello.clientTimeMs - Date.now()) > this.skewMsMax;
    const refusal = isSkewed ? SKEW_REFUSAL : this.refusal;
    if (refusal !== undefined) {
      this.#send(socket, json, refusal.error);
      socket.close(refusal.closeCode);
      return undefined;
    }
    const { resumeToken, lastKnownTick } = hello;
    const known = this.sessions.find(({ token, redirectTokens }) => {
      return token === resumeToken || redirectTokens.delete(resumeToken);
    });
    const session = known ?? this.#newSession(hello.name);
    if (session.socket !== undefined && session.socket !== socket) {
      this.#send(session.socket, session.json, { type: 'error', code: 'ERR_SESSION_MOVED', message: 'elsewhere' });
      session.socket.close(CLOSE_CODE.moved);
    }
    session.token = `token-${session.number}-${++this.#tokenCount}`;
    session.socket = socket;
    session.json = json;
    session.needsResync = this.resyncs && known !== undefined && lastKnownTick > 0;
    session.needsKeyframe = !session.needsResync;
    const welcome = this.#welcome(session, { resumed: known !== undefined, withSchema: hello.schemaHash === 0 });
    this.#send(socket, json, welcome);
    return session;
  }

  #newSession(name: string): SmallSession {
    const number = this.sessions.length;
    const session: SmallSession = {
      number,
      token: '',
      redirectTokens: new Set(),
      being: this.addBeing(0, name),
      aliases: new Map(),
      pending: [],
      inputSequence: 0,
      socket: undefined,
      json: false,
      needsKeyframe: true,
      needsResync: false,
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
      gateways: this.gateways,
      schemaHash: schema.hash,
      schema: withSchema ? schema : undefined,
    };
  }

  #receive(session: SmallSession, message: ClientMessage): void {
    if (message.type === 'keyframe') session.needsKeyframe = true;
    if (message.type !== 'input' || this.lost.has(message.sequence)) return;
    const last = session.pending.at(-1)?.sequence ?? session.inputSequence;
    if (message.sequence > last) session.pending.push({ sequence: message.sequence, input: message.input });
  }

  #send(socket: WebSocket, json: boolean, message: Exclude<ServerMessage, Snapshot>): void {
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
      if (socket === undefined || socket.readyState !== socket.OPEN || !this.sendsSnapshots) continue;
      const snapshot = this.#snapshotFor(session);
      socket.send(json ? toJson(snapshot) : encodeSnapshot(snapshot, this.#world.schema));
    }
  }

  #snapshotFor(session: SmallSession): Snapshot {
    const { aliases, needsKeyframe: keyframe, needsResync: resync, being: own } = session;
    session.needsKeyframe = false;
    session.needsResync = false;
    if (keyframe) aliases.clear();
    const leaves: number[] = [];
    for (const [id, { alias }] of aliases) {
      if (this.beings.some((being) => being.id === id)) continue;
      // Whom a resync does not tell of is gone.
      if (!resync) leaves.push(alias);
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
      } else if (resync || known.xCm !== xCm || known.zCm !== zCm) {
        jumps.push({ alias: known.alias, xCm, zCm });
        aliases.set(being.id, { alias: known.alias, xCm, zCm });
      }
    }
    const { x, z, vx, vz } = own;
    return {
      type: 'snapshot',
      keyframe,
      resync,
      tick: this.tick,
      inputSequence: session.inputSequence,
      durableLag: Math.min(this.durableLag, session.inputSequence),
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

function urlOf(server: WebSocketServer): string {
  return `ws://127.0.0.1:${(server.address() as AddressInfo | null)?.port}/`;
}

async function stop(server: WebSocketServer): Promise<void> {
  for (const client of server.clients) client.terminate();
  if (server.address() === null) return;
  server.close();
  await once(server, 'close');
}

/** The lowest from `first` on that nobody has: aliases are used again as soon as they can be. */
function freeAlias(aliases: SmallSession['aliases'], first: number): number {
  const used = new Set([...aliases.values()].map((entry) => entry.alias));
  let alias = first;
  while (used.has(alias)) alias++;
  return alias;
}
