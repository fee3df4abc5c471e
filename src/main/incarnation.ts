/**
 * The incarnation of this node: a number that never repeats for its data folder. Entity ids carry it, so ids of one
 * run are never given out again by a later one.
 *
 *   <dataDir>/incarnation          one line: "worldmesh incarnation <number> <crc-32 of the number, hex>"
 *   <dataDir>/incarnation.next     the next content; made exclusively, so that it is also the lock of two starts at once
 *
 * The number is durable before it is used: written and synced under the second name, renamed, the folder synced.
 * A crash before the rename leaves the old number, a crash after it leaves a number that nobody used: a gap, never
 * a repeat.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { makeFolder } from '../base/make-folder.ts';
import { INCARNATION_MAX } from '../base/brand.ts';
import { pause } from '../memory/pause.ts';
import { NodeError } from './node-error.ts';

const FILE_NAME = 'incarnation';
const LOCK_NAME = 'incarnation.next';
/** The lock is held for some milliseconds: an older one was left by a process that died. */
const LOCK_AGE_MS_MAX = 5000;
const LOCK_WAIT_MS_MAX = 10_000;
const LOCK_RETRY_MS = 20;

/**
 * Takes the next incarnation. Blocks for up to some seconds when another process is taking one.
 * @throws NodeError when the folder cannot be written, the file is damaged, or all numbers are used up.
 */
export function takeIncarnation(dataDir: string): number {
  const lock = path.join(dataDir, LOCK_NAME);
  const descriptor = openLock(dataDir, lock);
  let isOpen = true;
  try {
    const incarnation = readIncarnation(path.join(dataDir, FILE_NAME)) + 1;
    if (incarnation > INCARNATION_MAX) {
      throw new NodeError(
        'ERR_NODE_INCARNATION_MAX',
        `${dataDir} has used all ${INCARNATION_MAX} incarnations; start with a new data folder (--data-dir)`,
      );
    }
    writeSync(descriptor, lineFor(incarnation));
    fsyncSync(descriptor);
    closeSync(descriptor);
    isOpen = false;
    renameSync(lock, path.join(dataDir, FILE_NAME));
    syncFolder(dataDir);
    return incarnation;
  } catch (error) {
    if (isOpen) closeSync(descriptor);
    if (existsSync(lock)) unlinkSync(lock);
    if (error instanceof NodeError) throw error;
    throw notWritable(dataDir, error);
  }
}

/** The last incarnation taken, 0 when none was. @throws NodeError when the file is damaged. */
export function readIncarnation(file: string): number {
  if (!existsSync(file)) return 0;
  const line = readFileSync(file, 'utf8');
  const [, digits] = /^worldmesh incarnation (\d{1,10}) [0-9a-f]{8}\n$/.exec(line) ?? [];
  const incarnation = Number(digits);
  if (digits === undefined || lineFor(incarnation) !== line) {
    throw new NodeError(
      'ERR_NODE_INCARNATION_CORRUPT',
      `${file} is damaged (found ${JSON.stringify(line.slice(0, 80))}). It keeps entity ids from repeating: restore it ` +
        'from a backup, or use a new data folder (--data-dir) if nothing outside remembers ids of this world',
    );
  }
  return incarnation;
}

function lineFor(incarnation: number): string {
  const checksum = crc32(String(incarnation)).toString(16).padStart(8, '0');
  return `worldmesh incarnation ${incarnation} ${checksum}\n`;
}

function openLock(dataDir: string, lock: string): number {
  const deadlineMs = Date.now() + LOCK_WAIT_MS_MAX;
  try {
    makeFolder(dataDir);
    for (;;) {
      try {
        return openSync(lock, 'wx', 0o644);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      removeIfStale(lock);
      if (Date.now() > deadlineMs) {
        throw new NodeError(
          'ERR_NODE_INCARNATION_BUSY',
          `another process holds ${lock}; if none runs, delete that file`,
        );
      }
      pause(LOCK_RETRY_MS);
    }
  } catch (error) {
    if (error instanceof NodeError) throw error;
    throw notWritable(dataDir, error);
  }
}

function removeIfStale(lock: string): void {
  const found = statSync(lock, { throwIfNoEntry: false });
  if (found && Date.now() - found.mtimeMs > LOCK_AGE_MS_MAX) unlinkSync(lock);
}

/** Makes the rename itself durable. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function notWritable(dataDir: string, cause: unknown): NodeError {
  const { code } = cause as NodeJS.ErrnoException;
  return new NodeError(
    'ERR_NODE_DATA_DIR',
    `the data folder ${path.resolve(dataDir)} cannot be written (${code ?? String(cause)}); make it writable for this user, or name another with --data-dir`,
    { cause },
  );
}
