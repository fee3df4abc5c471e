/** One socket to another node: obeys link.core.ts, packs and unpacks messages, writes once per flush. */
import type { Socket } from 'node:net';
import { unreachable } from '../base/assert.ts';
import { WINDOW_BYTES_DEFAULT, acknowledge, createCredit, flew, hasCredit, useCredit } from './link-credit.core.ts';
import type { CreditState } from './link-credit.core.ts';
import type { DetectorState } from './link-detector.core.ts';
import { LinkError } from './link-error.ts';
import {
  FRAME_HEADER_BYTES,
  FRAME_TYPE,
  FrameDecoder,
  encodeFrame,
  nextSequence,
  sealFrame,
} from './link-frame.wire.ts';
import type { FrameHeader, FrameType } from './link-frame.wire.ts';
import type { Hello, LinkPeer } from './link-hello.wire.ts';
import { MessageReader } from './link-message.wire.ts';
import type { Batch } from './link-message.wire.ts';
import { LinkQueue } from './link-queue.ts';
import { createLink, step, targetIncarnation } from './link.core.ts';
import type { LinkEffect, LinkEvent, LinkOptions, LinkState } from './link.core.ts';

/** No more is handed to the socket: what waits behind it can still be overtaken by what is more urgent. */
const WRITE_BYTES_MAX = 262_144;
/** Heard and not acknowledged: then an acknowledgement goes of its own, without waiting for the next frame or tick. */
const ACKNOWLEDGE_BYTES = 65_536;
/** From CLOSE to the end of the socket, for the peer to read it. */
const LINGER_MS = 500;
const NO_PAYLOAD = new Uint8Array(0);

/** What a connection needs of the table of links. */
export interface ConnectionOwner {
  readonly messageBytesMax: number;
  nowMs(): number;
  judge(
    connection: LinkConnection,
    hello: Hello,
  ): { refusal: LinkError | undefined; detector: DetectorState | undefined };
  up(connection: LinkConnection): void;
  message(connection: LinkConnection, priority: number, type: number, payload: Uint8Array): void;
  /** There is something to flush at the end of this turn of the event loop. */
  wrote(connection: LinkConnection): void;
  ended(connection: LinkConnection, error: LinkError, wasUp: boolean): void;
  /** The socket is closed, too. */
  gone(connection: LinkConnection): void;
}

export class LinkConnection {
  /** Host and port of the other end, for people. */
  readonly address: string;
  readonly counts = { bytesIn: 0, bytesOut: 0, framesIn: 0, framesOut: 0 };
  /** Resolves when the socket is closed. */
  readonly gone: Promise<void>;
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #state: LinkState;
  readonly #decoder = new FrameDecoder();
  readonly #reader: MessageReader;
  readonly #queue = new LinkQueue();
  #credit: CreditState = createCredit(WINDOW_BYTES_DEFAULT);
  #seed = 0;
  /** Bytes of DATA that were heard since this side last told how far it has heard. */
  #unacknowledgedBytes = 0;
  #endedMs: number | undefined;
  /** The owner knows already; it need not be told for every message. */
  #isFlushWanted = false;

