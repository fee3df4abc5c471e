import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { CONTROL_BYTES, Control, RUN_STATE } from '../../src/memory/control.ts';

const ITEMS_MAX = 64;

async function runPhases(
  t: ExecutionContext,
  { workers, phases, lateMs }: { workers: number; phases: number; lateMs: number },
): Promise<{ entered: number; taken: number }[]> {
  const buffer = new SharedArrayBuffer(CONTROL_BYTES + ITEMS_MAX * 4);
  const control = new Control(buffer, 0);
  const items = new Int32Array(buffer, CONTROL_BYTES);
  control.setState(RUN_STATE.running);
  const threads = await Promise.all(
    Array.from({ length: workers }, async () => {
      const workerData = { buffer, itemsOffset: CONTROL_BYTES, lateMs };
      const thread = new Worker(new URL('control.worker.ts', import.meta.url), { workerData });
      await once(thread, 'message');
      return thread;
    }),
  );
  let wrong = 0;
  let expected = 0;
  for (let number = 0; number < phases; number++) {
    const count = 1 + (number % ITEMS_MAX);
    const phase = 1 + (number % 5);
    expected += count;
    items.fill(0, 0, count);
    control.openPhase({ phase, items: count, chunk: 1 + (number % 7), wake: number % 3 !== 2 });
    for (let first = control.take(); first >= 0; first = control.take()) {
      for (let item = first; item < control.takenEnd(first); item++) items[item]! += phase;
    }
    control.closePhase();
    for (let item = 0; item < count; item++) if (items[item] !== phase) wrong++;
  }
  t.is(wrong, 0, `of ${expected} items each is done once and before the phase is closed`);
  const results = Promise.all(threads.map(async (thread) => (await once(thread, 'message'))[0] as never));
  control.setState(RUN_STATE.stopping);
  return results;
}

test('100,000 phases with three threads: every item exactly once, none after the end', async (t) => {
  const results = await runPhases(t, { workers: 3, phases: 100_000, lateMs: 0 });
  t.true(results.every(({ entered }) => entered > 0));
  t.true(results.some(({ taken }) => taken > 0));
});

test('threads that wake too late do no harm and hold up nobody', async (t) => {
  const startMs = performance.now();
  await runPhases(t, { workers: 2, phases: 3000, lateMs: 1 });
  t.true(performance.now() - startMs < 30_000);
});

const make = (): Control => new Control(new SharedArrayBuffer(CONTROL_BYTES), 0);

test('a phase cannot be opened twice, and only who entered leaves', (t) => {
  const control = make();
  t.is(control.enter(), -1);
  control.openPhase({ phase: 4, items: 1, chunk: 1, wake: false });
  t.is(control.enter(), 4);
  t.throws(() => control.openPhase({ phase: 5, items: 1, chunk: 1, wake: false }), { message: /after the last one/ });
  control.leave();
  control.closePhase();
  t.throws(() => control.leave(), { message: /only a worker that entered/ });
});

test('words: tick, shed level, readiness, the first failure', (t) => {
  const control = make();
  control.setTick(2 ** 32 - 1);
  t.is(control.tick, 2 ** 32 - 1);
  control.setShedLevel(3);
  t.is(control.shedLevel, 3);
  t.false(control.isReady);
  control.setReady(true);
  t.true(control.isReady);
  control.setReady(false);
  t.false(control.isReady);
  t.is(control.failedWorker, -1);
  control.reportFailure(2);
  control.reportFailure(1);
  t.is(control.failedWorker, 2);
  control.clearFailure();
  t.is(control.failedWorker, -1);
});

test('the conductor does not sleep unless the node runs', (t) => {
  const control = make();
  const startMs = performance.now();
  control.sleep(10_000);
  t.true(performance.now() - startMs < 5000);
  control.setState(RUN_STATE.running);
  control.sleep(1);
  t.is(control.state, RUN_STATE.running);
});

test('the doorbell resolves when rung, at once when it rang before, and after its time', async (t) => {
  const control = make();
  const seen = control.doorbellCount;
  const waiting = control.awaitDoorbell(seen, 60_000);
  const keepAlive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(keepAlive));
  control.ringDoorbell();
  await waiting;
  t.is(control.doorbellCount, seen + 1);
  await control.awaitDoorbell(seen, 60_000);
  await control.awaitDoorbell(control.doorbellCount, 5);
  t.pass();
});
