import test from 'ava';
import * as fc from 'fast-check';
import type { EntityId } from '../../src/base/brand.ts';
import { createInputGate, expireGap, GAP_MS, offerInput, WAITING_MAX } from '../../src/peer/input-gate.core.ts';
import { expirePointers, POINTERS_MAX, setPointer, takeRoute } from '../../src/peer/routing.core.ts';
import type { Pointer, Route } from '../../src/peer/routing.core.ts';

const entity = 5 as EntityId;

test('a route is replaced by a newer one only', (t) => {
  const routes = new Map<number, Route>();
  t.true(takeRoute(routes, 1, { entity, node: 2, seq: 3, incarnation: 7 }));
  t.false(takeRoute(routes, 1, { entity, node: 3, seq: 2, incarnation: 9 }));
  t.false(takeRoute(routes, 1, { entity, node: 3, seq: 3, incarnation: 7 }));
  t.true(takeRoute(routes, 1, { entity, node: 3, seq: 3, incarnation: 8 }));
  t.is(routes.get(1)?.node, 3);
});

test('a session that has another player now is routed to it', (t) => {
  const routes = new Map<number, Route>();
  takeRoute(routes, 1, { entity, node: 2, seq: 30, incarnation: 7 });
  t.true(takeRoute(routes, 1, { entity: 6 as EntityId, node: 3, seq: 1, incarnation: 7 }));
});

test('pointers go when they are old or too many, and never back to an older owner', (t) => {
  const pointers = new Map<number, Pointer>();
  setPointer(pointers, 1, { node: 2, seq: 5, untilMs: 10 });
  setPointer(pointers, 1, { node: 3, seq: 4, untilMs: 20 });
  t.is(pointers.get(1)?.node, 2);
  setPointer(pointers, 2, { node: 2, seq: 5, untilMs: 30 });
  expirePointers(pointers, 10);
  t.deepEqual([...pointers.keys()], [2]);
  for (let key = 10; key < POINTERS_MAX + 20; key++) setPointer(pointers, key, { node: 1, seq: 1, untilMs: 99 });
  t.is(pointers.size, POINTERS_MAX);
});

test('inputs pass once each and in order, whatever way they come', (t) => {
  const arrivals = fc.shuffledSubarray(
    Array.from({ length: 40 }, (_, index) => index + 1),
    { minLength: 40 },
  );
  fc.assert(
    fc.property(arrivals, fc.array(fc.integer({ min: 1, max: 40 })), (order, repeats) => {
      const gate = createInputGate(0);
      const passed: number[] = [];
      const passing = { nowMs: 0, pass: ({ sequence }: { sequence: number }) => passed.push(sequence) };
      for (const sequence of [...order, ...repeats]) offerInput(gate, { sequence, payload: new Uint8Array() }, passing);
      t.deepEqual(
        passed,
        Array.from({ length: 40 }, (_, index) => index + 1),
      );
    }),
  );
});

test('an input that never comes holds up the next ones for a moment only', (t) => {
  const gate = createInputGate(4);
  const passed: number[] = [];
  const at = (nowMs: number) => ({ nowMs, pass: ({ sequence }: { sequence: number }) => passed.push(sequence) });
  offerInput(gate, { sequence: 6, payload: new Uint8Array() }, at(0));
  offerInput(gate, { sequence: 9, payload: new Uint8Array() }, at(1));
  t.true(expireGap(gate, at(GAP_MS - 1)));
  t.deepEqual(passed, []);
  t.true(expireGap(gate, at(GAP_MS)));
  t.deepEqual(passed, [6]);
  t.false(expireGap(gate, at(GAP_MS * 2)));
  t.deepEqual(passed, [6, 9]);
  t.false(offerInput(gate, { sequence: 5, payload: new Uint8Array() }, at(500)));
});

test('after a crash the first input that comes is the next', (t) => {
  const gate = createInputGate(10, { isExact: false });
  const passed: number[] = [];
  const passing = { nowMs: 0, pass: ({ sequence }: { sequence: number }) => passed.push(sequence) };
  for (const sequence of [9, 30, 32, 31, 10]) offerInput(gate, { sequence, payload: new Uint8Array() }, passing);
  t.deepEqual(passed, [30, 31, 32]);
});

test('what waits is bounded', (t) => {
  const gate = createInputGate(0);
  const passed: number[] = [];
  for (let sequence = 2; sequence < 2 + WAITING_MAX * 2; sequence++) {
    offerInput(
      gate,
      { sequence, payload: new Uint8Array() },
      { nowMs: 0, pass: (input) => passed.push(input.sequence) },
    );
    t.true(gate.waiting.length < WAITING_MAX);
  }
  t.true(passed.length >= WAITING_MAX);
});
