import test from 'ava';
import { WireError } from '../../src/base/errors.ts';
import { Random } from '../../src/base/random.ts';
import { GhostWriter, readGhosts } from '../../src/memory/ghost.wire.ts';
import type { GhostVisitor } from '../../src/memory/ghost.wire.ts';

function read(bytes: Uint8Array): unknown[] {
  const items: unknown[] = [];
  const visitor: GhostVisitor = {
    frame: (...values) => items.push(['frame', ...values]),
    leave: (...values) => items.push(['leave', ...values]),
    update: (slot, generation, motion) => items.push(['update', slot, generation, { ...motion }]),
    enter: (slot, generation, record) => items.push(['enter', slot, generation, [...record]]),
    event: (slot, generation, { event, payload }) => items.push(['event', slot, generation, event, [...payload]]),
  };
  readGhosts(bytes, visitor);
  return items;
}

function sample(): Uint8Array {
  const writer = new GhostWriter(1024);
  writer.start(2 ** 32 - 1, { isReset: true });
  writer.leave(2 ** 22 - 1, 300, 63);
  writer.bytes.set([1, 2, 3], writer.recordAt);
  writer.enter(5, 255, 3);
  writer.update(6, 7, 1.5, -2.25, 0, 8);
  writer.event(6, 7, { event: 63, payload: Uint8Array.of(9, 8) });
  return writer.bytes.slice(0, writer.at);
}

test('what is written is read: leaves, enters, updates, events', (t) => {
  t.deepEqual(read(sample()), [
    ['frame', 2 ** 32 - 1, true],
    ['leave', 2 ** 22 - 1, 300 & 0xff, 63],
    ['enter', 5, 255, [1, 2, 3]],
    ['update', 6, 7, { x: 1.5, z: -2.25, vx: 0, vz: 8 }],
    ['event', 6, 7, 63, [9, 8]],
  ]);
});

test('the bytes of a frame stay', (t) => {
  t.is(
    Buffer.from(sample()).toString('hex'),
    '01010000ffffffff' +
      '012c3f00ffff3f00' +
      '03ff00000500000003000000010203' +
      '02070000060000000000c03f000010c00000000000000041' +
      '04070200060000003f0000000908',
  );
});

test('an empty frame is one only when it resets', (t) => {
  const writer = new GhostWriter(64);
  writer.start(1, { isReset: false });
  t.true(writer.isEmpty);
  writer.start(1, { isReset: true });
  t.false(writer.isEmpty);
  t.true(writer.hasRoom(56));
  t.false(writer.hasRoom(57));
});

for (const [what, at, byte] of [
  ['another version', 0, 2],
  ['unknown flags', 1, 2],
  ['a reserved word', 2, 1],
  ['an unknown item', 8, 9],
  ['a slot beyond bounds', 15, 1],
  ['a record longer than the frame', 25, 1],
] as const) {
  test(`${what} is a typed error`, (t) => {
    const bytes = sample();
    bytes[at] = byte;
    t.throws(() => read(bytes), { instanceOf: WireError });
  });
}

test('a position that is not finite is a typed error', (t) => {
  const writer = new GhostWriter(64);
  writer.start(1, { isReset: false });
  writer.update(1, 1, Number.NaN, 0, 0, 0);
  t.throws(() => read(writer.bytes.slice(0, writer.at)), { instanceOf: WireError, code: 'ERR_WIRE_RANGE' });
});

test('every cut is a typed error or a shorter frame; 100,000 mutations throw nothing else', (t) => {
  const good = sample();
  for (let end = 0; end < good.length; end++) {
    try {
      read(good.slice(0, end));
    } catch (error) {
      if (!(error instanceof WireError)) t.fail(String(error));
    }
  }
  const random = new Random(1);
  let refused = 0;
  for (let round = 0; round < 100_000; round++) {
    const bytes = good.slice(0, good.length - (random.below(4) === 0 ? random.below(good.length) : 0));
    for (let flips = 1 + random.below(4); flips > 0 && bytes.length > 0; flips--)
      bytes[random.below(bytes.length)] = random.below(256);
    try {
      read(bytes);
    } catch (error) {
      refused++;
      if (!(error instanceof WireError)) t.fail(String(error));
    }
  }
  t.true(refused > 10_000 && refused < 100_000);
});
