import test from 'ava';
import { runSchedule } from './run-schedule.ts';

const SCHEDULES = 2000;
const STEP = 250;

/** FAULTS 52 and 53: a random mix, then no faults, and everything resolves. */
for (let first = 1; first <= SCHEDULES; first += STEP) {
  test(`schedules ${first} to ${first + STEP - 1}: no checker finds anything`, (t) => {
    for (let seed = first; seed < first + STEP; seed++) {
      const { failure } = runSchedule(seed);
      if (failure === undefined) continue;
      t.fail(`seed ${seed}: ${failure.message}\nnpm run simulate -- --seed ${seed} --runs 1 --verbose`);
      return;
    }
    t.pass();
  });
}

test('C10: the same seed is the same history', (t) => {
  const hashes = new Set<number>();
  for (let seed = 1; seed <= 20; seed++) {
    const first = runSchedule(seed);
    const again = runSchedule(seed, { isTold: true });
    t.is(first.hash, again.hash);
    t.is(first.events, again.events);
    hashes.add(first.hash);
  }
  t.is(hashes.size, 20);
});

test('the schedules do what they are for: over twenty kinds of faults, handovers, takeovers', (t) => {
  const faults = new Map<string, number>();
  let handovers = 0;
  let takeovers = 0;
  for (let seed = 1; seed <= 100; seed++) {
    const outcome = runSchedule(seed);
    handovers += outcome.stages['confirmed'] ?? 0;
    takeovers += outcome.takeovers;
    for (const [kind, count] of outcome.faults) faults.set(kind, (faults.get(kind) ?? 0) + count);
  }
  t.true(faults.size >= 20, [...faults.keys()].join(', '));
  t.true([...faults.values()].reduce((sum, count) => sum + count, 0) >= 100 * 100);
  t.true(handovers > 1000);
  t.true(takeovers > 50);
});
