/** `worldmesh cells` on a real directory, whose nodes are the test. */
import path from 'node:path';
import test from 'ava';
import { SqliteDirectory } from '../../../src/peer/directory-sqlite.ts';
import type { Directory } from '../../../src/peer/directory.ts';
import { FACTS, joinActive, joinRequest, nodeLoad } from '../../peer/directory-fixture.ts';
import { temporaryFolder, worldmesh } from '../command-line.ts';

async function cluster(): Promise<{
  directory: Directory;
  url: string;
  cells: (...args: string[]) => ReturnType<typeof worldmesh>;
}> {
  const file = path.join(temporaryFolder(), 'directory.sqlite');
  const directory = await SqliteDirectory.open({ file, facts: FACTS, now: Date.now, random: Math.random });
  const url = `sqlite:${file}`;
  return { directory, url, cells: (...args) => worldmesh(['cells', ...args, '--directory', url]) };
}

/** Node a has all blocks, and block 17 is most of its load; node b has none. */
async function crowded() {
  const made = await cluster();
  const { directory } = made;
  const a = await joinActive(directory, 'a');
  await directory.claimBlocks({ expectNodes: 1 });
  const b = await joinActive(directory, 'b');
  const costUs = (block: number): number => (block === 17 ? 20_000 : 500);
  const blocks = Array.from({ length: 35 }, (_, block) => ({
    block,
    costUs: costUs(block),
    entities: 10,
    sessions: 1,
  }));
  const rest = { blocks: 0, costUs: 0, entities: 0, sessions: 0 };
  await directory.reportLoad({ ...a, load: nodeLoad({ blocks, rest, busyShare: 0.74, tickP99Us: 41_000 }) });
  await directory.reportLoad({ ...b, load: nodeLoad({ blocks: [], rest, busyShare: 0.01 }) });
  return { ...made, a, b };
}

test('cells lists nodes and the hottest blocks, for people and as JSON', async (t) => {
  const { directory, cells } = await crowded();
  const { code, stdout, stderr } = await cells();
  t.is(code, 0, stderr);
  t.regex(stdout, /^harbour {2}35 blocks of 4 × 4 cells; balancing is on, by nobody\n/);
  t.regex(stdout, /\na +active +35 +75 % +4\.1 ms +41\.0 ms +74 % +0 +700 +31 +0\.12 +12 \(0\.9 ms\)\n/);
  t.regex(stdout, /\nblock +owner +epoch +load +entities +players\n +17 +a +1 +40 % +10 +1\n/);
  t.regex(stdout, /and 19 more: --all, --json/);
  const json = JSON.parse((await cells('--json')).stdout) as {
    mode: string;
    nodes: unknown[];
    blocks: { block: number }[];
  };
  t.is(json.mode, 'on');
  t.is(json.nodes.length, 2);
  t.is(json.blocks[0]?.block, 17);
  await directory.close();
});

test('cells plan says what would be moved and why, and moves nothing', async (t) => {
  const { directory, cells } = await crowded();
  const { code, stdout, stderr } = await cells('plan');
  t.is(code, 0, stderr);
  t.regex(
    stdout,
    /^ {2}1\. join {2}a carries 75 % of what a node can, b 0 %, the mean is 38 %: blocks 10, 16, 17, 18, 24 go to b\n/,
  );
  t.regex(stdout, /\n1 move; at 12 a minute about 1 min\n/);
  t.regex(stdout, /Nodes wanted: /);
  const json = JSON.parse((await cells('plan', '--json')).stdout) as {
    moves: { blocks: { block: number }[] }[];
    after: { name: string; share: number }[];
  };
  t.true(
    json.after.every(({ share }) => share < 0.45),
    JSON.stringify(json.after),
  );
  t.deepEqual(
    json.moves.map(({ blocks }) => blocks.map(({ block }) => block)),
    [[17, 10, 24, 16, 18]],
  );
  t.true((await directory.blocks()).every(({ node }) => node === 1));
  await directory.close();
});

test('cells move gives blocks by hand, and says what is in the way', async (t) => {
  const { directory, cells } = await crowded();
  await directory.join(joinRequest('c'));
  const moved = await cells('move', '3,34', 'b');
  t.is(moved.code, 0, moved.stderr);
  t.is(moved.stdout, '3, 34: from a to b; entities follow by handovers\n');
  t.regex(moved.stderr, /"worldmesh cells balance off" leaves them there/);
  t.deepEqual(
    (await directory.blocks()).filter(({ node }) => node === 2).map(({ block, epoch }) => [block, epoch]),
    [
      [3, 2],
      [34, 2],
    ],
  );
  t.is((await cells('move', '3', 'b')).stdout, 'b has it already\n');
  t.deepEqual(JSON.parse((await cells('move', '3', 'a', '--json')).stdout), { to: 'a', moved: { b: [3] }, mode: 'on' });
  const refusals: readonly (readonly [string, string, number, RegExp])[] = [
    ['35', 'b', 1, /there is no block 35; this world has blocks 0 to 34 \[ERR_CELLS_BLOCK\]/],
    ['3', 'd', 1, /there is no node "d" \(active: a, b\) \[ERR_CELLS_NODE\]/],
    ['3', 'c', 1, /node c is joining; only an active node is given cells \(active: a, b\) \[ERR_CELLS_NODE\]/],
    ['3-4', 'b', 2, /Write numbers of blocks with commas between them/],
  ];
  for (const [blocks, node, code, says] of refusals) {
    const refused = await cells('move', blocks, node);
    t.is(refused.code, code);
    t.regex(refused.stderr, says);
    t.is(refused.stdout, '');
  }
  await directory.close();
});

test('cells balance shows and sets the mode', async (t) => {
  const { directory, cells } = await crowded();
  t.is((await cells('balance')).stdout, 'balancing is on, by nobody\n');
  t.is((await cells('balance', 'dry-run')).stdout, 'balancing is dry-run, by nobody\n');
  t.deepEqual(
    (await directory.settings()).map(({ key, value }) => [key, value]),
    [['balance', 'dry-run']],
  );
  t.regex((await cells('plan')).stdout, /Balancing is dry-run: nothing of it is done/);
  const wrong = await cells('balance', 'maybe');
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /One of on, gather, dry-run, off/);
  await directory.close();
});

test('a block that nobody owns is not moved, and a directory that is not there is said', async (t) => {
  const { directory, cells } = await cluster();
  await joinActive(directory, 'a');
  const refused = await cells('move', '0', 'a');
  t.is(refused.code, 1);
  t.regex(refused.stderr, /block 0 has no owner yet.* \[ERR_CELLS_OWNER\]/);
  t.is((await cells()).code, 0);
  await directory.close();
  const missing = await worldmesh(['cells', '--directory', 'sqlite:nowhere/directory.sqlite']);
  t.is(missing.code, 1);
  t.regex(missing.stderr, /ERR_DIRECTORY_MISSING/);
});
