import test from 'ava';
import type { SessionIndex } from '../../src/base/brand.ts';
import { SESSION_STATE } from '../../src/memory/sessions.ts';
import { HELLO, startRig, TestClient, until } from './fixture.ts';

test('a session outlives its connection and is resumed with a token that works once', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const { client, welcome } = await TestClient.join(rig.url);
  const session = welcome.session as SessionIndex;
  client.send({ type: 'input', sequence: 4, back: 0, input: { moveX: 1, gear: 1, say: '' } });
  await until(() => rig.world.of('input', session).length === 1, 'the input arrives');
  client.webSocket.terminate();
  await until(() => rig.store.sessions.state(session) === SESSION_STATE.detached, 'the session is detached');

  const { client: second, welcome: again } = await TestClient.join(rig.url, { resumeToken: welcome.resumeToken });
  t.like(again, { session: welcome.session, resumed: true });
  t.not(again.resumeToken, welcome.resumeToken);
  t.is(rig.store.sessions.state(session), SESSION_STATE.attached);
  // What was not acknowledged is sent again; that it acts once is the world's to see to.
  second.send({ type: 'input', sequence: 4, back: 0, input: { moveX: 1, gear: 1, say: '' } });
  second.send({ type: 'input', sequence: 7, back: 0, input: { moveX: -1, gear: 1, say: '' } });
  await until(() => rig.world.of('input', session).length === 3, 'the next input arrives');
  t.deepEqual(
    rig.world.of('input', session).map(({ sequence }) => sequence),
    [4, 4, 7],
  );
  t.is((await rig.gateway.report()).inputsRepeated, 1);

  // The client has shown that it holds the new token: the old one is spent.
  const { client: third, welcome: fresh } = await TestClient.join(rig.url, { resumeToken: welcome.resumeToken });
  t.false(fresh.resumed);
  t.not(fresh.session, welcome.session);
  t.is((await third.next('error')).code, 'ERR_SESSION_EXPIRED');
  t.is(second.closed, undefined);
  t.is(rig.world.of('join', session).length, 1);
});

test('a token whose successor never reached the client is still good', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const { welcome } = await TestClient.join(rig.url);
  const { client: lost } = await TestClient.join(rig.url, { resumeToken: welcome.resumeToken });
  lost.webSocket.terminate();
  const { welcome: third } = await TestClient.join(rig.url, { resumeToken: welcome.resumeToken });
  t.like(third, { session: welcome.session, resumed: true });
});

test('of two connections of one session the newer wins', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const { client: older, welcome } = await TestClient.join(rig.url);
  const { client: newer } = await TestClient.join(rig.url, { resumeToken: welcome.resumeToken });
  t.deepEqual(await older.end(), { error: 'ERR_SESSION_REPLACED', code: 4006 });
  rig.world.sendSnapshot(welcome.session, { tick: 9 });
  t.is((await newer.next('snapshot')).tick, 9);
  t.is(rig.store.sessions.state(welcome.session as SessionIndex), SESSION_STATE.attached);
});

test('after its grace a session leaves the world and its row is free', async (t) => {
  const rig = await startRig({ resumeGraceMs: 100 }, { sessionsMax: 1 });
  t.teardown(() => rig.dispose());
  const { client, welcome } = await TestClient.join(rig.url);
  client.webSocket.terminate();
  await until(() => rig.world.of('leave', welcome.session).length === 1, 'the leave arrives');
  const { client: second, welcome: fresh } = await TestClient.join(rig.url, { resumeToken: welcome.resumeToken });
  t.is((await second.next('error')).code, 'ERR_SESSION_EXPIRED');
  t.like(fresh, { session: welcome.session, resumed: false });
  t.is((await rig.gateway.report()).sessionsExpired, 1);
  await until(() => rig.world.intakes.length === 3, 'the next join arrives');
  t.deepEqual(
    rig.world.intakes.map(({ kind, generation }) => [kind, generation]),
    [
      ['join', 1],
      ['leave', 1],
      ['join', 2],
    ],
  );
});

test('bye ends the session at once', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const { client, welcome } = await TestClient.join(rig.url);
  client.send({ type: 'bye' });
  t.is((await client.end()).code, 1000);
  await until(() => rig.world.of('leave', welcome.session).length === 1, 'the leave arrives');
  t.is((await rig.gateway.report()).sessions, 0);
});

test('a leave that the full ring does not take is written later', async (t) => {
  const rig = await startRig({}, { inputRingBytes: 64 });
  t.teardown(() => rig.dispose());
  rig.world.pause();
  const { client, welcome } = await TestClient.join(rig.url);
  await TestClient.join(rig.url);
  await TestClient.join(rig.url);
  client.send({ type: 'bye' });
  await client.end();
  t.is((await rig.gateway.report()).sessions, 3);
  t.not(rig.store.sessions.state(welcome.session as SessionIndex), SESSION_STATE.free);
  rig.world.pump();
  await until(async () => (await rig.gateway.report()).sessions === 2, 'the leave is written');
  rig.world.pump();
  t.is(rig.world.of('leave', welcome.session).length, 1);
});

test('a stop tells every client to reconnect, and is quick', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const { client: joined } = await TestClient.join(rig.url);
  const greeting = await TestClient.open(rig.url);
  const deaf = await TestClient.join(rig.url);
  deaf.client.webSocket.pause();
  const startedMs = performance.now();
  await rig.gateway.stop({ drainMs: 300 });
  t.true(performance.now() - startedMs < 1500);
  t.deepEqual(await joined.end(), { error: 'ERR_SERVER_STOPPING', code: 1012 });
  t.deepEqual(await greeting.end(), { error: 'ERR_SERVER_STOPPING', code: 1012 });
  await t.notThrowsAsync(rig.gateway.done);
});

test('while clients are seen off nobody new is let in', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const { client } = await TestClient.join(rig.url);
  client.webSocket.pause();
  const stopping = rig.gateway.stop({ drainMs: 300 });
  const late = await TestClient.open(rig.url);
  late.send(HELLO);
  await until(() => late.closed !== undefined || late.messages.length > 0, 'the late client is answered');
  t.not(late.messages[0]?.type, 'welcome');
  await stopping;
});

test('a port that is taken is an error with its code', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  await t.throwsAsync(startRig({ port: rig.gateway.port }), { code: 'EADDRINUSE' });
});
