import test from 'ava';
import * as fc from 'fast-check';
import { CapacityError, WireError } from '../../src/base/errors.ts';
import { bytes, component, f64, list, text, u16, u8 } from '../../src/base/fields.ts';
import { Random } from '../../src/base/random.ts';
import { BytesColumn, ListColumn, TextColumn } from '../../src/memory/accessors.ts';
import { clearComponents, packRow, readMotion, rowBytesMax, writeComponents } from '../../src/memory/row.ts';
import { componentsArbitrary, describeSlot, fillSlot, makeColumns, randomValue, schemaOf } from './fixture.ts';

const SCHEMA = schemaOf({
  look: component({ name: text(5), crest: bytes(3) }, { shared: true }),
  bag: { items: list({ what: u16(), worth: f64() }, { max: 4 }) },
});

const columnsOf = () => {
  const store = makeColumns(SCHEMA);
  const [look, bag] = store.columns.components.map(({ byName }) => byName as Record<string, any>);
  return {
    ...store,
    name: look!['name'] as TextColumn,
    crest: look!['crest'] as BytesColumn,
    items: bag!['items'] as ListColumn,
  };
};

test('text and bytes: what fits is kept, neighbours are not touched, what does not fit is refused by name', (t) => {
  const { name, crest } = columnsOf();
  for (let slot = 0; slot < 7; slot++) name.set(slot, `abcd${slot}`);
  name.set(3, 'é');
  crest.set(6, Uint8Array.of(1, 2, 3));
  t.deepEqual(
    Array.from({ length: 7 }, (_, slot) => name.get(slot)),
    ['abcd0', 'abcd1', 'abcd2', 'é', 'abcd4', 'abcd5', 'abcd6'],
  );
  t.deepEqual([...crest.get(6)], [1, 2, 3]);
  t.deepEqual([...crest.get(5)], []);
  t.throws(() => name.set(0, 'éééé'), { instanceOf: RangeError, message: /"name" holds at most 5 bytes, got 8/ });
  t.throws(() => crest.set(0, 'abc' as never), { instanceOf: RangeError, message: /"crest"/ });
  t.is(name.get(0), 'abcd0');
  const copy = crest.get(6);
  copy[0] = 9;
  t.is(crest.get(6)[0], 1);
});

test('lists: replaced, emptied, refused, and a heap without a leak', (t) => {
  const { items, heap } = columnsOf();
  t.deepEqual(items.get(2), []);
  items.set(2, [
    { what: 1, worth: 0.5 },
    { what: 65_535, worth: -1 },
  ]);
  items.set(3, [{ what: 2, worth: 9 }]);
  t.deepEqual(items.get(2), [
    { what: 1, worth: 0.5 },
    { what: 65_535, worth: -1 },
  ]);
  const tooMany = Array.from({ length: 5 }, () => ({ what: 1, worth: 1 }));
  t.throws(() => items.set(2, tooMany), { instanceOf: WireError, message: /at most 4 items/ });
  t.throws(() => items.set(2, [{ what: 70_000, worth: 1 }]), { instanceOf: WireError });
  t.is(items.get(2).length, 2);
  items.set(2, []);
  items.setPacked(3, new Uint8Array());
  t.is(heap.usedBytes, 0);
});

test('a full heap leaves the list as it was', (t) => {
  const store = makeColumns(SCHEMA, { heapBytes: 64 });
  const items = store.columns.components[1]!.byName['items'] as ListColumn;
  items.set(0, [{ what: 7, worth: 7 }]);
  const more = Array.from({ length: 4 }, () => ({ what: 1, worth: 1 }));
  t.throws(() => items.set(0, more), { instanceOf: CapacityError });
  t.deepEqual(items.get(0), [{ what: 7, worth: 7 }]);
});

test('shared components have a second set of columns, others have none', (t) => {
  const { columns } = columnsOf();
  t.deepEqual(Object.keys(columns.seen[0]!.byName), ['name', 'crest']);
  t.deepEqual(Object.keys(columns.seen[1]!.byName), []);
  (columns.seen[0]!.byName['name'] as TextColumn).set(1, 'then');
  t.is((columns.components[0]!.byName['name'] as TextColumn).get(1), '');
});

test('property: columns hold every value, in every slot, beside every other', (t) => {
  fc.assert(
    fc.property(componentsArbitrary(), fc.integer(), (components, seed) => {
      const store = makeColumns(schemaOf(components), { heapBytes: 1_048_576 });
      const random = new Random(seed);
      const described = Array.from({ length: 7 }, (_, slot) => {
        fillSlot(store, slot, { kind: 0, draw: (count) => Math.floor(random.next() * count) });
        return describeSlot(store, slot);
      });
      described.forEach((expected, slot) => t.deepEqual(describeSlot(store, slot), expected));
      for (let slot = 0; slot < 7; slot++) clearComponents(store.columns, slot);
      t.is(store.heap.usedBytes, 0);
    }),
    { numRuns: 100 },
  );
});

test('property: start values become a row', (t) => {
  fc.assert(
    fc.property(componentsArbitrary(), fc.integer(), (components, seed) => {
      const schema = schemaOf(components);
      const random = new Random(seed);
      const draw = (count: number): number => Math.floor(random.next() * count);
      const init = Object.fromEntries(
        schema.components.map(({ name, fields }) => [
          name,
          Object.fromEntries(fields.map((field) => [field.name, randomValue(field, draw)])),
        ]),
      );
      const kind = schema.kinds[0]!;
      const store = makeColumns(schema, { heapBytes: 262_144 });
      const target = new Uint8Array(rowBytesMax(schema, kind));
      const packed = target.subarray(0, packRow({ schema, kind, init: { x: 1.5, z: -2, vz: 3, ...init } }, target));
      t.deepEqual(readMotion(packed), { x: 1.5, z: -2, vx: 0, vz: 3 });
      writeComponents(store.columns, 4, { schema, kind, packed });
      for (const { name, index, fields } of schema.components) {
        fields.forEach((field, at) => {
          const column = store.columns.components[index]!.inOrder[at]!;
          const isAccessor =
            column instanceof TextColumn || column instanceof BytesColumn || column instanceof ListColumn;
          const expected = (init[name] as Record<string, unknown>)[field.name];
          if (isAccessor) t.deepEqual(column.get(4) as unknown, expected);
          else t.is(column[4], Number(expected));
        });
      }
    }),
    { numRuns: 100 },
  );
});

test('missing start values are zero and empty', (t) => {
  const schema = schemaOf({ body: { hp: u8(), name: text(4) } });
  const kind = schema.kinds[0]!;
  const target = new Uint8Array(rowBytesMax(schema, kind));
  t.is(packRow({ schema, kind, init: { x: 0, z: 0 } }, target), 19);
});
