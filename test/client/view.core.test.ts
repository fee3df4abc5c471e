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

test('who turned goes on with that velocity, to the centimetre, until it is told otherwise', (t) => {
  const view = new View(schema, rates);
  view.apply(snapshot({ keyframe: true, tick: 10, enters: [enter(1, 11, 100)] }));
  const entity = view.entities.get(entityIdFrom(1, 11))!;
  // 64 units are 1 cm a tick; 3 units show after some ticks only.
  view.apply(snapshot({ tick: 12, turns: [{ alias: 1, dxCm: 20, dzCm: 0, vx: 640, vz: -3 }] }));
  t.deepEqual([entity.x, entity.z, entity.vx], [1.2, 0, 2]);
  view.apply(snapshot({ tick: 14 }));
  t.deepEqual([entity.x, entity.z], [1.4, 0]);
  view.apply(snapshot({ tick: 34 }));
  t.deepEqual([entity.x, entity.z], [3.4, -0.01]);
  view.draw({ tick: 24, latestTick: 34, extrapolationTicksMax: 5 }, false);
  t.true(Math.abs(entity.renderX - 2.4) < 1e-9, `${entity.renderX}`);
  // From where it was reckoned to be.
  view.apply(snapshot({ tick: 36, moves: [{ alias: 1, dxCm: 5, dzCm: 0 }] }));
  t.deepEqual([entity.x, entity.vx], [3.65, 0]);
  view.apply(snapshot({ tick: 50 }));
  t.is(entity.x, 3.65);
});

test('the own entity goes on exactly when it is not told of', (t) => {
  const view = new View(schema, rates);
  const self = { alias: 1, x: 0.5, z: 0, vx: 3, vz: 0 };
  view.apply(snapshot({ keyframe: true, tick: 10, self, enters: [enter(1, 11)] }));
  view.apply(snapshot({ tick: 12 }));
  const dt = Math.fround(1 / rates.tickHz);
  const once = Math.fround(0.5 + Math.fround(3 * dt));
  t.is(view.self?.x, Math.fround(once + Math.fround(3 * dt)));
  t.is(view.self?.vx, 3);
});

test('a change names fields; the others stay, and the values that were handed out are not touched', (t) => {
  const view = new View(schema, rates);
  view.apply(snapshot({ keyframe: true, enters: [enter(1, 11)] }));
  const { components } = view.entities.get(entityIdFrom(1, 11))!;
  const index = schema.components.findIndex(({ fields }) => fields.length > 1);
  const { name, fields } = schema.components[index]!;
  const [first, second] = fields.map((field) => field.name);
  view.apply(snapshot({ tick: 3, changes: [{ alias: 1, component: index, values: { [first!]: 1, [second!]: 2 } }] }));
  const before = components[name];
  view.apply(snapshot({ tick: 5, changes: [{ alias: 1, component: index, values: { [second!]: 3 } }] }));
  t.like(components[name], { [first!]: 1, [second!]: 3 });
  t.is(before?.[second!], 2);
});

test('a resync keeps whoever jumps, takes in whoever enters, and lets go of the others', (t) => {
  const view = new View(schema, rates);
  view.apply(snapshot({ keyframe: true, enters: [enter(1, 11), enter(2, 22), enter(3, 33)] }));
  const kept = view.entities.get(entityIdFrom(1, 11));
  const resync = snapshot({
    resync: true,
    tick: 9,
    enters: [enter(2, 44), enter(5, 33, 700)],
    jumps: [{ alias: 1, xCm: 900, zCm: 0 }],
    turns: [{ alias: 1, dxCm: 0, dzCm: 0, vx: 64, vz: 0 }],
    changes: [{ alias: 1, component: 0, values: { name: 'new' } }],
  });
  t.deepEqual(told(view.apply(resync)), ['leave e22', 'enter e44', 'update e33', 'update new']);
  t.is(view.entities.get(entityIdFrom(1, 11)), kept);
  t.is(kept?.x, 9);
  t.is(view.entities.size, 3);
  t.throws(() => view.apply(snapshot({ tick: 11, jumps: [{ alias: 3, xCm: 0, zCm: 0 }] })), {
    instanceOf: ClientError,
  });
});

test('what went before the mistake is told', (t) => {
  const view = new View(schema, rates);
  view.apply(snapshot({ keyframe: true, enters: [enter(1, 11), enter(2, 22)] }));
  t.throws(() => view.read(snapshot({ tick: 3, leaves: [1, 9] })), { instanceOf: ClientError });
  t.deepEqual(told(view.takeChanges()), ['leave e11']);
  t.deepEqual(told(view.apply(snapshot({ keyframe: true, tick: 5, enters: [enter(1, 11), enter(2, 22)] }))), [
    'enter e11',
    'update e22',
  ]);
});

test('whoever leaves and enters in one snapshot was not away', (t) => {
  const view = new View(schema, rates);
  view.apply(snapshot({ keyframe: true, enters: [enter(1, 11)] }));
  const id = entityIdFrom(1, 11);
  const before = view.entities.get(id);
  const changes = view.apply(snapshot({ leaves: [1], enters: [enter(3, 11)] }));
  t.deepEqual(told(changes), ['update e11']);
  t.is(view.entities.get(id), before);
  t.deepEqual(told(view.apply(snapshot({ tick: 13, leaves: [3] }))), ['leave e11']);
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
  t.deepEqual(told(view.apply(snapshot({ tick: 82 }))), []);
  t.deepEqual(told(view.apply(snapshot({ tick: 83 }))), ['leave e44']);
  t.deepEqual(told(view.apply(snapshot({ keyframe: true, tick: 85, enters: [enter(1, 11)] }))), [
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
