import test from 'ava';
import { crc32c } from '../../src/memory/crc32c.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

test('the check values of RFC 3720 and of the catalogue', (t) => {
  t.is(crc32c(text('123456789')), 0xe3069283);
  t.is(crc32c(new Uint8Array(32)), 0x8a9136aa);
  t.is(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  t.is(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index)), 0x46dd794e);
  t.is(crc32c(new Uint8Array()), 0);
});

test('parts give the same as the whole, at any cut', (t) => {
  const bytes = Uint8Array.from({ length: 61 }, (_, index) => (index * 37) & 0xff);
  for (let cut = 0; cut <= bytes.length; cut++) {
    t.is(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut))), crc32c(bytes));
  }
});
