/** One connection of a bot, read beside the SDK: what it carries is checked and counted. */
import { WireError } from '../../base/errors.ts';
import type { Schema } from '../../base/schema.ts';
import { decodeClientMessage, decodeServerMessage, encodeClientMessage } from '../../wire/client.wire.ts';
import { CLOSE_CODE, MESSAGE } from '../../wire/messages.ts';
import type { HandoverStart, Pong, Welcome } from '../../wire/messages.ts';
import { visitSnapshot } from '../../wire/snapshot.wire.ts';
import type { BotsShared } from './bot.ts';
import { frameBytes } from './bot-socket.ts';
import type { BotSocket, SocketWatch } from './bot-socket.ts';
import type { InputLedger } from './input-ledger.core.ts';
import { count } from './measures.ts';
import { ServerTime } from './server-time.core.ts';
import type { ViewCheck } from './view-check.core.ts';

/** The bot, whose connections may overlap: one that plays, and one that takes over from it. */
export interface ConnectionOwner {
  readonly shared: BotsShared;
  readonly check: ViewCheck;
  readonly ledger: InputLedger;
  schema: Schema | undefined;
  /** Whether snapshots of this connection count: they do from its first one on, until another one has its first. */
  takes(connection: BotConnection): boolean;
  /** Whether its snapshot would be the first of another connection, while the last one is there or was moved here. */
  isSwitch(connection: BotConnection): boolean;
  snapshot(at: { receivedMs: number; isSwitch: boolean }): void;
  /** Its player has another owner; said again after a resume. */
  handover(connection: BotConnection, seq: number): void;
  redirect(start: HandoverStart): void;
  closed(connection: BotConnection, closeCode: number): void;
  /** The server said an error, or the connection could not be made. */
  failed(code: string): void;
  /** Something for people who look for a cause. */
  note(text: string): void;
}

/** The SDK counts its own from 1 and ignores answers to others. */
const NONCE_FIRST = 0x8000_0000;
const INPUT = { sequenceOffset: 1, backOffset: 5 } as const;

export class BotConnection implements SocketWatch {
  readonly url: string;
  hadSnapshot = false;
  welcome: Welcome | undefined;
  /** The greatest input that was sent over it. */
  sentSequence = 0;
  /** What the hello said. */
  lastKnownTick = 0;
  /** The server said that the session goes on elsewhere. */
  isMoved = false;
  /** Of the last HANDOVER; 0 before. */
  ownerSeq = 0;
  readonly #owner: ConnectionOwner;
  readonly #socket: BotSocket;
  /** Another node than the one behind this connection owns the player, or did. */
  #isElsewhere = false;
  #nonce = NONCE_FIRST;
  #pingSentMs = 0;

  constructor(owner: ConnectionOwner, { url, socket }: { url: string; socket: BotSocket }) {
    this.#owner = owner;
    this.url = url;
    this.#socket = socket;
  }

  get isOpen(): boolean {
    return this.#socket.isOpen;
  }

  ping(nowMs: number): void {
    this.#nonce = this.#nonce === 0xffff_ffff ? NONCE_FIRST : this.#nonce + 1;
    this.#pingSentMs = nowMs;
    this.#socket.sendBeside(encodeClientMessage({ type: 'ping', nonce: this.#nonce }, undefined));
    this.#countOut();
  }

  /** Resolves when it is closed; cuts it when the other side takes too long. */
  async whenClosed(timeoutMs: number): Promise<void> {
    await this.#socket.whenClosed(timeoutMs);
  }

  closed(closeCode: number, byClient: boolean): void {
    if (closeCode === CLOSE_CODE.moved) this.isMoved = true;
    if (!byClient) this.#owner.closed(this, closeCode);
  }

  failed(code: string): void {
    this.#owner.failed(code);
  }

  sent(data: Uint8Array): void {
    const type = data[0];
    this.#countOut();
    if (type === MESSAGE.input) {
      const { ledger, check, shared } = this.#owner;
      const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
      const sequence = view.getUint32(INPUT.sequenceOffset, true);
      const input = { sequence, back: view.getUint8(INPUT.backOffset) };
      const isFirst = ledger.givenUp === 0;
      const isNew = ledger.sent(input, check.inputSequence, performance.now());
      if (isFirst && ledger.givenUp > 0) {
        this.#owner.note(
          `gave inputs up for the first time, of which it had seen ${check.inputSequence}, at ${sequence}`,
        );
      }
      this.sentSequence = Math.max(this.sentSequence, sequence);
      check.sentSequence = Math.max(check.sentSequence, sequence);
      if (isNew && shared.measures.isMeasuring) shared.measures.traffic.inputsSent++;
    } else if (type === MESSAGE.hello) {
      const hello = decodeClientMessage(data, undefined);
      if (hello.type === 'hello') this.lastKnownTick = hello.lastKnownTick;
    }
  }

  received(data: Uint8Array, receivedMs: number): void {
    const { measures } = this.#owner.shared;
    if (measures.isMeasuring) {
      measures.traffic.messagesIn++;
      measures.traffic.bytesIn += frameBytes(data.length);
    }
    try {
      if (data[0] === MESSAGE.snapshot) this.#snapshot(data, receivedMs);
      else this.#other(data, receivedMs);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      count(measures.errorsByCode, error.code);
    }
  }

  #snapshot(data: Uint8Array, receivedMs: number): void {
    const owner = this.#owner;
    const { check, ledger, schema, shared } = owner;
    if (schema === undefined || this.welcome === undefined) return;
    const isSwitch = owner.isSwitch(this);
    if (!owner.takes(this)) return;
    this.hadSnapshot = true;
    visitSnapshot(data, schema, check);
    check.end();
    // Each node counts its own ticks: only those of the node behind the gateway can be told in its time.
    const time = this.#isElsewhere ? undefined : shared.serverTimes.get(this.url);
    const latencyMs = time?.sinceTick(check.tick, receivedMs) ?? Number.NaN;
    if (latencyMs > 0) shared.measures.measured('receipt', latencyMs);
    const acknowledgedMs = ledger.acknowledged(check.inputSequence, receivedMs);
    if (acknowledgedMs >= 0) shared.measures.measured('acknowledgement', acknowledgedMs);
    owner.snapshot({ receivedMs, isSwitch });
  }

  #other(data: Uint8Array, receivedMs: number): void {
    const owner = this.#owner;
    const message = decodeServerMessage(data, owner.schema);
    switch (message.type) {
      case 'welcome':
        this.welcome = message;
        owner.schema ??= message.schema;
        if (!owner.shared.serverTimes.has(this.url)) {
          owner.shared.serverTimes.set(this.url, new ServerTime(message.tickHz));
        }
        return;
      case 'pong':
        return this.#pong(message, receivedMs);
      case 'error':
        return owner.failed(message.code);
      case 'handover':
        this.#isElsewhere = true;
        this.ownerSeq = message.seq;
        return owner.handover(this, message.seq);
      case 'handoverStart':
        return owner.redirect(message);
      case 'snapshot':
        return;
    }
  }

  #pong(pong: Pong, receivedMs: number): void {
    if (pong.nonce !== this.#nonce) return;
    const { measures, serverTimes } = this.#owner.shared;
    measures.measured('roundTrip', receivedMs - this.#pingSentMs);
    serverTimes.get(this.url)?.pong(pong, { sentMs: this.#pingSentMs, receivedMs });
  }

  #countOut(): void {
    const { measures } = this.#owner.shared;
    if (measures.isMeasuring) measures.traffic.messagesOut++;
  }
}
