/** Whole nodes as processes: serve, dev, record, replay, signals. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import test from 'ava';
import { WebSocket } from 'ws';
import { RunningCommand, temporaryFolder, worldmesh } from './command-line.ts';

const API = new URL('../../src/index.ts', import.meta.url).href;
const MEADOW = new URL('../../examples/meadow.ts', import.meta.url);
const QUIET = ['--port', '0', '--log-format', 'json', '--no-viewer'];

interface Ready {
  readonly url: string;
  readonly incarnation: number;
  readonly entities: number;
}

async function ready(command: RunningCommand): Promise<Ready> {
  const [line] = await command.waitFor(/\{[^\n]*"msg":"ready"\}/);
  return JSON.parse(line) as Ready;
}

/** A copy of an example that is ours to change. */
function moduleIn(folder: string, change: (source: string) => string = (source) => source): string {
  const source = readFileSync(MEADOW, 'utf8').replace("'worldmesh'", JSON.stringify(API));
  const file = path.join(folder, 'world.ts');
  writeFileSync(file, change(source));
  return file;
}

test.serial('serve is healthy, says where, and SIGTERM under load ends it with 0 within a second', async (t) => {
  const folder = temporaryFolder();
  await using command = new RunningCommand(['serve', ...QUIET], { folder });
  const { url, entities, incarnation } = await ready(command);
  t.is(entities, 64 * 40);
  t.is(incarnation, 1);
  t.is((await fetch(`${url}healthz`)).status, 200);
  await using _bots = new RunningCommand([
    'bots',
    '--url',
    url.replace('http', 'ws'),
    '--count',
    '20',
    '--seconds',
    '60',
  ]);
  const socket = new WebSocket(`${url.replace('http', 'ws')}connect`);
  const closed = new Promise<number>((resolve, reject) => {
    socket.once('close', (code) => resolve(code));
    socket.once('error', reject);
  });
  await new Promise((resolve) => {
    socket.once('open', resolve);
  });
  for (;;) {
    const metrics = await (await fetch(`${url}metrics`)).text();
    const [, sessions] = /^worldmesh_sessions(?:\{[^}]*\})? (\d+)/m.exec(metrics) ?? [];
    if (sessions === '20') break;
  }
  const startMs = performance.now();
  command.kill('SIGTERM');
  const { code, stderr } = await command.ended;
  const tookMs = performance.now() - startMs;
  t.is(code, 0, stderr);
  t.true(tookMs < 1000, `${Math.round(tookMs)} ms`);
  t.is(await closed, 1012);
});

test.serial('each start has an incarnation of its own; a taken port and a bad param are said plainly', async (t) => {
  const folder = temporaryFolder();
  const taken = createServer();
  await new Promise<void>((resolve) => {
    taken.listen(0, '127.0.0.1', resolve);
  });
  const { port } = taken.address() as { port: number };
  const refused = await worldmesh(['serve', '--port', String(port), '--no-viewer'], { folder });
  taken.close();
  t.is(refused.code, 1);
  t.regex(refused.stderr, new RegExp(`127\\.0\\.0\\.1:${port} is in use by another process.*ERR_NODE_LISTEN`));
  const param = await worldmesh(['serve', ...QUIET, '--param', 'botsPerSell=3'], { folder });
  t.is(param.code, 2);
  t.regex(param.stderr, /no param "botsPerSell"; did you mean "botsPerCell"\?/);
  await using command = new RunningCommand(['serve', ...QUIET], { folder });
  t.is((await ready(command)).incarnation, 3);
});

