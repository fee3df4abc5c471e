import test from 'ava';
import { entityIdFrom } from '../../src/base/brand.ts';
import { PeerLog, PEER_LOG_KIND, PEER_LOG_ROWS } from '../../src/memory/peer-log.ts';
import type { PeerLogKind, PeerLogRow } from '../../src/memory/peer-log.ts';

function makeLog(): PeerLog {
  return new PeerLog(new SharedArrayBuffer(64 + PeerLog.sizeBytes()), 64);
}

test('rows come out as they were written, each once', (t) => {
  const log = makeLog();
  const id = entityIdFrom(2 ** 21 - 1, 2 ** 32 - 1);
  const kinds = Object.keys(PEER_LOG_KIND) as PeerLogKind[];
  for (const kind of kinds) log.write(kind, id, 63);
  const rows: PeerLogRow[] = [];
  const cursor = log.readSince(0, (row) => rows.push(row));
  t.deepEqual(
    rows,
    kinds.map((kind) => ({ kind, node: 63, id })),
  );
  t.is(cursor, 4);
  t.is(
    log.readSince(cursor, () => t.fail('nothing is new')),
    4,
  );
});

test('a reader that fell behind skips ahead', (t) => {
  const log = makeLog();
  for (let count = 1; count <= PEER_LOG_ROWS + 7; count++) log.write('arrived', count, 1);
  const ids: number[] = [];
  log.readSince(0, ({ id }) => ids.push(id));
  t.is(ids.length, PEER_LOG_ROWS);
  t.deepEqual([ids[0], ids.at(-1)], [8, PEER_LOG_ROWS + 7]);
});
