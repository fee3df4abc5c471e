/**
 * A file of a running process that is read only: looks at it as it is at the moment, and a snapshot of it that stays.
 *
 * A read transaction of SQLite in WAL mode sees the file as it was when it began, whatever is committed meanwhile. `copySnapshot` uses
 * SQLite's online backup *on the connection that holds it*: the copy is then made inside of that transaction, while a connection without
 * one would begin a new transaction at each step, and copy what came in between as well.
 */
import { existsSync } from 'node:fs';
import SqliteDatabase from 'better-sqlite3';
import type { Database } from 'better-sqlite3';
import { BackupError, reasonOf } from './backup-error.ts';
import type { JournalLook, SnapshotLook } from './moment.core.ts';

/** A writer holds the lock for no longer than one commit. */
const BUSY_MS_MAX = 5000;
const MARK_BYTES = 24;
/** 4 MiB at a time; in between the process hears signals. */
const PAGES_PER_STEP = 1024;

export interface JournalPlace {
  /** Of the node. */
  readonly name: string;
  readonly file: string;
}

/** @throws BackupError ERR_BACKUP_JOURNAL, or `code`. */
export function openReadOnly(
  file: string,
  code: 'ERR_BACKUP_JOURNAL' | 'ERR_BACKUP_DIRECTORY' = 'ERR_BACKUP_JOURNAL',
): Database {
  if (!existsSync(file)) throw new BackupError(code, `${file} does not exist`);
  try {
    const database = new SqliteDatabase(file, { readonly: true, fileMustExist: true, timeout: BUSY_MS_MAX });
    database.pragma('query_only = ON');
    return database;
  } catch (cause) {
    throw new BackupError(code, `${file} cannot be read: ${reasonOf(cause)}`, { cause });
  }
}

/** Begins a read transaction that stays open: the snapshot is of this moment, and not of the first query. */
export function beginSnapshot(database: Database): void {
  database.exec('BEGIN');
  // BEGIN alone begins nothing.
  database.prepare('SELECT count(*) FROM sqlite_schema').get();
}

/** The file as it is now; inside a snapshot, as it was then. @throws BackupError ERR_BACKUP_JOURNAL */
export function lookAt(database: Database, place: JournalPlace): JournalLook {
  try {
    if (database.inTransaction) return look(database, place);
    return database.transaction(() => look(database, place))();
  } catch (cause) {
    throw unread(place.file, cause);
  }
}

/** @throws BackupError ERR_BACKUP_JOURNAL */
export function lookClosely(database: Database, place: JournalPlace): SnapshotLook {
  const marks = new Map<number, ReadonlyMap<string, number>>();
  try {
    const rows = database.prepare<[], { id: number; marks: Buffer }>(
      'SELECT id, marks FROM entity WHERE length(marks) > 0',
    );
    for (const row of rows.iterate()) marks.set(row.id, marksOf(row.marks));
  } catch (cause) {
    throw unread(place.file, cause);
  }
  return { ...lookAt(database, place), marks };
}

/**
 * Copies what the connection sees in its snapshot into a new file, which has no WAL and needs none.
 * @throws BackupError ERR_BACKUP_COPY, ERR_BACKUP_STOPPED.
 */
export async function copySnapshot(database: Database, target: string, signal: AbortSignal): Promise<void> {
  if (!database.inTransaction) throw new BackupError('ERR_BACKUP_COPY', `${database.name} has no snapshot to copy`);
  try {
    await database.backup(target, {
      progress() {
        signal.throwIfAborted();
        return PAGES_PER_STEP;
      },
    });
    const copy = new SqliteDatabase(target, { fileMustExist: true });
    try {
      copy.pragma('journal_mode = DELETE');
      const answers = copy.pragma('quick_check(1)', { simple: true });
      if (answers !== 'ok') throw new Error(String(answers));
    } finally {
      copy.close();
    }
  } catch (cause) {
    if (signal.aborted) throw new BackupError('ERR_BACKUP_STOPPED', 'the backup was stopped', { cause });
    throw new BackupError('ERR_BACKUP_COPY', `${database.name} cannot be copied to ${target}: ${reasonOf(cause)}`, {
      cause,
    });
  }
}

function look(database: Database, { name, file }: JournalPlace): JournalLook {
  const meta = metaOf(database);
  return {
    name,
    file,
    ledger: ledgerText(meta.get('ledger')),
    incarnation: Number(meta.get('incarnation') ?? 0),
    isTaken: meta.has('taken_by'),
    messageNumber: Number(meta.get('message_number') ?? 0),
    outbox: database
      .prepare<[], string>(
        "SELECT lower(hex(issuer)) || '>' || lower(hex(target)) || ':' || transfer_seq FROM outbox ORDER BY 1",
      )
      .pluck()
      .all(),
    transferSeqs: new Map(
      database
        .prepare<[], [string, number]>("SELECT lower(hex(issuer)) || '>' || lower(hex(target)), last FROM transfer_seq")
        .raw()
        .all(),
    ),
    messages: new Map(
      database
        .prepare<[], [string, number]>("SELECT lower(hex(issuer)) || ':' || number, entity FROM message")
        .raw()
        .all(),
    ),
    imports: database.prepare<[], string>('SELECT lower(hex(ledger)) FROM import ORDER BY 1').pluck().all(),
  };
}

export function metaOf(database: Database): Map<string, unknown> {
  return new Map(database.prepare<[], [string, unknown]>('SELECT key, value FROM meta').raw().all());
}

export function ledgerText(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : '';
}

/** Ledger (16 bytes) and number (u64, little-endian), one after the other (docs/JOURNAL.md). */
function marksOf(bytes: Buffer): ReadonlyMap<string, number> {
  const marks = new Map<string, number>();
  for (let at = 0; at + MARK_BYTES <= bytes.length; at += MARK_BYTES) {
    marks.set(bytes.toString('hex', at, at + 16), Number(bytes.readBigUInt64LE(at + 16)));
  }
  return marks;
}

function unread(file: string, cause: unknown): BackupError {
  return new BackupError('ERR_BACKUP_JOURNAL', `the journal ${file} cannot be read: ${reasonOf(cause)}`, { cause });
}
