/**
 * One WebSocket to a gateway: opens it, measures the way, says hello, reads what comes, and notices silence. Whether its
 * messages count is not known here.
 *
 *   opening ──▶ (measuring ──▶) hello ──welcome──▶ playing ──▶ ended
 *
 * Invariant: after `ended` was told, or `hangUp` was called, nothing more is.
 */
import type { Schema } from '../base/schema.ts';
import { viewHash } from '../base/view-hash.ts';
import { WireError } from '../base/errors.ts';
import { decodeServerMessage } from '../wire/client.wire.ts';
import { CLOSE_CODE, MESSAGE } from '../wire/messages.ts';
import type { ClientMessage, ProtocolErrorCode, ServerMessage, Snapshot, Welcome } from '../wire/messages.ts';
import { SAMPLES_GOOD } from './clock.core.ts';
import type { ServerClock } from './clock.core.ts';
import { ClientError } from './errors.ts';
import type { Loss, SocketNumber } from './link.core.ts';
import type { MessageFormat } from './message-format.ts';
import { isOpen } from './socket.ts';
import type { Socket, SocketConstructor } from './socket.ts';

/** Between two messages of the server, and from the open socket to the welcome. */
export const SILENCE_MS_MAX = 10_000;
/** The first pings come fast, to have a clock soon. */
const PINGS_FAST = 5;
const PING_FAST_MS = 200;
const PING_MS = 2000;
/** Before a hello that must say the right time, which may not take long. */
const PING_MEASURE_MS = 50;
/** No answer of slower ways is waited for, so that the server does not lose patience. */
const MEASURE_MS_MAX = 3000;
/** Pings whose answers are still waited for. */
const PINGS_PENDING_MAX = 16;
/** A timer that is late by this much, by either clock, was stopped: the computer slept. */
const SLEEP_MS_MIN = 5000;
/** For any word of the server after a hint that the connection may be dead. */
export const PROBE_MS_MAX = 2000;
/** For the keyframe that was asked for. */
const KEYFRAME_MS_MAX = 3000;

export interface SocketSessionOptions {
  readonly number: SocketNumber;
  readonly url: string;
  readonly socketConstructor: SocketConstructor;
  readonly format: Pick<MessageFormat, 'encode' | 'urlOf'> & Partial<MessageFormat>;
  /** Of the world module, or of an earlier welcome. */
  readonly schema: Schema | undefined;
  readonly clock: ServerClock;
  readonly measuresClock: boolean;
  /** For the gateway to take the connection. */
  readonly dialMs: number;
  /** Local milliseconds, monotonic. */
  readonly now: () => number;
  /** What this computer takes for UTC. */
  readonly utcNow: () => number;
  readonly traffic: Traffic;
}

export interface Traffic {
  bytesIn: number;
  messagesIn: number;
  messagesOut: number;
}

/** A snapshot is handed on as it came: bytes, or read from JSON. */
export type SnapshotSource = Uint8Array | Snapshot;
export type OtherMessage = Exclude<ServerMessage, Snapshot | { type: 'welcome' | 'pong' | 'error' }>;

/** All of these may throw a WireError or a ClientError: the connection is then given up. */
export interface SocketSessionOwner {
  hello(): Extract<ClientMessage, { type: 'hello' }>;
  welcome(session: SocketSession, welcome: Welcome): void;
  snapshot(session: SocketSession, source: SnapshotSource, receivedMs: number): void;
  message(session: SocketSession, message: OtherMessage): void;
  /** A ping was answered. */
  measured(session: SocketSession): void;
  ended(session: SocketSession, loss: Loss): void;
}

export class SocketSession {
  readonly number: SocketNumber;
  readonly url: string;
  schema: Schema | undefined;
  heardMs: number;
  readonly #options: SocketSessionOptions;
  readonly #owner: SocketSessionOwner;
  readonly #pingsSentMs = new Map<number, number>();
  #socket: Socket | undefined;
  #stage: 'opening' | 'measuring' | 'hello' | 'playing' = 'opening';
  #pingCount = 0;
  #pongCount = 0;
  /** When the pulse is due, by both clocks. */
  #dueMs = 0;
  #dueUtcMs = 0;
  #keyframeAskedMs = 0;
  #isProbing = false;
  #serverError: ProtocolErrorCode | undefined;
  #serverErrorText = '';
  #pulseTimer: ReturnType<typeof setTimeout> | undefined;
  #deadlineTimer: ReturnType<typeof setTimeout> | undefined;
  #deadlineMs = 0;

  /** @throws what the WebSocket throws for a URL that can never work. */
  constructor(options: SocketSessionOptions, owner: SocketSessionOwner) {
    this.#options = options;
    this.#owner = owner;
    this.number = options.number;
    this.url = options.url;
    this.schema = options.schema;
    this.heardMs = options.now();
    const socket = new options.socketConstructor(options.format.urlOf(options.url));
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#closed(event.code);
    // A close event follows and says what there is to say.
    socket.onerror = () => undefined;
    this.#expect(options.dialMs, 'no connection');
  }

