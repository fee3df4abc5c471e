/**
 * The lock on a node's folder: whoever holds it is the one process that writes the journal there. It is an exclusive
 * transaction on `ledger.lock`, a database that stays empty, so it ends in the moment the process does, however it dies;
 * and nothing that a crash leaves in the file can be wrong. `ledger.pid` beside it is for people.
 *
 * Such locks belong to the process: if anything in the holder's process opens and closes `ledger.lock` by itself (a copy
 * of the folder), the lock is gone. So nothing but this file touches it.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { makeFolder } from '../base/make-folder.ts';
import Database from 'better-sqlite3';
import { JournalError, journalErrorFrom } from './journal-error.ts';

export const LOCK_FILE = 'ledger.lock';
export const HOLDER_FILE = 'ledger.pid';
/** How long a taker tries again while others only look: a look takes microseconds, unless its process is put off just then. */
const LOOKING_MS_MAX = 200;

/** Held until it is disposed, or the process ends. */
export interface LedgerLock extends Disposable {
  readonly folder: string;
  release(): void;
}

/** Looks at a lock again and again, some 20 µs each time. */
export interface LockWatch extends Disposable {
  /** Whether a process holds the lock now. */
  isAlive(): boolean;
}

/** Who took the lock last; for messages to people. */
export interface LockHolder {
  readonly pid: number;
  /** UTC, ISO 8601. */
  readonly startedAt: string;
  readonly host: string;
}

/**
 * Takes the lock without waiting; undefined when somebody has it. Makes the folder.
 * @throws JournalError ERR_JOURNAL_OPEN or _IO when the file cannot be used.
 */
export function tryLock(folder: string): LedgerLock | undefined {
  const file = path.join(folder, LOCK_FILE);
  const database = openLockFile(file, { withFolder: true });
  let isHeld = false;
  try {
    const deadlineMs = performance.now() + LOOKING_MS_MAX;
    while (!isHeld && performance.now() < deadlineMs) {
      // Nothing is ever written: an exclusive transaction needs no journal file of its own.
      isHeld = succeeds(database, 'PRAGMA journal_mode = MEMORY') && succeeds(database, 'BEGIN EXCLUSIVE');
      // A reader gets in while others only look, and does not while somebody holds the lock.
      if (!isHeld && !succeeds(database, 'SELECT 1 FROM sqlite_schema')) return undefined;
    }
    if (!isHeld) return undefined;
    writeHolder(folder);
  } catch (cause) {
    isHeld = false;
    throw journalErrorFrom(cause, file);
  } finally {
    if (!isHeld) database.close();
  }
  const release = (): void => {
    database.close();
  };
  return { folder, release, [Symbol.dispose]: release };
}

/** Whether a process holds the folder's lock. For looking often, `watchLock`. */
export function isAlive(folder: string): boolean {
  using watch = watchLock(folder);
  return watch.isAlive();
}

export function watchLock(folder: string): LockWatch {
  const file = path.join(folder, LOCK_FILE);
  let database: Database.Database | undefined;
  return {
    isAlive(): boolean {
      if (database === undefined) {
        if (!existsSync(file)) return false;
        database = openLockFile(file);
      }
      return !succeeds(database, 'SELECT 1 FROM sqlite_schema');
    },
    [Symbol.dispose](): void {
      database?.close();
    },
  };
}

/** Who holds the lock, or held it last; undefined when that is not known. */
export function lockHolder(folder: string): LockHolder | undefined {
  try {
    const [pid, startedAt, host] = readFileSync(path.join(folder, HOLDER_FILE), 'utf8').split('\n');
    return { pid: Number(pid), startedAt: startedAt ?? '', host: host ?? '' };
  } catch {
    // The file is a courtesy: without it the message names nobody.
    return undefined;
  }
}

/** The refusal of a folder that is in use. */
export function lockedError(folder: string): JournalError {
  const holder = lockHolder(folder);
  const who = holder === undefined ? 'another process' : `process ${holder.pid} (since ${holder.startedAt})`;
  return new JournalError(
    'ERR_JOURNAL_LOCKED',
    `${folder}: ${who} has this node's journal; stop it, or give this node another name or data folder`,
  );
}

function openLockFile(file: string, { withFolder = false } = {}): Database.Database {
  try {
    if (withFolder) makeFolder(path.dirname(file));
    return new Database(file, { timeout: 0 });
  } catch (cause) {
    throw journalErrorFrom(cause, file);
  }
}

function succeeds(database: Database.Database, statement: string): boolean {
  try {
    database.exec(statement);
    return true;
  } catch (cause) {
    const error = journalErrorFrom(cause, database.name);
    if (error instanceof JournalError && error.code === 'ERR_JOURNAL_BUSY') return false;
    throw error;
  }
}

/** A courtesy: on a full disk the lock is held all the same, and messages name nobody or the last holder. */
function writeHolder(folder: string): void {
  const file = path.join(folder, HOLDER_FILE);
  const temporary = `${file}.new`;
  const startedAt = new Date(Date.now() - process.uptime() * 1000).toISOString();
  try {
    writeFileSync(temporary, `${process.pid}\n${startedAt}\n${hostname()}\n`);
    renameSync(temporary, file);
  } catch (cause) {
    if (journalErrorFrom(cause, file) === cause) throw cause;
  }
}
