/** docs/PROTOCOL.md says what the code does: every code is in its table, every example decodes. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { entityIdFrom } from '../../src/base/brand.ts';
import { CLIENT_ERRORS } from '../../src/client/errors.ts';
import { f32 } from '../../src/base/fields.ts';
import { defineWorld } from '../../src/base/world.ts';
import { decodeClientMessage, decodeServerMessage } from '../../src/wire/client.wire.ts';
import { clientMessageFromJson } from '../../src/wire/json.wire.ts';
import { CLOSE_CODE, MESSAGE, PROTOCOL_ERRORS } from '../../src/wire/messages.ts';

const document = readFileSync(new URL('../../docs/PROTOCOL.md', import.meta.url), 'utf8');
const { schema } = defineWorld({
  name: 'example',
  version: 1,
  size: 256,
  components: {},
  kinds: { walker: { components: [] } },
  input: { fields: { moveX: f32(), moveZ: f32() }, apply: () => undefined },
  systems: {},
  join: () => ({ kind: 'walker', x: 0, z: 0 }),
});

function rows(): string[][] {
  const lines = document.split('\n').filter((line) => line.startsWith('|'));
  return lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function example(name: string): Uint8Array {
  const found = new RegExp(`\`\`\`hex ${name}\n([^\`]*)\`\`\``).exec(document)?.[1];
  return Uint8Array.from(Buffer.from((found ?? '').replaceAll(/\s/g, ''), 'hex'));
}

test('every message is in the table, with its number', (t) => {
  for (const [name, type] of Object.entries(MESSAGE)) {
    t.truthy(
      rows().find((row) => row[0] === name.toUpperCase() && row[1] === String(type)),
      name,
    );
  }
});

test('every error is in the table, with its number on the wire and a known close code', (t) => {
  const closeCodes: string[] = [...Object.values(CLOSE_CODE).map(String), 'none'];
  PROTOCOL_ERRORS.forEach((code, index) => {
    const row = rows().find((cells) => cells[1] === `\`${code}\``);
    t.is(row?.[0], String(index), code);
    t.true(closeCodes.includes(row?.[3] ?? ''), code);
  });
});

test('every close code is in the table, with its name', (t) => {
  for (const [name, code] of Object.entries(CLOSE_CODE)) {
    t.truthy(
      rows().find((row) => row[0] === String(code) && row[1] === name),
      name,
    );
  }
});

test('every code that readers, writers and the SDK throw is in a table', (t) => {
  const source = readFileSync(new URL('../../src/base/errors.ts', import.meta.url), 'utf8');
  const wireCodes = new Set(source.match(/ERR_WIRE_[A-Z]+/g));
  t.true(wireCodes.size >= 7);
  const documented = new Set(rows().map((row) => row[0]));
  for (const code of [...wireCodes, ...CLIENT_ERRORS]) t.true(documented.has(`\`${code}\``), code);
});

test('the examples are messages', (t) => {
  t.deepEqual(decodeClientMessage(example('hello'), schema), {
    type: 'hello',
    protocolVersion: 2,
    schemaHash: 0x01020304,
    name: 'Zoë',
    token: 'jwt',
    resumeToken: 'r1',
    mode: 'direct',
    clientTimeMs: 1.5,
    lastKnownTick: 258,
  });
  t.deepEqual(decodeClientMessage(example('ping'), schema), { type: 'ping', nonce: 7 });
  t.deepEqual(decodeServerMessage(example('pong'), schema), { type: 'pong', nonce: 7, serverTimeMs: 1.5, tick: 2 });
  t.deepEqual(decodeServerMessage(example('handover'), schema), { type: 'handover', seq: 3, node: 'b' });
  t.deepEqual(decodeClientMessage(example('handoverack'), schema), { type: 'handoverAck', seq: 3 });
  t.deepEqual(decodeServerMessage(example('handoverstart'), schema), {
    type: 'handoverStart',
    seq: 3,
    url: 'ws://b',
    token: 't',
    validMs: 2000,
  });
  t.deepEqual(decodeServerMessage(example('error'), schema), {
    type: 'error',
    code: 'ERR_PROTOCOL_VERSION',
    message: 'no',
  });
  t.deepEqual(decodeServerMessage(example('snapshot'), schema), {
    type: 'snapshot',
    keyframe: true,
    resync: false,
    tick: 258,
    inputSequence: 5,
    durableLag: 2,
    self: { alias: 1, x: 1, z: -2, vx: 0, vz: 0 },
    leaves: [],
    enters: [{ alias: 1, id: entityIdFrom(1, 7), kind: 0, xCm: 100, zCm: -200, components: new Map() }],
    moves: [{ alias: 4, dxCm: -1, dzCm: 127 }],
    jumps: [{ alias: 5, xCm: 65_536, zCm: -1 }],
    turns: [{ alias: 6, dxCm: 2, dzCm: -3, vx: 320, vz: -1 }],
    changes: [],
    events: [],
  });
});

test('the JSON examples are messages', (t) => {
  const texts = /```json\n([^`]*)```/.exec(document)?.[1]?.trim().split('\n') ?? [];
  t.deepEqual(
    texts.map((text) => clientMessageFromJson(text, schema).type),
    ['hello', 'input', 'ping', 'bye', 'handoverAck', 'keyframe'],
  );
});
