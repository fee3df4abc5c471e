/**
 * The rows of all entities, as a structure of arrays over slots; N is `entitiesMax`, fixed at start-up.
 *
 *   id f64 · generation u32 · kind u8 · cell u32 · place u32 · session u32 · ownershipSeq u32 · ghostOf u8
 *   x f32 · z f32 · vx f32 · vz f32 · homeX f32 · homeZ f32 · foreign (handle, 2 × u32)
 *   then, per component and field in schema order, its column; then the same again for `shared` components (`seen`)
 *
 * Every column starts on a cache line. homeX and homeZ are the centre of the entity's cell, so that the border test
 * needs no division. A free slot has id 0, velocity 0 and stands at its home, so that kernels may run over it.
 * `foreign` holds, in the heap, the fields of other schema versions that an entity carries along (record-foreign.ts).
 *
 * Writers: a row belongs to whichever thread runs its cell in a simulate phase or its block in a move phase; to the
 * conductor between phases. Readers of other rows read the spatial index and `seen` instead.
 */
import { assert } from '../base/assert.ts';
import { isScalar, scalarSizeBytes } from '../base/schema.ts';
import type { FieldSchema, ScalarType, Schema } from '../base/schema.ts';
import type { Heap } from './heap.ts';
import { BytesColumn, HeapColumn, ListColumn, TextColumn } from './accessors.ts';
import type { Planner } from './region.ts';

export type ScalarColumn =
  | Int8Array<SharedArrayBuffer>
  | Uint8Array<SharedArrayBuffer>
  | Int16Array<SharedArrayBuffer>
  | Uint16Array<SharedArrayBuffer>
  | Int32Array<SharedArrayBuffer>
  | Uint32Array<SharedArrayBuffer>
  | Float32Array<SharedArrayBuffer>
  | Float64Array<SharedArrayBuffer>;
export type AnyColumn = ScalarColumn | TextColumn | BytesColumn | ListColumn;

/** A component's columns by field name, and in schema order. */
export interface ComponentColumns {
  readonly byName: Readonly<Record<string, AnyColumn>>;
  readonly inOrder: readonly AnyColumn[];
}

const BUILT_IN_BYTES = [8, 4, 1, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, HeapColumn.rowBytes, 1] as const;

export interface ColumnOffsets {
  readonly builtIn: readonly number[];
  readonly components: readonly (readonly number[])[];
  readonly seen: readonly (readonly number[])[];
}

export function planColumns(planner: Planner, schema: Schema, entitiesMax: number): ColumnOffsets {
  const builtIn = BUILT_IN_BYTES.map((sizeBytes) => planner.take(sizeBytes * entitiesMax));
  const plan = (fields: readonly FieldSchema[]) => fields.map((field) => planner.take(rowBytes(field) * entitiesMax));
  const components = schema.components.map((component) => plan(component.fields));
  const seen = schema.components.map((component) => (component.shared ? plan(component.fields) : []));
  return { builtIn, components, seen };
}

/** Bytes of one row in a field's column. Text and bytes keep a u16 length before the data; a list keeps a handle. */
export function rowBytes(field: FieldSchema): number {
  if (isScalar(field.type)) return scalarSizeBytes(field.type);
  if (field.type === 'list') return ListColumn.rowBytes;
  return 2 + (field.bytesMax ?? 0);
}

export class ColumnSet {
  readonly capacity: number;
  readonly id: Float64Array<SharedArrayBuffer>;
  readonly generation: Uint32Array<SharedArrayBuffer>;
  readonly kind: Uint8Array<SharedArrayBuffer>;
  readonly cell: Uint32Array<SharedArrayBuffer>;
  readonly place: Uint32Array<SharedArrayBuffer>;
  /** 1 + session index, or 0. */
  readonly session: Uint32Array<SharedArrayBuffer>;
  readonly ownershipSeq: Uint32Array<SharedArrayBuffer>;
  readonly x: Float32Array<SharedArrayBuffer>;
  readonly z: Float32Array<SharedArrayBuffer>;
  readonly vx: Float32Array<SharedArrayBuffer>;
  readonly vz: Float32Array<SharedArrayBuffer>;
  readonly homeX: Float32Array<SharedArrayBuffer>;
  readonly homeZ: Float32Array<SharedArrayBuffer>;
  readonly foreign: HeapColumn;
  /** 0: owned here; else the NodeNumber of the owner, and the row is a copy that is only read. */
  readonly ghostOf: Uint8Array<SharedArrayBuffer>;
  readonly components: readonly ComponentColumns[];
  readonly seen: readonly ComponentColumns[];
  readonly offsets: ColumnOffsets;

