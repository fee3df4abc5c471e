import test from 'ava';
import { brokenConfigs, checkBroken, expectedOf } from './broken-configs.ts';

/** In files and environment of the fixtures. */
const SECRET = /sesame|hunter/;
/** Those that start, and are warned of. */
const ONLY_WARNED: ReadonlySet<string> = new Set([
  'certificate-ends-soon',
  'key-for-everybody',
  'logins-differ',
  'secret-for-everybody',
]);

for (const config of brokenConfigs()) {
  // One after the other: each loads world modules in a thread of its own.
  test.serial(`${config.name}: config check says what is expected, with remedies and without secrets`, async (t) => {
    const { text, exitCode, json } = await checkBroken(config);
    t.is(text, expectedOf(config), 'npm run show:broken-configs -- --write takes what is said now as expected');
    t.is(exitCode, ONLY_WARNED.has(config.name) ? 0 : 2);
    t.regex(text, /remedy: {2}\S/);
    t.notRegex(text, SECRET);
    t.notRegex(json, SECRET);
  });
}

test('there are twenty and more of them', (t) => {
  t.true(brokenConfigs().length >= 20);
});
