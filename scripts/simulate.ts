/**
 * Whole clusters from seeds, with faults: `npm run simulate -- --seed 1 --runs 1000`.
 *
 *   --seed N          first seed (1)
 *   --runs M          how many seeds from there (1000)
 *   --mutation NAME   with one rule of the protocol removed: a failure is what we want
 *   --mutations       each mutation in turn, until it is caught
 *   --json            one JSON object instead of text
 *   --verbose         the story of the first seed, or of the failure in full length
 *   --keep-going      all seeds, not only up to the first failure
 *
 * Exit code 0: no checker found anything (with --mutations: each was caught). 1: otherwise. 2: wrong arguments.
 */
import { parseArgs } from 'node:util';
import type { Mutation } from '../src/peer/protocol.ts';
import { MUTATIONS } from '../src/peer/protocol.ts';
import { SEEDS_MAX, catchMutation } from '../test/simulation/mutations.ts';
import type { Outcome } from '../test/simulation/run-schedule.ts';
import { runSchedule } from '../test/simulation/run-schedule.ts';
import { faultsOf } from '../test/simulation/settings.ts';

const LINES = 60;

interface Totals {
  schedules: number;
  simulatedMs: number;
  activations: number;
  handovers: number;
  takeovers: number;
  faultsMin: number;
  kindsMin: number;
  readonly faults: Map<string, number>;
}

function main(): void {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      runs: { type: 'string', default: '1000' },
      mutation: { type: 'string' },
      mutations: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      'keep-going': { type: 'boolean', default: false },
    },
  });
  const seed = Number(values.seed);
  const runs = Number(values.runs);
  const mutation = MUTATIONS.find((name) => name === values.mutation);
  const isWrong = !Number.isSafeInteger(seed) || !Number.isSafeInteger(runs) || runs < 1;
  if (isWrong || (values.mutation !== undefined && mutation === undefined)) {
    console.error(`--seed and --runs are integers; --mutation is one of ${MUTATIONS.join(', ')}`);
    process.exitCode = 2;
    return;
  }
  if (values.mutations) selfTest(values.json);
  else
    simulate({
      seed,
      runs,
      mutation,
      isJson: values.json,
      isVerbose: values.verbose,
      keepsGoing: values['keep-going'],
    });
}

function simulate(options: {
  seed: number;
  runs: number;
  mutation: Mutation | undefined;
  isJson: boolean;
  isVerbose: boolean;
  keepsGoing: boolean;
}): void {
  const { seed, runs, mutation, isJson, isVerbose, keepsGoing } = options;
  const mutations = new Set(mutation === undefined ? [] : [mutation]);
  const totals: Totals = {
    schedules: 0,
    simulatedMs: 0,
    activations: 0,
    handovers: 0,
    takeovers: 0,
    faultsMin: Infinity,
    kindsMin: Infinity,
    faults: new Map(),
  };
  const failed: Outcome[] = [];
  const startMs = performance.now();
  let progressMs = startMs;
  for (let current = seed; current < seed + runs; current++) {
    const outcome = runSchedule(current, { mutations });
    add(totals, outcome);
    if (outcome.failure !== undefined) failed.push(outcome);
    if (outcome.failure !== undefined && !keepsGoing) break;
    if (!isJson && process.stderr.isTTY && performance.now() - progressMs > 200) {
      progressMs = performance.now();
      process.stderr.write(`\r${totals.schedules} of ${runs} schedules, ${failed.length} failed `);
    }
  }
  if (!isJson && process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  const seconds = (performance.now() - startMs) / 1000;
  if (isJson) console.log(JSON.stringify(report(totals, failed, seconds)));
  else print(totals, failed, seconds);
  const first = failed[0];
  if (first !== undefined && !isJson) tell(first.seed, mutations, isVerbose);
  if (failed.length > 0) process.exitCode = 1;
}

function add(totals: Totals, outcome: Outcome): void {
  const { counts, kinds } = faultsOf(outcome.faults);
  for (const [kind, count] of outcome.faults) totals.faults.set(kind, (totals.faults.get(kind) ?? 0) + count);
  totals.schedules++;
  totals.simulatedMs += outcome.simulatedMs;
  totals.activations += outcome.activations;
  totals.handovers += outcome.stages['confirmed'] ?? 0;
  totals.takeovers += outcome.takeovers;
  totals.faultsMin = Math.min(totals.faultsMin, counts);
  totals.kindsMin = Math.min(totals.kindsMin, kinds);
}

function report(totals: Totals, failed: readonly Outcome[], seconds: number) {
  return {
    ...totals,
    faults: Object.fromEntries(totals.faults),
    seconds,
    schedulesPerSecond: totals.schedules / seconds,
    simulatedPerReal: totals.simulatedMs / 1000 / seconds,
    failures: failed.map(({ seed, failure }) => ({ seed, checker: failure?.checker, message: failure?.message })),
  };
}

function print(totals: Totals, failed: readonly Outcome[], seconds: number): void {
  const { schedules, simulatedMs } = totals;
  const faults = faultsOf(totals.faults).counts;
  console.log(`${schedules} schedules in ${seconds.toFixed(1)} s: ${(schedules / seconds).toFixed(0)} a second`);
  console.log(
    `${totals.handovers} handovers confirmed, ${totals.activations} activations, ${totals.takeovers} takeovers`,
  );
  console.log(
    `simulated ${(simulatedMs / 1000).toFixed(0)} s: ${(simulatedMs / 1000 / seconds).toFixed(0)} times real time`,
  );
  console.log(
    `${faults} faults: ${(faults / schedules).toFixed(0)} a schedule, at least ${totals.faultsMin} of ${totals.kindsMin} kinds`,
  );
  for (const [kind, count] of [...totals.faults].sort((first, second) => second[1] - first[1])) {
    console.log(`  ${String(count).padStart(8)}  ${kind}`);
  }
  console.log(failed.length === 0 ? 'No checker found anything.' : `${failed.length} failed:`);
  for (const { seed, failure } of failed.slice(0, 20))
    console.log(`  seed ${seed}: ${failure?.message.split('\n')[0]}`);
}

/** The same seed again, remembering what happened. */
function tell(seed: number, mutations: ReadonlySet<Mutation>, isVerbose: boolean): void {
  const { failure } = runSchedule(seed, { mutations, isTold: true, lines: isVerbose ? 100_000 : LINES });
  console.log(`\nSeed ${seed}: ${failure?.message}`);
  for (const line of failure?.story ?? []) console.log(line.slice(0, 220));
  const [mutation] = mutations;
  const flag = mutation === undefined ? '' : ` --mutation ${mutation}`;
  console.log(`\nAgain: npm run simulate -- --seed ${seed} --runs 1${flag} --verbose`);
}

function selfTest(isJson: boolean): void {
  const caught = [];
  for (const mutation of MUTATIONS) {
    const result = catchMutation(mutation, SEEDS_MAX);
    caught.push(result);
    if (result.message === undefined) process.exitCode = 1;
    if (isJson) continue;
    const found =
      result.message === undefined ? 'NOT CAUGHT' : `seed ${result.seeds}: ${result.message.split('\n')[0]}`;
    console.log(`${mutation.padEnd(26)} ${found.slice(0, 150)}`);
  }
  if (isJson) console.log(JSON.stringify(caught));
}

main();
