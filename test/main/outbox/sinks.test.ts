/** Each sink against the real thing: files, an HTTP server that misbehaves, PostgreSQL. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import postgres from 'postgres';
import { SinkServer } from '../../../scripts/outbox/sink-server.ts';
import { freePorts } from '../../../scripts/cluster/process-cluster.ts';
import { FileSink } from '../../../src/main/outbox/file-sink.ts';
import { PostgresSink, TABLE } from '../../../src/main/outbox/postgres-sink.ts';
import type { Publication } from '../../../src/main/outbox/sink.ts';
import { SinkError } from '../../../src/main/outbox/sink.ts';
import { WebhookSink } from '../../../src/main/outbox/webhook-sink.ts';

const START_MS_MAX = 30_000;

function publication(entity: number, number: number, data: unknown = { price: number }): Publication {
  const at = '2026-11-21T09:00:00.000Z';
  return { id: `${entity}:${number}`, entity, number, name: 'sold', at, cluster: 'c1', world: 'w', node: 'a', data };
}

function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-sink-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function linesOf(file: string): string[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as Publication).id);
}

test('file: lines are appended, a torn last line is cut off, a full file is named by its time', async (t) => {
  const folder = path.join(folderOf(t), 'outbox');
  const file = path.join(folder, 'a.ndjson');
  {
    await using sink = new FileSink({ folder, node: 'a', fileBytesMax: 1000 });
    await sink.deliver([publication(1, 1), publication(2, 1)]);
    await sink.deliver([publication(1, 2)]);
  }
  t.deepEqual(linesOf(file), ['1:1', '2:1', '1:2']);
  appendFileSync(file, '{"id":"1:3","ent');
  await using again = new FileSink({ folder, node: 'a', fileBytesMax: 1000 });
  await again.deliver([publication(1, 3)]);
  t.deepEqual(linesOf(file), ['1:1', '2:1', '1:2', '1:3']);
  for (let number = 4; number < 12; number++) await again.deliver([publication(1, number)]);
  const files = readdirSync(folder).toSorted();
  t.true(files.length > 1, 'it was rotated');
  t.true(files.every((name) => statSync(path.join(folder, name)).size <= 1000));
  const ids = files.flatMap((name) => linesOf(path.join(folder, name)));
  t.deepEqual(ids.toSorted(), ['1:1', '1:10', '1:11', '1:2', '1:3', '1:4', '1:5', '1:6', '1:7', '1:8', '1:9', '2:1']);
});

test('file: a folder that cannot be made is a sink that is down', async (t) => {
  const file = path.join(folderOf(t), 'taken');
  appendFileSync(file, 'not a folder');
  await using sink = new FileSink({ folder: file, node: 'a', fileBytesMax: 1000 });
  const error = await t.throwsAsync(sink.deliver([publication(1, 1)]));
  t.false(error instanceof SinkError);
});

test('webhook: what it takes, refuses, and how it is down', async (t) => {
  await using server = await SinkServer.open();
  await using sink = new WebhookSink({ url: server.url, token: 'secret', timeoutMs: 20_000 });
  await using hasty = new WebhookSink({ url: server.url, token: '', timeoutMs: 200 });
  await sink.deliver([publication(1, 1), publication(1, 2)]);
  t.deepEqual([...server.taken.get(1)!.keys()], [1, 2]);
  t.is(server.headers[0]!.authorization, 'Bearer secret');
  server.refuses = ({ number }) => number === 3;
  await server.setMood('choosy');
  const refused = await t.throwsAsync(sink.deliver([publication(1, 3)]), { instanceOf: SinkError });
  t.is(refused.code, 'ERR_SINK_REFUSED');
  t.regex(refused.message, /422 no such thing/);
  for (const mood of ['unavailable', 'hangs', 'forgetful', 'closed'] as const) {
    await server.setMood(mood);
    const asked = mood === 'hangs' ? hasty : sink;
    const error = await t.throwsAsync(asked.deliver([publication(2, 1)]), undefined, mood);
    t.true(error instanceof SinkError && error.code === 'ERR_SINK_DOWN', mood);
  }
  await server.setMood('up');
  await sink.deliver([publication(2, 1)]);
  t.is(server.repeats, 1, 'the forgetful one had taken it');
  t.deepEqual(server.violations, []);
});

test('PostgreSQL: rows are there once, what is no JSON for it is refused, a server that is gone is down', async (t) => {
  const server = await startPostgres(t);
  await using sink = new PostgresSink({ url: server.url, timeoutMs: 3000 });
  await sink.deliver([publication(1, 1, { name: 'Zoë' }), publication(2 ** 52, 1)]);
  await sink.deliver([publication(1, 1, { name: 'again' }), publication(1, 2)]);
  const sql = postgres(server.url, { max: 1, onnotice: () => {} });
  const rows = await sql.unsafe(
    `SELECT cluster, entity::text, number::int, name, data FROM ${TABLE} ORDER BY entity, number`,
  );
  t.deepEqual(
    rows.map((row) => [row['cluster'], row['entity'], row['number'], row['data']]),
    [
      ['c1', '1', 1, { name: 'Zoë' }],
      ['c1', '1', 2, { price: 2 }],
      ['c1', String(2 ** 52), 1, { price: 1 }],
    ],
  );
  await sql.end();
  const refused = await t.throwsAsync(sink.deliver([publication(1, 3, { text: '\u0000' })]), { instanceOf: SinkError });
  t.is(refused.code, 'ERR_SINK_REFUSED');
  await sink.deliver([publication(1, 3)]);
  await server.stop();
  const down = await t.throwsAsync(sink.deliver([publication(1, 4)]));
  t.false(down instanceof SinkError && down.code === 'ERR_SINK_REFUSED');
  await server.start();
  await sink.deliver([publication(1, 4)]);
});

interface PostgresServer {
  readonly url: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** A server of the test's own, in a temporary folder; PostgreSQL does not run as root. */
