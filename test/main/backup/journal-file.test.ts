/** What is a snapshot, and what only looks like one. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import SqliteDatabase from 'better-sqlite3';
import { BackupError } from '../../../src/main/backup/backup-error.ts';
import { beginSnapshot, copySnapshot, openReadOnly } from '../../../src/main/backup/journal-file.ts';
import { temporaryFolder } from '../command-line.ts';

const WRITER = fileURLToPath(new URL('heavy-writer.ts', import.meta.url));
const ACCOUNTS = 3001;
const TOTAL = 7_000_000;
const SUMS =
  'SELECT (SELECT sum(value) FROM account) AS total, (SELECT count(*) FROM line) AS lines, (SELECT max(id) FROM line) AS last';

interface Sums {
  readonly total: number;
  readonly lines: number;
  readonly last: number;
}

function makeFile(file: string): void {
  const database = new SqliteDatabase(file);
  database.pragma('journal_mode = WAL');
  database.exec(
    'CREATE TABLE account(id INTEGER PRIMARY KEY, value INTEGER); CREATE TABLE line(id INTEGER PRIMARY KEY, text)',
  );
  database.transaction(() => {
    const account = database.prepare('INSERT INTO account(value) VALUES (?)');
    for (let index = 0; index < ACCOUNTS; index++) account.run(index === 0 ? TOTAL : 0);
    const line = database.prepare('INSERT INTO line(text) VALUES (?)');
    for (let index = 0; index < 30_000; index++) line.run('x'.repeat(400));
  })();
  database.close();
}

function sumsOf(file: string): Sums {
  const database = new SqliteDatabase(file, { readonly: true, timeout: 5000 });
  const sums = database.prepare<[], Sums>(SUMS).get()!;
  demandWhole(database);
  database.close();
  return sums;
}

function demandWhole(database: InstanceType<typeof SqliteDatabase>): void {
  const answer = database.pragma('integrity_check', { simple: true });
  if (answer !== 'ok') throw new Error(String(answer));
}

test('a copy of a held snapshot is what was there when it began, while another process writes on', async (t) => {
  const folder = temporaryFolder();
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'journal.sqlite');
  makeFile(file);
  const writer = fork(WRITER, [file]);
  try {
    await once(writer, 'message');
    const held = openReadOnly(file);
    beginSnapshot(held);
    const seen = held.prepare<[], Sums>(SUMS).get()!;
    // The writer goes on before the copying begins, and meanwhile.
    while (sumsOf(file).lines < seen.lines + 200) await new Promise((resolve) => setTimeout(resolve, 5));
    await copySnapshot(held, path.join(folder, 'copy.sqlite'), new AbortController().signal);
    t.deepEqual(held.prepare<[], Sums>(SUMS).get(), seen);
    held.close();
    t.is(seen.total, TOTAL);
    t.deepEqual(sumsOf(path.join(folder, 'copy.sqlite')), seen);
    t.true(sumsOf(file).lines > seen.lines, 'nobody wrote meanwhile');

    const second = openReadOnly(file);
    beginSnapshot(second);
    const later = second.prepare<[], Sums>(SUMS).get()!;
    await copySnapshot(second, path.join(folder, 'later.sqlite'), new AbortController().signal);
    second.close();
    t.true(later.lines > seen.lines);
    t.deepEqual(sumsOf(path.join(folder, 'later.sqlite')), later);
  } finally {
    const gone = once(writer, 'exit');
    writer.kill('SIGKILL');
    await gone;
  }
});

test('without a snapshot nothing is copied, and a copy can be stopped', async (t) => {
  const folder = temporaryFolder();
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'journal.sqlite');
  makeFile(file);
  const database = openReadOnly(file);
  const target = path.join(folder, 'copy.sqlite');
  const copy = async (signal: AbortSignal): Promise<void> => await copySnapshot(database, target, signal);
  const refused = await t.throwsAsync(copy(new AbortController().signal), { instanceOf: BackupError });
  t.is(refused.code, 'ERR_BACKUP_COPY');
  beginSnapshot(database);
  const stopped = await t.throwsAsync(copy(AbortSignal.abort()), { instanceOf: BackupError });
  t.is(stopped.code, 'ERR_BACKUP_STOPPED');
  database.close();
  const missing = t.throws(() => openReadOnly(path.join(folder, 'none.sqlite')), { instanceOf: BackupError });
  t.is(missing.code, 'ERR_BACKUP_JOURNAL');
});
