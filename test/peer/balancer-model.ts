/** A cluster as the balancer sees it: blocks with a cost that the test sets, nodes that report once a second, and no time but its own. */
import { balance, createBalancer } from '../../src/peer/balancer.core.ts';
import type { BalanceFacts, BalancePlan, BalancerState, BlockMove } from '../../src/peer/balancer.core.ts';
import type { BalanceMode, MemberState } from '../../src/peer/directory.ts';
import type { ReportedLoad } from '../../src/peer/load-values.core.ts';
import { blockGrid } from '../../src/peer/placement.core.ts';
import type { BlockGrid } from '../../src/peer/placement.core.ts';

export const PERIOD_US = 50_000;

export interface ModelNode {
  readonly node: number;
  readonly name: string;
  state: MemberState;
  capacity: number;
}

export interface ModelBlock {
  readonly block: number;
  node: number;
  epoch: number;
  /** Of the tick of a node of capacity 1. */
  share: number;
  entities: number;
  moves: number;
}

export interface Done extends BlockMove {
  readonly atSecond: number;
}

export class BalancerModel {
  readonly nodes: ModelNode[];
  readonly blocks: ModelBlock[];
  readonly grid: BlockGrid;
  readonly done: Done[] = [];
  state: BalancerState;
  mode: BalanceMode = 'on';
  movesPerMinute = 12;
  entitiesMax = 100_000;
  second = 0;
  plan: BalancePlan | undefined;
  /** Multiplies what a block costs in a report. */
  noise: () => number = () => 1;

  constructor(given: {
    readonly width: number;
    readonly depth: number;
    readonly nodes: number;
    readonly owner: (block: number) => number;
    readonly share: (block: number) => number;
    readonly entities?: (block: number) => number;
  }) {
    this.grid = blockGrid({ width: given.width, depth: given.depth, blockCells: 1 });
    this.nodes = Array.from({ length: given.nodes }, (_, index) => newNode(index + 1));
    this.blocks = Array.from({ length: this.grid.blockCount }, (_, block) => ({
      block,
      node: given.owner(block),
      epoch: 1,
      share: given.share(block),
      entities: given.entities?.(block) ?? 10,
      moves: 0,
    }));
    this.state = createBalancer({ blockCount: this.grid.blockCount });
  }

  add(): ModelNode {
    const node = newNode(this.nodes.length + 1);
    this.nodes.push(node);
    return node;
  }

  /** Another node takes the balancing over, and knows nothing. */
  forget(): void {
    this.state = createBalancer({ blockCount: this.grid.blockCount });
  }

  run(seconds: number): Done[] {
    const first = this.done.length;
    for (let count = 0; count < seconds; count++) this.step();
    return this.done.slice(first);
  }

  step(): BalancePlan {
    this.second += 1;
    this.plan = balance(this.state, this.facts());
    if (this.mode === 'dry-run') return this.plan;
    for (const move of this.plan.moves) this.#give(move);
    return this.plan;
  }

  facts(): BalanceFacts {
    return {
      nowMs: this.second * 1000,
      tickPeriodUs: PERIOD_US,
      grid: this.grid,
      mode: this.mode,
      movesPerMinute: this.movesPerMinute,
      members: this.nodes,
      blocks: this.blocks,
      loads: this.nodes.filter(({ state }) => state !== 'gone').map((node) => this.#report(node)),
    };
  }

  /** What it truly carries. */
  shareOf(node: number): number {
    const capacity = this.nodes[node - 1]!.capacity;
    return this.#of(node).reduce((sum, { share }) => sum + share, 0) / capacity;
  }

  countOf(node: number): number {
    return this.#of(node).length;
  }

  get mean(): number {
    const active = this.nodes.filter(({ state }) => state === 'active');
    const capacity = active.reduce((sum, each) => sum + each.capacity, 0);
    return this.blocks.reduce((sum, { share }) => sum + share, 0) / capacity;
  }

  #of(node: number): ModelBlock[] {
    return this.blocks.filter((block) => block.node === node);
  }

  #report({ node, capacity }: ModelNode): ReportedLoad {
    const own = this.#of(node);
    const costUs = ({ share }: ModelBlock): number => (share * this.noise() * PERIOD_US) / capacity;
    const blocks = own.map((block) => ({
      block: block.block,
      costUs: costUs(block),
      entities: block.entities,
      sessions: 0,
    }));
    const totalUs = blocks.reduce((sum, block) => sum + block.costUs, 0);
    const sorted = [...blocks].sort((one, two) => two.costUs - one.costUs);
    const [first] = sorted;
    const rest = sorted.slice(256);
    return {
      node,
      incarnation: node,
      revision: this.second * 100 + node,
      tickP50Us: totalUs,
      tickP99Us: totalUs,
      busyShare: totalUs / PERIOD_US,
      entities: own.reduce((sum, { entities }) => sum + entities, 0),
      entitiesMax: this.entitiesMax,
      sessions: 0,
      sessionsMax: 1000,
      gatewayBytesPerSecond: 0,
      snapshotBytesPerSecond: 0,
      shedLevel: totalUs > PERIOD_US ? 2 : 0,
      hottestCell: first && { cell: first.block, costUs: first.costUs, entities: first.entities, sessions: 0 },
      blocks: sorted.slice(0, 256),
      rest: {
        blocks: rest.length,
        costUs: rest.reduce((sum, block) => sum + block.costUs, 0),
        entities: rest.reduce((sum, { entities }) => sum + entities, 0),
        sessions: 0,
      },
    };
  }

  /** As the directory does it: all or nothing, by epoch. */
  #give(move: BlockMove): void {
    const target = this.nodes[move.to - 1]!;
    const isSame = move.blocks.every(({ block, epoch }) => {
      const found = this.blocks[block]!;
      return found.node === move.from && found.epoch === epoch;
    });
    if (target.state !== 'active' || !isSame) throw new Error(`a move that no directory would do: ${move.text}`);
    for (const { block } of move.blocks) {
      const found = this.blocks[block]!;
      found.node = move.to;
      found.epoch += 1;
      found.moves += 1;
    }
    this.done.push({ ...move, atSecond: this.second });
  }
}

function newNode(node: number): ModelNode {
  return { node, name: String.fromCodePoint(96 + node), state: 'active', capacity: 1 };
}
