/** Every node of a cluster is drained under load, one after the other, and comes back. */
import { barChart } from '../chart/line-chart.ts';
import { drain } from '../cluster/drain.ts';
import { loadOf } from '../cluster/node-load.ts';
import { PlayerRun } from '../cluster/player-run.ts';
import { verdictRows } from '../cluster/players-verdict.ts';
import { promise, target } from './scenario.ts';
import type { Outcome, Scenario } from './scenario.ts';

const BETWEEN_SECONDS = 6;
const DRAIN_SECONDS_MAX = 60;
const GAP_SECONDS_MAX = 2;

export const draining: Scenario = {
  name: 'drain',
  title: 'Drain',
  async run({ isQuick, seed, tell, signal }): Promise<Outcome> {
    const clients = isQuick ? 20 : 200;
    await using run = await PlayerRun.start({
      clients,
      nodes: 3,
      seed,
      mode: 'tunnel',
      ways: 'roam',
      onProgress: tell,
      signal,
    });
    await run.walk();
    const nodes = isQuick ? run.cluster.nodes.slice(0, 1) : run.cluster.nodes;
    const drains: { node: string; seconds: number; entities: number; connections: number }[] = [];
    const wrong: string[] = [];
    for (const node of nodes) {
      await run.until(run.seconds + BETWEEN_SECONDS);
      const load = await loadOf(node);
      const drained = await drain(run.cluster, node, { timeoutSeconds: DRAIN_SECONDS_MAX });
      tell(`${node.name} was drained in ${drained.seconds.toFixed(1)} s`);
      wrong.push(...drained.wrong);
      drains.push({ node: node.name, seconds: drained.seconds, ...load });
      await run.cluster.startAgain(node);
    }
    await run.until(run.seconds + BETWEEN_SECONDS);
    const { verdict } = await run.finish();
    wrong.push(...verdict.wrong);
    return {
      done: `Three nodes and ${clients} players who walk; \`worldmesh drain\` of ${nodes.length === 1 ? 'one of them' : 'each, one after the other'}, which then starts again.`,
      rules: [
        promise('connections lost', verdict.connectionsLost),
        promise('sessions lost', verdict.sessionsLost),
        promise('inputs applied twice, or lost', verdict.inputs.twice + verdict.inputs.lost),
        promise('things that are wrong, by the commands, the players and the auditor', wrong.length),
        target('longest time that a player saw nothing', verdict.longestGapMs.max / 1000, {
          max: GAP_SECONDS_MAX,
          unit: 's',
        }),
        target(
          'slowest drain',
          drains.reduce((most, { seconds }) => Math.max(most, seconds), 0),
          { max: 20, unit: 's' },
        ),
      ],
      rows: [
        ...drains.map(
          ({ node, seconds, entities, connections }) =>
            [
              `drain of ${node}`,
              `${seconds.toFixed(1)} s, with ${entities} entities and ${connections} connections before`,
            ] as const,
        ),
        ...verdictRows(verdict),
      ],
      pictures: [
        {
          name: 'drain',
          svg: barChart({
            title: `Drain of a node among ${clients} players`,
            yLabel: 's',
            groups: drains.map(({ node }) => node),
            series: [{ name: 'seconds', values: drains.map(({ seconds }) => seconds) }],
          }),
        },
      ],
      ...(wrong.length > 0 && { text: wrong.join('\n') }),
    };
  },
};