  /** A keyframe was asked for, and is not here. */
  get awaitsKeyframe(): boolean {
    return this.#keyframeAskedMs > 0;
  }

  /** False when there is no connection to send on. */
  send(message: ClientMessage): boolean {
    const socket = this.#socket;
    if (socket === undefined || !isOpen(socket)) return false;
    this.#options.traffic.messagesOut++;
    socket.send(this.#options.format.encode(message, this.schema));
    return true;
  }

  /** This side ends the connection: nothing more is heard of it. */
  hangUp(closeCode: number): void {
    clearTimeout(this.#pulseTimer);
    clearTimeout(this.#deadlineTimer);
    const socket = this.#socket;
    this.#socket = undefined;
    // Closing a socket that is closed already does nothing.
    socket?.close(closeCode);
  }

  /** The view does not fit: once, a keyframe may help. */
  askKeyframe(): void {
    this.#keyframeAskedMs = this.#options.now();
    this.send({ type: 'keyframe' });
  }

  keyframeCame(): void {
    this.#keyframeAskedMs = 0;
  }

  /** The connection may be dead: it has a moment to show that it is not. After a long silence it has not even that. */
  probe(): void {
    if (this.#stage !== 'playing') return;
    this.#isProbing = true;
    if (this.#options.now() - this.heardMs > SILENCE_MS_MAX / 2) return this.#giveUp(timeout('nothing was heard'));
    this.#ping();
    this.#expect(PROBE_MS_MAX, 'no answer');
  }

  /** Fast pings again: the way may be another one. */
  measureAgain(): void {
    this.#pingCount = 0;
    this.#pulse();
  }

  #opened(): void {
    this.heardMs = this.#options.now();
    if (!this.#options.measuresClock) return this.#hello();
    this.#stage = 'measuring';
    this.#expect(MEASURE_MS_MAX, 'no answer to pings');
    this.#pulse();
  }

  #hello(): void {
    this.#stage = 'hello';
    this.send(this.#owner.hello());
    this.#expect(SILENCE_MS_MAX, 'no welcome');
  }

  #receive(data: unknown): void {
    if (this.#socket === undefined) return;
    const receivedMs = this.#options.now();
    this.heardMs = receivedMs;
    this.#options.traffic.messagesIn++;
    // A probe is answered by anything.
    if (this.#stage === 'playing' && this.#deadlineMs > 0) this.#expectNothing();
    try {
      this.#read(data, receivedMs);
    } catch (cause) {
      if (cause instanceof ClientError) this.#giveUp(cause);
      else if (cause instanceof WireError)
        this.#giveUp(new ClientError('ERR_CLIENT_PROTOCOL', `unreadable: ${cause.message}`, { cause }));
      else throw cause;
    }
  }

  #read(data: unknown, receivedMs: number): void {
    const { traffic, format } = this.#options;
    if (typeof data === 'string') {
      traffic.bytesIn += data.length;
      if (format.decodeText === undefined) throw new WireError('ERR_WIRE_TYPE', 'bytes expected, got text');
      return this.#handle(format.decodeText(data, this.schema), receivedMs);
    }
    const bytes = data instanceof Uint8Array ? data : new Uint8Array(data as ArrayBuffer);
    traffic.bytesIn += bytes.length;
    if (bytes[0] === MESSAGE.snapshot) return this.#snapshot(bytes, receivedMs);
    this.#handle(decodeServerMessage(bytes, this.schema), receivedMs);
  }

  #handle(message: ServerMessage, receivedMs: number): void {
    switch (message.type) {
      case 'welcome':
        return this.#welcome(message);
      case 'snapshot':
        return this.#snapshot(message, receivedMs);
      case 'pong':
        return this.#pong(message, receivedMs);
      case 'error':
        this.#serverError = message.code;
        this.#serverErrorText = message.message;
        return;
      default:
        return this.#owner.message(this, message);
    }
  }

  #snapshot(source: SnapshotSource, receivedMs: number): void {
    if (this.#stage !== 'playing') throw new WireError('ERR_WIRE_TYPE', 'a snapshot before the welcome');
    this.#owner.snapshot(this, source, receivedMs);
  }

  #welcome(welcome: Welcome): void {
    const { schema } = this;
    if (this.#stage !== 'hello') throw new WireError('ERR_WIRE_TYPE', 'a welcome that was not asked for');
    // Who was not built for a version takes that of each node; else the node has agreed to the hash of what both see.
    const isAgreed = schema !== undefined && [viewHash(schema), schema.hash].includes(welcome.schemaHash);
    if (welcome.schema === undefined && schema !== undefined && !isAgreed) {
      const message = `this client has schema ${viewHash(schema)} of "${schema.name}", the server runs ${welcome.schemaHash}; reload the client`;
      throw new ClientError('ERR_CLIENT_SCHEMA', message);
    }
    this.schema = welcome.schema ?? schema;
    if (this.schema === undefined) {
      throw new ClientError('ERR_CLIENT_PROTOCOL', 'a welcome without the schema asked for');
    }
    this.#stage = 'playing';
    this.#expectNothing();
    this.#owner.welcome(this, welcome);
    this.measureAgain();
  }

  /** Pings, and looks whether the server is still there. */
  #pulse(): void {
    if (this.#socket === undefined) return;
    const { now, utcNow } = this.#options;
    const nowMs = now();
    const isLate = this.#dueMs > 0 && Math.max(nowMs - this.#dueMs, utcNow() - this.#dueUtcMs) > SLEEP_MS_MIN;
    if (isLate && this.#stage === 'playing') this.probe();
    if (this.#socket === undefined) return;
    if (nowMs - this.heardMs > SILENCE_MS_MAX) return this.#giveUp(timeout('nothing was heard'));
    if (this.awaitsKeyframe && nowMs - this.#keyframeAskedMs > KEYFRAME_MS_MAX) {
      return this.#giveUp(new ClientError('ERR_CLIENT_PROTOCOL', 'the keyframe asked for did not come'));
    }
    this.#ping();
    const isFast = this.#pingCount <= PINGS_FAST || this.#stage === 'measuring';
    const pauseMs = this.#stage === 'measuring' ? PING_MEASURE_MS : isFast ? PING_FAST_MS : PING_MS;
    this.#dueMs = nowMs + pauseMs;
    this.#dueUtcMs = utcNow() + pauseMs;
    clearTimeout(this.#pulseTimer);
    this.#pulseTimer = setTimeout(() => this.#pulse(), pauseMs);
  }

  #ping(): void {
    const nonce = this.#nextNonce();
    if (this.#stage === 'measuring' && this.#pingsSentMs.size >= PINGS_PENDING_MAX) return;
    if (this.#pingsSentMs.size >= PINGS_PENDING_MAX) this.#forgetOldestPing();
    this.#pingsSentMs.set(nonce, this.#options.now());
    this.send({ type: 'ping', nonce });
  }

  #nextNonce(): number {
    this.#pingCount++;
    // Of all connections of this client, so that no answer is taken for another's.
    return ((this.number << 20) + this.#pingCount) >>> 0;
  }

  #forgetOldestPing(): void {
    const [oldest] = this.#pingsSentMs.keys();
    if (oldest !== undefined) this.#pingsSentMs.delete(oldest);
  }

  #pong({ nonce, serverTimeMs }: { nonce: number; serverTimeMs: number }, receivedMs: number): void {
    const sentMs = this.#pingsSentMs.get(nonce);
    if (sentMs === undefined) return;
    this.#pingsSentMs.delete(nonce);
    this.#pongCount++;
    this.#options.clock.add({ sentMs, receivedMs, serverTimeMs });
    this.#owner.measured(this);
    if (this.#stage === 'measuring' && this.#pongCount >= SAMPLES_GOOD) this.#hello();
  }

  #expect(waitMs: number, what: string): void {
    clearTimeout(this.#deadlineTimer);
    this.#deadlineMs = waitMs;
    this.#deadlineTimer = setTimeout(() => {
      // A few answers are better than none.
      if (this.#stage === 'measuring' && this.#pongCount > 0) this.#hello();
      else this.#giveUp(timeout(`${what} within ${waitMs} ms`));
    }, waitMs);
  }

  #expectNothing(): void {
    this.#isProbing = false;
    clearTimeout(this.#deadlineTimer);
    this.#deadlineMs = 0;
  }

  /** This side ends the connection, because of what came over it, or because nothing came. */
  #giveUp(error: ClientError): void {
    if (this.#socket === undefined) return;
    this.hangUp(error.code === 'ERR_CLIENT_TIMEOUT' ? CLOSE_CODE.normal : CLOSE_CODE.malformed);
    this.#owner.ended(this, { closeCode: 0, error, isPrompt: this.#isProbing });
  }

  #closed(closeCode: number): void {
    if (this.#socket === undefined) return;
    this.hangUp(CLOSE_CODE.normal);
    const said = this.#serverError === undefined ? '' : `: ${this.#serverError}: ${this.#serverErrorText}`;
    const message = `the connection was lost (${closeCode})${said}`;
    const options = { serverError: this.#serverError, closeCode };
    this.#owner.ended(this, { closeCode, error: new ClientError('ERR_CLIENT_CONNECTION', message, options) });
  }
}

function timeout(message: string): ClientError {
  return new ClientError('ERR_CLIENT_TIMEOUT', message);
}
