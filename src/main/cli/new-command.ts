/** `worldmesh new`. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import packageFacts from '../../../package.json' with { type: 'json' };
import { IS_BUILD, ROOT_FOLDER, isBinary, within } from '../installation.ts';
import { writeProject } from '../project.ts';
import type { Origin } from '../project.ts';
import { examples, note, print, styled } from './output.ts';

const NAME = /^[a-z][a-z0-9-]{0,49}$/;
const NAME_RULE = 'a lower-case letter, then lower-case letters, digits and -, at most 50';

interface NewFlags {
  readonly dependency?: string;
  readonly install: boolean;
}

export function addNewCommand(program: Command): void {
  const command = program
    .command('new')
    .description('Write a small complete game: world, page, tests and the commands to run them')
    .argument('<folder>', 'where; its last part is the name of the game')
    .option(
      '--dependency <spec>',
      'what package.json says of worldmesh (default: this version, or the folder of this clone)',
    )
    .option('--no-install', 'do not run "npm install" in it');
  command.addHelpText('after', examples(['worldmesh new my-game', 'worldmesh new my-game --no-install']));
  command.action(async (given: string, { dependency, install }: NewFlags) => {
    const folder = path.resolve(given);
    const name = path.basename(folder);
    if (!NAME.test(name)) command.error(`"${name}" cannot be the name of a game: ${NAME_RULE}`);
    const origin: Origin = isBinary() ? 'binary' : IS_BUILD ? 'package' : 'clone';
    if (origin === 'clone') await buildTypesOnce();
    const files = writeProject({
      folder,
      name,
      origin,
      dependency: dependency ?? defaultDependency(origin),
      binary: process.execPath,
    });
    const isReady = origin === 'binary' || (install && (await runNpmInstall(folder)));
    print(`${styled('bold', name)}: ${files.length} files in ${folder}`);
    print(nextSteps(path.relative(process.cwd(), folder) || '.', { origin, isReady }));
  });
}

function defaultDependency(origin: Origin): string {
  return origin === 'clone' ? `file:${path.resolve(ROOT_FOLDER)}` : `^${packageFacts.version}`;
}

/** A clone has none before its first build, and the game's editor wants them. */
async function buildTypesOnce(): Promise<void> {
  const types = within('dist/types');
  if (existsSync(path.join(types, 'testing', 'index.d.ts'))) return;
  note('worldmesh: building the types of this clone, once');
  const { buildTypes } = await import('../../../scripts/build-client.ts');
  buildTypes(types);
}

/** False when there is no npm, or it failed: it says why. */
async function runNpmInstall(folder: string): Promise<boolean> {
  note('worldmesh: npm install …');
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const child = spawn('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    stdio: ['ignore', 2, 2],
  });
  child.once('error', () => resolve(false));
  child.once('close', (code) => resolve(code === 0));
  return promise;
}

function nextSteps(folder: string, { origin, isReady }: { origin: Origin; isReady: boolean }): string {
  const [start, test] = origin === 'binary' ? ['./start.sh', './test.sh'] : ['npm start', 'npm test'];
  const lines = [`cd ${folder}`, ...(isReady ? [] : ['npm install']), start, test];
  return `\n${lines.map((line) => `  $ ${line}`).join('\n')}\n`;
}
