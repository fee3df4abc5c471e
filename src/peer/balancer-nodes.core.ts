/** What the balancer decides about whole nodes: who leaves, who could, who cannot be helped, how many are wanted (balancer.core.ts). */
import type { BalanceFacts, BalancerState, BlockMove, NodeShare, Overload } from './balancer.core.ts';
import { blockOfCell } from './placement.core.ts';
import type { NodeNumber } from './protocol.ts';

/** The rest could carry everything below this share: a node could be switched off. Above the other it is needed again. */
export const IDLE_BELOW = 0.35;
export const IDLE_END = 0.6;
/** The mean share above which more nodes are wanted, and the one that is aimed at. */
export const WANTED_ABOVE = 0.7;
export const WANTED_AIM = 0.55;
/** Share of a tick's period that is more than a node can carry for long: it sheds from here on. */
export const OVERLOAD_SHARE = 0.9;
/** Part of the rows for entities that the rest may fill. */
const ROOM_PART = 0.6;

/** Everything that draining nodes have, spread over the targets so that each carries as little as can be. */
export function drainMoves({
  state,
  facts,
  nodes,
  targets,
}: {
  readonly state: BalancerState;
  readonly facts: BalanceFacts;
  readonly nodes: readonly NodeShare[];
  readonly targets: readonly NodeShare[];
}): BlockMove[] {
  if (targets.length === 0) return [];
  const filled = new Map(targets.map(({ node, share, blocks }) => [node, { share, blocks }]));
  const moves: BlockMove[] = [];
  for (const source of nodes) {
    if (source.state !== 'draining' || source.blocks === 0) continue;
    const given = new Map<NodeNumber, { block: number; epoch: number }[]>();
    for (const { block, epoch } of heaviestFirst(state, facts, source.node)) {
      const target = leastFilled(targets, filled);
      const now = filled.get(target.node)!;
      now.share += (state.loads.weight[block] ?? 0) / target.capacity;
      now.blocks += 1;
      given.set(target.node, [...(given.get(target.node) ?? []), { block, epoch }]);
    }
    for (const [to, blocks] of given) {
      const name = targets.find(({ node }) => node === to)?.name ?? '';
      const text = `${source.name} drains: ${blocks.length} of its ${source.blocks} blocks go to ${name}`;
      moves.push({ kind: 'drain', from: source.node, to, blocks, text });
    }
  }
  return moves;
}

function heaviestFirst({ loads }: BalancerState, { blocks }: BalanceFacts, owner: NodeNumber) {
  const weight = (block: number): number => loads.weight[block] ?? 0;
  return blocks.filter(({ node }) => node === owner).sort((one, two) => weight(two.block) - weight(one.block));
}

function leastFilled(
  targets: readonly NodeShare[],
  filled: ReadonlyMap<NodeNumber, { share: number; blocks: number }>,
): NodeShare {
  /** Where nothing weighs anything, the count of blocks decides. */
  const fill = ({ node, capacity }: NodeShare): number => {
    const { share, blocks } = filled.get(node)!;
    return share + (blocks * BLOCK_SHARE) / capacity;
  };
  return targets.reduce((best, target) => (fill(target) < fill(best) ? target : best));
}

const BLOCK_SHARE = 1e-4;

/** Nodes without which the others would still have time and room; the least filled first. */
export function idleNodes({
  state,
  facts,
  carriers,
}: {
  readonly state: BalancerState;
  readonly facts: BalanceFacts;
  readonly carriers: readonly NodeShare[];
}): Set<NodeNumber> {
  const idle = new Set<NodeNumber>();
  if (carriers.some(({ report }) => report === undefined)) return idle;
  const weight = carriers.reduce((sum, { share, capacity }) => sum + share * capacity, 0);
  const entities = carriers.reduce((sum, { report }) => sum + (report?.entities ?? 0), 0);
  let capacity = carriers.reduce((sum, each) => sum + each.capacity, 0);
  let rows = carriers.reduce((sum, { report }) => sum + (report?.entitiesMax ?? 0), 0);
  // In mode gather, who is empty was found idle before, maybe by another balancer.
  const wasIdle = ({ node, blocks }: NodeShare): boolean =>
    state.idle.has(node) || (facts.mode === 'gather' && blocks === 0);
  const order = [...carriers].sort(
    (one, two) => Number(wasIdle(two)) - Number(wasIdle(one)) || one.share - two.share || two.node - one.node,
  );
  for (const node of order) {
    const [restCapacity, restRows] = [capacity - node.capacity, rows - (node.report?.entitiesMax ?? 0)];
    if (idle.size + 1 >= carriers.length) break;
    const limit = wasIdle(node) ? IDLE_END : IDLE_BELOW;
    if (weight / restCapacity >= limit || entities > restRows * ROOM_PART) break;
    idle.add(node.node);
    [capacity, rows] = [restCapacity, restRows];
  }
  return idle;
}

