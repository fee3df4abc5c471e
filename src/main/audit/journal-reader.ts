/**
 * One journal as it is at one moment, read by its documented tables (docs/JOURNAL.md) and without the journal's code.
 * Records are looked at by `readFrame` only.
 */
import { AuditError } from './audit-error.ts';
import type { HistoryRow, JournalHistory, JournalView, MessageMark, OwnedRow, TransitRow } from './evidence.ts';
import { shortLedger } from './finding.ts';
import { readFrame } from './record-frame.ts';
import { hasTable, readFile, rowsOf } from './sqlite-file.ts';
import type { Database } from './sqlite-file.ts';
import type { Standing, TraceSubject } from './timeline.ts';

/** Rows of one history that are kept in memory; a journal drops its oldest long before. */
const HISTORY_ROWS_MAX = 2_000_000;
const MARK_BYTES = 24;

export interface JournalPlace {
  readonly name: string;
  readonly folder: string;
  readonly file: string;
}

/** @throws AuditError ERR_AUDIT_JOURNAL */
export function readJournal(place: JournalPlace): JournalView {
  return reading(place, (database) => journalView(place, database));
}

/** @throws AuditError ERR_AUDIT_JOURNAL */
export function readHistory(place: JournalPlace): JournalHistory {
  return reading(place, (database) => {
    const rows = rowsOf<StoredHistory>(
      database,
      'SELECT number, at_ms, stage, id, seq, session, hex(peer) AS peer, transfer_seq FROM trace ORDER BY number LIMIT ?',
      HISTORY_ROWS_MAX,
    ).map(historyRow);
    return { name: place.name, ledger: ledgerOf(database), isWhole: (rows[0]?.number ?? 1) <= 1, rows };
  });
}

/** History of one entity, session or transfer. @throws AuditError ERR_AUDIT_JOURNAL */
export function readHistoryWhere(
  place: JournalPlace,
  { where, values }: { where: string; values: readonly unknown[] },
): JournalHistory {
  return reading(place, (database) => {
    const rows = rowsOf<StoredHistory>(
      database,
      `SELECT number, at_ms, stage, id, seq, session, hex(peer) AS peer, transfer_seq FROM trace WHERE ${where} ORDER BY number LIMIT ?`,
      ...values,
      HISTORY_ROWS_MAX,
    ).map(historyRow);
    const first = rowsOf<{ first: number | null }>(database, 'SELECT min(number) AS first FROM trace')[0]?.first ?? 1;
    return { name: place.name, ledger: ledgerOf(database), isWhole: first <= 1, rows };
  });
}

function reading<Value>(place: JournalPlace, read: (database: Database) => Value): Value {
  try {
    return readFile(place.file, read);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AuditError('ERR_AUDIT_JOURNAL', `the journal ${place.file} cannot be read: ${reason}`, { cause });
  }
}

interface StoredHistory extends Omit<HistoryRow, 'atMs' | 'transferSeq'> {
  readonly at_ms: number;
  readonly transfer_seq: number;
}

function historyRow({ at_ms: atMs, transfer_seq: transferSeq, ...row }: StoredHistory): HistoryRow {
  return { ...row, atMs, transferSeq, peer: row.peer.toLowerCase() };
}

function journalView({ name, folder }: JournalPlace, database: Database): JournalView {
  const corrupt: { table: string; id: number; reason: string }[] = [];
  const meta = readMeta(database);
  return {
    name,
    folder,
    ledger: ledgerOf(database),
    incarnation: Number(meta.get('incarnation') ?? 0),
    isTaken: meta.has('taken_by'),
    messageNumber: Number(meta.get('message_number') ?? 0),
    entities: new Map(readEntities(database, corrupt).map((row) => [row.id, row])),
    outbox: readOutbox(database, corrupt),
    inbox: rowsOf<{ source: string; transfer_seq: number; id: number; seq: number }>(
      database,
      'SELECT lower(hex(source)) AS source, transfer_seq, id, seq FROM inbox',
    ).map(({ transfer_seq: transferSeq, ...row }) => ({ ...row, transferSeq })),
    watermarks: new Map(
      rowsOf<{ source: string; value: number }>(
        database,
        'SELECT lower(hex(source)) AS source, value FROM watermark',
      ).map(({ source, value }) => [source, value]),
    ),
    imports: rowsOf<{ ledger: string }>(database, 'SELECT lower(hex(ledger)) AS ledger FROM import').map(
      ({ ledger }) => ledger,
    ),
    messages: rowsOf<{ issuer: string; number: number; entity: number }>(
      database,
      'SELECT lower(hex(issuer)) AS issuer, number, entity FROM message',
    ),
    transferSeqs: rowsOf<{ issuer: string; target: string; last: number }>(
      database,
      'SELECT lower(hex(issuer)) AS issuer, lower(hex(target)) AS target, last FROM transfer_seq',
    ),
    quarantined: quarantined(database),
    corrupt,
  };
}

/** Entities and copies in transit that a recovery could not read and moved aside; ids as far as they can be told. */
function quarantined(database: Database): number[] {
  const tables = ['quarantine_entity', 'quarantine_outbox'].filter((table) => hasTable(database, table));
  return tables.flatMap((table) =>
    rowsOf<{ id: unknown }>(database, `SELECT id FROM ${table}`).map(({ id }) => (typeof id === 'number' ? id : 0)),
  );
}

