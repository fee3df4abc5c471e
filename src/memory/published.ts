/**
 * What clients may be told of each entity, prepared once for all that observe it: position and velocity as the wire has
 * them, and for each field of a visible component the tick at which its value last changed.
 *
 *   x i32 × N · z i32 × N (centimetres) · vx i16 × N · vz i16 × N (VELOCITY_UNITS)
 *   lastChangeTick u32 × N (of any visible component)
 *   per visible component:  changedTick u32 × N (of any field)
 *   per field of it:        fieldTick u32 × N, where there are several · a copy of the column as of then
 *   For text and bytes the copy is the raw row; for a list it is a 32-bit hash of its packed bytes.
 *
 * Writer: in the index phase, the worker that has the entity's cell, and only in cells that somebody will observe in
 * this tick. Readers: observe.
 */
import type { ComponentSchema, FieldSchema, Schema } from '../base/schema.ts';
import { CENTIMETRES_PER_METRE, velocityUnits, velocityUnitsPerMetre } from '../wire/motion.core.ts';
import { BytesColumn, ListColumn, TextColumn } from './accessors.ts';
import type { AnyColumn, ColumnSet, ScalarColumn } from './columns.ts';
import { rowBytes } from './columns.ts';
import type { Lists } from './lists.ts';
import type { Planner } from './region.ts';

export interface PublishedOffsets {
  readonly x: number;
  readonly z: number;
  readonly vx: number;
  readonly vz: number;
  readonly lastChangeTick: number;
  readonly components: readonly {
    readonly changedTick: number;
    readonly fields: readonly { readonly tick: number; readonly copy: number }[];
  }[];
}

export function planPublished(planner: Planner, schema: Schema, entitiesMax: number): PublishedOffsets {
  const x = planner.take(entitiesMax * 4);
  const z = planner.take(entitiesMax * 4);
  const vx = planner.take(entitiesMax * 2);
  const vz = planner.take(entitiesMax * 2);
  const lastChangeTick = planner.take(entitiesMax * 4);
  const components = schema.components.map((component) =>
    component.visible === 'none' ? { changedTick: 0, fields: [] } : planComponent(planner, component, entitiesMax),
  );
  return { x, z, vx, vz, lastChangeTick, components };
}

/** What is the only field changes with its component. */
function planComponent(
  planner: Planner,
  { fields }: ComponentSchema,
  entitiesMax: number,
): PublishedOffsets['components'][number] {
  const changedTick = planner.take(entitiesMax * 4);
  return {
    changedTick,
    fields: fields.map((field) => ({
      tick: fields.length === 1 ? changedTick : planner.take(entitiesMax * 4),
      copy: planner.take(copyBytes(field) * entitiesMax),
    })),
  };
}

function copyBytes(field: FieldSchema): number {
  return field.type === 'list' ? 4 : rowBytes(field);
}

type Compare = (slot: number) => boolean;

export class Published {
  readonly x: Int32Array<SharedArrayBuffer>;
  readonly z: Int32Array<SharedArrayBuffer>;
  readonly vx: Int16Array<SharedArrayBuffer>;
  readonly vz: Int16Array<SharedArrayBuffer>;
  /** So that most entities need one look. */
  readonly lastChangeTick: Uint32Array<SharedArrayBuffer>;
  /** Per component; empty where nobody is sent it. */
  readonly changedTick: readonly Uint32Array<SharedArrayBuffer>[];
  /** Per component and field; of no fields where nobody is sent it. */
  readonly fieldTick: readonly (readonly Uint32Array<SharedArrayBuffer>[])[];
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
    this.vx = new Int16Array(buffer, offsets.vx, n);
    this.vz = new Int16Array(buffer, offsets.vz, n);
    this.lastChangeTick = new Uint32Array(buffer, offsets.lastChangeTick, n);
    this.changedTick = offsets.components.map(({ changedTick, fields }) =>
      fields.length === 0 ? new Uint32Array(new SharedArrayBuffer(0)) : new Uint32Array(buffer, changedTick, n),
    );
    this.fieldTick = offsets.components.map(({ fields }) => fields.map(({ tick }) => new Uint32Array(buffer, tick, n)));
    this.#update = schema.components.map((_component, index) =>
      offsets.components[index]!.fields.map(({ copy }, field) =>
        makeCompare(buffer, copy, { column: columns.components[index]!.inOrder[field]!, n }),
      ),
    );
    this.#visibleByKind = schema.kinds.map((kind) =>
      kind.components.filter((component) => offsets.components[component]!.fields.length > 0),
    );
  }

  /** Worker: brings one cell up to date. */
  updateCell(
    cell: number,
    { tick, tickHz, lists, columns }: { tick: number; tickHz: number; lists: Lists; columns: ColumnSet },
  ): void {
    const slots = lists.slots;
    const unitsPerMetre = velocityUnitsPerMetre(tickHz);
    for (let index = 0; index < lists.groupsPerCell; index++) {
      const group = cell * lists.groupsPerCell + index;
      const kind = index % lists.kindCount;
      const first = lists.first[group]!;
      const end = first + lists.count[group]!;
      for (let at = first; at < end; at++) {
        const slot = slots[at]!;
        this.x[slot] = Math.round(columns.x[slot]! * CENTIMETRES_PER_METRE);
        this.z[slot] = Math.round(columns.z[slot]! * CENTIMETRES_PER_METRE);
        this.vx[slot] = velocityUnits(columns.vx[slot]!, unitsPerMetre);
        this.vz[slot] = velocityUnits(columns.vz[slot]!, unitsPerMetre);
      }
      for (const component of this.#visibleByKind[kind]!) this.#updateComponent(component, { tick, slots, first, end });
    }
  }

  #updateComponent(
    component: number,
    { tick, slots, first, end }: { tick: number; slots: Uint32Array; first: number; end: number },
  ): void {
    const changedTick = this.changedTick[component]!;
    const update = this.#update[component]!;
    for (let field = 0; field < update.length; field++) {
      const differs = update[field]!;
      const fieldTick = this.fieldTick[component]![field]!;
      for (let at = first; at < end; at++) {
        const slot = slots[at]!;
        if (!differs(slot)) continue;
        fieldTick[slot] = tick;
        changedTick[slot] = tick;
        this.lastChangeTick[slot] = tick;
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
