/**
 * What clients may be told of each entity, prepared once for all that observe it: the position in centimetres, and
 * for each visible component the tick at which its value last changed.
 *
 *   x i32 × N · z i32 × N (centimetres) · lastChangeTick u32 × N (of any visible component)
 *   per visible component:  changedTick u32 × N · a copy of its columns as of then
 *   For text and bytes the copy is the raw row; for a list it is a 32-bit hash of its packed bytes.
 *
 * Writer: in the index phase, the worker that has the entity's cell, and only in cells that somebody will observe in
 * this tick. Readers: observe.
 */
import type { FieldSchema, Schema } from '../base/schema.ts';
import { CENTIMETRES_PER_METRE } from '../wire/motion.core.ts';
import { BytesColumn, ListColumn, TextColumn } from './accessors.ts';
import type { AnyColumn, ColumnSet, ScalarColumn } from './columns.ts';
import { rowBytes } from './columns.ts';
import type { Lists } from './lists.ts';
import type { Planner } from './region.ts';

export interface PublishedOffsets {
  readonly x: number;
  readonly z: number;
  readonly lastChangeTick: number;
  readonly components: readonly { readonly changedTick: number; readonly fields: readonly number[] }[];
}

export function planPublished(planner: Planner, schema: Schema, entitiesMax: number): PublishedOffsets {
  const x = planner.take(entitiesMax * 4);
  const z = planner.take(entitiesMax * 4);
  const lastChangeTick = planner.take(entitiesMax * 4);
  const components = schema.components.map((component) =>
    component.visible === 'none'
      ? { changedTick: 0, fields: [] }
      : {
          changedTick: planner.take(entitiesMax * 4),
          fields: component.fields.map((field) => planner.take(copyBytes(field) * entitiesMax)),
        },
  );
  return { x, z, lastChangeTick, components };
}

function copyBytes(field: FieldSchema): number {
  return field.type === 'list' ? 4 : rowBytes(field);
}

type Compare = (slot: number) => boolean;

export class Published {
  readonly x: Int32Array<SharedArrayBuffer>;
  readonly z: Int32Array<SharedArrayBuffer>;
  /** So that most entities need one look. */
  readonly lastChangeTick: Uint32Array<SharedArrayBuffer>;
  /** Per component; empty where nobody is sent it. */
  readonly changedTick: readonly Uint32Array<SharedArrayBuffer>[];
  /** Per component: compares a slot's values with the copies, brings the copies up to date, and says whether they differed. */
  readonly #update: readonly (readonly Compare[])[];
  readonly #visibleByKind: readonly (readonly number[])[];

  constructor(
    buffer: SharedArrayBuffer,
    { offsets, schema, columns }: { offsets: PublishedOffsets; schema: Schema; columns: ColumnSet },
  ) {
    const n = columns.capacity;
    this.x = new Int32Array(buffer, offsets.x, n);
    this.z = new Int32Array(buffer, offsets.z, n);
    this.lastChangeTick = new Uint32Array(buffer, offsets.lastChangeTick, n);
    this.changedTick = offsets.components.map(({ changedTick, fields }) =>
      fields.length === 0 ? new Uint32Array(new SharedArrayBuffer(0)) : new Uint32Array(buffer, changedTick, n),
    );
    this.#update = schema.components.map((_component, index) =>
      offsets.components[index]!.fields.map((offset, field) =>
        makeCompare(buffer, offset, { column: columns.components[index]!.inOrder[field]!, n }),
      ),
    );
    this.#visibleByKind = schema.kinds.map((kind) =>
      kind.components.filter((component) => offsets.components[component]!.fields.length > 0),
    );
  }

  /** Worker: brings one cell up to date. */
  updateCell(cell: number, { tick, lists, columns }: { tick: number; lists: Lists; columns: ColumnSet }): void {
    const slots = lists.slots;
    for (let index = 0; index < lists.groupsPerCell; index++) {
      const group = cell * lists.groupsPerCell + index;
      const kind = index % lists.kindCount;
      const first = lists.first[group]!;
      const end = first + lists.count[group]!;
      for (let at = first; at < end; at++) {
        const slot = slots[at]!;
        this.x[slot] = Math.round(columns.x[slot]! * CENTIMETRES_PER_METRE);
        this.z[slot] = Math.round(columns.z[slot]! * CENTIMETRES_PER_METRE);
      }
      for (const component of this.#visibleByKind[kind]!) {
        const changedTick = this.changedTick[component]!;
        for (const differs of this.#update[component]!) {
          for (let at = first; at < end; at++) {
            if (!differs(slots[at]!)) continue;
            changedTick[slots[at]!] = tick;
            this.lastChangeTick[slots[at]!] = tick;
          }
        }
      }
    }
  }
}

function makeCompare(
  buffer: SharedArrayBuffer,
  offset: number,
  { column, n }: { column: AnyColumn; n: number },
): Compare {
  if (column instanceof ListColumn) return compareLists(column, new Uint32Array(buffer, offset, n));
  if (column instanceof TextColumn)
    return compareRows(column.bytes, new Uint8Array(buffer, offset, column.bytes.rowBytes * n));
  if (column instanceof BytesColumn) return compareRows(column, new Uint8Array(buffer, offset, column.rowBytes * n));
  return compareScalars(column, copyOf(column, buffer, { offset, n }));
}

function copyOf(
  column: ScalarColumn,
  buffer: SharedArrayBuffer,
  { offset, n }: { offset: number; n: number },
): ScalarColumn {
  const Constructor = column.constructor as new (
    buffer: SharedArrayBuffer,
    offset: number,
    length: number,
  ) => ScalarColumn;
  return new Constructor(buffer, offset, n);
}

function compareScalars(column: ScalarColumn, copy: ScalarColumn): Compare {
  return (slot) => {
    const value = column[slot]!;
    // A NaN differs from itself, and would be told to every client for ever.
    if (Object.is(copy[slot], value)) return false;
    copy[slot] = value;
    return true;
  };
}

function compareRows(column: BytesColumn, copy: Uint8Array): Compare {
  const { raw, rowBytes: size } = column;
  return (slot) => {
    const first = slot * size;
    const end = first + 2 + column.length(slot);
    let differs = false;
    for (let at = first; at < end; at++) {
      if (copy[at] === raw[at]) continue;
      copy[at] = raw[at]!;
      differs = true;
    }
    return differs;
  };
}

function compareLists(column: ListColumn, copy: Uint32Array): Compare {
  return (slot) => {
    const packed = column.packed(slot);
    let hash = 0x811c9dc5;
    for (let at = 0; at < packed.length; at++) hash = Math.imul(hash ^ packed[at]!, 0x01000193);
    hash >>>= 0;
    if (copy[slot] === hash) return false;
    copy[slot] = hash;
    return true;
  };
}
