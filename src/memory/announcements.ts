/**
 * Events for clients: the last announcements about entities, told to every client that has the entity in view.
 *
 *   written u32 ║ row: tick u32 · slot u32 · generation u32 · event u16, payloadBytes u16 · payload
 *
 * Writer: the conductor, in settle. Readers: workers, in observe. Older rows are overwritten: a client that gets no
 * snapshot while ANNOUNCEMENT_ROWS further announcements are made misses the older ones.
 */
import { EVENT_BYTES_MAX } from '../base/schema.ts';

export const ANNOUNCEMENT_ROWS = 1024;
const HEAD_BYTES = 16;
const ROW_BYTES = HEAD_BYTES + EVENT_BYTES_MAX;
const HEADER_BYTES = 64;

export class Announcements {
  readonly #header: Uint32Array<SharedArrayBuffer>;
  readonly #view: DataView<SharedArrayBuffer>;
  readonly bytes: Uint8Array<SharedArrayBuffer>;

  static sizeBytes(): number {
    return HEADER_BYTES + ANNOUNCEMENT_ROWS * ROW_BYTES;
  }

  constructor(buffer: SharedArrayBuffer, offsetBytes: number) {
    this.#header = new Uint32Array(buffer, offsetBytes, 1);
    this.#view = new DataView(buffer, offsetBytes + HEADER_BYTES, ANNOUNCEMENT_ROWS * ROW_BYTES);
    this.bytes = new Uint8Array(buffer, offsetBytes + HEADER_BYTES, ANNOUNCEMENT_ROWS * ROW_BYTES);
  }

  write(row: { tick: number; slot: number; generation: number; event: number; payload: Uint8Array }): void {
    const at = (this.#header[0]! % ANNOUNCEMENT_ROWS) * ROW_BYTES;
    this.#view.setUint32(at, row.tick, true);
    this.#view.setUint32(at + 4, row.slot, true);
    this.#view.setUint32(at + 8, row.generation, true);
    this.#view.setUint16(at + 12, row.event, true);
    this.#view.setUint16(at + 14, row.payload.length, true);
    this.bytes.set(row.payload, at + HEAD_BYTES);
    this.#header[0]!++;
  }

  /** Row numbers (for the functions below) run from `oldest` to `end`, exclusive. */
  get end(): number {
    return this.#header[0]!;
  }

  /** The first row of a tick later than `tick`. */
  firstAfter(tick: number): number {
    const oldest = Math.max(0, this.end - ANNOUNCEMENT_ROWS);
    let row = this.end;
    while (row > oldest && this.tick(row - 1) > tick) row--;
    return row;
  }

  tick(row: number): number {
    return this.#view.getUint32((row % ANNOUNCEMENT_ROWS) * ROW_BYTES, true);
  }

  slot(row: number): number {
    return this.#view.getUint32((row % ANNOUNCEMENT_ROWS) * ROW_BYTES + 4, true);
  }

  generation(row: number): number {
    return this.#view.getUint32((row % ANNOUNCEMENT_ROWS) * ROW_BYTES + 8, true);
  }

  event(row: number): number {
    return this.#view.getUint16((row % ANNOUNCEMENT_ROWS) * ROW_BYTES + 12, true);
  }

  payloadBytes(row: number): number {
    return this.#view.getUint16((row % ANNOUNCEMENT_ROWS) * ROW_BYTES + 14, true);
  }

  payloadOffsetBytes(row: number): number {
    return (row % ANNOUNCEMENT_ROWS) * ROW_BYTES + HEAD_BYTES;
  }
}
