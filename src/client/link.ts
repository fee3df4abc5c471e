/**
 * Keeps one session connected: opens WebSockets, says hello, measures round trips, and comes back after a loss.
 *
 *   connecting ──welcome──▶ online ──lost──▶ reconnecting ──welcome──▶ online
 *        │                     │                   │
 *        └───── refused for good, or close() ──────┴──▶ closed
 *
 * Invariant: events of a socket that was given up change nothing.
 */
import type { Schema } from '../base/schema.ts';
import { WireError } from '../base/errors.ts';
import { decodeServerMessage, encodeClientMessage } from '../wire/client.wire.ts';
import { serverMessageFromJson, toJson } from '../wire/json.wire.ts';
import { CLOSE_CODE, PROTOCOL_VERSION } from '../wire/messages.ts';
import type {
  ClientMessage,
  Handover,
  Pong,
  ProtocolErrorCode,
  ServerMessage,
  Snapshot,
  Welcome,
} from '../wire/messages.ts';
import { backoffDelayMs, isFinal } from './backoff.core.ts';
import type { BackoffOptions } from './backoff.core.ts';
import { ServerClock } from './clock.core.ts';
import { ClientError } from './errors.ts';
import { isOpen } from './socket.ts';
import type { Socket, SocketConstructor } from './socket.ts';

/** From opening a socket to the welcome; after that, between two messages of the server. */
const SILENCE_MS_MAX = 10_000;
/** The first pings come fast, to have a clock soon. */
const PINGS_FAST = 5;
const PING_FAST_MS = 200;
const PING_MS = 2000;
/** Connections in a row that ended with bytes we cannot read; then the server is not one of ours. */
const UNREADABLE_MAX = 3;

export type ClientStatus =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'online'; readonly resumed: boolean }
  | { readonly kind: 'reconnecting'; readonly attempt: number; readonly delayMs: number; readonly error: ClientError }
  /** `error` is undefined when this side closed. */
  | { readonly kind: 'closed'; readonly error: ClientError | undefined };

export interface LinkOptions {
  readonly url: string;
  readonly name: string;
  readonly token: string;
  readonly resumeToken: string;
  readonly format: 'binary' | 'json';
  /** Of the world module; without it the schema comes with the welcome. */
  readonly schema: Schema | undefined;
  readonly socketConstructor: SocketConstructor;
  readonly backoff: BackoffOptions;
  /** Local milliseconds, monotonic. */
  readonly now: () => number;
  readonly random: () => number;
}

/** What the link tells its owner. All may throw a ClientError: the connection is then given up and made anew. */
export interface LinkOwner {
  welcome(welcome: Welcome, schema: Schema): void;
  snapshot(snapshot: Snapshot, receivedMs: number): void;
  /** Already acknowledged. */
  handover(handover: Handover): void;
  status(status: ClientStatus): void;
}

