import test from 'ava';
import { component, defineWorld, f32, list, text, u16, u8 } from '../../src/index.ts';
import { Headless } from '../fixtures/headless.ts';
import { GROSS_ERROR, TOLERANCE } from '../../src/workers/snapshot-updates.ts';
import { ViewModel } from '../fixtures/view-model.ts';

const RADIUS = 128;
const HYSTERESIS = 4;

/** Walkers on straight lines, and players that go where they are told. */
function walkers(count: number) {
  return defineWorld({
    name: 'walkers',
    version: 1,
    size: 1024,
    components: {
      look: { name: text(12), colour: u8() },
      bag: component({ items: list({ item: u16() }, { max: 4 }) }, { visible: 'owner' }),
      mind: component({ secret: u16() }, { visible: 'none' }),
    },
    kinds: {
      player: { components: ['look', 'bag'] },
      walker: { components: ['look', 'mind'] },
      spirit: { components: ['mind'], hidden: true },
    },
    input: {
      fields: { vx: f32(), vz: f32() },
      apply(self, input) {
        self.vx = input.vx;
        self.vz = input.vz;
      },
    },
    systems: {
      repaint: {
        kinds: ['walker'],
        run(cell) {
          if (cell.tick % 10 !== 0) return;
          for (let index = cell.first; index < cell.end; index++) cell.columns.look.colour[cell.slots[index]!]!++;
        },
      },
    },
    start(cell) {
      for (let index = 0; index < count / 16; index++) {
        const kind = index % 10 === 0 ? 'spirit' : 'walker';
        const vx = (cell.random() - 0.5) * 20;
        const vz = (cell.random() - 0.5) * 20;
        const x = cell.minX + cell.random() * 256;
        const z = cell.minZ + cell.random() * 256;
        if (kind === 'walker') cell.spawn(kind, { x, z, vx, vz, look: { name: `w${index}` } });
        else cell.spawn(kind, { x, z, vx, vz });
      }
    },
    join: ({ name }) => ({ kind: 'player', x: 0, z: 0, look: { name }, bag: { items: [{ item: 3 }] } }),
  });
}

function distances(world: Headless, self: number): Map<number, { distance: number; hidden: boolean }> {
  const { columns } = world.store;
  return new Map(
    world.slots().map((slot) => [
      columns.id[slot]!,
      {
        distance: Math.hypot(columns.x[slot]! - columns.x[self]!, columns.z[slot]! - columns.z[self]!),
        hidden: columns.kind[slot] === 2,
      },
    ]),
  );
}

test('what a client has equals what is around it, for 1,000 ticks of walking over cell borders', (t) => {
  const world = new Headless(walkers(800));
  const sessions = [world.join('ann'), world.join('bob')];
  const views = new Map(sessions.map((session) => [session as number, new ViewModel()]));
  let sequence = 0;
  for (let tick = 0; tick < 1000; tick++) {
    if (tick % 50 === 0) {
      sequence++;
      sessions.forEach((session, index) => world.input(session, sequence, { vx: 30 - index * 44, vz: (tick % 7) - 3 }));
    }
    world.tick();
    for (const { session, snapshot } of world.snapshots()) {
      const view = views.get(session)!;
      view.apply(snapshot);
      const self = world.slotOf(session as never);
      const around = distances(world, self);
      const ids = view.ids();
      for (const [id, { distance, hidden }] of around) {
        if (hidden) t.false(ids.has(id), 'hidden kinds are never in view');
        else if (distance <= RADIUS) t.true(ids.has(id), `entity at ${distance} m is in view`);
        else if (distance > RADIUS + HYSTERESIS) t.false(ids.has(id), `entity at ${distance} m is not in view`);
      }
      for (const { id, xCm, zCm, components } of view.byAlias.values()) {
        const slot = world.store.idMap.get(id);
        const { distance } = around.get(id)!;
        t.is(components.has(1), slot === self, 'the bag is for its owner');
        t.false(components.has(2), 'the mind is for nobody');
        const colour = (world.store.columns.components[0]!.byName['colour'] as Uint8Array)[slot]!;
        // Beyond half the radius there may be three snapshots between a change and its turn.
        const isLate = distance > RADIUS / 2 && world.store.control.tick % 10 < 3;
        if (!isLate || components.get(0)!['colour'] !== ((colour - 1) & 0xff))
          t.is(components.get(0)!['colour'], colour);
        if (slot === self) continue;
        const x = world.store.columns.x[slot]! * 100;
        const z = world.store.columns.z[slot]! * 100;
        t.true(
          Math.hypot(xCm - x, zCm - z) <= toleranceCm(distance) + 1,
          `at ${distance} m: ${xCm - x}, ${zCm - z} cm off`,
        );
      }
    }
  }
});

