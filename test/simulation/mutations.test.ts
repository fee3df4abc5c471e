import test from 'ava';
import { MUTATIONS } from '../../src/peer/protocol.ts';
import { SEEDS_MAX, catchMutation } from './mutations.ts';

/** FAULTS 54. */
for (const mutation of MUTATIONS) {
  test(`without its rule the simulation fails: ${mutation}`, (t) => {
    const { seeds, message } = catchMutation(mutation, SEEDS_MAX);
    t.truthy(message, `not caught in ${seeds} seeds`);
    t.log(`seed ${seeds}: ${message?.split('\n')[0]}`);
  });
}
