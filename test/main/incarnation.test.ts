import { mkdtempSync, readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { crc32 } from 'node:zlib';
import { INCARNATION_MAX } from '../../src/base/brand.ts';
import { takeIncarnation } from '../../src/main/incarnation.ts';
import { NodeError } from '../../src/main/node-error.ts';

function folder(): string {
  return mkdtempSync(path.join(tmpdir(), 'worldmesh-incarnation-'));
}

function line(incarnation: number): string {
  return `worldmesh incarnation ${incarnation} ${crc32(String(incarnation)).toString(16).padStart(8, '0')}\n`;
}

test('each start takes the next number, in a folder that is made when it is missing', (t) => {
  const dataDir = path.join(folder(), 'deep', 'down');
  t.deepEqual([takeIncarnation(dataDir), takeIncarnation(dataDir), takeIncarnation(dataDir)], [1, 2, 3]);
  t.deepEqual(readdirSync(dataDir), ['incarnation']);
  t.is(readFileSync(path.join(dataDir, 'incarnation'), 'utf8'), line(3));
});

test('a damaged file is found and left as it is', (t) => {
  for (const content of [
    '',
    '5',
    'worldmesh incarnation 5 00000000\n',
    line(5).slice(0, -3),
    `${line(5)}x`,
    '\u0000'.repeat(40),
  ]) {
    const dataDir = folder();
    writeFileSync(path.join(dataDir, 'incarnation'), content);
    const error = t.throws(() => takeIncarnation(dataDir), { instanceOf: NodeError });
    t.is(error.code, 'ERR_NODE_INCARNATION_CORRUPT');
    t.regex(error.message, /--data-dir/);
    t.is(readFileSync(path.join(dataDir, 'incarnation'), 'utf8'), content);
    t.deepEqual(readdirSync(dataDir), ['incarnation']);
  }
});

test('the last number can be taken, and no more', (t) => {
  const dataDir = folder();
  writeFileSync(path.join(dataDir, 'incarnation'), line(INCARNATION_MAX - 1));
  t.is(takeIncarnation(dataDir), INCARNATION_MAX);
  const error = t.throws(() => takeIncarnation(dataDir), { instanceOf: NodeError });
  t.is(error.code, 'ERR_NODE_INCARNATION_MAX');
});

test('a folder that cannot be written is named, with a remedy', (t) => {
  const file = path.join(folder(), 'file');
  writeFileSync(file, '');
  const error = t.throws(() => takeIncarnation(path.join(file, 'data')), { instanceOf: NodeError });
  t.is(error.code, 'ERR_NODE_DATA_DIR');
  t.true(error.message.includes(file));
  t.regex(error.message, /--data-dir/);
});

test('what a start that died left behind does not stop the next one', (t) => {
  const dataDir = folder();
  takeIncarnation(dataDir);
  const lock = path.join(dataDir, 'incarnation.next');
  writeFileSync(lock, 'worldmesh incarn');
  utimesSync(lock, new Date(0), new Date(0));
  t.is(takeIncarnation(dataDir), 2);
});

test('processes that start at once take different numbers', async (t) => {
  const dataDir = folder();
  const source = new URL('../../src/main/incarnation.ts', import.meta.url).href;
  const script = `import { takeIncarnation } from ${JSON.stringify(source)};
    for (let n = 0; n < 20; n++) console.log(takeIncarnation(${JSON.stringify(dataDir)}));`;
  const runs = Array.from({ length: 4 }, async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
    await once(child, 'close');
    return output.trim().split('\n').map(Number);
  });
  const taken = (await Promise.all(runs)).flat().sort((a, b) => a - b);
  t.deepEqual(
    taken,
    Array.from({ length: 80 }, (_, index) => index + 1),
  );
});
