/** What the scaling suite concludes, and how its report and pictures look to a machine. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import * as fc from 'fast-check';
import { barChart, lineChart, niceScale } from '../../scripts/chart/line-chart.ts';
import { reportText, writeReport } from '../../scripts/scaling/report.ts';
import { promise, target, verdictOf } from '../../scripts/scaling/scenario.ts';
import type { Finished, Rule } from '../../scripts/scaling/scenario.ts';

const FULL = { isQuick: false };
const QUICK = { isQuick: true };

function outcome(...rules: Rule[]) {
  return {
    done: 'Something was done.',
    rows: [['things', 3]] as const,
    rules,
    pictures: [{ name: 'thing', svg: '<svg/>' }],
  };
}

test('a broken promise breaks, a missed target misses, and of a quick run targets are not judged', (t) => {
  const kept = promise('lost', 0);
  const broken = promise('lost', 1);
  const missed = target('late', 30, { max: 25, unit: 'ms' });
  t.is(verdictOf(outcome(kept), FULL), 'kept');
  t.is(verdictOf(outcome(kept, missed), FULL), 'target missed');
  t.is(verdictOf(outcome(kept, missed), QUICK), 'kept');
  t.is(verdictOf(outcome(broken, missed), QUICK), 'broken');
  t.is(verdictOf(outcome(promise('never measured', Number.NaN)), FULL), 'broken');
  t.is(verdictOf(undefined, QUICK), 'failed');
});

test('the report tells each scenario with its limits, and pictures lie beside it', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-scaling-test-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const finished: Finished[] = [
    {
      scenario: { name: 'thing', title: '1,000 things' },
      seconds: 12.4,
      outcome: outcome(target('late', 30.1234, { max: 25, unit: 'ms' }), promise('lost', 0)),
      failure: undefined,
      machineLoad: { before: 0.1, after: 2.34 },
      verdict: 'target missed',
    },
    {
      scenario: { name: 'other', title: 'Other' },
      seconds: 1,
      machineLoad: { before: 0, after: 0 },
      outcome: undefined,
      failure: 'it broke',
      verdict: 'failed',
    },
  ];
  const facts = { finished, seed: 5, isQuick: false, command: 'npm run test:scaling' };
  writeReport(path.join(folder, 'out'), facts);
  t.deepEqual(readdirSync(path.join(folder, 'out')).toSorted(), ['README.md', 'thing.svg']);
  const text = readFileSync(path.join(folder, 'out', 'README.md'), 'utf8');
  t.is(text, reportText(facts));
  t.true(text.includes('| [1,000 things](#1000-things) | target missed | 12 | 0.1, 2.3 |'));
  t.true(text.includes('| late | 30.12 ms | 25 ms | target **missed** |'));
  t.true(text.includes('| lost | 0 | 0 | promise kept |'));
  t.true(text.includes('![1,000 things](thing.svg)'));
  t.true(text.includes('**failed**: it broke'));
});

test('a scale holds both ends by round steps', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e9, noNaN: true }),
        fc.double({ min: 1e-3, max: 1e9, noNaN: true }),
        (min, span) => {
          const { from, to, step } = niceScale(min, min + span);
          const leading = step / 10 ** Math.floor(Math.log10(step) + 1e-9);
          const steps = (to - from) / step;
          const isRound = [1, 2, 5].some((factor) => Math.abs(leading - factor) < 1e-6);
          return from <= min && to >= (min + span) * (1 - 1e-9) && steps <= 9 && isRound;
        },
      ),
    ),
  );
});

test('pictures have a line each, begin anew after a gap, keep within the frame, and escape what they are told', (t) => {
  const svg = lineChart({
    title: 'a < b & c',
    xLabel: 'x',
    yLabel: 'y',
    lines: [
      {
        name: 'one',
        points: [
          { x: 0, y: 1 },
          { x: 1, y: 2 },
          { x: 1, y: Number.NaN },
          { x: 2, y: 3 },
        ],
      },
      { name: 'two', points: [{ x: 0, y: 5 }] },
    ],
    marks: [{ x: 1, text: 'kill' }],
    limit: { y: 8, text: 'limit' },
  });
  t.true(svg.startsWith('<svg xmlns="http://www.w3.org/2000/svg"'));
  t.true(svg.includes('a &lt; b &amp; c'));
  const paths = [...svg.matchAll(/<path d="(M[^"]*)" fill="none"/g)].map((match) => match[1]!);
  t.is(paths.length, 2);
  t.is(paths[0]!.match(/M/g)?.length, 2);
  for (const [, x, y] of svg.matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)) {
    t.true(Number(x) >= 0 && Number(x) <= 860 && Number(y) >= 0 && Number(y) <= 360);
  }
  const bars = barChart({
    title: 'bars',
    yLabel: 'ms',
    groups: ['a', 'b'],
    series: [{ name: 'only', values: [3, Number.NaN] }],
  });
  // The background, and one bar: what was not measured has none.
  t.is(bars.match(/<rect/g)?.length, 2);
});

test('a picture of nothing is still a picture', (t) => {
  const svg = lineChart({ title: 'nothing', xLabel: 'x', yLabel: 'y', lines: [] });
  t.false(svg.includes('NaN'));
  t.false(barChart({ title: 'nothing', yLabel: 'y', groups: [], series: [] }).includes('NaN'));
});
