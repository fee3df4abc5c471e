/**
 * The tables of the embedded directory, and what every access to its file goes through.
 *
 *   fact      key, value                          world, sizes, cluster id, tick epoch: written once
 *   counter   name, value                         revision, incarnation: only ever raised
 *   change    kind, revision                      the revision at which a kind of content last changed, for watchers
 *   node      node, name                          a number once given stays with its name
 *   lease     ledger, node, incarnation, version, state, …
 *   block     block, node, epoch, is_populated
 *   name      key, ledger, entity, version
 *   setting   key, value, version
 *   schema    hash, version, text
 *   load      node, incarnation, revision, text      the last report of each
 *   view      node, incarnation, hash                what its clients see
 *
 * Application id and user version tell a directory from other files, and its format from later ones.
 */
import path from 'node:path';
import { makeFolder } from '../base/make-folder.ts';
import SqliteDatabase from 'better-sqlite3';
import type { Database, Statement } from 'better-sqlite3';
import { DirectoryError } from './directory-error.ts';

export type { Database } from 'better-sqlite3';

const APPLICATION_ID = 0x57_4d_44_49; // "WMDI"
export const FORMAT_VERSION = 1;

const TABLES = `
CREATE TABLE fact (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE change (kind TEXT PRIMARY KEY, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE node (
  node INTEGER PRIMARY KEY CHECK (node BETWEEN 1 AND 63),
  name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE lease (
  ledger TEXT PRIMARY KEY,
  node INTEGER NOT NULL REFERENCES node,
  incarnation INTEGER NOT NULL UNIQUE,
  version INTEGER NOT NULL UNIQUE,
  state TEXT NOT NULL CHECK (state IN ('joining', 'active', 'draining', 'gone', 'fenced')),
  peer_address TEXT NOT NULL,
  client_url TEXT NOT NULL,
  folder TEXT NOT NULL,
  pid INTEGER NOT NULL,
  release TEXT NOT NULL,
  schema_version INTEGER NOT NULL,
  capacity REAL NOT NULL CHECK (capacity >= 0),
  position INTEGER NOT NULL,
  is_protected INTEGER NOT NULL DEFAULT 0,
  buddy INTEGER NOT NULL DEFAULT 0,
  successor INTEGER NOT NULL DEFAULT 0,
  successor_ledger TEXT NOT NULL DEFAULT '',
  joined_at_ms INTEGER NOT NULL,
  renewed_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX one_live_lease ON lease (node) WHERE state <> 'fenced';
CREATE TABLE block (
  block INTEGER PRIMARY KEY,
  node INTEGER NOT NULL DEFAULT 0,
  epoch INTEGER NOT NULL DEFAULT 0,
  is_populated INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX block_by_node ON block (node);
CREATE TABLE name (
  key TEXT PRIMARY KEY, ledger TEXT NOT NULL, entity INTEGER NOT NULL, version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE schema (hash INTEGER PRIMARY KEY, version INTEGER NOT NULL, text TEXT NOT NULL, revision INTEGER NOT NULL) STRICT;
INSERT INTO counter VALUES ('revision', 0), ('incarnation', 0);
INSERT INTO change VALUES ('members', 0), ('blocks', 0), ('names', 0), ('settings', 0), ('schemas', 0);
`;

/** In a file of a release before them there are none; that one leaves them alone. */
const LATER_TABLES = `
CREATE TABLE IF NOT EXISTS load (
  node INTEGER PRIMARY KEY, incarnation INTEGER NOT NULL, revision INTEGER NOT NULL, text TEXT NOT NULL
) STRICT;
INSERT OR IGNORE INTO change VALUES ('loads', 0);
CREATE TABLE IF NOT EXISTS view (node INTEGER PRIMARY KEY, incarnation INTEGER NOT NULL, hash INTEGER NOT NULL) STRICT;
`;

export const CHANGE_KINDS = ['members', 'blocks', 'names', 'settings', 'schemas', 'loads'] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

const statements = new WeakMap<Database, Map<string, Statement>>();

/** A statement of this text, which is prepared once: to read it again takes longer than what it does. */
export function prepared<Bind extends unknown[] = unknown[], Row = unknown>(
  database: Database,
  text: string,
): Statement<Bind, Row> {
  let known = statements.get(database);
  if (known === undefined) statements.set(database, (known = new Map()));
  let statement = known.get(text);
  if (statement === undefined) known.set(text, (statement = database.prepare(text)));
  return statement as Statement<Bind, Row>;
}

