/** Commands that run for minutes: they teach, and refuse what they cannot do before they begin. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import packageFacts from '../../package.json' with { type: 'json' };

const ROOT = path.join(import.meta.dirname, '..', '..');
const NAMES = [
  'balance',
  'chaos',
  'disaster-drill',
  'endure',
  'observe',
  'outbox',
  'redirects',
  'rolling-upgrade',
  'soak',
  'test:scaling',
] as const;
const run = promisify(execFile);

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function script(name: (typeof NAMES)[number], flags: readonly string[]): Promise<Ended> {
  const [, file = ''] = packageFacts.scripts[name].split(' ');
  try {
    return { code: 0, ...(await run(process.execPath, [file, ...flags], { cwd: ROOT })) };
  } catch (error) {
    return error as Ended;
  }
}

for (const name of NAMES) {
  test(`${name} teaches its flags`, async (t) => {
    const { code, stdout, stderr } = await script(name, ['--help']);
    t.is(code, 0, stderr);
    t.true(stdout.startsWith(`npm run ${name} -- [flags]\n`));
    for (const flag of ['seed N', 'json', 'help']) t.regex(stdout, new RegExp(String.raw`^  --${flag} +\S`, 'm'));
  });
}

test('what is no value of a flag, or no flag, is named with what it has to be, and nothing runs', async (t) => {
  const cases: readonly (readonly [name: (typeof NAMES)[number], flags: readonly string[], says: string])[] = [
    ['soak', ['--minutes', 'x'], 'soak: --minutes is a number from 0.1 to 10080, not "x"'],
    ['soak', ['--minutes='], 'soak: --minutes is a number from 0.1 to 10080, not ""'],
    ['soak', ['--clients', '1.5'], 'soak: --clients is a whole number from 1 to 10000, not "1.5"'],
    ['soak', ['--mode', 'fast'], 'soak: --mode is one of tunnel, direct, auto, not "fast"'],
    ['soak', ['--events', 'drain,storm'], 'soak: --events is some of gateway, simulation, drain, not "drain,storm"'],
    ['soak', ['--svg', ''], 'soak: --svg is a file, not ""'],
    ['soak', ['--seed', '-1'], "soak: Option '--seed' argument is ambiguous"],
    ['chaos', ['--takeover-trials', '0'], 'chaos: --takeover-trials is a whole number from 1 to 1000, not "0"'],
    ['outbox', ['--second', '5'], "outbox: Unknown option '--second'"],
    ['outbox', ['5'], "outbox: Unexpected argument '5'"],
  ];
  for (const [name, flags, says] of cases) {
    const { code, stdout, stderr } = await script(name, flags);
    t.is(code, 2, stderr);
    t.true(stderr.startsWith(says), stderr);
    t.true(stderr.includes(`npm run ${name} -- [flags]`));
    t.is(stdout, '');
  }
});
