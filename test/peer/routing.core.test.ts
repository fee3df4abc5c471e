import test from 'ava';
import type { EntityId } from '../../src/base/brand.ts';
import { expirePointers, nextNode, POINTERS_MAX, setPointer, takeRoute } from '../../src/peer/routing.core.ts';
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

test('the newer of pointer and route says where a player is', (t) => {
  const pointer = { node: 3, seq: 5, untilMs: 10 };
  const route = { entity, node: 2, seq: 6, incarnation: 7 };
  t.is(nextNode(undefined, undefined), undefined);
  t.is(nextNode(pointer, undefined), 3);
  t.is(nextNode(undefined, route), 2);
  t.is(nextNode(pointer, route), 2, 'the node that it went to is gone, and another has it');
  t.is(nextNode(pointer, { ...route, seq: 5 }), 2);
  t.is(nextNode({ ...pointer, seq: 7 }, route), 3);
});
