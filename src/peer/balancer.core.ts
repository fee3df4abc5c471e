/**
 * Decides which blocks change owner: pure, the same for the node that balances, for `worldmesh cells plan` and for tests.
 *
 *   draining node ──▶ all its blocks at once, to whoever carries least                     never bounded: it wants to go
 *   hot    a node carries more than SPREAD_START of the mean ─┐ held for HOLD_MS ─▶ one move a step, movesPerMinute,
 *   cold   a node carries less than JOIN_START of the mean ───┘                     until all are within SPREAD_END
 *   low    fewer nodes could carry it all ─▶ they are named; in mode `gather` they are emptied, and given nothing
 *
 * A move takes one block or a few that lie together, from a node that carries more than the mean to one that carries less, and only if the
 * fuller of both carries less after it than before, by GAIN_LEAST of the mean. So moves end under constant load: each makes the list of all
 * nodes' shares, sorted downwards, smaller. A hot block that would make any other node as full stays, and everything around it leaves.
 * Blocks that border on the target's are preferred: borders cost ghosts and handovers.
 *
 * Every block has a base weight beside its load: so where nobody has much to do, the count of blocks is evened out, and what is decided
 * depends on nothing that a move changes. A node that has time (below LOADED_START) is not relieved of anything.
 */
import { createBlockLoads, freshReport, SETTLE_MS, updateBlockLoads } from './block-loads.core.ts';
import type { BlockLoads } from './block-loads.core.ts';
import { growMove } from './balancer-moves.core.ts';
import type { GrownMove, Weighing } from './balancer-moves.core.ts';
import { drainMoves, idleNodes, overloads, wantedNodes } from './balancer-nodes.core.ts';
import type { BalanceMode, BlockOwner, Member } from './directory.ts';
import type { ReportedLoad } from './load-values.core.ts';
import type { BlockGrid } from './placement.core.ts';
import type { NodeNumber } from './protocol.ts';

/** Of the mean share: above it a node is relieved, below it a node is given something; and where that ends. */
export const SPREAD_START = 1.25;
export const SPREAD_END = 1.1;
export const JOIN_START = 0.5;
export const JOIN_END = 0.8;
/** Of a node's means: a node that carries less has nothing that it should be relieved of. */
export const LOADED_START = 0.15;
export const LOADED_END = 0.1;
/** Below this mean load it is by counts of blocks that nodes differ, in words as well. */
const COUNTED_BELOW = 0.05;
/** A reason has to hold so long before anything is moved for it. */
export const HOLD_MS = 4000;
export const MINUTE_MS = 60_000;
/** All blocks together weigh so much of what all nodes can carry, whatever their load: even an idle one has an owner's work. */
const BASE_SHARE = 0.1;

export type MoveKind = 'drain' | 'spread' | 'join' | 'gather';

export interface BlockMove {
  readonly kind: MoveKind;
  readonly from: NodeNumber;
  readonly to: NodeNumber;
  readonly blocks: readonly { readonly block: number; readonly epoch: number }[];
  /** Why, in words. */
  readonly text: string;
}

/** A node that is too busy and that no move helps. */
export interface Overload {
  readonly node: NodeNumber;
  /** What is too much: one cell, one block, or the whole cluster. */
  readonly kind: 'cell' | 'block' | 'cluster';
  readonly cell: number | undefined;
  readonly block: number | undefined;
  readonly text: string;
}

export interface NodeShare {
  readonly node: NodeNumber;
  readonly name: string;
  readonly state: Member['state'];
  readonly capacity: number;
  readonly blocks: number;
  /** Of its means: 1 is all it can carry. */
  readonly share: number;
  readonly entities: number;
  readonly report: ReportedLoad | undefined;
}

export interface BalancePlan {
  readonly moves: readonly BlockMove[];
  /** Nodes that could be switched off. */
  readonly idle: readonly NodeNumber[];
  readonly overloads: readonly Overload[];
  readonly wanted: { readonly nodes: number; readonly active: number; readonly reason: string };
  readonly nodes: readonly NodeShare[];
}

export interface BalanceFacts {
  /** Monotonic. */
  readonly nowMs: number;
  readonly tickPeriodUs: number;
  readonly grid: BlockGrid;
  readonly mode: BalanceMode;
  readonly movesPerMinute: number;
  readonly members: readonly Pick<Member, 'node' | 'name' | 'state' | 'capacity'>[];
  readonly blocks: readonly Pick<BlockOwner, 'block' | 'node' | 'epoch'>[];
  readonly loads: readonly ReportedLoad[];
}

