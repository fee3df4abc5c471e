/**
 * Columns whose values are not single numbers: text and bytes lie in the row behind a u16 length, a list in the heap
 * behind a handle (offset u32, size in bytes u32, both 0 when empty).
 *
 * All take a slot and check the value against the schema; a value that does not fit is the world module's mistake and
 * throws a RangeError naming the field.
 */
import { packFields, unpackFields } from '../base/pack.ts';
import { fieldsSizeBytesMax } from '../base/schema.ts';
import type { FieldSchema } from '../base/schema.ts';
import type { Heap } from './heap.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class BytesColumn {
  readonly field: FieldSchema;
  readonly rowBytes: number;
  readonly raw: Uint8Array<SharedArrayBuffer>;

  constructor(raw: Uint8Array<SharedArrayBuffer>, field: FieldSchema) {
    this.raw = raw;
    this.field = field;
    this.rowBytes = 2 + (field.bytesMax ?? 0);
  }

  /** A copy. */
  get(slot: number): Uint8Array {
    const at = slot * this.rowBytes;
    return this.raw.slice(at + 2, at + 2 + this.length(slot));
  }

  length(slot: number): number {
    const at = slot * this.rowBytes;
    return this.raw[at]! | (this.raw[at + 1]! << 8);
  }

  set(slot: number, value: Uint8Array): void {
    if (!(value instanceof Uint8Array) || value.length > this.rowBytes - 2) {
      throw new RangeError(`field "${this.field.name}" holds at most ${this.rowBytes - 2} bytes, got ${value?.length}`);
    }
    const at = slot * this.rowBytes;
    this.raw[at] = value.length & 0xff;
    this.raw[at + 1] = value.length >>> 8;
    this.raw.set(value, at + 2);
    this.raw.fill(0, at + 2 + value.length, at + this.rowBytes);
  }
}

export class TextColumn {
  readonly bytes: BytesColumn;

  constructor(raw: Uint8Array<SharedArrayBuffer>, field: FieldSchema) {
    this.bytes = new BytesColumn(raw, field);
  }

  get(slot: number): string {
    return decoder.decode(this.bytes.get(slot));
  }

  set(slot: number, value: string): void {
    this.bytes.set(slot, encoder.encode(value));
  }
}

/** Bytes in the heap behind a handle per row. */
export class HeapColumn {
  static readonly rowBytes = 8;
  readonly handles: Uint32Array<SharedArrayBuffer>;
  readonly heap: Heap;

  constructor(handles: Uint32Array<SharedArrayBuffer>, heap: Heap) {
    this.handles = handles;
    this.heap = heap;
  }

  sizeBytes(slot: number): number {
    return this.handles[slot * 2 + 1]!;
  }

  /** Where the row's bytes start in `heap.bytes`. */
  offsetBytes(slot: number): number {
    return this.handles[slot * 2]!;
  }

  /** The bytes in place; empty when there are none. */
  packed(slot: number): Uint8Array<SharedArrayBuffer> {
    const offset = this.handles[slot * 2]!;
    return this.heap.bytes.subarray(offset, offset + this.handles[slot * 2 + 1]!);
  }

  /** @throws CapacityError when the heap is full; the row is then unchanged. */
  setPacked(slot: number, packed: Uint8Array): void {
    if (packed.length === 0) return this.clear(slot);
    const offset = this.handles[slot * 2]!;
    const sizeBytes = this.handles[slot * 2 + 1]!;
    const target = this.heap.reallocate({ offset, sizeBytes, wantedBytes: packed.length });
    this.heap.bytes.set(packed, target);
    this.handles[slot * 2] = target;
    this.handles[slot * 2 + 1] = packed.length;
  }

  clear(slot: number): void {
    const sizeBytes = this.handles[slot * 2 + 1]!;
    if (sizeBytes > 0) this.heap.free(this.handles[slot * 2]!, sizeBytes);
    this.handles[slot * 2] = 0;
    this.handles[slot * 2 + 1] = 0;
  }
}

/** The bytes of a row are the packed list: u16 count, then the items. An empty list has none. */
export class ListColumn extends HeapColumn {
  readonly field: FieldSchema;
  readonly #scratch: Uint8Array<ArrayBuffer>;

  constructor(handles: Uint32Array<SharedArrayBuffer>, { field, heap }: { field: FieldSchema; heap: Heap }) {
    super(handles, heap);
    this.field = field;
    this.#scratch = new Uint8Array(fieldsSizeBytesMax([field]));
  }

  /** A copy of the items. */
  get(slot: number): Record<string, unknown>[] {
    if (this.sizeBytes(slot) === 0) return [];
    const values = unpackFields([this.field], this.packed(slot));
    return values[this.field.name] as Record<string, unknown>[];
  }

  /** @throws CapacityError when the heap is full; the list is then unchanged. */
  set(slot: number, items: readonly Record<string, unknown>[]): void {
    if (items.length === 0) return this.clear(slot);
    const sizeBytes = packFields([this.field], { [this.field.name]: items }, this.#scratch);
    this.setPacked(slot, this.#scratch.subarray(0, sizeBytes));
  }
}
