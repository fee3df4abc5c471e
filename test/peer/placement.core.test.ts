import test from 'ava';
import { blockGrid, blockOfCell, cellsOfBlock, placeBlocks, planGifts } from '../../src/peer/placement.core.ts';
import type { PlacementNode } from '../../src/peer/placement.core.ts';

const BLOCKS = Array.from({ length: 10_000 }, (_, block) => block);

function nodes(...capacities: number[]): PlacementNode[] {
  return capacities.map((capacity, index) => ({
    node: index + 1,
    name: String.fromCodePoint(97 + index),
    capacity,
  }));
}

function shares(owners: readonly number[], count: number): number[] {
  return Array.from(
    { length: count },
    (_, index) => owners.filter((owner) => owner === index + 1).length / owners.length,
  );
}

test('equal nodes get equal shares', (t) => {
  for (const count of [2, 3, 7, 63]) {
    const owners = placeBlocks(BLOCKS, nodes(...Array.from({ length: count }, () => 1)));
    // Five standard deviations of a fair draw.
    const slack = 5 * Math.sqrt((1 / count) * (1 - 1 / count) * (1 / BLOCKS.length));
    for (const share of shares(owners, count)) t.true(Math.abs(share - 1 / count) < slack, `${count}: ${share}`);
  }
});

test('shares follow capacity', (t) => {
  const [a, b, c] = shares(placeBlocks(BLOCKS, nodes(1, 2, 5)), 3);
  t.true(Math.abs(a! - 1 / 8) < 0.02 && Math.abs(b! - 2 / 8) < 0.02 && Math.abs(c! - 5 / 8) < 0.025, `${a} ${b} ${c}`);
});

test('a gateway owns nothing, and without others nobody does', (t) => {
  t.deepEqual(placeBlocks(BLOCKS, nodes(1, 2, 0)), placeBlocks(BLOCKS, nodes(1, 2)));
  t.deepEqual([...new Set(placeBlocks(BLOCKS, nodes(0, 0)))], [0]);
});

test('who joins only takes, who goes only gives', (t) => {
  const before = placeBlocks(BLOCKS, nodes(1, 1, 1));
  const after = placeBlocks(BLOCKS, nodes(1, 1, 1, 1));
  const moved = BLOCKS.filter((block) => before[block] !== after[block]);
  t.true(moved.every((block) => after[block] === 4));
  t.true(Math.abs(moved.length / BLOCKS.length - 1 / 4) < 0.025);
  // The other way round.
  const left = placeBlocks(
    BLOCKS,
    nodes(1, 1, 1, 1).filter(({ node }) => node !== 2),
  );
  t.true(BLOCKS.every((block) => after[block] === 2 || left[block] === after[block]));
  t.deepEqual([...new Set(left)].sort(), [1, 3, 4]);
});

test('a node that grows only takes', (t) => {
  const before = placeBlocks(BLOCKS, nodes(1, 1, 1));
  const after = placeBlocks(BLOCKS, nodes(1, 2, 1));
  t.true(BLOCKS.every((block) => before[block] === after[block] || after[block] === 2));
});

test('the order of nodes does not matter, nor their numbers', (t) => {
  const three = nodes(1, 2, 3);
  const owners = placeBlocks(BLOCKS, three);
  t.deepEqual(placeBlocks(BLOCKS, three.toReversed()), owners);
  const renumbered = placeBlocks(
    BLOCKS,
    three.map((node) => ({ ...node, node: node.node + 40 })),
  );
  t.deepEqual(
    renumbered.map((node) => node - 40),
    owners,
  );
});

test('no node, no owner; one node owns all', (t) => {
  t.deepEqual(placeBlocks([1, 2], []), [0, 0]);
  t.deepEqual(placeBlocks([1, 2], nodes(0.5)), [1, 1]);
});

test('gifts are what rendezvous gives to others', (t) => {
  const owned = placeBlocks(BLOCKS, nodes(1, 1)).flatMap((owner, block) => (owner === 1 ? [block] : []));
  t.is(planGifts({ from: 1, owned, nodes: nodes(1, 1) }).size, 0);
  const gifts = planGifts({ from: 1, owned, nodes: nodes(1, 1, 1) });
  t.deepEqual([...gifts.keys()], [3]);
  t.true(Math.abs(gifts.get(3)!.length / owned.length - 1 / 3) < 0.04);
  // Who drains gives everything.
  const all = planGifts({ from: 1, owned, nodes: nodes(1, 1, 1).slice(1) });
  t.is([...all.values()].flat().length, owned.length);
});

test('the same names get the same blocks in every release', (t) => {
  t.deepEqual(placeBlocks(BLOCKS.slice(0, 16), nodes(1, 1, 1)), [1, 1, 3, 2, 2, 3, 2, 3, 3, 1, 1, 1, 2, 1, 2, 1]);
});

test('blocks cover a grid that is not square, cut at its upper edges', (t) => {
  const grid = blockGrid({ width: 7, depth: 5, blockCells: 3 });
  t.deepEqual([grid.blocksWide, grid.blocksDeep, grid.blockCount], [3, 2, 6]);
  t.deepEqual(cellsOfBlock(grid, 0), [0, 1, 2, 7, 8, 9, 14, 15, 16]);
  t.deepEqual(cellsOfBlock(grid, 5), [27, 34]);
  const seen = new Set<number>();
  for (let block = 0; block < grid.blockCount; block++) {
    for (const cell of cellsOfBlock(grid, block)) {
      t.is(blockOfCell(grid, cell), block);
      seen.add(cell);
    }
  }
  t.is(seen.size, 35);
});
