import test from 'ava';
import { defineWorld, u32 } from '../../src/index.ts';
import { LoadMeter } from '../../src/peer/load-report.ts';
import { LOAD_BLOCKS_MAX, loadText, readLoadText } from '../../src/peer/load-values.core.ts';
import { blockGrid } from '../../src/peer/placement.core.ts';
import { Headless } from '../fixtures/headless.ts';

/** Many times what a thread loses when it is not scheduled for a moment. */
const COSTLY_MS = 20;

/** Spins for so long in every cell at its corner, so that one cell costs what the test says. */
function worldOf(spinMs: (cell: { minX: number; minZ: number }) => number, perCell = 3) {
  return defineWorld({
    name: 'costly',
    version: 1,
    size: 1536,
    components: { count: { hits: u32() } },
    kinds: { thing: { components: ['count'], speedMax: 10 }, player: { components: ['count'], speedMax: 5 } },
    events: {},
    systems: {
      spin: {
        run(cell) {
          const untilMs = performance.now() + spinMs(cell);
          while (performance.now() < untilMs);
        },
      },
    },
    start(cell) {
      for (let index = 0; index < perCell; index++) {
        cell.spawn('thing', { x: cell.minX + index * 20 + 5, z: cell.minZ + 5 });
      }
    },
    join: () => ({ kind: 'player', x: 300, z: 5 }),
  });
}

/** 6 × 6 cells in blocks of 2 × 2: 9 blocks. */
function measured(world: Headless, ticks: number) {
  const { width, depth } = world.store.grid;
  const grid = blockGrid({ width, depth, blockCells: 2 });
  const meter = new LoadMeter({ store: world.store, grid, tickHz: 20 }, 0);
  world.tick(ticks);
  return { load: meter.measure((ticks * 1000) / 20), grid };
}

test('the costs of all blocks add up to the tick, and the costly cell is named', (t) => {
  const world = new Headless(worldOf(({ minX, minZ }) => (minX === 256 && minZ === -768 ? COSTLY_MS : 0)));
  const session = world.join();
  const { load } = measured(world, 28);
  const cell = world.store.grid.cellAt(300, -700);
  t.is(load.hottestCell?.cell, cell);
  // Cells are measured in four of these ticks.
  t.true(load.hottestCell!.costUs > COSTLY_MS * 750, `${load.hottestCell?.costUs} µs of a tick`);
  t.is(load.blocks.length, 9);
  const [first, second] = load.blocks;
  t.is(first!.block, 2, 'columns 4 and 5, rows 0 and 1');
  t.true(first!.costUs > 5 * second!.costUs);
  const total = load.blocks.reduce((sum, { costUs }) => sum + costUs, 0) + load.rest.costUs;
  const busyUs = (load.busyShare * 1e6) / 20;
  t.true(Math.abs(total - busyUs) < busyUs / 100, `${total} of ${busyUs}`);
  t.is(load.entities, 36 * 3 + 1);
  t.is(
    load.blocks.reduce((sum, { entities }) => sum + entities, 0),
    load.entities,
  );
  const home = load.blocks.find(({ sessions }) => sessions > 0);
  t.is(home?.sessions, 1);
  t.is(world.store.columns.cell[world.slotOf(session)], world.store.grid.cellAt(300, 5));
  t.true(load.tickP50Us > 1500 && load.tickP99Us >= load.tickP50Us);
  t.is(load.shedLevel, 0);
  t.deepEqual(readLoadText(loadText(load)).blocks.length, 9);
});

test('what snapshots cost is the cost of the cell where their player is', (t) => {
  const world = new Headless(
    worldOf(() => 0, 60),
    { phases: { viewEntitiesMax: 255 }, snapshotHz: 20 },
  );
  for (let player = 0; player < 40; player++) world.join(`p${player}`);
  const { load } = measured(world, 28);
  const hottest = load.hottestCell;
  t.is(hottest?.cell, world.store.grid.cellAt(300, 5));
  t.is(hottest?.sessions, 40);
  t.true(hottest!.costUs > load.blocks[1]!.costUs);
});

test("cells of others are nobody's block here, and a world of many blocks tells the hottest one by one", (t) => {
  const world = new Headless(
    worldOf(() => 0),
    { store: { grid: { cellSize: 64, minX: -768, minZ: -768, maxX: 768, maxZ: 768 } } },
  );
  const { width, depth, cellCount } = world.store.grid;
  const grid = blockGrid({ width, depth, blockCells: 1 });
  world.store.cellOwner.fill(2, 0, 100);
  const meter = new LoadMeter({ store: world.store, grid, tickHz: 20 }, 0);
  world.tick(14);
  const load = meter.measure(700);
  t.is(load.blocks.length, LOAD_BLOCKS_MAX);
  t.is(load.rest.blocks, cellCount - 100 - LOAD_BLOCKS_MAX);
  t.true(load.blocks.every(({ block }) => block >= 100));
  t.true(load.blocks.every(({ costUs }, index) => index === 0 || costUs <= load.blocks[index - 1]!.costUs));
  t.is(load.rest.entities + load.blocks.reduce((sum, { entities }) => sum + entities, 0), (cellCount - 100) * 3);
});

test('a world that stands still carries what it carried', (t) => {
  const world = new Headless(worldOf(() => 0.2));
  const { width, depth } = world.store.grid;
  const meter = new LoadMeter({ store: world.store, grid: blockGrid({ width, depth, blockCells: 2 }), tickHz: 20 }, 0);
  world.tick(14);
  const before = meter.measure(700);
  t.is(meter.measure(1700).busyShare, before.busyShare);
  t.true(before.busyShare > 0.1);
});
