import test from 'ava';
import type { ExecutionContext } from 'ava';
import * as fc from 'fast-check';
import { WireError } from '../../src/base/errors.ts';
import {
  CLIENT_MESSAGE_BYTES_MAX,
  INPUT_HEAD_BYTES,
  decodeClientMessage,
  decodeServerMessage,
  encodeClientMessage,
  encodeServerMessage,
  SERVER_MESSAGE_BYTES_MAX,
} from '../../src/wire/client.wire.ts';
import type { ClientMessage, Welcome } from '../../src/wire/messages.ts';
import { clientMessages, plainServerMessages, schema } from './fixture.ts';

const hello: ClientMessage = {
  type: 'hello',
  protocolVersion: 2,
  schemaHash: 0x01020304,
  name: 'Zoë',
  token: 'jwt',
  resumeToken: 'r1',
  mode: 'direct',
  clientTimeMs: 1.5,
  lastKnownTick: 258,
};
const welcome: Welcome = {
  type: 'welcome',
  protocolVersion: 2,
  session: 7,
  resumed: true,
  tick: 258,
  serverTimeMs: 1.5,
  tickHz: 20,
  snapshotHz: 10,
  aoiRadius: 128,
  cellSize: 256,
  minX: -256,
  minZ: -128,
  maxX: 256,
  maxZ: 128,
  edge: 'stop',
  resumeGraceMs: 30_000,
  resumeToken: 'r2',
  mode: 'auto',
  gateways: ['ws://b'],
  schemaHash: 5,
  schema: undefined,
};

function isHex(t: ExecutionContext, bytes: Uint8Array, expected: string): void {
  t.is(Buffer.from(bytes).toString('hex'), expected.replaceAll(' ', ''));
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof WireError) return error.code;
    throw error;
  }
  return 'none';
}

test('the bytes of a client’s messages are those of docs/PROTOCOL.md', (t) => {
  isHex(
    t,
    encodeClientMessage(hello, schema),
    '01 574d5348 0200 04030201 045a6fc3ab 03006a7774 027231 01 000000000000f83f 02010000',
  );
  const input = { moveX: 1, moveZ: -0.5, jump: true, say: 'hi' };
  isHex(
    t,
    encodeClientMessage({ type: 'input', sequence: 9, back: 3, input }, schema),
    '02 09000000 03 0000803f 000000bf 01 02006869',
  );
  isHex(t, encodeClientMessage({ type: 'ping', nonce: 0xfffefdfc }, schema), '03 fcfdfeff');
  isHex(t, encodeClientMessage({ type: 'bye' }, undefined), '04');
  isHex(t, encodeClientMessage({ type: 'keyframe' }, undefined), '06');
  isHex(t, encodeClientMessage({ type: 'handoverAck', seq: 0x01020304 }, undefined), '05 04030201');
});

test('the bytes of a server’s messages are those of docs/PROTOCOL.md', (t) => {
  const doubles = [1.5, 20, 10, 128, 256, -256, -128, 256, 128].map((value) => {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    return bytes.toString('hex');
  });
  isHex(
    t,
    encodeServerMessage(welcome),
    `10 0200 03 07000000 02010000 ${doubles.join(' ')} 30750000 05000000 027232 02 01 0677733a2f2f62`,
  );
  isHex(
    t,
    encodeServerMessage({ type: 'pong', nonce: 1, serverTimeMs: 1.5, tick: 2 }),
    '12 01000000 000000000000f83f 02000000',
  );
  isHex(t, encodeServerMessage({ type: 'error', code: 'ERR_PROTOCOL_VERSION', message: 'no' }), '13 01 026e6f');
  isHex(t, encodeServerMessage({ type: 'handover', seq: 3, node: 'b' }), '14 03000000 0162');
  const start = { type: 'handoverStart', seq: 3, url: 'ws://b', token: 't', validMs: 2000 } as const;
  isHex(t, encodeServerMessage(start), '15 03000000 0677733a2f2f62 0174 d0070000');
});

test('what is encoded is decoded: client', (t) => {
  fc.assert(
    fc.property(clientMessages, (message) => {
      t.deepEqual(decodeClientMessage(encodeClientMessage(message, schema), schema), message);
    }),
    { numRuns: 500 },
  );
});

test('what is encoded is decoded: server', (t) => {
  fc.assert(
    fc.property(plainServerMessages, (message) => {
      t.deepEqual(decodeServerMessage(encodeServerMessage(message), schema), message);
    }),
    { numRuns: 300 },
  );
});

