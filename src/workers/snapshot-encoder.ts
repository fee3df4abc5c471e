/**
 * Writes the parts of a SNAPSHOT (wire/snapshot.wire.ts, docs/PROTOCOL.md) straight from the columns into one buffer.
 * Made once per worker: a writer per field, so that nothing is looked up or allocated per entity.
 */
import { assert } from '../base/assert.ts';
import type { FieldSchema, Schema } from '../base/schema.ts';
import { fieldsSizeBytesMax, isScalar, scalarSizeBytes } from '../base/schema.ts';
import type { AnyColumn, ColumnSet, ScalarColumn } from '../memory/columns.ts';
import { BytesColumn, ListColumn, TextColumn } from '../memory/accessors.ts';
import { quantize, quantizedSizeBytes } from '../wire/component.wire.ts';
import { CHANGE_MASKED } from '../wire/snapshot.wire.ts';

/** A snapshot is closed when the next entry might not fit; what is left waits for the next one. */
export const SNAPSHOT_BYTES_MAX = 64 * 1024;
/** Of text, bytes and lists. */
const LENGTH_BYTES = 2;

type WriteField = (slot: number) => void;

/** Mutable, so that one does for all. */
export interface ComponentChange {
  slot: number;
  sentTick: number;
  fieldTick: readonly Uint32Array[];
}

export class SnapshotEncoder {
  readonly bytes = new Uint8Array(SNAPSHOT_BYTES_MAX);
  readonly view = new DataView(this.bytes.buffer);
  at = 0;
  readonly #components: readonly (readonly WriteField[])[];
  readonly #componentBytesMax: readonly number[];
  /** Per component and field: the least that it takes. */
  readonly #fieldBytesMin: readonly (readonly number[])[];