/** Opens or makes the file; waits for nobody: SQLITE_BUSY comes as an error at once. @throws what `explain` turns into ours. */
export function openFile(file: string, { mustExist }: { mustExist: boolean }): Database {
  if (!mustExist) makeFolder(path.dirname(path.resolve(file)));
  const database = new SqliteDatabase(file, { timeout: 0, fileMustExist: mustExist });
  try {
    if (database.pragma('journal_mode', { simple: true }) !== 'wal') database.pragma('journal_mode = WAL');
    database.pragma('foreign_keys = ON');
    // In KiB. A whole-table answer at most; the file is small.
    database.pragma('cache_size = -2048');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Inside a transaction: makes the tables in an empty file. True if it did. @throws DirectoryError ERR_DIRECTORY_VERSION */
export function makeTables(database: Database, { file }: { file: string }): boolean {
  const version = database.pragma('user_version', { simple: true }) as number;
  const application = database.pragma('application_id', { simple: true }) as number;
  if (application === 0 && version === 0 && isEmpty(database)) {
    database.exec(TABLES);
    database.exec(LATER_TABLES);
    database.pragma(`application_id = ${APPLICATION_ID}`);
    database.pragma(`user_version = ${FORMAT_VERSION}`);
    return true;
  }
  if (application !== APPLICATION_ID) {
    throw new DirectoryError(
      'ERR_DIRECTORY_CORRUPT',
      `${file} is an SQLite file of something else; give --directory another file`,
    );
  }
  if (version !== FORMAT_VERSION) {
    throw new DirectoryError(
      'ERR_DIRECTORY_VERSION',
      `${file} has format ${version}, this release reads format ${FORMAT_VERSION}; use the release that wrote it, or a new file`,
    );
  }
  database.exec(LATER_TABLES);
  return false;
}

function isEmpty(database: Database): boolean {
  return prepared<[], { n: number }>(database, 'SELECT count(*) AS n FROM sqlite_schema').get()?.n === 0;
}

/** Raises the revision, and marks this content as changed by it. Every writing transaction calls this. */
export function nextRevision(database: Database, kinds: readonly ChangeKind[]): number {
  const revision = raise(database, { counter: 'revision', least: 0 });
  const mark = prepared(database, 'UPDATE change SET revision = ? WHERE kind = ?');
  for (const kind of kinds) mark.run(revision, kind);
  return revision;
}

/** The next number of a counter; above `least` too. */
export function raise(
  database: Database,
  { counter, least }: { counter: 'revision' | 'incarnation'; least: number },
): number {
  const row = prepared<[number, string], { value: number }>(
    database,
    'UPDATE counter SET value = max(value, ?) + 1 WHERE name = ? RETURNING value',
  ).get(least, counter);
  if (row === undefined) throw new DirectoryError('ERR_DIRECTORY_CORRUPT', `the counter "${counter}" is missing`);
  return row.value;
}

/** True for what passes by itself: another process is writing. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED') || code === 'SQLITE_PROTOCOL';
}

/** SQLite's failure as one of ours; other errors as they are. */
export function explain(error: unknown, { file }: { file: string }): unknown {
  const code = sqliteCode(error);
  const { message } = error as Error;
  if (code === '') return fileError(error, file);
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') {
    return new DirectoryError(
      'ERR_DIRECTORY_CORRUPT',
      `${file} is damaged (${message}); restore it, or stop all nodes and begin with a new file`,
      { cause: error },
    );
  }
  if (code === 'SQLITE_CANTOPEN') {
    return new DirectoryError('ERR_DIRECTORY_FILE', `${file} cannot be opened (${message}); check the folder`, {
      cause: error,
    });
  }
  return new DirectoryError(
    'ERR_DIRECTORY_FILE',
    `${file} cannot be read or written (${code}: ${message}); check space and permissions`,
    {
      cause: error,
    },
  );
}

/** A folder that cannot be made; better-sqlite3 has no code for a folder that is not there. */
function fileError(error: unknown, file: string): unknown {
  if (error instanceof DirectoryError || !(error instanceof Error)) return error;
  const isFile = 'code' in error || (error instanceof TypeError && error.message.includes('directory does not exist'));
  if (!isFile) return error;
  return new DirectoryError('ERR_DIRECTORY_FILE', `${file} cannot be opened (${error.message})`, { cause: error });
}

function sqliteCode(error: unknown): string {
  return error instanceof SqliteDatabase.SqliteError ? error.code : '';
}
