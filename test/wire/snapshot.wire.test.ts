import test from 'ava';
import * as fc from 'fast-check';
import { entityIdFrom } from '../../src/base/brand.ts';
import { WireError } from '../../src/base/errors.ts';
import { readerOver, writerOver } from '../../src/base/pack.ts';
import type { FieldSchema } from '../../src/base/schema.ts';
import {
  dequantize,
  packComponent,
  quantize,
  quantizedSizeBytes,
  sentComponents,
  unpackComponent,
} from '../../src/wire/component.wire.ts';
import type { Snapshot } from '../../src/wire/messages.ts';
import {
  decodeSnapshot,
  encodeSnapshot,
  SNAPSHOT_ENTER_BYTES,
  SNAPSHOT_HEAD_BYTES,
  SNAPSHOT_JUMP_BYTES,
  SNAPSHOT_MOVE_BYTES,
  SNAPSHOT_SELF_BYTES,
  SNAPSHOT_TURN_BYTES,
} from '../../src/wire/snapshot.wire.ts';
import { schema, snapshots } from './fixture.ts';

const empty: Snapshot = {
  type: 'snapshot',
  keyframe: false,
  resync: false,
  tick: 0,
  inputSequence: 0,
  durableLag: 0,
  self: undefined,
  leaves: [],
  enters: [],
  moves: [],
  jumps: [],
  turns: [],
  changes: [],
  events: [],
};
const own: Snapshot = { ...empty, self: { alias: 3, x: 0, z: 0, vx: 0, vz: 0 } };

const golden: Snapshot = {
  ...empty,
  keyframe: true,
  tick: 0x01020304,
  inputSequence: 5,
  durableLag: 7,
  self: { alias: 2, x: 1, z: -2, vx: 0.5, vz: 0 },
  leaves: [9, 255],
  enters: [
    {
      alias: 2,
      id: entityIdFrom(1, 7),
      kind: 0,
      xCm: 100,
      zCm: -200,
      components: new Map([
        [0, { name: 'Al', badge: Uint8Array.of(0xab), flag: true }],
        [2, { points: 50, heading: 0, wealth: 1 }],
        [3, { items: [{ item: 258, count: 3 }] }],
      ]),
    },
    { alias: 9, id: entityIdFrom(1, 8), kind: 2, xCm: 1, zCm: 2, components: new Map() },
  ],
  moves: [{ alias: 4, dxCm: -1, dzCm: 127 }],
  jumps: [{ alias: 5, xCm: 65_536, zCm: -1 }],
  turns: [{ alias: 6, dxCm: 2, dzCm: -3, vx: 320, vz: -1 }],
  changes: [
    { alias: 2, component: 2, values: { points: 100, heading: -4, wealth: 0 } },
    { alias: 9, component: 1, values: { b: 7, i: entityIdFrom(1, 2) } },
  ],
  events: [{ alias: 4, event: 1, values: {} }],
};
const goldenHex = [
  '11 03 04030201 05000000 07 7f',
  '02 0000803f 000000c0 0000003f 00000000',
  '02 09 ff',
  '02',
  '02 07000000 01000000 00 64000000 38ffffff',
  '0200 416c 0100 ab 01', // look
  '64 a00f 64000000', // health: 100 steps of 0.5, 4000 of 0.001, 100 of 0.01
  '0100 0201 03', // bag
  '09 08000000 01000000 02 01000000 02000000',
  '01 04 ff 7f',
  '01 05 00000100 ffffffff',
  '01 06 02 fd 4001 ffff',
  '02 02 02 c8 0000 00000000',
  '09 81 0201 07 02000000 01000000', // b and i: bits 1 and 8 of the mask
  '01 04 01',
]
  .join('')
  .replaceAll(' ', '');

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof WireError) return error.code;
    throw error;
  }
  return 'none';
}

test('the bytes of a snapshot are those of docs/PROTOCOL.md', (t) => {
  t.is(Buffer.from(encodeSnapshot(golden, schema)).toString('hex'), goldenHex);
  t.deepEqual(decodeSnapshot(Buffer.from(goldenHex, 'hex'), schema), golden);
});

test('the sizes of the entries are those of the constants', (t) => {
  const size = (change: Partial<Snapshot>): number => encodeSnapshot({ ...empty, ...change }, schema).length;
  const base = size({});
  t.is(base, SNAPSHOT_HEAD_BYTES);
  t.is(size({ self: golden.self }) - base, SNAPSHOT_SELF_BYTES);
  // A part is there with its count, or not at all.
  t.is(size({ enters: golden.enters.slice(1) }) - base, 1 + SNAPSHOT_ENTER_BYTES);
  t.is(size({ moves: golden.moves }) - base, 1 + SNAPSHOT_MOVE_BYTES);
  t.is(size({ jumps: golden.jumps }) - base, 1 + SNAPSHOT_JUMP_BYTES);
  t.is(size({ turns: golden.turns }) - base, 1 + SNAPSHOT_TURN_BYTES);
});

