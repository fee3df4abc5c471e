/** The parts of the peers bench that decide: the scene, and who sees whom on the side that leaves it to the game. */
import test from 'ava';
import * as fc from 'fast-check';
import { InterestGrid } from '../../bench/peers/interest-grid.ts';
import { NEIGHBOURS, RADIUS_METRES, SPEED_METRES, Walk, startOf, worldSizeFor } from '../../bench/peers/scene.ts';
import { DIRECTION_UNIT, sinceStampMs, stampNow } from '../../bench/peers/scene.ts';

test('in a world of the size for so many people, each has about thirty others in view', (t) => {
  for (const people of [100, 400, 1000]) {
    const crowd = { people, worldSize: worldSizeFor(people) };
    const places = Array.from({ length: people }, (_, index) => startOf(index, crowd));
    let pairs = 0;
    for (const one of places) {
      for (const other of places) {
        if (one !== other && Math.hypot(one.x - other.x, one.z - other.z) <= RADIUS_METRES) pairs++;
      }
    }
    const mean = pairs / people;
    t.true(mean > NEIGHBOURS * 0.9 && mean < NEIGHBOURS * 1.1, `${people} people see ${mean} others`);
  }
});

test('the first half of the people starts in the left half', (t) => {
  const crowd = { people: 40, worldSize: 300 };
  for (let index = 0; index < 40; index++) {
    const { x, z } = startOf(index, crowd);
    t.is(x < 0, index < 20, `person ${index} at ${x}`);
    t.true(Math.abs(z) <= 150);
  }
});

test('a walk repeats itself, keeps its speed, and stays inside', (t) => {
  const crowd = { people: 7, worldSize: 90 };
  const walk = new Walk(3, crowd, 20);
  const again = new Walk(3, crowd, 20);
  let { x, z } = startOf(3, crowd);
  for (let step = 0; step < 5000; step++) {
    walk.step();
    again.step();
    t.deepEqual(walk.direction, again.direction);
    const { x: towardsX, z: towardsZ } = walk.direction;
    t.true(Math.abs(Math.hypot(towardsX, towardsZ) - DIRECTION_UNIT) < 1);
    x += (towardsX / DIRECTION_UNIT) * (SPEED_METRES / 20);
    z += (towardsZ / DIRECTION_UNIT) * (SPEED_METRES / 20);
    t.true(Math.abs(x) <= 45 && Math.abs(z) <= 45, `at ${x}, ${z} after ${step} steps`);
  }
});

test('a stamp tells how long ago it was written, also across the turn of its 16 bits', (t) => {
  const now = stampNow();
  t.true(sinceStampMs(now) < 1000);
  const earlier = (now - 12_345 + 65_536) % 65_536;
  const sinceMs = sinceStampMs(earlier);
  t.true(sinceMs >= 1234.5 && sinceMs < 2234.5, `${sinceMs} ms`);
});

test('the interest grid agrees with looking at every pair, tick after tick', (t) => {
  const people = 23;
  const worldSize = 400;
  const coordinate = fc.double({ min: -200, max: 200, noNaN: true });
  const tick = fc.array(fc.record({ x: coordinate, z: coordinate, isPresent: fc.boolean() }), {
    minLength: people,
    maxLength: people,
  });
  fc.assert(
    fc.property(fc.array(tick, { minLength: 1, maxLength: 6 }), (ticks) => {
      const grid = new InterestGrid({ people, worldSize, radius: 90, hysteresis: 20 });
      const seen = new Set<string>();
      for (const state of ticks) {
        const expected = new Set<string>();
        state.forEach((one, observer) => {
          // Whoever goes away takes nobody along: the next visit begins with nothing in view.
          if (!one.isPresent) {
            grid.forget(observer);
            for (const pair of seen) if (pair.startsWith(`${observer}→`)) seen.delete(pair);
            return;
          }
          state.forEach((other, index) => {
            const distance = Math.hypot(one.x - other.x, one.z - other.z);
            const pair = `${observer}→${index}`;
            if (other.isPresent && distance <= (seen.has(pair) ? 110 : 90)) expected.add(pair);
          });
        });
        const column = (name: 'x' | 'z') => Float64Array.from(state, (person) => person[name]);
        const isPresent = Uint8Array.from(state, (person) => Number(person.isPresent));
        grid.update(column('x'), column('z'), isPresent, {
          enter: (observer, other) => void seen.add(`${observer}→${other}`),
          leave: (observer, other) => void seen.delete(`${observer}→${other}`),
        });
        t.deepEqual([...seen].sort(), [...expected].sort());
      }
    }),
    { numRuns: 150 },
  );
});
