/**
 * `npm run redirects -- --count 10000`: players in direct mode go to and fro over the borders of a cluster until so many of
 * their connections have been redirected; for some seconds one node takes nobody in. Exits with 1 when a session or a
 * connection is lost over it, an input acts twice or never, or anybody flickers.
 */
import { parseArgs } from 'node:util';
import { NODES_COUNT_MAX } from './cluster/process-cluster.ts';
import { closingText, millisecondsText, tableText, verdictRows } from './cluster/players-verdict.ts';
import type { RedirectCounts } from '../src/main/bots/redirect-watch.core.ts';
import { runRedirects } from './redirects/redirects-run.ts';
import type { RedirectsResult } from './redirects/redirects-run.ts';
import { numberFlag, startLongRun } from './cluster/long-run.ts';

const USAGE = `npm run redirects -- [--count 10000] [--clients 200] [--nodes 3] [--seed N] [--minutes-max 15] [--json]`;

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '10000' },
    clients: { type: 'string', default: '200' },
    nodes: { type: 'string', default: '3' },
    seed: { type: 'string' },
    'minutes-max': { type: 'string', default: '15' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(`${USAGE}\n`);
else process.exitCode = await main();

async function main(): Promise<number> {
  const run = startLongRun(values.seed === undefined ? undefined : numberOf('seed', 0, 2 ** 32 - 1));
  const result = await runRedirects({
    count: numberOf('count', 1, 10_000_000),
    clients: numberOf('clients', 1, 10_000),
    nodes: numberOf('nodes', 2, NODES_COUNT_MAX),
    ...run,
    secondsMax: 60 * numberOf('minutes-max', 0.1, 1440),
  });
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : redirectsText(result));
  return result.wrong.length === 0 ? 0 : 1;
}

function numberOf(name: Exclude<keyof typeof values, 'json' | 'help'>, min: number, max: number): number {
  return numberFlag(name, values[name] ?? '', { min, max, usage: USAGE });
}

function redirectsText(result: RedirectsResult): string {
  const { seed, clients, nodes, count, seconds } = result;
  const phase = ({ offered, done, fallbacks, lost }: RedirectCounts): string =>
    `${offered}, ${done}, ${fallbacks}, ${lost}`;
  const table = tableText([
    ['players, nodes, seconds', `${clients}, ${nodes}, ${seconds.toFixed(0)}`],
    ['**gap around a redirect** p50, p99, max', `**${millisecondsText(result.redirects.gapMs)}**`],
    ['redirects in a second', (result.redirects.done / seconds).toFixed(1)],
    ['offered, done, fallbacks, lost while all nodes take players in', phase(result.open)],
    ['the same while one takes nobody in', phase(result.refused)],
    ...verdictRows(result),
    ['cores that the players took', result.playersCpuCores.toFixed(2)],
  ]);
  const replay = `npm run redirects -- --seed ${seed} --count ${count} --clients ${clients} --nodes ${nodes}`;
  return `\n${table}\n\n${closingText(result, replay)}\n`;
}
