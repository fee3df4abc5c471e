/**
 * Brings a cluster back from a backup (docs/BACKUP.md):
 *
 *   check all sums ─▶ nobody runs, nothing in the way ─▶ lock the folders ─▶ copies beside, prepared, counted ─▶ in place
 *
 * The directory is put in place before the journals: if this process dies in between, nodes find leases that are not theirs and
 * refuse to start, instead of beginning a world of their own. Until then nothing that is there has been touched.
 */
import { closeSync, copyFileSync, existsSync, fsyncSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { makeFolder } from '../../base/make-folder.ts';
import SqliteDatabase from 'better-sqlite3';
import type { Database } from 'better-sqlite3';
import { FORMAT_VERSION } from '../../peer/directory-tables.ts';
import { directoryFile } from '../../peer/directory-thread.ts';
import { JOURNAL_VERSION } from '../../peer/journal-schema.ts';
import { isAlive, lockHolder, tryLock } from '../../peer/ledger-lock.ts';
import type { LedgerLock } from '../../peer/ledger-lock.ts';
import { countsOf } from './backup.ts';
import { BackupError, reasonOf } from './backup-error.ts';
import { checkFiles, readManifest } from './manifest.ts';
import type { JournalEntry, Manifest } from './manifest.ts';
import { prepareDirectory, prepareJournal } from './restored-files.ts';
import type { PreparedDirectory } from './restored-files.ts';

export interface RestoreOptions {
  /** Of the backup. */
  readonly folder: string;
  /** The folder of the nodes' folders: `dataDir` of the nodes. */
  readonly dataFolder: string;
  /** `sqlite:FILE` */
  readonly directoryUrl: string;
  /** What is in the way is deleted. */
  readonly force: boolean;
  readonly sessionKey: 'renew' | 'keep';
  readonly incarnationMargin: number;
  readonly onProgress: (text: string) => void;
}

export interface RestoreReport {
  readonly manifest: Manifest;
  readonly directory: string;
  readonly folders: readonly string[];
  /** Every incarnation that is given out from now on is above it. */
  readonly incarnation: number;
  /** A new one. */
  readonly clusterId: string;
  readonly sessionKey: 'renew' | 'keep';
  readonly deleted: readonly string[];
  readonly tookMs: number;
}

const RESTORING = '.restoring';
const OF_A_NODE = /^(?:journal(?:-[0-9a-f]{32}\.taken)?\.sqlite(?:-wal|-shm)?|ledger\.pid)$/;
const JOURNAL_FILE = /^journal(?:-[0-9a-f]{32}\.taken)?\.sqlite$/;
const NAMED_MAX = 12;

/** @throws BackupError */
export async function restore(options: RestoreOptions): Promise<RestoreReport> {
  const startMs = performance.now();
  const { folder, force, sessionKey, incarnationMargin, onProgress } = options;
  const manifest = readManifest(folder);
  checkVersions(manifest);
  onProgress('checking the backup');
  await checkFiles(folder, manifest);
  const dataFolder = path.resolve(options.dataFolder);
  const directory = path.resolve(directoryFile(options.directoryUrl));
  const folders = [...new Set(manifest.journals.map(({ node }) => path.join(dataFolder, node)))];
  refuseRunning([
    ...folders,
    ...manifest.journals.map((entry) => entry.folder),
    ...foldersOf(directory),
    ...subfolders(dataFolder),
  ]);
  const inTheWay = filesInTheWay(dataFolder, directory);
  if (inTheWay.length > 0 && !force) throw exists(inTheWay);
  const locks = lockAll(folders);
  const copies: Copy[] = [];
  try {
    onProgress('copying');
    const prepared = prepare({ folder, manifest, dataFolder, directory, sessionKey, incarnationMargin, copies });
    for (const file of inTheWay) {
      onProgress(`deleting ${file}`);
      rmSync(file, { force: true });
    }
    for (const { temporary } of copies) syncOnDisk(temporary);
    for (const { temporary, file } of copies) renameSync(temporary, file);
    for (const name of new Set(copies.map(({ file }) => path.dirname(file)))) syncOnDisk(name);
    const tookMs = Math.round(performance.now() - startMs);
    return { manifest, directory, folders, ...prepared, sessionKey, deleted: inTheWay, tookMs };
  } catch (error) {
    throw explain(error, dataFolder);
  } finally {
    for (const { temporary } of copies) rmSync(temporary, { force: true });
    for (const lock of locks) lock.release();
  }
}

interface Copy {
  readonly temporary: string;
  readonly file: string;
}

/** Makes all copies, the directory's first in `copies`. */
function prepare(given: {
  folder: string;
  manifest: Manifest;
  dataFolder: string;
  directory: string;
  sessionKey: 'renew' | 'keep';
  incarnationMargin: number;
  copies: Copy[];
}): PreparedDirectory {
  const { folder, manifest, dataFolder, directory, sessionKey, incarnationMargin, copies } = given;
  const directoryCopy = copyOf(path.join(folder, manifest.directory.file), directory, copies);
  const positions = new Map<string, number>();
  for (const entry of manifest.journals) {
    const copy = copyOf(path.join(folder, entry.file), path.join(dataFolder, entry.file), copies);
    const position = withFile(copy, (database) => {
      compareCounts(database, entry);
      return prepareJournal(database);
    });
    if (!entry.isTaken) positions.set(entry.ledger, position);
  }
  return withFile(directoryCopy, (database) =>
    prepareDirectory(database, {
      folderOf: (node) => path.join(dataFolder, node),
      positions,
      incarnationSeen: manifest.incarnation,
      incarnationMargin,
      keepsSessionKey: sessionKey === 'keep',
    }),
  );
}

function copyOf(source: string, file: string, copies: Copy[]): string {
  const temporary = file + RESTORING;
  copies.push({ temporary, file });
  makeFolder(path.dirname(file));
  copyFileSync(source, temporary);
  return temporary;
}

/** Without a WAL beside it, and on disk afterwards. */
function withFile<Value>(file: string, change: (database: Database) => Value): Value {
  const database = new SqliteDatabase(file, { fileMustExist: true });
  try {
    database.pragma('journal_mode = MEMORY');
    database.pragma('synchronous = FULL');
    return change(database);
  } finally {
    database.close();
  }
}

/** The sums agree, so this cannot differ but by a mistake of ours: better found now than by a player. */
function compareCounts(database: Database, entry: JournalEntry): void {
  const found = countsOf(database);
  const expected = { entities: 0, atRest: 0, named: 0, inTransit: 0, messages: 0 };
  for (const key of Object.keys(expected) as (keyof typeof expected)[]) {
    if (found[key] === entry[key]) continue;
    throw new BackupError(
      'ERR_RESTORE_DAMAGED',
      `${entry.file} has ${found[key]} ${key}, and the manifest says ${entry[key]}; take another backup`,
    );
  }
}

function checkVersions({ release, directory, journals }: Manifest): void {
  const newest = Math.max(...journals.map(({ schemaVersion }) => schemaVersion));
  if (newest <= JOURNAL_VERSION && directory.schemaVersion === FORMAT_VERSION) return;
  throw new BackupError(
    'ERR_RESTORE_VERSION',
    `the backup is of release ${release}: journals of version ${newest}, directory of ${directory.schemaVersion}; this release reads ` +
      `journals up to ${JOURNAL_VERSION} and directories of ${FORMAT_VERSION}: restore it by the release that wrote it`,
  );
}

/** Only of this host: what runs elsewhere on copies of these files cannot be seen from here. */
function refuseRunning(folders: readonly string[]): void {
  const running = [...new Set(folders)].filter((folder) => isAlive(folder));
  if (running.length === 0) return;
  const named = running.map((folder) => `${folder} (process ${lockHolder(folder)?.pid ?? 'unknown'})`);
  throw new BackupError(
    'ERR_RESTORE_RUNNING',
    `nodes of this cluster run: ${named.join(', ')}; stop them, or there would be two of each entity`,
  );
}

/** Folders of the members of the directory that is to be replaced. */
function foldersOf(file: string): string[] {
  if (!existsSync(file)) return [];
  let database: Database | undefined;
  try {
    database = new SqliteDatabase(file, { readonly: true });
    return database.prepare<[], string>('SELECT folder FROM lease').pluck().all();
  } catch {
    // A damaged directory, or none at all: it is in the way, and the locks of the folders are looked at anyway.
    return [];
  } finally {
    database?.close();
  }
}

function subfolders(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(folder, entry.name));
}

