import test from 'ava';
import { crc32c } from '../../src/base/crc32c.ts';
import { Random } from '../../src/base/random.ts';

/** RFC 3720, appendix B.4, and the customary check value. */
const VECTORS: readonly [string, Uint8Array, number][] = [
  ['32 zero bytes', new Uint8Array(32), 0x8a91_36aa],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8_ab43],
  ['32 bytes counting up', Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd_794e],
  ['32 bytes counting down', Uint8Array.from({ length: 32 }, (_, index) => 31 - index), 0x113f_db5c],
  [
    'an iSCSI read command',
    Buffer.from(
      '01c000000000000000000000000000001400000000000400000000140000001828000000000000000200000000000000',
      'hex',
    ),
    0xd996_3a56,
  ],
  ['123456789', Buffer.from('123456789'), 0xe306_9283],
  ['nothing', new Uint8Array(), 0],
];

for (const [name, bytes, expected] of VECTORS) {
  test(`crc32c of ${name}`, (t) => {
    t.is(crc32c(bytes), expected);
  });
}

test('crc32c of a range equals that of a copy, at every alignment and length', (t) => {
  const random = new Random(3);
  const bytes = Uint8Array.from({ length: 64 }, () => random.below(256));
  for (let first = 0; first < 20; first++) {
    for (let end = first; end <= 64; end++) t.is(crc32c(bytes, first, end), bitwise(bytes.slice(first, end)));
  }
});

function bitwise(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0x82f6_3b78 & -(crc & 1));
  }
  return ~crc >>> 0;
}

test('a range outside the bytes is refused', (t) => {
  t.throws(() => crc32c(new Uint8Array(4), 2, 5), { message: /inside/ });
});
