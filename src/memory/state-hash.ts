/**
 * Hashes of the world's state: what must be equal for any number of workers, for either kernel, and in a replay.
 *
 * For each entity and column a 32-bit mix of (entity id, column, value) is taken; sums modulo 2^32 of these make the hash of
 * an entity, of a column and of a cell, so none depends on the order of lists. Floats count by their bits (0 and −0 differ),
 * except that all NaN are one. Text, bytes, lists and foreign fields count by content: where it lies in the heap depends
 * on timing. Two states that differ in one value differ in the sums of exactly its entity, its column and its cell.
 */
import type { Schema } from '../base/schema.ts';
import { BytesColumn, HeapColumn, TextColumn } from './accessors.ts';
import type { AnyColumn, ColumnSet } from './columns.ts';
import type { Lists } from './lists.ts';

const BUILT_IN = ['generation', 'kind', 'cell', 'place', 'ownershipSeq', 'x', 'z', 'vx', 'vz', 'foreign'] as const;
const NAN_BITS = 0x7fc0_0000;
const EXPONENT_BITS = 0x7f80_0000;

/** Scratch for the bits of a float: written and read within one expression. */
const FLOAT64 = new Float64Array(1);
const WORDS64 = new Int32Array(FLOAT64.buffer);
const FLOAT32 = new Float32Array(1);
const WORD32 = new Int32Array(FLOAT32.buffer);

/** The columns that are hashed, in the order of `columnHashes`: built-in ones, then `component.field` in schema order. */
export function columnNames(schema: Schema): string[] {
  const fields = schema.components.flatMap(({ name, fields }) => fields.map((field) => `${name}.${field.name}`));
  return [...BUILT_IN, ...fields];
}

export interface HashedStore {
  readonly schema: Schema;
  readonly columns: ColumnSet;
  readonly lists: Lists;
}

/** Where hashes are added: per slot, and per column in the order of `columnNames`. Set both to zero before the first cell. */
export interface HashSums {
  readonly entityHashes: Uint32Array;
  readonly columnHashes: Uint32Array;
}

/** Hashes the entities of one cell; returns the cell's hash. */
export function hashCell({ schema, columns, lists }: HashedStore, cell: number, sums: HashSums): number {
  const slots = lists.slots;
  let total = 0;
  for (let kind = 0; kind < lists.kindCount; kind++) {
    const group = lists.groupOf(cell, kind);
    const first = lists.first[group]!;
    const rows: Rows = {
      ids: columns.id,
      slots,
      first,
      end: first + lists.count[group]!,
      entityHashes: sums.entityHashes,
    };
    if (rows.end === first) continue;
    const add = (index: number, column: AnyColumn | HeapColumn): void => {
      const sum = hashColumn(column, rows, index);
      sums.columnHashes[index]! += sum;
      total += sum;
    };
    BUILT_IN.forEach((name, index) => add(index, columns[name]));
    let index = BUILT_IN.length;
    for (const component of schema.components) {
      const isOfKind = schema.kinds[kind]!.components.includes(component.index);
      for (const column of columns.components[component.index]!.inOrder) {
        if (isOfKind) add(index, column);
        index++;
      }
    }
  }
  return total >>> 0;
}

/** The entities slots[first … end), all of one kind. */
interface Rows {
  readonly ids: Float64Array;
  readonly slots: Uint32Array;
  readonly first: number;
  readonly end: number;
  readonly entityHashes: Uint32Array;
}

function hashColumn(column: AnyColumn | HeapColumn, rows: Rows, index: number): number {
  if (column instanceof TextColumn) return hashBytesColumn(column.bytes, rows, index);
  if (column instanceof BytesColumn) return hashBytesColumn(column, rows, index);
  if (column instanceof HeapColumn) return hashHeapColumn(column, rows, index);
  if (column instanceof Float32Array) return hashFloats(column, rows, index);
  if (column instanceof Float64Array) return hashDoubles(column, rows, index);
  return hashIntegers(column, rows, index);
}

function hashFloats(column: Float32Array, { ids, slots, first, end, entityHashes }: Rows, index: number): number {
  let sum = 0;
  for (let at = first; at < end; at++) {
    const slot = slots[at]!;
    FLOAT32[0] = column[slot]!;
    const bits = WORD32[0]!;
    const term = mix(ids[slot]!, index, (bits & ~(1 << 31)) > EXPONENT_BITS ? NAN_BITS : bits);
    entityHashes[slot]! += term;
    sum = (sum + term) | 0;
  }
  return sum;
}

function hashDoubles(column: Float64Array, { ids, slots, first, end, entityHashes }: Rows, index: number): number {
  let sum = 0;
  for (let at = first; at < end; at++) {
    const slot = slots[at]!;
    const value = column[slot]!;
    FLOAT64[0] = value;
    const low = WORDS64[0]!;
    const high = WORDS64[1]!;
    const bits = value === value ? Math.imul(low, 0x27d4_eb2f) ^ (low >>> 15) ^ high : NAN_BITS;
    const term = mix(ids[slot]!, index, bits);
    entityHashes[slot]! += term;
    sum = (sum + term) | 0;
  }
  return sum;
}

function hashIntegers(
  column: ArrayLike<number>,
  { ids, slots, first, end, entityHashes }: Rows,
  index: number,
): number {
  let sum = 0;
  for (let at = first; at < end; at++) {
    const slot = slots[at]!;
    const term = mix(ids[slot]!, index, column[slot]! | 0);
    entityHashes[slot]! += term;
    sum = (sum + term) | 0;
  }
  return sum;
}

function hashBytesColumn(column: BytesColumn, { ids, slots, first, end, entityHashes }: Rows, index: number): number {
  let sum = 0;
  for (let at = first; at < end; at++) {
    const slot = slots[at]!;
    const row = slot * column.rowBytes;
    const term = mix(ids[slot]!, index, hashBytes(column.raw, row, row + 2 + column.length(slot)));
    entityHashes[slot]! += term;
    sum = (sum + term) | 0;
  }
  return sum;
}

function hashHeapColumn(column: HeapColumn, { ids, slots, first, end, entityHashes }: Rows, index: number): number {
  let sum = 0;
  for (let at = first; at < end; at++) {
    const slot = slots[at]!;
    const offset = column.offsetBytes(slot);
    const term = mix(ids[slot]!, index, hashBytes(column.heap.bytes, offset, offset + column.sizeBytes(slot)));
    entityHashes[slot]! += term;
    sum = (sum + term) | 0;
  }
  return sum;
}

/** FNV-1a. */
function hashBytes(bytes: Uint8Array, first: number, end: number): number {
  let hash = 0x811c_9dc5 | 0;
  for (let at = first; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x0100_0193);
  return hash;
}

/** One to one in `bits` for each id and column; the finalizer is that of MurmurHash3 (Austin Appleby, public domain). */
function mix(id: number, index: number, bits: number): number {
  FLOAT64[0] = id;
  const idBits = Math.imul(WORDS64[0]!, 0x85eb_ca6b) ^ Math.imul(WORDS64[1]!, 0xc2b2_ae35);
  let hash = Math.imul(bits, 0x9e37_79b1) ^ Math.imul(index + 1, 0x27d4_eb2f) ^ idBits;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) | 0;
}
