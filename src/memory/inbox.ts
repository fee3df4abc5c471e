/**
 * What waits for each cell at its next simulate: events, then inputs, in a fixed order. A chain of entries per cell.
 *
 *   head u32 × C · tail u32 × C      1 + entry, 0 for none
 *   entry: next u32 · what u32 · slot u32 · where u32
 *     event   what = 1 << 16 | worker, where = byte offset of the command in that worker's buffer of the last tick; the worker
 *             after the last stands for events from other nodes, in the store's `arrivedEvents`
 *     input   what = 2 << 16, where = session
 *
 * Writer: the conductor, between phases. Reader: the worker that runs the cell; it empties the chain.
 * When full: `add` returns false; an event is then lost and counted, an input waits for the next tick.
 */
const ENTRY_WORDS = 4;
const EVENT = 1;
const INPUT = 2;

export interface InboxVisitor {
  event(slot: number, worker: number, at: number): void;
  input(slot: number, session: number): void;
}

export class Inbox {
  readonly #head: Uint32Array<SharedArrayBuffer>;
  readonly #tail: Uint32Array<SharedArrayBuffer>;
  readonly #entries: Uint32Array<SharedArrayBuffer>;
  #used = 0;

  static sizeBytes({ cellCount, entriesMax }: { cellCount: number; entriesMax: number }): number {
    return cellCount * 8 + entriesMax * ENTRY_WORDS * 4;
  }

  constructor(
    buffer: SharedArrayBuffer,
    offsetBytes: number,
    { cellCount, entriesMax }: { cellCount: number; entriesMax: number },
  ) {
    this.#head = new Uint32Array(buffer, offsetBytes, cellCount);
    this.#tail = new Uint32Array(buffer, offsetBytes + cellCount * 4, cellCount);
    this.#entries = new Uint32Array(buffer, offsetBytes + cellCount * 8, entriesMax * ENTRY_WORDS);
  }

  /** Conductor, after simulate: every chain has been read. */
  reset(): void {
    this.#used = 0;
  }

  addEvent(cell: number, { slot, worker, at }: { slot: number; worker: number; at: number }): boolean {
    return this.#add(cell, { what: (EVENT << 16) | worker, slot, where: at });
  }

  addInput(cell: number, { slot, session }: { slot: number; session: number }): boolean {
    return this.#add(cell, { what: INPUT << 16, slot, where: session });
  }

  isEmpty(cell: number): boolean {
    return this.#head[cell] === 0;
  }

  /** Worker: visits the entries of its cell in order and empties the chain. */
  take(cell: number, visitor: InboxVisitor): void {
    let entry = this.#head[cell]!;
    this.clear(cell);
    while (entry !== 0) {
      const row = (entry - 1) * ENTRY_WORDS;
      const what = this.#entries[row + 1]!;
      const slot = this.#entries[row + 2]!;
      const where = this.#entries[row + 3]!;
      entry = this.#entries[row]!;
      if (what >>> 16 === EVENT) visitor.event(slot, what & 0xffff, where);
      else visitor.input(slot, where);
    }
  }

  clear(cell: number): void {
    this.#head[cell] = 0;
    this.#tail[cell] = 0;
  }

  #add(cell: number, { what, slot, where }: { what: number; slot: number; where: number }): boolean {
    const row = this.#used * ENTRY_WORDS;
    if (row + ENTRY_WORDS > this.#entries.length) return false;
    this.#used++;
    this.#entries[row] = 0;
    this.#entries[row + 1] = what;
    this.#entries[row + 2] = slot;
    this.#entries[row + 3] = where;
    const tail = this.#tail[cell]!;
    if (tail === 0) this.#head[cell] = this.#used;
    else this.#entries[(tail - 1) * ENTRY_WORDS] = this.#used;
    this.#tail[cell] = this.#used;
    return true;
  }
}
