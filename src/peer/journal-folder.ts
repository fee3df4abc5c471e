/**
 * A node's folder and the journal file in it, when no thread writes there: opening, reading a dead process's file, taking
 * it over, moving a taken file aside. Whoever calls these holds the folder's lock.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { unsound } from './journal-content.ts';
import { JournalError, journalErrorFrom } from './journal-error.ts';
import { putMeta, readMeta } from './journal-meta.ts';
import { markTaken, recover } from './journal-recovery.ts';
import type { Recovered, RecoveryOptions } from './journal-recovery.ts';
import { ledgerFrom } from './journal-row.wire.ts';
import { close, openDatabase } from './journal-schema.ts';
import type { Database } from './journal-schema.ts';
import { isAlive, lockHolder } from './ledger-lock.ts';
import type { JournalContent, Ledger } from './protocol.ts';

export const JOURNAL_FILE = 'journal.sqlite';
/** Files of ledgers that were taken over, unless told otherwise; older ones are removed. */
export const TAKEN_FILES_MAX = 3;
/** A line of history without an entity: until then, others have been removed. */
const REMOVED_STAGE = 'removed';
const TAKEN_FILE = /^journal-[0-9a-f]{32}\.taken\.sqlite$/;

export type FolderOptions = Partial<Pick<RecoveryOptions, 'check' | 'onStep' | 'ledger'>> & {
  /** Files of ledgers that were taken over, kept at most; TAKEN_FILES_MAX without. */
  readonly takenFilesMax?: number;
};

/**
 * Brings the journal of a folder into order for its own node, and reads it: makes one where none is, and starts anew where
 * a neighbour took it over.
 * @throws JournalError ERR_JOURNAL_COPIED, _OPEN, _FOREIGN, _VERSION, _CORRUPT, _FULL, _IO or _BUSY.
 */
export function recoverFolder(folder: string, options: FolderOptions = {}): Recovered {
  const file = path.join(folder, JOURNAL_FILE);
  moveTakenAside(folder, options);
  removeStrayWal(file);
  const here = realpathSync(folder);
  const recovered = withDatabase(file, { mustExist: false }, (database) =>
    recover(database, { ...options, folder: here }),
  );
  if (recovered.report.folder !== here) noteFolder(file, { here, recovered });
  removeOldTaken(folder, options.takenFilesMax ?? TAKEN_FILES_MAX);
  syncFolder(folder);
  return recovered;
}

/**
 * Reads the journal of a dead process, for a takeover.
 * @throws JournalError like recoverFolder, and ERR_JOURNAL_MISSING or ERR_JOURNAL_TAKEN.
 */
export function readJournal(folder: string): JournalContent {
  return recoverDead(folder).content;
}

/** Like readJournal, with what was found damaged. */
export function recoverDead(folder: string, options: FolderOptions = {}): Recovered {
  const file = path.join(folder, JOURNAL_FILE);
  if (isEmpty(file)) throw new JournalError('ERR_JOURNAL_MISSING', `${file}: there is no journal to be read`);
  return withDatabase(file, { mustExist: true }, (database) => recover(database, { ...options, folder }));
}

/**
 * Marks the journal of `ledger` as taken over by the ledger `by`: its own node starts with a new ledger from then on. Call it
 * when what was in it is stable in the journal of `by`. Where `isTaken` holds already, nothing is done.
 * @throws JournalError like readJournal.
 */
export function takeFile(folder: string, { ledger, by }: { ledger: Ledger; by: Ledger }): void {
  if (isTaken(folder, ledger)) return;
  withDatabase(path.join(folder, JOURNAL_FILE), { mustExist: true }, (database) => {
    markTaken(database, by);
  });
}

/**
 * Whether the journal of `ledger` was taken over: it is marked, or another ledger's file stands in its place.
 * @throws JournalError like readJournal.
 */
export function isTaken(folder: string, ledger: Ledger): boolean {
  const file = path.join(folder, JOURNAL_FILE);
  if (isEmpty(file)) throw new JournalError('ERR_JOURNAL_MISSING', `${file}: there is no journal to be taken`);
  return withDatabase(file, { mustExist: true }, (database) => {
    const meta = metaOf(database);
    if (typeof meta === 'string') throw unsound(database, `the value "${meta}" of table meta is damaged`);
    return meta.taken_by !== undefined || ledgerFrom(meta.ledger) !== ledger;
  });
}

