/** What `worldmesh cells` prints for people. */
import type { NodeShare } from '../../peer/balancer.core.ts';
import type { Decision } from '../../peer/balancer-log.core.ts';
import type { Paint } from '../audit/report.ts';
import { blockRows, PLAN_MOVES_MAX } from './cells.ts';
import type { BlockRow, CellsFacts, CellsPlan } from './cells.ts';

/** Of a list for people; `--all` and `--json` have the others. */
const BLOCKS_SHOWN = 16;
const DECISIONS_SHOWN = 8;

export function cellsText(
  facts: CellsFacts,
  { nodes, isAll, paint }: { readonly nodes: readonly NodeShare[]; readonly isAll: boolean; readonly paint: Paint },
): string {
  const rows = blockRows(facts);
  const shown = isAll ? rows : rows.slice(0, BLOCKS_SHOWN);
  const { world, blockCells } = facts.facts;
  const lines = [
    `${paint('bold', world)}  ${rows.length} blocks of ${blockCells} × ${blockCells} cells; balancing is ${facts.mode}, by ${facts.balancer || 'nobody'}`,
    '',
    ...table(
      NODE_TITLES,
      nodes.map((node) => nodeCells(node)),
      paint,
    ),
    '',
    ...table(
      ['block', 'owner', 'epoch', 'load', 'entities', 'players'],
      shown.map((row) => blockCellsOf(row)),
      paint,
    ),
  ];
  if (shown.length < rows.length) lines.push(paint('dim', `and ${rows.length - shown.length} more: --all, --json`));
  const last = facts.decisions.slice(-DECISIONS_SHOWN);
  if (last.length > 0)
    lines.push('', paint('bold', 'last decisions'), ...last.map((decision) => decisionText(decision, paint)));
  return lines.join('\n');
}

export function planText(
  plan: CellsPlan,
  {
    facts,
    movesPerMinute,
    paint,
  }: { readonly facts: CellsFacts; readonly movesPerMinute: number; readonly paint: Paint },
): string {
  const names = new Map(facts.members.map(({ node, name }) => [node, name]));
  const { moves, overloads, idle, wanted, before, after } = plan;
  const lines = moves.map(
    ({ kind, text }, index) => `${String(index + 1).padStart(3)}. ${paint('bold', kind)}  ${text}`,
  );
  if (moves.length === 0) lines.push('Nothing is to be moved.');
  else {
    const bounded = moves.filter(({ kind }) => kind !== 'drain').length;
    const minutes = Math.ceil(bounded / movesPerMinute);
    const more = moves.length >= PLAN_MOVES_MAX ? ', and then more' : '';
    lines.push(
      '',
      `${moves.length} move${moves.length === 1 ? '' : 's'}${more}; at ${movesPerMinute} a minute about ${minutes} min`,
    );
    lines.push(
      '',
      ...table(['node', 'load before', 'after', 'blocks before', 'after'], changeRows(before, after), paint),
    );
  }
  for (const { text } of overloads) lines.push(paint('yellow', text));
  if (idle.length > 0) {
    const list = idle.map((node) => names.get(node) ?? node).join(', ');
    lines.push(`Could be switched off: ${list}`);
  }
  lines.push(`Nodes wanted: ${wanted.nodes} (${wanted.reason})`);
  if (facts.mode !== 'on' && facts.mode !== 'gather') {
    lines.push(paint('dim', `Balancing is ${facts.mode}: nothing of it is done; "worldmesh cells balance on"`));
  }
  return lines.join('\n');
}

const NODE_TITLES = [
  'node',
  'state',
  'blocks',
  'load',
  'tick p50',
  'p99',
  'busy',
  'shed',
  'entities',
  'sessions',
  'MB/s',
  'hottest cell',
];

function nodeCells({ name, state, blocks, share, report }: NodeShare): string[] {
  if (report === undefined) return [name, state, String(blocks), percent(share), ...Array<string>(8).fill('–')];
  const { hottestCell: cell } = report;
  return [
    name,
    state,
    String(blocks),
    percent(share),
    milliseconds(report.tickP50Us),
    milliseconds(report.tickP99Us),
    percent(report.busyShare),
    String(report.shedLevel),
    String(report.entities),
    String(report.sessions),
    (report.gatewayBytesPerSecond / 1e6).toFixed(2),
    cell === undefined ? '–' : `${cell.cell} (${milliseconds(cell.costUs)})`,
  ];
}

function blockCellsOf({ block, owner, epoch, share, entities, sessions }: BlockRow): string[] {
  const told = (value: number | undefined): string => (value === undefined ? '–' : String(value));
  const load = share === undefined ? '–' : percent(share);
  return [String(block), owner || 'nobody', String(epoch), load, told(entities), told(sessions)];
}

function changeRows(before: readonly NodeShare[], after: readonly NodeShare[]): string[][] {
  return before.map(({ node, name, share, blocks }) => {
    const then = after.find((other) => other.node === node);
    return [name, percent(share), percent(then?.share ?? 0), String(blocks), String(then?.blocks ?? 0)];
  });
}

function decisionText({ atMs, by, kind, outcome, text }: Decision, paint: Paint): string {
  const time = paint('dim', new Date(atMs).toISOString().slice(11, 19));
  return `${time}  ${by}  ${kind}${outcome === 'done' || outcome === 'said' ? '' : ` (${outcome})`}: ${text}`;
}

/** Words to the left, numbers to the right. */
function table(titles: readonly string[], rows: readonly (readonly string[])[], paint: Paint): string[] {
  const widths = titles.map((title, index) => Math.max(title.length, ...rows.map((row) => row[index]!.length)));
  const isWord = (index: number): boolean => rows.every((row) => !/^[\d–]/.test(row[index]!));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, index) => (isWord(index) ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!)))
      .join('  ')
      .trimEnd();
  return [paint('dim', line(titles)), ...rows.map(line)];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}

function milliseconds(micros: number): string {
  return `${(micros / 1000).toFixed(1)} ms`;
}
