/**
 * Where the single binary keeps its files: `<cache>/<hash of the files>`, made once by whichever process starts first.
 *
 *   no folder ──unpack into .unpack-XXXXXX──▶ rename ──▶ the folder   (who comes second throws its own away)
 *
 * Invariant: a folder with a hash for its name is complete, because it came there by one rename of files that were on disk. Nobody but
 * this user can write to it: code is run from there.
 */
import {
  chmodSync,
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { readArchive } from './archive.ts';
import type { ArchivedFile } from './archive.ts';

export interface Payload {
  readonly hash: string;
  readonly files: readonly ArchivedFile[];
  /** The archive; called only when the files must be unpacked. */
  readonly read: () => Buffer;
}

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
const UNPACKING = '.unpack-';
const HASH = /^[0-9a-f]{24}$/;
const HOUR_MS = 3_600_000;
/** A process that runs tells so once a day, so a folder that is this old is nobody's. */
const UNUSED_MS_MAX = 14 * 24 * HOUR_MS;
/** Who unpacks is done within seconds. */
const UNPACKING_MS_MAX = HOUR_MS;
const TOUCH_MS = 24 * HOUR_MS;

/** Returns the folder with the files. @throws Error when no folder can be had. */
export function unpackOnce(payload: Payload, candidates: readonly string[] = cacheFolders(process.env)): string {
  const problems: string[] = [];
  for (const cache of candidates) {
    try {
      makePrivate(cache);
      return unpackIn(cache, payload);
    } catch (error) {
      problems.push(`${cache}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(
    `no folder to unpack to; set XDG_CACHE_HOME to one that this user can write\n  ${problems.join('\n  ')}`,
  );
}

/** Keeps the folder from being cleaned away while this process runs. */
export function keepInUse(folder: string): void {
  setInterval(() => touch(folder), TOUCH_MS).unref();
}

/** The first that can be used is taken. Under systemd it is CacheDirectory= of the unit. */
export function cacheFolders(environment: NodeJS.ProcessEnv): string[] {
  const { CACHE_DIRECTORY: unit, XDG_CACHE_HOME: user } = environment;
  const absolute = [unit?.split(':')[0], user && path.join(user, 'worldmesh')].filter((folder) => folder !== undefined);
  return [
    ...absolute.filter((folder) => path.isAbsolute(folder)),
    path.join(homedir(), '.cache', 'worldmesh'),
    path.join(tmpdir(), `worldmesh-${process.getuid?.() ?? 'user'}`),
  ];
}

function unpackIn(cache: string, payload: Payload): string {
  const folder = path.join(cache, payload.hash);
  if (isComplete(folder, payload.files)) {
    touch(folder);
    return folder;
  }
  const draft = mkdtempSync(path.join(cache, UNPACKING));
  try {
    for (const file of readArchive(payload.read())) writeFile(path.join(draft, file.path), file);
    moveInto(folder, { draft, files: payload.files });
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  clean(cache, { keep: payload.hash, nowMs: Date.now() });
  return folder;
}

function moveInto(folder: string, { draft, files }: { draft: string; files: readonly ArchivedFile[] }): void {
  try {
    renameSync(draft, folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    // Another process was faster, and its files are the same; or somebody took files away from an old folder.
    if (isComplete(folder, files)) return;
    const broken = path.join(path.dirname(folder), `${UNPACKING}broken-${process.pid}-${Date.now()}`);
    renameSync(folder, broken);
    renameSync(draft, folder);
    rmSync(broken, { recursive: true, force: true });
  }
}

/** A cleaner of old files may have been here. */
function isComplete(folder: string, files: readonly ArchivedFile[]): boolean {
  return files.every((file) => {
    const found = lstatSync(path.join(folder, file.path), { throwIfNoEntry: false });
    return found?.isFile() === true && found.size === file.sizeBytes;
  });
}

function writeFile(file: string, { bytes, isProgram }: { bytes: Uint8Array; isProgram: boolean }): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: FOLDER_MODE });
  const descriptor = openSync(file, 'wx', isProgram ? FOLDER_MODE : FILE_MODE);
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** @throws Error when it is not this user's, or others can write to it. */
function makePrivate(cache: string): void {
  makeFolder(cache);
  const found = lstatSync(cache);
  if (!found.isDirectory()) throw new Error('is not a folder');
  if (found.uid !== process.getuid?.()) throw new Error(`belongs to user ${found.uid}`);
  if ((found.mode & 0o077) !== 0) chmodSync(cache, FOLDER_MODE);
}

/** Node's own `recursive` does not end where a file system lets nobody make folders, such as /proc. */
function makeFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false }) !== undefined) return;
  makeFolder(path.dirname(folder));
  try {
    mkdirSync(folder, { mode: FOLDER_MODE });
  } catch (error) {
    // Another process was faster.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** After a new version has come: removes those that no process has used for long. */
export function clean(cache: string, { keep, nowMs }: { keep: string; nowMs: number }): void {
  for (const name of readdirSync(cache)) {
    const ageMsMax = name.startsWith(UNPACKING) ? UNPACKING_MS_MAX : HASH.test(name) ? UNUSED_MS_MAX : undefined;
    if (ageMsMax === undefined || name === keep) continue;
    const found = statSync(path.join(cache, name), { throwIfNoEntry: false });
    if (found !== undefined && nowMs - found.mtimeMs > ageMsMax) {
      rmSync(path.join(cache, name), { recursive: true, force: true });
    }
  }
}

function touch(folder: string): void {
  try {
    const nowSeconds = Date.now() / 1000;
    utimesSync(folder, nowSeconds, nowSeconds);
  } catch {
    // Its mark only keeps it from being cleaned away; on a disk that became read-only nothing cleans.
  }
}