/** Also journals of nodes that the backup does not know: they hold entities that it has elsewhere. */
function filesInTheWay(dataFolder: string, directory: string): string[] {
  const ofNodes = subfolders(dataFolder).flatMap((folder) => {
    const names = readdirSync(folder);
    if (!names.some((name) => JOURNAL_FILE.test(name))) return [];
    return names.filter((name) => OF_A_NODE.test(name)).map((name) => path.join(folder, name));
  });
  const ofDirectory = ['', '-wal', '-shm'].map((suffix) => directory + suffix).filter((file) => existsSync(file));
  return [...ofDirectory, ...ofNodes];
}

function exists(files: readonly string[]): BackupError {
  const named = files.slice(0, NAMED_MAX).map((file) => `\n  ${file}`);
  const more = files.length > NAMED_MAX ? `\n  and ${files.length - NAMED_MAX} more` : '';
  return new BackupError(
    'ERR_RESTORE_EXISTS',
    `there is a cluster already; move it away, or delete it by --force, which would delete${named.join('')}${more}`,
  );
}

/** Nobody can start a node in them meanwhile. */
function lockAll(folders: readonly string[]): LedgerLock[] {
  const locks: LedgerLock[] = [];
  try {
    for (const folder of folders) {
      const lock = tryLock(folder);
      if (lock === undefined) refuseRunning([folder]);
      else locks.push(lock);
    }
    return locks;
  } catch (error) {
    for (const lock of locks) lock.release();
    throw explain(error, folders.join(', '));
  }
}

function explain(error: unknown, where: string): unknown {
  if (error instanceof BackupError || !(error instanceof Error) || !('code' in error)) return error;
  return new BackupError('ERR_RESTORE_FILE', `${where} cannot be written: ${reasonOf(error)}`, { cause: error });
}

/** A file, or the names in a folder. */
function syncOnDisk(name: string): void {
  const descriptor = openSync(name, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