test('every cut and every tail of a message is refused', (t) => {
  const bytes = encodeClientMessage(hello, schema);
  for (let length = 0; length < bytes.length; length++) {
    t.is(
      codeOf(() => decodeClientMessage(bytes.subarray(0, length), schema)),
      'ERR_WIRE_TRUNCATED',
    );
  }
  t.is(
    codeOf(() => decodeClientMessage(Uint8Array.of(...bytes, 0), schema)),
    'ERR_WIRE_TRAILING',
  );
  t.is(
    codeOf(() => decodeClientMessage(Uint8Array.of(4, 0), schema)),
    'ERR_WIRE_TRAILING',
  );
  const sent = encodeServerMessage({ ...welcome, schema });
  for (let length = 0; length < sent.length; length += 7) {
    t.is(
      codeOf(() => decodeServerMessage(sent.subarray(0, length), schema)),
      'ERR_WIRE_TRUNCATED',
    );
  }
});

test('each wrong thing has its code', (t) => {
  const magic = encodeClientMessage(hello, schema);
  magic[1] = 0;
  t.is(
    codeOf(() => decodeClientMessage(magic, schema)),
    'ERR_WIRE_TYPE',
  );
  const version = encodeClientMessage(hello, schema);
  version[5] = 3;
  t.is(
    codeOf(() => decodeClientMessage(version, schema)),
    'ERR_WIRE_VERSION',
  );
  const text = encodeClientMessage(hello, schema);
  text[12] = 0xff;
  t.is(
    codeOf(() => decodeClientMessage(text, schema)),
    'ERR_WIRE_TEXT',
  );
  const name = encodeClientMessage(hello, schema);
  name[11] = 33;
  t.is(
    codeOf(() => decodeClientMessage(name, schema)),
    'ERR_WIRE_RANGE',
  );
  t.is(
    codeOf(() => decodeClientMessage(Uint8Array.of(99), schema)),
    'ERR_WIRE_TYPE',
  );
  t.is(
    codeOf(() => decodeClientMessage(Uint8Array.of(2, 0, 0, 0, 0), undefined)),
    'ERR_WIRE_TYPE',
  );
  t.is(
    codeOf(() => decodeClientMessage(new Uint8Array(CLIENT_MESSAGE_BYTES_MAX + 1), schema)),
    'ERR_WIRE_RANGE',
  );
  t.is(
    codeOf(() => decodeServerMessage(new Uint8Array(SERVER_MESSAGE_BYTES_MAX + 1), schema)),
    'ERR_WIRE_RANGE',
  );
  t.is(
    codeOf(() => decodeServerMessage(Uint8Array.of(17), undefined)),
    'ERR_WIRE_TYPE',
  );
  t.is(
    codeOf(() => decodeServerMessage(Uint8Array.of(19, 200, 0), undefined)),
    'ERR_WIRE_RANGE',
  );
  t.is(
    codeOf(() => encodeClientMessage({ ...hello, name: 'n'.repeat(33) }, schema)),
    'ERR_WIRE_RANGE',
  );
});

test('an input outside its declared range is refused, at its bound it is not', (t) => {
  function inputBytes(moveX: number): Uint8Array {
    const bytes = encodeClientMessage(
      { type: 'input', sequence: 1, back: 0, input: { moveX: 0, moveZ: 0, jump: false, say: '' } },
      schema,
    );
    new DataView(bytes.buffer, bytes.byteOffset).setFloat32(INPUT_HEAD_BYTES, moveX, true);
    return bytes;
  }
  t.is(
    codeOf(() => decodeClientMessage(inputBytes(1), schema)),
    'none',
  );
  t.is(
    codeOf(() => decodeClientMessage(inputBytes(1.0000001), schema)),
    'ERR_WIRE_RANGE',
  );
  t.is(
    codeOf(() => decodeClientMessage(inputBytes(Number.NaN), schema)),
    'ERR_WIRE_RANGE',
  );
  t.is(
    codeOf(() => decodeClientMessage(inputBytes(-Infinity), schema)),
    'ERR_WIRE_RANGE',
  );
});

test('a long error message is cut between characters', (t) => {
  const decoded = decodeServerMessage(
    encodeServerMessage({ type: 'error', code: 'ERR_AUTH_TOKEN', message: 'é'.repeat(200) }),
    undefined,
  );
  t.deepEqual(decoded, { type: 'error', code: 'ERR_AUTH_TOKEN', message: 'é'.repeat(127) });
});

test('a schema that was tampered with on the way is refused', (t) => {
  const bytes = encodeServerMessage({ ...welcome, schema });
  const text = Buffer.from(bytes).toString('latin1').replace('"countMax":7', '"countMax":9');
  t.is(
    codeOf(() => decodeServerMessage(Buffer.from(text, 'latin1'), undefined)),
    'ERR_WIRE_RANGE',
  );
  const broken = Buffer.from(bytes).toString('latin1').replace('"type":"list"', '"type":"lisp"');
  t.is(
    codeOf(() => decodeServerMessage(Buffer.from(broken, 'latin1'), undefined)),
    'ERR_WIRE_JSON',
  );
});
