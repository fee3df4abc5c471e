/** Columns and schemas for tests, in small memories of their own. */
import * as fc from 'fast-check';
import { INCARNATION_MAX, entityIdFrom } from '../../src/base/brand.ts';
import { packField, writerOver } from '../../src/base/pack.ts';
import { fieldsSizeBytesMax, isScalar } from '../../src/base/schema.ts';
import type { FieldSchema, FieldType, ScalarType, Schema } from '../../src/base/schema.ts';
import { checkWorld } from '../../src/base/world-check.ts';
import { BytesColumn, ListColumn, TextColumn } from '../../src/memory/accessors.ts';
import { ColumnSet, planColumns } from '../../src/memory/columns.ts';
import { Heap } from '../../src/memory/heap.ts';
import { Planner } from '../../src/memory/region.ts';
import { Store } from '../../src/memory/store.ts';
import type { StoreOptions } from '../../src/memory/store.ts';

export interface SmallStore {
  readonly schema: Schema;
  readonly columns: ColumnSet;
  readonly heap: Heap;
}

export function makeColumns(
  schema: Schema,
  { entitiesMax = 7, heapBytes = 65_536 }: { entitiesMax?: number; heapBytes?: number } = {},
): SmallStore {
  const planner = new Planner();
  const offsets = planColumns(planner, schema, entitiesMax);
  const heapOffset = planner.take(Heap.sizeBytes(heapBytes));
  const buffer = new SharedArrayBuffer(planner.sizeBytes);
  const heap = new Heap(buffer, heapOffset, heapBytes);
  return { schema, heap, columns: new ColumnSet(buffer, { offsets, schema, entitiesMax, heap }) };
}

/** A whole store: 7 × 5 cells of 30 m, the outermost cut off by the bounds. */
export function makeStore(schema: Schema, changes: Partial<StoreOptions> = {}): Store {
  return Store.create(
    {
      schema,
      grid: { cellSize: 30, minX: -100, minZ: -70, maxX: 85, maxZ: 55 },
      entitiesMax: 70,
      sessionsMax: 3,
      workers: 2,
      hysteresis: 2,
      heapBytes: 16_384,
      commandBytes: 4096,
      inputRingBytes: 4096,
      outboundRingBytes: 4096,
      ...changes,
    },
    { incarnation: 5 },
  );
}

/** A world declaration from its components; every component is in the one kind `thing`. */
export function schemaOf(
  components: Readonly<Record<string, object>>,
  { version = 1, kinds }: { version?: number; kinds?: Readonly<Record<string, object>> } = {},
): Schema {
  return checkWorld({
    name: 'specimen',
    version,
    size: 1024,
    components,
    kinds: kinds ?? { thing: { components: Object.keys(components) } },
    systems: {},
    join: () => ({ kind: 'thing', x: 0, z: 0 }),
  });
}

const SCALARS: readonly ScalarType[] = ['bool', 'i8', 'u8', 'i16', 'u16', 'i32', 'u32', 'f32', 'f64', 'entity'];

/** Declarations of one field, as the functions of base/fields.ts give them. */
export function fieldArbitrary(): fc.Arbitrary<{ type: FieldType } & Record<string, unknown>> {
  const scalar = fc.constantFrom(...SCALARS).map((type) => ({ type }));
  return fc.oneof(
    { weight: 4, arbitrary: scalar },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 255 }).map((bytesMax) => ({ type: 'text' as const, bytesMax })) },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 1, max: 1024 }).map((bytesMax) => ({ type: 'bytes' as const, bytesMax })),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('list' as const),
        countMax: fc.integer({ min: 1, max: 64 }),
        item: fc.dictionary(nameArbitrary(), scalar, { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
      }),
    },
  );
}

export function nameArbitrary(): fc.Arbitrary<string> {
  return fc.stringMatching(/^[a-z][A-Za-z0-9]{0,6}$/).filter((name) => !RESERVED.has(name));
}
const RESERVED = new Set(['id', 'slot', 'kind', 'x', 'z', 'vx', 'vz', 'session']);

export function componentsArbitrary(): fc.Arbitrary<Record<string, Record<string, object>>> {
  const fields = fc.dictionary(nameArbitrary(), fieldArbitrary(), { minKeys: 0, maxKeys: 5, noNullPrototype: true });
  return fc.dictionary(nameArbitrary(), fields, { minKeys: 1, maxKeys: 5, noNullPrototype: true });
}

