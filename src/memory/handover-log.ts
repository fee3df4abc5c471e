/**
 * The last local handovers, for the viewer: a ring of rows that readers may miss but never block.
 *
 *   word 0 written (count of rows ever written) ║ row: x f32 · z f32 · sourceCell u32 · targetCell u32
 *
 * Writer: the conductor. Readers: the gateway. A reader that fell behind by more than HANDOVER_LOG_ROWS skips ahead.
 */
export const HANDOVER_LOG_ROWS = 4096;
const ROW_WORDS = 4;
const HEADER_BYTES = 64;

export class HandoverLog {
  readonly #header: Int32Array<SharedArrayBuffer>;
  readonly #floats: Float32Array<SharedArrayBuffer>;
  readonly #words: Uint32Array<SharedArrayBuffer>;

  static sizeBytes(): number {
    return HEADER_BYTES + HANDOVER_LOG_ROWS * ROW_WORDS * 4;
  }

  constructor(buffer: SharedArrayBuffer, offsetBytes: number) {
    this.#header = new Int32Array(buffer, offsetBytes, 1);
    this.#floats = new Float32Array(buffer, offsetBytes + HEADER_BYTES, HANDOVER_LOG_ROWS * ROW_WORDS);
    this.#words = new Uint32Array(buffer, offsetBytes + HEADER_BYTES, HANDOVER_LOG_ROWS * ROW_WORDS);
  }

  get written(): number {
    return Atomics.load(this.#header, 0) >>> 0;
  }

  write(x: number, z: number, sourceCell: number, targetCell: number): void {
    const written = Atomics.load(this.#header, 0) >>> 0;
    const row = (written % HANDOVER_LOG_ROWS) * ROW_WORDS;
    this.#floats[row] = x;
    this.#floats[row + 1] = z;
    this.#words[row + 2] = sourceCell;
    this.#words[row + 3] = targetCell;
    Atomics.store(this.#header, 0, (written + 1) | 0);
  }

  /** Visits the rows written since `cursor` and returns the next cursor. Start with `written`. */
  readSince(cursor: number, visit: (x: number, z: number, sourceCell: number, targetCell: number) => void): number {
    const written = this.written;
    const missed = Math.max(0, ((written - cursor) >>> 0) - HANDOVER_LOG_ROWS);
    for (let index = (cursor + missed) >>> 0; index !== written; index = (index + 1) >>> 0) {
      const row = (index % HANDOVER_LOG_ROWS) * ROW_WORDS;
      visit(this.#floats[row]!, this.#floats[row + 1]!, this.#words[row + 2]!, this.#words[row + 3]!);
    }
    return written;
  }
}
