import test from 'ava';
import { counterOf, incarnationOf } from '../../src/base/brand.ts';
import type { EntityId, Slot } from '../../src/base/brand.ts';
import { CapacityError } from '../../src/base/errors.ts';
import { component, list, text, u16, u8 } from '../../src/base/fields.ts';
import { Random } from '../../src/base/random.ts';
import type { ListColumn } from '../../src/memory/accessors.ts';
import { changeCell, despawn, spawn } from '../../src/memory/entities.ts';
import { packRow, rowBytesMax } from '../../src/memory/row.ts';
import type { StartValues } from '../../src/memory/row.ts';
import { Store } from '../../src/memory/store.ts';
import { makeStore, schemaOf } from './fixture.ts';

const SCHEMA = schemaOf(
  {
    look: { name: text(8) },
    body: component({ hp: u8() }, { shared: true }),
    bag: component({ items: list({ what: u16() }, { max: 200 }) }, { visible: 'owner' }),
    secret: component({ key: u16() }, { visible: 'none' }),
  },
  { kinds: { rock: { components: ['body'] }, player: { components: ['look', 'body', 'bag', 'secret'] } } },
);

function add(store: Store, kindIndex: number, init: StartValues): Slot {
  const kind = SCHEMA.kinds[kindIndex]!;
  const packed = new Uint8Array(rowBytesMax(SCHEMA, kind));
  return spawn(store, kindIndex, packed.subarray(0, packRow({ schema: SCHEMA, kind, init }, packed)));
}

/** Everybody is in exactly one list, where their cell, kind and place say, and found by their id. */
function assertWhole(store: Store): string[] {
  const { columns, lists, idMap, grid } = store;
  const wrong: string[] = [];
  let listed = 0;
  for (let cell = 0; cell < grid.cellCount; cell++) listed += lists.cellCountOf(cell);
  if (listed !== store.entityCount) wrong.push(`${listed} listed of ${store.entityCount}`);
  for (let slot = 0; slot < store.slotsHigh; slot++) {
    if (columns.id[slot] === 0) continue;
    const group = lists.groupOf(columns.cell[slot]!, columns.kind[slot]!);
    if (lists.slots[lists.first[group]! + columns.place[slot]!] !== slot)
      wrong.push(`slot ${slot} is not in its place`);
    if (idMap.get(columns.id[slot]!) !== slot) wrong.push(`slot ${slot} is not found by id`);
    const home = grid.cellAt(columns.homeX[slot]!, columns.homeZ[slot]!);
    if (home !== columns.cell[slot]) wrong.push(`slot ${slot} has a home in ${home}`);
  }
  return wrong;
}

test('random births, moves and deaths keep the store whole', (t) => {
  const store = makeStore(SCHEMA);
  const random = new Random(31);
  const ids = new Set<number>();
  for (let step = 0; step < 20_000; step++) {
    const slot = random.below(70) as Slot;
    if (store.columns.id[slot] === 0 && store.entityCount < 70) {
      const born = add(store, random.below(2), {
        x: random.between(-120, 120),
        z: random.between(-90, 90),
        bag: { items: Array.from({ length: random.below(9) }, (_, what) => ({ what })) },
      });
      t.false(ids.has(store.columns.id[born]!), 'an id is used once');
      ids.add(store.columns.id[born]!);
    } else if (store.columns.id[slot] !== 0 && random.below(3) === 0) {
      despawn(store, slot);
    } else if (store.columns.id[slot] !== 0) {
      store.columns.x[slot] = store.grid.clampX(random.between(-120, 120));
      store.columns.z[slot] = store.grid.clampZ(random.between(-90, 90));
      const before = store.columns.cell[slot];
      t.is(changeCell(store, slot), store.columns.cell[slot] !== before);
    }
    if (step % 200 === 0) t.deepEqual(assertWhole(store), []);
  }
  for (let slot = 0; slot < store.slotsHigh; slot++) if (store.columns.id[slot] !== 0) despawn(store, slot as Slot);
  t.is(store.heap.usedBytes, 0);
  t.is(store.entityCount, 0);
});

