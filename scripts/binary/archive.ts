/**
 * The files that the single binary carries, as one piece:
 *
 *   index bytes u32, little-endian · index, JSON: [{ path, sizeBytes, isProgram }] by path · the files, one after the other
 *
 * It holds no times and no owners, so the same files are the same bytes, and their hash names what they are.
 */
import { createHash } from 'node:crypto';

export interface ArchivedFile {
  /** From the root, with slashes. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Must be executable. */
  readonly isProgram: boolean;
}

export interface FileToArchive {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly isProgram: boolean;
}

const LENGTH_BYTES = 4;
/** Enough to tell versions apart; nobody chooses what is hashed but who builds. */
const HASH_DIGITS = 24;
const PATH = /^(?!\/)(?!.*(?:^|\/)\.\.?(?:\/|$))[\w@./+-]+$/;

export function writeArchive(files: readonly FileToArchive[]): Buffer {
  const sorted = [...files].sort((one, other) => (one.path < other.path ? -1 : 1));
  const index: ArchivedFile[] = sorted.map(({ path, bytes, isProgram }) => ({
    path,
    sizeBytes: bytes.length,
    isProgram,
  }));
  const head = Buffer.from(JSON.stringify(index));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(head.length);
  return Buffer.concat([length, head, ...sorted.map(({ bytes }) => bytes)]);
}

/** @throws Error when the archive is damaged, or names a path outside of its root. */
export function* readArchive(archive: Buffer): Generator<ArchivedFile & { readonly bytes: Buffer }> {
  const indexBytes = archive.readUInt32LE(0);
  let at = LENGTH_BYTES + indexBytes;
  const index = JSON.parse(archive.toString('utf8', LENGTH_BYTES, at)) as ArchivedFile[];
  for (const file of index) {
    if (!PATH.test(file.path)) throw new Error(`a path that no build writes: ${file.path}`);
    const bytes = archive.subarray(at, (at += file.sizeBytes));
    if (bytes.length !== file.sizeBytes) throw new Error(`${file.path} is cut off`);
    yield { ...file, bytes };
  }
  if (at !== archive.length) throw new Error(`${archive.length - at} bytes after the last file`);
}

export function archiveHash(archive: Uint8Array): string {
  return createHash('sha256').update(archive).digest('hex').slice(0, HASH_DIGITS);
}
