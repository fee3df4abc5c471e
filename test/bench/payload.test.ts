/** What clients are sent stays small: the scenarios of `npm run bench:check`, whose bytes are the same on every machine. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { compare, GROWTH_MAX, vanished } from '../../bench/payload/baseline.core.ts';
import type { Baseline } from '../../bench/payload/baseline.core.ts';
import { measure, scenarios } from '../../bench/payload/scenarios.ts';

const baseline = JSON.parse(
  readFileSync(new URL('../../bench/payload/baseline.json', import.meta.url), 'utf8'),
) as Baseline;

test('no scenario has grown by more than a fifth, and each has a baseline', (t) => {
  const measured = Object.fromEntries(
    scenarios().map((scenario) => [scenario.name, measure(scenario).bytesPerClientAndSecond]),
  );
  for (const { name, bytes, baselineBytes, isTooMuch } of compare(measured, baseline)) {
    t.false(isTooMuch, `"${name}" takes ${bytes} bytes per client and second, ${baselineBytes} before`);
  }
  t.deepEqual(vanished(measured, baseline), []);
  // The goal for 30 in view, all walking, 20 snapshots a second.
  t.true(measured['walking, 20 Hz']! <= 1000);
});

test('bytes are the same in every run', (t) => {
  const scenario = scenarios().find(({ name }) => name === 'fight')!;
  t.deepEqual(measure(scenario), measure(scenarios().find(({ name }) => name === 'fight')!));
});

test('growth is judged against the baseline; what has none, and what is gone, does not pass', (t) => {
  const compared = compare(
    { even: 100, limit: 120, more: 121, less: 10, fresh: 1 },
    { even: 100, limit: 100, more: 100, less: 100 },
  );
  t.deepEqual(
    compared.map(({ name, isTooMuch }) => [name, isTooMuch]),
    [
      ['even', false],
      ['limit', false],
      ['more', true],
      ['less', false],
      ['fresh', true],
    ],
  );
  t.is(GROWTH_MAX, 0.2);
  t.deepEqual(vanished({ a: 1 }, { a: 1, b: 2 }), ['b']);
});
