/**
 * One player's connection: what is sent over it, and how it ends.
 *
 *   hello ──a hello came──▶ verifying ──welcome──▶ playing
 *     └───────────┴── error, limit, stop ──▶ closed ◀──┤
 *                                              ▲       │ the client has its session elsewhere now
 *                                              └─── moved: it closes, or is closed after MOVED_MS
 *
 * Snapshots go to the socket as whole frames of our own (frame.wire.ts); everything else through `ws`. Both write
 * frames at once and whole, because nothing is compressed, so they never mix.
 */
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { decodeServerMessage, encodeServerMessage } from '../wire/client.wire.ts';
import { toJson } from '../wire/json.wire.ts';
import { CLOSE_CODE } from '../wire/messages.ts';
import type {
  ClientMode,
  ErrorMessage,
  Handover,
  HandoverStart,
  Pong,
  ProtocolErrorCode,
  Welcome,
} from '../wire/messages.ts';
import { SNAPSHOT_FLAG } from '../wire/snapshot.wire.ts';
import type { Backlog } from './backlog.core.ts';
import type { GatewayContext } from './context.ts';
import { binaryFrame } from './frame.wire.ts';
import type { ClientOrigin } from './listener.ts';
import type { Session } from './session-table.ts';
import { fullBucket, takeToken, takeTokens } from './token-bucket.core.ts';
import type { Bucket, BucketLimit } from './token-bucket.core.ts';

export type Stage = 'hello' | 'verifying' | 'playing' | 'moved' | 'closed';

/** How long a client that was sent elsewhere may take to close its connection here. */
export const MOVED_MS = 6000;

/** The close code that follows each error. ERR_SESSION_EXPIRED is not fatal: a welcome to a new session follows. */
export const CLOSE_CODES: Readonly<Record<Exclude<ProtocolErrorCode, 'ERR_SESSION_EXPIRED'>, number>> = {
  ERR_PROTOCOL_MALFORMED: CLOSE_CODE.malformed,
  ERR_PROTOCOL_VERSION: CLOSE_CODE.version,
  ERR_PROTOCOL_SCHEMA: CLOSE_CODE.version,
  ERR_PROTOCOL_HELLO_EXPECTED: CLOSE_CODE.malformed,
  ERR_PROTOCOL_HELLO_TIMEOUT: CLOSE_CODE.helloTimeout,
  ERR_PROTOCOL_INPUT_RANGE: CLOSE_CODE.malformed,
  ERR_AUTH_TOKEN: CLOSE_CODE.auth,
  ERR_LIMIT_RATE: CLOSE_CODE.rate,
  ERR_LIMIT_CONNECTIONS: CLOSE_CODE.tooManyConnections,
  ERR_LIMIT_BACKLOG: CLOSE_CODE.backlog,
  ERR_LIMIT_SESSIONS: CLOSE_CODE.tryLater,
  ERR_SERVER_OVERLOADED: CLOSE_CODE.tryLater,
  ERR_SERVER_STOPPING: CLOSE_CODE.restart,
  ERR_SESSION_REPLACED: CLOSE_CODE.replaced,
  ERR_SESSION_MOVED: CLOSE_CODE.moved,
  ERR_CLOCK_SKEW: CLOSE_CODE.clockSkew,
  ERR_LIMIT_ACCOUNT: CLOSE_CODE.tooManyConnections,
  ERR_ORIGIN: CLOSE_CODE.auth,
};
export type FatalErrorCode = keyof typeof CLOSE_CODES;

const SNAPSHOT_FLAGS_OFFSET_BYTES = 1;

export class Connection {
  /** Never repeats in a gateway's life. */
  readonly number: number;
  /** By which limits are counted. */
  readonly address: string;
  readonly from: ClientOrigin;
  readonly openedAtMs: number;
  readonly webSocket: WebSocket;
  readonly backlog: Backlog = { sinceMs: -1 };
  stage: Stage = 'hello';
  session: Session | undefined;
  heardAtMs: number;
  pinged = false;
  /** Snapshots encoded before this connection took its session are deltas to what another one had. */
  awaitsKeyframe = true;
  /** How its player is to be reached while another node owns it. */
  mode: ClientMode = 'tunnel';
  /** When it moved; 0: it has not. */
  movedAtMs = 0;
  /** When the next snapshot is to be written; 0: whenever it comes. */
  snapshotDueMs = 0;
  readonly #context: GatewayContext;
  readonly #socket: Socket;
  readonly #json: boolean;
  readonly #messages: Bucket;
  readonly #bytes: Bucket;

  constructor(
    context: GatewayContext,
    transport: {
      webSocket: WebSocket;
      socket: Socket;
      address: string;
      from: ClientOrigin;
      json: boolean;
      number: number;
    },
  ) {
    this.#context = context;
    this.#socket = transport.socket;
    this.#json = transport.json;
    this.number = transport.number;
    this.webSocket = transport.webSocket;
    this.address = transport.address;
    this.from = transport.from;
    this.openedAtMs = context.nowMs();
    this.heardAtMs = this.openedAtMs;
    this.#messages = fullBucket(messageLimit(context), this.openedAtMs);
    this.#bytes = fullBucket(byteLimit(context), this.openedAtMs);
  }

