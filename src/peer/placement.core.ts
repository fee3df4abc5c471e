/**
 * Which node owns which block of cells: weighted rendezvous hashing. Every node draws a number for every block from the hash
 * of both, and the best draw wins. So all who know the same members agree without talking; a node that joins only takes, and
 * a node that goes only gives.
 *
 *   score(node, block) = -capacity / ln(u),  u = hash(name, block) in (0, 1)
 *
 * With it a node wins a block with a chance of its capacity over the sum of all (Schindelhauer and Schomaker, "Weighted
 * distributed hash tables", SPAA 2005). Names are hashed and not numbers: a cluster that is started anew looks the same.
 *
 * A node of capacity 0 owns nothing: it is a gateway only.
 *
 * A block is blockCells × blockCells cells, counted from the grid's lower corner; those at the upper edges may be cut.
 */
import { assert } from '../base/assert.ts';
import { mixSeed } from '../base/random.ts';
import { hashText } from '../base/schema.ts';
import type { NodeNumber } from './protocol.ts';

export interface PlacementNode {
  readonly node: NodeNumber;
  readonly name: string;
  /** 0 and above. */
  readonly capacity: number;
}

/** The blocks of a grid of `width` × `depth` cells. */
export interface BlockGrid {
  /** In cells. */
  readonly width: number;
  readonly depth: number;
  readonly blockCells: number;
  /** In blocks. */
  readonly blocksWide: number;
  readonly blocksDeep: number;
  readonly blockCount: number;
}

export function blockGrid({ width, depth, blockCells }: Pick<BlockGrid, 'width' | 'depth' | 'blockCells'>): BlockGrid {
  assert(width > 0 && depth > 0 && blockCells > 0, 'a grid has cells, and a block too');
  const blocksWide = Math.ceil(width / blockCells);
  const blocksDeep = Math.ceil(depth / blockCells);
  return { width, depth, blockCells, blocksWide, blocksDeep, blockCount: blocksWide * blocksDeep };
}

export function blockOfCell({ width, blockCells, blocksWide }: BlockGrid, cell: number): number {
  const column = Math.floor((cell % width) / blockCells);
  const row = Math.floor(Math.floor(cell / width) / blockCells);
  return row * blocksWide + column;
}

/** In the order of the cells. */
export function cellsOfBlock({ width, depth, blockCells, blocksWide }: BlockGrid, block: number): number[] {
  const firstColumn = (block % blocksWide) * blockCells;
  const firstRow = Math.floor(block / blocksWide) * blockCells;
  const cells: number[] = [];
  for (let row = firstRow; row < Math.min(depth, firstRow + blockCells); row++) {
    for (let column = firstColumn; column < Math.min(width, firstColumn + blockCells); column++) {
      cells.push(row * width + column);
    }
  }
  return cells;
}

/** The owner of each block, 0 when no node has any capacity. The order of the nodes does not matter. */
export function placeBlocks(blocks: readonly number[], nodes: readonly PlacementNode[]): NodeNumber[] {
  const seeds = nodes.map(({ name }) => hashText(name));
  return blocks.map((block) => {
    let best: PlacementNode | undefined;
    let bestScore = -1;
    for (const [index, node] of nodes.entries()) {
      if (node.capacity === 0) continue;
      const score = scoreOf(seeds[index] ?? 0, block, node.capacity);
      // Equal draws are settled by name, so that order does not matter.
      if (score < bestScore || (score === bestScore && best && best.name <= node.name)) continue;
      best = node;
      bestScore = score;
    }
    return best?.node ?? 0;
  });
}

/** Of the blocks that `from` owns, those which rendezvous gives to another node, by that node. */
export function planGifts({
  from,
  owned,
  nodes,
}: {
  readonly from: NodeNumber;
  readonly owned: readonly number[];
  /** All active nodes, `from` among them unless it drains. */
  readonly nodes: readonly PlacementNode[];
}): Map<NodeNumber, number[]> {
  const gifts = new Map<NodeNumber, number[]>();
  for (const [index, node] of placeBlocks(owned, nodes).entries()) {
    const block = owned[index];
    if (node === 0 || node === from || block === undefined) continue;
    const blocks = gifts.get(node);
    if (blocks) blocks.push(block);
    else gifts.set(node, [block]);
  }
  return gifts;
}

function scoreOf(seed: number, block: number, capacity: number): number {
  const high = mixSeed(seed, block, 1);
  const low = mixSeed(seed, block, 2);
  // 52 bits and a half: never 0 and never 1.
  const draw = ((high >>> 6) * 0x400_0000 + (low >>> 6) + 0.5) / 0x10_0000_0000_0000;
  return -capacity / Math.log(draw);
}
