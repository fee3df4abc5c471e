/** What goes into a release beside the binary: the node takes the settings and the world. The unit: test/system. */
import path from 'node:path';
import test from 'ava';
import { packageFolders, licensesOf } from '../../scripts/licenses.ts';
import { loadWorldModule } from '../../src/main/world-module.ts';
import { worldmesh } from './command-line.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const RELEASE = path.join(ROOT, 'release');

test('the example settings are valid, and the world loads', async (t) => {
  const { code, stderr } = await worldmesh(['config', 'check', '--config', path.join(RELEASE, 'worldmesh.yaml')]);
  t.is(code, 0, stderr);
  const world = await loadWorldModule(`file://${RELEASE}/world.js`);
  t.is(world.schema.name, 'hello');
});

test('every package has a license, and its text comes with the build', (t) => {
  const folders = packageFolders(['node_modules/ws/lib/sender.js', 'node_modules/ws/index.js', 'src/index.ts']);
  t.deepEqual(folders, [path.resolve('node_modules/ws')]);
  const text = licensesOf([path.join(ROOT, 'node_modules/ws'), path.join(ROOT, 'node_modules/@pixi/colord')]);
  t.regex(text, /^ws \d/m);
  t.regex(text, /Permission is hereby granted/);
});
