import test from 'ava';
import { packFields } from '../../src/base/pack.ts';
import { writeInput, writeJoin, writeLeave } from '../../src/memory/intake.ts';
import { startThreaded } from '../fixtures/threaded.ts';
import type { Threaded } from '../fixtures/threaded.ts';
import busy from '../fixtures/busy-world.ts';
import type { KernelName } from '../../src/workers/phases.ts';

const WORLD = new URL('../fixtures/busy-world.ts', import.meta.url);
const ROUNDS = 12;
const TICKS_PER_ROUND = 25;

/** Players that join, walk and leave, the same in each run. */
function actAsClients({ store }: Threaded, round: number): void {
  for (let session = 0; session < 20; session++) {
    const generation = 1;
    if (round === session % 4) writeJoin(store.inputRing, { session, generation, name: `p${session}`, account: '' });
    const bytes = new Uint8Array(64);
    const moveX = Math.sin(session + round);
    const payload = bytes.subarray(0, packFields(busy.schema.input, { moveX, moveZ: 1 - Math.abs(moveX) }, bytes));
    for (const n of [1, 2])
      writeInput(store.inputRing, { session, generation, sequence: round * 2 + n, back: 0, payload });
    if (round === 9 && session % 5 === 0) writeLeave(store.inputRing, { session, generation });
  }
}

async function run(workers: number, kernel: KernelName): Promise<{ hashes: number[]; summary: string }> {
  await using world = await startThreaded(WORLD, { workers, phases: { kernel } });
  const hashes: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    actAsClients(world, round);
    await world.simulation.runTicks(TICKS_PER_ROUND);
    const { totalHash, columnHashes } = await world.simulation.hash();
    hashes.push(totalHash, ...columnHashes);
  }
  const { stats } = world.store;
  const count = (name: Parameters<typeof stats.counter>[0]) => `${name} ${stats.counter(name)}`;
  const names = ['localHandovers', 'entitiesSpawned', 'entitiesDespawned', 'eventsDelivered', 'inputsApplied'] as const;
  return { hashes, summary: names.map(count).join(', ') };
}

test('columns are bit-identical for 1, 2, 3 and 8 workers and for either kernel', async (t) => {
  const reference = await run(1, 'simd');
  t.log(reference.summary);
  t.is(new Set(reference.hashes.filter((_, index) => index % 27 === 0)).size > 1, true);
  for (const [workers, kernel] of [
    [1, 'typescript'],
    [2, 'simd'],
    [3, 'typescript'],
    [8, 'simd'],
  ] as const) {
    const other = await run(workers, kernel);
    t.deepEqual(other.hashes, reference.hashes, `${workers} workers, ${kernel} kernel`);
    t.is(other.summary, reference.summary);
  }
});

test('another seed is another world', async (t) => {
  await using first = await startThreaded(WORLD, { workers: 1 });
  await using second = await startThreaded(WORLD, { workers: 1, phases: { seed: 2 } });
  await first.simulation.runTicks(5);
  await second.simulation.runTicks(5);
  t.not((await first.simulation.hash()).totalHash, (await second.simulation.hash()).totalHash);
});

test('recorded inputs replay to the same hashes, tick by tick, with another number of workers', async (t) => {
  await using live = await startThreaded(WORLD, { workers: 2, record: true });
  for (let round = 0; round < 6; round++) {
    actAsClients(live, round);
    await live.simulation.runTicks(TICKS_PER_ROUND);
  }
  const recorded = live.events.flatMap((event) => (event.type === 'recorded' ? [event] : []));
  t.is(recorded.length, 6 * TICKS_PER_ROUND);
  t.true(recorded.some(({ input }) => input.intake.length > 0));
  await using again = await startThreaded(WORLD, { workers: 3, phases: { kernel: 'typescript' } });
  const hashes = await again.simulation.replay(recorded.map(({ input }) => input));
  t.deepEqual(
    hashes,
    recorded.map((event) => event.hashes),
  );
});
