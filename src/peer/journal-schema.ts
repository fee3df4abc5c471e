/**
 * The tables of a journal file, and how older files come to have them. docs/JOURNAL.md explains each column.
 *
 * Invariant: a file has exactly the tables of its version, or it is refused: no view, trigger or column of somebody else's.
 * Invariant: each migration is one transaction, together with the version that it leads to.
 */
import Database from 'better-sqlite3';
import { CORRUPT_ADVICE, JournalError, journalErrorFrom } from './journal-error.ts';

export type { Database } from 'better-sqlite3';

/** "WMJL", so that `file` and others can tell a journal from any other SQLite file. */
export const APPLICATION_ID = 0x574d_4a4c;
/** Milliseconds that a connection waits for another program's write lock. Nobody else should have one. */
export const BUSY_TIMEOUT_MS = 5000;
/** What is left of the WAL file on disk when it starts again at its beginning. */
export const WAL_KEPT_BYTES = 32 * 2 ** 20;

const TABLES_1 = `
CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY NOT NULL, checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE entity(
  id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, record BLOB NOT NULL, last_input INTEGER NOT NULL,
  gateway INTEGER NOT NULL, session INTEGER NOT NULL, account TEXT NOT NULL, marks BLOB NOT NULL,
  at_rest INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT;
CREATE TABLE outbox(
  issuer BLOB NOT NULL, target BLOB NOT NULL, transfer_seq INTEGER NOT NULL, target_node INTEGER NOT NULL,
  target_cell INTEGER NOT NULL, id INTEGER NOT NULL, seq INTEGER NOT NULL, record BLOB NOT NULL,
  last_input INTEGER NOT NULL, gateway INTEGER NOT NULL, session INTEGER NOT NULL, account TEXT NOT NULL,
  marks BLOB NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY(issuer, target, transfer_seq)) STRICT;
CREATE INDEX outbox_by_id ON outbox(id);
CREATE TABLE inbox(
  source BLOB NOT NULL, transfer_seq INTEGER NOT NULL, id INTEGER NOT NULL, seq INTEGER NOT NULL,
  checksum INTEGER NOT NULL, PRIMARY KEY(source, transfer_seq)) STRICT, WITHOUT ROWID;
CREATE TABLE watermark(
  source BLOB PRIMARY KEY, value INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE import(ledger BLOB PRIMARY KEY, checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE import_inbox(
  ledger BLOB NOT NULL, source BLOB NOT NULL, transfer_seq INTEGER NOT NULL, id INTEGER NOT NULL,
  seq INTEGER NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY(ledger, source, transfer_seq)) STRICT, WITHOUT ROWID;
CREATE TABLE import_watermark(
  ledger BLOB NOT NULL, source BLOB NOT NULL, value INTEGER NOT NULL, checksum INTEGER NOT NULL,
  PRIMARY KEY(ledger, source)) STRICT, WITHOUT ROWID;
CREATE TABLE message(
  issuer BLOB NOT NULL, number INTEGER NOT NULL, entity INTEGER NOT NULL, event INTEGER NOT NULL,
  payload BLOB NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY(issuer, number)) STRICT;
CREATE TABLE transfer_seq(
  issuer BLOB NOT NULL, target BLOB NOT NULL, last INTEGER NOT NULL, checksum INTEGER NOT NULL,
  PRIMARY KEY(issuer, target)) STRICT, WITHOUT ROWID;
CREATE TABLE trace(
  number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, stage TEXT NOT NULL, id INTEGER NOT NULL, seq INTEGER NOT NULL,
  session INTEGER NOT NULL, peer BLOB NOT NULL, transfer_seq INTEGER NOT NULL) STRICT;
`;

/** Damaged rows, kept as they were found: their columns have no type, for a damaged value may have any. */
const TABLES_2 = `
CREATE TABLE quarantine_entity(
  at_ms, reason, id, seq, record, last_input, gateway, session, account, marks, at_rest, checksum);
CREATE TABLE quarantine_outbox(
  at_ms, reason, issuer, target, transfer_seq, target_node, target_cell, id, seq, record, last_input, gateway,
  session, account, marks, checksum);
CREATE TABLE quarantine_message(at_ms, reason, issuer, number, entity, event, payload, checksum);
`;

/** Publications, and in the record of an entity which number was the last (docs/OUTBOX.md). */
const TABLES_3 = `
CREATE TABLE publication(
  entity INTEGER NOT NULL, number INTEGER NOT NULL, behind BLOB NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
  published_ms INTEGER NOT NULL, parked INTEGER NOT NULL, checksum INTEGER NOT NULL,
  PRIMARY KEY(entity, number)) STRICT;
ALTER TABLE entity ADD COLUMN published BLOB;
ALTER TABLE outbox ADD COLUMN published BLOB;
ALTER TABLE quarantine_entity ADD COLUMN published;
ALTER TABLE quarantine_outbox ADD COLUMN published;
CREATE TABLE quarantine_publication(
  at_ms, reason, entity, number, behind, name, body, published_ms, parked, checksum);
`;

