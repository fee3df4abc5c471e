/** The table of `worldmesh status`. */
import type { Paint } from '../audit/report.ts';
import type { ClusterStatus, LinkRow, NodeRow } from './status.core.ts';

interface Column {
  readonly title: string;
  cell(row: NodeRow): string;
}

const COLUMNS: readonly Column[] = [
  { title: 'node', cell: ({ name, node }) => `${name} ${node}` },
  { title: 'state', cell: ({ state, down }) => (down === '' ? state : `${state}, no answer`) },
  { title: 'incarnation', cell: ({ incarnation }) => `${incarnation}` },
  { title: 'pid', cell: ({ pid }) => `${pid}` },
  { title: 'lease', cell: ({ leaseAgeMs }) => duration(leaseAgeMs) },
  { title: 'blocks', cell: ({ blocks }) => whole(blocks) },
  { title: 'cells', cell: ({ cells }) => whole(cells) },
  { title: 'entities', cell: ({ entities }) => whole(entities) },
  { title: 'ghosts', cell: ({ ghosts }) => whole(ghosts) },
  { title: 'sessions', cell: ({ sessions }) => whole(sessions) },
  { title: 'in flight', cell: ({ inFlight }) => whole(inFlight) },
  { title: 'in doubt', cell: ({ inDoubt }) => whole(inDoubt) },
  { title: 'oldest', cell: ({ oldestInDoubtMs }) => duration(oldestInDoubtMs) },
  { title: 'out/s', cell: ({ handoversOutHz }) => rate(handoversOutHz) },
  { title: 'in/s', cell: ({ handoversInHz }) => rate(handoversInHz) },
  { title: 'ticks/s', cell: ({ ticksHz }) => rate(ticksHz) },
  { title: 'commits/s', cell: ({ commitsHz }) => rate(commitsHz) },
  { title: 'links', cell: ({ links }) => links.map(linkText).join(', ') },
];

/** Past the limits of HANDOVER a doubt is worth a colour. */
const SLOW_DOUBT_MS = 2000;

export function statusText(status: ClusterStatus, paint: Paint): string {
  const { nodes, world, atMs, fenced, blocksUnowned, names, settings } = status;
  const sum = (of: (row: NodeRow) => number): number =>
    nodes.reduce((total, row) => total + (Number.isNaN(of(row)) ? 0 : of(row)), 0);
  const total = `${nodes.length} nodes, ${whole(sum(({ entities }) => entities))} entities, ${whole(sum(({ sessions }) => sessions))} sessions, ${whole(sum(({ inFlight }) => inFlight))} handovers in flight`;
  const lines = [
    `${paint('bold', world === '' ? 'cluster' : world)}  ${total}  ${paint('dim', new Date(atMs).toISOString().slice(11, 19))}`,
    '',
    ...table(nodes, paint),
  ];
  const remarks = [
    ...(blocksUnowned > 0 ? [paint('red', `${blocksUnowned} blocks have no owner`)] : []),
    ...(fenced > 0 ? [`${fenced} ledgers were taken over`] : []),
    ...(names > 0 ? [`${names} names`] : []),
    // The balancer's decisions are shown by "worldmesh cells".
    ...Object.entries(settings)
      .filter(([key]) => key !== 'balancerLog')
      .map(([key, value]) => `${key} = ${value}`),
  ];
  if (remarks.length > 0) lines.push('', paint('dim', remarks.join(' · ')));
  for (const { name, down } of nodes) if (down !== '') lines.push(paint('yellow', `${name}: ${down}`));
  return lines.join('\n');
}

function table(nodes: readonly NodeRow[], paint: Paint): string[] {
  const cells = nodes.map((row) => COLUMNS.map((column) => column.cell(row)));
  const widths = COLUMNS.map(({ title }, index) => Math.max(title.length, ...cells.map((row) => row[index]!.length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, index) => (isLeft(index) ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!)))
      .join('  ')
      .trimEnd();
  return [
    paint('dim', line(COLUMNS.map(({ title }) => title))),
    ...nodes.map((row, index) => painted(row, { text: line(cells[index]!), paint })),
  ];
}

/** Words to the left, numbers to the right. */
function isLeft(index: number): boolean {
  return index < 2 || index === COLUMNS.length - 1;
}

function painted({ state, down, oldestInDoubtMs }: NodeRow, { text, paint }: { text: string; paint: Paint }): string {
  if (down !== '') return paint('red', text);
  if (state === 'gone') return paint('dim', text);
  return oldestInDoubtMs > SLOW_DOUBT_MS || state !== 'active' ? paint('yellow', text) : text;
}

function linkText({ peer, state, rttMs, breaker }: LinkRow): string {
  const isBroken = breaker !== '' && breaker !== 'closed';
  const parts = [peer, state, Number.isNaN(rttMs) ? '' : duration(rttMs), isBroken ? 'breaker open' : ''];
  return parts.filter((part) => part !== '').join(' ');
}

function whole(value: number): string {
  return Number.isNaN(value) ? '–' : Math.round(value).toLocaleString('en-US');
}

function rate(value: number): string {
  return Number.isNaN(value) ? '–' : value.toFixed(value < 10 ? 1 : 0);
}

function duration(valueMs: number): string {
  if (Number.isNaN(valueMs)) return '–';
  if (valueMs < 1) return valueMs === 0 ? '0' : `${valueMs.toFixed(2)} ms`;
  if (valueMs < 1000) return `${valueMs.toFixed(valueMs < 10 ? 1 : 0)} ms`;
  if (valueMs < 60_000) return `${(valueMs / 1000).toFixed(1)} s`;
  return valueMs < 3_600_000 ? `${Math.round(valueMs / 60_000)} min` : `${Math.round(valueMs / 3_600_000)} h`;
}
