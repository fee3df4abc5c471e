import test from 'ava';
import { Crowd } from '../../viewer/crowd.ts';
import type { EntitiesFrame } from '../../viewer/overview.wire.ts';
import { Timeline } from '../../viewer/timeline.ts';

/** Rows of [slot, kind, x, z]. */
function frame(tick: number, rows: readonly (readonly [number, number, number, number])[]): EntitiesFrame {
  return {
    type: 'entities',
    tick,
    count: rows.length,
    total: rows.length,
    x: Float32Array.from(rows, ([, , x]) => x),
    z: Float32Array.from(rows, ([, , , z]) => z),
    slotAndKind: Uint32Array.from(rows, ([slot, kind]) => (slot | (kind << 24)) >>> 0),
  };
}

test('an entity that walks evenly is drawn evenly although frames arrive unevenly', (t) => {
  const timeline = new Timeline(20);
  const crowd = new Crowd();
  const jitterMs = [0, 12, -9, 20, -15, 5, 18, -20, 3, -6];
  const places: number[] = [];
  let sent = 0;
  for (let nowMs = 0; nowMs < 6000; nowMs += 16) {
    while (sent * 100 + jitterMs[sent % 10]! + 30 <= nowMs) {
      // 2 m/s: two ticks of 50 ms are 0.2 m.
      timeline.push(frame(1000 + sent * 2, [[7, 1, sent * 0.2, 0]]), nowMs);
      sent++;
    }
    const sample = timeline.sample(nowMs);
    if (sample === undefined || nowMs < 3000) continue;
    crowd.join(sample.from, sample.to, 0.1);
    places.push(crowd.placeAt(0, sample.blend).x);
  }
  const steps = places.slice(1).map((place, index) => place - places[index]!);
  t.true(
    steps.every((step) => step > 0.02 && step < 0.045),
    `steps of 0.032 m: ${Math.min(...steps)} … ${Math.max(...steps)}`,
  );
});

test('when frames stop, entities stand still at the newest', (t) => {
  const timeline = new Timeline(20);
  timeline.push(frame(10, [[1, 0, 0, 0]]), 0);
  timeline.push(frame(12, [[1, 0, 1, 0]]), 100);
  const sample = timeline.sample(60_000);
  t.is(sample?.to.tick, 12);
  t.is(sample?.blend, 1);
});

test('a server that restarted starts the timeline anew, and repeats are ignored', (t) => {
  const timeline = new Timeline(20);
  t.is(timeline.sample(0), undefined);
  timeline.push(frame(5000, []), 0);
  timeline.push(frame(5000, []), 5);
  timeline.push(frame(5002, []), 100);
  timeline.push(frame(3, []), 200);
  t.is(timeline.newest?.tick, 3);
  t.is(timeline.sample(200)?.from.tick, 3);
});

test('frames that nobody plays are bounded', (t) => {
  const timeline = new Timeline(20);
  for (let index = 0; index < 1000; index++) timeline.push(frame(index * 2, []), index * 100);
  t.true(timeline.sample(0)!.from.tick >= 1984);
});

test('joined by slot: walkers move; newcomers, other kinds and jumps stand', (t) => {
  const crowd = new Crowd();
  const from = frame(1, [
    [1, 0, 0, 0],
    [2, 0, 0, 0],
    [3, 0, 0, 0],
    [70_000, 1, 5, 5],
  ]);
  const to = frame(3, [
    [70_000, 1, 6, 5],
    [1, 0, 1, 2],
    [2, 1, 1, 2],
    [3, 0, 900, 0],
    [4, 0, 8, 8],
  ]);
  crowd.join(from, to, 0.1);
  t.is(crowd.count, 5);
  t.deepEqual(crowd.placeAt(0, 0.5), { x: 5.5, z: 5 });
  t.deepEqual(crowd.placeAt(1, 0.5), { x: 0.5, z: 1 });
  t.deepEqual(crowd.placeAt(2, 0), { x: 1, z: 2 });
  t.deepEqual(crowd.placeAt(3, 0), { x: 900, z: 0 });
  t.deepEqual(crowd.placeAt(4, 0), { x: 8, z: 8 });
  t.deepEqual([crowd.slotAt(0), crowd.kindAt(0)], [70_000, 1]);
});

test('a smaller frame hides the rows that are left over, and old slots are forgotten', (t) => {
  const crowd = new Crowd();
  const many = frame(1, [
    [1, 0, 0, 0],
    [2, 0, 0, 0],
    [3, 0, 0, 0],
  ]);
  const one = frame(3, [[2, 0, 1, 0]]);
  const again = frame(5, [[1, 0, 4, 0]]);
  crowd.join(many, many, 0.1);
  crowd.join(many, one, 0.1);
  t.is(crowd.count, 1);
  t.deepEqual([crowd.kindAt(1), crowd.kindAt(2)], [-1, -1]);
  crowd.join(one, again, 0.1);
  t.deepEqual(crowd.placeAt(0, 0), { x: 4, z: 0 });
  t.is(crowd.indexOfSlot(1), 0);
  t.is(crowd.indexOfSlot(2), -1);
});

test('the nearest entity within reach, where it is drawn', (t) => {
  const crowd = new Crowd();
  crowd.join(
    frame(1, [
      [1, 0, 0, 0],
      [2, 0, 10, 0],
    ]),
    frame(3, [
      [1, 0, 4, 0],
      [2, 0, 10, 0],
    ]),
    0.1,
  );
  t.is(crowd.nearest({ x: 4.5, z: 0 }, { blend: 1, reach: 2 }), 0);
  t.is(crowd.nearest({ x: 4.5, z: 0 }, { blend: 0, reach: 2 }), -1);
  t.is(crowd.nearest({ x: 9, z: 1 }, { blend: 1, reach: 2 }), 1);
});
