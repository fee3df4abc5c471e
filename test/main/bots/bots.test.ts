import test from 'ava';
import { runBots } from '../../../src/main/bots/bots.ts';
import type { BotsProgress } from '../../../src/main/bots/bots.ts';
import { f32, text } from '../../../src/base/fields.ts';
import { defineWorld } from '../../../src/base/world.ts';
import { CLOSE_CODE } from '../../../src/wire/messages.ts';
import { SmallServer, TICK_HZ } from '../../client/small-server.ts';

const world = defineWorld({
  name: 'walkers',
  version: 1,
  size: 2000,
  components: { look: { name: text(32) } },
  kinds: { player: { components: ['look'] } },
  input: {
    fields: { moveX: f32({ min: -1, max: 1 }), moveZ: f32({ min: -1, max: 1 }) },
    apply(self, input) {
      self.vx = input.moveX * 5;
      self.vz = input.moveZ * 5;
    },
  },
  systems: {},
  join: () => ({ kind: 'player', x: 0, z: 0 }),
});

test('bots join, walk, measure and leave', async (t) => {
  await using server = await SmallServer.open(world);
  const progress: BotsProgress[] = [];
  const report = await runBots(
    { urls: [server.url], count: 7, seconds: 1, inputsHz: 20 },
    { onProgress: (step) => progress.push(step) },
  );
  t.is(report.joined, 7);
  t.deepEqual(report.violations, {});
  t.deepEqual(report.errorsByCode, {});
  t.is(report.disconnects, 0);
  t.is(report.tickHz, TICK_HZ);
  t.is(report.snapshotIntervalMs.nominal, 40);
  t.true(
    report.snapshotsPerClientSecond > 10 && report.snapshotsPerClientSecond < 30,
    `${report.snapshotsPerClientSecond}`,
  );
  t.true(report.inputs.sent > 7 * 15 && report.inputs.sent < 7 * 25, `${report.inputs.sent}`);
  t.is(report.entitiesInView, 7);
  t.true(report.bytesPerClientSecond > 500);
  t.true(report.rttMs.count > 0 && report.receiptMs.count > 0 && report.acknowledgeMs.count > 0);
  t.true(report.cpuCores > 0);
  t.deepEqual([...new Set(progress.map((step) => step.phase))], ['joining', 'settling', 'measuring', 'leaving']);
  t.true(server.sessions.every((session) => Math.hypot(session.being.x, session.being.z) > 0));
});

test('a server that refuses is reported, not thrown', async (t) => {
  await using server = await SmallServer.open(world);
  server.refusal = {
    error: { type: 'error', code: 'ERR_LIMIT_SESSIONS', message: 'full' },
    closeCode: CLOSE_CODE.tryLater,
  };
  const report = await runBots({ urls: [server.url], count: 3, seconds: 1 });
  t.is(report.joined, 0);
  t.deepEqual(report.errorsByCode, { ERR_LIMIT_SESSIONS: 1 });
  t.deepEqual(report.disconnectsByCode, { [CLOSE_CODE.tryLater]: 1 });
});

test('a gateway that takes nobody costs a bot no more than a client: it goes to the next', async (t) => {
  await using full = await SmallServer.open(world);
  await using server = await SmallServer.open(world);
  full.refusal = {
    error: { type: 'error', code: 'ERR_LIMIT_SESSIONS', message: 'full' },
    closeCode: CLOSE_CODE.tryLater,
  };
  const report = await runBots({ urls: [full.url, server.url], count: 4, seconds: 0.5 });
  t.is(report.joined, 4);
  t.deepEqual(report.errorsByCode, {});
  t.deepEqual(report.disconnectsByCode, {});
  t.is(server.sessions.length, 4);
});

test('nobody there is reported, too', async (t) => {
  const server = await SmallServer.open(world);
  const { url } = server;
  await server[Symbol.asyncDispose]();
  const report = await runBots({ urls: [url], count: 3, seconds: 1 });
  t.is(report.joined, 0);
  t.deepEqual(report.errorsByCode, { ECONNREFUSED: 1 });
});

test('a signal ends a run, and connections that are lost are counted', async (t) => {
  await using server = await SmallServer.open(world);
  const ending = new AbortController();
  const report = await runBots(
    { urls: [server.url], count: 5, seconds: 600 },
    {
      signal: ending.signal,
      onProgress: ({ phase, disconnects, snapshots }) => {
        if (phase !== 'measuring' || snapshots === 0) return;
        if (disconnects === 0) server.closeSome(2, CLOSE_CODE.backlog);
        else ending.abort();
      },
    },
  );
  t.is(report.disconnects, 2);
  t.deepEqual(report.disconnectsByCode, { [CLOSE_CODE.backlog]: 2 });
  t.true(report.measuredSeconds < 60);
});

test('a count out of bounds is refused', async (t) => {
  await t.throwsAsync(runBots({ urls: ['ws://127.0.0.1:1'], count: 0, seconds: 1 }), { instanceOf: RangeError });
});
