import { readFileSync } from 'node:fs';
import test from 'ava';
import { LINK_ERROR_CODES } from '../../src/peer/link-error.ts';

const read = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');

test('docs/LINKS.md has a row for every code of a link and of keys, and no other', (t) => {
  const documented = [...read('docs/LINKS.md').matchAll(/^\| `(ERR_\w+)` \|/gm)].map((match) => match[1]!);
  const keys = read('src/main/keys.ts').match(/ERR_KEYS_[A-Z]+/g) ?? [];
  t.deepEqual(documented.sort(), [...new Set([...LINK_ERROR_CODES, ...keys])].sort());
});

test('docs/LINKS.md draws the frames as the code does', (t) => {
  const drawing = (text: string): string =>
    /^.*byte 0 {6}2 {8}3[\s\S]*?└.*$/m.exec(text)![0].replaceAll(/^ \* {2}/gm, '');
  const ours = drawing(read('src/peer/link-frame.wire.ts')).replaceAll('u8     │ u8    │ u32', 'u8 = 1 │ u8    │ u32');
  t.is(drawing(read('docs/LINKS.md')), ours);
});
