/** What `worldmesh cells` knows and does: the directory's facts, the plan that the balancer's core makes of them, and moves by hand. */
import { Grid } from '../../memory/grid.ts';
import { balance, createBalancer } from '../../peer/balancer.core.ts';
import type { BalancePlan, BlockMove, NodeShare } from '../../peer/balancer.core.ts';
import { readDecisions } from '../../peer/balancer-log.core.ts';
import type { Decision } from '../../peer/balancer-log.core.ts';
import { seatHolder } from '../../peer/balancer-seat.core.ts';
import { balanceMode } from '../../peer/balancer.ts';
import { DIRECTORY_SETTINGS } from '../../peer/directory.ts';
import type { BalanceMode, BlockOwner, ClusterFacts, Directory, Member } from '../../peer/directory.ts';
import type { ReportedLoad } from '../../peer/load-values.core.ts';
import { blockGrid } from '../../peer/placement.core.ts';
import type { BlockGrid } from '../../peer/placement.core.ts';
import { CellsError } from './cells-error.ts';

export interface CellsFacts {
  readonly facts: ClusterFacts;
  readonly grid: BlockGrid;
  readonly members: readonly Member[];
  readonly blocks: readonly BlockOwner[];
  readonly loads: readonly ReportedLoad[];
  readonly mode: BalanceMode;
  /** Name of the node that balances; '' for nobody. */
  readonly balancer: string;
  readonly decisions: readonly Decision[];
}

export interface BlockRow {
  readonly block: number;
  /** '' for nobody. */
  readonly owner: string;
  readonly epoch: number;
  /** Of the tick's period at its owner; undefined: not told one by one. */
  readonly share: number | undefined;
  readonly entities: number | undefined;
  readonly sessions: number | undefined;
}

export interface CellsPlan extends Omit<BalancePlan, 'moves' | 'nodes'> {
  readonly moves: readonly BlockMove[];
  /** Before the moves, and after. */
  readonly before: readonly NodeShare[];
  readonly after: readonly NodeShare[];
}

/** A plan of more moves than this says that it goes on. */
export const PLAN_MOVES_MAX = 200;

export async function readCells(directory: Directory): Promise<CellsFacts> {
  const { facts } = directory;
  const half = facts.worldSize / 2;
  const { width, depth } = new Grid({ cellSize: facts.cellSize, minX: -half, minZ: -half, maxX: half, maxZ: half });
  const [all, blocks, loads, settings] = await Promise.all([
    directory.members(),
    directory.blocks(),
    directory.loads(),
    directory.settings(),
  ]);
  const members = all.filter(({ state }) => state !== 'fenced');
  const holder = seatHolder(settings, members);
  return {
    facts,
    grid: blockGrid({ width, depth, blockCells: facts.blockCells }),
    members,
    blocks,
    loads,
    mode: balanceMode(settings),
    balancer: members.find(({ node }) => node === holder)?.name ?? '',
    decisions: readDecisions(settings.find(({ key }) => key === DIRECTORY_SETTINGS.balancerLog)?.value),
  };
}

/** What balancing would do now if nothing changed, move by move; `off` and `dry-run` plan as `on` does. */
export function planCells({ facts, grid, members, blocks, loads, mode }: CellsFacts): CellsPlan {
  const state = createBalancer({ blockCount: grid.blockCount, holdMs: 0 });
  const owners = new Map(blocks.map((owner) => [owner.block, owner]));
  const moves: BlockMove[] = [];
  const look = (): BalancePlan =>
    balance(state, {
      nowMs: 0,
      tickPeriodUs: 1e6 / facts.tickHz,
      grid,
      mode: mode === 'gather' ? 'gather' : 'on',
      movesPerMinute: PLAN_MOVES_MAX,
      members,
      blocks: [...owners.values()],
      loads,
    });
  const first = look();
  let plan = first;
  while (plan.moves.length > 0 && moves.length < PLAN_MOVES_MAX) {
    for (const move of plan.moves) {
      moves.push(move);
      for (const { block, epoch } of move.blocks) {
        owners.set(block, { ...owners.get(block)!, node: move.to, epoch: epoch + 1 });
      }
    }
    plan = look();
  }
  const { idle, wanted } = first;
  return { moves, idle, wanted, overloads: plan.overloads, before: first.nodes, after: plan.nodes };
}

/** Hottest first, then by number. */
export function blockRows({ facts, members, blocks, loads }: CellsFacts): BlockRow[] {
  const names = new Map(members.map(({ node, name }) => [node, name]));
  const periodUs = 1e6 / facts.tickHz;
  const told = new Map(
    loads.flatMap((load) => load.blocks.map((share) => [`${load.node} ${share.block}`, share] as const)),
  );
  return blocks
    .map(({ block, node, epoch }) => {
      const share = told.get(`${node} ${block}`);
      return {
        block,
        owner: names.get(node) ?? '',
        epoch,
        share: share && share.costUs / periodUs,
        entities: share?.entities,
        sessions: share?.sessions,
      };
    })
    .sort((one, two) => (two.share ?? -1) - (one.share ?? -1) || one.block - two.block);
}

/**
 * Gives blocks to a node, by hand. The owners must be as they were read.
 * @returns the blocks that were moved, by the name of the node that had them.
 * @throws CellsError
 */
export async function moveBlocks(
  directory: Directory,
  { blocks: wanted, to: name }: { readonly blocks: readonly number[]; readonly to: string },
): Promise<Map<string, number[]>> {
  const { members, blocks } = await readCells(directory);
  const target = targetOf(members, name);
  const byOwner = new Map<number, { block: number; epoch: number }[]>();
  for (const block of wanted) {
    const { node, epoch } = ownerOf(blocks, block);
    if (node === target.node) continue;
    byOwner.set(node, [...(byOwner.get(node) ?? []), { block, epoch }]);
  }
  const moved = new Map<string, number[]>();
  for (const [from, given] of byOwner) {
    const isGiven = await directory.giveBlocks({ from, to: target.node, blocks: given });
    const numbers = given.map(({ block }) => block);
    if (!isGiven) {
      throw new CellsError(
        'ERR_CELLS_CHANGED',
        `blocks ${numbers.join(', ')} changed owner at this moment, or ${name} did its state; look with "worldmesh cells" and try again`,
      );
    }
    moved.set(members.find(({ node }) => node === from)?.name ?? String(from), numbers);
  }
  return moved;
}

function targetOf(members: readonly Member[], name: string): Member {
  const target = members.find((member) => member.name === name);
  if (target?.state === 'active') return target;
  const active = members.filter(({ state }) => state === 'active').map((member) => member.name);
  const others = active.length === 0 ? 'no node is' : `active: ${active.join(', ')}`;
  throw new CellsError(
    'ERR_CELLS_NODE',
    target === undefined
      ? `there is no node "${name}" (${others})`
      : `node ${name} is ${target.state}; only an active node is given cells (${others})`,
  );
}

function ownerOf(blocks: readonly BlockOwner[], block: number): BlockOwner {
  const owner = blocks[block];
  if (owner === undefined) {
    throw new CellsError(
      'ERR_CELLS_BLOCK',
      `there is no block ${block}; this world has blocks 0 to ${blocks.length - 1}`,
    );
  }
  if (owner.node !== 0) return owner;
  throw new CellsError('ERR_CELLS_OWNER', `block ${block} has no owner yet; a node takes it by itself, in a moment`);
}
