/**
 * `npm run capacity`: how many clients one core serves on time, and what happens with half as many more. The server is pinned to
 * core 0, the clients to core 1. docs/BENCHES.md says what each figure is.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { hardware } from '../peers/report.ts';
import {
  headText,
  overloadText,
  secondText,
  timelineHead,
  trialHead,
  trialText,
  verdictText,
} from './limits-report.ts';
import { overload } from './overload.ts';
import type { Overload } from './overload.ts';
import { findLargest } from './search.ts';
import type { Found } from './search.ts';

const HELP = `npm run capacity -- [options]

The largest number of clients that one core serves on time, then 150 % of it, then back.

  --snapshot-hz 20,10    snapshot rates to try
  --tick-hz 20
  --inputs-hz 20         inputs a second and client
  --start 1000           clients of the first trial
  --clients-max 8000     trials stop here
  --step-seconds 6       how long each trial is measured
  --hold-seconds 15      each phase of the overload run; 150 % and the recovery take two
  --seconds 600          no trial is begun after this; the overload runs still follow
  --json                 one JSON object instead of tables
  --help

Exit codes: 0 measured and recovered, 1 it did not recover, or nothing was served on time, 2 wrong usage.`;

interface Result {
  readonly snapshotHz: number;
  readonly found: Found;
  readonly overload: Overload | undefined;
}

class UsageError extends Error {}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) {
    console.log(HELP);
    return 0;
  }
  checkMachine();
  const say = (text: string) => {
    if (!options.json) console.log(text);
  };
  say(headText(options));
  const startMs = performance.now();
  const results: Result[] = [];
  for (const [index, snapshotHz] of options.snapshotHz.entries()) {
    const rates = { tickHz: options.tickHz, inputsHz: options.inputsHz, snapshotHz };
    const deadlineMs = startMs + (options.seconds * 1000 * (index + 1)) / options.snapshotHz.length;
    say(trialHead(snapshotHz));
    const found = await findLargest({
      ...rates,
      start: options.start,
      clientsMax: options.clientsMax,
      stepSeconds: options.stepSeconds,
      deadlineMs,
      onTrial: (trial) => say(trialText(trial)),
    });
    say(verdictText(found));
    if (found.largest === 0) {
      results.push({ snapshotHz, found, overload: undefined });
      continue;
    }
    say(timelineHead(found.largest));
    const result = await overload({
      ...rates,
      clients: found.largest,
      holdSeconds: options.holdSeconds,
      onSecond: (second) => say(secondText(second)),
    });
    say(overloadText(result));
    results.push({ snapshotHz, found, overload: result });
  }
  if (options.json) console.log(JSON.stringify({ hardware: hardware(), options, results }));
  const failures = results.flatMap(failureOf);
  for (const text of failures) console.error(`capacity: ${text}`);
  return failures.length === 0 ? 0 : 1;
}

/** Why it ends with 1. */
function failureOf({ snapshotHz, found, overload: result }: Result): string[] {
  const at = `at ${snapshotHz} snapshots a second`;
  if (found.largest === 0) return [`${at}, ${found.timeOver ?? 'no number of clients was served on time'}`];
  return result?.recoveredAfterSeconds === undefined ? [`${at}, it did not recover from the overload`] : [];
}

export interface LimitsOptions {
  readonly snapshotHz: readonly number[];
  readonly tickHz: number;
  readonly inputsHz: number;
  readonly start: number;
  readonly clientsMax: number;
  readonly stepSeconds: number;
  readonly holdSeconds: number;
  readonly seconds: number;
  readonly json: boolean;
}

function readOptions(): LimitsOptions | undefined {
  const { values } = parseArgs({
    options: {
      'snapshot-hz': { type: 'string', default: '20,10' },
      'tick-hz': { type: 'string', default: '20' },
      'inputs-hz': { type: 'string', default: '20' },
      start: { type: 'string', default: '1000' },
      'clients-max': { type: 'string', default: '8000' },
      'step-seconds': { type: 'string', default: '6' },
      'hold-seconds': { type: 'string', default: '15' },
      seconds: { type: 'string', default: '600' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    snapshotHz: values['snapshot-hz'].split(',').map((text) => whole('snapshot-hz', text, { min: 1, max: 100 })),
    tickHz: whole('tick-hz', values['tick-hz'], { min: 1, max: 100 }),
    inputsHz: whole('inputs-hz', values['inputs-hz'], { min: 1, max: 50 }),
    start: whole('start', values.start, { min: 2, max: 20_000 }),
    clientsMax: whole('clients-max', values['clients-max'], { min: 2, max: 20_000 }),
    stepSeconds: whole('step-seconds', values['step-seconds'], { min: 1, max: 600 }),
    holdSeconds: whole('hold-seconds', values['hold-seconds'], { min: 2, max: 600 }),
    seconds: whole('seconds', values.seconds, { min: 1, max: 86_400 }),
    json: values.json,
  };
}

function whole(name: string, text: string, { min, max }: { min: number; max: number }): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new UsageError(`--${name}: a whole number from ${min} to ${max} expected, got "${text}"`);
}

function checkMachine(): void {
  if (availableParallelism() < 2) throw new Error('two cores are needed: one for the server, one for its clients');
  if (spawnSync('taskset', ['-V']).status !== 0) throw new Error('"taskset" is needed, of the package util-linux');
}

try {
  process.exitCode = await main();
} catch (error) {
  const isUsage = error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  console.error(`capacity: ${(error as Error).message}`);
  process.exitCode = isUsage === true ? 2 : 1;
}
