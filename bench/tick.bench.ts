/**
 * A whole tick of a world that simulates and nobody watches: a user system, movement, borders, cell lists and index, one operation an
 * entity and tick. The limit is the SIMD kernel alone, over as many.
 */
import benchWorld from '../src/main/bench/bench-world.ts';
import { Headless } from '../test/fixtures/headless.ts';
import { simdTicks } from './kernel.bench.ts';
import type { Suite } from './measure.ts';

const SIZE_METRES = 2048;
const CELL_METRES = 256;
const CELLS = (SIZE_METRES / CELL_METRES) ** 2;
/** A spawn of this world as a command, with slack. */
const SPAWN_BYTES = 64;

export const tickSuite: Suite = {
  name: 'tick',
  async run({ quick, sizes, report }) {
    for (const count of sizes ?? (quick ? [10_000] : [10_000, 100_000])) {
      const headless = openWorld(count);
      await report({
        title: `tick: ${count.toLocaleString('en')} entities, one user system`,
        unit: 'entity and tick',
        cases: [
          { name: 'SIMD kernel in blocks', operations: 2 * count, isLimit: true, run: simdTicks(count) },
          { name: 'whole tick, nobody watches', operations: count, run: () => headless.tick() },
        ],
      });
    }
  },
};

function openWorld(count: number): Headless {
  const half = SIZE_METRES / 2;
  const headless = new Headless(benchWorld, {
    phases: { params: { entities: count, cells: CELLS } },
    store: {
      grid: { cellSize: CELL_METRES, minX: -half, minZ: -half, maxX: half, maxZ: half },
      entitiesMax: count,
      commandBytes: count * SPAWN_BYTES,
    },
  });
  headless.tick(5);
  return headless;
}
