/**
 * One entity as an object, for inputs and events: accessors over the columns at a movable slot. One per worker,
 * moved from entity to entity, so world code must not keep it.
 */
import { assert } from '../base/assert.ts';
import type { EntityId, Slot } from '../base/brand.ts';
import type { Schema } from '../base/schema.ts';
import { isScalar } from '../base/schema.ts';
import type { Self } from '../base/world.ts';
import type { AnyColumn, ColumnSet, ScalarColumn } from '../memory/columns.ts';
import type { BytesColumn, ListColumn, TextColumn } from '../memory/accessors.ts';

export interface SelfCursor {
  readonly self: Self<Record<string, never>>;
  moveTo(slot: number): void;
}

type Place = { slot: number };
type Accessor = { get(): unknown; set?(value: unknown): void };

export function createSelf(schema: Schema, columns: ColumnSet): SelfCursor {
  const place: Place = { slot: 0 };
  const accessors: Record<string, Accessor> = {
    id: { get: () => columns.id[place.slot]! as EntityId },
    slot: { get: () => place.slot as Slot },
    x: scalar(columns.x, place),
    z: scalar(columns.z, place),
    vx: scalar(columns.vx, place),
    vz: scalar(columns.vz, place),
  };
  for (const component of schema.components) {
    const fields: Record<string, Accessor> = {};
    component.fields.forEach((field, index) => {
      const column = columns.components[component.index]!.inOrder[index];
      assert(column !== undefined, 'every field has a column');
      fields[field.name] = isScalar(field.type)
        ? scalar(column as ScalarColumn, place, field.type === 'bool')
        : accessor(column as TextColumn | BytesColumn | ListColumn, place);
    });
    const view = withAccessors(fields);
    accessors[component.name] = { get: () => view };
  }
  return {
    self: withAccessors(accessors) as Self<Record<string, never>>,
    moveTo: (slot) => {
      place.slot = slot;
    },
  };
}

function scalar(column: ScalarColumn, place: Place, isBool = false): Accessor {
  const get = isBool ? () => column[place.slot] !== 0 : () => column[place.slot]!;
  return {
    get,
    set: (value) => {
      column[place.slot] = Number(value);
    },
  };
}

function accessor(column: Exclude<AnyColumn, ScalarColumn>, place: Place): Accessor {
  return { get: () => column.get(place.slot), set: (value) => column.set(place.slot, value as never) };
}

function withAccessors(accessors: Record<string, Accessor>): object {
  const object = {};
  for (const [name, { get, set }] of Object.entries(accessors)) {
    Object.defineProperty(object, name, { enumerable: true, get, ...(set === undefined ? {} : { set }) });
  }
  return Object.preventExtensions(object);
}
