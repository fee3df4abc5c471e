/**
 * Where this program lies, and how another process of it is started. It runs from the sources of a clone, from the build of an
 * installed package, or out of the single binary, which unpacks the same files as the package has into a folder of its own.
 *
 *   clone                    package, and the folder of the binary
 *   src/main/cli.ts          dist/node/cli.js and its chunks, all in this one folder
 *   viewer/dist              viewer/dist, built ahead
 *   examples/meadow.ts       dist/examples/meadow.js: Node strips no types below node_modules
 */
import { isSea } from 'node:sea';
import { fileURLToPath } from 'node:url';

const HERE = import.meta.url;
/** True for what the build made: its files cannot be older than their sources. */
export const IS_BUILD: boolean = HERE.endsWith('.js');
/** Both `src/main` and `dist/node` lie two below the root. */
const ROOT = new URL('../../', HERE);

export const ROOT_FOLDER: string = fileURLToPath(ROOT);
export const VIEWER_DIRECTORY: string = within('viewer/dist');
/** The world that runs when none is named. */
export const DEFAULT_MODULE: string = within(IS_BUILD ? 'dist/examples/meadow.js' : 'examples/meadow.ts');
export function within(path: string): string {
  return fileURLToPath(new URL(path, ROOT));
}

/**
 * What Node is given to run this program again in another process, or '' in the binary, which is its own program. The binary is found
 * by its path: when another version has been put there meanwhile, that is what starts.
 */
export const PROGRAM: string = isSea() ? '' : within('bin/worldmesh.cjs');

/** True in the single binary. */
export function isBinary(): boolean {
  return isSea();
}
