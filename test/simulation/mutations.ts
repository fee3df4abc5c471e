/** The simulation tested by itself: with a rule of the protocol removed, how many seeds until a checker notices? */
import type { Mutation } from '../../src/peer/protocol.ts';
import type { Checker } from './failure.ts';
import { runSchedule } from './run-schedule.ts';
import { leaveForGood, loseMachineBehindRestart } from './scripts.ts';

export const SEEDS_MAX = 1000;

export interface Catch {
  readonly mutation: Mutation;
  /** Seeds that were run; 0: a script caught it. */
  readonly seeds: number;
  readonly checker: Checker | undefined;
  readonly message: string | undefined;
}

export function catchMutation(mutation: Mutation, seedsMax: number): Catch {
  const mutations = new Set([mutation]);
  if (mutation === 'goesOnAfterHandIn') return catchLeaving(mutations, seedsMax);
  for (let seed = 1; seed <= seedsMax; seed++) {
    const { failure } = runSchedule(seed, { mutations });
    if (failure !== undefined) return { mutation, seeds: seed, checker: failure.checker, message: failure.message };
  }
  // What takes four steps in the right order is played by a script.
  const { failure } = loseMachineBehindRestart(mutations);
  if (failure !== undefined)
    return { mutation, seeds: 0, checker: failure.checker, message: `by script 16: ${failure.message}` };
  return { mutation, seeds: seedsMax, checker: undefined, message: undefined };
}

/** Schedules of faults have nobody leave for good: that is played by a script, at another moment for each seed. */
function catchLeaving(mutations: ReadonlySet<Mutation>, seedsMax: number): Catch {
  const mutation = 'goesOnAfterHandIn';
  for (let seed = 1; seed <= seedsMax; seed++) {
    const { failure } = leaveForGood({ seed, mutations });
    if (failure !== undefined) return { mutation, seeds: seed, checker: failure.checker, message: failure.message };
  }
  return { mutation, seeds: seedsMax, checker: undefined, message: undefined };
}
