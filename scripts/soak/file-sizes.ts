/** How much the cluster has on disk: the directory, the journals of all nodes, and their write-ahead logs. */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';

export interface FileSizes {
  /** Since the run began. */
  readonly seconds: number;
  readonly directoryBytes: number;
  /** Journals that are written, and those kept as history. */
  readonly journalBytes: number;
  /** The largest write-ahead log, and all together. */
  readonly walBytesMax: number;
  readonly walBytes: number;
  readonly allBytes: number;
  readonly files: number;
}

export function fileSizes(folder: string, seconds: number): FileSizes {
  let [directoryBytes, journalBytes, walBytesMax, walBytes, allBytes, files] = [0, 0, 0, 0, 0, 0];
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const sizeBytes = entry.isFile() ? sizeOf(path.join(entry.parentPath, entry.name)) : 0;
    if (sizeBytes === 0) continue;
    files++;
    allBytes += sizeBytes;
    if (entry.name.endsWith('-wal')) {
      walBytes += sizeBytes;
      walBytesMax = Math.max(walBytesMax, sizeBytes);
    } else if (entry.name.startsWith('directory')) directoryBytes += sizeBytes;
    else if (entry.name.endsWith('.sqlite')) journalBytes += sizeBytes;
  }
  return { seconds, directoryBytes, journalBytes, walBytesMax, walBytes, allBytes, files };
}

/** A file may go between being listed and being looked at. */
function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
