import { readdirSync } from 'node:fs';
import test from 'ava';
import * as fc from 'fast-check';
import type { RecordErrorCode } from '../../src/base/errors.ts';
import { bool, bytes, entity, f32, f64, list, text, u16, u32 } from '../../src/base/fields.ts';
import { Random } from '../../src/base/random.ts';
import type { Schema } from '../../src/base/schema.ts';
import { RecordEncoder, SchemaRegistry, applyRecord, decodeRecord } from '../../src/memory/record.ts';
import { componentsArbitrary, describeSlot, fillSlot, makeColumns, schemaOf } from './fixture.ts';
import { GOLDEN_SCHEMA, encodeSlot, fillGolden, forged, fuzzRecords, golden, throwsCode } from './record-fixture.ts';

test('golden: a player is these bytes in format 1, for ever', (t) => {
  const store = makeColumns(GOLDEN_SCHEMA);
  fillGolden(store, 4);
  t.is(Buffer.from(encodeSlot(store, 4)).toString('hex'), Buffer.from(golden('format-1-player.hex')).toString('hex'));
});

for (const name of readdirSync(new URL('golden', import.meta.url)).filter((file) => file.includes('player'))) {
  test(`golden: ${name} is read`, (t) => {
    const store = makeColumns(GOLDEN_SCHEMA);
    fillGolden(store, 4);
    applyRecord(store.columns, 2, decodeRecord(golden(name), new SchemaRegistry(GOLDEN_SCHEMA)));
    t.deepEqual(describeSlot(store, 2), describeSlot(store, 4));
  });
}

test('round trip: random schemas and values', (t) => {
  fc.assert(
    fc.property(componentsArbitrary(), fc.integer(), fc.boolean(), (components, seed, compressed) => {
      const schema = schemaOf(components);
      const store = makeColumns(schema, { heapBytes: 262_144 });
      const random = new Random(seed);
      fillSlot(store, 5, { kind: 0, draw: (count) => Math.floor(random.next() * count) });
      const record = encodeSlot(store, 5, compressed ? 1 : Infinity);
      applyRecord(store.columns, 1, decodeRecord(record, new SchemaRegistry(schema)));
      t.deepEqual(describeSlot(store, 1), describeSlot(store, 5));
      t.deepEqual(encodeSlot(store, 1), encodeSlot(store, 5));
    }),
    { numRuns: 300 },
  );
});

test('every bit pattern of a scalar column survives, an impossible id becomes none', (t) => {
  const schema = schemaOf({ odd: { flag: bool(), g: f32(), h: f64(), who: entity() } });
  const store = makeColumns(schema);
  fillSlot(store, 0, { kind: 0, draw: () => 1 });
  const odd = store.columns.components[0]!.byName as Record<string, any>;
  odd['flag'][0] = 9;
  odd['g'][0] = NaN;
  odd['h'][0] = -Infinity;
  odd['who'][0] = -0.5;
  applyRecord(store.columns, 3, decodeRecord(encodeSlot(store, 0), new SchemaRegistry(schema)));
  t.deepEqual([odd['flag'][3], odd['g'][3], odd['h'][3], odd['who'][3]], [9, NaN, -Infinity, 0]);
});

test('a large body is compressed, a small one is not', (t) => {
  const schema = schemaOf({ bag: { items: list({ what: u16() }, { max: 2000 }), name: text(200) } });
  const store = makeColumns(schema);
  fillSlot(store, 0, { kind: 0, draw: () => 1 });
  const bag = store.columns.components[0]!.byName as Record<string, any>;
  bag['items'].set(
    0,
    Array.from({ length: 2000 }, (_, index) => ({ what: index % 7 })),
  );
  const encoder = new RecordEncoder(store);
  const target = new Uint8Array(encoder.sizeBytes(0));
  const sizeBytes = encoder.encode(0, target);
  t.true(sizeBytes < 400, `4,000 bytes became ${sizeBytes}`);
  t.is(target[5], 1);
  applyRecord(store.columns, 1, decodeRecord(target.subarray(0, sizeBytes), new SchemaRegistry(schema)));
  t.deepEqual(bag['items'].get(1), bag['items'].get(0));
  bag['items'].set(0, []);
  encoder.encode(0, target);
  t.is(target[5], 0);
});

test('a body that deflate does not make smaller stays as it is', (t) => {
  const schema = schemaOf({ noise: { data: bytes(1024), more: bytes(1024) } });
  const store = makeColumns(schema);
  const random = new Random(5);
  fillSlot(store, 0, { kind: 0, draw: () => 1 });
  const noise = store.columns.components[0]!.byName as Record<string, any>;
  for (const name of ['data', 'more'])
    noise[name].set(
      0,
      Uint8Array.from({ length: 1024 }, () => random.below(256)),
    );
  const record = encodeSlot(store, 0, 1);
  t.is(record[5], 0);
  t.is(record.length, new RecordEncoder(store).sizeBytes(0));
});

