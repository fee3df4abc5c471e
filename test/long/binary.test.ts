/**
 * The single binary as it is released, in an empty folder with an empty environment: one node and its pages, a cluster with players and a
 * drain, an upgrade of the file while the cluster runs, a new game, and every command that needs a file of its own.
 */
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import packageFacts from '../../package.json' with { type: 'json' };
import { BareMachine, readyNodes } from '../../scripts/binary/bare-machine.ts';
import { assemble, buildBinary, packagedFiles, processorNamed } from '../../scripts/build-binary.ts';
import { buildAll } from '../../scripts/build-node.ts';
import { buildRelease } from '../../scripts/build-release.ts';
import { temporaryFolder } from '../main/command-line.ts';

const SIZE_BYTES_MAX = 130_000_000;
const PROCESSOR = processorNamed(process.arch);
const DIRECTORY = ['--directory', 'sqlite:data/cluster/directory.sqlite'];
const WORLD = `import { defineWorld, f32 } from 'worldmesh';
import { SPEED } from './speed.ts';
const axis = f32({ min: -1, max: 1 });
export default defineWorld({
  name: 'plain', version: 1, size: 1024,
  components: {}, kinds: { player: { components: [] } },
  input: { fields: { moveX: axis, moveZ: axis }, apply: (self, { moveX, moveZ }) => void ([self.vx, self.vz] = [moveX * SPEED, moveZ * SPEED]) },
  systems: {},
  join: ({ random }) => ({ kind: 'player', x: random() * 900 - 450, z: random() * 900 - 450 }),
});
`;

const built = buildAll().then(() => buildBinary(PROCESSOR));

async function bareMachine(): Promise<BareMachine> {
  const machine = new BareMachine((await built).file);
  writeFileSync(path.join(machine.folder, 'world.ts'), WORLD);
  writeFileSync(path.join(machine.folder, 'speed.ts'), 'export const SPEED: number = 5;\n');
  return machine;
}

test.serial('it is one file of bounded size, stripped, and tells its version', async (t) => {
  const { file, sizeBytes, isStripped } = await built;
  t.log(`${sizeBytes} bytes, ${gzipSync(readFileSync(file), { level: 1 }).length} gzipped`);
  t.true(sizeBytes < SIZE_BYTES_MAX);
  t.true(isStripped);
  await using machine = await bareMachine();
  t.is((await machine.run(['--version'])).stdout, `${packageFacts.version}\n`);
  t.is((await machine.run(['no-such-command'])).code, 2);
});

test.serial('dev: world.ts from the disk, its viewer, and the change of a file that it imports', async (t) => {
  await using machine = await bareMachine();
  const node = machine.start(['dev', 'world.ts', '--port', '0', '--log-format', 'json']);
  const [, port] = await node.waitFor(/"port":(\d+)/);
  const page = await (await fetch(`http://127.0.0.1:${port}/`)).text();
  const [, script] = /src="([^"]+\.js)"/.exec(page)!;
  t.is((await fetch(`http://127.0.0.1:${port}/${script}`)).status, 200);
  t.regex(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text(), /^worldmesh_/m);
  writeFileSync(path.join(machine.folder, 'speed.ts'), 'export const SPEED: number = 7;\n');
  await node.waitFor(/speed\.ts changed: the world goes on/);
  t.is((await node.stop()).code, 0);
});

