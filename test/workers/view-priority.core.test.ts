import test from 'ava';
import * as fc from 'fast-check';
import { OVERDUE_SNAPSHOTS, UpdateQueue } from '../../src/workers/view-priority.core.ts';

function takeAll(queue: UpdateQueue): number[] {
  const taken: number[] = [];
  for (let alias = queue.take(); alias !== 0; alias = queue.take()) taken.push(alias);
  return taken;
}

test('the most urgent comes first, waiting makes urgent, and whoever is overdue comes before all, the longest wait first', (t) => {
  const queue = new UpdateQueue();
  queue.start();
  queue.add(1, 1, 0);
  queue.add(2, 100, 0);
  queue.add(3, 1, 30);
  queue.add(4, 1, OVERDUE_SNAPSHOTS + 1);
  queue.add(5, 1e9, OVERDUE_SNAPSHOTS - 1);
  queue.add(6, 1, OVERDUE_SNAPSHOTS + 2);
  t.deepEqual(takeAll(queue), [6, 4, 5, 2, 3, 1]);
  queue.start();
  t.deepEqual(takeAll(queue), []);
});

test('everybody who was added is taken once', (t) => {
  const queue = new UpdateQueue();
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 255 }), { maxLength: 255 }),
      fc.array(fc.tuple(fc.double({ min: 0.01, max: 1e12, noNaN: true }), fc.nat(0xffff)), {
        minLength: 255,
        maxLength: 255,
      }),
      (aliases, weights) => {
        queue.start();
        aliases.forEach((alias, index) => queue.add(alias, ...weights[index]!));
        t.deepEqual(
          takeAll(queue).toSorted((left, right) => left - right),
          aliases.toSorted((left, right) => left - right),
        );
      },
    ),
  );
});

test('nobody waits longer than the bound, whatever the others have to tell', (t) => {
  fc.assert(
    fc.property(
      fc.record({
        count: fc.integer({ min: 1, max: 255 }),
        perSnapshot: fc.integer({ min: 1, max: 8 }),
        seed: fc.integer(),
        /** From nearly alike to a million times as urgent. */
        spread: fc.integer({ min: 0, max: 6 }),
      }),
      ({ count, perSnapshot, seed, spread }) => {
        const queue = new UpdateQueue();
        const waiting = new Uint16Array(count + 1);
        // Always the same are the loud ones, which is the worst for the others.
        const urgency = (alias: number) => ((alias * 7919 + seed) % 3 === 0 ? 10 ** spread : 1);
        const bound = OVERDUE_SNAPSHOTS + Math.ceil(count / perSnapshot);
        for (let snapshot = 0; snapshot < 3 * bound; snapshot++) {
          queue.start();
          for (let alias = 1; alias <= count; alias++) queue.add(alias, urgency(alias), waiting[alias]!);
          for (let alias = 1; alias <= count; alias++) waiting[alias]!++;
          for (let told = 0; told < perSnapshot; told++) waiting[queue.take()] = 0;
          waiting[0] = 0;
          for (let alias = 1; alias <= count; alias++) if (waiting[alias]! > bound) return false;
        }
        return true;
      },
    ),
    { numRuns: 60 },
  );
  t.pass();
});