function readMeta(database: Database): Map<string, unknown> {
  const rows = rowsOf<{ key: string; value: unknown }>(database, 'SELECT key, value FROM meta');
  return new Map(rows.map(({ key, value }) => [key, value]));
}

function ledgerOf(database: Database): string {
  const value = readMeta(database).get('ledger');
  return Buffer.isBuffer(value) ? value.toString('hex') : String(value ?? '').toLowerCase();
}

interface StoredCopy {
  readonly id: number;
  readonly seq: number;
  readonly record: Buffer;
  readonly last_input: number;
  readonly session: number;
}

type Corrupt = { table: string; id: number; reason: string }[];

function readEntities(database: Database, corrupt: Corrupt): OwnedRow[] {
  const rows = database
    .prepare<[], StoredCopy & { account: string; marks: Buffer; at_rest: number }>(
      'SELECT id, seq, record, last_input, session, account, marks, at_rest FROM entity',
    )
    .iterate();
  const entities: OwnedRow[] = [];
  for (const row of rows) {
    const { account, at_rest: atRest, marks } = row;
    entities.push({ ...copyOf('entity', row, corrupt), account, atRest: atRest !== 0, marks: marksOf(marks) });
  }
  return entities;
}

function readOutbox(database: Database, corrupt: Corrupt): TransitRow[] {
  const rows = database
    .prepare<[], StoredCopy & { issuer: string; target: string; transfer_seq: number }>(
      `SELECT lower(hex(issuer)) AS issuer, lower(hex(target)) AS target, transfer_seq, id, seq, record, last_input, session
       FROM outbox`,
    )
    .iterate();
  const outbox: TransitRow[] = [];
  for (const row of rows) {
    const { issuer, target, transfer_seq: transferSeq } = row;
    outbox.push({ ...copyOf('outbox', row, corrupt), issuer, target, transferSeq });
  }
  return outbox;
}

/** What every table of copies has; a record that is none takes the row's word for its id. */
function copyOf(
  table: string,
  { id, seq, record, last_input: lastInput, session }: StoredCopy,
  corrupt: Corrupt,
): Pick<OwnedRow, 'id' | 'seq' | 'recordId' | 'recordSeq' | 'lastInput' | 'session'> {
  const frame = readFrame(record);
  if (!frame.ok) corrupt.push({ table, id, reason: frame.reason });
  return {
    id,
    seq,
    recordId: frame.ok ? frame.id : id,
    recordSeq: frame.ok ? frame.seq : seq,
    lastInput,
    session,
  };
}

/** Ledger (16 bytes) and number (u64, little-endian), one after the other. */
function marksOf(bytes: Buffer): MessageMark[] {
  const marks: MessageMark[] = [];
  for (let at = 0; at + MARK_BYTES <= bytes.length; at += MARK_BYTES) {
    marks.push({ sender: bytes.toString('hex', at, at + 16), number: Number(bytes.readBigUInt64LE(at + 16)) });
  }
  return marks;
}

/** Rows of a journal that tell of a subject, as they stand now. @throws AuditError ERR_AUDIT_JOURNAL */
export function readStanding(place: JournalPlace, subject: TraceSubject): Standing[] {
  return reading(place, (database) => {
    const { column, value } =
      subject.kind === 'transfer'
        ? { column: 'transfer_seq', value: subject.transferSeq }
        : { column: subject.kind === 'entity' ? 'id' : 'session', value: subject.id };
    const isOfSubject = (source: string, target: string): boolean =>
      subject.kind !== 'transfer' || (source.startsWith(subject.source) && target.startsWith(subject.target));
    const node = place.name;
    const ledger = ledgerOf(database);
    const found: Standing[] = [];
    if (subject.kind !== 'transfer') {
      const rows = rowsOf<{ id: number; seq: number; session: number; last_input: number; at_rest: number }>(
        database,
        `SELECT id, seq, session, last_input, at_rest FROM entity WHERE ${column} = ?`,
        value,
      );
      for (const { id, seq, session, last_input: lastInput, at_rest: atRest } of rows) {
        const text = `${atRest === 0 ? 'owned' : 'at rest'}, last input ${lastInput}`;
        found.push({ node, table: 'entity', entity: id, seq, session, text });
      }
    }
    const sent = rowsOf<{
      issuer: string;
      target: string;
      transfer_seq: number;
      id: number;
      seq: number;
      session: number;
    }>(
      database,
      `SELECT lower(hex(issuer)) AS issuer, lower(hex(target)) AS target, transfer_seq, id, seq, session FROM outbox WHERE ${column} = ?`,
      value,
    );
    for (const { issuer, target, transfer_seq: transferSeq, id, seq, session } of sent) {
      if (!isOfSubject(issuer, target)) continue;
      const text = `in transit, transfer ${shortLedger(issuer)}>${shortLedger(target)}:${transferSeq}`;
      found.push({ node, table: 'outbox', entity: id, seq, session, text });
    }
    if (subject.kind === 'session') return found;
    const taken = rowsOf<{ source: string; transfer_seq: number; id: number; seq: number }>(
      database,
      `SELECT lower(hex(source)) AS source, transfer_seq, id, seq FROM inbox WHERE ${column} = ?`,
      value,
    );
    for (const { source, transfer_seq: transferSeq, id, seq } of taken) {
      if (!isOfSubject(source, ledger)) continue;
      const text = `taken, transfer ${shortLedger(source)}>${shortLedger(ledger)}:${transferSeq} not collected yet`;
      found.push({ node, table: 'inbox', entity: id, seq, session: 0, text });
    }
    return found;
  });
}
