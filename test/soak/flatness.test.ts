/** What a soak calls flat. */
import test from 'ava';
import * as fc from 'fast-check';
import { fileURLToPath } from 'node:url';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { filesWrong, growthPerHour } from '../../scripts/soak/file-bounds.core.ts';
import type { FileSizes } from '../../scripts/soak/file-sizes.ts';
import { fileSizes } from '../../scripts/soak/file-sizes.ts';
import { flatnessOf } from '../../scripts/soak/flatness.core.ts';
import type { Life, Measure } from '../../scripts/soak/flatness.core.ts';
import { ProcessSamples } from '../../scripts/soak/process-samples.ts';
import { median, slopePerHour } from '../../scripts/soak/slope.core.ts';
import { WATCH_FOLDER } from '../../scripts/soak/thread-watch.ts';

const MIB = 2 ** 20;

function life(
  { name, pid = 1, from = 0, to }: { name: string; pid?: number; from?: number; to: number },
  of: (seconds: number) => Partial<Record<Measure, number>>,
): Life {
  const samples = Array.from({ length: Math.floor((to - from) / 5) + 1 }, (_, index) => {
    const seconds = from + index * 5;
    return { seconds, values: of(seconds) };
  });
  return { name, pid, samples };
}

function verdictOf(lives: readonly Life[], measure: Measure): string | undefined {
  return flatnessOf(lives).find((flatness) => flatness.measure === measure)?.verdict;
}

test('a straight line has its slope, whatever a third of the points do', (t) => {
  fc.assert(
    fc.property(fc.double({ min: -50, max: 50, noNaN: true }), fc.integer({ min: 12, max: 60 }), (perHour, count) => {
      const points = Array.from({ length: count }, (_, index) => ({
        hours: index / 60,
        value: 100 + (perHour * index) / 60 + (index % 7 === 3 ? 5000 : 0),
      }));
      return Math.abs(slopePerHour(points) - perHour) < 25;
    }),
  );
  const straight = [0, 1, 2, 3].map((hours) => ({ hours, value: 7 + 3 * hours }));
  t.is(slopePerHour(straight), 3);
  t.true(Number.isNaN(slopePerHour(straight.slice(0, 1))));
});

test('the median of an even number is between the two in the middle', (t) => {
  t.is(median([4, 1, 3, 2]), 2.5);
  t.is(median([9, 1, 5]), 5);
  t.true(Number.isNaN(median([])));
});

test('a process that leaks is not flat; one that saws is', (t) => {
  const to = 3600;
  t.is(verdictOf([life({ name: 'a', to }, (s) => ({ rss: (300 + (40 * s) / 3600) * MIB }))], 'rss'), 'not flat');
  t.is(verdictOf([life({ name: 'a', to }, (s) => ({ rss: (300 + (s % 60)) * MIB }))], 'rss'), 'flat');
  t.is(verdictOf([life({ name: 'a', to }, (s) => ({ timers: 4 + Math.floor(s / 600) }))], 'timers'), 'not flat');
  t.is(verdictOf([life({ name: 'a', to }, () => ({ files: 70 }))], 'files'), 'flat');
});

test('warming up does not count, and a short run says nothing', (t) => {
  const warming = (seconds: number) => ({ heap: (seconds < 140 ? seconds : 140) * MIB });
  t.is(verdictOf([life({ name: 'a', to: 3600 }, warming)], 'heap'), 'flat');
  t.is(verdictOf([life({ name: 'a', to: 60 }, warming)], 'heap'), 'too short to say');
});

test('a process that is started again and again is compared with its earlier lives', (t) => {
  const lives = (perLife: number) =>
    Array.from({ length: 8 }, (_, index) =>
      life({ name: 'b', pid: index + 1, from: index * 300, to: index * 300 + 280 }, (seconds) => ({
        // Each warms up, which is no growth from life to life.
        rss: (200 + index * perLife + Math.min(60, seconds - index * 300)) * MIB,
      })),
    );
  t.is(verdictOf(lives(0), 'rss'), 'flat');
  t.is(verdictOf(lives(12), 'rss'), 'not flat');
  t.is(verdictOf(lives(12).slice(0, 2), 'rss'), 'too short to say');
});

function sizes(seconds: number, journalMiB: number, walMiB = 1): FileSizes {
  const [journalBytes, walBytes] = [journalMiB * MIB, walMiB * MIB];
  return { seconds, directoryBytes: MIB, journalBytes, walBytesMax: walBytes, walBytes, allBytes: 0, files: 3 };
}

test('files may grow by so much an hour, and a log no further than its bound', (t) => {
  const run = (perHour: number, walMiB?: number) =>
    Array.from({ length: 60 }, (_, index) => sizes(index * 60, 20 + (perHour * index) / 60, walMiB));
  t.deepEqual(filesWrong(run(5)), []);
  t.regex(filesWrong(run(200)).join(), /grow by 200\.0 MiB an hour/);
  t.regex(filesWrong(run(5, 200)).join(), /log grew to 200\.0 MiB/);
  t.is(growthPerHour(run(5).slice(0, 8)), undefined);
});

test('file sizes are told by what the files are', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-soak-test-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const [name, sizeBytes] of Object.entries({
    'directory.sqlite': 5,
    'journal.sqlite': 7,
    'journal.sqlite-wal': 11,
  })) {
    writeFileSync(path.join(folder, name), Buffer.alloc(sizeBytes));
  }
  t.deepEqual(fileSizes(folder, 3), {
    seconds: 3,
    directoryBytes: 5,
    journalBytes: 7,
    walBytesMax: 11,
    walBytes: 11,
    allBytes: 23,
    files: 3,
  });
});

test('a watched process tells the heap, timers and handles of all its threads', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-soak-test-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const watch = fileURLToPath(new URL('../../scripts/soak/thread-watch.ts', import.meta.url));
  const thread = path.join(folder, 'thread.mjs');
  writeFileSync(thread, 'setInterval(() => {}, 1000); setInterval(() => {}, 1000);');
  const code = `new (require('node:worker_threads').Worker)(${JSON.stringify(thread)}); setInterval(() => {}, 1000)`;
  const child = spawn(process.execPath, ['-e', code], {
    env: { ...process.env, NODE_OPTIONS: `--import=${watch}`, [WATCH_FOLDER]: folder },
    stdio: 'inherit',
  });
  const ended = once(child, 'exit');
  const samples = new ProcessSamples(folder);
  const deadlineMs = performance.now() + 60_000;
  const timers = (): number | undefined => samples.lives[0]?.samples.at(-1)?.values.timers;
  while (timers() !== 3 && performance.now() < deadlineMs) {
    await wait(100);
    samples.look(1, [{ name: 'watched', pid: child.pid!, connections: 0 }]);
  }
  child.kill('SIGKILL');
  await ended;
  const values = samples.lives[0]?.samples.at(-1)?.values;
  t.is(values?.timers, 3);
  t.true((values?.heap ?? 0) > MIB && (values?.rss ?? 0) > (values?.heap ?? 0));
  t.true((values?.threads ?? 0) > 1 && (values?.files ?? 0) > 2);
  t.true((values?.handles ?? 0) >= 1, 'the thread is a handle of the other');
});
