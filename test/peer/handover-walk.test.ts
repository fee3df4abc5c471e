import test from 'ava';
import { NO_MUTATIONS } from '../../src/peer/protocol.ts';
import type { Mutation } from '../../src/peer/protocol.ts';
import { walk } from './handover-walk.ts';

const WALKS = 400;

test('random walks keep the promise', (t) => {
  let handovers = 0;
  let faults = 0;
  for (let seed = 1; seed <= WALKS; seed += 1) {
    const outcome = walk({ seed });
    t.deepEqual(outcome.problems, [], `seed ${seed}`);
    handovers += outcome.handovers;
    faults += outcome.faults;
  }
  t.log(`${WALKS} walks, ${handovers} handovers, ${faults} faults`);
});

function isCaught(seed: number, mutation: Mutation): boolean {
  try {
    return walk({ seed, mutations: new Set([mutation]) }).problems.length > 0;
  } catch {
    // An assertion is a catch too.
    return true;
  }
}

/** Where to begin to look: the rare ones need luck, and the test must not take long. */
const FIRST_SEEDS: readonly (readonly [Mutation, number])[] = [
  ['commitBeforeReleased', 1],
  ['confirmBeforeOwned', 1],
  ['watermarkBeforeRemoval', 1],
  ['dedupWithoutWatermark', 1],
  ['unboundMessages', 1],
  ['reclaimOnTimer', 1],
  ['cleanUpOnTimer', 1],
  ['noCutOff', 1],
  ['confirmedNotAtBuddy', 2_050],
  ['protectionChangedLocally', 5_450],
];

for (const [mutation, first] of FIRST_SEEDS) {
  test(`a walk shows ${mutation}`, (t) => {
    let seed = first;
    while (seed < first + 1_000 && !isCaught(seed, mutation)) seed += 1;
    t.true(seed < first + 1_000, 'not within 1,000 seeds');
    t.log(`after ${seed - first + 1} seeds`);
    t.deepEqual(walk({ seed, mutations: NO_MUTATIONS }).problems, [], 'and only with the rule removed');
  });
}
