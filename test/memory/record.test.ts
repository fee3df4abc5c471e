import { readFileSync, readdirSync } from 'node:fs';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import * as fc from 'fast-check';
import { RecordError } from '../../src/base/errors.ts';
import type { RecordErrorCode } from '../../src/base/errors.ts';
import { crc32c } from '../../src/base/crc32c.ts';
import { Random } from '../../src/base/random.ts';
import { bool, bytes, entity, f32, f64, i16, i32, i8, list, text, u16, u32, u8 } from '../../src/base/fields.ts';
import type { Schema } from '../../src/base/schema.ts';
import { RecordEncoder, SchemaRegistry, applyRecord, decodeRecord } from '../../src/memory/record.ts';
import { componentsArbitrary, describeSlot, fillSlot, makeColumns, schemaOf } from './fixture.ts';
import type { SmallStore } from './fixture.ts';

/** The schema of the golden files. It never changes: a new one gets a new name. */
const GOLDEN_SCHEMA = schemaOf(
  {
    look: { name: text(24), crest: bytes(9) },
    body: { alive: bool(), a: i8(), b: u8(), c: i16(), d: u16(), e: i32(), f: u32(), g: f32(), h: f64() },
    bag: { items: list({ what: u16(), count: u8(), owner: entity(), weight: f32() }, { max: 40 }), friend: entity() },
  },
  { kinds: { rock: { components: ['body'] }, player: { components: ['look', 'body', 'bag'] } } },
);

function fillGolden({ columns }: SmallStore, slot: number): void {
  const [look, body, bag] = columns.components.map((component) => component.byName as Record<string, any>);
  columns.id[slot] = 3 * 2 ** 32 + 0x0102_0304;
  columns.kind[slot] = 1;
  columns.ownershipSeq[slot] = 0xdead_beef;
  columns.x[slot] = -12.5;
  columns.z[slot] = 1e-3;
  columns.vx[slot] = -0;
  columns.vz[slot] = 3;
  look!['name'].set(slot, 'Ærøskøbing 🜁');
  look!['crest'].set(slot, Uint8Array.of(1, 2, 255));
  const scalars = {
    alive: 1,
    a: -128,
    b: 255,
    c: -32_768,
    d: 65_535,
    e: -1,
    f: 0xffff_ffff,
    g: Math.fround(0.1),
    h: Math.PI,
  };
  for (const [name, value] of Object.entries(scalars)) body![name][slot] = value;
  bag!['items'].set(slot, [
    { what: 513, count: 7, owner: 2 ** 32 + 9, weight: 0.5 },
    { what: 1, count: 255, owner: 0, weight: -2 },
  ]);
  bag!['friend'][slot] = 2 ** 53 - 1;
}

const encodeSlot = (store: SmallStore, slot: number, compressBytesMin = Infinity): Uint8Array => {
  const encoder = new RecordEncoder(store, { compressBytesMin });
  const target = new Uint8Array(encoder.sizeBytes(slot));
  return target.slice(0, encoder.encode(slot, target));
};

const golden = (name: string): Uint8Array => {
  const hex = readFileSync(new URL(`golden/${name}`, import.meta.url), 'utf8').replaceAll(/\s/g, '');
  return Uint8Array.from(Buffer.from(hex, 'hex'));
};

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

/** Changes a record and repairs its checksum. */
function forged(record: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const copy = record.slice();
  const view = new DataView(copy.buffer);
  change(view);
  view.setUint32(copy.length - 4, crc32c(copy, 0, copy.length - 4), true);
  return copy;
}

function throwsCode(t: ExecutionContext, code: RecordErrorCode, run: () => unknown, message?: RegExp): void {
  const error = t.throws(run, { instanceOf: RecordError });
  t.is(error?.code, code, error?.message);
  if (message !== undefined) t.regex(error?.message ?? '', message);
}

test('each way to be wrong has its code', (t) => {
  const store = makeColumns(GOLDEN_SCHEMA);
  fillGolden(store, 0);
  const record = encodeSlot(store, 0);
  const registry = new SchemaRegistry(GOLDEN_SCHEMA);
  const rejects = (code: RecordErrorCode, bytes: Uint8Array, message?: RegExp): void =>
    throwsCode(t, code, () => decodeRecord(bytes, registry), message);
  rejects('ERR_RECORD_TRUNCATED', record.subarray(0, 47), /at least 48/);
  rejects('ERR_RECORD_TRUNCATED', record.subarray(0, record.length - 1));
  rejects('ERR_RECORD_SIZE', Buffer.concat([record, Buffer.of(0)]), /1 bytes after/);
  rejects(
    'ERR_RECORD_MAGIC',
    forged(record, (view) => view.setUint8(0, 0)),
  );
  rejects(
    'ERR_RECORD_VERSION',
    forged(record, (view) => view.setUint8(4, 2)),
    /format 2/,
  );
  rejects(
    'ERR_RECORD_RANGE',
    forged(record, (view) => view.setUint8(5, 2)),
    /flags/,
  );
  rejects(
    'ERR_RECORD_RANGE',
    forged(record, (view) => view.setUint8(14, 1)),
    /reserved/,
  );
  rejects(
    'ERR_RECORD_VERSION',
    forged(record, (view) => view.setUint16(6, 3, true)),
    /one back and one forward/,
  );
  rejects(
    'ERR_RECORD_SCHEMA',
    forged(record, (view) => view.setUint16(6, 2, true)),
  );
  rejects(
    'ERR_RECORD_SCHEMA',
    forged(record, (view) => view.setUint32(8, 77, true)),
  );
  rejects(
    'ERR_RECORD_RANGE',
    forged(record, (view) => view.setUint8(12, 2)),
    /kind 2/,
  );
  rejects(
    'ERR_RECORD_RANGE',
    forged(record, (view) => view.setUint32(28, 1, true)),
    /components 1/,
  );
  rejects(
    'ERR_RECORD_RANGE',
    forged(record, (view) => view.setUint32(20, 2 ** 21, true)),
    /entity id/,
  );
  rejects(
    'ERR_RECORD_SIZE',
    forged(record, (view) => view.setUint32(32, 2 ** 25, true)),
    /at most/,
  );
  rejects(
    'ERR_RECORD_SIZE',
    forged(record, (view) => view.setUint32(36, 1, true)),
  );
  rejects(
    'ERR_RECORD_RANGE',
    forged(record, (view) => view.setFloat32(44, NaN, true)),
    /finite/,
  );
  rejects(
    'ERR_RECORD_RANGE',
    forged(record, (view) => view.setUint16(60, 25, true)),
    /look\.name/,
  );
  rejects(
    'ERR_RECORD_RANGE',
    forged(record, (view) => view.setUint8(62, 0xff)),
    /look\.name/,
  );
  rejects(
    'ERR_RECORD_COMPRESSION',
    forged(record, (view) => view.setUint8(5, 1)),
  );
  const flipped = record.slice();
  flipped[70]! ^= 1;
  rejects('ERR_RECORD_CHECKSUM', flipped);
});

