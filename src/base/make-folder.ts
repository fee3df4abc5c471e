/** Folders of a path that a user gave. */
import { mkdirSync, statSync } from 'node:fs';
import path from 'node:path';

/**
 * Makes a folder and those above it, as far as they are missing. Ends everywhere: Node's own `recursive` tries without end where a file
 * system says of a new name in a folder that it does not exist, as /proc does.
 * @param mode of those that are made.
 * @throws what mkdir throws.
 */
export function makeFolder(folder: string, { mode = 0o777 }: { mode?: number } = {}): void {
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(folder).isDirectory()) return;
    const above = path.dirname(path.resolve(folder));
    if (code !== 'ENOENT' || isFolder(above)) throw error;
    makeFolder(above, { mode });
    // Another process may have been faster.
    makeFolder(folder, { mode });
  }
}

function isFolder(folder: string): boolean {
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