  get isJson(): boolean {
    return this.#json;
  }

  /** Bytes that the socket has not taken yet. */
  get backlogBytes(): number {
    return this.#socket.writableLength;
  }

  /** Notes a sign of life, and charges for it. False when the client talks too much; it is closed then. */
  hear(nowMs: number, sizeBytes = 0): boolean {
    this.heardAtMs = nowMs;
    this.pinged = false;
    const messages = messageLimit(this.#context);
    if (!takeToken(this.#messages, messages, nowMs)) {
      this.fail('ERR_LIMIT_RATE', `at most ${messages.perSecond} messages a second, ${messages.burst} at once`);
      return false;
    }
    const bytes = byteLimit(this.#context);
    if (takeTokens(this.#bytes, sizeBytes, bytes, nowMs)) return true;
    this.fail('ERR_LIMIT_RATE', `at most ${bytes.perSecond} bytes a second, ${bytes.burst} at once`);
    return false;
  }

  send(message: Welcome | Pong | ErrorMessage | Handover | HandoverStart): void {
    if (this.webSocket.readyState !== WebSocket.OPEN) return;
    const { counters } = this.#context;
    const data = this.#json ? toJson(message) : encodeServerMessage(message);
    counters.messagesOut++;
    counters.bytesOut += data.length;
    if (message.type === 'error') counters.countError(message.code);
    this.webSocket.send(data);
  }

  /**
   * Copies one SNAPSHOT out of the ring and writes it with one socket write. False when it continues a view that this
   * client does not have: it waits for a keyframe.
   */
  sendSnapshot(bytes: Uint8Array, offsetBytes: number, sizeBytes: number): boolean {
    const { counters, store } = this.#context;
    if (this.stage !== 'playing' || this.webSocket.readyState !== WebSocket.OPEN) {
      counters.snapshotsStale++;
      return true;
    }
    if (this.awaitsKeyframe) {
      const flags = bytes[offsetBytes + SNAPSHOT_FLAGS_OFFSET_BYTES] ?? 0;
      if ((flags & (SNAPSHOT_FLAG.keyframe | SNAPSHOT_FLAG.resync)) === 0) {
        counters.snapshotsStale++;
        return false;
      }
      this.awaitsKeyframe = false;
    }
    this.#noteLateness();
    counters.snapshotsSent++;
    counters.messagesOut++;
    if (this.#json) {
      const text = toJson(decodeServerMessage(bytes.slice(offsetBytes, offsetBytes + sizeBytes), store.schema));
      counters.bytesOut += text.length;
      this.webSocket.send(text);
      return true;
    }
    const frame = binaryFrame(bytes, offsetBytes, sizeBytes);
    counters.bytesOut += frame.length;
    this.#socket.write(frame);
    return true;
  }

  #noteLateness(): void {
    const { counters, settings, nowMs: now } = this.#context;
    const nowMs = now();
    if (this.snapshotDueMs !== 0) {
      counters.snapshotLateness.observe(Math.max(0, nowMs - this.snapshotDueMs) / 1000);
    }
    this.snapshotDueMs = nowMs + snapshotPeriodMs(settings);
  }

  /** The session goes on over another connection of the same client, which closes this one when it has heard there. */
  move(): void {
    if (this.stage !== 'playing') return this.fail('ERR_SESSION_MOVED', 'the session goes on elsewhere');
    this.stage = 'moved';
    this.movedAtMs = this.#context.nowMs();
  }

  /** Tells the client why, and closes; `ws` cuts the socket if the client does not answer in time. */
  fail(code: FatalErrorCode, message: string): void {
    if (this.stage === 'closed') return;
    this.send({ type: 'error', code, message });
    this.close(CLOSE_CODES[code], code);
  }

  close(closeCode: number, reason: string): void {
    this.stage = 'closed';
    this.webSocket.close(closeCode, reason);
  }
}

/** Snapshots are made every so many ticks. */
function snapshotPeriodMs({ tickHz, snapshotHz }: GatewayContext['settings']): number {
  return (1000 * Math.max(1, Math.round(tickHz / snapshotHz))) / tickHz;
}

function messageLimit({ settings, lateness }: GatewayContext): BucketLimit {
  return withLateness({ perSecond: settings.messagesPerSecond, burst: settings.messagesBurst }, lateness.lateMs);
}

function byteLimit({ settings, lateness }: GatewayContext): BucketLimit {
  return withLateness({ perSecond: settings.bytesPerSecond, burst: settings.bytesBurst }, lateness.lateMs);
}

/** What was allowed while this thread stood still may come at once. */
function withLateness({ perSecond, burst }: BucketLimit, lateMs: number): BucketLimit {
  return { perSecond, burst: burst + (perSecond * lateMs) / 1000 };
}
