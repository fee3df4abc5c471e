/** `npm run balance`: its flags, and what came of it for people. */
import { closingText, tableText, verdictRows } from './cluster/players-verdict.ts';
import type { Row } from './cluster/players-verdict.ts';
import { runBalance } from './balance/balance-run.ts';
import type { BalanceResult } from './balance/balance-run.ts';
import { hottestOf, percent } from './balance/load-watch.ts';
import type { MeasuredNode } from './balance/load-watch.ts';
import { longRunCommand, number, whole } from './cluster/long-run.ts';

await longRunCommand({
  name: 'balance',
  about:
    "All players of a three-node cluster walk into one node's area, the balancer is switched on, a fourth node joins under load, everybody leaves. Ends with 1 when an entity or an input is lost, when the fourth node is not taken into use, or when no node is named that could be switched off.",
  flags: {
    clients: whole('players', { by: 450, min: 1, max: 2000 }),
    wanderers: whole('in each cell', { by: 40, min: 0, max: 200 }),
    'measure-seconds': number('of looking at loads, before and after', { by: 15, min: 6, max: 600 }),
    'step-seconds-max': number('that a step may take', { by: 240, min: 30, max: 3600 }),
  },
  run: ({ clients, wanderers, 'measure-seconds': measureSeconds, 'step-seconds-max': stepSecondsMax }, run) =>
    runBalance({ clients, wanderersPerCell: wanderers, measureSeconds, stepSecondsMax, ...run }),
  text: balanceText,
});

function balanceText(result: BalanceResult): string {
  const { seed, clients, wanderersPerCell, before, after, join, leave, decisions, verdict } = result;
  const table = tableText([
    ['players, wanderers a cell, seconds', `${clients}, ${wanderersPerCell}, ${result.seconds.toFixed(0)}`],
    hottestRow('**hottest node, all players in its area, nobody balances**', before),
    hottestRow('**hottest node, balanced**', after),
    [
      'moves, blocks moved, seconds to the last move',
      `${result.moves}, ${result.blocksMoved}, ${result.balanceSeconds.toFixed(0)}`,
    ],
    ...nodeRows('balanced', after),
    ['**a fourth node joins under load**: blocks it was given, seconds', `${join.blocks}, ${join.seconds.toFixed(0)}`],
    ...nodeRows('with four nodes', join.figures),
    [
      '**all have left**: nodes that could be switched off, named after',
      `${leave.idle.join(', ')}, ${leave.seconds.toFixed(0)} s`,
    ],
    ['emptied in mode gather', `${leave.emptySeconds.toFixed(0)} s`],
    ...verdictRows(verdict),
  ]);
  const why = decisions.map(({ kind, text }) => `${kind.padEnd(7)} ${text}`).join('\n');
  const replay = `npm run balance -- --seed ${seed} --clients ${clients} --wanderers ${wanderersPerCell}`;
  return `\n${table}\n\n${why}\n\n${closingText({ ...verdict, wrong: result.wrong }, replay)}\n`;
}

function hottestRow(label: string, figures: readonly MeasuredNode[]): Row {
  const hottest = hottestOf(figures);
  if (hottest === undefined) return [label, 'no reports'];
  const { name, tickP50Ms, tickP99Ms, busyShare, cpuShare } = hottest;
  const ticks = `tick p50 ${tickP50Ms.toFixed(1)} ms, **p99 ${tickP99Ms.toFixed(1)} ms**, ${percent(busyShare)} busy`;
  return [label, `${name}: ${ticks}, **${percent(cpuShare)} of a core** computing`];
}

function nodeRows(what: string, figures: readonly MeasuredNode[]): Row[] {
  return figures.map(({ name, tickP99Ms, cpuShare, players, entities, blocks }) => [
    `${what}: ${name}`,
    `p99 ${tickP99Ms.toFixed(1)} ms, ${percent(cpuShare)} of a core, ${players} players, ${entities} entities, ${blocks} blocks`,
  ]);
}