test('a compressed body that inflates to more than it says is refused', (t) => {
  const store = makeColumns(GOLDEN_SCHEMA);
  fillGolden(store, 0);
  const record = golden('format-1-player-compressed.hex');
  const registry = new SchemaRegistry(GOLDEN_SCHEMA);
  t.notThrows(() => decodeRecord(record, registry));
  const rowBytes = new DataView(record.buffer, record.byteOffset).getUint32(32, true);
  const less = forged(record, (view) => view.setUint32(32, rowBytes - 1, true));
  throwsCode(t, 'ERR_RECORD_COMPRESSION', () => decodeRecord(less, registry));
  const more = forged(record, (view) => view.setUint32(32, rowBytes + 1, true));
  throwsCode(t, 'ERR_RECORD_SIZE', () => decodeRecord(more, registry));
});

test('encoding refuses a target that is too small and an entity that is nowhere', (t) => {
  const store = makeColumns(GOLDEN_SCHEMA);
  fillGolden(store, 0);
  const encoder = new RecordEncoder(store);
  throwsCode(t, 'ERR_RECORD_SIZE', () => encoder.encode(0, new Uint8Array(encoder.sizeBytes(0) - 1)));
  t.throws(() => encoder.encode(1, new Uint8Array(1000)), { message: /only an entity/ });
  store.columns.x[0] = Infinity;
  throwsCode(t, 'ERR_RECORD_RANGE', () => encoder.encode(0, new Uint8Array(1000)));
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

/** Half of the mutants get a right checksum, else nothing behind it would be tried. */
export function fuzzRecords(
  t: ExecutionContext,
  { rounds, seed }: { rounds: number; seed: number },
): { accepted: number; refused: number } {
  const store = makeColumns(GOLDEN_SCHEMA);
  fillGolden(store, 0);
  const samples = [encodeSlot(store, 0), golden('format-1-player-compressed.hex')];
  const registry = new SchemaRegistry(GOLDEN_SCHEMA);
  const random = new Random(seed);
  const counts = { accepted: 0, refused: 0 };
  for (let round = 0; round < rounds; round++) {
    const mutant = mutate(samples[round & 1]!, random);
    try {
      applyRecord(store.columns, 1, decodeRecord(mutant, registry));
      counts.accepted++;
    } catch (error) {
      if (!(error instanceof RecordError)) {
        t.fail(`${String(error)} for ${Buffer.from(mutant).toString('hex')}`);
        return counts;
      }
      counts.refused++;
    }
  }
  t.pass();
  return counts;
}

function mutate(sample: Uint8Array, random: Random): Uint8Array {
  let bytes = sample.slice();
  for (let change = random.below(4); change >= 0; change--) {
    const at = random.below(bytes.length);
    const action = random.below(8);
    if (action < 4) bytes[at] = random.below(256);
    else if (action < 6) bytes[at]! ^= 1 << random.below(8);
    else if (action === 6) bytes = bytes.slice(0, at + 1);
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(random.below(bytes.length))]);
  }
  if (bytes.length < 48 || random.below(4) === 0) return bytes;
  return forged(Uint8Array.from(bytes), (view) => {
    if (random.below(4) > 0) view.setUint32(40, bytes.length - 48, true);
  });
}

test('a registry refuses another world, a wrong hash, and too many', (t) => {
  const registry = new SchemaRegistry(GOLDEN_SCHEMA);
  const other: Schema = { ...GOLDEN_SCHEMA, name: 'other' };
  throwsCode(t, 'ERR_RECORD_SCHEMA', () => registry.add({ ...other, hash: 1 }), /world "other"/);
  throwsCode(t, 'ERR_RECORD_SCHEMA', () => registry.add({ ...GOLDEN_SCHEMA, hash: 1 }), /computed/);
  registry.add(JSON.parse(JSON.stringify(GOLDEN_SCHEMA)) as Schema);
  throwsCode(
    t,
    'ERR_RECORD_SCHEMA',
    () => {
      for (let count = 0; count < 100; count++) registry.add(schemaOf({ [`c${count}`]: { a: u32() } }));
    },
    /more than 64/,
  );
});
