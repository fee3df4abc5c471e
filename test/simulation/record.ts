/**
 * The record of a simulated entity: little-endian, 40 bytes.
 *
 *   0 cell u32 · 4 gold i32 · 8 counter u32 · 12 applied inputs, one bit each: 4 × u32 · 28 published u32 · 32 stampMs f64
 *
 * `counter` counts applications, `applied` remembers which: as long as each input acts at most once they agree.
 */
export const INPUTS_MAX = 127;
const RECORD_BYTES = 40;

export interface State {
  cell: number;
  gold: number;
  counter: number;
  readonly applied: Uint32Array;
  /** How often it has published. */
  published: number;
  /** Simulated time of the last change. */
  stampMs: number;
}

export function encodeRecord(state: State): Uint8Array {
  const bytes = new Uint8Array(RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, state.cell, true);
  view.setInt32(4, state.gold, true);
  view.setUint32(8, state.counter, true);
  for (let word = 0; word < 4; word++) view.setUint32(12 + 4 * word, state.applied[word]!, true);
  view.setUint32(28, state.published, true);
  view.setFloat64(32, state.stampMs, true);
  return bytes;
}

export function decodeRecord(bytes: Uint8Array): State {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const applied = new Uint32Array(4);
  for (let word = 0; word < 4; word++) applied[word] = view.getUint32(12 + 4 * word, true);
  return {
    cell: view.getUint32(0, true),
    gold: view.getInt32(4, true),
    counter: view.getUint32(8, true),
    applied,
    published: view.getUint32(28, true),
    stampMs: view.getFloat64(32, true),
  };
}

export function hasInput(applied: Uint32Array, number: number): boolean {
  return (applied[number >> 5]! & (1 << (number & 31))) !== 0;
}

export function addInput(applied: Uint32Array, number: number): void {
  applied[number >> 5]! |= 1 << (number & 31);
}

/** The first of `wanted` that is not in `applied`, or 0. */
export function missingInput(applied: Uint32Array, wanted: Uint32Array): number {
  for (let number = 1; number <= INPUTS_MAX; number++) {
    if (hasInput(wanted, number) && !hasInput(applied, number)) return number;
  }
  return 0;
}

export function countInputs(applied: Uint32Array): number {
  let count = 0;
  for (let word of applied) for (; word !== 0; word &= word - 1) count++;
  return count;
}
