import test from 'ava';
import { unpackFields } from '../../src/base/pack.ts';
import { PROTOCOL_VERSION } from '../../src/wire/messages.ts';
import { schema, startRig, TestClient, until } from './fixture.ts';
import type { Rig } from './fixture.ts';

/** INPUT: u8 2 · u32 sequence · u8 back · moveX f32 · gear u8 · say u16 length and text. */
function input(sequence: number, moveX: number, { gear = 0, say = '' }: { gear?: number; say?: string } = {}): Buffer {
  const text = Buffer.from(say);
  const bytes = Buffer.alloc(13 + text.length);
  bytes[0] = 2;
  bytes.writeUInt32LE(sequence, 1);
  bytes.writeFloatLE(moveX, 6);
  bytes[10] = gear;
  bytes.writeUInt16LE(text.length, 11);
  text.copy(bytes, 13);
  return bytes;
}

function received(rig: Rig, session: number) {
  return rig.world.of('input', session).map(({ sequence, payload }) => ({
    sequence,
    ...unpackFields(schema.input, payload!),
  }));
}

test('inputs reach the world as they come, with what their client has; repeats are counted', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const { client, welcome } = await TestClient.join(rig.url);
  const sequences = [1, 2, 2, 1, 9, 8, 10];
  for (const sequence of sequences) {
    const bytes = input(sequence, 0.5, { say: 'ahoy' });
    bytes[5] = sequence - 1;
    client.webSocket.send(bytes);
  }
  await until(() => received(rig, welcome.session).length === sequences.length, 'the inputs arrive');
  t.deepEqual(
    rig.world.of('input', welcome.session).map(({ sequence, back }) => [sequence, back]),
    sequences.map((sequence) => [sequence, sequence - 1]),
  );
  t.like(received(rig, welcome.session)[0], { moveX: 0.5, say: 'ahoy' });
  t.like(await rig.gateway.report(), { inputsAccepted: 7, inputsRepeated: 3 });
});

test('values out of range are clamped and counted', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const { client, welcome } = await TestClient.join(rig.url);
  client.webSocket.send(input(1, 1e30, { gear: 200 }));
  client.webSocket.send(input(2, -7, { gear: 5 }));
  await until(() => received(rig, welcome.session).length === 2, 'two inputs arrive');
  t.deepEqual(received(rig, welcome.session), [
    { sequence: 1, moveX: 1, gear: 5, say: '' },
    { sequence: 2, moveX: -1, gear: 5, say: '' },
  ]);
  t.is((await rig.gateway.report()).inputsClamped, 3);
});

test('an input that is none ends the connection, and the session can be resumed', async (t) => {
  const rig = await startRig({}, { sessionsMax: 16 });
  t.teardown(() => rig.dispose());
  const answer = async (bytes: Uint8Array) => {
    const { client } = await TestClient.join(rig.url);
    client.webSocket.send(bytes);
    return client.end();
  };
  const range = { error: 'ERR_PROTOCOL_INPUT_RANGE', code: 4000 };
  const malformed = { error: 'ERR_PROTOCOL_MALFORMED', code: 4000 };
  t.deepEqual(await answer(input(1, Number.NaN)), range);
  t.deepEqual(await answer(input(1, Infinity)), range);
  t.deepEqual(await answer(input(1, 0, { say: 'far too long' })), range);
  t.deepEqual(await answer(input(1, 0).subarray(0, 11)), malformed);
  t.deepEqual(await answer(input(1, 0).subarray(0, 3)), malformed);
  t.deepEqual(await answer(Buffer.concat([input(1, 0), Buffer.from([0])])), malformed);
  t.deepEqual(await answer(Buffer.concat([input(1, 0), Buffer.alloc(80)])), malformed);
  const notText = input(1, 0, { say: 'ab' });
  notText[13] = 0xff;
  t.deepEqual(await answer(notText), malformed);
  const ahead = input(5, 0);
  for (const back of [5, 64, 255]) {
    ahead[5] = back;
    t.deepEqual(await answer(ahead), malformed, `${back} before it`);
  }
  t.is(rig.world.intakes.filter(({ kind }) => kind === 'input').length, 0);
});

