/** A node of a cluster in real threads: the same world for any number of workers. */
import test from 'ava';
import { writeOwnership } from '../../src/memory/arrivals.ts';
import { PEER_STATE } from '../../src/memory/peer-table.ts';
import { drainDepartures } from '../memory/peer-frames.ts';
import { startThreaded } from '../fixtures/threaded.ts';

const MODULE = new URL('../fixtures/busy-world.ts', import.meta.url);

async function run(workers: number) {
  await using threaded = await startThreaded(MODULE, {
    workers,
    phases: { params: { perCell: 40 } },
    store: { cluster: { peerRingBytes: 1 << 22 } },
  });
  const { store, simulation } = threaded;
  const owners = Uint8Array.from({ length: store.grid.cellCount }, (_, cell) => (cell % 3 === 0 ? 2 : 0));
  store.peerTable.setState(2, PEER_STATE.up);
  // Fewer than the releases after which a tick looks at the clock.
  store.peerTable.addCredits(2, 12);
  writeOwnership(store.arrivals, { owners });
  const counts: Record<string, number> = {};
  const released: number[] = [];
  const bell = store.control.peerBellCount;
  for (let round = 0; round < 30; round++) {
    await simulation.runTicks(4);
    for (const [type, value] of drainDepartures(store.departures)) {
      counts[type] = (counts[type] ?? 0) + 1;
      if (type === 'release') released.push((value as { id: number }).id);
    }
  }
  const rang = store.control.peerBellCount - bell;
  return { hashes: await simulation.hash(), counts, released, rang, events: threaded.events };
}

test('two workers and one: the same state, the same releases, a bell for each tick', async (t) => {
  const one = await run(1);
  const two = await run(2);
  t.is(one.released.length, 12, 'as many as there were credits');
  t.deepEqual(two.released, one.released);
  t.is(two.hashes.totalHash, one.hashes.totalHash);
  t.is(one.counts['tick'], 120);
  t.true(one.rang >= 120);
  t.true(one.counts['checkpoint']! > 100);
  t.deepEqual(one.events, []);
});