  constructor(socket: Socket, options: LinkOptions & { address: string }, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#owner = owner;
    this.address = options.address;
    this.#state = createLink(options, owner.nowMs());
    this.#reader = new MessageReader({ messageBytesMax: owner.messageBytesMax });
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#took(chunk));
    socket.on('drain', () => this.#wantFlush());
    socket.on('error', (cause) =>
      this.#lost(new LinkError('ERR_LINK_RESET', `the connection broke: ${cause.message}`, { cause })),
    );
    socket.on('end', () => this.#lost(new LinkError('ERR_LINK_RESET', 'the peer ended the connection')));
    this.gone = new Promise((resolve) => {
      socket.once('close', () => {
        this.#lost(new LinkError('ERR_LINK_RESET', 'the connection closed'));
        owner.gone(this);
        resolve();
      });
    });
    this.#step({ kind: 'open', nowMs: owner.nowMs() });
  }

  get phase(): LinkState['phase'] {
    return this.#state.phase;
  }

  /** Who it is, once that is known and agreed upon. */
  get peer(): LinkPeer | undefined {
    return this.#state.hello?.peer;
  }

  /** The name that this node dialled; empty for a link that was accepted. */
  get dialled(): string {
    const { role, target } = this.#state.options;
    return role === 'dialer' ? target!.name : '';
  }

  get protocol(): number {
    return this.#state.protocol;
  }

  get detector(): DetectorState {
    return this.#state.detector;
  }

  get roundTrip(): LinkState['roundTrip'] {
    return this.#state.roundTrip;
  }

  get queueBytes(): number {
    return this.#queue.sizeBytes + this.#socket.writableLength;
  }

  /** Bytes that may still be sent, per priority. */
  get credits(): number[] {
    const { windows, outstanding } = this.#credit;
    return windows.map((window, priority) => Math.max(0, window - outstanding[priority]!));
  }

  /** Copies the payload; it leaves with the flush at the end of this turn. */
  send(priority: number, type: number, payload: Uint8Array): 'sent' | 'busy' | 'down' {
    if (this.#state.phase !== 'up') return 'down';
    if (!hasCredit(this.#credit, priority, payload.length)) return 'busy';
    useCredit(this.#credit, priority, this.#queue.add(priority, type, payload));
    this.#wantFlush();
    return 'sent';
  }

  /** One write to the system for everything that waits and fits. */
  flush(): void {
    this.#isFlushWanted = false;
    if (this.#state.phase !== 'up' || this.#socket.destroyed) return;
    const socket = this.#socket;
    const frames: Buffer[] = [];
    const buffers: Buffer[] = [];
    for (let roomBytes = WRITE_BYTES_MAX - socket.writableLength; roomBytes > 0;) {
      const batch = this.#queue.take();
      if (batch === undefined) break;
      frames.push(this.#seal(batch));
      buffers.push(batch.buffer);
      roomBytes -= batch.endBytes;
    }
    if (frames.length === 0) {
      if (this.#unacknowledgedBytes >= ACKNOWLEDGE_BYTES) this.#sendFrame(FRAME_TYPE.acknowledge, NO_PAYLOAD);
      return;
    }
    socket.cork();
    for (const frame of frames) this.#write(frame);
    socket.uncork();
    // The system usually takes all of it at once. If not, the callback of a further, empty write tells when it has.
    if (socket.writableLength === 0) this.#queue.recycle(buffers);
    else socket.write(NO_PAYLOAD, () => this.#queue.recycle(buffers));
  }

  /** To be called several times per heartbeat. */
  tick(nowMs: number): void {
    if (this.#endedMs !== undefined) {
      if (nowMs - this.#endedMs > LINGER_MS) this.#socket.destroy();
      return;
    }
    this.#step({ kind: 'time', nowMs });
    if (this.#unacknowledgedBytes > 0 && this.#state.phase === 'up')
      this.#sendFrame(FRAME_TYPE.acknowledge, NO_PAYLOAD);
  }

  close(error: LinkError): void {
    this.#step({ kind: 'close', error });
  }

  /** Without waiting for anything to be written or read. */
  destroy(): void {
    this.#socket.destroy();
  }

  #took(chunk: Buffer): void {
    // The peer may go on writing until it has read our CLOSE.
    if (this.#state.phase === 'closed') return;
    this.counts.bytesIn += chunk.length;
    try {
      this.#decoder.push(chunk, (header, payload) => {
        this.counts.framesIn++;
        this.#step({ kind: 'frame', header, payload, nowMs: this.#owner.nowMs() });
        return !this.#isOver();
      });
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
      this.#step({ kind: 'close', error });
    }
    if (this.#unacknowledgedBytes >= ACKNOWLEDGE_BYTES) this.#wantFlush();
  }

  #wantFlush(): void {
    if (this.#isFlushWanted) return;
    this.#isFlushWanted = true;
    this.#owner.wrote(this);
  }

  #isOver(): boolean {
    return this.#state.phase === 'closed';
  }

  #lost(error: LinkError): void {
    this.#step({ kind: 'lost', error });
  }

  #step(event: LinkEvent): void {
    const effects: LinkEffect[] = [];
    step(this.#state, event, effects);
    for (const effect of effects) this.#obey(effect);
  }

  #obey(effect: LinkEffect): void {
    switch (effect.kind) {
      case 'send':
        return this.#sendFrame(effect.type, effect.payload);
      case 'seed':
        this.#seed = effect.seed;
        this.#decoder.seed = effect.seed;
        return;
      case 'ask': {
        const { refusal, detector } = this.#owner.judge(this, effect.hello);
        return this.#step({ kind: 'verdict', refusal, detector, nowMs: this.#owner.nowMs() });
      }
      case 'up': {
        const theirs = this.#state.hello!.windows;
        const windows = this.#state.options.windows.map((mine, priority) => Math.min(mine, theirs[priority]!));
        this.#credit = createCredit(windows);
        return this.#owner.up(this);
      }
      case 'acknowledged':
        return this.#credited(effect.sequence);
      case 'data':
        return this.#unpack(effect.header, effect.payload);
      case 'end':
        return this.#end(effect.error, effect.wasUp);
      default:
        unreachable(effect);
    }
  }

  #credited(sequence: number): void {
    try {
      acknowledge(this.#credit, sequence, this.#state.sent);
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
      this.close(error);
    }
  }

  #unpack(header: FrameHeader, payload: Buffer): void {
    if (this.#isOver()) return;
    this.#unacknowledgedBytes += payload.length;
    const { priority, count } = header;
    try {
      this.#reader.read({ priority, count, payload }, (type, message) => {
        this.#owner.message(this, priority, type, message);
        return !this.#isOver();
      });
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
      this.close(error);
    }
  }

  #seal({ buffer, endBytes, priority, count }: Batch): Buffer {
    const sizeBytes = endBytes - FRAME_HEADER_BYTES;
    const frame = buffer.subarray(0, endBytes);
    const header = this.#nextHeader(FRAME_TYPE.data, { priority, count, sizeBytes });
    sealFrame(frame, header, this.#seed);
    flew(this.#credit, { sequence: header.sequence, priority, sizeBytes });
    return frame;
  }

  #nextHeader(type: FrameType, body: { priority: number; count: number; sizeBytes: number }): FrameHeader {
    const state = this.#state;
    state.sent = nextSequence(state.sent);
    this.#unacknowledgedBytes = 0;
    return {
      type,
      ...body,
      source: state.options.me.incarnation,
      target: targetIncarnation(state),
      sequence: state.sent,
      acknowledged: state.heard,
    };
  }

  #sendFrame(type: FrameType, payload: Uint8Array): void {
    const header = this.#nextHeader(type, { priority: 0, count: 0, sizeBytes: payload.length });
    this.#write(encodeFrame(header, payload, this.#seed));
  }

  #write(frame: Buffer): void {
    if (!this.#socket.writable) return;
    this.counts.bytesOut += frame.length;
    this.counts.framesOut++;
    this.#socket.write(frame);
  }

  #end(error: LinkError, wasUp: boolean): void {
    this.#endedMs = this.#owner.nowMs();
    // Reading goes on: unread bytes would turn the end into a reset, and the peer would not see why.
    this.#socket.end();
    this.#owner.ended(this, error, wasUp);
  }
}
