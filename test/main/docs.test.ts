import { readFileSync } from 'node:fs';
import test from 'ava';

const read = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');

test('docs/WORLD-MODULES.md and the README show examples/hello.ts as it is, and that has at most thirty lines', (t) => {
  const hello = read('examples/hello.ts');
  for (const file of ['docs/WORLD-MODULES.md', 'README.md'])
    t.true(read(file).includes(`\`\`\`ts\n${hello}\`\`\``), file);
  t.true(hello.trimEnd().split('\n').length <= 30);
});

test('every code of a module, capacity or system error is documented, and no other', (t) => {
  const pattern = /ERR_(?:MODULE|CAPACITY|SYSTEM)_[A-Z_]+/g;
  const codesOf = (file: string): string[] => [...new Set(read(file).match(pattern))].sort();
  t.deepEqual(codesOf('docs/WORLD-MODULES.md'), codesOf('src/base/errors.ts'));
});

test('every code of the commands about cells is documented, and no other', (t) => {
  const codesOf = (file: string): string[] => [...new Set(read(file).match(/ERR_CELLS_[A-Z]+/g))].sort();
  t.deepEqual(codesOf('docs/BALANCING.md'), codesOf('src/main/cells/cells-error.ts'));
});

test('every code of a drain is documented, and no other', (t) => {
  const codesOf = (file: string): string[] => [...new Set(read(file).match(/ERR_DRAIN_[A-Z]+/g))].sort();
  t.deepEqual(codesOf('docs/OPERATING.md'), codesOf('src/main/cli/drain-command.ts'));
});
