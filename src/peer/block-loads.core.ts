/**
 * What each block weighs, as the balancer believes it: from the load reports of the blocks' owners.
 *
 * A weight is the share of one node's means that a block takes: of the tick's period above all; room for entities and sessions and the
 * bytes of snapshots count a quarter each. It is in units of a node of capacity 1, so that a block's weight does not depend on its owner.
 *
 * Invariant: a block that was moved keeps the weight it had until its new owner has told of it for a while. So a move counts at once on both
 * sides, and nothing is moved twice because the entities have not arrived yet.
 */
import type { BlockOwner, Member } from './directory.ts';
import type { CostShare, ReportedLoad } from './load-values.core.ts';
import type { NodeNumber } from './protocol.ts';

/** A node whose report has not changed for so long has told nothing. */
export const REPORT_MS_MAX = 5000;
/** So long a moved block's entities are on their way, and reports of it are not believed. */
export const SETTLE_MS = 6000;
/** A block that was moved stays where it is for so long, unless its node drains. */
export const REST_MS = 30_000;
/** Share of the newest report in a block's weight. */
const SMOOTHING = 0.3;
const ROOM_WEIGHT = 0.25;
/** Bytes a second that fill a link of 1 Gbit/s. */
const LINK_BYTES_PER_SECOND = 125e6;

export interface BlockLoads {
  /** By block. */
  readonly weight: Float64Array;
  readonly entities: Float64Array;
  readonly sessions: Float64Array;
  readonly owner: Uint8Array;
  /** Monotonic; when it was last seen to change owner. */
  readonly movedMs: Float64Array;
  readonly reports: Map<NodeNumber, { revision: number; seenMs: number; load: ReportedLoad }>;
}

export function createBlockLoads(blockCount: number): BlockLoads {
  return {
    weight: new Float64Array(blockCount),
    entities: new Float64Array(blockCount),
    sessions: new Float64Array(blockCount),
    owner: new Uint8Array(blockCount),
    movedMs: new Float64Array(blockCount).fill(Number.NEGATIVE_INFINITY),
    reports: new Map(),
  };
}

export function updateBlockLoads(
  state: BlockLoads,
  facts: {
    readonly nowMs: number;
    readonly tickPeriodUs: number;
    readonly members: readonly Pick<Member, 'node' | 'capacity'>[];
    readonly blocks: readonly Pick<BlockOwner, 'block' | 'node'>[];
    readonly loads: readonly ReportedLoad[];
  },
): void {
  for (const { block, node } of facts.blocks) noteOwner(state, { block, node }, facts.nowMs);
  const owned = countBlocks(facts.blocks);
  for (const load of facts.loads) {
    const before = state.reports.get(load.node);
    if (before?.revision === load.revision) continue;
    state.reports.set(load.node, { revision: load.revision, seenMs: facts.nowMs, load });
    const capacity = facts.members.find(({ node }) => node === load.node)?.capacity ?? 0;
    take(state, load, { ...facts, capacity, owned: owned.get(load.node) ?? 0 });
  }
}

/** The node's last report, if it is not an old one. */
export function freshReport(state: BlockLoads, node: NodeNumber, nowMs: number): ReportedLoad | undefined {
  const report = state.reports.get(node);
  return report !== undefined && nowMs - report.seenMs <= REPORT_MS_MAX ? report.load : undefined;
}

function noteOwner(state: BlockLoads, { block, node }: { block: number; node: NodeNumber }, nowMs: number): void {
  const before = state.owner[block] ?? 0;
  if (before === node) return;
  if (before !== 0) state.movedMs[block] = nowMs;
  state.owner[block] = node;
}

function take(
  state: BlockLoads,
  load: ReportedLoad,
  facts: {
    readonly nowMs: number;
    readonly tickPeriodUs: number;
    readonly capacity: number;
    readonly owned: number;
    readonly blocks: readonly Pick<BlockOwner, 'block' | 'node'>[];
  },
): void {
  const told = new Map(load.blocks.map((share) => [share.block, share]));
  const count = Math.max(1, load.rest.blocks, facts.owned - told.size);
  const { costUs, entities, sessions } = load.rest;
  const other = { costUs: costUs / count, entities: entities / count, sessions: sessions / count };
  const bytesPerPlayer = bytesOfPlayer(load);
  for (const { block, node } of facts.blocks) {
    if (node !== load.node || facts.nowMs - (state.movedMs[block] ?? 0) < SETTLE_MS) continue;
    const share = told.get(block) ?? other;
    const weight = facts.capacity * weightOf(share, load, { tickPeriodUs: facts.tickPeriodUs, bytesPerPlayer });
    blend(state.weight, block, weight);
    blend(state.entities, block, share.entities);
    blend(state.sessions, block, share.sessions);
  }
}

/** The first figure counts whole. */
function blend(means: Float64Array, block: number, value: number): void {
  const before = means[block] ?? 0;
  means[block] = before === 0 ? value : before + SMOOTHING * (value - before);
}

function weightOf(
  { costUs, entities, sessions }: CostShare,
  { entitiesMax, sessionsMax }: ReportedLoad,
  { tickPeriodUs, bytesPerPlayer }: { readonly tickPeriodUs: number; readonly bytesPerPlayer: number },
): number {
  const entityRoom = entities / Math.max(1, entitiesMax);
  const sessionRoom = sessions / Math.max(1, sessionsMax);
  const bandwidth = (sessions * bytesPerPlayer) / LINK_BYTES_PER_SECOND;
  return costUs / tickPeriodUs + ROOM_WEIGHT * (entityRoom + sessionRoom + bandwidth);
}

function bytesOfPlayer({ blocks, rest, snapshotBytesPerSecond }: ReportedLoad): number {
  const players = blocks.reduce((sum, { sessions }) => sum + sessions, rest.sessions);
  return players === 0 ? 0 : snapshotBytesPerSecond / players;
}

function countBlocks(blocks: readonly Pick<BlockOwner, 'node'>[]): Map<NodeNumber, number> {
  const counts = new Map<NodeNumber, number>();
  for (const { node } of blocks) counts.set(node, (counts.get(node) ?? 0) + 1);
  return counts;
}
