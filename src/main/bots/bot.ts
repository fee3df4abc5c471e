/** One client that walks and checks what it is sent: a WebSocket and the wire decoders, and as little else as possible. */
import { WebSocket } from 'ws';
import { WireError } from '../../base/errors.ts';
import { Random } from '../../base/random.ts';
import type { Schema } from '../../base/schema.ts';
import { decodeServerMessage, encodeClientMessage } from '../../wire/client.wire.ts';
import { MESSAGE, PROTOCOL_VERSION } from '../../wire/messages.ts';
import type { Welcome } from '../../wire/messages.ts';
import { visitSnapshot } from '../../wire/snapshot.wire.ts';
import { count } from './measures.ts';
import type { Measures } from './measures.ts';
import { ServerTime } from './server-time.core.ts';
import { ViewCheck } from './view-check.core.ts';
import { Walk } from './walk.core.ts';

/** The schema is asked for once and shared; all bots share one estimate of the server's time, too. */
export interface BotsShared {
  readonly url: string;
  readonly token: string;
  readonly measures: Measures;
  schema: Schema | undefined;
  serverTime: ServerTime | undefined;
}

const JOIN_MS_MAX = 20_000;
const HEADER_BYTES = { small: 2, medium: 4, large: 10 } as const;

export class Bot {
  readonly #shared: BotsShared;
  readonly #name: string;
  readonly #random: Random;
  readonly #check: ViewCheck;
  #socket: WebSocket | undefined;
  #welcome: Welcome | undefined;
  #walk: Walk | undefined;
  #sequence = 0;
  #nonce = 0;
  #pingSentMs = 0;
  #lastSnapshotMs = 0;
  /** Another node than that of the welcome owns the player, or did. */
  #isElsewhere = false;
  /** One input at a time is followed until it is acknowledged. */
  #followedSequence = 0;
  #followedSentMs = 0;
  #leaving = false;

  constructor(shared: BotsShared, { name, seed }: { name: string; seed: number }) {
    this.#shared = shared;
    this.#name = name;
    this.#random = new Random(seed);
    this.#check = new ViewCheck((violation) => shared.measures.violation(violation));
  }

  get isOnline(): boolean {
    return this.#welcome !== undefined && this.#socket?.readyState === WebSocket.OPEN;
  }

  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  get inViewCount(): number {
    return this.#check.inViewCount;
  }

