/**
 * `npm run rolling-upgrade -- --clients 1000`: a cluster of real processes goes from one version of its world to the next while players
 * play; each node is drained with `worldmesh drain` and started again. Exits with 1 when a connection, a session or an input is
 * lost, anybody flickers, or the auditor finds anything.
 */
import { parseArgs } from 'node:util';
import { NODES_COUNT_MAX } from './cluster/process-cluster.ts';
import { numberFlag, startLongRun } from './cluster/long-run.ts';
import { closingText, millisecondsText, tableText, verdictRows } from './cluster/players-verdict.ts';
import { runRollingUpgrade } from './rolling-upgrade/rolling-upgrade-run.ts';
import type { RollingUpgradeResult } from './rolling-upgrade/rolling-upgrade-run.ts';
import { CLIENT_MODES } from '../src/wire/messages.ts';
import type { ClientMode } from '../src/wire/messages.ts';

const USAGE =
  'npm run rolling-upgrade -- [--clients 200] [--nodes 3] [--mode tunnel|direct|auto] [--drain-seconds-max 120] [--seed N] [--keep] [--json]';

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '200' },
    nodes: { type: 'string', default: '3' },
    mode: { type: 'string', default: 'tunnel' },
    'drain-seconds-max': { type: 'string', default: '120' },
    seed: { type: 'string' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(`${USAGE}\n`);
else process.exitCode = await main();

async function main(): Promise<number> {
  const run = startLongRun(values.seed === undefined ? undefined : numberOf('seed', 0, 2 ** 32 - 1));
  const result = await runRollingUpgrade({
    clients: numberOf('clients', 1, 10_000),
    nodes: numberOf('nodes', 2, NODES_COUNT_MAX),
    mode: modeOf(values.mode),
    drainSecondsMax: numberOf('drain-seconds-max', 1, 86_400),
    keep: values.keep,
    ...run,
  });
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : textOf(result));
  return result.wrong.length === 0 ? 0 : 1;
}

function modeOf(text: string): ClientMode {
  const mode = CLIENT_MODES.find((known) => known === text);
  if (mode === undefined) throw new RangeError(`--mode ${CLIENT_MODES.join(', ')}, not ${text}\n\n${USAGE}`);
  return mode;
}

function numberOf(name: 'seed' | 'clients' | 'nodes' | 'drain-seconds-max', min: number, max: number): number {
  return numberFlag(name, values[name] ?? '', { min, max, usage: USAGE });
}

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
