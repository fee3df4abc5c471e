/**
 * `npm run test:scaling`: how the whole thing behaves as players, entities, nodes and troubles grow, as a report in Markdown with pictures.
 * docs/BENCHES.md says what each scenario does.
 */
import { loadavg } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startLongRun } from './cluster/long-run.ts';
import { consolidation, hotSpot } from './scaling/balancing.ts';
import { crowd } from './scaling/crowd.ts';
import { draining } from './scaling/draining.ts';
import { partition, splitBrain } from './scaling/faults.ts';
import { handovers } from './scaling/handovers.ts';
import { memory } from './scaling/memory.ts';
import { payload } from './scaling/payload.ts';
import { reassignment } from './scaling/reassignment.ts';
import { REPORT_FILE, figure, writeReport } from './scaling/report.ts';
import { isKept, verdictOf } from './scaling/scenario.ts';
import type { Finished, Outcome, Scenario, ScenarioContext } from './scaling/scenario.ts';
import { soaking } from './scaling/soaking.ts';

const SCENARIOS: readonly Scenario[] = [
  handovers,
  crowd,
  reassignment,
  hotSpot,
  draining,
  consolidation,
  partition,
  splitBrain,
  memory,
  payload,
  soaking,
];

const USAGE = `npm run test:scaling -- [--only NAME[,NAME]] [--quick] [--out coverage/scaling] [--seed N] [--json]

--only   ${SCENARIOS.map(({ name }) => name).join(', ')}
--quick  shortest possible: shows that the scenarios work; targets are told and not judged
--out    folder of the report and its pictures
--json   the report as one JSON object, too

Exit codes: 0 all is kept, 1 a promise was broken, a target missed, or a scenario failed, 2 wrong usage.`;

class UsageError extends Error {}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      out: { type: 'string', default: 'coverage/scaling' },
      seed: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const scenarios = chosen(values.only);
  const { seed, onProgress, signal } = startLongRun(seedOf(values.seed));
  const context: ScenarioContext = { isQuick: values.quick, seed, tell: onProgress, signal };
  const command = `npm run test:scaling${process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(' ')}` : ''}`;
  const finished: Finished[] = [];
  for (const [index, scenario] of scenarios.entries()) {
    if (signal.aborted) break;
    onProgress(`${index + 1} of ${scenarios.length}: ${scenario.title}`);
    const one = await finish(scenario, context);
    finished.push(one);
    if (!values.json) process.stdout.write(finishedText(one));
    // After each: whoever ends it early has the report of what was done.
    writeReport(values.out, { finished, seed, isQuick: values.quick, command });
  }
  if (values.json)
    process.stdout.write(
      `${JSON.stringify({ seed, isQuick: values.quick, finished: finished.map(withoutPictures) })}\n`,
    );
  else process.stdout.write(`\nThe report: ${path.join(values.out, REPORT_FILE)}\n`);
  return finished.length === scenarios.length && finished.every(({ verdict }) => verdict === 'kept') ? 0 : 1;
}

/** One that fails does not keep the others from being run. */
async function finish(scenario: Scenario, context: ScenarioContext): Promise<Finished> {
  const startMs = performance.now();
  const [before = 0] = loadavg();
  let outcome: Outcome | undefined;
  let failure: string | undefined;
  try {
    outcome = await scenario.run(context);
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  }
  const seconds = (performance.now() - startMs) / 1000;
  const [after = 0] = loadavg();
  return {
    machineLoad: { before, after },
    scenario: { name: scenario.name, title: scenario.title },
    seconds,
    outcome,
    failure,
    verdict: verdictOf(outcome, context),
  };
}

function finishedText({ scenario, seconds, outcome, failure, verdict }: Finished): string {
  const rules = (outcome?.rules ?? []).map((rule) => {
    const { text, measured, max, unit } = rule;
    return `    ${isKept(rule) ? ' ' : '✗'} ${text}: ${figure(measured, unit)}, at most ${figure(max, unit)}\n`;
  });
  const why = failure === undefined ? '' : `    ${failure}\n`;
  return `${scenario.title}: ${verdict.toUpperCase()} in ${seconds.toFixed(0)} s\n${rules.join('')}${why}`;
}

function withoutPictures({ outcome, ...rest }: Finished): unknown {
  if (outcome === undefined) return rest;
  const { pictures, ...others } = outcome;
  return { ...rest, outcome: { ...others, pictures: pictures.map(({ name }) => name) } };
}

function chosen(text: string | undefined): readonly Scenario[] {
  if (text === undefined) return SCENARIOS;
  return text.split(',').map((part) => {
    const scenario = SCENARIOS.find(({ name }) => name === part.trim());
    if (scenario === undefined) throw new UsageError(`no scenario "${part}"\n\n${USAGE}`);
    return scenario;
  });
}

function seedOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seed = Number(text);
  if (Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32) return seed;
  throw new UsageError(`--seed: a whole number from 0 to ${2 ** 32 - 1}, not "${text}"`);
}

try {
  process.exitCode = await main();
} catch (error) {
  const isUsage = error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`test:scaling: ${(error as Error).message}\n`);
  process.exitCode = isUsage === true ? 2 : 1;
}
