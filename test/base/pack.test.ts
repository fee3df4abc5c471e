import test from 'ava';
import * as fc from 'fast-check';
import { WireError } from '../../src/base/errors.ts';
import { packFields, unpackFields } from '../../src/base/pack.ts';
import type { Values } from '../../src/base/pack.ts';
import { Random } from '../../src/base/random.ts';
import { fieldsSizeBytesMax } from '../../src/base/schema.ts';
import type { FieldSchema } from '../../src/base/schema.ts';
import { componentsArbitrary, randomValue, schemaOf } from '../memory/fixture.ts';

const FIELDS: readonly FieldSchema[] = [
  { name: 'alive', type: 'bool' },
  { name: 'a', type: 'i8' },
  { name: 'b', type: 'u16', max: 1000 },
  { name: 'c', type: 'i32' },
  { name: 'g', type: 'f32', min: -1, max: 1 },
  { name: 'h', type: 'f64' },
  { name: 'who', type: 'entity' },
  { name: 'name', type: 'text', bytesMax: 6 },
  { name: 'data', type: 'bytes', bytesMax: 3 },
  { name: 'items', type: 'list', countMax: 2, item: [{ name: 'what', type: 'u8' }] },
];

const pack = (values: Values, fields = FIELDS): Uint8Array => {
  const target = new Uint8Array(fieldsSizeBytesMax(fields));
  return target.subarray(0, packFields(fields, values, target));
};

test('golden bytes', (t) => {
  const values = {
    alive: true,
    a: -2,
    b: 515,
    c: -1,
    g: 0.5,
    h: 1,
    who: 3 * 2 ** 32 + 4,
    name: 'é!',
    data: Uint8Array.of(9, 8),
    items: [{ what: 7 }, { what: 6 }],
  };
  const packed = pack(values);
  t.is(
    Buffer.from(packed).toString('hex'),
    '01fe0302ffffffff0000003f000000000000f03f04000000030000000300c3a9210200090802000706',
  );
  t.deepEqual(unpackFields(FIELDS, packed), values);
});

test('missing values are zero and empty', (t) => {
  t.deepEqual(unpackFields(FIELDS, pack({})), {
    alive: false,
    a: 0,
    b: 0,
    c: 0,
    g: 0,
    h: 0,
    who: 0,
    name: '',
    data: new Uint8Array(),
    items: [],
  });
});

test('values that do not fit are refused by name', (t) => {
  const odd: unknown[] = ['many', NaN, 1e300, -1e300, null, {}, [], Symbol('odd'), 1n, () => 0, Object.create(null)];
  for (const { name, type } of FIELDS) {
    for (const value of odd) {
      if (type === 'list' && Array.isArray(value)) continue;
      if (type === 'text' && typeof value === 'string') continue;
      if ((type === 'f64' || type === 'f32') && value === 1e300) continue;
      try {
        pack({ [name]: value });
      } catch (error) {
        t.true(error instanceof WireError, `${name} = ${String((error as Error).stack)}`);
      }
    }
  }
  for (const values of [
    { b: 1001 },
    { g: 1.01 },
    { a: 128 },
    { name: 'sevenby' },
    { data: new Uint8Array(4) },
    { items: [{}, {}, {}] },
  ]) {
    const [name] = Object.keys(values);
    t.throws(() => pack(values), { instanceOf: WireError, code: 'ERR_WIRE_RANGE', message: new RegExp(`"${name}"`) });
  }
  for (const items of [[null], [1], ['x'], [undefined]]) t.throws(() => pack({ items }), { instanceOf: WireError });
});

test('each fault of bytes has its code', (t) => {
  const packed = pack({ name: 'abc', items: [{ what: 1 }] });
  for (let end = 0; end < packed.length; end++) {
    t.throws(() => unpackFields(FIELDS, packed.subarray(0, end)), {
      instanceOf: WireError,
      code: 'ERR_WIRE_TRUNCATED',
    });
  }
  t.throws(() => unpackFields(FIELDS, Buffer.concat([packed, Buffer.of(0)])), { code: 'ERR_WIRE_TRAILING' });
  const text: FieldSchema[] = [{ name: 'name', type: 'text', bytesMax: 6 }];
  t.throws(() => unpackFields(text, Uint8Array.of(1, 0, 0xff)), { code: 'ERR_WIRE_TEXT' });
  t.throws(() => unpackFields(text, Uint8Array.of(7, 0)), { code: 'ERR_WIRE_RANGE' });
  const float: FieldSchema[] = [{ name: 'g', type: 'f32' }];
  t.throws(() => unpackFields(float, Uint8Array.of(0, 0, 0xc0, 0x7f)), { code: 'ERR_WIRE_RANGE' });
  const entity: FieldSchema[] = [{ name: 'who', type: 'entity' }];
  t.throws(() => unpackFields(entity, Uint8Array.of(0, 0, 0, 0, 0, 0, 0x20, 0)), { code: 'ERR_WIRE_RANGE' });
});

test('property: round trip of any fields and values', (t) => {
  fc.assert(
    fc.property(componentsArbitrary(), fc.integer(), (components, seed) => {
      const random = new Random(seed);
      for (const { fields } of schemaOf(components).components) {
        const values = Object.fromEntries(
          fields.map((field) => [field.name, randomValue(field, (count) => Math.floor(random.next() * count))]),
        );
        t.deepEqual(unpackFields(fields, pack(values, [...fields])), values);
      }
    }),
    { numRuns: 300 },
  );
});

test('fuzz: random bytes give values or a typed error', (t) => {
  const random = new Random(40);
  const sample = pack({ name: 'abc', items: [{ what: 1 }], data: Uint8Array.of(1) });
  for (let round = 0; round < 100_000; round++) {
    const bytes = sample.slice(0, random.below(4) === 0 ? random.below(sample.length) : sample.length);
    for (let change = random.below(4); change > 0 && bytes.length > 0; change--)
      bytes[random.below(bytes.length)] = random.below(256);
    try {
      unpackFields(FIELDS, bytes);
    } catch (error) {
      if (!(error instanceof WireError)) return t.fail(`${String(error)} for ${Buffer.from(bytes).toString('hex')}`);
    }
  }
  t.pass();
});
