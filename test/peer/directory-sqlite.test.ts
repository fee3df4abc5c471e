/** The embedded directory, in this thread: the suite, and what only a file on a disk can suffer. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import SqliteDatabase from 'better-sqlite3';
import { SqliteDirectory } from '../../src/peer/directory-sqlite.ts';
import type { WorldFacts } from '../../src/peer/directory.ts';
import {
  DEADLINE_MS,
  FACTS,
  TemporaryFolder,
  WatchLog,
  joinActive,
  joinRequest,
  nodeLoad,
  refusal,
  PID_DEAD,
} from './directory-fixture.ts';
import { directorySuite } from './directory-suite.ts';

const folder = new TemporaryFolder();
test.after.always(() => folder[Symbol.dispose]());
let files = 0;

function newFile(): string {
  return folder.file(`${files++}.sqlite`);
}

function open(
  file: string,
  { facts = FACTS, busyMs = 10_000 }: { facts?: WorldFacts | undefined; busyMs?: number } = {},
) {
  return SqliteDirectory.open({ file, facts, busyMs, now: Date.now, random: Math.random });
}

directorySuite(test, {
  name: 'embedded',
  makeUrl: () => `sqlite:${newFile()}`,
  open: (url, facts) =>
    SqliteDirectory.open({
      file: url.slice('sqlite:'.length),
      facts,
      busyMs: 10_000,
      now: Date.now,
      random: Math.random,
    }),
});

/** A process that takes the write lock, writes, and holds still. Resolves when it has. */
async function lockHolder(file: string): Promise<{ kill: () => Promise<void> }> {
  const script = `
    const database = new (require('better-sqlite3'))(${JSON.stringify(file)});
    database.exec("BEGIN IMMEDIATE; UPDATE block SET node = 9; UPDATE counter SET value = value + 1000");
    console.log('holding');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error('no lock in time')), DEADLINE_MS);
  child.stdout.once('data', () => resolve());
  await promise.finally(() => clearTimeout(timer));
  return {
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

test.serial('a process killed inside a transaction leaves nothing of it, and no lock', async (t) => {
  const file = newFile();
  await using directory = await open(file);
  await joinActive(directory, 'a');
  const holder = await lockHolder(file);
  const waiting = directory.claimBlocks({ expectNodes: 1 });
  await holder.kill();
  t.deepEqual(await waiting, { placed: 35, active: 1 });
  t.true((await directory.blocks()).every(({ node, epoch }) => node === 1 && epoch === 1));
  t.is((await directory.join(joinRequest('b'))).incarnation, 2);
});

test.serial('a file that stays locked is a typed error, reads go on, and it recovers', async (t) => {
  const file = newFile();
  await using directory = await open(file, { busyMs: 60 });
  const a = await joinActive(directory, 'a');
  const holder = await lockHolder(file);
  const message = await refusal(t, () => directory.renew(a), 'ERR_DIRECTORY_BUSY');
  t.regex(message, /locked by another process .*60 ms.*nothing was changed/);
  // Several at once: each waits its turn and fails for itself.
  await Promise.all([
    refusal(t, () => directory.renew(a), 'ERR_DIRECTORY_BUSY'),
    refusal(t, () => directory.join(joinRequest('b')), 'ERR_DIRECTORY_BUSY'),
  ]);
  await refusal(t, () => open(file, { busyMs: 60 }), 'ERR_DIRECTORY_BUSY');
  t.is((await directory.members())[0]?.version, a.version);
  await holder.kill();
  t.not(await directory.renew(a), 'fenced');
  t.is((await directory.members()).length, 1);
});

test.serial('a watch goes on while a writer holds the lock', async (t) => {
  const file = newFile();
  await using directory = await open(file);
  using log = new WatchLog(directory);
  await log.waitFor(() => true);
  const holder = await lockHolder(file);
  const waiting = directory.putSetting('x', '1');
  await holder.kill();
  await waiting;
  await log.waitFor(({ settings }) => settings?.[0]?.value === '1');
  t.pass();
});

test('a file of something else, a later format, a damaged one: each is said', async (t) => {
  const foreign = newFile();
  const database = new SqliteDatabase(foreign);
  database.exec('CREATE TABLE song (title TEXT)');
  database.close();
  t.regex(await refusal(t, () => open(foreign), 'ERR_DIRECTORY_CORRUPT'), /SQLite file of something else/);

  const later = newFile();
  await (await open(later)).close();
  const raised = new SqliteDatabase(later);
  raised.pragma('user_version = 2');
  raised.close();
  t.regex(await refusal(t, () => open(later), 'ERR_DIRECTORY_VERSION'), /format 2, this release reads format 1/);

  const noise = newFile();
  writeFileSync(noise, 'this is a shopping list, and a long one '.repeat(200));
  t.regex(await refusal(t, () => open(noise), 'ERR_DIRECTORY_CORRUPT'), /is damaged/);

  const torn = newFile();
  {
    await using directory = await open(torn);
    await joinActive(directory, 'a');
  }
  const bytes = readFileSync(torn);
  bytes.fill(0xee, 4096);
  writeFileSync(torn, bytes);
  await refusal(t, () => open(torn), 'ERR_DIRECTORY_CORRUPT');
});

test('a missing one is made with its folders, or said to be missing', async (t) => {
  const file = folder.file('deep/er/directory.sqlite');
  const absent = { file, facts: undefined, now: Date.now, random: Math.random };
  t.regex(await refusal(t, () => SqliteDirectory.open(absent), 'ERR_DIRECTORY_MISSING'), /no directory .*deep/);
  await (await open(file)).close();
  const opened = await SqliteDirectory.open(absent);
  t.is(opened.facts.world, 'harbour');
  await opened.close();
  const empty = newFile();
  writeFileSync(empty, '');
  await refusal(t, () => SqliteDirectory.open({ ...absent, file: empty }), 'ERR_DIRECTORY_MISSING');
});

test('a folder that is none is said', async (t) => {
  const blocked = folder.file('blocked');
  writeFileSync(blocked, '');
  await refusal(t, () => open(path.join(blocked, 'directory.sqlite')), 'ERR_DIRECTORY_FILE');
  const closed = folder.file('closed');
  mkdirSync(closed);
  chmodSync(closed, 0o500);
  // Root may write everywhere; for others this is refused.
  if (process.getuid?.() !== 0) await refusal(t, () => open(path.join(closed, 'd.sqlite')), 'ERR_DIRECTORY_FILE');
  await refusal(t, () => open(closed), 'ERR_DIRECTORY_FILE');
});

test('a dead process does not hold its name against its own journal, a live one does not lose it', async (t) => {
  const alive = new Set([process.pid, 4711]);
  await using directory = await SqliteDirectory.open({
    file: newFile(),
    facts: FACTS,
    now: () => 1_700_000_000_000,
    random: () => 0,
    isAlive: (pid) => alive.has(pid),
  });
  const request = joinRequest('a', { pid: 4711, folder: '/one' });
  await directory.join(request);
  await refusal(t, () => directory.join({ ...request, folder: '/two', pid: PID_DEAD }), 'ERR_DIRECTORY_LEDGER_TAKEN');
  alive.delete(4711);
  t.is((await directory.join({ ...request, folder: '/two', pid: PID_DEAD })).incarnation, 2);
  t.is((await directory.members())[0]?.joinedAtMs, 1_700_000_000_000);
});

test('what clients of a dead node saw keeps nobody out, nor what those of one saw that has not renewed for long', async (t) => {
  const alive = new Set([process.pid, 4711]);
  let nowMs = 1_700_000_000_000;
  await using directory = await SqliteDirectory.open({
    file: newFile(),
    facts: FACTS,
    now: () => nowMs,
    random: () => 0,
    isAlive: (pid) => alive.has(pid),
  });
  await joinActive(directory, 'a', { pid: 4711, viewHash: 1 });
  const other = joinRequest('b', { viewHash: 2 });
  await refusal(t, () => directory.join(other), 'ERR_DIRECTORY_VIEW');
  alive.delete(4711);
  const b = await directory.join(other);
  await directory.leave(b);
  alive.add(4711);
  await refusal(t, () => directory.join(joinRequest('c', { viewHash: 2 })), 'ERR_DIRECTORY_VIEW');
  nowMs += 200_000;
  await directory.join(joinRequest('c', { viewHash: 2 }));
});

test('1,024 journals are remembered, and then a new one is refused', async (t) => {
  const file = newFile();
  await using directory = await open(file);
  await joinActive(directory, 'heir');
  const database = new SqliteDatabase(file, { timeout: DEADLINE_MS });
  database.exec(`
    INSERT INTO lease
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1023)
    SELECT printf('%032x', n), 1, n + 1000, n + 1000, 'fenced', '', '', '', 0, '', 1, 1.0, 0, 0, 0, 1, '', 0, 0 FROM n`);
  database.close();
  await refusal(t, () => directory.join(joinRequest('a')), 'ERR_DIRECTORY_LEDGERS_MAX');
  t.is((await directory.members()).length, 1024);
  t.true(await directory.forget('1'.padStart(32, '0')));
  await directory.join(joinRequest('a'));
});

test('schemas beyond the limit push out the oldest', async (t) => {
  await using directory = await open(newFile());
  const request = joinRequest('a');
  for (let hash = 1; hash <= 70; hash++) await directory.join({ ...request, schema: { hash, version: 1, text: '{}' } });
  const kept = (await directory.schemas()).map(({ hash }) => hash);
  t.deepEqual([kept.length, kept[0], kept[63]], [64, 7, 70]);
});

test('a file of a release without load reports gets their table, and a report that nobody can read counts as none', async (t) => {
  const file = newFile();
  await (await open(file)).close();
  const before = new SqliteDatabase(file, { timeout: DEADLINE_MS });
  before.exec("DROP TABLE load; DELETE FROM change WHERE kind = 'loads'");
  before.close();
  await using directory = await open(file);
  const a = await joinActive(directory, 'a');
  const b = await joinActive(directory, 'b');
  t.true(await directory.reportLoad({ ...a, load: nodeLoad() }));
  t.true(await directory.reportLoad({ ...b, load: nodeLoad() }));
  const database = new SqliteDatabase(file, { timeout: DEADLINE_MS });
  database.prepare('UPDATE load SET text = ? WHERE node = ?').run('{"tick":"?"}', a.node);
  database.close();
  t.deepEqual(
    (await directory.loads()).map(({ node }) => node),
    [b.node],
  );
});
