/** A binary of the real kind with a small program inside: test/long/binary.test.ts has the whole one. */
import { readFileSync, readdirSync, statSync, truncateSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { BareMachine } from '../../../scripts/binary/bare-machine.ts';
import { assemble, processorNamed } from '../../../scripts/build-binary.ts';
import { temporaryFolder } from '../command-line.ts';

/** Prints where it is and what it was given; `fail` ends with 3. */
const PROGRAM = `
const { isSea } = require('node:sea');
const { Worker } = require('node:worker_threads');
const args = process.argv.slice(2);
if (args[0] === 'fail') process.exit(3);
const worker = new Worker(require('node:path').join(__dirname, '..', 'part.worker.js'), { workerData: args });
worker.once('message', (heard) => {
  console.log(JSON.stringify({ isSea: isSea(), folder: __dirname, heard, environment: Object.keys(process.env) }));
});
`;
const WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
parentPort.postMessage(workerData);
`;

function fileOf(name: string, text: string): { path: string; bytes: Buffer; isProgram: boolean } {
  return { path: name, bytes: Buffer.from(text), isProgram: false };
}

test('it unpacks once, runs with nothing around it, and hands on arguments and exit code', async (t) => {
  const folder = temporaryFolder();
  const build = (program: string): Promise<{ file: string }> =>
    assemble([fileOf('bin/worldmesh.cjs', program), fileOf('part.worker.js', WORKER)], {
      processor: processorNamed(process.arch),
      file: path.join(folder, 'small'),
      level: 1,
    });
  const { file } = await build(PROGRAM);
  t.deepEqual(readdirSync(folder), ['small']);
  await using machine = new BareMachine(file);
  const started = machine.start(['one', '--two']);
  const [first, second] = await Promise.all([started.ended, machine.run(['again'])]);
  t.is(first.code, 0, first.stderr);
  t.is(second.code, 0, second.stderr);
  const said = JSON.parse(first.stdout) as Record<string, unknown>;
  t.like(said, { isSea: true, heard: ['one', '--two'], environment: ['XDG_CACHE_HOME'] });
  t.is((await machine.run(['fail'])).code, 3);
  const cache = path.join(machine.folder, '.cache', 'worldmesh');
  t.deepEqual(readdirSync(cache), [path.basename(path.dirname(said.folder as string))]);

  // A file that was cut is made again.
  truncateSync(path.join(said.folder as string, 'worldmesh.cjs'));
  t.is((await machine.run(['fail'])).code, 3);
  t.is(readFileSync(path.join(said.folder as string, 'worldmesh.cjs'), 'utf8'), PROGRAM);

  // Another version has a folder of its own.
  await build(`${PROGRAM}\nconsole.log('version two');`);
  machine.replace(file);
  t.regex((await machine.run(['one'])).stdout, /version two/);
  t.is(readdirSync(cache).length, 2);
  t.is(statSync(machine.program).mode & 0o111, 0o111);
});
