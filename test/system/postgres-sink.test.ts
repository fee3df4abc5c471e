/** Publications in a real PostgreSQL, which the test starts by itself. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import postgres from 'postgres';
import { freePorts } from '../../scripts/cluster/process-cluster.ts';
import { PostgresSink, TABLE } from '../../src/main/outbox/postgres-sink.ts';
import { SinkError } from '../../src/main/outbox/sink.ts';
import { publication } from '../main/outbox/publication.ts';

const START_MS_MAX = 30_000;

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
  const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-postgres-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
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
