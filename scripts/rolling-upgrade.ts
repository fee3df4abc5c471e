/** `npm run rolling-upgrade -- --clients 1000`: its flags, and what came of it for people. */
import { NODES_COUNT_MAX } from './cluster/process-cluster.ts';
import { closingText, millisecondsText, tableText, verdictRows } from './cluster/players-verdict.ts';
import { runRollingUpgrade } from './rolling-upgrade/rolling-upgrade-run.ts';
import type { RollingUpgradeResult } from './rolling-upgrade/rolling-upgrade-run.ts';
import { CLIENT_MODES } from '../src/wire/messages.ts';
import { longRunCommand, number, oneOf, toggle, whole } from './cluster/long-run.ts';

await longRunCommand({
  name: 'rolling-upgrade',
  about:
    'A cluster of real processes goes from one version of its world to the next while players play: each node is drained with `worldmesh drain` and started again. Ends with 1 when a connection, a session or an input is lost, anybody flickers, or the auditor finds anything.',
  flags: {
    clients: whole('players', { by: 200, min: 1, max: 10_000 }),
    nodes: whole('of the cluster', { by: 3, min: 2, max: NODES_COUNT_MAX }),
    mode: oneOf('how players reach another node', { of: CLIENT_MODES, by: 'tunnel' }),
    'drain-seconds-max': number('that a drain may take', { by: 120, min: 1, max: 86_400 }),
    keep: toggle("the cluster's files stay"),
  },
  run: ({ 'drain-seconds-max': drainSecondsMax, ...values }, run) =>
    runRollingUpgrade({ ...values, drainSecondsMax, ...run }),
  text: textOf,
});

function textOf(result: RollingUpgradeResult): string {
  const { seed, clients, nodes, mode, seconds, steps } = result;
  const table = tableText([
    ['players, nodes, mode, seconds', `${clients}, ${nodes}, ${mode}, ${seconds.toFixed(0)}`],
    ...steps.map(
      ({ node, drainSeconds, startSeconds }) =>
        [`${node}: drained in, back in`, `${drainSeconds.toFixed(1)} s, ${startSeconds.toFixed(1)} s`] as const,
    ),
    ['gap around a change of gateway p50, p99, max', millisecondsText(result.redirects.gapMs)],
    ...verdictRows(result),
    ['cores that the players took', result.playersCpuCores.toFixed(2)],
  ]);
  const replay = `npm run rolling-upgrade -- --seed ${seed} --clients ${clients} --nodes ${nodes} --mode ${mode}`;
  return `\n${table}\n\n${closingText(result, replay)}\n`;
}
