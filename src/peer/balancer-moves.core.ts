/** Which blocks one move takes: a seed with the best score, and neighbours of it while they help (balancer.core.ts). */
import { REST_MS } from './block-loads.core.ts';
import type { BalanceFacts, BalancerState, NodeShare } from './balancer.core.ts';
import type { BlockGrid } from './placement.core.ts';
import type { NodeNumber } from './protocol.ts';

export interface Weighing {
  /** What every node would carry if all carried alike. */
  readonly mean: number;
  readonly share: (node: NodeNumber) => number;
  readonly blockWeight: (block: number) => number;
  /** By counts of blocks, because nobody carries much. */
  readonly isByCount: boolean;
}

export interface GrownMove {
  readonly to: NodeShare;
  readonly weight: number;
  readonly blocks: readonly { readonly block: number; readonly epoch: number }[];
}

interface Asked {
  readonly state: BalancerState;
  readonly facts: BalanceFacts;
  readonly source: NodeShare;
  readonly targets: readonly NodeShare[];
  /** The source is to have nothing in the end: every block may go. */
  readonly isEmptying?: boolean;
}

/** Least by which a move lowers the fuller of both nodes, as part of the mean. */
const GAIN_LEAST = 0.01;
/** What a block that borders on the target only, and not on its owner, is worth beside the gain. */
const BORDER_WORTH = 0.3;
/**
 * What does not push its target beyond the mean goes before everything that does. So a hot block, which would make another node as full as
 * this one was, is the last to go: all around it goes first.
 */
const FITS_WORTH = 100;
/** Entities of one move, unless a single block has more: they leave as fast as credits allow. */
const ENTITIES_MAX = 1000;
/** Blocks of one move; in a large world, this part of all. */
const BLOCKS_MAX = 16;
const BLOCKS_PART = 1 / 64;
/** Rows for entities and sessions that a target keeps free, for those who walk there. */
const ROOM_PART = 0.8;

export function growMove(weighing: Weighing, asked: Asked): GrownMove | undefined {
  const own = movable(asked);
  const seed = bestSeed(weighing, asked, own);
  if (seed === undefined) return undefined;
  const { target, block } = seed;
  const taken = grow(weighing, { ...asked, target, seed: block, own });
  const weight = taken.reduce((sum, number) => sum + weighing.blockWeight(number), 0);
  return { to: target, weight, blocks: taken.map((number) => ({ block: number, epoch: own.get(number) ?? 0 })) };
}

/** By block, its epoch: those of the source that have rested where they are. */
function movable({ state, facts, source }: Asked): Map<number, number> {
  const own = new Map<number, number>();
  for (const { block, node, epoch } of facts.blocks) {
    if (node !== source.node || facts.nowMs - (state.loads.movedMs[block] ?? 0) < REST_MS) continue;
    own.set(block, epoch);
  }
  return own;
}

function bestSeed(
  weighing: Weighing,
  asked: Asked,
  own: ReadonlyMap<number, number>,
): { target: NodeShare; block: number } | undefined {
  let best: { target: NodeShare; block: number } | undefined;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const target of asked.targets) {
    if (target.node === asked.source.node) continue;
    for (const block of own.keys()) {
      const gain = gainOf(weighing, { ...asked, target, weight: weighing.blockWeight(block) });
      if (gain === undefined || !hasRoom(asked, target, [block])) continue;
      const fits = weighing.blockWeight(block) <= wantedWeight(weighing, asked, target) ? FITS_WORTH : 0;
      const score = gain + fits + BORDER_WORTH * borderOf(asked, { block, target: target.node });
      if (score <= bestScore) continue;
      best = { target, block };
      bestScore = score;
    }
  }
  return best;
}

/** By how much the fuller of both is relieved, as part of the mean; undefined when not enough. */
function gainOf(
  { mean, share }: Weighing,
  { source, target, weight, isEmptying }: Asked & { readonly target: NodeShare; readonly weight: number },
): number | undefined {
  const before = share(source.node);
  const after = share(target.node) + weight / target.capacity;
  // Emptying: the least full takes it.
  if (isEmptying === true) return -after / Math.max(mean, Number.MIN_VALUE);
  const gain = before - Math.max(before - weight / source.capacity, after);
  return gain >= GAIN_LEAST * mean && gain > 0 ? gain / mean : undefined;
}

/** So much brings one of both to the mean, and neither beyond it. */
function wantedWeight({ mean, share }: Weighing, { source, isEmptying }: Asked, target: NodeShare): number {
  if (isEmptying === true) return Number.POSITIVE_INFINITY;
  const excess = (share(source.node) - mean) * source.capacity;
  const lack = (mean - share(target.node)) * target.capacity;
  return Math.min(excess, lack);
}

/** Neighbours of what is taken, best first, as long as they do not make the move worse than the mean allows. */
function grow(
  weighing: Weighing,
  given: Asked & { readonly target: NodeShare; readonly seed: number; readonly own: ReadonlyMap<number, number> },
): number[] {
  const { facts, target, seed, own, state } = given;
  const { blockWeight } = weighing;
  const wanted = wantedWeight(weighing, given, target);
  const blocksMax = Math.max(BLOCKS_MAX, Math.ceil(facts.blocks.length * BLOCKS_PART));
  const taken = [seed];
  const isTaken = new Set(taken);
  let weight = blockWeight(seed);
  let entities = state.loads.entities[seed] ?? 0;
  for (let at = 0; at < taken.length && taken.length < blocksMax; at++) {
    for (const block of neighboursOf(facts.grid, taken[at]!)) {
      if (isTaken.has(block) || !own.has(block) || taken.length >= blocksMax) continue;
      const more = state.loads.entities[block] ?? 0;
      if (weight + blockWeight(block) > wanted || entities + more > ENTITIES_MAX) continue;
      if (!hasRoom(given, target, [...taken, block])) continue;
      isTaken.add(block);
      taken.push(block);
      weight += blockWeight(block);
      entities += more;
    }
  }
  return taken;
}

/** From -1, the source's blocks all around, to 1, the target's. */
function borderOf({ state, facts, source }: Asked, { block, target }: { block: number; target: NodeNumber }): number {
  let [near, far] = [0, 0];
  for (const other of neighboursOf(facts.grid, block)) {
    const owner = state.loads.owner[other];
    if (owner === target) near++;
    else if (owner === source.node) far++;
  }
  return (near - far) / 4;
}

function hasRoom({ state }: Asked, { node, report }: NodeShare, blocks: readonly number[]): boolean {
  if (report === undefined) return false;
  const { entities, sessions, owner } = state.loads;
  let [moreEntities, moreSessions, players] = [0, 0, 0];
  for (const block of blocks) {
    moreEntities += entities[block] ?? 0;
    moreSessions += sessions[block] ?? 0;
  }
  for (const share of report.blocks) if (owner[share.block] === node) players += share.sessions;
  const isRoomForEntities = report.entities + moreEntities <= report.entitiesMax * ROOM_PART || moreEntities === 0;
  const isRoomForSessions = Math.max(players, report.sessions) + moreSessions <= report.sessionsMax * ROOM_PART;
  return isRoomForEntities && (isRoomForSessions || moreSessions === 0);
}

/** Above, below, left and right. */
export function neighboursOf({ blocksWide, blockCount }: BlockGrid, block: number): number[] {
  const column = block % blocksWide;
  const around = [block - blocksWide, block + blocksWide];
  if (column > 0) around.push(block - 1);
  if (column < blocksWide - 1) around.push(block + 1);
  return around.filter((other) => other >= 0 && other < blockCount);
}
