/** Calls that wait together are one transaction, and yet each stands for itself. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import SqliteDatabase from 'better-sqlite3';
import { DirectoryError } from '../../src/peer/directory-error.ts';
import { DirectoryQueue } from '../../src/peer/directory-queue.ts';
import type { Database } from '../../src/peer/directory-tables.ts';

interface Fixture {
  readonly database: Database;
  readonly other: Database;
  readonly queue: DirectoryQueue;
  readonly commits: () => number;
  readonly numbers: () => number[];
}

function start(t: ExecutionContext, busyMs = 2000): Fixture {
  const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-queue-'));
  const file = path.join(folder, 'queue.sqlite');
  const database = new SqliteDatabase(file, { timeout: 0 });
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec('CREATE TABLE number (value INTEGER PRIMARY KEY)');
  const other = new SqliteDatabase(file, { timeout: 0 });
  t.teardown(() => {
    database.close();
    other.close();
    rmSync(folder, { recursive: true });
  });
  let commits = 0;
  const queue = new DirectoryQueue(database, { file, busyMs, random: () => 0, onWritten: () => commits++ });
  const numbers = () => other.prepare<[], number>('SELECT value FROM number ORDER BY value').pluck().all();
  return { database, other, queue, commits: () => commits, numbers };
}

const insert = (value: number) => (database: Database) => {
  database.prepare('INSERT INTO number VALUES (?)').run(value);
  return value;
};

test('what waits together is committed together, in order, and answered after that', async (t) => {
  const { queue, commits, numbers } = start(t);
  const calls = Array.from({ length: 300 }, (_, index) =>
    queue.call('synced', insert(index)).then((value) => {
      t.true(numbers().includes(value), 'in the file before it is answered');
      return value;
    }),
  );
  const count = queue.call('read', (database) => database.prepare('SELECT count(*) FROM number').pluck().get());
  t.deepEqual(
    await Promise.all(calls),
    Array.from({ length: 300 }, (_, index) => index),
  );
  t.is(await count, 300);
  t.is(commits(), 2);
  await queue.settled();
});

test('a call that is refused undoes itself and nobody else', async (t) => {
  const { queue, numbers } = start(t);
  const outcomes = await Promise.allSettled([
    queue.call('synced', insert(1)),
    queue.call('synced', (database) => {
      insert(2)(database);
      throw new DirectoryError('ERR_DIRECTORY_VALUE', 'no');
    }),
    queue.call('unsynced', insert(3)),
  ]);
  t.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  t.deepEqual(numbers(), [1, 3]);
});

test('a call that fails fails alone, also when it broke the transaction of all', async (t) => {
  const { queue, numbers } = start(t);
  const outcomes = await Promise.allSettled([
    queue.call('synced', insert(1)),
    queue.call('synced', (database) => database.exec('ROLLBACK; INSERT INTO nowhere VALUES (1)')),
    queue.call('synced', insert(3)),
  ]);
  t.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  t.deepEqual(numbers(), [1, 3]);
});

test('a lock is waited for by all of a batch, and is over for all of it', async (t) => {
  const { queue, other, numbers } = start(t, 200);
  other.exec('BEGIN IMMEDIATE');
  const refused = await Promise.allSettled([queue.call('synced', insert(1)), queue.call('synced', insert(2))]);
  for (const outcome of refused) {
    t.is(outcome.status === 'rejected' ? (outcome.reason as DirectoryError).code : '', 'ERR_DIRECTORY_BUSY');
  }
  const calls = Promise.all([queue.call('synced', insert(1)), queue.call('synced', insert(2))]);
  other.exec('COMMIT');
  t.deepEqual(await calls, [1, 2]);
  t.deepEqual(numbers(), [1, 2]);
});
