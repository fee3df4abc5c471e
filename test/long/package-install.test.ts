/** The package as a user gets it: packed, installed by npm in an empty project, and run by the Node of the system, whichever that is. */
import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import packageFacts from '../../package.json' with { type: 'json' };
import { temporaryFolder } from '../main/command-line.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const run = promisify(execFile);
/** Without the clone's own Node, which npm puts before the system's. */
const SYSTEM_PATH = (process.env.PATH ?? '')
  .split(path.delimiter)
  .filter((folder) => !folder.includes('node_modules') && !folder.includes('node-gyp-bin'))
  .join(path.delimiter);
const environment = { ...process.env, PATH: SYSTEM_PATH };

function project(): string {
  const folder = temporaryFolder();
  writeFileSync(path.join(folder, 'package.json'), '{ "name": "empty", "private": true, "type": "module" }\n');
  return folder;
}

const PLAYED = /pass 4/;

test.serial('npm installs it in an empty project, where npx runs it by the Node of the system', async (t) => {
  const folder = temporaryFolder();
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: ROOT });
  const archive = path.join(folder, stdout.trim().split('\n').at(-1)!);
  const user = project();
  await run('npm', ['install', '--no-audit', '--no-fund', archive], { cwd: user, env: environment });
  const npx = (...args: string[]): Promise<{ stdout: string }> =>
    run('npx', ['--no-install', 'worldmesh', ...args], { cwd: user, env: environment });
  t.is((await npx('--version')).stdout, `${packageFacts.version}\n`);
  await npx('new', 'my-game', '--no-install');
  const game = { cwd: path.join(user, 'my-game'), env: environment };
  t.regex((await run('npx', ['--no-install', 'worldmesh', 'test'], game)).stdout, PLAYED);

  // Without the Node that it brings, and with one that needs no other.
  const lean = project();
  const flags = ['--no-audit', '--no-fund', '--omit=optional'];
  await run('npm', ['install', ...flags, archive], { cwd: lean, env: environment });
  t.false(existsSync(path.join(lean, 'node_modules', `node-linux-${process.arch}`)));
  const program = path.join(lean, 'node_modules', 'worldmesh', 'bin', 'worldmesh.cjs');
  await run(process.execPath, [program, 'new', 'my-game', '--no-install'], { cwd: lean });
  const tested = await run(process.execPath, [program, 'test'], { cwd: path.join(lean, 'my-game') });
  t.regex(tested.stdout, PLAYED);
  const { major } = /^v(?<major>\d+)/.exec((await run('node', ['--version'], { env: environment })).stdout)!.groups!;
  t.log(`the Node of the system is ${major}`);
  if (Number(major) >= 24) return;
  const refused = await run('node', [program, '--version'], { env: environment }).catch(
    (error: { stderr: string }) => error,
  );
  t.regex((refused as { stderr: string }).stderr, /needs Node 24 or newer/);
});
