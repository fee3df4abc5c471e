/** When `npm run bench:check` calls a ratio too much, how a ratio is measured, and that every check can be. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { CHECKS } from '../../bench/check/checks.ts';
import { measurePair } from '../../bench/check/pair.ts';
import { judge } from '../../bench/check/verdict.core.ts';
import type { RatioBaseline } from '../../bench/check/verdict.core.ts';
import type { Group } from '../../bench/measure.ts';

const RUN = fileURLToPath(new URL('../../bench/check/run.ts', import.meta.url));
const run = async (...args: string[]) => await promisify(execFile)(process.execPath, [RUN, ...args]);
const WATCHED = { name: 'thing', about: 'this over that' };

test('a fifth more than the baseline is the most; far less asks for a new one', (t) => {
  const verdict = (ratio: number) => judge(WATCHED, [ratio], 2).verdict;
  t.is(verdict(2), 'same');
  t.is(verdict(2.4), 'same');
  t.is(verdict(2.41), 'worse');
  t.is(verdict(1.61), 'same');
  t.is(verdict(1.59), 'better');
  t.is(verdict(Number.NaN), 'worse');
  t.is(judge(WATCHED, [2], undefined).verdict, 'unknown');
});

test('of several attempts the lowest counts', (t) => {
  const judged = judge(WATCHED, [3, 2.1, 2.9], 2);
  t.is(judged.ratio, 2.1);
  t.is(judged.verdict, 'same');
  t.true(Math.abs(judged.growth - 0.05) < 1e-9);
  t.is(judge(WATCHED, [3, 2.5], 2).verdict, 'worse');
});

test('a pair is measured by turns: what computes three times as long has three times the ratio', async (t) => {
  let clockUs = 0;
  const turns: string[] = [];
  const computing = (name: string, us: number) => ({
    name,
    operations: 1,
    run: () => {
      clockUs += us;
      if (turns.at(-1) !== name) turns.push(name);
    },
  });
  const pair = { subject: computing('subject', 3), limit: computing('limit', 1), clock: () => clockUs };
  const { ratio, rounds } = await measurePair({ ...pair, seconds: 0.1 });
  t.true(rounds >= 9);
  t.is(ratio, 3);
  t.true(turns.length >= rounds);
});

test('operations count, not calls', async (t) => {
  let clockUs = 0;
  const run = () => void (clockUs += 1);
  const subject = { name: 'subject', operations: 10, run };
  const limit = { name: 'limit', operations: 1, run };
  const { ratio } = await measurePair({ subject, limit, clock: () => clockUs, seconds: 0.05 });
  t.true(Math.abs(ratio - 0.1) < 1e-9);
});

test('every check has a baseline, and no baseline is left over', (t) => {
  const text = readFileSync(new URL('../../bench/check/baseline.json', import.meta.url), 'utf8');
  const { ratios } = JSON.parse(text) as RatioBaseline;
  t.deepEqual(
    Object.keys(ratios),
    CHECKS.map(({ name }) => name),
  );
  for (const ratio of Object.values(ratios)) t.true(Number.isFinite(ratio) && ratio > 0);
});

test('every check names two cases that its suite has, and both run', async (t) => {
  for (const check of CHECKS) {
    if (check.kind !== 'suite') continue;
    const names: string[] = [];
    const report = async ({ title, cases }: Group) => {
      for (const { name, run: runCase } of cases) {
        if (!title.startsWith(check.title) || ![check.subject, check.limit].includes(name)) continue;
        await runCase();
        names.push(name);
      }
      return [];
    };
    // Small ones: the names are the same.
    await check.suite.run({ quick: true, sizes: check.sizes?.map(() => 64), report });
    t.deepEqual(names.toSorted(), [check.subject, check.limit].toSorted(), check.name);
  }
});

test('one check alone is measured and told as JSON; wrong usage ends with 2', async (t) => {
  const { stdout } = await run('--only', 'record', '--json').catch((error: unknown) => error as { stdout: string });
  const { ratios, payload } = JSON.parse(stdout) as { ratios: { name: string; ratio: number }[]; payload: unknown[] };
  t.deepEqual(
    ratios.map(({ name }) => name),
    ['record'],
  );
  t.true((ratios[0]?.ratio ?? 0) > 0.5);
  t.deepEqual(payload, []);
  for (const args of [['--only', 'nothing'], ['--colour']]) {
    const error = await t.throwsAsync<Error & { code?: number; stderr?: string }>(run(...args));
    t.is(error?.code, 2, args.join(' '));
    t.regex(error?.stderr ?? '', /^bench:check: /);
  }
});
