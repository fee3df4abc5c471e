/**
 * Shows what the single binary does on a machine that has nothing: its size, how long it takes to start, three nodes with clients, a drain
 * under way, status and bench, and a new game with its tests. Prints what the commands print; exits with 1 if one of them fails.
 *
 *   npm run try:binary                 builds the binary of this machine first
 *   npm run try:binary -- --binary F   takes that one
 */
import path from 'node:path';
import { statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BareMachine, readyNodes } from './binary/bare-machine.ts';
import type { Ended } from './binary/bare-machine.ts';
import { buildBinary, processorNamed } from './build-binary.ts';
import { buildAll } from './build-node.ts';

const STARTS = 9;
const CLUSTER = [
  'cluster',
  '--nodes',
  '3',
  '--block-cells',
  '2',
  '--log-format',
  'json',
  '--port',
  '0',
  '--data-dir',
  'data',
];
const DIRECTORY = ['--directory', 'sqlite:data/cluster/directory.sqlite'];

const { values } = parseArgs({
  options: {
    binary: { type: 'string' },
    clients: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '20' },
  },
});
const binary = values.binary ?? (await build());
await using machine = new BareMachine(binary);
await showSizeAndStart();
await showCluster();
await show(['bench', '--entities', '10000', '--seconds', '5']);
await showNewGame();

async function build(): Promise<string> {
  await buildAll();
  return (await buildBinary(processorNamed(process.arch))).file;
}

async function showSizeAndStart(): Promise<void> {
  const megabytes = (statSync(binary).size / 1e6).toFixed(1);
  print(`binary      ${path.relative(process.cwd(), binary)}, ${megabytes} MB`);
  const first = await machine.run(['--version']);
  check(first, '--version');
  const ownMs: number[] = [];
  const nodeMs: number[] = [];
  // In turns, so that both meet the same machine.
  for (let count = 0; count < STARTS; count++) {
    ownMs.push((await machine.run(['--version'])).tookMs);
    nodeMs.push((await machine.run(['-e', '0'], { program: process.execPath })).tookMs);
  }
  const bare = `bare Node ${median(nodeMs)} ms`;
  const unpacking = `${first.tookMs.toFixed(0)} ms the first time, which unpacks and compiles`;
  print(`start       ${median(ownMs)} ms to --version, ${bare}, medians of ${STARTS} in turns; ${unpacking}`);
}

function median(valuesMs: readonly number[]): string {
  return [...valuesMs].sort((one, other) => one - other)[valuesMs.length >> 1]!.toFixed(0);
}

async function showCluster(): Promise<void> {
  const startMs = performance.now();
  const cluster = machine.start(CLUSTER);
  const nodes = await readyNodes(cluster);
  print(`cluster     ${nodes.length} nodes ready after ${(performance.now() - startMs).toFixed(0)} ms`);
  await show(['status', ...DIRECTORY]);
  const clients = ['--count', values.clients, '--seconds', values.seconds];
  const urls = nodes.flatMap(({ url }) => ['--url', url.replace('http', 'ws')]);
  const bots = machine.run(['bots', ...clients, ...urls, '--mode', 'tunnel']);
  await show(['drain', nodes[2]!.name, '--restart', ...DIRECTORY]);
  const played = await bots;
  print(`\n$ worldmesh bots ${clients.join(' ')} …   (while ${nodes[2]!.name} was drained)\n${played.stdout}`);
  check(played, 'bots');
  await show(['status', ...DIRECTORY]);
  await show(['audit', '--settle', '2', ...DIRECTORY]);
  check(await cluster.stop(), 'cluster');
}

async function showNewGame(): Promise<void> {
  await show(['new', 'my-game']);
  const folder = path.join(machine.folder, 'my-game');
  const tested = await machine.run(['test'], { folder });
  print(`\n$ ./test.sh\n${tested.stdout}`);
  check(tested, 'test');
}

async function show(args: readonly string[]): Promise<void> {
  const ended = await machine.run(args);
  print(`\n$ worldmesh ${args.join(' ')}\n${ended.stdout.trimEnd()}`);
  check(ended, args.join(' '));
}

function check({ code, stderr }: Ended, what: string): void {
  if (code === 0) return;
  print(`worldmesh ${what} ended with ${code}:\n${stderr}`);
  process.exitCode = 1;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