async function startPostgres(t: ExecutionContext): Promise<PostgresServer> {
  const folder = folderOf(t);
  const programs = programsFolder();
  const [port] = await freePorts(1);
  const isRoot = process.getuid?.() === 0;
  const as = isRoot ? ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'] : [];
  if (isRoot) {
    const idOf = (flag: string, user: string): number => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }));
    chownSync(folder, idOf('-u', 'nobody'), idOf('-g', 'nobody'));
  }
  const command = (program: string, args: readonly string[]): readonly [string, string[]] => {
    const [first = '', ...rest] = [...as, path.join(programs, program), ...args];
    return [first, rest];
  };
  const data = path.join(folder, 'data');
  execFileSync(...command('initdb', ['-D', data, '-U', 'tester', '-A', 'trust', '--no-sync']), {
    stdio: 'ignore',
    cwd: '/',
  });
  const url = `postgres://tester@127.0.0.1:${port}/postgres`;
  let child: ReturnType<typeof spawn> | undefined;
  const stop = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGINT');
    await ended;
  };
  const start = async (): Promise<void> => {
    const args = ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', folder, '-F'];
    child = spawn(...command('postgres', args), { stdio: 'ignore', cwd: '/' });
    const deadlineMs = performance.now() + START_MS_MAX;
    for (;;) {
      const sql = postgres(url, { max: 1, connect_timeout: 1, onnotice: () => {} });
      const isUp = await sql`SELECT 1`.then(
        () => true,
        () => false,
      );
      await sql.end({ timeout: 0 });
      if (isUp) return;
      if (performance.now() > deadlineMs) throw new Error('PostgreSQL did not start');
      await wait(50);
    }
  };
  t.teardown(stop);
  await start();
  return { url, start, stop };
}

/** Debian keeps them out of PATH. */
function programsFolder(): string {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).toSorted((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => path.join(debian, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(':'),
  ];
  const folder = folders.find((candidate) => existsSync(path.join(candidate, 'initdb')));
  if (folder === undefined) throw new Error('PostgreSQL is not installed: apt-get install postgresql');
  return folder;
}
