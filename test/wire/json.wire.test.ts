import test from 'ava';
import * as fc from 'fast-check';
import { WireError } from '../../src/base/errors.ts';
import { entityIdFrom } from '../../src/base/brand.ts';
import { clientMessageFromJson, fromJson, serverMessageFromJson, toJson } from '../../src/wire/json.wire.ts';
import { parseSchema } from '../../src/wire/schema.wire.ts';
import { clientMessages, plainServerMessages, schema, snapshots } from './fixture.ts';

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof WireError) return error.code;
    throw error;
  }
  return 'none';
}

test('the text of a message is that of docs/PROTOCOL.md', (t) => {
  t.is(toJson({ type: 'ping', nonce: 7 }), '{"type":"ping","nonce":7}');
  t.is(
    toJson({ type: 'input', sequence: 1, back: 0, input: { moveX: 0.5, moveZ: 0, jump: true, say: '' } }),
    '{"type":"input","sequence":1,"back":0,"input":{"moveX":0.5,"moveZ":0,"jump":true,"say":""}}',
  );
  const look = { name: 'Al', badge: Uint8Array.of(1, 2), flag: false };
  const text = toJson({
    type: 'snapshot',
    keyframe: false,
    resync: false,
    tick: 1,
    inputSequence: 0,
    durableLag: 0,
    self: undefined,
    leaves: [4],
    enters: [{ alias: 1, id: entityIdFrom(0, 9), kind: 0, xCm: 1, zCm: 2, components: new Map([[0, look]]) }],
    moves: [],
    jumps: [],
    turns: [],
    changes: [],
    events: [],
  });
  t.is(
    text,
    '{"type":"snapshot","keyframe":false,"resync":false,"tick":1,"inputSequence":0,"durableLag":0,"leaves":[4],"enters":[{"alias":1,"id":9,"kind":0,' +
      '"xCm":1,"zCm":2,"components":{"0":{"name":"Al","badge":"AQI=","flag":false}}}],"moves":[],"jumps":[],"turns":[],"changes":[],"events":[]}',
  );
});

test('what is written is read', (t) => {
  fc.assert(
    fc.property(fc.oneof(clientMessages, plainServerMessages, snapshots), (message) => {
      t.deepEqual(fromJson(toJson(message), schema), message);
    }),
    { numRuns: 600 },
  );
});

test('each side refuses what only it says itself', (t) => {
  const ping = toJson({ type: 'ping', nonce: 1 });
  const pong = toJson({ type: 'pong', nonce: 1, serverTimeMs: 1, tick: 1 });
  t.is(
    codeOf(() => serverMessageFromJson(ping, schema)),
    'ERR_WIRE_TYPE',
  );
  t.is(
    codeOf(() => clientMessageFromJson(pong, schema)),
    'ERR_WIRE_TYPE',
  );
});

test('each wrong thing has its code', (t) => {
  const cases: [string, string][] = [
    ['{', 'ERR_WIRE_JSON'],
    ['[]', 'ERR_WIRE_JSON'],
    ['null', 'ERR_WIRE_JSON'],
    ['{"type":"__proto__"}', 'ERR_WIRE_TYPE'],
    ['{"type":"ping","nonce":-1}', 'ERR_WIRE_RANGE'],
    ['{"type":"ping","nonce":1.5}', 'ERR_WIRE_RANGE'],
    ['{"type":"input","sequence":1,"back":0}', 'ERR_WIRE_JSON'],
    ['{"type":"input","sequence":1,"back":1,"input":{}}', 'ERR_WIRE_RANGE'],
    ['{"type":"input","sequence":1,"back":0,"input":{"moveX":2}}', 'ERR_WIRE_RANGE'],
    ['{"type":"input","sequence":1,"back":0,"input":{"say":5}}', 'ERR_WIRE_JSON'],
    ['{"type":"input","sequence":1,"back":0,"input":{"say":"123456789"}}', 'ERR_WIRE_RANGE'],
    ['{"type":"hello","protocolVersion":3}', 'ERR_WIRE_VERSION'],
    [`{"type":"bye","pad":"${'x'.repeat(20_000)}"}`, 'ERR_WIRE_RANGE'],
  ];
  for (const [text, code] of cases) {
    t.is(
      codeOf(() => clientMessageFromJson(text, schema)),
      code,
      text.slice(0, 80),
    );
  }
  t.is(
    codeOf(() => clientMessageFromJson('{"type":"input","sequence":1,"back":0,"input":{}}', undefined)),
    'ERR_WIRE_TYPE',
  );
});

test('a schema survives its text, and only its own', (t) => {
  const text = JSON.stringify(schema);
  t.deepEqual(parseSchema(text), schema);
  t.is(
    codeOf(() => parseSchema(text.replace('"version":3', '"version":4'))),
    'ERR_WIRE_RANGE',
  );
  t.is(
    codeOf(() => parseSchema(text.slice(1))),
    'ERR_WIRE_JSON',
  );
  fc.assert(
    fc.property(fc.json(), (json) => codeOf(() => parseSchema(json)).startsWith('ERR_WIRE_')),
    { numRuns: 2000 },
  );
});
