import test from 'ava';
import type { SessionIndex } from '../../src/base/brand.ts';
import { EMPTY_SNAPSHOT, HELLO, rawSocket, schema, startRig, TestClient, until } from './fixture.ts';
import { encodeSnapshot } from '../../src/wire/snapshot.wire.ts';

test('who talks too much is closed, WebSocket pings and pongs included', async (t) => {
  const rig = await startRig({ messagesPerSecond: 5, messagesBurst: 10 });
  t.teardown(() => rig.dispose());
  const talk = async (say: (client: TestClient) => void) => {
    const { client } = await TestClient.join(rig.url);
    for (let messages = 0; messages < 30; messages++) say(client);
    return client.end();
  };
  const rate = { error: 'ERR_LIMIT_RATE', code: 4004 };
  t.deepEqual(await talk((client) => client.send({ type: 'ping', nonce: 1 })), rate);
  t.deepEqual(await talk((client) => client.webSocket.ping()), rate);
  t.deepEqual(await talk((client) => client.webSocket.pong()), rate);
});

test('connections over the limits are told so', async (t) => {
  const rig = await startRig({ connectionsPerAddressLoopback: 2, viewersMax: 1 });
  t.teardown(() => rig.dispose());
  const { client } = await TestClient.join(rig.url);
  const viewer = await TestClient.open(rig.url.replace('/connect', '/elsewhere'));
  t.is((await viewer.end()).code, 1006);
  await TestClient.open(rig.url);
  const third = await TestClient.open(rig.url);
  t.deepEqual(await third.end(), { error: 'ERR_LIMIT_CONNECTIONS', code: 4007 });
  // A place that is given up is free again.
  client.webSocket.close();
  await client.end();
  const fourth = await TestClient.open(rig.url);
  fourth.send({ type: 'bye' });
  t.is((await fourth.end()).error, 'ERR_PROTOCOL_HELLO_EXPECTED');
});

test('the total of connections has a limit', async (t) => {
  const rig = await startRig({ connectionsMax: 1 });
  t.teardown(() => rig.dispose());
  await TestClient.open(rig.url);
  const second = await TestClient.open(rig.url);
  t.deepEqual(await second.end(), { error: 'ERR_LIMIT_CONNECTIONS', code: 4007 });
});

test('sessions without a connection count for their address', async (t) => {
  const rig = await startRig({ connectionsPerAddressLoopback: 2 });
  t.teardown(() => rig.dispose());
  for (let round = 0; round < 2; round++) {
    const { client } = await TestClient.join(rig.url);
    client.webSocket.close();
    await client.end();
  }
  const third = await TestClient.open(rig.url);
  third.send(HELLO);
  t.deepEqual(await third.end(), { error: 'ERR_LIMIT_CONNECTIONS', code: 4007 });
});

test('TCP connections far over the limit are cut at once', async (t) => {
  const rig = await startRig({ connectionsPerAddressLoopback: 1 });
  t.teardown(() => rig.dispose());
  const sockets = Array.from({ length: 80 }, () => rawSocket(rig.gateway.port, ''));
  await until(() => sockets.filter(({ isClosed }) => isClosed()).length >= 15, 'some are cut');
  t.true((await rig.gateway.report()).connectionsCut >= 15);
  for (const { socket } of sockets) socket.destroy();
});

test('who talks, but says no hello, is shown out in time', async (t) => {
  const rig = await startRig({ helloTimeoutMs: 1500 });
  t.teardown(() => rig.dispose());
  const client = await TestClient.open(rig.url);
  client.send({ type: 'ping', nonce: 1 });
  await client.next('pong');
  const timer = setInterval(() => client.send({ type: 'ping', nonce: 2 }), 50);
  t.teardown(() => clearInterval(timer));
  t.deepEqual(await client.end(), { error: 'ERR_PROTOCOL_HELLO_TIMEOUT', code: 4002 });
});