test('each way to be wrong has its code', (t) => {
  const store = makeColumns(GOLDEN_SCHEMA);
  fillGolden(store, 0);
  const record = encodeSlot(store, 0);
  const registry = new SchemaRegistry(GOLDEN_SCHEMA);
  const rejects = (code: RecordErrorCode, bytes: Uint8Array, message?: RegExp): void =>
    throwsCode(t, { code, message }, () => decodeRecord(bytes, registry));
  rejects('ERR_RECORD_TRUNCATED', record.subarray(0, 47), /at least 48/);
  rejects('ERR_RECORD_TRUNCATED', record.subarray(0, record.length - 1));
  rejects('ERR_RECORD_SIZE', Buffer.concat([record, Buffer.of(0)]), /1 bytes after/);
  const flipped = record.slice();
  flipped[70]! ^= 1;
  rejects('ERR_RECORD_CHECKSUM', flipped);
  const forgeries: readonly [RecordErrorCode, (view: DataView) => void, RegExp?][] = [
    ['ERR_RECORD_MAGIC', (view) => view.setUint8(0, 0)],
    ['ERR_RECORD_VERSION', (view) => view.setUint8(4, 2), /format 2/],
    ['ERR_RECORD_RANGE', (view) => view.setUint8(5, 2), /flags/],
    ['ERR_RECORD_RANGE', (view) => view.setUint8(14, 1), /reserved/],
    ['ERR_RECORD_VERSION', (view) => view.setUint16(6, 3, true), /one back and one forward/],
    ['ERR_RECORD_SCHEMA', (view) => view.setUint16(6, 2, true)],
    ['ERR_RECORD_SCHEMA', (view) => view.setUint32(8, 77, true)],
    ['ERR_RECORD_RANGE', (view) => view.setUint8(12, 2), /kind 2/],
    ['ERR_RECORD_RANGE', (view) => view.setUint32(28, 1, true), /components 1/],
    ['ERR_RECORD_RANGE', (view) => view.setUint32(20, 2 ** 21, true), /entity id/],
    ['ERR_RECORD_SIZE', (view) => view.setUint32(32, 2 ** 25, true), /at most/],
    ['ERR_RECORD_SIZE', (view) => view.setUint32(36, 1, true)],
    ['ERR_RECORD_RANGE', (view) => view.setFloat32(44, NaN, true), /finite/],
    ['ERR_RECORD_RANGE', (view) => view.setUint16(60, 25, true), /look\.name/],
    ['ERR_RECORD_RANGE', (view) => view.setUint8(62, 0xff), /look\.name/],
    ['ERR_RECORD_COMPRESSION', (view) => view.setUint8(5, 1)],
  ];
  for (const [code, change, message] of forgeries) rejects(code, forged(record, change), message);
});

test('a compressed body that inflates to more than it says is refused', (t) => {
  const store = makeColumns(GOLDEN_SCHEMA);
  fillGolden(store, 0);
  const record = golden('format-1-player-compressed.hex');
  const registry = new SchemaRegistry(GOLDEN_SCHEMA);
  t.notThrows(() => decodeRecord(record, registry));
  const rowBytes = new DataView(record.buffer, record.byteOffset).getUint32(32, true);
  const less = forged(record, (view) => view.setUint32(32, rowBytes - 1, true));
  throwsCode(t, { code: 'ERR_RECORD_COMPRESSION' }, () => decodeRecord(less, registry));
  const more = forged(record, (view) => view.setUint32(32, rowBytes + 1, true));
  throwsCode(t, { code: 'ERR_RECORD_SIZE' }, () => decodeRecord(more, registry));
});

test('encoding refuses a target that is too small and an entity that is nowhere', (t) => {
  const store = makeColumns(GOLDEN_SCHEMA);
  fillGolden(store, 0);
  const encoder = new RecordEncoder(store);
  throwsCode(t, { code: 'ERR_RECORD_SIZE' }, () => encoder.encode(0, new Uint8Array(encoder.sizeBytes(0) - 1)));
  t.throws(() => encoder.encode(1, new Uint8Array(1000)), { message: /only an entity/ });
  store.columns.x[0] = Infinity;
  throwsCode(t, { code: 'ERR_RECORD_RANGE' }, () => encoder.encode(0, new Uint8Array(1000)));
});

test('applying over an entity with lists leaks nothing', (t) => {
  const store = makeColumns(GOLDEN_SCHEMA);
  fillGolden(store, 0);
  const decoded = decodeRecord(encodeSlot(store, 0), new SchemaRegistry(GOLDEN_SCHEMA));
  const usedBytes = store.heap.usedBytes;
  for (let round = 0; round < 100; round++) applyRecord(store.columns, 0, decoded);
  t.is(store.heap.usedBytes, usedBytes);
});

test('fuzz: 100,000 mutated records give a record or a typed error', (t) => {
  const counts = fuzzRecords(t, { rounds: 100_000, seed: 11 });
  t.true(counts.accepted > 100 && counts.refused > 50_000, JSON.stringify(counts));
});

test('a registry refuses another world, a wrong hash, and too many', (t) => {
  const registry = new SchemaRegistry(GOLDEN_SCHEMA);
  const other: Schema = { ...GOLDEN_SCHEMA, name: 'other' };
  throwsCode(t, { code: 'ERR_RECORD_SCHEMA', message: /world "other"/ }, () => registry.add({ ...other, hash: 1 }));
  throwsCode(t, { code: 'ERR_RECORD_SCHEMA', message: /computed/ }, () => registry.add({ ...GOLDEN_SCHEMA, hash: 1 }));
  registry.add(JSON.parse(JSON.stringify(GOLDEN_SCHEMA)) as Schema);
  throwsCode(t, { code: 'ERR_RECORD_SCHEMA', message: /more than 64/ }, () => {
    for (let count = 0; count < 100; count++) registry.add(schemaOf({ [`c${count}`]: { a: u32() } }));
  });
});
