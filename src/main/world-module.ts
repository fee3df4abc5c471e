/**
 * Looks at a world module before anything is started with it. The module runs in a short-lived thread: its imports
 * are loaded afresh each time (a module cache never forgets), and code that loops for ever is cut off.
 */
import { statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { ModuleError } from '../base/errors.ts';
import type { ModuleErrorCode } from '../base/errors.ts';
import type { EventSchema, Schema } from '../base/schema.ts';

/** What the main thread knows of a world module: data only, none of its functions. */
export interface WorldModule {
  readonly url: string;
  readonly schema: Schema;
  /** Metres. */
  readonly size: number;
  readonly edge: 'bounce' | 'stop';
  readonly params: Readonly<Record<string, number>>;
  readonly systems: readonly string[];
  /** What it may publish. */
  readonly publications: readonly EventSchema[];
  /** Absolute paths of the module and of all it imports, save what lies in node_modules and in Worldmesh itself. */
  readonly files: readonly string[];
}

/** What the thread answers. */
export type ModuleAnswer =
  | ({ readonly ok: true } & Omit<WorldModule, 'url'>)
  | { readonly ok: false; readonly code: ModuleErrorCode; readonly field: string; readonly message: string };

/** Loading takes some 30 ms, and a hundred times as much where others want the cores; a module that needs this long loops. */
const LOAD_MS_MAX = 30_000;

/** The file URL of what a user typed: a path, or a file URL. @throws ModuleError when there is no such file. */
export function moduleUrl(module: string, { folder }: { folder: string }): string {
  const isUrl = module.startsWith('file:');
  const file = isUrl ? pathOf(module) : path.resolve(folder, module);
  const problem = fileProblem(file);
  if (problem !== undefined) throw new ModuleError('ERR_MODULE_LOAD', { field: module, message: problem });
  return pathToFileURL(file).href;
}

/** Why it cannot be a world module, as far as that is seen from outside. */
function fileProblem(file: string): string | undefined {
  const status = statSync(file, { throwIfNoEntry: false });
  if (status === undefined) {
    return `there is no such file (looked at ${file}); give the path of a world module, such as examples/meadow.ts`;
  }
  if (status.isDirectory()) return 'is a folder; give the world module in it, such as world.ts';
  if (!SETTINGS_FILE.test(file)) return undefined;
  return 'is no world module, a .ts or .js file; a file with settings is given as --config FILE';
}

const SETTINGS_FILE = /\.(?:ya?ml|json)$/i;

/** @throws ModuleError saying the field, or the file and line, and what is wrong there. */
export async function loadWorldModule(url: string): Promise<WorldModule> {
  const worker = new Worker(new URL('./world-module.worker.ts', import.meta.url), { workerData: { url } });
  try {
    const answer = await answerOf(worker, url);
    if (!answer.ok) throw new ModuleError(answer.code, { field: answer.field, message: answer.message });
    const { ok: _ok, ...world } = answer;
    return { url, ...world };
  } finally {
    await worker.terminate();
  }
}

function answerOf(worker: Worker, url: string): Promise<ModuleAnswer> {
  const field = fileURLToPath(url);
  const { promise, resolve, reject } = Promise.withResolvers<ModuleAnswer>();
  const refuse = (message: string): void => reject(new ModuleError('ERR_MODULE_LOAD', { field, message }));
  const timer = setTimeout(() => refuse(`did not finish loading within ${LOAD_MS_MAX} ms: does it loop?`), LOAD_MS_MAX);
  worker.once('message', resolve);
  worker.once('error', (error: Error) => refuse(error.message));
  worker.once('exit', () => refuse('ended its thread while loading: a world module must not call process.exit'));
  return promise.finally(() => clearTimeout(timer));
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new ModuleError('ERR_MODULE_LOAD', { field: url.slice(0, 200), message: 'not a usable file URL', cause });
  }
}
