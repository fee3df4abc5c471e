/** Snapshots that have not room for all, and a view that goes on from a tick that the client still knows. */
import test from 'ava';
import * as fc from 'fast-check';
import { component, defineWorld, f32, text, u16 } from '../../src/index.ts';
import { OVERDUE_SNAPSHOTS } from '../../src/workers/view-priority.core.ts';
import { Headless } from '../fixtures/headless.ts';
import { ViewModel } from '../fixtures/view-model.ts';

/** Dancers turn in every tick, so that there is always something to tell of everybody. */
function dancers(count: number) {
  return defineWorld({
    name: 'dancers',
    version: 1,
    size: 512,
    components: {
      mood: { joy: u16(), fear: u16(), name: text(20) },
      purse: component({ coins: u16() }, { visible: 'owner' }),
    },
    kinds: { player: { components: ['mood', 'purse'] }, dancer: { components: ['mood'] } },
    input: { fields: { vx: f32() }, apply: (self, input) => void (self.vx = input.vx) },
    events: { clap: { loudness: u16() } },
    systems: {
      dance: {
        kinds: ['dancer'],
        run(cell) {
          for (let index = cell.first; index < cell.end; index++) {
            const slot = cell.slots[index]!;
            const angle = cell.random() * 2 * Math.PI;
            cell.vx[slot] = Math.cos(angle) * 10;
            cell.vz[slot] = Math.sin(angle) * 10;
            cell.columns.mood.joy[slot]!++;
          }
        },
      },
    },
    start(cell) {
      if (cell.minX !== 0 || cell.minZ !== 0) return;
      for (let index = 0; index < count; index++) {
        cell.spawn('dancer', {
          x: 5 + cell.random() * 100,
          z: 5 + cell.random() * 100,
          mood: { name: `dancer ${index}` },
        });
      }
    },
    join: ({ name }) => ({ kind: 'player', x: 1, z: 1, mood: { name } }),
  });
}

test('under any budget, everybody in view who has changed is told of within the bound', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1024, max: 40_000 }),
      fc.integer({ min: 1, max: 200 }),
      (snapshotBytesPerSecond, count) => {
        const world = new Headless(dancers(count), { phases: { snapshotBytesPerSecond, aoiRadius: 200 } });
        world.join();
        const toldAt = new Map<number, number>();
        const view = new ViewModel();
        let longest = 0;
        for (let tick = 1; tick <= 400; tick++) {
          world.tick();
          for (const { snapshot } of world.snapshots()) {
            view.apply(snapshot);
            const told = [...snapshot.turns, ...snapshot.jumps, ...snapshot.changes, ...snapshot.enters];
            for (const { alias } of told) toldAt.set(alias, tick);
            t.true(told.length > 0, 'there is always progress');
          }
          for (const [alias, at] of toldAt) if (alias !== view.selfAlias) longest = Math.max(longest, tick - at);
        }
        t.is(view.byAlias.size, count + 1);
        // At least one is told of in each snapshot. Those far off take turns of four besides.
        return longest <= OVERDUE_SNAPSHOTS + count + 4;
      },
    ),
    { numRuns: 12 },
  );
  t.pass();
});

test('a client is sent its budget, but for what was sent in advance', (t) => {
  for (const snapshotBytesPerSecond of [2048, 4096, 8192]) {
    const world = new Headless(dancers(200), { phases: { snapshotBytesPerSecond } });
    world.join();
    world.tick(40);
    world.snapshots();
    const before = world.store.stats.counter('snapshotBytes');
    world.tick(200);
    const perSecond = (world.store.stats.counter('snapshotBytes') - before) / 10;
    t.true(Math.abs(perSecond - snapshotBytesPerSecond) < snapshotBytesPerSecond * 0.1, `${perSecond} bytes a second`);
  }
});