/** How far the picture of somebody may be off. */
function toleranceCm(distance: number): number {
  const tolerance = Math.max(1, distance * 100 * TOLERANCE);
  return distance > RADIUS / 2 ? tolerance * GROSS_ERROR : tolerance;
}

test('in steady movement nobody flickers: each walker enters at most once and leaves at most once', (t) => {
  const world = new Headless(walkers(400));
  const session = world.join();
  const view = new ViewModel();
  const entered = new Map<number, number>();
  for (let tick = 0; tick < 400; tick++) {
    world.tick();
    for (const { snapshot } of world.snapshots()) {
      for (const { id } of snapshot.enters) entered.set(id, (entered.get(id) ?? 0) + 1);
      view.apply(snapshot);
    }
  }
  t.true(entered.size > 20);
  // Walkers keep their course but for the world's edge, which lies outside the view of a player at rest in the middle.
  t.is(world.slotOf(session) >= 0, true);
  for (const [id, times] of entered) t.true(times <= 2, `entity ${id} entered ${times} times`);
  t.true([...entered.values()].filter((times) => times > 1).length <= entered.size / 20);
});

test('exactly at the radius is in view; the next centimetre is not; the rim is left later than it is entered', (t) => {
  const world = new Headless(walkers(0));
  const session = world.join('ann');
  const other = world.join('bob');
  world.tick();
  const { columns } = world.store;
  const view = new ViewModel();
  const place = (metres: number): boolean => {
    columns.x[world.slotOf(other)] = metres;
    world.tick();
    for (const { session: to, snapshot } of world.snapshots()) if (to === (session as number)) view.apply(snapshot);
    return view.ids().has(columns.id[world.slotOf(other)]!);
  };
  t.false(place(200));
  t.false(place(128.01));
  t.true(place(128));
  t.true(place(131.99), 'still in view within the hysteresis');
  t.true(place(132));
  t.false(place(132.01));
  t.false(place(130));
  t.true(place(-128), 'on the other side of a cell border');
});

test('in a crowd the nearest are in view, at most viewEntitiesMax, and never the own entity lost', (t) => {
  const world = new Headless(walkers(7000), { phases: { viewEntitiesMax: 50 } });
  const session = world.join();
  const view = new ViewModel();
  for (let tick = 0; tick < 30; tick++) {
    world.tick();
    for (const { snapshot } of world.snapshots()) view.apply(snapshot);
    t.true(view.byAlias.size <= 50);
    t.true(view.ids().has(world.store.columns.id[world.slotOf(session)]!));
  }
  t.is(view.byAlias.size, 50);
  const byDistance = [...distances(world, world.slotOf(session))]
    .filter(([, { hidden }]) => !hidden)
    .sort(([, a], [, b]) => a.distance - b.distance);
  const nearest = byDistance.slice(0, 30).map(([id]) => id);
  for (const id of nearest) t.true(view.ids().has(id));
});

test('a reset view begins with a keyframe; a client with a backlog gets nothing until it is gone', (t) => {
  const world = new Headless(walkers(200));
  const session = world.join();
  const view = new ViewModel();
  world.tick(3);
  for (const { snapshot } of world.snapshots()) view.apply(snapshot);
  const before = view.ids();
  world.store.sessions.setBacklogBytes(session, 100_000);
  world.tick(5);
  t.is(world.snapshots().length, 0);
  t.is(world.store.sessions.skipped(session), 5);
  world.store.sessions.setBacklogBytes(session, 0);
  world.store.sessions.requestViewReset(session);
  world.tick();
  const [first] = world.snapshots();
  t.true(first!.snapshot.keyframe);
  const fresh = new ViewModel();
  fresh.apply(first!.snapshot);
  t.true([...before].filter((id) => fresh.ids().has(id)).length > before.size / 2);
});
