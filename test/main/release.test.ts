/** What goes into a release beside the binary: systemd takes the unit, the node takes the settings and the world. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { packageFolders, licensesOf } from '../../scripts/licenses.ts';
import { loadWorldModule } from '../../src/main/world-module.ts';
import { temporaryFolder, worldmesh } from './command-line.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const RELEASE = path.join(ROOT, 'release');
/** Of 100, by `systemd-analyze security`; a unit without any sandbox has 96. */
const EXPOSURE_MAX = 20;
const run = promisify(execFile);

test('systemd finds nothing to complain of in the unit, and little that it could do', async (t) => {
  const unit = readFileSync(path.join(RELEASE, 'worldmesh.service'), 'utf8');
  // There is no binary where the unit wants it, on this machine.
  const file = path.join(temporaryFolder(), 'worldmesh.service');
  writeFileSync(file, unit.replace('/usr/local/bin/worldmesh', '/bin/true'));
  const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', file]);
  t.is(`${stdout}${stderr}`, '');
  const flags = ['security', '--offline=true', '--no-pager', `--threshold=${EXPOSURE_MAX}`];
  const rated = await run('systemd-analyze', [...flags, file]);
  t.log(/Overall exposure.*/.exec(rated.stdout)?.[0]);
  t.regex(unit, /^Type=notify$/m);
  t.regex(unit, /^NotifyAccess=all$/m);
});

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
