import test from 'ava';
import type { KernelName } from '../../src/workers/phases.ts';
import { startThreaded } from '../fixtures/threaded.ts';

const WORLD = new URL('../fixtures/busy-world.ts', import.meta.url);
const TICKS = 10_000;
const TICKS_PER_HASH = 250;
/** Of 25 cells, so that some 5,000 entities cross borders. */
const PER_CELL = 182;

async function run(workers: number, kernel: KernelName, log: (line: string) => void): Promise<number[]> {
  await using world = await startThreaded(WORLD, { workers, phases: { kernel, params: { perCell: PER_CELL } } });
  const hashes: number[] = [];
  for (let tick = 0; tick < TICKS; tick += TICKS_PER_HASH) {
    await world.simulation.runTicks(TICKS_PER_HASH);
    const { totalHash, columnHashes } = await world.simulation.hash();
    hashes.push(totalHash, ...columnHashes);
  }
  const { stats, entityCount } = world.store;
  const crossings = stats.counter('localHandovers');
  log(
    `${workers} workers, ${kernel}: ${entityCount} entities, ${crossings} local handovers, last hash ${hashes.at(-1)?.toString(16)}`,
  );
  return hashes;
}

test(`bit-identical columns over ${TICKS} ticks for 1, 2, 3 and 8 workers and both kernels`, async (t) => {
  const log = (line: string) => t.log(line);
  const reference = await run(1, 'simd', log);
  for (const [workers, kernel] of [
    [1, 'typescript'],
    [2, 'simd'],
    [3, 'simd'],
    [8, 'typescript'],
  ] as const) {
    t.deepEqual(await run(workers, kernel, log), reference, `${workers} workers, ${kernel}`);
  }
});