/** A file that was taken goes to `journal-<ledger>.taken.sqlite`, whole: its WAL is moved into it first. */
function moveTakenAside(folder: string, options: FolderOptions): void {
  const file = path.join(folder, JOURNAL_FILE);
  if (isEmpty(file)) return;
  const ledger = withDatabase(file, { mustExist: true }, (database) => {
    const meta = metaOf(database);
    if (typeof meta === 'string' || meta.taken_by === undefined) return undefined;
    const [answer] = database.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[];
    if (answer?.busy === 0) return ledgerFrom(meta.ledger);
    throw new JournalError(
      'ERR_JOURNAL_BUSY',
      `${file}: another program reads this file, which was taken over and is to be moved aside: end that program`,
    );
  });
  if (ledger === undefined) return;
  options.onStep?.('taken file checkpointed');
  // Empty by now. A WAL without its file would be a riddle to whoever finds it.
  for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true });
  options.onStep?.('taken file without WAL');
  renameSync(file, path.join(folder, `journal-${ledger}.taken.sqlite`));
  syncFolder(folder);
  options.onStep?.('taken file moved');
}

/** The journal has it in its history before: who looks for gaps must know from when on it is whole. */
function removeOldTaken(folder: string, countMax: number): void {
  const taken = readdirSync(folder)
    .filter((name) => TAKEN_FILE.test(name))
    .map((name) => ({ file: path.join(folder, name), changedMs: statSync(path.join(folder, name)).mtimeMs }))
    .toSorted((left, right) => right.changedMs - left.changedMs);
  const [youngest, ...others] = taken.slice(countMax);
  if (youngest === undefined) return;
  withDatabase(path.join(folder, JOURNAL_FILE), { mustExist: true }, (database) => {
    database
      .prepare("INSERT INTO trace SELECT coalesce(max(number), 0) + 1, ?, ?, 0, 0, 0, x'', 0 FROM trace")
      .run(Math.ceil(youngest.changedMs), REMOVED_STAGE);
  });
  for (const { file } of [youngest, ...others]) rmSync(file, { force: true });
}

/** A WAL whose main file is gone belongs to nothing, and must not be taken for the WAL of a new file. */
function removeStrayWal(file: string): void {
  if (!isEmpty(file)) return;
  for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true });
}

/** The file is in another folder than it was made in: moved, which is well, or copied, which would double everything. */
function noteFolder(file: string, { here, recovered }: { here: string; recovered: Recovered }): void {
  const { folder } = recovered.report;
  const { ledger } = recovered.content;
  if (holdsLedger(folder, ledger)) {
    const holder = isAlive(folder) ? lockHolder(folder) : undefined;
    const who = holder === undefined ? '' : `, where process ${holder.pid} has it`;
    throw new JournalError(
      'ERR_JOURNAL_COPIED',
      `${file}: a copy of the journal ${ledger} in ${folder}${who}; two of one ledger would double every entity: ` +
        'remove one of the two folders',
    );
  }
  withDatabase(file, { mustExist: true }, (database) => putMeta(database, 'folder', here));
}

/** Only reads: the other folder may be in use. */
function holdsLedger(folder: string, ledger: Ledger): boolean {
  const file = path.join(folder, JOURNAL_FILE);
  if (isEmpty(file)) return false;
  return withDatabase(file, { mustExist: true, readonly: true }, (database) => {
    const meta = metaOf(database);
    return typeof meta !== 'string' && meta.taken_by === undefined && ledgerFrom(meta.ledger) === ledger;
  });
}

/** Of a journal of any version; the key of what is missing or damaged otherwise. */
function metaOf(database: Database): ReturnType<typeof readMeta> {
  const columns = database.prepare("SELECT count(*) FROM pragma_table_info('meta')").pluck().get();
  return columns === 3 ? readMeta(database) : 'ledger';
}

function withDatabase<Result>(
  file: string,
  options: { mustExist: boolean; readonly?: boolean },
  run: (database: Database) => Result,
): Result {
  const database = openDatabase(file, options);
  try {
    return run(database);
  } catch (cause) {
    throw journalErrorFrom(cause, file);
  } finally {
    close(database);
  }
}

function isEmpty(file: string): boolean {
  return !existsSync(file) || statSync(file).size === 0;
}

/** Names of new and renamed files are on disk. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
