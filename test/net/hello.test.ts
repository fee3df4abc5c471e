import test from 'ava';
import { SignJWT } from 'jose';
import { PROTOCOL_ERRORS } from '../../src/wire/messages.ts';
import { HELLO, rawSocket, schema, startRig, TestClient, until } from './fixture.ts';

const SECRET = 'a secret of at least thirty-two bytes';

test('a hello is answered with a welcome that describes the world', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const { client, welcome } = await TestClient.join(rig.url, { name: '  Ada\u0007 ' });
  t.like(welcome, { resumed: false, tickHz: 20, snapshotHz: 10, minX: -448, maxZ: 320, cellSize: 128, edge: 'bounce' });
  t.is(welcome.schema, undefined);
  t.regex(welcome.resumeToken, /^[\w-]{100,255}$/);
  await until(() => rig.world.of('join', welcome.session).length === 1, 'the join arrives');
  t.is(rig.world.of('join', welcome.session)[0]?.name, 'Ada');
  t.true(Math.abs(welcome.serverTimeMs - Date.now()) < 5000);
  client.send({ type: 'ping', nonce: 77 });
  t.is((await client.next('pong')).nonce, 77);
});

test('a client without a schema is sent it', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const { welcome } = await TestClient.join(rig.url, { schemaHash: 0 });
  t.deepEqual(welcome.schema, JSON.parse(JSON.stringify(schema)));
});

test('a hello that cannot be served is answered with its error and close code', async (t) => {
  const rig = await startRig({ helloTimeoutMs: 300 });
  t.teardown(() => rig.dispose());
  const answer = async (data: string | Uint8Array) => {
    const client = await TestClient.open(rig.url);
    if (data.length > 0) client.webSocket.send(data);
    return client.end();
  };
  const hello = await import('../../src/wire/client.wire.ts').then(({ encodeClientMessage }) =>
    encodeClientMessage({ ...HELLO, schemaHash: 0 }, undefined),
  );
  const otherVersion = Uint8Array.from(hello);
  otherVersion[5] = 99;
  const otherSchema = Uint8Array.from(hello);
  otherSchema[7] = 1;
  t.deepEqual(await answer(otherVersion), { error: 'ERR_PROTOCOL_VERSION', code: 4001 });
  t.deepEqual(await answer(otherSchema), { error: 'ERR_PROTOCOL_SCHEMA', code: 4001 });
  t.deepEqual(await answer(Uint8Array.of(4)), { error: 'ERR_PROTOCOL_HELLO_EXPECTED', code: 4000 });
  t.deepEqual(await answer(hello.subarray(0, 9)), { error: 'ERR_PROTOCOL_MALFORMED', code: 4000 });
  t.deepEqual(await answer(Uint8Array.of(200)), { error: 'ERR_PROTOCOL_MALFORMED', code: 4000 });
  t.deepEqual(await answer('{}'), { error: 'ERR_PROTOCOL_MALFORMED', code: 4000 });
  t.deepEqual(await answer(new Uint8Array(5000)), { error: 'ERR_PROTOCOL_MALFORMED', code: 4000 });
  t.deepEqual(await answer(new Uint8Array(9000)), { error: undefined, code: 1009 });
  t.deepEqual(await answer(''), { error: 'ERR_PROTOCOL_HELLO_TIMEOUT', code: 4002 });
  t.is(rig.world.intakes.length, 0);
});

test('a second hello ends the connection', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const { client } = await TestClient.join(rig.url);
  client.send(HELLO);
  t.deepEqual(await client.end(), { error: 'ERR_PROTOCOL_MALFORMED', code: 4000 });
});

test('token mode takes signed, unexpired tokens with an account', async (t) => {
  const rig = await startRig({ authMode: 'token', authSecret: SECRET });
  t.teardown(() => rig.dispose());
  const sign = (claims: { sub?: string; exp?: string }, secret = SECRET) => {
    const jwt = new SignJWT({}).setProtectedHeader({ alg: 'HS256' });
    if (claims.sub !== undefined) jwt.setSubject(claims.sub);
    if (claims.exp !== undefined) jwt.setExpirationTime(claims.exp);
    return jwt.sign(new TextEncoder().encode(secret));
  };
  const { welcome } = await TestClient.join(rig.url, { token: await sign({ sub: 'ada@harbour', exp: '1h' }) });
  await until(() => rig.world.of('join', welcome.session).length === 1, 'the join arrives');
  t.is(rig.world.of('join', welcome.session)[0]?.account, 'ada@harbour');
  const bad = [
    '',
    'nonsense',
    await sign({ sub: 'ada', exp: '1h' }, 'another secret of more than thirty bytes'),
    await sign({ sub: 'ada', exp: '-1h' }),
    await sign({ sub: 'ada' }),
    await sign({ exp: '1h' }),
    await sign({ sub: 'a'.repeat(65), exp: '1h' }),
  ];
  for (const token of bad) {
    const client = await TestClient.open(rig.url);
    client.send({ ...HELLO, token });
    t.deepEqual(await client.end(), { error: 'ERR_AUTH_TOKEN', code: 4003 });
  }
  // The resume token stands for the login.
  const { welcome: again } = await TestClient.join(rig.url, { resumeToken: welcome.resumeToken });
  t.true(again.resumed);
  t.is(again.session, welcome.session);
});

