/** Blocks of cells in the tables of the embedded directory. Each function runs inside one immediate transaction. */
import type { BlockOwner } from './directory.ts';
import { liveLease } from './directory-leases.ts';
import { nextRevision, prepared } from './directory-tables.ts';
import type { Database } from './directory-tables.ts';
import { placeBlocks } from './placement.core.ts';
import type { PlacementNode } from './placement.core.ts';
import type { NodeNumber } from './protocol.ts';

interface BlockRow {
  readonly block: number;
  readonly node: number;
  readonly epoch: number;
  readonly is_populated: number;
}

export function makeBlocks(database: Database, count: number): void {
  const insert = prepared(database, 'INSERT INTO block (block) VALUES (?)');
  for (let block = 0; block < count; block++) insert.run(block);
}

export function blocks(database: Database): BlockOwner[] {
  const rows = prepared<[], BlockRow>(database, 'SELECT * FROM block ORDER BY block').all();
  return rows.map(({ block, node, epoch, is_populated: populated }) => ({
    block,
    node,
    epoch,
    isPopulated: populated === 1,
  }));
}

export function claimBlocks(
  database: Database,
  { expectNodes }: { readonly expectNodes: number },
): { placed: number; active: number } {
  const nodes = prepared<[], PlacementNode>(
    database,
    "SELECT lease.node, name, capacity FROM lease JOIN node USING (node) WHERE state = 'active' ORDER BY lease.node",
  ).all();
  const free = prepared<[], { block: number }>(database, 'SELECT block FROM block WHERE node = 0 ORDER BY block').all();
  if (free.length === 0 || nodes.length === 0 || nodes.length < expectNodes) return { placed: 0, active: nodes.length };
  nextRevision(database, ['blocks']);
  const owners = placeBlocks(
    free.map(({ block }) => block),
    nodes,
  );
  const update = prepared(database, 'UPDATE block SET node = ?, epoch = epoch + 1 WHERE block = ?');
  for (const [index, { block }] of free.entries()) update.run(owners[index], block);
  return { placed: free.length, active: nodes.length };
}

export function giveBlocks(
  database: Database,
  request: {
    readonly from: NodeNumber;
    readonly to: NodeNumber;
    readonly blocks: readonly { readonly block: number; readonly epoch: number }[];
  },
): boolean {
  if (liveLease(database, request.to)?.state !== 'active') return false;
  const find = prepared<[number], BlockRow>(database, 'SELECT * FROM block WHERE block = ?');
  const isSame = request.blocks.every(({ block, epoch }) => {
    const row = find.get(block);
    return row?.node === request.from && row.epoch === epoch;
  });
  if (!isSame || request.blocks.length === 0) return false;
  nextRevision(database, ['blocks']);
  const update = prepared(database, 'UPDATE block SET node = ?, epoch = ? WHERE block = ?');
  for (const { block, epoch } of request.blocks) update.run(request.to, epoch + 1, block);
  return true;
}

export function markPopulated(
  database: Database,
  { node, blocks: numbers }: { readonly node: NodeNumber; readonly blocks: readonly number[] },
): number[] {
  const update = prepared(
    database,
    'UPDATE block SET is_populated = 1 WHERE block = ? AND node = ? AND is_populated = 0',
  );
  const marked = numbers.filter((block) => update.run(block, node).changes === 1);
  if (marked.length > 0) nextRevision(database, ['blocks']);
  return marked;
}
