import test from 'ava';
import { u8 } from '../../src/base/fields.ts';
import { Random } from '../../src/base/random.ts';
import { spawn } from '../../src/memory/entities.ts';
import { packRow } from '../../src/memory/row.ts';
import type { Store } from '../../src/memory/store.ts';
import { makeStore, schemaOf } from './fixture.ts';

const SCHEMA = schemaOf({ body: { hp: u8() } }, { kinds: { a: { components: ['body'] }, b: { components: [] } } });
const HYSTERESIS = 2;

function add(store: Store, kindIndex: number, x: number, z: number): number {
  const packed = new Uint8Array(64);
  const kind = SCHEMA.kinds[kindIndex]!;
  return spawn(store, kindIndex, packed.subarray(0, packRow({ schema: SCHEMA, kind, init: { x, z } }, packed)));
}

function buildAll(store: Store, tick: number): void {
  store.spatial.layOut(store.lists);
  for (let cell = 0; cell < store.grid.cellCount; cell++) {
    store.spatial.build(cell, { tick, lists: store.lists, columns: store.columns });
  }
}

function query(store: Store, at: { x: number; z: number; radius: number; tick: number }, capacity = 400): number[] {
  const found = {
    slots: new Uint32Array(capacity),
    x: new Float32Array(capacity),
    z: new Float32Array(capacity),
  };
  const count = store.spatial.query(at, found);
  return [...found.slots.subarray(0, count)];
}

function bruteForce(
  { columns, slotsHigh }: Store,
  { x, z, radius }: { x: number; z: number; radius: number },
): number[] {
  const slots = Array.from({ length: slotsHigh }, (_, slot) => slot);
  return slots.filter((slot) => {
    const dx = columns.x[slot]! - x;
    const dz = columns.z[slot]! - z;
    return columns.id[slot] !== 0 && dx * dx + dz * dz <= radius * radius;
  });
}

const sorted = (slots: number[]): number[] => slots.toSorted((left, right) => left - right);

test('queries find exactly those within the radius, also those that overhang their cell', (t) => {
  const store = makeStore(SCHEMA, { entitiesMax: 400 });
  const random = new Random(8);
  for (let count = 0; count < 400; count++) {
    add(store, random.below(2), random.between(-100, 85), random.between(-70, 55));
  }
  for (let tick = 1; tick <= 20; tick++) {
    for (let slot = 0; slot < 400; slot++) {
      const { columns, grid } = store;
      const overhang = (home: number) => home + random.between(-1, 1) * (grid.cellSize / 2 + HYSTERESIS);
      columns.x[slot] = grid.clampX(overhang(columns.homeX[slot]!));
      columns.z[slot] = grid.clampZ(overhang(columns.homeZ[slot]!));
    }
    buildAll(store, tick);
    for (let count = 0; count < 60; count++) {
      const isSmall = random.below(2) === 0;
      const at = {
        x: random.between(-110, 95),
        z: random.between(-80, 65),
        radius: isSmall ? random.between(0, 9) : random.between(9, 150),
        tick,
      };
      t.deepEqual(sorted(query(store, at)), bruteForce(store, at));
    }
  }
});

test('the radius is inclusive, at cell and bucket borders too', (t) => {
  const store = makeStore(SCHEMA);
  const places = [0, 3.75, 7.5, 30, -30, 15, -3.75];
  for (const x of places) add(store, 0, x, 0);
  buildAll(store, 1);
  for (const [slot, x] of places.entries()) {
    for (const radius of [0, 3.75, 4, 30, 33.75]) {
      const found = query(store, { x: x - radius, z: 0, radius, tick: 1 });
      t.true(found.includes(slot), `${x} from ${x - radius}`);
      t.true(query(store, { x: x + radius, z: 0, radius, tick: 1 }).includes(slot));
    }
  }
  t.deepEqual(query(store, { x: 10.001, z: 0, radius: 2.5, tick: 1 }), []);
});

test('a query stops at the room there is', (t) => {
  const store = makeStore(SCHEMA);
  for (let count = 0; count < 50; count++) add(store, 0, count / 10, 0);
  buildAll(store, 1);
  t.is(query(store, { x: 0, z: 0, radius: 100, tick: 1 }, 7).length, 7);
});

test('a query of a tick that was not built stops the process', (t) => {
  const store = makeStore(SCHEMA);
  buildAll(store, 1);
  t.true(store.spatial.isBuilt(3, 1));
  t.false(store.spatial.isBuilt(3, 2));
  t.throws(() => query(store, { x: 0, z: 0, radius: 1, tick: 2 }), { message: /cells that were built/ });
});