test('a client that asks for keyframes again and again gets no more by it', (t) => {
  const snapshotBytesPerSecond = 4096;
  const world = new Headless(dancers(200), { phases: { snapshotBytesPerSecond } });
  const session = world.join();
  world.tick(40);
  const before = world.store.stats.counter('snapshotBytes');
  for (let tick = 0; tick < 200; tick++) {
    world.store.sessions.requestViewReset(session);
    world.tick();
    world.snapshots();
  }
  t.true((world.store.stats.counter('snapshotBytes') - before) / 10 < snapshotBytesPerSecond * 1.5);
});

test('the nearest enter first, and the own entity before all', (t) => {
  const world = new Headless(dancers(200), { phases: { snapshotBytesPerSecond: 1024 } });
  const session = world.join();
  world.tick();
  const [first] = world.snapshots();
  const { enters, self } = first!.snapshot;
  const { columns } = world.store;
  t.is(enters[0]!.alias, self!.alias);
  t.is(Number(enters[0]!.id), columns.id[world.slotOf(session)]!);
  const distances = enters.map(({ xCm, zCm }) => Math.hypot(xCm - 100, zCm - 100));
  t.true(enters.length > 5 && enters.length < 100, `${enters.length} enters`);
  for (let index = 1; index < distances.length; index++) t.true(distances[index]! >= distances[index - 1]! - 2);
});

test('only the fields that changed are sent', (t) => {
  const world = new Headless(dancers(1));
  world.join();
  world.tick(2);
  world.snapshots();
  world.tick();
  const [last] = world.snapshots();
  t.deepEqual(
    last!.snapshot.changes.map(({ values }) => Object.keys(values)),
    [['joy']],
  );
});

test('a resync goes on from a tick that the client knows: the same view as of one that never was away', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 30 }), (lostTicks, pauseTicks) => {
      const world = new Headless(dancers(60), { phases: { snapshotBytesPerSecond: 65_536, aoiRadius: 60 } });
      const session = world.join();
      const view = new ViewModel();
      const receive = (isLost: boolean): void => {
        for (const { snapshot } of world.snapshots()) if (!isLost) view.apply(snapshot);
      };
      world.tick(20);
      receive(false);
      const lastKnownTick = world.store.control.tick;
      world.input(session, 1, { vx: 10 });
      for (let tick = 0; tick < lostTicks; tick++) world.tick();
      receive(true);
      world.store.sessions.setBacklogBytes(session, 1e9);
      world.tick(pauseTicks);
      world.store.sessions.setBacklogBytes(session, 0);
      world.store.sessions.requestResync(session, lastKnownTick);
      world.tick();
      const [first] = world.snapshots();
      t.true(first!.snapshot.resync);
      view.apply(first!.snapshot);
      world.tick(2);
      receive(false);
      const { sessions, columns } = world.store;
      const base = (session as number) * 255;
      for (let index = 0; index < 255; index++) {
        const slotPlusOne = sessions.views.slotPlusOne[base + index]!;
        const viewed = view.byAlias.get(index + 1);
        t.is(viewed?.id ?? 0, slotPlusOne === 0 ? 0 : columns.id[slotPlusOne - 1]!);
        if (viewed === undefined || slotPlusOne - 1 === world.slotOf(session)) continue;
        t.true(Math.abs(viewed.xCm - columns.x[slotPlusOne - 1]! * 100) <= 100);
        t.true(
          Math.abs(
            Number(viewed.components.get(0)!['joy']) -
              (columns.components[0]!.byName['joy'] as Uint16Array)[slotPlusOne - 1]!,
          ) <= 4,
        );
      }
    }),
    { numRuns: 15 },
  );
});

test('a resync to a tick that the row cannot know is a keyframe', (t) => {
  const world = new Headless(dancers(10));
  const session = world.join();
  world.tick(3);
  world.snapshots();
  world.store.sessions.requestResync(session, 99);
  world.tick();
  t.true(world.snapshots()[0]!.snapshot.keyframe);
});
