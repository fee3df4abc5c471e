/** `npm run redirects -- --count 10000`: its flags, and what came of it for people. */
import { NODES_COUNT_MAX } from './cluster/process-cluster.ts';
import { closingText, millisecondsText, tableText, verdictRows } from './cluster/players-verdict.ts';
import type { RedirectCounts } from '../src/main/bots/redirect-watch.core.ts';
import { runRedirects } from './redirects/redirects-run.ts';
import type { RedirectsResult } from './redirects/redirects-run.ts';
import { longRunCommand, number, whole } from './cluster/long-run.ts';

await longRunCommand({
  name: 'redirects',
  about:
    'Players in direct mode go to and fro over the borders of a cluster until so many of their connections have been redirected; for some seconds one node takes nobody in. Ends with 1 when a session or a connection is lost over it, an input acts twice or never, or anybody flickers.',
  flags: {
    count: whole('redirects', { by: 10_000, min: 1, max: 10_000_000 }),
    clients: whole('players', { by: 200, min: 1, max: 10_000 }),
    nodes: whole('of the cluster', { by: 3, min: 2, max: NODES_COUNT_MAX }),
    'minutes-max': number('that it may take', { by: 15, min: 0.1, max: 1440 }),
  },
  run: ({ count, clients, nodes, 'minutes-max': minutesMax }, run) =>
    runRedirects({ count, clients, nodes, secondsMax: 60 * minutesMax, ...run }),
  text: redirectsText,
});

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
