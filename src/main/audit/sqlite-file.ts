/** Reading the files of running processes: never writing, and always in one transaction, so that all of it is of one moment. */
import { existsSync } from 'node:fs';
import SqliteDatabase from 'better-sqlite3';
import type { Database } from 'better-sqlite3';

export type { Database } from 'better-sqlite3';

/** A writer holds the lock for no longer than one commit. */
const BUSY_MS_MAX = 5000;

/** What `read` makes of the file as it is at one moment. @throws SqliteError, or Error when there is no such file. */
export function readFile<Value>(file: string, read: (database: Database) => Value): Value {
  if (!existsSync(file)) throw new Error(`${file} does not exist`);
  const database = new SqliteDatabase(file, { readonly: true, fileMustExist: true, timeout: BUSY_MS_MAX });
  try {
    database.pragma('query_only = ON');
    return database.transaction(read)(database);
  } finally {
    database.close();
  }
}

/** All rows of a query whose columns are known from the document of the file's format. */
export function rowsOf<Row>(database: Database, query: string, ...values: readonly unknown[]): Row[] {
  return database.prepare<unknown[], Row>(query).all(...values);
}

export function hasTable(database: Database, name: string): boolean {
  return rowsOf(database, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", name).length > 0;
}
