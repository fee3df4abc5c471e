/**
 * Start values of one entity as bytes, and from there into its row:
 *
 *   x f32 · z f32 · vx f32 · vz f32 · then, for each component of the kind in index order, its packed fields
 */
import { assert } from '../base/assert.ts';
import { packFields, readField, readerOver } from '../base/pack.ts';
import type { Values } from '../base/pack.ts';
import { fieldsSizeBytesMax } from '../base/schema.ts';
import type { KindSchema, Schema } from '../base/schema.ts';
import { BytesColumn, ListColumn, TextColumn } from './accessors.ts';
import type { AnyColumn, ColumnSet } from './columns.ts';

const MOTION_BYTES = 16;

export interface StartValues {
  readonly x: number;
  readonly z: number;
  readonly vx?: number;
  readonly vz?: number;
  readonly [component: string]: unknown;
}

export function rowBytesMax(schema: Schema, kind: KindSchema): number {
  let sizeBytes = MOTION_BYTES;
  for (const component of kind.components) sizeBytes += fieldsSizeBytesMax(schema.components[component]!.fields);
  return sizeBytes;
}

/** @throws WireError when a value does not fit its field. */
export function packRow(
  { schema, kind, init }: { schema: Schema; kind: KindSchema; init: StartValues },
  target: Uint8Array,
): number {
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
  view.setFloat32(0, init.x, true);
  view.setFloat32(4, init.z, true);
  view.setFloat32(8, init.vx ?? 0, true);
  view.setFloat32(12, init.vz ?? 0, true);
  let at = MOTION_BYTES;
  for (const index of kind.components) {
    const component = schema.components[index]!;
    const values = (init[component.name] ?? {}) as Values;
    at += packFields(component.fields, values, target.subarray(at));
  }
  return at;
}

/** Position and velocity of a packed row. */
export function readMotion(packed: Uint8Array): { x: number; z: number; vx: number; vz: number } {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  return {
    x: view.getFloat32(0, true),
    z: view.getFloat32(4, true),
    vx: view.getFloat32(8, true),
    vz: view.getFloat32(12, true),
  };
}

/**
 * Writes the components of a packed row into the columns of a slot.
 * @throws CapacityError when a list finds no room in the heap; the row then holds what came before it.
 */
export function writeComponents(
  columns: ColumnSet,
  slot: number,
  { schema, kind, packed }: { schema: Schema; kind: KindSchema; packed: Uint8Array },
): void {
  const reader = readerOver(packed);
  reader.at = MOTION_BYTES;
  for (const component of kind.components) {
    const { fields } = schema.components[component]!;
    const { inOrder } = columns.components[component]!;
    for (let index = 0; index < fields.length; index++)
      writeField(inOrder[index]!, slot, readField(fields[index]!, reader));
  }
  assert(reader.at === packed.length, 'a packed row ends with its last component');
}

function writeField(column: AnyColumn, slot: number, value: unknown): void {
  if (column instanceof TextColumn) column.set(slot, value as string);
  else if (column instanceof BytesColumn) column.set(slot, value as Uint8Array);
  else if (column instanceof ListColumn) column.set(slot, value as Record<string, unknown>[]);
  else column[slot] = Number(value);
}

/** Sets every component field of a slot to zero and frees what it has in the heap. */
export function clearComponents(columns: ColumnSet, slot: number): void {
  columns.foreign.clear(slot);
  for (const component of columns.components) {
    for (const column of component.inOrder) {
      if (column instanceof TextColumn)
        column.bytes.raw.fill(0, slot * column.bytes.rowBytes, (slot + 1) * column.bytes.rowBytes);
      else if (column instanceof BytesColumn) column.raw.fill(0, slot * column.rowBytes, (slot + 1) * column.rowBytes);
      else if (column instanceof ListColumn) column.clear(slot);
      else column[slot] = 0;
    }
  }
}
