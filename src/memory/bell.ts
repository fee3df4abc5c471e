/**
 * A bell between two threads: one rings, the other sleeps until it was rung. It carries nothing; what there is to do is
 * told elsewhere (a port, a ring), written before the bell is rung.
 *
 *   byte 0        4
 *   ┌────────────┐
 *   │ count i32  │   writer: whoever rings, by Atomics.add after its work is written. Reader: the sleeper.
 *   └────────────┘
 *
 * A sleeper takes `count`, looks for work, and sleeps only if the count is still the same: no ring is missed.
 */
export class Bell {
  readonly buffer: SharedArrayBuffer;
  readonly #word: Int32Array<SharedArrayBuffer>;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer;
    this.#word = new Int32Array(buffer);
  }

  get count(): number {
    return Atomics.load(this.#word, 0);
  }

  ring(): void {
    Atomics.add(this.#word, 0, 1);
    Atomics.notify(this.#word, 0);
  }

  /** Blocks the thread until the count is another than `seen`. */
  sleep(seen: number): void {
    Atomics.wait(this.#word, 0, seen);
  }
}