/** A value that a column of this field can hold; `draw(n)` gives an integer in [0, n). */
export function randomValue(field: FieldSchema, draw: (count: number) => number): unknown {
  switch (field.type) {
    case 'bool':
      return draw(2) === 1;
    case 'i8':
      return draw(256) - 128;
    case 'u8':
      return draw(256);
    case 'i16':
      return draw(65_536) - 32_768;
    case 'u16':
      return draw(65_536);
    case 'i32':
      return draw(2 ** 32) - 2 ** 31;
    case 'u32':
      return draw(2 ** 32);
    case 'f32':
      return Math.fround([-0, 1e-45, 1e30, 0.1][draw(4)]! * (draw(2001) - 1000));
    case 'f64':
      return [-0, 5e-324, 1e30, 0.1][draw(4)]! * (draw(2001) - 1000);
    case 'entity':
      return draw(4) === 0 ? 0 : entityIdFrom(draw(INCARNATION_MAX + 1), draw(2 ** 32));
    case 'text':
      return randomText(field.bytesMax ?? 0, draw);
    case 'bytes':
      return Uint8Array.from({ length: draw((field.bytesMax ?? 0) + 1) }, () => draw(256));
    case 'list':
      return Array.from({ length: draw((field.countMax ?? 0) + 1) }, () =>
        Object.fromEntries((field.item ?? []).map((item) => [item.name, randomValue(item, draw)])),
      );
  }
}

function randomText(bytesMax: number, draw: (count: number) => number): string {
  let text = '';
  for (;;) {
    const next = text + ['a', 'Z', ' ', 'é', '→', '🜁', '\0'][draw(7)]!;
    if (Buffer.byteLength(next) > bytesMax || draw(40) === 0) return text;
    text = next;
  }
}

export function setValue(
  store: SmallStore,
  slot: number,
  at: { component: number; field: number; value: unknown },
): void {
  const column = store.columns.components[at.component]!.inOrder[at.field]!;
  if (column instanceof TextColumn) column.set(slot, at.value as string);
  else if (column instanceof BytesColumn) column.set(slot, at.value as Uint8Array);
  else if (column instanceof ListColumn) column.set(slot, at.value as Record<string, unknown>[]);
  else column[slot] = Number(at.value);
}

/** Fills the components of a slot with random values, and makes it an entity of the kind. */
export function fillSlot(
  store: SmallStore,
  slot: number,
  { kind, draw }: { kind: number; draw: (count: number) => number },
): void {
  const { columns, schema } = store;
  columns.id[slot] = entityIdFrom(1 + draw(1000), 1 + draw(2 ** 32 - 1));
  columns.kind[slot] = kind;
  columns.ownershipSeq[slot] = draw(2 ** 32);
  for (const name of ['x', 'z', 'vx', 'vz'] as const) columns[name][slot] = (draw(2 ** 20) - 2 ** 19) / 64;
  for (const component of schema.kinds[kind]!.components) {
    schema.components[component]!.fields.forEach((field, index) => {
      setValue(store, slot, { component, field: index, value: randomValue(field, draw) });
    });
  }
}

/** Everything that a record carries of an entity, as plain values; bytes as hex and floats by their bits. */
export function describeSlot({ columns, schema }: SmallStore, slot: number): Record<string, unknown> {
  const values: Record<string, unknown> = {
    id: columns.id[slot],
    kind: columns.kind[slot],
    ownershipSeq: columns.ownershipSeq[slot],
    motion: [columns.x[slot], columns.z[slot], columns.vx[slot], columns.vz[slot]],
    foreign: Buffer.from(columns.foreign.packed(slot)).toString('hex'),
  };
  for (const component of schema.kinds[columns.kind[slot]!]!.components) {
    schema.components[component]!.fields.forEach((field, index) => {
      const column = columns.components[component]!.inOrder[index]!;
      const path = `${schema.components[component]!.name}.${field.name}`;
      if (column instanceof TextColumn) values[path] = Buffer.from(column.bytes.get(slot)).toString('hex');
      else if (column instanceof BytesColumn) values[path] = Buffer.from(column.get(slot)).toString('hex');
      else if (column instanceof ListColumn) values[path] = Buffer.from(column.packed(slot)).toString('hex');
      else values[path] = Object.is(column[slot], -0) ? 'minus zero' : column[slot];
    });
  }
  return values;
}

export function packedValue(field: FieldSchema, value: unknown): Uint8Array {
  const writer = writerOver(new Uint8Array(fieldsSizeBytesMax([field])));
  packField(field, value, writer);
  return writer.target.subarray(0, writer.at);
}

export function isScalarField(field: FieldSchema): boolean {
  return isScalar(field.type);
}
