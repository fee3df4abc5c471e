import { readFileSync } from 'node:fs';
import test from 'ava';

const read = (file: string): string => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');

test('every code of a backup or restore is documented, and no other', (t) => {
  const codes = read('src/main/backup/backup-error.ts').match(/ERR_(?:BACKUP|RESTORE)_[A-Z]+/g);
  const documented = [...read('docs/BACKUP.md').matchAll(/^\| `(ERR_\w+)` \|/gm)].map((match) => match[1]!);
  t.deepEqual(documented.toSorted(), [...new Set(codes)].toSorted());
});
