/**
 * Reads along what one client is sent: how much, how evenly, and the aliases of its view. It decides nothing, and what it
 * cannot read it leaves to the SDK to complain about.
 */
import { WireError } from '../../src/base/errors.ts';
import type { Schema } from '../../src/client/index.ts';
import { decodeServerMessage } from '../../src/wire/client.wire.ts';
import type { ServerMessage } from '../../src/wire/messages.ts';
import { AliasBook } from './alias-book.core.ts';
import type { NetworkTap } from './network.ts';
import type { ShapedSocket } from './shaped-socket.ts';
import { Traffic } from './traffic.core.ts';

/** Said of what came, for the client's log. */
export interface TapListener {
  onOpened(url: string): void;
  /** All but snapshots and pongs. */
  onMessage(message: Exclude<ServerMessage, { type: 'snapshot' | 'pong' }>): void;
  onKeyframe(tick: number): void;
}

export class SnapshotTap implements NetworkTap {
  readonly traffic = new Traffic();
  readonly aliases = new AliasBook();
  keyframes = 0;
  readonly #listener: TapListener;
  #schema: Schema | undefined;
  /** The one whose snapshots count: of two, as in direct mode, the one that was opened later, once it has sent one. */
  #current: ShapedSocket | undefined;
  readonly #past = new WeakSet<ShapedSocket>();

  constructor(listener: TapListener) {
    this.#listener = listener;
  }

  opened(url: string): void {
    this.#listener.onOpened(url);
  }

  sent(sizeBytes: number, nowMs: number): void {
    this.traffic.sent(sizeBytes, nowMs);
  }

  received(socket: ShapedSocket, data: string | ArrayBuffer, nowMs: number): void {
    this.traffic.received(typeof data === 'string' ? data.length : data.byteLength, nowMs);
    if (typeof data === 'string') return;
    const message = this.#decode(new Uint8Array(data));
    if (message?.type === 'welcome') this.#schema = message.schema ?? this.#schema;
    if (message?.type === 'snapshot') {
      if (this.#past.has(socket)) return;
      if (this.#current !== undefined && this.#current !== socket) this.#past.add(this.#current);
      this.#current = socket;
      this.traffic.snapshot(nowMs);
      this.aliases.apply(message);
      if (!message.keyframe) return;
      this.keyframes++;
      this.#listener.onKeyframe(message.tick);
    } else if (message !== undefined && message.type !== 'pong') this.#listener.onMessage(message);
  }

  #decode(bytes: Uint8Array): ServerMessage | undefined {
    try {
      return decodeServerMessage(bytes, this.#schema);
    } catch (error) {
      // The SDK sees the same bytes, and says what is wrong with them.
      if (error instanceof WireError) return undefined;
      throw error;
    }
  }
}
