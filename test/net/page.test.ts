/** The page of a game at /play/: its own folder, and nothing of the viewer's or of anybody else's. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { startRig } from './fixture.ts';

test('a page is served at /play/, with or without the viewer', async (t) => {
  const parent = await mkdtemp(join(tmpdir(), 'worldmesh-page-'));
  t.teardown(() => rm(parent, { recursive: true }));
  const pageDirectory = join(parent, 'page');
  await mkdir(pageDirectory);
  await writeFile(join(pageDirectory, 'index.html'), '<!doctype html>game');
  await writeFile(join(pageDirectory, 'page-1.js'), 'export {}');
  await writeFile(join(parent, 'incarnation'), '7');
  for (const viewer of [true, false]) {
    const rig = await startRig({ pageDirectory, viewer });
    t.teardown(() => rig.dispose());
    const typed = await fetch(`${rig.http}/play`, { redirect: 'manual' });
    t.is(typed.status, 308);
    t.is(typed.headers.get('location'), '/play/');
    t.is(await (await fetch(`${rig.http}/play/`)).text(), '<!doctype html>game');
    const script = await fetch(`${rig.http}/play/page-1.js`);
    t.is(script.headers.get('content-type'), 'text/javascript; charset=utf-8');
    for (const path of [
      '/play/none.js',
      '/play/..%2fincarnation',
      '/play/%2e%2e%2fincarnation',
      '/page-1.js',
      '/play2/',
    ]) {
      t.is((await fetch(rig.http + path)).status, 404, path);
    }
  }
});

test('without a page there is none', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  t.is((await fetch(`${rig.http}/play`)).status, 404);
  t.is((await fetch(`${rig.http}/play/`)).status, 404);
  t.is((await fetch(`${rig.http}/play/index.html`)).status, 404);
});
