/**
 * `npm run test:scaling`: how the whole thing behaves as players, entities, nodes and troubles grow, as a report in Markdown with pictures.
 * docs/BENCHES.md says what each scenario does.
 */
import { loadavg } from 'node:os';
import path from 'node:path';
import { longRunCommand, folder, someOf, toggle } from './cluster/long-run.ts';
import type { LongRun } from './cluster/long-run.ts';
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

interface Flags {
  readonly only: readonly string[];
  readonly quick: boolean;
  readonly out: string;
}

await longRunCommand({
  name: 'test:scaling',
  about:
    'How the whole thing behaves as players, entities, nodes and troubles grow, as a report in Markdown with pictures. Ends with 1 when a promise was broken, a target missed, or a scenario failed.',
  flags: {
    only: someOf(
      'of the scenarios',
      SCENARIOS.map(({ name }) => name),
    ),
    quick: toggle('shortest possible: shows that the scenarios work; targets are told and not judged'),
    out: folder('of the report and its pictures', { by: 'coverage/scaling' }),
  },
  run: runScenarios,
  text: ({ finished, report }) => `${finished.map(finishedText).join('')}\nThe report: ${report}\n`,
});

async function runScenarios({ only, quick: isQuick, out }: Flags, { seed, onProgress, signal }: LongRun) {
  const scenarios = SCENARIOS.filter(({ name }) => only.includes(name));
  const context: ScenarioContext = { isQuick, seed, tell: onProgress, signal };
  const command = `npm run test:scaling${process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(' ')}` : ''}`;
  const finished: Finished[] = [];
  for (const [index, scenario] of scenarios.entries()) {
    if (signal.aborted) break;
    onProgress(`${index + 1} of ${scenarios.length}: ${scenario.title}`);
    const one = await finish(scenario, context);
    finished.push(one);
    onProgress(`${scenario.title}: ${one.verdict}`);
    // After each: whoever ends it early has the report of what was done.
    writeReport(out, { finished, seed, isQuick, command });
  }
  const wrong = finished.filter(({ verdict }) => verdict !== 'kept').map(({ scenario }) => scenario.title);
  if (finished.length < scenarios.length) wrong.push(`${scenarios.length - finished.length} scenarios were not run`);
  return { seed, isQuick, finished: finished.map(withoutPictures), report: path.join(out, REPORT_FILE), wrong };
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

/** They are in the report's folder. */
function withoutPictures({ outcome, ...rest }: Finished): Finished {
  return { ...rest, outcome: outcome && { ...outcome, pictures: [] } };
}
