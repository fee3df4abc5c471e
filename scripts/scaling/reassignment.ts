/** A node is killed: how long its entities stand still until others simulate them. */
import { barChart } from '../chart/line-chart.ts';
import { runTakeoverTrials, trialText } from '../chaos/takeover-trials.ts';
import { promise, target } from './scenario.ts';
import type { Outcome, Scenario } from './scenario.ts';

const FIRST_MS_MAX = 1000;

export const reassignment: Scenario = {
  name: 'reassignment',
  title: 'Reassignment on failure',
  async run({ isQuick, seed, tell }): Promise<Outcome> {
    const count = isQuick ? 1 : 5;
    const clients = isQuick ? 8 : 30;
    const { trials, wrong } = await runTakeoverTrials({ trials: count, seed, nodes: 3, clients, onProgress: tell });
    const most = (values: readonly number[]): number => values.reduce((all, value) => Math.max(all, value), 0);
    return {
      done: `\`kill -9\` of one of three nodes under ${clients} players and some 500 wanderers, ${count} times; the others take over at once. Measured from the kill to the first answer of another node that simulates one of the dead node's entities, and until all of them are.`,
      rules: [
        promise(
          'durable changes lost',
          trials.reduce((sum, { durableLost }) => sum + durableLost, 0),
        ),
        promise('things that the auditor or the trials found wrong', wrong.length),
        target('first entity simulated elsewhere, slowest', most(trials.map(({ firstTickMs }) => firstTickMs)), {
          max: FIRST_MS_MAX,
          unit: 'ms',
        }),
        target('all entities simulated elsewhere, slowest', most(trials.map(({ allMs }) => allMs)), {
          max: 2 * FIRST_MS_MAX,
          unit: 'ms',
        }),
      ],
      rows: trials.map((trial, index) => [`trial ${index + 1}`, trialText(trial)]),
      pictures: [
        {
          name: 'reassignment',
          svg: barChart({
            title: 'From the kill until others simulate its entities',
            yLabel: 'ms',
            groups: trials.map((_, index) => `trial ${index + 1}`),
            series: [
              { name: 'the first', values: trials.map(({ firstTickMs }) => firstTickMs) },
              { name: 'all', values: trials.map(({ allMs }) => allMs) },
            ],
            limit: { y: FIRST_MS_MAX, text: 'target of first' },
          }),
        },
      ],
      ...(wrong.length > 0 && { text: wrong.join('\n') }),
    };
  },
};
