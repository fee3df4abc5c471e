/**
 * `npm run balance -- --clients 150`: all players of a three-node cluster walk into one node's area, the balancer is switched on, a fourth
 * node joins under load, everybody leaves. Exits with 1 when an entity or an input is lost, when the fourth node is not taken into use, or
 * when no node is named that could be switched off.
 */
import { parseArgs } from 'node:util';
import { closingText, tableText, verdictRows } from './cluster/players-verdict.ts';
import type { Row } from './cluster/players-verdict.ts';
import { numberFlag, startLongRun } from './cluster/long-run.ts';
import { runBalance } from './balance/balance-run.ts';
import type { BalanceResult } from './balance/balance-run.ts';
import { hottestOf } from './balance/load-watch.ts';
import type { NodeFigures } from './balance/load-watch.ts';

const USAGE = `npm run balance -- [--clients 150] [--wanderers 20] [--measure-seconds 15] [--step-seconds-max 240] [--seed N] [--json]`;

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '150' },
    wanderers: { type: 'string', default: '20' },
    'measure-seconds': { type: 'string', default: '15' },
    'step-seconds-max': { type: 'string', default: '240' },
    seed: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(`${USAGE}\n`);
else process.exitCode = await main();

async function main(): Promise<number> {
  const run = startLongRun(values.seed === undefined ? undefined : numberOf('seed', 0, 2 ** 32 - 1));
  const result = await runBalance({
    clients: numberOf('clients', 1, 2000),
    wanderersPerCell: numberOf('wanderers', 0, 200),
    measureSeconds: numberOf('measure-seconds', 6, 600),
    stepSecondsMax: numberOf('step-seconds-max', 30, 3600),
    ...run,
  });
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : balanceText(result));
  return result.wrong.length === 0 ? 0 : 1;
}

function numberOf(
  name: 'seed' | 'clients' | 'wanderers' | 'measure-seconds' | 'step-seconds-max',
  min: number,
  max: number,
): number {
  return numberFlag(name, values[name] ?? '', { min, max, usage: USAGE });
}

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

function hottestRow(label: string, figures: readonly NodeFigures[]): Row {
  const hottest = hottestOf(figures);
  if (hottest === undefined) return [label, 'no reports'];
  const { name, tickP50Ms, tickP99Ms, busyShare } = hottest;
  return [
    label,
    `${name}: tick p50 ${tickP50Ms.toFixed(1)} ms, **p99 ${tickP99Ms.toFixed(1)} ms**, ${percent(busyShare)} busy`,
  ];
}

function nodeRows(what: string, figures: readonly NodeFigures[]): Row[] {
  return figures.map(({ name, tickP99Ms, busyShare, players, entities, blocks }) => [
    `${what}: ${name}`,
    `p99 ${tickP99Ms.toFixed(1)} ms, ${percent(busyShare)} busy, ${players} players, ${entities} entities, ${blocks} blocks`,
  ]);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