  constructor(
    buffer: SharedArrayBuffer,
    { offsets, schema, entitiesMax, heap }: { offsets: ColumnOffsets; schema: Schema; entitiesMax: number; heap: Heap },
  ) {
    this.capacity = entitiesMax;
    this.offsets = offsets;
    const at = (index: number): number => {
      const offset = offsets.builtIn[index];
      assert(offset !== undefined, 'every built-in column has an offset');
      return offset;
    };
    const n = entitiesMax;
    this.id = new Float64Array(buffer, at(0), n);
    this.generation = new Uint32Array(buffer, at(1), n);
    this.kind = new Uint8Array(buffer, at(2), n);
    this.cell = new Uint32Array(buffer, at(3), n);
    this.place = new Uint32Array(buffer, at(4), n);
    this.session = new Uint32Array(buffer, at(5), n);
    this.ownershipSeq = new Uint32Array(buffer, at(6), n);
    this.x = new Float32Array(buffer, at(7), n);
    this.z = new Float32Array(buffer, at(8), n);
    this.vx = new Float32Array(buffer, at(9), n);
    this.vz = new Float32Array(buffer, at(10), n);
    this.homeX = new Float32Array(buffer, at(11), n);
    this.homeZ = new Float32Array(buffer, at(12), n);
    this.foreign = new HeapColumn(new Uint32Array(buffer, at(13), n * 2), heap);
    this.ghostOf = new Uint8Array(buffer, at(14), n);
    const build = (fields: readonly FieldSchema[], fieldOffsets: readonly number[]): ComponentColumns => {
      const inOrder = fieldOffsets.map((offset, index) =>
        makeColumn(buffer, offset, { field: fields[index]!, n, heap }),
      );
      return { inOrder, byName: Object.fromEntries(inOrder.map((column, index) => [fields[index]!.name, column])) };
    };
    this.components = schema.components.map((component, index) => build(component.fields, offsets.components[index]!));
    this.seen = schema.components.map((component, index) => build(component.fields, offsets.seen[index]!));
  }
}

function makeColumn(
  buffer: SharedArrayBuffer,
  offset: number,
  { field, n, heap }: { field: FieldSchema; n: number; heap: Heap },
): AnyColumn {
  if (isScalar(field.type)) return makeScalarColumn(field.type, { buffer, offset, n });
  const bytes = new Uint8Array(buffer, offset, rowBytes(field) * n);
  if (field.type === 'text') return new TextColumn(bytes, field);
  if (field.type === 'bytes') return new BytesColumn(bytes, field);
  return new ListColumn(new Uint32Array(buffer, offset, (ListColumn.rowBytes / 4) * n), { field, heap });
}

function makeScalarColumn(
  type: ScalarType,
  { buffer, offset, n }: { buffer: SharedArrayBuffer; offset: number; n: number },
): ScalarColumn {
  switch (type) {
    case 'bool':
    case 'u8':
      return new Uint8Array(buffer, offset, n);
    case 'i8':
      return new Int8Array(buffer, offset, n);
    case 'i16':
      return new Int16Array(buffer, offset, n);
    case 'u16':
      return new Uint16Array(buffer, offset, n);
    case 'i32':
      return new Int32Array(buffer, offset, n);
    case 'u32':
      return new Uint32Array(buffer, offset, n);
    case 'f32':
      return new Float32Array(buffer, offset, n);
    case 'f64':
    case 'entity':
      return new Float64Array(buffer, offset, n);
  }
}
