/** Code of the user that a node loads: its world module, its page, its login hook. Each is loaded as the node would do it. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { WorldmeshError } from '../../../base/errors.ts';
import { mergeParams } from '../../node-settings.ts';
import { bundlePage } from '../../page-bundle.ts';
import { loadWorldModule, moduleUrl } from '../../world-module.ts';
import type { WorldModule } from '../../world-module.ts';
import { findingOf } from './finding.ts';
import type { CheckedNode, Finding } from './finding.ts';

/** As long as a node waits. */
const HOOK_LOAD_MS_MAX = 10_000;
const HOOK_CODE = `const { parentPort, workerData } = require('node:worker_threads');
import(workerData.url).then(
  (hook) => parentPort.postMessage(typeof hook.authenticate === 'function' ? '' : 'exports no function "authenticate"'),
  (error) => parentPort.postMessage('cannot be loaded: ' + String(error).slice(0, 400)),
);`;

export interface WorldCheck {
  readonly findings: readonly Finding[];
  readonly world: WorldModule | undefined;
}

/** @param module the argument of the command, which beats the setting. */
export async function checkWorld(
  node: CheckedNode,
  { module, folder }: { module: string; folder: string },
): Promise<WorldCheck> {
  let world: WorldModule;
  try {
    world = await loadWorldModule(moduleUrl(module, { folder }));
  } catch (error) {
    if (!(error instanceof WorldmeshError)) throw error;
    const finding = findingOf(node, 'module', {
      code: 'ERR_CONFIG_WORLD',
      found: `${JSON.stringify(module)}: ${withoutPrefix(error.message, module)}`,
      allowed: 'a world module, a .ts or .js file that exports what defineWorld makes',
      remedy: 'correct the path, or the module at that place',
    });
    return { findings: [finding], world: undefined };
  }
  try {
    mergeParams(world, node.settings.params);
    return { findings: [], world };
  } catch (error) {
    if (!(error instanceof WorldmeshError)) throw error;
    const finding = findingOf(node, 'params', {
      code: 'ERR_CONFIG_WORLD',
      found: JSON.stringify(node.settings.params),
      allowed: `params of the world: ${Object.keys(world.params).join(', ') || 'it has none'}`,
      remedy: `correct it: ${error.message}`,
    });
    return { findings: [finding], world };
  }
}

/** The message begins with what stands before it already. */
function withoutPrefix(message: string, module: string): string {
  return message.startsWith(`${module}: `) ? message.slice(module.length + 2) : message;
}

export async function checkPage(node: CheckedNode, { folder }: { folder: string }): Promise<readonly Finding[]> {
  const { page } = node.settings;
  if (page === '') return [];
  const directory = mkdtempSync(path.join(tmpdir(), 'worldmesh-page-'));
  try {
    await bundlePage(path.resolve(folder, page), { directory });
    return [];
  } catch (error) {
    if (!(error instanceof WorldmeshError)) throw error;
    return [
      findingOf(node, 'page', {
        code: 'ERR_CONFIG_WORLD',
        found: `${JSON.stringify(page)}: ${error.message}`,
        allowed: 'an HTML file whose scripts and style sheets can be bundled',
        remedy: 'correct the path, or the page at that place',
      }),
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export async function checkHook(node: CheckedNode, { folder }: { folder: string }): Promise<readonly Finding[]> {
  const { authMode, authFile } = node.settings;
  if (authMode !== 'hook') return [];
  const file = path.resolve(folder, authFile);
  const problem = existsSync(file) ? await hookProblem(pathToFileURL(file).href) : 'there is no such file';
  if (problem === '') return [];
  return [
    findingOf(node, 'authFile', {
      code: 'ERR_CONFIG_WORLD',
      found: `${JSON.stringify(authFile)}: ${problem}`,
      allowed: 'a module that exports authenticate({ token, name, address, origin })',
      remedy: 'correct the path, or the module',
    }),
  ];
}

/** In a thread that is ended afterwards: whatever the module opens does not outlive the look at it. '' if all is well. */
async function hookProblem(url: string): Promise<string> {
  const worker = new Worker(HOOK_CODE, { eval: true, workerData: { url } });
  const { promise, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(resolve, HOOK_LOAD_MS_MAX, `is not loaded within ${HOOK_LOAD_MS_MAX} ms`);
  worker.once('message', resolve);
  worker.once('error', (error: Error) => resolve(`cannot be loaded: ${error.message}`));
  worker.once('exit', () => resolve('ends its thread while it is loaded'));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}