test('an input that the full ring does not take may be sent again', async (t) => {
  const rig = await startRig({}, { inputRingBytes: 64 });
  t.teardown(() => rig.dispose());
  const { client, welcome } = await TestClient.join(rig.url);
  await until(() => rig.world.of('join', welcome.session).length === 1, 'the join arrives');
  rig.world.pause();
  for (const sequence of [1, 2, 3]) client.webSocket.send(input(sequence, 0));
  client.send({ type: 'ping', nonce: 1 });
  await client.next('pong');
  rig.world.pump();
  client.webSocket.send(input(3, 0));
  client.send({ type: 'ping', nonce: 2 });
  await client.next('pong');
  rig.world.pump();
  const sequences = received(rig, welcome.session).map(({ sequence }) => sequence);
  t.is(sequences.at(-1), 3);
  t.true(sequences.length < 4, 'what did not fit was dropped');
});

test('format=json speaks the same messages as text', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const { client, welcome } = await TestClient.join(rig.url, { schemaHash: 0 }, { json: true });
  t.is(welcome.protocolVersion, PROTOCOL_VERSION);
  t.is(welcome.schema?.name, 'harbour');
  client.send({ type: 'input', sequence: 1, back: 0, input: { moveX: 0.25, gear: 2, say: 'ahoy' } });
  client.webSocket.send(JSON.stringify({ type: 'input', sequence: 2, back: 0, input: { moveX: 12, gear: 3.7 } }));
  client.webSocket.send(JSON.stringify({ type: 'input', sequence: 2, back: 0, input: {} }));
  await until(() => received(rig, welcome.session).length === 3, 'the inputs arrive');
  t.deepEqual(received(rig, welcome.session).slice(0, 2), [
    { sequence: 1, moveX: 0.25, gear: 2, say: 'ahoy' },
    { sequence: 2, moveX: 1, gear: 3, say: '' },
  ]);
  t.like(await rig.gateway.report(), { inputsClamped: 2, inputsRepeated: 1 });
  rig.world.sendSnapshot(welcome.session, { tick: 5, leaves: [3] });
  t.like(await client.next('snapshot'), { tick: 5, leaves: [3], keyframe: true });
  client.send({ type: 'ping', nonce: 5 });
  t.is((await client.next('pong')).nonce, 5);
});

test('JSON that is no message ends the connection', async (t) => {
  const rig = await startRig({}, { sessionsMax: 32 });
  t.teardown(() => rig.dispose());
  const bad: [string | Uint8Array, string][] = [
    ['{', 'ERR_PROTOCOL_MALFORMED'],
    ['[]', 'ERR_PROTOCOL_MALFORMED'],
    ['null', 'ERR_PROTOCOL_MALFORMED'],
    ['{"type":"welcome"}', 'ERR_PROTOCOL_MALFORMED'],
    ['{"type":"input","sequence":-1,"input":{}}', 'ERR_PROTOCOL_MALFORMED'],
    ['{"type":"input","sequence":1,"input":[]}', 'ERR_PROTOCOL_MALFORMED'],
    ['{"type":"input","sequence":1,"back":0,"input":{"moveX":1e999}}', 'ERR_PROTOCOL_INPUT_RANGE'],
    ['{"type":"input","sequence":1,"back":0,"input":{"moveX":"1"}}', 'ERR_PROTOCOL_INPUT_RANGE'],
    ['{"type":"input","sequence":1,"back":0,"input":{"say":"far too long"}}', 'ERR_PROTOCOL_INPUT_RANGE'],
    [Uint8Array.of(4), 'ERR_PROTOCOL_MALFORMED'],
  ];
  for (const [data, error] of bad) {
    const { client } = await TestClient.join(rig.url, {}, { json: true });
    client.webSocket.send(data);
    t.deepEqual(await client.end(), { error, code: 4000 }, String(data));
  }
  const version = await TestClient.open(rig.url, { json: true });
  version.webSocket.send('{"type":"hello","protocolVersion":9,"schemaHash":0,"name":"","token":"","resumeToken":""}');
  t.deepEqual(await version.end(), { error: 'ERR_PROTOCOL_VERSION', code: 4001 });
});