export interface BalancerState {
  readonly loads: BlockLoads;
  /** Monotonic; of moves that are bounded, in the last minute. */
  movesMs: number[];
  /** Since when a reason holds. */
  readonly sinceMs: Map<string, number>;
  isSpreading: boolean;
  idle: Set<NodeNumber>;
  readonly holdMs: number;
}

export function createBalancer({
  blockCount,
  holdMs = HOLD_MS,
}: {
  readonly blockCount: number;
  readonly holdMs?: number;
}): BalancerState {
  return {
    loads: createBlockLoads(blockCount),
    movesMs: [],
    sinceMs: new Map(),
    isSpreading: false,
    idle: new Set(),
    holdMs,
  };
}

/** To be called about once a second. What it says is to be done before the next call, or not at all. */
export function balance(state: BalancerState, facts: BalanceFacts): BalancePlan {
  updateBlockLoads(state.loads, facts);
  state.movesMs = state.movesMs.filter((atMs) => facts.nowMs - atMs < MINUTE_MS);
  const nodes = nodeShares(state, facts);
  const carriers = nodes.filter(({ state: is, capacity }) => is === 'active' && capacity > 0);
  state.idle = idleNodes({ state, facts, carriers });
  const isGathering = facts.mode === 'gather';
  const open = isGathering ? carriers.filter(({ node }) => !state.idle.has(node)) : carriers;
  const moves: BlockMove[] = drainMoves({ state, facts, nodes, targets: open.length > 0 ? open : carriers });
  if (moves.length === 0 && facts.mode !== 'off' && state.movesMs.length < facts.movesPerMinute) {
    const move = (isGathering ? gather(state, facts, { carriers, open }) : undefined) ?? spread(state, facts, open);
    if (move !== undefined) {
      moves.push(move);
      state.movesMs.push(facts.nowMs);
    }
  }
  const isHelped = moves.length > 0 || isSettling(state, facts);
  return {
    moves,
    idle: holds(state, 'idle', state.idle.size > 0, facts.nowMs) ? [...state.idle] : [],
    overloads: overloads({ facts, carriers, holds: (key, is) => holds(state, key, is && !isHelped, facts.nowMs) }),
    wanted: wantedNodes({ carriers, idle: state.idle, weightTotal: weightOf(carriers) }),
    nodes,
  };
}

export function nodeShares(state: BalancerState, facts: BalanceFacts): NodeShare[] {
  const { loads } = state;
  const sums = new Map<NodeNumber, { weight: number; blocks: number; entities: number }>();
  for (const { block, node } of facts.blocks) {
    const sum = sums.get(node) ?? { weight: 0, blocks: 0, entities: 0 };
    sum.weight += loads.weight[block] ?? 0;
    sum.entities += loads.entities[block] ?? 0;
    sum.blocks += 1;
    sums.set(node, sum);
  }
  return facts.members
    .filter(({ state: is }) => is === 'active' || is === 'draining')
    .map(({ node, name, state: is, capacity }) => {
      const { weight = 0, blocks = 0, entities = 0 } = sums.get(node) ?? {};
      const share = capacity > 0 ? weight / capacity : 0;
      const report = freshReport(loads, node, facts.nowMs);
      return { node, name, state: is, capacity, blocks, share, entities, report };
    });
}

/** One move from a node that carries too much, or for one that carries too little. */
function spread(state: BalancerState, facts: BalanceFacts, open: readonly NodeShare[]): BlockMove | undefined {
  // Who has told nothing may carry anything.
  const known = open.filter(({ report }) => report !== undefined);
  if (known.length < 2) return stopSpreading(state);
  const weighing = weigh(state, facts, known);
  const { mean, share } = weighing;
  const shares = known.map(({ node }) => share(node));
  const [most, least] = [Math.max(...shares), Math.min(...shares)];
  const mostLoad = Math.max(...known.map((node) => node.share));
  const isHot = mostLoad >= LOADED_START && most > mean * SPREAD_START;
  const isCold = least < mean * JOIN_START;
  if (holds(state, 'spread', isHot || isCold, facts.nowMs)) state.isSpreading = true;
  if ((most <= mean * SPREAD_END || mostLoad < LOADED_END) && least >= mean * JOIN_END) state.isSpreading = false;
  if (!state.isSpreading) return undefined;
  const sources = known.filter(({ node }) => share(node) > mean).sort((one, two) => share(two.node) - share(one.node));
  const targets = known.filter(({ node }) => share(node) < mean);
  for (const source of sources) {
    const move = growMove(weighing, { state, facts, source, targets });
    if (move === undefined) continue;
    const kind = weighing.isByCount || share(move.to.node) < mean * JOIN_START ? 'join' : 'spread';
    const from = source.node;
    return { kind, from, to: move.to.node, blocks: move.blocks, text: spreadText(weighing, { source, move, known }) };
  }
  return stopSpreading(state);
}

