/** Loads one world module in a thread of its own and reports what it is; see world-module.ts. */
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { ModuleError } from '../base/errors.ts';
import { checkWorld, publicationsOf } from '../base/world-check.ts';
import type { World } from '../base/world.ts';
import { resolveOwnPackage } from '../workers/own-package.ts';
import type { ModuleAnswer } from './world-module.ts';

const OWN_SOURCES = new URL('../', import.meta.url).href;
const EXCERPT_LENGTH_MAX = 160;

const { url } = workerData as { url: string };
assert(parentPort, 'this file runs as a worker thread');
resolveOwnPackage();
parentPort.postMessage(await look(url));

async function look(moduleUrl: string): Promise<ModuleAnswer> {
  const files = new Set<string>();
  const hooks = registerHooks({
    load(loaded, context, next) {
      if (isUserFile(loaded)) files.add(fileURLToPath(loaded));
      return next(loaded, context);
    },
  });
  try {
    const exported = ((await import(moduleUrl)) as { default?: unknown }).default;
    return describe(exported, { file: fileURLToPath(moduleUrl), files: [...files] });
  } catch (error) {
    return refusal(error, fileURLToPath(moduleUrl));
  } finally {
    hooks.deregister();
  }
}

function describe(exported: unknown, { file, files }: { file: string; files: readonly string[] }): ModuleAnswer {
  const { declaration } = (exported ?? {}) as Partial<World>;
  if (declaration === undefined) {
    return {
      ok: false,
      code: 'ERR_MODULE_SHAPE',
      field: file,
      message: 'has no world: write "export default defineWorld({ … })", with defineWorld imported from worldmesh',
    };
  }
  return {
    ok: true,
    schema: checkWorld(declaration),
    size: declaration.size,
    edge: declaration.edge ?? 'bounce',
    params: { ...(declaration.params as Record<string, number> | undefined) },
    systems: Object.keys(declaration.systems),
    publications: publicationsOf(declaration),
    files,
  };
}

function refusal(error: unknown, file: string): ModuleAnswer {
  if (isModuleError(error)) {
    const prefix = `${error.field}: `;
    const message = error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
    return { ok: false, code: error.code, field: error.field, message };
  }
  if (!(error instanceof Error)) {
    return { ok: false, code: 'ERR_MODULE_LOAD', field: file, message: `threw ${String(error)} while loading` };
  }
  const { place, excerpt } = placeOf(error);
  const message = `${error.name}: ${error.message}${excerpt === '' ? '' : `\n${excerpt}`}`;
  return { ok: false, code: 'ERR_MODULE_LOAD', field: place ?? file, message };
}

/** The module may have got its `defineWorld` from another copy of this package, whose ModuleError is another class. */
function isModuleError(error: unknown): error is ModuleError {
  return error instanceof ModuleError || (error instanceof Error && error.name === 'ModuleError' && 'field' in error);
}

/**
 * Where an error arose. A syntax error's stack begins with `file:line` and the source around it; any other error's
 * first frame outside of Node is the place.
 */
function placeOf({ stack = '' }: Error): { place: string | undefined; excerpt: string } {
  const lines = stack.split('\n');
  const head = /^(?:file:\/\/)?(\/.*:\d+)$/.exec(lines[0] ?? '');
  if (head) {
    const end = lines.indexOf('', 1);
    const excerpt = lines
      .slice(1, end < 0 ? 3 : end)
      .slice(0, 4)
      .map((line) => `    ${line.slice(0, EXCERPT_LENGTH_MAX)}`);
    return { place: head[1], excerpt: excerpt.join('\n') };
  }
  for (const line of lines) {
    const frame = /(file:\/\/\/[^\s()]+?):(\d+):\d+\)?$/.exec(line);
    const [, frameUrl, frameLine] = frame ?? [];
    if (frameUrl && isUserFile(frameUrl)) return { place: `${fileURLToPath(frameUrl)}:${frameLine}`, excerpt: '' };
  }
  return { place: undefined, excerpt: '' };
}

function isUserFile(loaded: string): boolean {
  return loaded.startsWith('file:') && !loaded.startsWith(OWN_SOURCES) && !loaded.includes('/node_modules/');
}
