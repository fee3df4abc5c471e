import test from 'ava';
import { HANDOVER_LOG_ROWS, HandoverLog } from '../../src/memory/handover-log.ts';
import { Stats, TICK_FIELDS, TICK_SAMPLES } from '../../src/memory/stats.ts';

test('counters add up over workers, gauges are what they were set to', (t) => {
  const stats = new Stats(new SharedArrayBuffer(Stats.sizeBytes(3)), 0, 3);
  stats.add(0, 'ticks', 2);
  stats.add(2, 'ticks', 5);
  stats.add(1, 'systemFailures', 1);
  t.deepEqual([stats.counter('ticks'), stats.counter('systemFailures'), stats.counter('snapshots')], [7, 1, 0]);
  stats.setGauge('load', 0.5);
  t.deepEqual([stats.gauge('load'), stats.gauge('entities')], [0.5, 0]);
});

test('tick samples: the last ones can be read, others are not there', (t) => {
  const stats = new Stats(new SharedArrayBuffer(Stats.sizeBytes(1)), 0, 1);
  const sample = new Float64Array(TICK_FIELDS.length);
  for (let tick = 1; tick <= TICK_SAMPLES + 5; tick++) {
    sample.fill(tick + 0.5);
    stats.recordTick(tick, sample);
  }
  t.is(stats.tickSample(5), undefined);
  t.is(stats.tickSample(TICK_SAMPLES + 6), undefined);
  for (const tick of [6, TICK_SAMPLES, TICK_SAMPLES + 5]) {
    const read = stats.tickSample(tick);
    t.is(read?.tick, tick);
    t.is(read?.startMs, tick + 0.5);
    t.is(read?.localHandovers, tick + 0.5);
  }
});

test('handover log: a reader gets what it missed, up to the rows there are', (t) => {
  const log = new HandoverLog(new SharedArrayBuffer(HandoverLog.sizeBytes()), 0);
  const read = (cursor: number) => {
    const rows: number[][] = [];
    const next = log.readSince(cursor, (...row) => rows.push(row));
    return { rows, next };
  };
  t.deepEqual(read(log.written), { rows: [], next: 0 });
  log.write(1.5, -2.5, 3, 4);
  log.write(5, 6, 7, 8);
  const first = read(0);
  t.deepEqual(first.rows, [
    [1.5, -2.5, 3, 4],
    [5, 6, 7, 8],
  ]);
  for (let row = 0; row < HANDOVER_LOG_ROWS + 10; row++) log.write(row, 0, 0, 0);
  const second = read(first.next);
  t.is(second.rows.length, HANDOVER_LOG_ROWS);
  t.deepEqual([second.rows[0]![0], second.rows.at(-1)![0]], [10, HANDOVER_LOG_ROWS + 9]);
});