/** Nodes that are too busy; what it is that is too much. */
export function overloads({
  facts,
  carriers,
  holds,
}: {
  readonly facts: BalanceFacts;
  readonly carriers: readonly NodeShare[];
  /** Whether it has been so for long enough, and nothing is being done about it. */
  readonly holds: (key: string, is: boolean) => boolean;
}): Overload[] {
  const found: Overload[] = [];
  for (const node of carriers) {
    const isBusy = (node.report?.busyShare ?? 0) >= OVERLOAD_SHARE;
    if (holds(`overload ${node.node}`, isBusy) && node.report !== undefined) found.push(overloadOf(facts, node));
  }
  return found;
}

function overloadOf({ grid, tickPeriodUs }: BalanceFacts, { node, name, report }: NodeShare): Overload {
  const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
  const { busyShare = 0, hottestCell: cell, blocks = [], shedLevel = 0 } = report ?? {};
  const head = `${name} takes ${percent(busyShare)} of the tick's period and sheds at level ${shedLevel}`;
  if (cell !== undefined && cell.costUs >= busyShare * HALF * tickPeriodUs) {
    const block = blockOfCell(grid, cell.cell);
    const what = `cell ${cell.cell} (block ${block}) alone takes ${percent(cell.costUs / tickPeriodUs)}, with ${cell.entities} entities and ${cell.sessions} players`;
    const text = `${head}: ${what}; a cell has one owner, so no move helps`;
    return { node, kind: 'cell', cell: cell.cell, block, text };
  }
  const [block] = blocks;
  if (block !== undefined && block.costUs >= busyShare * HALF * tickPeriodUs) {
    const text = `${head}: block ${block.block} alone takes ${percent(block.costUs / tickPeriodUs)}; its cells could be spread over nodes with a smaller blockCells`;
    return { node, kind: 'block', cell: cell?.cell, block: block.block, text };
  }
  const text = `${head}, and no other node can take a block of it without carrying as much; more nodes are wanted`;
  return { node, kind: 'cluster', cell: cell?.cell, block: undefined, text };
}

/** What takes more than half of an overloaded node's tick is what overloads it. */
const HALF = 0.5;

/** How many nodes would carry this load well. */
export function wantedNodes({
  carriers,
  idle,
  weightTotal,
}: {
  readonly carriers: readonly NodeShare[];
  readonly idle: ReadonlySet<NodeNumber>;
  readonly weightTotal: number;
}): { readonly nodes: number; readonly active: number; readonly reason: string } {
  const active = carriers.length;
  const capacity = carriers.reduce((sum, each) => sum + each.capacity, 0);
  const mean = capacity === 0 ? 0 : weightTotal / capacity;
  const at = `${(100 * mean).toFixed(0)} %`;
  if (active > 0 && mean > WANTED_ABOVE) {
    const nodes = Math.max(active + 1, Math.ceil((active * mean) / WANTED_AIM));
    return { nodes, active, reason: `${active} nodes carry ${at} of what they can` };
  }
  if (idle.size > 0) {
    const names = carriers.filter(({ node }) => idle.has(node)).map(({ name }) => name);
    return { nodes: active - idle.size, active, reason: `all carry ${at}: ${names.join(', ')} could be switched off` };
  }
  return { nodes: active, active, reason: `${active} nodes carry ${at} of what they can` };
}
