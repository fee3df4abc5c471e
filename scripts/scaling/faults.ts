/** Partition and split brain: links that are cut, and a node that sleeps past its lease and wakes as somebody else owns its world. */
import type { Fault } from '../chaos/faults.ts';
import { runChaos } from '../chaos/chaos-run.ts';
import type { ChaosResult } from '../chaos/chaos-run.ts';
import { barChart } from '../chart/line-chart.ts';
import type { Row } from '../cluster/players-verdict.ts';
import { promise, target } from './scenario.ts';
import type { Outcome, Scenario, ScenarioContext } from './scenario.ts';

const STALL_MS_MAX = 10_000;

export const partition: Scenario = {
  name: 'partition',
  title: 'Partition',
  run: (context) =>
    runFaults(context, {
      name: 'partition',
      faults: ['cut both ways', 'cut one way', 'reset links'],
      done: 'Links between nodes are cut both ways, one way, or reset, for up to 4 s each, one after the other',
    }),
};

export const splitBrain: Scenario = {
  name: 'split-brain',
  title: 'Split brain',
  run: (context) =>
    runFaults(context, {
      name: 'split-brain',
      faults: ['pause past the lease'],
      done: 'One node after the other is stopped until its lease has ended and others own its cells, and then goes on: it must find out before it acts',
    }),
};

async function runFaults(
  { isQuick, seed, tell, signal }: ScenarioContext,
  { name, faults, done }: { name: string; faults: readonly Fault[]; done: string },
): Promise<Outcome> {
  const clients = isQuick ? 8 : 30;
  const seconds = isQuick ? 10 : 60;
  const result = await runChaos({ seconds, seed, nodes: 3, clients, faults, onProgress: tell, signal });
  return {
    done: `${done}, for ${seconds} s with three nodes and ${clients} players; the auditor looks every 7 s, and at the end with the players' logs.`,
    rules: [
      promise('entities lost, doubled, or otherwise wrong', result.wrong.length),
      promise('inputs applied twice', result.inputsTwice),
      promise('players not online at the end', clients - result.sessionsAfter),
      promise('faults that did not happen', Object.keys(result.faults).length === 0 ? 1 : 0),
      target('longest time that a player saw nothing', Math.max(result.longestStallMs, result.longestOutageMs), {
        max: STALL_MS_MAX,
        unit: 'ms',
      }),
    ],
    rows: rowsOf(result),
    pictures: [
      {
        name,
        svg: barChart({
          title: 'Longest time that a player saw nothing',
          yLabel: 's',
          groups: ['connected', 'with reconnects'],
          series: [{ name: 'longest', values: [result.longestStallMs / 1000, result.longestOutageMs / 1000] }],
        }),
      },
    ],
    ...(result.wrong.length > 0 && { text: result.wrong.join('\n') }),
  };
}

function rowsOf(result: ChaosResult): Row[] {
  return [
    ...Object.entries(result.faults).map(([fault, count]): Row => [fault, count]),
    ['entities before, after', `${result.entitiesBefore}, ${result.entitiesAfter}`],
    ['inputs sent, acknowledged', `${result.inputsSent}, ${result.inputsAcknowledged}`],
    ['handovers, takeovers', `${result.handovers}, ${result.takeovers}`],
    ['audits, the last one', `${result.audits}, ${result.verdict}`],
  ];
}
