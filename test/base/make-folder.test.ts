import { mkdtempSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { makeFolder } from '../../src/base/make-folder.ts';

test('folders above it are made, too, with the mode; a second time nothing is to do', (t) => {
  const base = mkdtempSync(path.join(tmpdir(), 'worldmesh-folder-'));
  const folder = path.join(base, 'a', 'b', 'c');
  makeFolder(folder, { mode: 0o700 });
  makeFolder(folder);
  for (const name of ['a', 'a/b', 'a/b/c']) t.is(statSync(path.join(base, name)).mode & 0o777, 0o700);
  symlinkSync(folder, path.join(base, 'link'));
  t.notThrows(() => makeFolder(path.join(base, 'link')));
});

test('what cannot be made is an error, and ends', (t) => {
  const base = mkdtempSync(path.join(tmpdir(), 'worldmesh-folder-'));
  writeFileSync(path.join(base, 'file'), '');
  t.throws(() => makeFolder(path.join(base, 'file')), { code: 'EEXIST' });
  t.throws(() => makeFolder(path.join(base, 'file', 'a')), { code: 'ENOTDIR' });
  t.throws(() => makeFolder(path.join(base, 'file', 'a', 'b')), { code: 'ENOTDIR' });
  symlinkSync(path.join(base, 'nowhere', 'far'), path.join(base, 'loose'));
  t.throws(() => makeFolder(path.join(base, 'loose')));
  // Linux says so of any new name there; elsewhere there is no such folder, and nothing that could be made above it.
  if (process.platform === 'linux') {
    t.throws(() => makeFolder('/proc/worldmesh'), { code: 'ENOENT' });
    t.throws(() => makeFolder('/proc/worldmesh/keys'), { code: 'ENOENT' });
  }
});
