/**
 * The package as npm packs it, in a project of somebody else: there Node strips no types of it, and nothing of the clone is at hand.
 * The two native packages that it depends on are linked, so that nothing is downloaded; test/long has the whole installation.
 */
import { execFile } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import packageFacts from '../../package.json' with { type: 'json' };
import { NATIVE_PACKAGES } from '../../scripts/build-node.ts';
import { RunningCommand, temporaryFolder } from './command-line.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const MODULES = path.join(ROOT, 'node_modules');
const PACKED_BYTES_MAX = 4_000_000;
const run = promisify(execFile);

interface Installed {
  readonly project: string;
  readonly program: string;
  readonly packedBytes: number;
}

const installed = install();

async function install(): Promise<Installed> {
  const project = temporaryFolder();
  const { stdout } = await run('npm', ['pack', '--json', '--silent', '--pack-destination', project], { cwd: ROOT });
  const [{ filename, size }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string; size: number }];
  const own = path.join(project, 'node_modules', 'worldmesh');
  mkdirSync(own, { recursive: true });
  await run('tar', ['-xzf', path.join(project, filename), '-C', own, '--strip-components=1']);
  for (const name of [...NATIVE_PACKAGES, 'typescript', '@types/node']) {
    mkdirSync(path.dirname(path.join(project, 'node_modules', name)), { recursive: true });
    symlinkSync(path.join(MODULES, name), path.join(project, 'node_modules', name));
  }
  return { project, program: path.join(own, 'bin', 'worldmesh.cjs'), packedBytes: size };
}

/** A new game in a folder of the project, so that it finds the project's packages. */
async function newGame(name: string): Promise<{ game: string; program: string }> {
  const { project, program } = await installed;
  await run(process.execPath, [program, 'new', name, '--no-install'], { cwd: project });
  return { game: path.join(project, name), program };
}

test.serial('it depends on what is native only, has no sources, and is small', async (t) => {
  const { project, packedBytes } = await installed;
  const own = path.join(project, 'node_modules', 'worldmesh');
  const { dependencies } = JSON.parse(readFileSync(path.join(own, 'package.json'), 'utf8')) as Record<string, object>;
  t.deepEqual(Object.keys(dependencies!), [...NATIVE_PACKAGES]);
  t.false(existsSync(path.join(own, 'src')));
  t.true(existsSync(path.join(own, 'viewer', 'dist', 'index.html')));
  t.regex(readFileSync(path.join(own, 'dist', 'THIRD-PARTY-LICENSES.txt'), 'utf8'), /^ws \d/m);
  t.log(`${packedBytes} bytes packed`);
  t.true(packedBytes < PACKED_BYTES_MAX);
});

test.serial('what is imported of it in Node and by bundlers is whole', async (t) => {
  const { project } = await installed;
  const script = `
    import * as api from 'worldmesh';
    import * as client from 'worldmesh/client';
    import * as testing from 'worldmesh/testing';
    console.log(JSON.stringify([Object.keys(api), Object.keys(client), Object.keys(testing)]));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: project });
  const names = JSON.parse(stdout) as string[][];
  const sources = ['index.ts', 'client/index.ts', 'testing/index.ts'];
  for (const [index, source] of sources.entries()) {
    const expected = Object.keys((await import(`../../src/${source}`)) as object);
    t.deepEqual(names[index]!.sort(), expected.sort(), source);
  }
  // A page that imports a world module reaches nothing of Node.
  const own = path.join(project, 'node_modules', 'worldmesh', 'dist', 'node');
  const pending = ['index.js'];
  const seen = new Set<string>();
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    for (const [, target] of readFileSync(path.join(own, name), 'utf8').matchAll(
      /(?:from|import)\s*["']([^"']+)["']/g,
    )) {
      t.true(target!.startsWith('./'), `${name} imports ${target}`);
      pending.push(path.basename(target!));
    }
  }
});

test.serial('a new game: its types are right and its tests pass', async (t) => {
  const { game, program } = await newGame('small-game');
  t.true(readdirSync(game).includes('.gitignore'));
  const facts = JSON.parse(readFileSync(path.join(game, 'package.json'), 'utf8')) as typeof packageFacts;
  t.like(facts.dependencies, { worldmesh: `^${packageFacts.version}` });
  const tsc = path.join(MODULES, 'typescript', 'bin', 'tsc');
  const checked = await run(process.execPath, [tsc, '-p', game]).catch((failed: { stdout: string }) => failed);
  t.is(checked.stdout, '');
  const { stdout } = await run(process.execPath, [program, 'test'], { cwd: game });
  t.regex(stdout, /pass 4/);
  t.regex(stdout, /fail 0/);
  appendFileSync(path.join(game, 'test', 'world.test.ts'), "\ntest('wrong', () => assert.equal(1, 2));\n");
  const failed = await run(process.execPath, [program, 'test'], { cwd: game }).catch(
    (error: { code: number }) => error,
  );
  t.like(failed, { code: 1 });
  const { stdout: chosen } = await run(process.execPath, [program, 'test', '--name', 'diagonally'], { cwd: game });
  t.regex(chosen, /pass 1/);
});

test.serial('it runs a world with its page and viewer, and goes on when the module changes', async (t) => {
  const { game, program } = await newGame('live-game');
  const args = ['dev', 'world.ts', '--page', 'page/index.html', '--port', '0', '--log-format', 'json'];
  await using node = new RunningCommand(args, { folder: game, program });
  const [, port] = await node.waitFor(/"port":(\d+)/);
  const page = await (await fetch(`http://127.0.0.1:${port}/play/`)).text();
  const [, script] = /src="([^"]+\.js)"/.exec(page)!;
  const code = await (await fetch(`http://127.0.0.1:${port}/play/${script}`)).text();
  t.true(code.length > 10_000);
  t.is((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
  appendFileSync(path.join(game, 'world.ts'), '\n// a change\n');
  await node.waitFor(/world\.ts changed: the world goes on/);
  node.kill('SIGTERM');
  t.is((await node.ended).code, 0);
});

test.serial('it runs a cluster, with all threads of its nodes', async (t) => {
  const { program } = await installed;
  const folder = temporaryFolder();
  const args = ['cluster', '--nodes', '2', '--port', '0', '--log-format', 'json'];
  await using cluster = new RunningCommand(args, { folder, program });
  await cluster.waitFor(/"msg":"cluster ready"/);
  const directory = `sqlite:${path.join(folder, '.worldmesh', 'cluster', 'directory.sqlite')}`;
  const { stdout } = await run(process.execPath, [program, 'status', '--directory', directory, '--json']);
  t.regex(stdout, /"name":"a"/);
  cluster.kill('SIGTERM');
  t.is((await cluster.ended).code, 0);
});
