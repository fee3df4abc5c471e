/**
 * Writes a backup of a cluster, running or stopped (docs/BACKUP.md). It is made in a folder beside the wanted one, which gets its
 * name when all is on disk:
 *
 *   OUT.part, locked ─▶ snapshots of one moment ─▶ copies ─▶ manifest ─▶ its sum ─▶ renamed to OUT
 *
 * Whatever goes wrong, OUT.part is removed; that of a process that was killed is removed by the next one.
 */
import { closeSync, existsSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { makeFolder } from '../../base/make-folder.ts';
import type { Database } from 'better-sqlite3';
import packageJson from '../../../package.json' with { type: 'json' };
import { DirectoryError } from '../../peer/directory-error.ts';
import { directoryFile, openDirectory } from '../../peer/directory-thread.ts';
import { HOLDER_FILE, LOCK_FILE, tryLock } from '../../peer/ledger-lock.ts';
import { BackupError, reasonOf } from './backup-error.ts';
import { takeSnapshot } from './cluster-snapshot.ts';
import type { ClusterSnapshot, HeldFile } from './cluster-snapshot.ts';
import { copySnapshot, ledgerText, metaOf, openReadOnly } from './journal-file.ts';
import { DIRECTORY_COPY, MANIFEST_FORMAT, MANIFEST_VERSION, sha256Of, writeManifest } from './manifest.ts';
import type { FileEntry, JournalCounts, JournalEntry, Manifest } from './manifest.ts';

export interface BackupOptions {
  /** `sqlite:FILE` */
  readonly directoryUrl: string;
  /** Must not exist, or be empty. */
  readonly outFolder: string;
  /** How long a moment without handovers is waited for. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

/** @throws BackupError, DirectoryError */
export async function backup(options: BackupOptions): Promise<Manifest> {
  const startMs = performance.now();
  const out = path.resolve(options.outFolder);
  refuseExisting(out);
  const part = `${out}.part`;
  using _lock = lockPart(part);
  try {
    removeContent(part);
    const manifest = await fill(part, options, startMs);
    refuseExisting(out);
    rmSync(out, { recursive: true, force: true });
    for (const name of [LOCK_FILE, HOLDER_FILE]) rmSync(path.join(part, name), { force: true });
    renameSync(part, out);
    syncOnDisk(path.dirname(out));
    return manifest;
  } catch (error) {
    rmSync(part, { recursive: true, force: true });
    throw explain(error, out);
  }
}

async function fill(part: string, options: BackupOptions, startMs: number): Promise<Manifest> {
  const { directoryUrl, timeoutMs, signal, onProgress } = options;
  using snapshot = await snapshotOf(directoryUrl, { timeoutMs, signal, onProgress });
  const journals: JournalEntry[] = [];
  for (const held of snapshot.journals) {
    onProgress(`copying ${held.file}`);
    journals.push(await copyJournal(held, part, signal));
  }
  onProgress(`copying ${snapshot.directory.file}`);
  const directory = await copyDirectory(snapshot.directory.database, part, signal);
  const { database } = snapshot.directory;
  const count = (query: string): number => database.prepare<[], number>(query).pluck().get() ?? 0;
  const manifest: Manifest = {
    format: MANIFEST_FORMAT,
    version: MANIFEST_VERSION,
    release: packageJson.version,
    moment: snapshot.moment.toISOString(),
    cluster: factsOf(database),
    incarnation: Math.max(
      count("SELECT value FROM counter WHERE name = 'incarnation'"),
      ...journals.map(({ incarnation }) => incarnation),
    ),
    wasRunning: snapshot.wasRunning,
    pauseMs: rounded(snapshot.pauseMs),
    snapshotsMs: rounded(snapshot.snapshotsMs),
    attempts: snapshot.attempts,
    tookMs: rounded(performance.now() - startMs),
    directory: {
      ...directory,
      names: count('SELECT count(*) FROM name'),
      members: count("SELECT count(*) FROM lease WHERE state <> 'fenced'"),
    },
    journals,
    total: totalOf(journals.filter(({ isTaken }) => !isTaken)),
  };
  for (const folder of new Set(journals.map(({ node }) => path.join(part, node)))) syncOnDisk(folder);
  writeManifest(part, manifest);
  syncOnDisk(part);
  return manifest;
}

/** Handovers are on again when this resolves. */
async function snapshotOf(
  url: string,
  { timeoutMs, signal, onProgress }: Pick<BackupOptions, 'timeoutMs' | 'signal' | 'onProgress'>,
): Promise<ClusterSnapshot> {
  await using directory = await openDirectory(url, { facts: undefined });
  return await takeSnapshot({
    directory,
    directoryFile: path.resolve(directoryFile(url)),
    owner: `backup ${process.pid} on ${hostname()}`.slice(0, 100),
    timeoutMs,
    signal,
    onPaused: () => onProgress('handovers are paused for a moment'),
  });
}

async function copyJournal(
  { name, file, database }: HeldFile,
  part: string,
  signal: AbortSignal,
): Promise<JournalEntry> {
  makeFolder(path.join(part, name));
  const relative = `${name}/${path.basename(file)}`;
  const entry = await copyFile(database, { part, relative, signal });
  // Of the copy, not of the original: what is counted is what is kept.
  const copy = openReadOnly(path.join(part, relative));
  try {
    const meta = metaOf(copy);
    return {
      node: name,
      folder: path.dirname(file),
      ...entry,
      ledger: ledgerText(meta.get('ledger')),
      incarnation: Number(meta.get('incarnation') ?? 0),
      position: Number(meta.get('position') ?? 0),
      isTaken: meta.has('taken_by'),
      ...countsOf(copy),
    };
  } finally {
    copy.close();
  }
}

async function copyDirectory(database: Database, part: string, signal: AbortSignal): Promise<FileEntry> {
  return await copyFile(database, { part, relative: DIRECTORY_COPY, signal });
}

async function copyFile(
  database: Database,
  { part, relative, signal }: { part: string; relative: string; signal: AbortSignal },
): Promise<FileEntry> {
  const target = path.join(part, relative);
  await copySnapshot(database, target, signal);
  syncOnDisk(target);
  const schemaVersion = database.pragma('user_version', { simple: true }) as number;
  return { file: relative, sizeBytes: statSync(target).size, sha256: await sha256Of(target), schemaVersion };
}

export function countsOf(database: Database): JournalCounts {
  const count = (query: string): number => database.prepare<[], number>(query).pluck().get() ?? 0;
  return {
    entities: count('SELECT count(*) FROM entity'),
    atRest: count('SELECT count(*) FROM entity WHERE at_rest <> 0'),
    named: count("SELECT count(*) FROM entity WHERE account <> ''"),
    inTransit: count('SELECT count(*) FROM outbox'),
    messages: count('SELECT count(*) FROM message'),
  };
}

function totalOf(journals: readonly JournalCounts[]): JournalCounts {
  const sum = (of: (counts: JournalCounts) => number): number => journals.reduce((all, counts) => all + of(counts), 0);
  return {
    entities: sum(({ entities }) => entities),
    atRest: sum(({ atRest }) => atRest),
    named: sum(({ named }) => named),
    inTransit: sum(({ inTransit }) => inTransit),
    messages: sum(({ messages }) => messages),
  };
}

/** Without the session key: the file has it, what people read has not. */
function factsOf(database: Database): Record<string, string | number> {
  const rows = database.prepare<[], [string, string | number]>('SELECT key, value FROM fact ORDER BY key').raw().all();
  return Object.fromEntries(rows.filter(([key]) => key !== 'sessionKey'));
}

/** @throws BackupError ERR_BACKUP_EXISTS */
function refuseExisting(out: string): void {
  if (!existsSync(out)) return;
  const isFolder = statSync(out).isDirectory();
  if (isFolder && readdirSync(out).length === 0) return;
  throw new BackupError(
    'ERR_BACKUP_EXISTS',
    `${out} exists already, and a backup overwrites nothing; give another --out`,
  );
}

/** One backup at a time into one place. @throws BackupError ERR_BACKUP_BUSY, ERR_BACKUP_FOLDER. */
function lockPart(part: string): Disposable {
  try {
    const lock = tryLock(part);
    if (lock !== undefined) return lock;
  } catch (cause) {
    throw new BackupError('ERR_BACKUP_FOLDER', `${part} cannot be made or written to: ${reasonOf(cause)}`, { cause });
  }
  throw new BackupError('ERR_BACKUP_BUSY', `another process writes a backup to ${part}; give another --out`);
}

/** What a backup that was killed has left. */
function removeContent(part: string): void {
  for (const name of readdirSync(part)) {
    if (name !== LOCK_FILE && name !== HOLDER_FILE) rmSync(path.join(part, name), { recursive: true, force: true });
  }
}

function explain(error: unknown, out: string): unknown {
  if (error instanceof BackupError || error instanceof DirectoryError) return error;
  const isOfSystem = error instanceof Error && 'code' in error;
  if (!isOfSystem) return error;
  return new BackupError('ERR_BACKUP_FOLDER', `${out} cannot be written: ${reasonOf(error)}`, { cause: error });
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

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
