/**
 * A gateway thread on a real store, with the simulation's side of the rings in the hands of the test: it sees what the
 * gateway wrote for the world, and writes snapshots as the observe phase would.
 */
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { ClientOptions } from 'ws';
import type { SessionIndex } from '../../src/base/brand.ts';
import { readIntake } from '../../src/memory/intake.ts';
import type { Refusal } from '../../src/memory/sessions.ts';
import { Store } from '../../src/memory/store.ts';
import type { StoreOptions } from '../../src/memory/store.ts';
import { GatewayThread } from '../../src/net/gateway-thread.ts';
import { GATEWAY_DEFAULTS } from '../../src/net/settings.ts';
import type { GatewaySettings } from '../../src/net/settings.ts';
import { decodeServerMessage, encodeClientMessage } from '../../src/wire/client.wire.ts';
import { serverMessageFromJson, toJson } from '../../src/wire/json.wire.ts';
import { PROTOCOL_VERSION } from '../../src/wire/messages.ts';
import type { ClientMessage, ServerMessage, Snapshot, Welcome } from '../../src/wire/messages.ts';
import { encodeSnapshot } from '../../src/wire/snapshot.wire.ts';
import world from './harbour-world.ts';

export const DEADLINE_MS = 20_000;
const PUMP_PERIOD_MS = 5;

export const { schema } = world;

export const STORE_OPTIONS: StoreOptions = {
  schema,
  grid: { cellSize: 128, minX: -448, minZ: -320, maxX: 448, maxZ: 320 },
  entitiesMax: 700,
  sessionsMax: 7,
  workers: 2,
  hysteresis: 2,
  heapBytes: 65_536,
  commandBytes: 65_536,
  inputRingBytes: 65_536,
  outboundRingBytes: 1_048_576,
};

export interface Intake {
  readonly kind: 'join' | 'leave' | 'input';
  readonly session: number;
  readonly generation: number;
  readonly name?: string;
  readonly account?: string;
  readonly sequence?: number;
  readonly back?: number;
  readonly payload?: Uint8Array;
}

/** The conductor's part, on the test's own thread. */
export class WorldStandIn {
  readonly store: Store;
  readonly intakes: Intake[] = [];
  refusal: Refusal | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(store: Store) {
    this.store = store;
    this.#timer = setInterval(() => this.pump(), PUMP_PERIOD_MS);
  }

  /** While paused the input ring fills. */
  pause(): void {
    clearInterval(this.#timer);
  }

  pump(): void {
    const { inputRing, sessions } = this.store;
    inputRing.drain((at) => {
      readIntake(inputRing, at, {
        join: (session, generation, player) => {
          this.intakes.push({ kind: 'join', session, generation, ...player });
          if (this.refusal === undefined) sessions.setSlotPlusOne(session as SessionIndex, session + 1);
          else sessions.setRefusal(session as SessionIndex, this.refusal);
        },
        leave: (session, generation) => {
          this.intakes.push({ kind: 'leave', session, generation });
          sessions.setSlotPlusOne(session as SessionIndex, 0);
        },
        input: (session, generation, { sequence, back, at: start, sizeBytes }) => {
          const payload = inputRing.bytes.slice(start, start + sizeBytes);
          this.intakes.push({ kind: 'input', session, generation, sequence, back, payload });
        },
      });
    });
  }

  of(kind: Intake['kind'], session: number): Intake[] {
    return this.intakes.filter((intake) => intake.kind === kind && intake.session === session);
  }

  /** Writes bytes as a snapshot of a session; false when the ring is full. */
  writeFrame(session: number, generation: number, bytes: Uint8Array): boolean {
    const ring = this.store.outboundRings[session % this.store.outboundRings.length]!;
    const at = ring.reserve(8 + bytes.length);
    if (at < 0) return false;
    ring.view.setUint32(at, session, true);
    ring.view.setUint32(at + 4, generation, true);
    ring.bytes.set(bytes, at + 8);
    ring.commit(8 + bytes.length);
    this.store.control.ringDoorbell();
    return true;
  }

  sendSnapshot(session: number, snapshot: Partial<Snapshot> = {}): void {
    const generation = this.store.sessions.generation(session as SessionIndex);
    this.writeFrame(session, generation, encodeSnapshot({ ...EMPTY_SNAPSHOT, ...snapshot }, schema));
  }
}

export const EMPTY_SNAPSHOT: Snapshot = {
  type: 'snapshot',
  keyframe: true,
  resync: false,
  tick: 1,
  inputSequence: 0,
  durableLag: 0,
  self: undefined,
  leaves: [],
  enters: [],
  moves: [],
  jumps: [],
  turns: [],
  changes: [],
  events: [],
};

export interface Rig {
  readonly gateway: GatewayThread;
  readonly world: WorldStandIn;
  readonly store: Store;
  readonly port: number;
  readonly url: string;
  readonly http: string;
  dispose(): Promise<void>;
}

/** Starts a gateway with short times, on a free port; dispose of it in a teardown. */
export async function startRig(
  settings: Partial<GatewaySettings> = {},
  storeOptions: Partial<StoreOptions> = {},
): Promise<Rig> {
  const store = Store.create({ ...STORE_OPTIONS, ...storeOptions }, { incarnation: 1 });
  store.control.setReady(true);
  const gateway = await GatewayThread.start({
    store: store.handle,
    settings: { ...GATEWAY_DEFAULTS, port: 0, ...settings },
    shownSettings: { tickHz: 20 },
  });
  const standIn = new WorldStandIn(store);
  return {
    gateway,
    world: standIn,
    store,
    port: gateway.port,
    url: `ws://127.0.0.1:${gateway.port}/connect`,
    http: `http://127.0.0.1:${gateway.port}`,
    async dispose() {
      standIn.pause();
      await gateway.stop({ drainMs: 0 });
    },
  };
}

export const HELLO: Extract<ClientMessage, { type: 'hello' }> = {
  type: 'hello',
  protocolVersion: PROTOCOL_VERSION,
  schemaHash: schema.hash,
  name: 'Ada',
  token: '',
  resumeToken: '',
  mode: 'tunnel',
  clientTimeMs: 0,
  lastKnownTick: 0,
};

/** A client that keeps everything it was sent. */
export class TestClient {
  readonly webSocket: WebSocket;
  readonly messages: ServerMessage[] = [];
  closed: { code: number; reason: string } | undefined;
  readonly #json: boolean;