test.serial(
  'a run that is recorded is replayed alike with other workers and the other kernel, and a change is found',
  async (t) => {
    const folder = temporaryFolder();
    const file = moduleIn(folder, (source) => source.replace('size: 2048', 'size: 1024'));
    const recording = path.join(folder, 'run.wmr');
    {
      await using command = new RunningCommand(['serve', file, ...QUIET, '--workers', '1', '--record', recording], {
        folder,
      });
      const { url } = await ready(command);
      const bots = await worldmesh([
        'bots',
        '--url',
        url.replace('http', 'ws'),
        '--count',
        '10',
        '--seconds',
        '2',
        '--json',
      ]);
      t.is(bots.code, 0, bots.stdout + bots.stderr);
      command.kill('SIGTERM');
      t.is((await command.ended).code, 0);
    }
    for (const how of [[], ['--workers', '3', '--kernel', 'typescript']]) {
      const { code, stdout, stderr } = await worldmesh(['replay', recording, '--json', ...how], { folder });
      t.is(code, 0, stdout + stderr);
      const result = JSON.parse(stdout) as { ticks: number; mismatch: unknown; isTruncated: boolean };
      t.true(result.ticks > 30);
      t.is(result.mismatch, null);
      t.false(result.isTruncated);
    }
    // The same schema, other behaviour: bots are a little faster.
    moduleIn(folder, (source) =>
      source.replace('size: 2048', 'size: 1024').replace('BOT_SPEED_MAX = 2.5', 'BOT_SPEED_MAX = 2.6'),
    );
    const changed = await worldmesh(['replay', recording], { folder });
    t.is(changed.code, 1);
    t.regex(changed.stdout, /differs[\s\S]*tick: +\d+\n +cell: +\d+\n +entity: \d+ \(slot \d+\)\n +column: \w+/);
    // Another schema cannot be compared at all.
    moduleIn(folder, (source) => source.replace('version: 1', 'version: 2').replace('size: 2048', 'size: 1024'));
    const other = await worldmesh(['replay', recording], { folder });
    t.is(other.code, 1);
    t.regex(other.stderr, /another schema.*ERR_RECORDING_MISMATCH/s);
  },
);

test.serial('world code that throws stops serve with 1, naming system, cell, entity and the line', async (t) => {
  const folder = temporaryFolder();
  const file = moduleIn(folder, (source) =>
    source.replace(
      'run(cell) {',
      "run(cell) {\n        if (cell.tick === 5 && cell.index === 9) throw new Error('out of grass');",
    ),
  );
  await using command = new RunningCommand(['serve', file, ...QUIET], { folder });
  const { code, stderr } = await command.ended;
  t.is(code, 1);
  t.regex(stderr, /system: wander\n +cell: +9\n +entity: \d+/);
  t.regex(stderr, /out of grass/);
  t.regex(stderr, /world\.ts:\d+:\d+/);
  t.notRegex(stderr, /src\/workers/);
});

test.serial('a start that throws is no bug of ours: one block, exit code 1', async (t) => {
  const folder = temporaryFolder();
  const file = moduleIn(folder, (source) =>
    source.replace('start(cell) {', "start(cell) {\n    throw new Error('no seeds');"),
  );
  const { code, stderr } = await worldmesh(['serve', file, ...QUIET], { folder });
  t.is(code, 1);
  t.regex(stderr, /^worldmesh: system "start" in cell 0, .*no seeds/);
  t.notRegex(stderr, /bug in worldmesh/);
});

test.serial('dev goes on with changed code and a changed schema, and survives a broken module', async (t) => {
  const folder = temporaryFolder();
  const file = moduleIn(folder);
  await using command = new RunningCommand(['dev', file, ...QUIET], { folder });
  const { url } = await ready(command);
  moduleIn(folder, (source) => source.replace('BOT_SPEED_MAX = 2.5', 'BOT_SPEED_MAX = 2.6'));
  await command.waitFor(/the world goes on/);
  const moody = (source: string): string => source.replace('turnTick: u32()', 'turnTick: u32(), mood: u32()');
  moduleIn(folder, moody);
  await command.waitFor(/"carried":25\d\d,"dropped":0/);
  await command.waitFor(/new schema, entities carried over/);
  moduleIn(folder, (source) => `${moody(source)}\nconst broken = {;\n`);
  await command.waitFor(/cannot go on with it/);
  await command.waitFor(/world\.ts:\d+: SyntaxError/);
  t.is((await fetch(`${url}healthz`)).status, 200);
  moduleIn(folder, (source) =>
    moody(source).replace('run(cell) {', "run(cell) {\n        if (cell.index === 9) throw new Error('out of grass');"),
  );
  await command.waitFor(/out of grass; the cell is paused/);
  t.is((await fetch(`${url}healthz`)).status, 200);
  command.kill('SIGINT');
  t.is((await command.ended).code, 0);
});
