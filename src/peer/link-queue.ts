/** What waits to be written to one socket: messages packed into batches, per priority, first in, first out. */
import { FRAME_HEADER_BYTES, PRIORITIES } from './link-frame.wire.ts';
import { appendMessage, emptyBatch } from './link-message.wire.ts';
import type { Batch } from './link-message.wire.ts';

/** Buffers kept for the next batches, at most 64 KiB each: 2 MiB a link. More are left to the garbage collector. */
const SPARE_BUFFERS_MAX = 32;
const BATCH_BYTES_FIRST = 2048;

export class LinkQueue {
  /** The last batch of a lane is the one that is being filled. */
  readonly #lanes: Batch[][] = PRIORITIES.map(() => []);
  readonly #spares: Buffer[] = [];
  #sizeBytes = 0;
  /** Batches of one link are alike: the next one begins as large as the last one became. */
  #capacityBytes = BATCH_BYTES_FIRST;

  /** Bytes of messages that were not taken yet. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Copies the message. @returns how many bytes of frames it takes. */
  add(priority: number, type: number, payload: Uint8Array): number {
    const lane = this.#lanes[priority]!;
    const beforeBytes = this.#sizeBytes;
    let batch = lane.length > 0 ? lane[lane.length - 1]! : this.#open(priority);
    let at = 0;
    for (;;) {
      const { count, endBytes } = batch;
      at = appendMessage(batch, type, payload, at);
      this.#sizeBytes += batch.endBytes - endBytes;
      // An empty message is done when it is in a batch, not before.
      if (at === payload.length && batch.count > count) return this.#sizeBytes - beforeBytes;
      batch = this.#open(priority);
    }
  }

  /** The next batch in order of priority. */
  take(): Batch | undefined {
    for (const lane of this.#lanes) {
      const batch = lane.shift();
      if (batch === undefined) continue;
      this.#sizeBytes -= batch.endBytes - FRAME_HEADER_BYTES;
      this.#capacityBytes = batch.buffer.length;
      return batch;
    }
    return undefined;
  }

  /** The socket is done with these. */
  recycle(buffers: readonly Buffer[]): void {
    for (const buffer of buffers) {
      if (this.#spares.length >= SPARE_BUFFERS_MAX) return;
      this.#spares.push(buffer);
    }
  }

  #open(priority: number): Batch {
    const batch = emptyBatch(priority, this.#spares.pop() ?? Buffer.allocUnsafeSlow(this.#capacityBytes));
    this.#lanes[priority]!.push(batch);
    return batch;
  }
}
