/** The prepared statements of the writer, one a kind of row. Parameters are in the order of the columns. */
import type {
  EntityColumns,
  InboxColumns,
  MessageColumns,
  OutboxColumns,
  PublicationColumns,
} from './journal-row.wire.ts';
import type { Database } from './journal-schema.ts';

type Bytes = Uint8Array;

/** Watermarks and last transferSeqs only rise, whatever is written. */
// eslint-disable-next-line typescript/explicit-function-return-type -- the type is what stands here
export function prepareStatements(database: Database) {
  return {
    metaUpdate: database.prepare<[value: unknown, checksum: number, key: string]>(
      'UPDATE meta SET value = ?, checksum = ? WHERE key = ?',
    ),
    entityPut: database.prepare<EntityColumns>(
      'INSERT OR REPLACE INTO entity VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    entityDelete: database.prepare<[id: number]>('DELETE FROM entity WHERE id = ?'),
    outboxPut: database.prepare<OutboxColumns>(
      'INSERT OR REPLACE INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    outboxDelete: database.prepare<[issuer: Bytes, target: Bytes, transferSeq: number]>(
      'DELETE FROM outbox WHERE issuer = ? AND target = ? AND transfer_seq = ?',
    ),
    outboxSupersede: database.prepare<[id: number, seq: number]>('DELETE FROM outbox WHERE id = ? AND seq < ?'),
    inboxPut: database.prepare<InboxColumns>('INSERT OR REPLACE INTO inbox VALUES (?, ?, ?, ?, ?)'),
    inboxCollect: database.prepare<[source: Bytes, value: number]>(
      'DELETE FROM inbox WHERE source = ? AND transfer_seq <= ?',
    ),
    watermarkRaise: database.prepare<[source: Bytes, value: number, checksum: number]>(
      `INSERT INTO watermark VALUES (?, ?, ?) ON CONFLICT(source)
       DO UPDATE SET value = excluded.value, checksum = excluded.checksum WHERE excluded.value > value`,
    ),
    transferSeqRaise: database.prepare<[issuer: Bytes, target: Bytes, last: number, checksum: number]>(
      `INSERT INTO transfer_seq VALUES (?, ?, ?, ?) ON CONFLICT(issuer, target)
       DO UPDATE SET last = excluded.last, checksum = excluded.checksum WHERE excluded.last > last`,
    ),
    importPut: database.prepare<[ledger: Bytes, checksum: number]>('INSERT OR REPLACE INTO import VALUES (?, ?)'),
    importInboxPut: database.prepare<[ledger: Bytes, ...InboxColumns]>(
      'INSERT OR REPLACE INTO import_inbox VALUES (?, ?, ?, ?, ?, ?)',
    ),
    importWatermarkPut: database.prepare<[ledger: Bytes, source: Bytes, value: number, checksum: number]>(
      'INSERT OR REPLACE INTO import_watermark VALUES (?, ?, ?, ?)',
    ),
    importInboxDelete: database.prepare<[ledger: Bytes]>('DELETE FROM import_inbox WHERE ledger = ?'),
    importWatermarkDelete: database.prepare<[ledger: Bytes]>('DELETE FROM import_watermark WHERE ledger = ?'),
    messagePut: database.prepare<MessageColumns>('INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?)'),
    messageDelete: database.prepare<[issuer: Bytes, number: number]>(
      'DELETE FROM message WHERE issuer = ? AND number = ?',
    ),
    publicationPut: database.prepare<PublicationColumns>(
      'INSERT OR REPLACE INTO publication VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    publicationDelete: database.prepare<[entity: number, number: number]>(
      'DELETE FROM publication WHERE entity = ? AND number = ?',
    ),
    tracePut: database.prepare<[number, number, string, number, number, number, Bytes, number]>(
      'INSERT INTO trace VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    traceTrim: database.prepare<[first: number]>('DELETE FROM trace WHERE number < ?'),
    traceRange: database
      .prepare<[], [number | null, number | null]>(
        'SELECT (SELECT min(number) FROM trace), (SELECT max(number) FROM trace)',
      )
      .raw(),
  };
}