test('half-open requests are answered and closed', async (t) => {
  const rig = await startRig({ headersTimeoutMs: 400 });
  t.teardown(() => rig.dispose());
  const silent = rawSocket(rig.gateway.port, '');
  const half = rawSocket(rig.gateway.port, 'GET /connect HTTP/1.1\r\nHost: x\r\n');
  const large = rawSocket(rig.gateway.port, `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
  await until(() => silent.isClosed() && half.isClosed() && large.isClosed(), 'all are closed');
  t.true(half.answer().startsWith('HTTP/1.1 408 '));
  t.true(large.answer().startsWith('HTTP/1.1 431 '));
});

test('silent connections are pinged, and cut when they do not answer', async (t) => {
  const rig = await startRig({ idleTimeoutMs: 2000 });
  t.teardown(() => rig.dispose());
  const { client: alive } = await TestClient.join(rig.url);
  const { client: deaf } = await TestClient.join(rig.url, {}, { autoPong: false });
  let pings = 0;
  alive.webSocket.on('ping', () => pings++);
  await until(() => pings >= 3, 'the live client is asked');
  t.is((await deaf.end()).code, 1006);
  t.is(alive.closed, undefined);
  t.is((await rig.gateway.report()).connectionsIdle, 1);
});

test('a client that does not read is dropped before its backlog grows', async (t) => {
  const rig = await startRig({ backlogBytesMax: 300_000, backlogMsMax: 60_000 });
  t.teardown(() => rig.dispose());
  const { client, welcome } = await TestClient.join(rig.url);
  const { client: reader, welcome: other } = await TestClient.join(rig.url);
  client.webSocket.pause();
  const generation = rig.store.sessions.generation(welcome.session as SessionIndex);
  // The kernel takes some megabytes before the gateway has any backlog.
  const filler = new Uint8Array(60_000);
  filler.set([17, 1]);
  let greatest = 0;
  await until(() => {
    rig.world.writeFrame(welcome.session, generation, filler);
    greatest = Math.max(greatest, rig.store.sessions.backlogBytes(welcome.session as SessionIndex));
    return greatest > 300_000;
  }, 'a backlog is seen');
  await until(async () => (await rig.gateway.report()).errors['ERR_LIMIT_BACKLOG'] === 1, 'the client is dropped');
  t.true(greatest < 300_000 + 30 * 60_000, `${greatest} bytes`);
  rig.world.sendSnapshot(other.session, { tick: 3 });
  t.is((await reader.next('snapshot')).tick, 3);
  await until(async () => (await rig.gateway.report()).connections === 1, 'its socket is cut');
});

test('a client that is slow for too long is dropped', async (t) => {
  const rig = await startRig({ backlogBytesSkip: 1000, backlogMsMax: 200 });
  t.teardown(() => rig.dispose());
  const { client, welcome } = await TestClient.join(rig.url);
  client.webSocket.pause();
  const generation = rig.store.sessions.generation(welcome.session as SessionIndex);
  const filler = new Uint8Array(60_000);
  filler.set([17, 1]);
  // The kernel's buffers grow: what waits now may be gone again soon.
  await until(async () => {
    rig.world.writeFrame(welcome.session, generation, filler);
    return (await rig.gateway.report()).errors['ERR_LIMIT_BACKLOG'] === 1;
  }, 'the client is dropped');
  await until(async () => (await rig.gateway.report()).connections === 0, 'its socket is cut');
  t.pass();
});

test('snapshots for another generation, or before a keyframe, are not delivered', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const { client, welcome } = await TestClient.join(rig.url);
  const generation = rig.store.sessions.generation(welcome.session as SessionIndex);
  const frame = (tick: number, keyframe: boolean) => encodeSnapshot({ ...EMPTY_SNAPSHOT, tick, keyframe }, schema);
  rig.world.writeFrame(welcome.session, generation, frame(1, false));
  rig.world.writeFrame(welcome.session, generation + 1, frame(2, true));
  rig.world.writeFrame(welcome.session + 1, generation, frame(3, true));
  rig.world.writeFrame(welcome.session, generation, frame(4, true));
  rig.world.writeFrame(welcome.session, generation, frame(5, false));
  t.is((await client.next('snapshot')).tick, 4);
  t.is((await client.next('snapshot')).tick, 5);
  t.like(await rig.gateway.report(), { snapshotsStale: 3, snapshotsSent: 2 });
});

test('snapshots of every size of frame arrive whole', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const { client, welcome } = await TestClient.join(rig.url);
  const generation = rig.store.sessions.generation(welcome.session as SessionIndex);
  const sizes: number[] = [];
  client.webSocket.removeAllListeners('message');
  client.webSocket.on('message', (data: Buffer) => sizes.push(data.length));
  const wanted = [10, 125, 126, 127, 65_535, 65_536, 70_000];
  for (const size of wanted) {
    const bytes = new Uint8Array(size);
    bytes.set([17, 1]);
    rig.world.writeFrame(welcome.session, generation, bytes);
  }
  await until(() => sizes.length === wanted.length, 'all arrive');
  t.deepEqual(sizes, wanted);
});
