/** The unit of a release, as systemd's own programs judge it. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { temporaryFolder } from '../main/command-line.ts';

const RELEASE = path.join(import.meta.dirname, '..', '..', 'release');
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