test('what is encoded is decoded', (t) => {
  fc.assert(
    fc.property(snapshots, (snapshot) => {
      t.deepEqual(decodeSnapshot(encodeSnapshot(snapshot, schema), schema), snapshot);
    }),
    { numRuns: 500 },
  );
});

test('only the owner is sent what only the owner may see, and nobody what nobody may', (t) => {
  const player = schema.kinds[0]!;
  t.deepEqual(
    sentComponents(schema, player, { own: true }).map((component) => component.name),
    ['look', 'health', 'bag'],
  );
  t.deepEqual(
    sentComponents(schema, player, { own: false }).map((component) => component.name),
    ['look', 'health'],
  );
  const seen = decodeSnapshot(encodeSnapshot({ ...golden, self: { ...own.self!, alias: 3 } }, schema), schema);
  t.deepEqual([...seen.enters[0]!.components.keys()], [0, 2]);
});

test('every cut of a snapshot is refused, and every tail', (t) => {
  const bytes = Buffer.from(goldenHex, 'hex');
  for (let length = 0; length < bytes.length; length++) {
    t.is(
      codeOf(() => decodeSnapshot(bytes.subarray(0, length), schema)),
      'ERR_WIRE_TRUNCATED',
      `${length} bytes`,
    );
  }
  t.is(
    codeOf(() => decodeSnapshot(Buffer.concat([bytes, Buffer.of(0)]), schema)),
    'ERR_WIRE_TRAILING',
  );
});

test('what the schema does not know is refused', (t) => {
  const part = (parts: number, ...bytes: number[]): Uint8Array =>
    Uint8Array.of(17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, parts, ...bytes);
  const cases: [string, Uint8Array][] = [
    ['unknown flags', Uint8Array.of(17, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['keyframe and resync', Uint8Array.of(17, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['unknown parts', part(128)],
    ['alias 0 leaves', part(1, 1, 0)],
    ['alias 0 moves', part(4, 1, 0, 1, 1)],
    ['alias 0 turns', part(16, 1, 0, 1, 1, 0, 0, 0, 0)],
    ['kind 9', part(2, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['entity id 0', part(2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['component 99', part(32, 1, 1, 99, 0)],
    ['field 3 of 3 in a mask', part(32, 1, 1, 0x82, 0x08, 0, 0)],
    ['field 9 of 9 in a mask', part(32, 1, 1, 0x81, 0, 0x02, 0, 0)],
    ['event 99', part(64, 1, 1, 99)],
    ['201 steps of 200', part(32, 1, 1, 2, 201, 0, 0, 0, 0, 0, 0)],
  ];
  for (const [what, bytes] of cases)
    t.is(
      codeOf(() => decodeSnapshot(bytes, schema)),
      'ERR_WIRE_RANGE',
      what,
    );
  t.is(
    codeOf(() => decodeSnapshot(Uint8Array.of(18), schema)),
    'ERR_WIRE_TYPE',
  );
});

test('more entries than a count can say are refused by the writer', (t) => {
  const leaves = Array.from({ length: 256 }, (_, index) => (index % 255) + 1);
  t.is(
    codeOf(() => encodeSnapshot({ ...empty, leaves }, schema)),
    'ERR_WIRE_RANGE',
  );
});

test('quantization: sizes, clamping, and an error of at most half a step', (t) => {
  const field = (max: number, precision: number): FieldSchema => ({ name: 'f', type: 'f32', min: 0, max, precision });
  t.is(quantizedSizeBytes(field(255, 1)), 1);
  t.is(quantizedSizeBytes(field(256, 1)), 2);
  t.is(quantizedSizeBytes(field(65_535, 1)), 2);
  t.is(quantizedSizeBytes(field(65_536, 1)), 4);
  t.is(quantizedSizeBytes({ name: 'f', type: 'f32' }), 0);
  t.is(quantizedSizeBytes({ name: 'f', type: 'u8', min: 0, max: 9 }), 0);
  t.is(quantize(field(10, 1), 99), 10);
  t.is(quantize(field(10, 1), -99), 0);
  t.is(quantize(field(10, 1), Number.NaN), 0);
  fc.assert(
    fc.property(
      fc.double({ min: -1000, max: 1000, noNaN: true }),
      fc.double({ min: 0.001, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (min, precision, share) => {
        const of: FieldSchema = { name: 'f', type: 'f64', min, max: min + 500, precision };
        const value = min + share * 500;
        // At the upper end the last whole step may lie half a step below the value.
        return Math.abs(dequantize(of, quantize(of, value)) - value) <= precision * 0.5 + 1e-9;
      },
    ),
  );
});

test('a component is read back as it was packed, and leaves what follows', (t) => {
  const { fields } = schema.components[2]!;
  const writer = writerOver(new Uint8Array(16));
  packComponent(fields, { points: 12.6, heading: 9, wealth: 7.12345 }, writer);
  t.is(writer.at, 1 + 2 + 4);
  const reader = readerOver(writer.target);
  t.deepEqual(unpackComponent(fields, reader), { points: 12.5, heading: 4, wealth: 7.12 });
  t.is(reader.at, writer.at);
});
