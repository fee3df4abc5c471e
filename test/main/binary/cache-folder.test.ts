/** Where the single binary unpacks to: complete, private, once. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { archiveHash, readArchive, writeArchive } from '../../../scripts/binary/archive.ts';
import { cacheFolders, clean, unpackOnce } from '../../../scripts/binary/cache-folder.ts';
import type { Payload } from '../../../scripts/binary/cache-folder.ts';
import { temporaryFolder } from '../command-line.ts';

const DAY_MS = 86_400_000;

function payloadOf(files: Readonly<Record<string, string>>): Payload {
  const archive = writeArchive(
    Object.entries(files).map(([name, text]) => ({
      path: name,
      bytes: Buffer.from(text),
      isProgram: name.startsWith('bin/'),
    })),
  );
  const listed = [...readArchive(archive)].map(({ bytes: _bytes, ...file }) => file);
  return { hash: archiveHash(archive), files: listed, read: () => archive };
}

const FILES = { 'bin/tool': '#!/bin/sh\n', 'dist/node/cli.js': 'code', 'package.json': '{}' };

test('the files are there with their rights, whatever the mask, and are not unpacked again', (t) => {
  const cache = path.join(temporaryFolder(), 'deep', 'cache');
  const payload = payloadOf(FILES);
  const folder = unpackOnce(payload, [cache]);
  t.is(folder, path.join(cache, payload.hash));
  t.is(readFileSync(path.join(folder, 'dist/node/cli.js'), 'utf8'), 'code');
  t.is(statSync(path.join(folder, 'bin/tool')).mode & 0o777, 0o700);
  t.is(statSync(path.join(folder, 'dist/node/cli.js')).mode & 0o777, 0o600);
  for (const place of [cache, folder, path.join(folder, 'bin')]) t.is(statSync(place).mode & 0o777, 0o700);
  const again = unpackOnce({ ...payload, read: () => t.fail('unpacked twice') as never }, [cache]);
  t.is(again, folder);
  t.deepEqual(readdirSync(cache), [payload.hash]);
});

test('a folder from which files were taken, or cut, is made again', (t) => {
  const cache = temporaryFolder();
  const payload = payloadOf(FILES);
  const folder = unpackOnce(payload, [cache]);
  rmSync(path.join(folder, 'bin/tool'));
  writeFileSync(path.join(folder, 'package.json'), '');
  unpackOnce(payload, [cache]);
  t.is(readFileSync(path.join(folder, 'package.json'), 'utf8'), '{}');
  t.true(existsSync(path.join(folder, 'bin/tool')));
});

test('what others could write to is closed to them, what is not ours is not used', (t) => {
  const open = temporaryFolder();
  chmodSync(open, 0o777);
  const payload = payloadOf(FILES);
  unpackOnce(payload, [open]);
  t.is(statSync(open).mode & 0o777, 0o700);
  const link = path.join(temporaryFolder(), 'link');
  symlinkSync(open, link);
  const file = path.join(temporaryFolder(), 'file');
  writeFileSync(file, '');
  const error = t.throws(() => unpackOnce(payload, [link, file, '/proc/worldmesh']));
  t.regex(error!.message, /XDG_CACHE_HOME/);
  t.regex(error!.message, /link: is not a folder/);
  const good = temporaryFolder();
  t.is(path.dirname(unpackOnce(payload, [file, good])), good);
});

test('five processes that start at once all find the files, and leave nothing else', async (t) => {
  const cache = temporaryFolder();
  const program = path.join(import.meta.dirname, 'unpack-process.ts');
  const children = Array.from({ length: 5 }, () =>
    fork(program, [cache], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }),
  );
  await Promise.all(children.map((child) => once(child, 'message')));
  const ends = children.map((child) => once(child, 'exit'));
  for (const child of children) child.send('go');
  t.deepEqual(
    (await Promise.all(ends)).map(([code]) => code as number),
    children.map(() => 0),
  );
  t.is(readdirSync(cache).length, 1);
});

test('versions that nobody has used for two weeks are removed, others and strangers stay', (t) => {
  const cache = temporaryFolder();
  const nowMs = Date.now();
  const make = (name: string, ageMs: number): void => {
    mkdirSync(path.join(cache, name));
    utimesSync(path.join(cache, name), (nowMs - ageMs) / 1000, (nowMs - ageMs) / 1000);
  };
  const [kept, fresh, old] = ['a', 'b', 'c'].map((digit) => digit.repeat(24)) as [string, string, string];
  make(kept, 30 * DAY_MS);
  make(fresh, 13 * DAY_MS);
  make(old, 15 * DAY_MS);
  make('.unpack-old', DAY_MS);
  make('.unpack-new', 60_000);
  make('photos', 900 * DAY_MS);
  clean(cache, { keep: kept, nowMs });
  t.deepEqual(readdirSync(cache).sort(), ['.unpack-new', kept, fresh, 'photos'].sort());
});

test('an archive that is cut, or names a path outside, is refused', (t) => {
  const archive = writeArchive([{ path: 'a', bytes: Buffer.from('abc'), isProgram: false }]);
  t.throws(() => [...readArchive(archive.subarray(0, -1))], { message: /cut off/ });
  t.throws(() => [...readArchive(Buffer.concat([archive, Buffer.from('x')]))], { message: /after the last file/ });
  for (const name of ['../a', '/a', 'a/../../b', 'a/./b', '..']) {
    const evil = writeArchive([{ path: name, bytes: Buffer.from(''), isProgram: false }]);
    t.throws(() => [...readArchive(evil)], { message: /no build writes/ }, name);
  }
});

test('the folder of the unit comes first, then the one of the user', (t) => {
  const folders = cacheFolders({ CACHE_DIRECTORY: '/var/cache/worldmesh:/other', XDG_CACHE_HOME: '/home/ada/.cache' });
  t.deepEqual(folders.slice(0, 2), ['/var/cache/worldmesh', '/home/ada/.cache/worldmesh']);
  t.is(cacheFolders({ XDG_CACHE_HOME: 'relative' }).length, 2);
});