  /** Resolves true with the welcome, or false when the connection ended or took too long. */
  async join(): Promise<boolean> {
    const { measures, url } = this.#shared;
    const startMs = performance.now();
    const socket = new WebSocket(url, {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      handshakeTimeout: JOIN_MS_MAX,
    });
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const deadline = setTimeout(() => {
      count(measures.errorsByCode, 'JOIN_TIMEOUT');
      socket.terminate();
    }, JOIN_MS_MAX);
    socket.on('open', () => this.#hello(socket));
    socket.on('message', (data: Buffer) => {
      this.#receive(data);
      if (this.#welcome !== undefined) resolve(true);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => count(measures.errorsByCode, error.code ?? error.name));
    socket.on('close', (closeCode) => {
      resolve(false);
      if (!this.#leaving) count(measures.disconnectsByCode, closeCode);
    });
    const joined = await promise;
    clearTimeout(deadline);
    if (joined) measures.join(performance.now() - startMs);
    return joined;
  }

  sendInput(nowMs: number): void {
    const { schema, measures } = this.#shared;
    if (!this.isOnline || this.#walk === undefined || schema === undefined) return;
    const input = this.#walk.next(nowMs, { x: this.#check.selfX, z: this.#check.selfZ });
    const sequence = ++this.#sequence;
    this.#check.sentSequence = sequence;
    if (this.#followedSequence === 0) {
      this.#followedSequence = sequence;
      this.#followedSentMs = nowMs;
    }
    this.#socket?.send(encodeClientMessage({ type: 'input', sequence, back: 0, input }, schema));
    if (!measures.isMeasuring) return;
    measures.messagesOut++;
    measures.inputsSent++;
  }

  sendPing(nowMs: number): void {
    if (!this.isOnline) return;
    this.#nonce = (this.#nonce + 1) >>> 0;
    this.#pingSentMs = nowMs;
    this.#socket?.send(encodeClientMessage({ type: 'ping', nonce: this.#nonce }, undefined));
    if (this.#shared.measures.isMeasuring) this.#shared.measures.messagesOut++;
  }

  /** Says bye; resolves when the connection is closed. */
  async leave(): Promise<void> {
    const socket = this.#socket;
    this.#leaving = true;
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cut = setTimeout(() => socket.terminate(), 1000);
    socket.once('close', () => {
      clearTimeout(cut);
      resolve();
    });
    if (this.isOnline) socket.send(encodeClientMessage({ type: 'bye' }, undefined));
    else socket.terminate();
    await promise;
  }

  #hello(socket: WebSocket): void {
    const { schema, token } = this.#shared;
    socket.send(
      encodeClientMessage(
        {
          type: 'hello',
          protocolVersion: PROTOCOL_VERSION,
          schemaHash: schema?.hash ?? 0,
          name: this.#name,
          token,
          resumeToken: '',
          mode: 'tunnel',
          clientTimeMs: 0,
          lastKnownTick: 0,
        },
        undefined,
      ),
    );
  }

  #receive(data: Buffer): void {
    const { measures } = this.#shared;
    const receivedMs = performance.now();
    if (measures.isMeasuring) {
      measures.messagesIn++;
      measures.bytesIn += data.length + headerBytes(data.length);
    }
    try {
      if (data[0] === MESSAGE.snapshot) this.#snapshot(data, receivedMs);
      else this.#other(data, receivedMs);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      count(measures.errorsByCode, error.code);
    }
  }

  #snapshot(data: Buffer, receivedMs: number): void {
    const { measures, schema, serverTime } = this.#shared;
    if (schema === undefined || this.#welcome === undefined) return;
    const check = this.#check;
    visitSnapshot(data, schema, check);
    check.end();
    if (this.#lastSnapshotMs > 0) measures.interval(receivedMs - this.#lastSnapshotMs, 1000 / this.#welcome.snapshotHz);
    this.#lastSnapshotMs = receivedMs;
    // Each node counts its own ticks: only those of the node that sent the welcome can be told in its time.
    const latencyMs = this.#isElsewhere ? Number.NaN : (serverTime?.sinceTick(check.tick, receivedMs) ?? Number.NaN);
    if (latencyMs > 0) measures.receipt(latencyMs);
    if (this.#followedSequence > 0 && check.inputSequence >= this.#followedSequence) {
      measures.acknowledgement(receivedMs - this.#followedSentMs);
      this.#followedSequence = 0;
    }
    if (!measures.isMeasuring) return;
    measures.snapshots++;
    measures.inViewSum += check.inViewCount;
  }

  #other(data: Buffer, receivedMs: number): void {
    const { measures } = this.#shared;
    const message = decodeServerMessage(data, this.#shared.schema);
    switch (message.type) {
      case 'welcome': {
        this.#shared.schema ??= message.schema;
        this.#shared.serverTime ??= new ServerTime(message.tickHz);
        this.#welcome = message;
        this.#check.aoiRadius = message.aoiRadius;
        if (this.#shared.schema !== undefined) this.#walk = new Walk(this.#random, this.#shared.schema, message);
        return;
      }
      case 'pong': {
        if (message.nonce !== this.#nonce) return;
        measures.roundTrip(receivedMs - this.#pingSentMs);
        this.#shared.serverTime?.pong(message, { sentMs: this.#pingSentMs, receivedMs });
        return;
      }
      case 'error':
        count(measures.errorsByCode, message.code);
        return;
      case 'handover':
        this.#isElsewhere = true;
        this.#check.restart();
        this.#socket?.send(encodeClientMessage({ type: 'handoverAck', seq: message.seq }, undefined));
        return;
      case 'snapshot':
        return;
    }
  }
}

function headerBytes(payloadBytes: number): number {
  if (payloadBytes < 126) return HEADER_BYTES.small;
  return payloadBytes < 65_536 ? HEADER_BYTES.medium : HEADER_BYTES.large;
}
