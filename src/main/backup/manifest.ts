/**
 * What stands in a backup's folder:
 *
 *   FOLDER/
 *     manifest.json           what this is, and of each file its size and SHA-256
 *     manifest.json.sha256    of the manifest, as `sha256sum -c` reads it; written last
 *     directory.sqlite
 *     <node>/journal.sqlite, <node>/journal-<ledger>.taken.sqlite
 *
 * `worldmesh audit --data FOLDER` reads it as the data of a cluster that does not run.
 */
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { BackupError, reasonOf } from './backup-error.ts';

export const MANIFEST_FILE = 'manifest.json';
export const MANIFEST_SUM_FILE = 'manifest.json.sha256';
export const DIRECTORY_COPY = 'directory.sqlite';
export const MANIFEST_FORMAT = 'worldmesh-backup';
export const MANIFEST_VERSION = 1;
/** Of 63 nodes with all journals that were taken over. */
const MANIFEST_BYTES_MAX = 16 * 2 ** 20;
/** Nothing else can be in a backup: what is read from the manifest never leads out of the folder. */
const JOURNAL_PATH = /^[a-z][a-z0-9-]{0,31}\/journal(?:-[0-9a-f]{32}\.taken)?\.sqlite$/;
const SHA256 = /^[0-9a-f]{64}$/;

export interface FileEntry {
  /** In the folder, with `/`. */
  readonly file: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** `PRAGMA user_version`. */
  readonly schemaVersion: number;
}

export interface JournalCounts {
  readonly entities: number;
  /** Of those, players who have left. */
  readonly atRest: number;
  /** With an account. */
  readonly named: number;
  readonly inTransit: number;
  readonly messages: number;
}

export interface JournalEntry extends FileEntry, JournalCounts {
  /** Name. */
  readonly node: string;
  /** Where it lay. */
  readonly folder: string;
  readonly ledger: string;
  readonly incarnation: number;
  readonly position: number;
  /** History: its content lives on in another. */
  readonly isTaken: boolean;
}

export interface Manifest {
  readonly format: typeof MANIFEST_FORMAT;
  readonly version: number;
  /** Of Worldmesh. */
  readonly release: string;
  /** UTC: of which moment this is. */
  readonly moment: string;
  /** Of the world and the cluster, as the directory has them; without secrets. */
  readonly cluster: Readonly<Record<string, string | number>>;
  /** The largest that the directory had given out, or a journal had seen. */
  readonly incarnation: number;
  readonly wasRunning: boolean;
  /** How long handovers were paused, how long it took to begin all snapshots, and how often that was tried. */
  readonly pauseMs: number;
  readonly snapshotsMs: number;
  readonly attempts: number;
  readonly tookMs: number;
  readonly directory: FileEntry & { readonly names: number; readonly members: number };
  readonly journals: readonly JournalEntry[];
  /** Of the journals that count. */
  readonly total: JournalCounts;
}

export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

export function writeManifest(folder: string, manifest: Manifest): void {
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
  writeFileSync(path.join(folder, MANIFEST_FILE), text, { flush: true });
  const sum = createHash('sha256').update(text).digest('hex');
  writeFileSync(path.join(folder, MANIFEST_SUM_FILE), `${sum}  ${MANIFEST_FILE}\n`, { flush: true });
}

