/** The simulation tested by itself: with a rule of the protocol removed, how many seeds until a checker notices? */
import type { Mutation } from '../../src/peer/protocol.ts';
import type { Checker } from './failure.ts';
import { runSchedule } from './run-schedule.ts';

export const SEEDS_MAX = 1000;

export interface Catch {
  readonly mutation: Mutation;
  /** Seeds that were run. */
  readonly seeds: number;
  readonly checker: Checker | undefined;
  readonly message: string | undefined;
}

export function catchMutation(mutation: Mutation, seedsMax: number): Catch {
  const mutations = new Set([mutation]);
  for (let seed = 1; seed <= seedsMax; seed++) {
    const { failure } = runSchedule(seed, { mutations });
    if (failure !== undefined) return { mutation, seeds: seed, checker: failure.checker, message: failure.message };
  }
  return { mutation, seeds: seedsMax, checker: undefined, message: undefined };
}