  constructor(schema: Schema, columns: ColumnSet) {
    this.#components = schema.components.map((component) =>
      component.fields.map((field, index) =>
        this.#fieldWriter(field, columns.components[component.index]!.inOrder[index]!),
      ),
    );
    this.#fieldBytesMin = schema.components.map((component) => component.fields.map((field) => fieldBytesMin(field)));
    this.#componentBytesMax = schema.components.map((component) => fieldsSizeBytesMax(component.fields));
  }

  hasRoom(sizeBytes: number): boolean {
    return this.at + sizeBytes <= SNAPSHOT_BYTES_MAX;
  }

  componentBytesMax(component: number): number {
    return this.#componentBytesMax[component]!;
  }

  /** Of one entry of the changes, with its mask. */
  changeBytesMax(component: number): number {
    return 2 + ((this.#components[component]!.length + 7) >> 3) + this.#componentBytesMax[component]!;
  }

  u8(value: number): void {
    this.bytes[this.at++] = value;
  }

  u32(value: number): void {
    this.view.setUint32(this.at, value, true);
    this.at += 4;
  }

  i32(value: number): void {
    this.view.setInt32(this.at, value, true);
    this.at += 4;
  }

  f32(value: number): void {
    this.view.setFloat32(this.at, value, true);
    this.at += 4;
  }

  i8(value: number): void {
    this.view.setInt8(this.at++, value);
  }

  i16(value: number): void {
    this.view.setInt16(this.at, value, true);
    this.at += 2;
  }

  component(component: number, slot: number): void {
    for (const write of this.#components[component]!) write(slot);
  }

  /** Begins a part: the count that follows is written by `endPart`. */
  startPart(): number {
    return this.at++;
  }

  /** Ends a part of so many entries; of none, it never was. Returns its bit, or 0. */
  endPart(countAt: number, count: number, part: number): number {
    if (count === 0) {
      this.at = countAt;
      return 0;
    }
    this.bytes[countAt] = count;
    return part;
  }

  /**
   * One entry of the changes: the fields that changed after `sentTick`, or all where a mask would save nothing.
   * @param fieldTick per field, the ticks of the last changes by slot.
   */
  change(alias: number, component: number, change: ComponentChange): void {
    const { slot, sentTick, fieldTick } = change;
    const writers = this.#components[component]!;
    const maskBytes = (writers.length + 7) >> 3;
    const fieldBytesMin = this.#fieldBytesMin[component]!;
    let sparedBytes = 0;
    for (let field = 0; field < writers.length; field++)
      if (fieldTick[field]![slot]! <= sentTick) sparedBytes += fieldBytesMin[field]!;
    const isMasked = sparedBytes > maskBytes;
    this.u8(alias);
    this.u8(isMasked ? component | CHANGE_MASKED : component);
    if (!isMasked) return this.component(component, slot);
    const maskAt = this.at;
    this.bytes.fill(0, maskAt, maskAt + maskBytes);
    this.at += maskBytes;
    for (let field = 0; field < writers.length; field++) {
      if (fieldTick[field]![slot]! <= sentTick) continue;
      this.bytes[maskAt + (field >> 3)]! |= 1 << (field & 7);
      writers[field]!(slot);
    }
  }

  #fieldWriter(field: FieldSchema, column: AnyColumn): WriteField {
    if (column instanceof TextColumn) return this.#rawWriter(column.bytes);
    if (column instanceof BytesColumn) return this.#rawWriter(column);
    if (column instanceof ListColumn) return this.#listWriter(column);
    return quantizedSizeBytes(field) > 0 ? this.#quantizedWriter(field, column) : this.#scalarWriter(field, column);
  }

  /** A row of text or bytes has the wire's form already: u16 length, data. */
  #rawWriter(column: BytesColumn): WriteField {
    return (slot) => {
      const first = slot * column.rowBytes;
      const end = first + 2 + column.length(slot);
      for (let from = first; from < end; from++) this.bytes[this.at++] = column.raw[from]!;
    };
  }

  #listWriter(column: ListColumn): WriteField {
    return (slot) => {
      const packed = column.packed(slot);
      if (packed.length === 0) {
        this.view.setUint16(this.at, 0, true);
        this.at += 2;
        return;
      }
      this.bytes.set(packed, this.at);
      this.at += packed.length;
    };
  }

  #quantizedWriter(field: FieldSchema, column: ScalarColumn): WriteField {
    const sizeBytes = quantizedSizeBytes(field);
    return (slot) => {
      const steps = quantize(field, column[slot]!);
      if (sizeBytes === 1) this.view.setUint8(this.at, steps);
      else if (sizeBytes === 2) this.view.setUint16(this.at, steps, true);
      else this.view.setUint32(this.at, steps, true);
      this.at += sizeBytes;
    };
  }

  #scalarWriter(field: FieldSchema, column: ScalarColumn): WriteField {
    switch (field.type) {
      case 'bool':
      case 'u8':
      case 'i8':
        return (slot) => this.u8(column[slot]!);
      case 'u16':
      case 'i16':
        return (slot) => {
          this.view.setUint16(this.at, column[slot]!, true);
          this.at += 2;
        };
      case 'u32':
      case 'i32':
        return (slot) => this.u32(column[slot]!);
      case 'f32':
        return (slot) => this.f32(finite(column[slot]!));
      case 'f64':
        return (slot) => {
          this.view.setFloat64(this.at, finite(column[slot]!), true);
          this.at += 8;
        };
      case 'entity':
        return (slot) => {
          this.u32(column[slot]! % 2 ** 32);
          this.u32(Math.floor(column[slot]! / 2 ** 32));
        };
      default:
        assert(false, `a scalar writer was asked for ${field.type}`);
    }
  }
}

function fieldBytesMin(field: FieldSchema): number {
  if (!isScalar(field.type)) return LENGTH_BYTES;
  return quantizedSizeBytes(field) || scalarSizeBytes(field.type);
}

/** World code may leave any number in a column; the wire has only finite ones. */
export function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
