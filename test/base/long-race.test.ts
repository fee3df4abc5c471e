import { setTimeout as wait } from 'node:timers/promises';
import test from 'ava';
import { LongRace } from '../../src/base/long-race.ts';

test('whoever is first is told, and a call that is over is not kept', async (t) => {
  const long = Promise.withResolvers<string>();
  const race = new LongRace(long.promise);
  for (let call = 0; call < 1000; call++) t.is(await race.against(Promise.resolve(call)), call);
  await t.throwsAsync(race.against(Promise.reject(new Error('the call'))), { message: 'the call' });
  t.is(race.waiting, 0);
  const slow = Array.from({ length: 3 }, () => race.against(wait(60_000, 'late', { ref: false })));
  t.is(race.waiting, 3);
  long.resolve('over');
  t.deepEqual(await Promise.all(slow), ['over', 'over', 'over']);
  t.is(await race.against(wait(60_000, 'late', { ref: false })), 'over');
  t.is(race.waiting, 0);
});

test('an end by an error is the error of all who wait, and of who comes after it', async (t) => {
  const long = Promise.withResolvers<never>();
  const race = new LongRace(long.promise);
  const waiting = race.against(wait(60_000, 'late', { ref: false }));
  long.reject(new Error('the thread died'));
  await t.throwsAsync(waiting, { message: 'the thread died' });
  await t.throwsAsync(race.against(Promise.resolve(1)), { message: 'the thread died' });
});

test('nothing of the calls is held', async (t) => {
  const race = new LongRace(new Promise<never>(() => {}));
  const kept: WeakRef<object>[] = [];
  for (let call = 0; call < 200; call++) {
    const answer = { bytes: new Uint8Array(1000) };
    kept.push(new WeakRef(answer));
    await race.against(Promise.resolve(answer));
  }
  await wait(1);
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  t.true(kept.filter((ref) => ref.deref() !== undefined).length < 20);
});