/** @throws BackupError ERR_RESTORE_MANIFEST, ERR_RESTORE_VERSION, ERR_RESTORE_DAMAGED. */
export function readManifest(folder: string): Manifest {
  const text = readSmall(path.join(folder, MANIFEST_FILE));
  const sums = readSmall(path.join(folder, MANIFEST_SUM_FILE));
  const sum = createHash('sha256').update(text).digest('hex');
  if (sums.toString('latin1') !== `${sum}  ${MANIFEST_FILE}\n`) {
    throw new BackupError(
      'ERR_RESTORE_DAMAGED',
      `${path.join(folder, MANIFEST_FILE)} is not what ${MANIFEST_SUM_FILE} says: the backup is damaged; take another`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text.toString('utf8'));
  } catch (cause) {
    throw notOne(folder, 'is not JSON', cause);
  }
  const manifest = value as Manifest;
  if (typeof value !== 'object' || value === null || manifest.format !== MANIFEST_FORMAT) {
    throw notOne(folder, `says format "${String(manifest?.format)}"`);
  }
  if (!isCount(manifest.version) || manifest.version > MANIFEST_VERSION) {
    throw new BackupError(
      'ERR_RESTORE_VERSION',
      `${folder} was written by release ${String(manifest.release)} as version ${String(manifest.version)}; this release reads up to ${MANIFEST_VERSION}: use a newer one`,
    );
  }
  const wrong = whatIsWrong(manifest);
  if (wrong !== undefined) throw notOne(folder, wrong);
  return manifest;
}

/** Every file has its size and its sum. @throws BackupError ERR_RESTORE_DAMAGED */
export async function checkFiles(folder: string, { directory, journals }: Manifest): Promise<void> {
  for (const entry of [directory, ...journals]) {
    const file = path.join(folder, entry.file);
    const found = await sizeAndSum(file);
    if (found.sizeBytes === entry.sizeBytes && found.sha256 === entry.sha256) continue;
    const what =
      found.sizeBytes === entry.sizeBytes
        ? 'its bytes are others than those that were written'
        : `it has ${found.sizeBytes} bytes and should have ${entry.sizeBytes}`;
    throw new BackupError('ERR_RESTORE_DAMAGED', `${file} is damaged: ${what}; take another backup`);
  }
}

async function sizeAndSum(file: string): Promise<{ sizeBytes: number; sha256: string }> {
  try {
    return { sizeBytes: statSync(file).size, sha256: await sha256Of(file) };
  } catch (cause) {
    throw new BackupError('ERR_RESTORE_DAMAGED', `${file} cannot be read: ${reasonOf(cause)}`, { cause });
  }
}

function readSmall(file: string): Buffer {
  try {
    if (statSync(file).size <= MANIFEST_BYTES_MAX) return readFileSync(file);
  } catch (cause) {
    throw new BackupError(
      'ERR_RESTORE_MANIFEST',
      `${file} cannot be read: ${reasonOf(cause)}; a folder without it is no whole backup`,
      { cause },
    );
  }
  throw new BackupError('ERR_RESTORE_MANIFEST', `${file} has more than ${MANIFEST_BYTES_MAX} bytes`);
}

function whatIsWrong({ directory, journals, incarnation, cluster, total }: Manifest): string | undefined {
  if (!isFile(directory, (file) => file === DIRECTORY_COPY)) return 'names no directory';
  if (!Array.isArray(journals) || journals.length === 0) return 'names no journal';
  for (const entry of journals) {
    const isJournal = isFile(entry, (file) => JOURNAL_PATH.test(file)) && entry.file.startsWith(`${entry.node}/`);
    if (!isJournal) return 'names a file that is no journal';
    if (![entry.incarnation, entry.position].every(isCount)) return `says nothing sensible of ${entry.file}`;
  }
  if (new Set(journals.map(({ file }) => file)).size < journals.length) return 'names a file twice';
  if (!isCount(incarnation) || typeof cluster !== 'object' || typeof total !== 'object') return 'is not complete';
  return undefined;
}

function isFile(entry: Partial<FileEntry> | undefined, isName: (file: string) => boolean): boolean {
  const { file, sizeBytes, sha256, schemaVersion } = entry ?? {};
  if (typeof file !== 'string' || !isName(file) || typeof sha256 !== 'string') return false;
  return SHA256.test(sha256) && isCount(sizeBytes) && isCount(schemaVersion);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function notOne(folder: string, why: string, cause?: unknown): BackupError {
  return new BackupError(
    'ERR_RESTORE_MANIFEST',
    `${path.join(folder, MANIFEST_FILE)} is no manifest of a backup: it ${why}`,
    {
      cause,
    },
  );
}