  static async open(url: string, options: ClientOptions & { json?: boolean } = {}): Promise<TestClient> {
    const { json = false, ...rest } = options;
    const webSocket = new WebSocket(json ? `${url}?format=json` : url, { perMessageDeflate: false, ...rest });
    const client = new TestClient(webSocket, json);
    await until(() => webSocket.readyState !== WebSocket.CONNECTING, 'the connection opens');
    return client;
  }

  /** Opens and says hello; resolves with the welcome. */
  static async join(
    url: string,
    hello: Partial<typeof HELLO> = {},
    options: ClientOptions & { json?: boolean } = {},
  ): Promise<{ client: TestClient; welcome: Welcome }> {
    const client = await TestClient.open(url, options);
    client.send({ ...HELLO, ...hello });
    return { client, welcome: await client.welcome() };
  }

  private constructor(webSocket: WebSocket, json: boolean) {
    this.webSocket = webSocket;
    this.#json = json;
    webSocket.on('message', (data: Buffer) => {
      const message = json ? serverMessageFromJson(data.toString(), schema) : decodeServerMessage(data, schema);
      this.messages.push(message);
    });
    webSocket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
    });
    webSocket.on('error', () => {});
  }

  send(message: ClientMessage): void {
    this.webSocket.send(this.#json ? toJson(message) : encodeClientMessage(message, schema));
  }

  async next<Type extends ServerMessage['type']>(type: Type): Promise<Extract<ServerMessage, { type: Type }>> {
    const find = () => this.messages.find((message) => message.type === type);
    await until(() => find() !== undefined || this.closed !== undefined, `a message of type ${type}`);
    const found = find();
    if (found === undefined)
      throw new Error(`closed (${JSON.stringify(this.closed)}) before a ${type}: ${JSON.stringify(this.messages)}`);
    this.messages.splice(this.messages.indexOf(found), 1);
    return found as Extract<ServerMessage, { type: Type }>;
  }

  async welcome(): Promise<Welcome> {
    return this.next('welcome');
  }

  /** The error and close code that ended this connection. */
  async end(): Promise<{ error: string | undefined; code: number }> {
    await until(() => this.closed !== undefined, 'the connection closes');
    const error = this.messages.findLast((message) => message.type === 'error');
    return { error: error?.code, code: this.closed!.code };
  }
}

/** Waits for a condition, with a deadline. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`within ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A TCP connection that says exactly this, and collects the answer. */
export function rawSocket(
  port: number,
  text: string,
): { socket: Socket; answer: () => string; isClosed: () => boolean } {
  const socket = createConnection({ host: '127.0.0.1', port });
  let answer = '';
  let closed = false;
  socket.on('data', (data: Buffer) => {
    answer += data.toString('latin1');
  });
  socket.on('close', () => {
    closed = true;
  });
  socket.on('error', () => {});
  if (text !== '') socket.write(text);
  return { socket, answer: () => answer, isClosed: () => closed };
}