test('a client may measure its clock before it says hello', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const client = await TestClient.open(rig.url);
  client.send({ type: 'ping', nonce: 9 });
  const pong = await client.next('pong');
  t.is(pong.nonce, 9);
  t.true(Math.abs(pong.serverTimeMs - Date.now()) < 60_000);
  client.send(HELLO);
  t.false((await client.next('welcome')).resumed);
});

test('what a client says while its login is checked ends the connection', async (t) => {
  const rig = await startRig({ authMode: 'token', authSecret: SECRET });
  t.teardown(() => rig.dispose());
  const client = await TestClient.open(rig.url);
  client.send({ ...HELLO, token: 'nonsense' });
  client.send({ type: 'bye' });
  const { error, code } = await client.end();
  t.true(
    (error === 'ERR_PROTOCOL_HELLO_EXPECTED' && code === 4000) || (error === 'ERR_AUTH_TOKEN' && code === 4003),
    `${error} ${code}`,
  );
});

test('a full session table, an overloaded server and a refusing world are told apart', async (t) => {
  const rig = await startRig({}, { sessionsMax: 2 });
  t.teardown(() => rig.dispose());
  rig.world.refusal = 'entities';
  const { client: refused } = await TestClient.join(rig.url);
  t.deepEqual(await refused.end(), { error: 'ERR_LIMIT_SESSIONS', code: 1013 });
  rig.world.refusal = undefined;
  await TestClient.join(rig.url);
  const { welcome } = await TestClient.join(rig.url);
  const third = await TestClient.open(rig.url);
  third.send(HELLO);
  t.deepEqual(await third.end(), { error: 'ERR_LIMIT_SESSIONS', code: 1013 });
  rig.store.control.setShedLevel(4);
  const fourth = await TestClient.open(rig.url);
  fourth.send(HELLO);
  t.deepEqual(await fourth.end(), { error: 'ERR_SERVER_OVERLOADED', code: 1013 });
  // Who was in stays in.
  const { welcome: resumed } = await TestClient.join(rig.url, { resumeToken: welcome.resumeToken });
  t.true(resumed.resumed);
});

test('a full input ring refuses new players', async (t) => {
  const rig = await startRig({}, { inputRingBytes: 64 });
  t.teardown(() => rig.dispose());
  rig.world.pause();
  rig.world.pump();
  // A join takes 20 bytes.
  for (let joins = 0; joins < 3; joins++) await TestClient.join(rig.url);
  const fourth = await TestClient.open(rig.url);
  fourth.send(HELLO);
  t.deepEqual(await fourth.end(), { error: 'ERR_SERVER_OVERLOADED', code: 1013 });
});

test('paths and methods that are no WebSocket endpoints are refused in HTTP', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const upgrade = 'Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
  const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
  const elsewhere = rawSocket(rig.gateway.port, `GET /elsewhere HTTP/1.1\r\n${upgrade}${key}\r\n`);
  await until(() => elsewhere.isClosed(), 'the socket closes');
  t.true(elsewhere.answer().startsWith('HTTP/1.1 404 '));
  const bad = rawSocket(rig.gateway.port, `GET /connect HTTP/1.1\r\n${upgrade}\r\n`);
  await until(() => bad.isClosed(), 'the socket closes');
  t.true(bad.answer().startsWith('HTTP/1.1 400 '));
});

test('every error code that is documented as fatal has a close code', async (t) => {
  const { CLOSE_CODES } = await import('../../src/net/connection.ts');
  t.deepEqual([...Object.keys(CLOSE_CODES), 'ERR_SESSION_EXPIRED'].sort(), [...PROTOCOL_ERRORS].sort());
});