/** Migration number n leads from version n to n + 1. Never change one that was released: old files have its tables. */
const MIGRATIONS: readonly string[] = [TABLES_1, TABLES_2, TABLES_3];
export const JOURNAL_VERSION = MIGRATIONS.length;

/**
 * Opens a journal file, or makes an empty one; for writing, runs SQLite's own recovery of the WAL. Then `migrate`.
 * @throws JournalError ERR_JOURNAL_OPEN, _CORRUPT, _IO, _FULL or _BUSY.
 */
export function openDatabase(
  file: string,
  { mustExist, readonly = false }: { mustExist: boolean; readonly?: boolean },
): Database.Database {
  let database: Database.Database | undefined;
  try {
    database = new Database(file, { timeout: BUSY_TIMEOUT_MS, fileMustExist: mustExist, readonly });
    if (!readonly) configure(database);
    return database;
  } catch (cause) {
    close(database);
    throw journalErrorFrom(cause, file);
  }
}

function configure(database: Database.Database): void {
  database.pragma('trusted_schema = OFF');
  database.pragma('cell_size_check = ON');
  database.pragma('temp_store = MEMORY');
  // In KiB. It is read from at the start alone, and the pages that batches change are in the system's own cache as well.
  database.pragma('cache_size = -8192');
  // Takes hold only in a file that has no page yet.
  database.pragma('auto_vacuum = INCREMENTAL');
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma(`journal_size_limit = ${WAL_KEPT_BYTES}`);
  // Checkpoints are the journal thread's own affair, when no batch waits.
  database.pragma('wal_autocheckpoint = 0');
}

/** Closing may fail on a broken disk; whatever went wrong before is the news then. */
export function close(database: Database.Database | undefined): void {
  try {
    database?.close();
  } catch (cause) {
    if (journalErrorFrom(cause, '') === cause) throw cause;
  }
}

/**
 * Brings the file to JOURNAL_VERSION and checks that it has these tables and no other.
 * @returns the version that was found; 0 is a new file.
 * @throws JournalError ERR_JOURNAL_FOREIGN, _VERSION or _CORRUPT; errors of SQLite as they come.
 */
export function migrate(
  database: Database.Database,
  { versionMax = JOURNAL_VERSION, onStep = ignore }: { versionMax?: number; onStep?: (step: string) => void } = {},
): number {
  const found = foundVersion(database);
  checkTables(database, found);
  for (let version = found; version < versionMax; version++) {
    database.transaction(() => {
      database.exec(MIGRATIONS[version]!);
      database.pragma(`application_id = ${APPLICATION_ID}`);
      database.pragma(`user_version = ${version + 1}`);
    })();
    onStep(`migrated ${version + 1}`);
  }
  return found;
}

function foundVersion(database: Database.Database): number {
  const application = database.pragma('application_id', { simple: true }) as number;
  const version = database.pragma('user_version', { simple: true }) as number;
  const tables = database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() as number;
  if (application === 0 && version === 0 && tables === 0) return 0;
  if (application !== APPLICATION_ID) {
    throw new JournalError(
      'ERR_JOURNAL_FOREIGN',
      `${database.name}: application id ${application}, expected ${APPLICATION_ID}: not a journal; name another folder`,
    );
  }
  if (version > JOURNAL_VERSION) {
    throw new JournalError(
      'ERR_JOURNAL_VERSION',
      `${database.name}: version ${version}; this process knows up to ${JOURNAL_VERSION}: start the newer release`,
    );
  }
  return version;
}

function checkTables(database: Database.Database, version: number): void {
  if (tablesOf(database) === EXPECTED_TABLES[version]) return;
  throw new JournalError(
    'ERR_JOURNAL_CORRUPT',
    `${database.name}: the tables are not those of version ${version}; ${CORRUPT_ADVICE}`,
  );
}

/** What stands in `sqlite_schema` after none, one, two … of the migrations. */
function expectedTables(): string[] {
  const model = new Database(':memory:');
  const tables = [tablesOf(model)];
  for (const migration of MIGRATIONS) tables.push(tablesOf(model.exec(migration)));
  model.close();
  return tables;
}

/** Statistics of SQLite's own may be there after an ANALYZE by hand. */
function tablesOf(database: Database.Database): string {
  const rows = database
    .prepare(
      "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name",
    )
    .raw()
    .all();
  return JSON.stringify(rows);
}

function ignore(): void {}

const EXPECTED_TABLES: readonly string[] = expectedTables();
