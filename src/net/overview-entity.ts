/**
 * One entity with all of its components, hidden ones as well, as the viewer's inspector shows it.
 *
 * The simulation writes on while it is read: a row is of one entity, which its id before and after proves, but one field may
 * be a tick newer than another. Nothing here is trusted: a text or list that is caught half written is null this time.
 */
import { WireError } from '../base/errors.ts';
import type { FieldSchema } from '../base/schema.ts';
import { BytesColumn, ListColumn, TextColumn } from '../memory/accessors.ts';
import type { AnyColumn } from '../memory/columns.ts';
import type { Store } from '../memory/store.ts';
import { readRow } from './inspection.ts';

/** Of a list or of raw bytes so much is shown; `count` tells of the rest. */
export const ITEMS_SHOWN_MAX = 32;

/** A list or raw bytes, by their beginning. */
export interface LongValue {
  /** Items or bytes in all. */
  readonly count: number;
  readonly first: readonly unknown[];
}
export type ShownValue = number | boolean | string | LongValue | null;

export interface EntityView {
  readonly id: number;
  /** False: it has no row here, and there is no more to say. */
  readonly isHere: true;
  readonly slot: number;
  readonly kind: number;
  readonly seq: number;
  /** 0 when it is owned here, else the NodeNumber of its owner. */
  readonly ghostOf: number;
  readonly session: number;
  readonly lastInput: number;
  readonly cell: number;
  readonly x: number;
  readonly z: number;
  readonly vx: number;
  readonly vz: number;
  /** By component, by field. */
  readonly components: Readonly<Record<string, Readonly<Record<string, ShownValue>>>>;
}

/** The id of whoever is in a slot now, 0 for nobody. */
export function idInSlot({ columns, slotsHigh }: Store, slot: number): number {
  return slot < slotsHigh ? (columns.id[slot] ?? 0) : 0;
}

/** Undefined when it has no row here, or not long enough to be read. */
export function readEntity(store: Store, id: number): EntityView | undefined {
  const { columns, idMap, schema } = store;
  const slot = idMap.get(id);
  const row = slot < 0 ? undefined : readRow(store, slot);
  if (row === undefined || row.id !== id) return undefined;
  const kind = columns.kind[slot]!;
  const components = Object.fromEntries(
    (schema.kinds[kind]?.components ?? []).map((index) => {
      const component = schema.components[index]!;
      const { inOrder } = columns.components[index]!;
      const values = component.fields.map((field, at) => [field.name, readValue(field, inOrder[at]!, slot)] as const);
      return [component.name, Object.fromEntries(values)];
    }),
  );
  const view: EntityView = {
    ...row,
    isHere: true,
    slot,
    kind,
    cell: columns.cell[slot]!,
    vx: finite(columns.vx[slot]!),
    vz: finite(columns.vz[slot]!),
    components,
  };
  return columns.id[slot] === id ? view : undefined;
}

function readValue(field: FieldSchema, column: AnyColumn, slot: number): ShownValue {
  if (column instanceof TextColumn) return column.get(slot);
  if (column instanceof BytesColumn) return shorten([...column.get(slot)]);
  if (column instanceof ListColumn) return readList(column, slot);
  const value = column[slot]!;
  return field.type === 'bool' ? value !== 0 : finite(value);
}

function readList(column: ListColumn, slot: number): LongValue | null {
  try {
    return shorten(column.get(slot));
  } catch (error) {
    // The list was moved in the heap meanwhile; the next look has it.
    if (error instanceof WireError) return null;
    throw error;
  }
}

function shorten(values: readonly unknown[]): LongValue {
  return { count: values.length, first: values.slice(0, ITEMS_SHOWN_MAX) };
}

function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
