import test from 'ava';
import { bytes, defineWorld, f64, list, text, u32 } from '../../src/index.ts';
import type { Slot } from '../../src/base/brand.ts';
import { Random } from '../../src/base/random.ts';
import { changeCell } from '../../src/memory/entities.ts';
import type { Store } from '../../src/memory/store.ts';
import { Headless } from '../fixtures/headless.ts';

const world = defineWorld({
  name: 'movers',
  version: 1,
  size: 1500,
  components: { all: { a: u32(), b: f64(), name: text(8), raw: bytes(5), items: list({ n: u32() }, { max: 3 }) } },
  kinds: { mover: { components: ['all'] }, other: { components: [] } },
  systems: {},
  start(cell) {
    for (let index = 0; index < 20; index++) {
      const kind = index % 3 === 0 ? 'other' : 'mover';
      cell.spawn(kind, {
        x: cell.minX + cell.random() * 200,
        z: cell.minZ + cell.random() * 200,
        vx: (cell.random() - 0.5) * 400,
        vz: (cell.random() - 0.5) * 400,
        ...(kind === 'mover' ? { all: { a: index, b: index / 3, name: `m${index}`, items: [{ n: index }] } } : {}),
      });
    }
  },
  join: () => ({ kind: 'other', x: 0, z: 0 }),
});

/** Every entity is in exactly one list, that of its cell and kind, at its place; ids are unique and found. */
function problems(store: Store): string[] {
  const { lists, columns } = store;
  const found: string[] = [];
  const listed = new Set<number>();
  for (let group = 0; group < lists.groupCountTotal; group++) {
    for (let index = 0; index < lists.count[group]!; index++) {
      const slot = lists.slots[lists.first[group]! + index]!;
      if (listed.has(slot)) found.push(`slot ${slot} is listed twice`);
      listed.add(slot);
      if (lists.groupOf(columns.cell[slot]!, columns.kind[slot]!) !== group)
        found.push(`slot ${slot} is in a wrong list`);
      if (columns.place[slot] !== index) found.push(`slot ${slot} is not at its place`);
      if (store.idMap.get(columns.id[slot]!) !== slot) found.push(`slot ${slot} is not found by its id`);
    }
  }
  if (listed.size !== store.entityCount) found.push(`${listed.size} listed, ${store.entityCount} alive`);
  return found;
}

/** The bytes of one row in every column, and which memory they lie in. */
function rowOf(store: Store, slot: number): unknown[] {
  const { columns } = store;
  const all = columns.components[0]!;
  const handles = (all.byName['items'] as { handles: Uint32Array }).handles;
  return [
    columns.id[slot],
    columns.generation[slot],
    columns.x[slot],
    columns.z[slot],
    columns.vx[slot],
    columns.vz[slot],
    ...['a', 'b'].map((name) => (all.byName[name] as Float64Array)[slot]),
    ...['name', 'raw'].map((name) => JSON.stringify((all.byName[name] as { get(slot: number): unknown }).get(slot))),
    handles[slot * 2],
    handles[slot * 2 + 1],
  ];
}

test('a local handover leaves slot and columns untouched: only lists, cell and home change', (t) => {
  const { store } = new Headless(world);
  const slot = 7 as Slot;
  const heapUsedBytes = store.heap.usedBytes;
  store.columns.x[slot] = store.columns.homeX[slot]! + 256;
  const before = rowOf(store, slot);
  const source = store.columns.cell[slot]!;
  t.true(changeCell(store, slot));
  t.is(store.columns.cell[slot], source + 1);
  t.deepEqual(rowOf(store, slot), before);
  t.is(store.heap.usedBytes, heapUsedBytes, 'nothing was copied into or out of the heap');
  t.is(store.idMap.get(store.columns.id[slot]!), slot);
  t.false(changeCell(store, slot), 'it is where it belongs now');
  t.deepEqual(problems(store), []);
});

test('nobody is lost or doubled over 1,000,000 random local handovers', (t) => {
  const { store } = new Headless(world);
  const random = new Random(11);
  const { columns, grid } = store;
  const count = store.entityCount;
  const ids = new Set(columns.id.subarray(0, store.slotsHigh));
  let moved = 0;
  while (moved < 1_000_000) {
    const slot = random.below(count) as Slot;
    columns.x[slot] = grid.clampX(random.between(grid.minX, grid.maxX));
    columns.z[slot] = grid.clampZ(random.between(grid.minZ, grid.maxZ));
    if (changeCell(store, slot)) moved++;
    if (moved % 100_000 === 0) t.deepEqual(problems(store), []);
  }
  t.is(store.entityCount, count);
  t.deepEqual(new Set(columns.id.subarray(0, store.slotsHigh)), ids);
});

test('ticks with fast entities keep everyone, inside the world, and in the cell of their position or within the hysteresis', (t) => {
  const headless = new Headless(world);
  const { store } = headless;
  const { columns, grid } = store;
  const count = store.entityCount;
  let handovers = 0;
  for (let tick = 1; tick <= 500; tick++) {
    headless.tick();
    handovers += store.stats.tickSample(tick)!.localHandovers;
    if (tick % 50 === 0) t.deepEqual(problems(store), []);
    for (const slot of headless.slots()) {
      const reach = grid.cellSize / 2 + 2;
      t.true(columns.x[slot]! >= grid.minX && columns.x[slot]! < grid.maxX);
      t.true(Math.abs(columns.x[slot]! - columns.homeX[slot]!) <= reach);
      t.true(Math.abs(columns.z[slot]! - columns.homeZ[slot]!) <= reach);
    }
  }
  t.is(store.entityCount, count);
  t.true(handovers > 5_000);
});

test('pacing along a border causes no thrash: within the hysteresis there is no handover', (t) => {
  const headless = new Headless(world);
  const { store } = headless;
  const { columns } = store;
  for (const slot of headless.slots()) {
    columns.vx[slot] = 0;
    columns.vz[slot] = 0;
  }
  const slot = 3;
  const border = columns.homeX[slot]! + 128;
  columns.x[slot] = border;
  headless.tick();
  const home = columns.homeX[slot]!;
  const before = store.stats.counter('localHandovers');
  for (let tick = 0; tick < 400; tick++) {
    // 30 m/s is 1.5 m a tick, to and fro over the border.
    columns.vx[slot] = tick % 2 === 0 ? 30 : -30;
    headless.tick();
  }
  t.is(store.stats.counter('localHandovers'), before);
  t.is(columns.homeX[slot], home);
  columns.vx[slot] = 30;
  headless.tick(3);
  t.is(store.stats.counter('localHandovers'), before + 1, 'but who walks on changes cell, once');
});

test('a velocity that is not a number stops the entity in its cell and is counted', (t) => {
  const headless = new Headless(world);
  const { columns, stats } = headless.store;
  columns.vx[5] = Number.NaN;
  columns.vz[6] = Number.POSITIVE_INFINITY;
  headless.tick(2);
  t.is(stats.counter('notFinite'), 1);
  t.is(columns.x[5], columns.homeX[5]!);
  t.true(Number.isFinite(columns.z[6]!), 'infinitely fast is at the edge');
  t.deepEqual(problems(headless.store), []);
});
