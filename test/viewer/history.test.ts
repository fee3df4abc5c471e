import test from 'ava';
import { History, WINDOW_SECONDS, chartColumns, percentile, stackedPhase } from '../../viewer/history.ts';
import { PHASES, type StatsMessage } from '../../viewer/overview-text.wire.ts';

function stats(tick: number, totalsMs: readonly number[] = []): StatsMessage {
  return {
    type: 'stats',
    tick,
    ticks: totalsMs.map((totalMs, index) => ({
      tick: tick - totalsMs.length + index + 1,
      totalMs,
      latenessMs: 0,
      localHandovers: 0,
      phasesMs: PHASES.map((_, phase) => totalMs * (phase + 1)),
    })),
    counters: { localHandovers: tick * 3 },
    gauges: { entities: 500 },
    gateway: { clients: 4, bytesOut: tick * 100, bytesIn: tick * 10 },
    cells: [],
    costs: [],
    pausedCells: [],
    owners: [],
    links: [],
    stuck: [],
  };
}

test('four messages make one row, with percentiles, means and rates', (t) => {
  const history = new History();
  t.false(history.push(stats(100), 0));
  t.false(history.push(stats(105, [1, 1, 1, 1, 1]), 250));
  t.false(history.push(stats(110, [2, 2, 2, 2, 2]), 500));
  t.false(history.push(stats(115, [2, 2, 2, 2, 2]), 750));
  t.true(history.push(stats(120, [3, 3, 3, 3, 10]), 1000));
  const row = history.newest!;
  t.is(row.tickMsP50, 2);
  t.is(row.tickMsP99, 10);
  t.is(row.ticksPerSecond, 20);
  t.is(row.localHandoversPerSecond, 60);
  t.is(row.bytesOutPerSecond, 2000);
  t.is(row.bytesInPerSecond, 200);
  t.is(row.entities, 500);
  t.is(row.clients, 4);
  const mean = (5 + 10 + 10 + 22) / 20;
  t.true(Math.abs(row.phasesMs[1]! - 2 * mean) < 1e-9);
  t.true(Math.abs(stackedPhase(row, 2) - 6 * mean) < 1e-9);
});

test('a restarted server leaves a gap, never a negative rate', (t) => {
  const history = new History();
  history.push(stats(5000), 0);
  t.false(history.push(stats(3), 1000));
  t.true(history.push(stats(23), 2000));
  t.is(history.newest!.bytesOutPerSecond, 2000);
  history.pause();
  t.false(history.push(stats(400), 60_000));
  t.is(history.rows.length, 1);
});

test('the window is bounded, and a chart has the seconds before now', (t) => {
  const history = new History();
  for (let second = 0; second < 1000; second++) history.push(stats(second * 20, [1]), second * 1000);
  t.true(history.rows.length <= WINDOW_SECONDS + 1);
  const [seconds, p50] = chartColumns(history.rows, history.newest!.atSeconds, [(row) => row.tickMsP50]);
  t.is(seconds!.at(-1), 0);
  t.true(seconds![0]! >= -WINDOW_SECONDS);
  t.is(p50!.length, seconds!.length);
});

test('percentiles by the nearest rank', (t) => {
  t.is(percentile([], 0.5), 0);
  t.is(percentile([4], 0.99), 4);
  t.is(percentile([1, 2, 3, 4], 0.5), 2);
  t.is(percentile([1, 2, 3, 4], 0.99), 4);
  t.is(percentile([1, 2, 3, 4], 0), 1);
});
