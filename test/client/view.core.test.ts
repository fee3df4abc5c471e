import test from 'ava';
import { entityIdFrom } from '../../src/base/brand.ts';
import { ClientError } from '../../src/client/errors.ts';
import { View } from '../../src/client/view.core.ts';
import type { ViewChange } from '../../src/client/view.core.ts';
import type { EnterEntry, Snapshot } from '../../src/wire/messages.ts';
import { schema } from '../wire/fixture.ts';

const rates = { tickHz: 20, snapshotHz: 10 };

function snapshot(change: Partial<Snapshot>): Snapshot {
  const empty = { leaves: [], enters: [], moves: [], jumps: [], turns: [], changes: [], events: [], self: undefined };
  return {
    type: 'snapshot',
    keyframe: false,
    resync: false,
    tick: 1,
    inputSequence: 0,
    durableLag: 0,
    ...empty,
    ...change,
  };
}

function enter(alias: number, counter: number, xCm = 0): EnterEntry {
  return {
    alias,
    id: entityIdFrom(1, counter),
    kind: 0,
    xCm,
    zCm: 0,
    components: new Map([[0, { name: `e${counter}` }]]),
  };
}

function told(changes: readonly ViewChange[]): string[] {
  return changes.map((change) => `${change.type} ${String(change.entity.components['look']?.['name'])}`);
}

test('enters, moves, jumps, changes and leaves', (t) => {
  const view = new View(schema, rates);
  t.deepEqual(told(view.apply(snapshot({ keyframe: true, enters: [enter(1, 11, 500), enter(2, 22)] }))), [
    'enter e11',
    'enter e22',
  ]);
  const entity = view.entities.get(entityIdFrom(1, 11))!;
  t.is(entity.kind, 'player');
  t.is(entity.x, 5);
  view.apply(snapshot({ tick: 3, moves: [{ alias: 1, dxCm: 50, dzCm: -1 }] }));
  t.deepEqual([entity.x, entity.z, entity.vx], [5.5, -0.01, 0]);
  view.apply(snapshot({ tick: 5, jumps: [{ alias: 1, xCm: -100, zCm: 7 }] }));
  t.deepEqual([entity.x, entity.z], [-1, 0.07]);
  t.deepEqual(told(view.apply(snapshot({ tick: 7, changes: [{ alias: 1, component: 0, values: { name: 'new' } }] }))), [
    'update new',
  ]);
  t.deepEqual(told(view.apply(snapshot({ tick: 13, leaves: [1] }))), ['leave new']);
  t.is(view.entities.size, 1);
});

test('an alias that leaves may enter in the same snapshot', (t) => {
  const view = new View(schema, rates);
  view.apply(snapshot({ keyframe: true, enters: [enter(1, 11)] }));
  const changes = view.apply(
    snapshot({ leaves: [1], enters: [enter(1, 33)], moves: [{ alias: 1, dxCm: 1, dzCm: 0 }] }),
  );
  t.deepEqual(told(changes), ['leave e11', 'enter e33']);
  t.is(view.entities.get(entityIdFrom(1, 33))?.x, 0.01);
});

test('a keyframe replaces the view; who is in it again neither leaves nor enters', (t) => {
  const view = new View(schema, rates);
  view.apply(snapshot({ keyframe: true, enters: [enter(1, 11), enter(2, 22)] }));
  const kept = view.entities.get(entityIdFrom(1, 22));
  const changes = view.apply(snapshot({ keyframe: true, tick: 9, enters: [enter(1, 22, 40), enter(2, 33)] }));
  t.deepEqual(told(changes), ['leave e11', 'update e22', 'enter e33']);
  t.is(view.entities.get(entityIdFrom(1, 22)), kept);
  t.is(kept?.x, 0.4);
  t.deepEqual(told(view.clear()), ['leave e22', 'leave e33']);
  t.is(view.entities.size, 0);
});

test('whom a new owner has not told of yet lingers, and does not flicker', (t) => {
  const view = new View(schema, rates);
  view.apply(snapshot({ keyframe: true, tick: 1, enters: [enter(1, 11), enter(2, 22), enter(3, 33), enter(4, 44)] }));
  const e22 = view.entities.get(entityIdFrom(1, 22));
  const handover = snapshot({ keyframe: true, tick: 3, enters: [enter(7, 11)] });
  t.deepEqual(told(view.apply(handover, { isNewOwner: true })), ['update e11']);
  t.is(view.entities.size, 4);
  t.deepEqual(told(view.apply(snapshot({ tick: 5, enters: [enter(3, 22)] }))), ['update e22']);
  t.is(view.entities.get(entityIdFrom(1, 22)), e22);
  // Another keyframe within this time is no reason to let go of them.
  const again = snapshot({ keyframe: true, tick: 7, enters: [enter(1, 11), enter(2, 22), enter(3, 33)] });
  t.deepEqual(told(view.apply(again)), ['update e11', 'update e22', 'update e33']);
  t.is(view.entities.size, 4);
  view.draw({ tick: 7, latestTick: 7, extrapolationTicksMax: 5 }, false);
  t.deepEqual(told(view.apply(snapshot({ tick: 12 }))), []);
  t.deepEqual(told(view.apply(snapshot({ tick: 13 }))), ['leave e44']);
  t.deepEqual(told(view.apply(snapshot({ keyframe: true, tick: 15, enters: [enter(1, 11)] }))), [
    'leave e22',
    'leave e33',
    'update e11',
  ]);
});

test('the own entity has its exact state, and may change or be nobody', (t) => {
  const view = new View(schema, rates);
  const self = { alias: 1, x: 1.234567, z: 2, vx: 3, vz: 4 };
  view.apply(snapshot({ keyframe: true, self, enters: [enter(1, 11, 123), enter(2, 22)] }));
  t.is(view.self?.x, 1.234567);
  t.is(view.self?.vx, 3);
  t.is(view.selfKind, 0);
  const first = view.self;
  view.apply(snapshot({ self: { ...self, alias: 2 } }));
  t.false(first?.isSelf);
  t.true(view.self?.isSelf);
  view.apply(snapshot({ self: { ...self, alias: 0 } }));
  t.is(view.self, undefined);
  t.is(view.selfKind, -1);
});

test('events come after all else, with the entity they are about', (t) => {
  const view = new View(schema, rates);
  const changes = view.apply(
    snapshot({ keyframe: true, enters: [enter(3, 11)], events: [{ alias: 3, event: 1, values: {} }], changes: [] }),
  );
  t.deepEqual(
    changes.map((change) => change.type),
    ['enter', 'event'],
  );
  const last = changes.at(-1);
  t.is(last?.type === 'event' ? last.name : '', 'cheer');
});

test('what does not fit to the view is refused', (t) => {
  const cases: Partial<Snapshot>[] = [
    { leaves: [9] },
    { enters: [enter(1, 99)] },
    { enters: [enter(9, 11)] },
    { moves: [{ alias: 9, dxCm: 0, dzCm: 0 }] },
    { jumps: [{ alias: 9, xCm: 0, zCm: 0 }] },
    { changes: [{ alias: 9, component: 0, values: {} }] },
    { events: [{ alias: 9, event: 0, values: {} }] },
    { keyframe: true, enters: [enter(1, 11), enter(1, 12)] },
  ];
  for (const change of cases) {
    const view = new View(schema, rates);
    view.apply(snapshot({ keyframe: true, enters: [enter(1, 11)] }));
    const error = t.throws(() => view.apply(snapshot(change)), { instanceOf: ClientError });
    t.is(error?.code, 'ERR_CLIENT_PROTOCOL');
  }
});