test('ids carry the incarnation and count up; generations tell users of a slot apart', (t) => {
  const store = makeStore(SCHEMA);
  const slot = add(store, 0, { x: 0, z: 0 });
  const id = store.columns.id[slot] as EntityId;
  t.deepEqual([incarnationOf(id), counterOf(id)], [5, 1]);
  const generation = store.columns.generation[slot]!;
  despawn(store, slot);
  t.is(store.idMap.get(id), -1);
  t.is(add(store, 0, { x: 0, z: 0 }), slot);
  t.is(store.columns.generation[slot], generation + 1);
  t.is(counterOf(store.columns.id[slot] as EntityId), 2);
});

test('no slot and no heap left are typed errors that name the setting, and change nothing', (t) => {
  const full = makeStore(SCHEMA, { entitiesMax: 7 });
  for (let count = 0; count < 7; count++) add(full, 0, { x: count, z: 0 });
  const noSlot = t.throws(() => add(full, 0, { x: 0, z: 0 }), { instanceOf: CapacityError });
  t.deepEqual([noSlot?.code, noSlot?.setting], ['ERR_CAPACITY_ENTITIES', 'entitiesMax']);
  const small = makeStore(SCHEMA, { heapBytes: 64 });
  const bag = { items: Array.from({ length: 100 }, () => ({ what: 1 })) };
  const noHeap = t.throws(() => add(small, 1, { x: 0, z: 0, bag }), { instanceOf: CapacityError });
  t.deepEqual([noHeap?.code, noHeap?.setting], ['ERR_CAPACITY_HEAP', 'heapBytes']);
  t.deepEqual([small.entityCount, small.heap.usedBytes], [0, 0]);
  t.deepEqual(assertWhole(small), []);
  small.idCounter = 2 ** 32 - 1;
  t.throws(() => add(small, 0, { x: 0, z: 0 }), { instanceOf: CapacityError, message: /2\^32/ });
});

test('a position outside the world is brought inside', (t) => {
  const store = makeStore(SCHEMA);
  const slot = add(store, 0, { x: 1e30, z: -1e30 });
  t.deepEqual([store.columns.x[slot], store.columns.z[slot]], [store.grid.insideX, -70]);
});

test('an attached thread sees the same store, one of another schema is refused', (t) => {
  const store = makeStore(SCHEMA);
  const slot = add(store, 1, { x: 3, z: 4, look: { name: 'Eve' } });
  const other = Store.attach(store.handle);
  t.is(other.columns.x[slot], 3);
  t.is(other.slotsHigh, 1);
  t.deepEqual(assertWhole(other), []);
  const schema = schemaOf({ look: { name: text(9) } });
  t.throws(() => Store.attach({ memory: store.memory, options: { ...store.options, schema } }));
});

test('more memory than there can be is a typed error', (t) => {
  const error = t.throws(() => makeStore(SCHEMA, { entitiesMax: 2 ** 28 }), { instanceOf: CapacityError });
  t.is(error?.code, 'ERR_CAPACITY_MEMORY');
});

test('published: a change of a visible component is noted with its tick, once', (t) => {
  const store = makeStore(SCHEMA);
  const slot = add(store, 1, { x: 1.234, z: -9.876 });
  const cell = store.columns.cell[slot]!;
  const update = (tick: number) =>
    store.published.updateCell(cell, { tick, tickHz: 20, lists: store.lists, columns: store.columns });
  const changed = () => store.published.changedTick.map((ticks) => (ticks.length === 0 ? undefined : ticks[slot]));
  update(4);
  t.deepEqual([store.published.x[slot], store.published.z[slot]], [123, -988]);
  const [look, body, bag] = store.columns.components.map(({ byName }) => byName as Record<string, any>);
  look!['name'].set(slot, 'Al');
  update(5);
  body!['hp'][slot] = 200;
  update(6);
  (bag!['items'] as ListColumn).set(slot, [{ what: 4 }]);
  update(7);
  update(8);
  const [lookTick, bodyTick, bagTick, secretTick] = changed();
  t.deepEqual([lookTick, bodyTick, bagTick, secretTick], [5, 6, 7, undefined]);
});