export class Link {
  readonly clock = new ServerClock();
  status: ClientStatus = { kind: 'connecting' };
  resumeToken: string;
  bytesIn = 0;
  messagesIn = 0;
  messagesOut = 0;
  readonly #options: LinkOptions;
  readonly #owner: LinkOwner;
  readonly #pingsSentMs = new Map<number, number>();
  #schema: Schema | undefined;
  #socket: Socket | undefined;
  #attempt = 0;
  #unreadableCount = 0;
  #pingNonce = 0;
  #serverError: ProtocolErrorCode | undefined;
  #serverErrorText = '';
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #pingTimer: ReturnType<typeof setTimeout> | undefined;
  #silenceTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: LinkOptions, owner: LinkOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#schema = options.schema;
    this.resumeToken = options.resumeToken;
  }

  open(): void {
    const { url, format, socketConstructor } = this.#options;
    let socket: Socket;
    try {
      socket = new socketConstructor(format === 'json' ? withFormat(url) : url);
    } catch (cause) {
      // Only a URL that can never work throws here.
      this.#close(new ClientError('ERR_CLIENT_ENVIRONMENT', `cannot open ${url}: ${String(cause)}`, { cause }));
      return;
    }
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#serverError = undefined;
    this.#serverErrorText = '';
    this.#heard();
    socket.onopen = () => this.#hello(socket);
    socket.onmessage = (event) => this.#receive(socket, event.data);
    socket.onclose = (event) => this.#lost(socket, event.code);
    // A close event follows and says what there is to say.
    socket.onerror = () => undefined;
  }

  /** False when there is no connection to send on. */
  send(message: ClientMessage): boolean {
    if (this.status.kind !== 'online' || this.#socket === undefined || !isOpen(this.#socket)) return false;
    this.#write(this.#socket, message);
    return true;
  }

  /** Leaves the world for good. */
  close(): void {
    this.send({ type: 'bye' });
    this.#close(undefined);
  }

  #hello(socket: Socket): void {
    if (socket !== this.#socket) return;
    const { name, token, schema } = this.#options;
    this.#write(socket, {
      type: 'hello',
      protocolVersion: PROTOCOL_VERSION,
      schemaHash: schema?.hash ?? 0,
      name,
      token,
      resumeToken: this.resumeToken,
      mode: 'tunnel',
      clientTimeMs: 0,
      lastKnownTick: 0,
    });
  }

  #write(socket: Socket, message: ClientMessage): void {
    this.messagesOut++;
    socket.send(this.#options.format === 'json' ? toJson(message) : encodeClientMessage(message, this.#schema));
  }

  #receive(socket: Socket, data: unknown): void {
    if (socket !== this.#socket) return;
    const receivedMs = this.#options.now();
    this.#heard();
    this.messagesIn++;
    try {
      this.#handle(this.#decode(data), receivedMs);
    } catch (cause) {
      if (!(cause instanceof WireError || cause instanceof ClientError)) throw cause;
      this.#giveUp(cause);
    }
  }

  #decode(data: unknown): ServerMessage {
    if (typeof data === 'string') {
      this.bytesIn += data.length;
      return serverMessageFromJson(data, this.#schema);
    }
    const bytes = data instanceof Uint8Array ? data : new Uint8Array(data as ArrayBuffer);
    this.bytesIn += bytes.length;
    return decodeServerMessage(bytes, this.#schema);
  }

  #handle(message: ServerMessage, receivedMs: number): void {
    switch (message.type) {
      case 'welcome':
        return this.#welcome(message);
      case 'snapshot':
        this.#unreadableCount = 0;
        return this.#owner.snapshot(message, receivedMs);
      case 'pong':
        return this.#pong(message, receivedMs);
      case 'error':
        this.#serverError = message.code;
        this.#serverErrorText = message.message;
        return;
      case 'handover':
        this.send({ type: 'handoverAck', seq: message.seq });
        return this.#owner.handover(message);
    }
  }

  #welcome(welcome: Welcome): void {
    const { schema } = this.#options;
    if (schema !== undefined && schema.hash !== welcome.schemaHash) {
      throw new ClientError(
        'ERR_CLIENT_SCHEMA',
        `this client was built with schema ${schema.hash} of "${schema.name}", the server runs ${welcome.schemaHash}; reload the client`,
      );
    }
    this.#schema = schema ?? welcome.schema;
    if (this.#schema === undefined)
      throw new ClientError('ERR_CLIENT_PROTOCOL', 'a welcome without the schema asked for');
    this.resumeToken = welcome.resumeToken;
    this.#attempt = 0;
    this.#owner.welcome(welcome, this.#schema);
    this.#setStatus({ kind: 'online', resumed: welcome.resumed });
    this.#pingsSentMs.clear();
    this.#ping(0);
  }

  #ping(sentCount: number): void {
    const nonce = (this.#pingNonce = (this.#pingNonce + 1) >>> 0);
    // Only the last few can still be answered in time to count.
    if (this.#pingsSentMs.size >= PINGS_FAST) this.#pingsSentMs.clear();
    this.#pingsSentMs.set(nonce, this.#options.now());
    this.send({ type: 'ping', nonce });
    clearTimeout(this.#pingTimer);
    this.#pingTimer = setTimeout(() => this.#ping(sentCount + 1), sentCount < PINGS_FAST ? PING_FAST_MS : PING_MS);
  }

  #pong(pong: Pong, receivedMs: number): void {
    const sentMs = this.#pingsSentMs.get(pong.nonce);
    if (sentMs === undefined) return;
    this.#pingsSentMs.delete(pong.nonce);
    this.clock.add({ sentMs, receivedMs, serverTimeMs: pong.serverTimeMs });
  }

  #heard(): void {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => {
      this.#giveUp(new ClientError('ERR_CLIENT_TIMEOUT', `nothing heard of the server for ${SILENCE_MS_MAX} ms`));
    }, SILENCE_MS_MAX);
  }

  /** This side ends the connection, because of what came over it, or because nothing came. */
  #giveUp(cause: WireError | ClientError): void {
    const error =
      cause instanceof ClientError
        ? cause
        : new ClientError('ERR_CLIENT_PROTOCOL', `unreadable: ${cause.message}`, { cause });
    if (error.code === 'ERR_CLIENT_PROTOCOL') this.#unreadableCount++;
    this.#abandon(error.code === 'ERR_CLIENT_TIMEOUT' ? CLOSE_CODE.normal : CLOSE_CODE.malformed);
    if (error.code === 'ERR_CLIENT_SCHEMA' || this.#unreadableCount >= UNREADABLE_MAX) return this.#close(error);
    this.#retry(error, 0);
  }

  #lost(socket: Socket, closeCode: number): void {
    if (socket !== this.#socket) return;
    this.#abandon(CLOSE_CODE.normal);
    const said = this.#serverError === undefined ? '' : `: ${this.#serverError}: ${this.#serverErrorText}`;
    const options = { serverError: this.#serverError, closeCode };
    if (isFinal(closeCode)) {
      this.#close(
        new ClientError('ERR_CLIENT_REFUSED', `the server ended the connection (${closeCode})${said}`, options),
      );
      return;
    }
    this.#retry(
      new ClientError('ERR_CLIENT_CONNECTION', `the connection was lost (${closeCode})${said}`, options),
      closeCode,
    );
  }

  #retry(error: ClientError, closeCode: number): void {
    const attempt = this.#attempt++;
    const { backoff, random } = this.#options;
    const delayMs = backoffDelayMs(attempt, { closeCode, random: random(), backoff });
    this.#retryTimer = setTimeout(() => this.open(), delayMs);
    this.#setStatus({ kind: 'reconnecting', attempt, delayMs, error });
  }

  #close(error: ClientError | undefined): void {
    if (this.status.kind === 'closed') return;
    this.#abandon(CLOSE_CODE.normal);
    this.#setStatus({ kind: 'closed', error });
  }

  /** Stops all timers and lets go of the socket, whose later events are not heard. */
  #abandon(closeCode: number): void {
    for (const timer of [this.#retryTimer, this.#pingTimer, this.#silenceTimer]) clearTimeout(timer);
    const socket = this.#socket;
    this.#socket = undefined;
    // Closing a socket that is closed already does nothing.
    socket?.close(closeCode);
  }

  #setStatus(status: ClientStatus): void {
    this.status = status;
    this.#owner.status(status);
  }
}

function withFormat(url: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}format=json`;
}
