/**
 * Writes the parts of a SNAPSHOT (wire/snapshot.wire.ts, docs/PROTOCOL.md) straight from the columns into one buffer.
 * Made once per worker: a writer per field, so that nothing is looked up or allocated per entity.
 */
import { assert } from '../base/assert.ts';
import type { FieldSchema, Schema } from '../base/schema.ts';
import { fieldsSizeBytesMax } from '../base/schema.ts';
import type { AnyColumn, ColumnSet, ScalarColumn } from '../memory/columns.ts';
import { BytesColumn, ListColumn, TextColumn } from '../memory/accessors.ts';
import { quantize, quantizedSizeBytes } from '../wire/component.wire.ts';

/** A snapshot is closed when the next entry might not fit; what is left waits for the next one. */
export const SNAPSHOT_BYTES_MAX = 64 * 1024;

type WriteField = (slot: number) => void;

export class SnapshotEncoder {
  readonly bytes = new Uint8Array(SNAPSHOT_BYTES_MAX);
  readonly view = new DataView(this.bytes.buffer);
  at = 0;
  readonly #components: readonly (readonly WriteField[])[];
  readonly #componentBytesMax: readonly number[];

  constructor(schema: Schema, columns: ColumnSet) {
    this.#components = schema.components.map((component) =>
      component.fields.map((field, index) =>
        this.#fieldWriter(field, columns.components[component.index]!.inOrder[index]!),
      ),
    );
    this.#componentBytesMax = schema.components.map((component) => fieldsSizeBytesMax(component.fields));
  }

  hasRoom(sizeBytes: number): boolean {
    return this.at + sizeBytes <= SNAPSHOT_BYTES_MAX;
  }

  componentBytesMax(component: number): number {
    return this.#componentBytesMax[component]!;
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

  component(component: number, slot: number): void {
    for (const write of this.#components[component]!) write(slot);
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

/** World code may leave any number in a column; the wire has only finite ones. */
export function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