function stopSpreading(state: BalancerState): undefined {
  state.isSpreading = false;
  state.sinceMs.delete('spread');
  return undefined;
}

/** A node that could be switched off gives what it has, a few blocks at a time. */
function gather(
  state: BalancerState,
  facts: BalanceFacts,
  { carriers, open }: { readonly carriers: readonly NodeShare[]; readonly open: readonly NodeShare[] },
): BlockMove | undefined {
  if (!holds(state, 'gather', state.idle.size > 0, facts.nowMs)) return undefined;
  const known = open.filter(({ report }) => report !== undefined);
  const weighing = weigh(state, facts, carriers);
  for (const source of carriers) {
    if (!state.idle.has(source.node) || source.blocks === 0) continue;
    const move = growMove(weighing, { state, facts, source, targets: known, isEmptying: true });
    if (move === undefined) continue;
    const text = `load is low: ${source.name} can be switched off when it is empty; ${move.blocks.length} of its ${source.blocks} blocks go to ${move.to.name}`;
    return { kind: 'gather', from: source.node, to: move.to.node, blocks: move.blocks, text };
  }
  return undefined;
}

/** Weights of blocks and shares of nodes, by load or by count. */
function weigh(state: BalancerState, facts: BalanceFacts, nodes: readonly NodeShare[]): Weighing {
  const among = new Map(nodes.map((node) => [node.node, node]));
  const { weight } = state.loads;
  let [total, count] = [0, 0];
  for (const { block, node } of facts.blocks) {
    if (!among.has(node)) continue;
    total += weight[block] ?? 0;
    count += 1;
  }
  const capacity = nodes.reduce((sum, each) => sum + each.capacity, 0);
  const base = (BASE_SHARE * capacity) / Math.max(1, count);
  const blockWeight = (block: number): number => (weight[block] ?? 0) + base;
  const sums = new Map<NodeNumber, number>();
  for (const { block, node } of facts.blocks) sums.set(node, (sums.get(node) ?? 0) + blockWeight(block));
  const share = (node: NodeNumber): number => (sums.get(node) ?? 0) / (among.get(node)?.capacity ?? 1);
  const all = nodes.reduce((sum, { node }) => sum + (sums.get(node) ?? 0), 0);
  return {
    mean: all / Math.max(capacity, Number.MIN_VALUE),
    share,
    blockWeight,
    isByCount: total < COUNTED_BELOW * capacity,
  };
}

function weightOf(carriers: readonly NodeShare[]): number {
  return carriers.reduce((sum, { share, capacity }) => sum + share * capacity, 0);
}

function isSettling({ loads }: BalancerState, { blocks, nowMs }: BalanceFacts): boolean {
  return blocks.some(({ block }) => nowMs - (loads.movedMs[block] ?? 0) < SETTLE_MS);
}

/** Whether this has been so for long enough; `is` is how it is now. */
function holds({ sinceMs, holdMs }: BalancerState, key: string, is: boolean, nowMs: number): boolean {
  if (!is) {
    sinceMs.delete(key);
    return false;
  }
  const since = sinceMs.get(key) ?? nowMs;
  sinceMs.set(key, since);
  return nowMs - since >= holdMs;
}

function spreadText(
  weighing: Weighing,
  given: { readonly source: NodeShare; readonly move: GrownMove; readonly known: readonly NodeShare[] },
): string {
  const { source, move, known } = given;
  const { to } = move;
  const numbers = move.blocks.map(({ block }) => block).sort((one, two) => one - two);
  const shown = numbers.slice(0, BLOCKS_SHOWN_MAX).join(', ');
  const more = numbers.length > BLOCKS_SHOWN_MAX ? ` and ${numbers.length - BLOCKS_SHOWN_MAX} more` : '';
  const what = numbers.length === 1 ? `block ${shown} goes` : `blocks ${shown}${more} go`;
  if (weighing.isByCount) {
    const all = known.reduce((sum, { blocks }) => sum + blocks, 0);
    const due = Math.round((all * to.capacity) / known.reduce((sum, { capacity }) => sum + capacity, 0));
    return `${to.name} has ${to.blocks} blocks and its share is ${due}: ${what} from ${source.name} to it`;
  }
  const at = (value: number): string => `${(100 * value).toFixed(0)} %`;
  const mean = at(weightOf(known) / known.reduce((sum, { capacity }) => sum + capacity, 0));
  const carried = `${source.name} carries ${at(source.share)} of what a node can, ${to.name} ${at(to.share)}, the mean is ${mean}`;
  return `${carried}: ${what} to ${to.name}`;
}

/** In a decision's words; the decision itself has all. */
const BLOCKS_SHOWN_MAX = 12;
