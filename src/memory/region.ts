/**
 * Hands out the byte ranges of the one shared memory, in a fixed order, each aligned to a cache line so that two
 * regions never share one. Every thread repeats the same plan and so agrees on every offset.
 */
const CACHE_LINE_BYTES = 64;

export type SharedBytes = SharedArrayBuffer;

export class Planner {
  #endBytes = 0;

  take(sizeBytes: number): number {
    const offsetBytes = this.#endBytes;
    this.#endBytes = Math.ceil((offsetBytes + sizeBytes) / CACHE_LINE_BYTES) * CACHE_LINE_BYTES;
    return offsetBytes;
  }

  get sizeBytes(): number {
    return this.#endBytes;
  }
}
