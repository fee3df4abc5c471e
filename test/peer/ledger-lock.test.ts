/** Locks between real processes. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { isAlive, lockHolder, tryLock, watchLock } from '../../src/peer/ledger-lock.ts';
import { temporaryFolder } from './journal-fixture.ts';

const PROCESS = path.join(import.meta.dirname, 'journal-process.ts');
const DEADLINE_MS = 10_000;

async function start(
  t: ExecutionContext,
  command: 'lock' | 'watch',
  folder: string,
): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, [PROCESS, command, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const [data] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, said: data.toString().trim() };
}

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error('the condition did not come true');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('a lock excludes other processes, survives a pause, and ends with the process', async (t) => {
  const folder = temporaryFolder(t);
  t.false(isAlive(folder));
  const { child, said } = await start(t, 'lock', folder);
  t.is(said, 'locked');
  using watch = watchLock(folder);
  t.true(watch.isAlive());
  t.is(tryLock(folder), undefined);
  t.is(lockHolder(folder)?.pid, child.pid);
  t.is((await start(t, 'lock', folder)).said, 'refused');
  child.kill('SIGSTOP');
  t.true(watch.isAlive());
  t.is(tryLock(folder), undefined);
  child.kill('SIGKILL');
  await until(() => !watch.isAlive());
  using lock = tryLock(folder);
  t.truthy(lock);
  t.true(watch.isAlive());
  t.is(lockHolder(folder)?.pid, process.pid);
});

test('a lock is held once in a process, and can be given back', (t) => {
  const folder = temporaryFolder(t);
  using watch = watchLock(folder);
  t.false(watch.isAlive());
  for (let round = 0; round < 3; round++) {
    const lock = tryLock(folder);
    t.truthy(lock);
    t.is(tryLock(folder), undefined);
    t.true(watch.isAlive());
    lock?.release();
    t.false(watch.isAlive());
  }
});

test('of several processes that want a lock at once, one gets it', async (t) => {
  const folder = temporaryFolder(t);
  const answers = await Promise.all([1, 2, 3, 4].map(() => start(t, 'lock', folder)));
  t.deepEqual(answers.map(({ said }) => said).toSorted(), ['locked', 'refused', 'refused', 'refused']);
});

test('who only looks is in nobody’s way', async (t) => {
  const folder = temporaryFolder(t);
  tryLock(folder)?.release();
  await Promise.all([start(t, 'watch', folder), start(t, 'watch', folder)]);
  for (let round = 0; round < 300; round++) {
    const lock = tryLock(folder);
    t.truthy(lock, `round ${round}`);
    lock?.release();
  }
});