test.serial('a cluster: players, a drain under way, status, audit; replaced while it runs', async (t) => {
  await using machine = await bareMachine();
  const flags = [
    '--port',
    '0',
    '--block-cells',
    '1',
    '--lease-ms',
    '6000',
    '--log-format',
    'json',
    '--data-dir',
    'data',
  ];
  const cluster = machine.start(['cluster', 'world.ts', '--nodes', '3', ...flags]);
  const nodes = await readyNodes(cluster);
  t.deepEqual(
    nodes.map(({ name }) => name),
    ['a', 'b', 'c'],
  );
  const urls = nodes.flatMap(({ url }) => ['--url', url.replace('http', 'ws')]);
  const played = await machine.run(['bots', '--count', '20', '--seconds', '5', '--json', ...urls]);
  t.is(played.code, 0, played.stderr);

  // Another version comes to the same place; the running one goes on, and what is started from now on is the new one.
  const files = packagedFiles(PROCESSOR).map((file) =>
    file.path === 'package.json' ? { ...file, bytes: Buffer.concat([file.bytes, Buffer.from('\n')]) } : file,
  );
  const newer = await assemble(files, { processor: PROCESSOR, file: path.join(temporaryFolder(), 'newer'), level: 1 });
  machine.replace(newer.file);
  t.is((await machine.run(['status', ...DIRECTORY])).code, 0);
  const drained = await machine.run(['drain', 'c', '--restart', ...DIRECTORY]);
  t.is(drained.code, 0, `${drained.stdout}${drained.stderr}`);
  t.is(readdirSync(path.join(machine.folder, '.cache', 'worldmesh')).length, 2);
  const audited = await machine.run(['audit', '--settle', '2', ...DIRECTORY]);
  t.is(audited.code, 0, `${audited.stdout}${audited.stderr}`);
  t.is((await cluster.stop()).code, 0);
});

test.serial('bench, a recording and its replay, keys, config', async (t) => {
  await using machine = await bareMachine();
  const commands = [
    ['bench', '--entities', '1000', '--max', '--ticks', '50'],
    ['keys', 'init', '--out', 'keys'],
    ['config', 'print'],
  ];
  for (const command of commands) {
    const { code, stderr } = await machine.run(command);
    t.is(code, 0, `${command.join(' ')}: ${stderr}`);
  }
  const node = machine.start(['serve', 'world.ts', '--port', '0', '--record', 'run.wmr', '--log-format', 'json']);
  const [, port] = await node.waitFor(/"port":(\d+)/);
  t.is((await machine.run(['bots', '--count', '5', '--seconds', '2', '--url', `ws://127.0.0.1:${port}`])).code, 0);
  t.is((await node.stop()).code, 0);
  const replayed = await machine.run(['replay', 'run.wmr', '--module', 'world.ts']);
  t.is(replayed.code, 0, replayed.stderr);
});

test.serial('a new game needs neither npm nor Node: its page is bundled, its tests pass', async (t) => {
  await using machine = await bareMachine();
  t.is((await machine.run(['new', 'my-game'])).code, 0);
  const folder = path.join(machine.folder, 'my-game');
  const tested = await machine.run([], { folder, program: path.join(folder, 'test.sh') });
  t.is(tested.code, 0, tested.stdout + tested.stderr);
  t.regex(tested.stdout, /pass 4/);
  const args = ['--port', '0', '--log-format', 'json'];
  const node = machine.start(args, { folder, program: path.join(folder, 'start.sh') });
  const [, port] = await node.waitFor(/"port":(\d+)/);
  const page = await (await fetch(`http://127.0.0.1:${port}/play/`)).text();
  const [, script] = /src="([^"]+\.js)"/.exec(page)!;
  t.is((await fetch(`http://127.0.0.1:${port}/play/${script}`)).status, 200);
  t.is((await node.stop()).code, 0);
});

test.serial('the release: an archive whose checksums are right', async (t) => {
  const { file, files } = buildRelease(await built, PROCESSOR);
  t.true(statSync(file).size > 1_000_000);
  for (const name of [
    'worldmesh',
    'worldmesh.service',
    'worldmesh.yaml',
    'README.md',
    'THIRD-PARTY-LICENSES.txt',
    'SHA256SUMS',
  ]) {
    t.true(files.includes(name), name);
  }
  const again = buildRelease(await built, PROCESSOR);
  t.is(readFileSync(again.file).compare(readFileSync(file)), 0);
});
