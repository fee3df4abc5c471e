/** Where a new game cannot be written. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { ProjectError, writeProject } from '../../src/main/project.ts';
import { RunningCommand, temporaryFolder } from './command-line.ts';

test('a folder with files in it, a file, and a folder that cannot be made are refused, and nothing is written', async (t) => {
  const base = temporaryFolder();
  const full = path.join(base, 'full');
  mkdirSync(full);
  writeFileSync(path.join(full, 'notes.txt'), '');
  const cases = [
    [full, 'ERR_PROJECT_NOT_EMPTY'],
    [path.join(full, 'notes.txt'), 'ERR_PROJECT_FILES'],
    [path.join(full, 'notes.txt', 'game'), 'ERR_PROJECT_FILES'],
  ] as const;
  for (const [folder, code] of cases) {
    const options = { folder, name: 'game', origin: 'clone', dependency: 'file:x', binary: '' } as const;
    const { message } = t.throws(() => writeProject(options), { instanceOf: ProjectError, code });
    t.true(message.includes(folder) && message.includes('; name a '), message);
  }
  t.deepEqual(readdirSync(full), ['notes.txt']);
  await using command = new RunningCommand(['new', full]);
  const { code, stderr } = await command.ended;
  t.is(code, 1);
  t.regex(stderr, /full is not empty; name a new folder \[ERR_PROJECT_NOT_EMPTY\]/);
});
