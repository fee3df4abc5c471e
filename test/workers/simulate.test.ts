import test from 'ava';
import * as fc from 'fast-check';
import { component, defineWorld, entity, f32, list, u32 } from '../../src/index.ts';
import type { System } from '../../src/index.ts';
import { SystemError } from '../../src/base/errors.ts';
import { INPUT_WINDOW } from '../../src/wire/messages.ts';
import { Headless } from '../fixtures/headless.ts';
import type { HeadlessOptions } from '../fixtures/headless.ts';

/** A small world whose one system the test provides. */
function worldWith(system: Omit<System<any, any, any, any>, 'run'> & { run(cell: any): void }, start = 12) {
  return defineWorld({
    name: 'small',
    version: 1,
    size: 1024,
    components: {
      count: component({ hits: u32(), last: entity() }, { shared: true }),
      bag: { items: list({ item: u32(), amount: u32() }, { max: 200 }) },
    },
    kinds: {
      thing: { components: ['count', 'bag'], speedMax: 10, sheddable: true },
      player: { components: ['count'], speedMax: 5 },
    },
    input: {
      fields: { vx: f32(), vz: f32() },
      apply(self, input) {
        self.vx = input.vx;
        self.vz = input.vz;
        self.count.hits += 1;
      },
    },
    events: { hit: { by: entity(), amount: u32() } },
    systems: { only: system as never },
    on: {
      hit(self, event) {
        self.count.hits += event.amount;
        self.count.last = event.by;
      },
    },
    start(cell) {
      for (let index = 0; index < start; index++)
        cell.spawn('thing', { x: cell.minX + index * 20 + 5, z: cell.minZ + 5 });
    },
    join: () => ({ kind: 'player', x: 0, z: 0 }),
  });
}

function headless(system: Parameters<typeof worldWith>[0], options: HeadlessOptions & { start?: number } = {}) {
  return new Headless(worldWith(system, options.start), options);
}

const hitsOf = (world: Headless) => world.store.columns.components[0]!.byName['hits'] as Uint32Array;

test('inputs act in order, each once, and the last one applied is acknowledged', (t) => {
  const world = headless({ run() {} });
  const session = world.join();
  world.tick();
  const slot = world.slotOf(session);
  world.input(session, 1, { vx: 1, vz: 0 });
  world.input(session, 2, { vx: 2, vz: 3 });
  world.tick();
  t.is(hitsOf(world)[slot], 2);
  t.is(world.store.columns.vx[slot], 2);
  t.is(world.store.sessions.inputSequence(session), 2);
  world.input(session, 2, { vx: 9, vz: 0 });
  world.tick();
  t.is(hitsOf(world)[slot], 2, 'what was applied before is not applied again');
  t.is(world.store.columns.vx[slot], 2, 'the velocity holds until the next input');
});

test('more inputs than act in one tick wait for the next', (t) => {
  const world = headless({ run() {} });
  const session = world.join();
  world.tick();
  for (let sequence = 1; sequence <= 19; sequence++) world.input(session, sequence, { vx: sequence / 10, vz: 0 });
  const acted = [1, 2, 3, 4].map(() => {
    world.tick();
    return world.store.sessions.inputSequence(session);
  });
  t.deepEqual(acted, [8, 16, 19, 19]);
  t.is(hitsOf(world)[world.slotOf(session)], 19);
  t.is(world.store.stats.counter('inputsDropped'), 0);
});

test('an input that is missing is waited for while its client has it, and given up when it has not', (t) => {
  const world = headless({ run() {} });
  const session = world.join();
  world.tick();
  const acted = (sequence: number, back: number): number => {
    world.input(session, sequence, { vx: sequence / 10, vz: 0 }, back);
    world.tick();
    return world.store.sessions.inputSequence(session);
  };
  t.is(acted(2, 1), 0, 'the first is missing');
  t.is(acted(3, 2), 0);
  t.is(acted(1, 0), 3, 'it came, and the others after it');
  t.is(acted(3, 2), 3, 'a repeat');
  t.is(acted(6, 2), 3);
  t.is(acted(7, 1), 7, 'the client has neither 4 nor 5 any more');
  t.is(world.store.stats.counter('inputsDropped'), 2);
  t.is(hitsOf(world)[world.slotOf(session)], 5);
  t.is(acted(200, 63), 7);
  t.is(acted(137, 0), 137, 'far ahead, behind a gap that is given up');
  t.is(acted(200, 0), 200);
});

test('whatever is lost, repeated and out of order: each input that its client keeps sending acts once, in order', (t) => {
  const script = fc.array(fc.tuple(fc.nat(9), fc.constantFrom('lost', 'sent', 'twice', 'tick')), { minLength: 40 });
  fc.assert(
    fc.property(script, (steps) => {
      const world = headless({ run() {} });
      const session = world.join();
      world.tick();
      let last = 0;
      const send = (sequence: number): void => {
        const oldest = Math.max(world.store.sessions.inputSequence(session) + 1, last - INPUT_WINDOW + 1);
        world.input(session, sequence, { vx: sequence / 1000, vz: 0 }, sequence - Math.min(sequence, oldest));
      };
      for (const [ago, fate] of steps) {
        if (fate === 'tick') world.tick();
        else last++;
        if (fate === 'sent' || fate === 'twice') send(last);
        if (fate === 'twice') send(Math.max(1, last - ago));
      }
      // The client misses acknowledgements, and says what it has again.
      const { sessions } = world.store;
      for (let sequence = sessions.inputSequence(session) + 1; sequence <= last; sequence++) send(sequence);
      for (let tick = 0; tick <= INPUT_WINDOW / 8; tick++) world.tick();
      t.is(sessions.inputSequence(session), last);
      t.is(hitsOf(world)[world.slotOf(session)]! + world.store.stats.counter('inputsDropped'), last);
      if (last <= INPUT_WINDOW) t.is(hitsOf(world)[world.slotOf(session)], last);
    }),
    { numRuns: 30 },
  );
});

test('an impossible speed is clamped to the speed limit of the kind and counted', (t) => {
  const world = headless({ run() {} });
  const session = world.join();
  world.tick();
  world.input(session, 1, { vx: 300, vz: 400 });
  world.tick();
  const { vx, vz } = world.store.columns;
  const slot = world.slotOf(session);
  t.deepEqual([vx[slot], vz[slot]], [3, 4]);
  t.is(world.store.stats.counter('speedsClamped'), 1);
  world.input(session, 2, { vx: 3, vz: 4 });
  world.tick();
  t.is(world.store.stats.counter('speedsClamped'), 1, 'the limit itself is allowed');
});

test('events reach their target once, in the next tick, wherever it is, and are lost with it', (t) => {
  let target = 0;
  const world = headless({
    kinds: ['thing'],
    run(cell) {
      if (cell.tick !== 2 || cell.index !== 0) return;
      cell.emit(target, 'hit', { by: cell.idOf(cell.slots[cell.first]), amount: 5 });
      cell.emit(123_456, 'hit', { by: 0, amount: 1 });
    },
  });
  const far = 12 * 15 + 3;
  target = world.store.columns.id[far]!;
  t.is(world.store.columns.cell[far], 15);
  world.tick(2);
  t.is(hitsOf(world)[far], 0);
  world.tick();
  t.is(hitsOf(world)[far], 5);
  world.tick();
  t.is(hitsOf(world)[far], 5);
  t.is(world.store.stats.counter('eventsDelivered'), 1);
  t.is(world.store.stats.counter('eventsLost'), 1);
});

test('systems find neighbours across cell borders and read their shared columns as of the start of the tick', (t) => {
  const seen: { count: number; hits: number[] }[] = [];
  const world = headless({
    kinds: ['thing'],
    near: 30,
    run(cell) {
      for (let index = cell.first; index < cell.end; index++) cell.columns.count.hits[cell.slots[index]]++;
      if (cell.index !== 5) return;
      const count = cell.near(cell.minX, cell.minZ + 5, 30);
      const hits = Array.from(cell.found.subarray(0, count), (slot: number) => cell.seen.count.hits[slot]);
      seen.push({ count, hits });
    },
  });
  world.tick(3);
  // Of the cell itself at 5 and 25 m; of the one before it at 225 m of 256, so 31 m away: no; at 245 would be none.
  t.deepEqual(
    seen.map(({ count }) => count),
    [2, 2, 2],
  );
  t.deepEqual(
    seen.map(({ hits }) => hits),
    [
      [0, 0],
      [1, 1],
      [2, 2],
    ],
  );
  t.throws(
    () => {
      const wide = headless({ kinds: ['thing'], near: 5, run: (cell) => cell.near(0, 0, 6) });
      wide.tick();
      throw wide.failures[0]!;
    },
    { instanceOf: SystemError, message: /near\(6\).*near: 5/ },
  );
});

test('world code that throws names system, cell and entity', (t) => {
  const world = headless({
    kinds: ['thing'],
    run(cell) {
      for (let index = cell.first; index < cell.end; index++) {
        if (cell.slots[index] === 40) throw new TypeError('no such sword');
      }
    },
  });
  world.tick(5);
  t.is(world.store.control.tick, 1, 'the world stopped after the tick that failed');
  const [failure] = world.failures;
  t.is(failure?.code, 'ERR_SYSTEM_THREW');
  t.like(failure, { system: 'only', cell: 3, entity: world.store.columns.id[40]! });
  t.regex(failure!.message, /system "only" in cell 3, entity \d+: no such sword/);
});

test('in development mode the cell is paused and the rest of the world goes on', (t) => {
  const world = headless(
    {
      kinds: ['thing'],
      run(cell) {
        cell.columns.count.hits[cell.slots[cell.first]]++;
        if (cell.index === 3) throw new Error('broken');
      },
    },
    { phases: { pauseOnFailure: true } },
  );
  world.tick(5);
  t.is(world.store.control.tick, 5);
  t.is(world.failures.length, 1);
  t.is(world.store.pausedCells[3], 1);
  t.is(hitsOf(world)[0], 5);
});

test('running out of slots, heap or commands is a typed error that names the setting, and the world goes on', (t) => {
  const crowded = headless(
    { run: (cell) => cell.spawn('thing', { x: cell.minX, z: cell.minZ }) },
    { store: { entitiesMax: 200 } },
  );
  crowded.tick(3);
  t.is(crowded.store.entityCount, 200);
  t.like(crowded.capacityErrors[0], { code: 'ERR_CAPACITY_ENTITIES', setting: 'entitiesMax' });
  t.true(crowded.store.stats.counter('spawnsRefused') > 0);

  const items = Array.from({ length: 200 }, (_, item) => ({ item, amount: 1 }));
  const hoarders = headless(
    { kinds: ['thing'], run: (cell) => cell.columns.bag.items.set(cell.slots[cell.first], items) },
    { store: { heapBytes: 8192 } },
  );
  hoarders.tick(3);
  t.is(hoarders.store.control.tick, 3);
  t.like(hoarders.capacityErrors[0], { code: 'ERR_CAPACITY_HEAP', setting: 'heapBytes' });

  const chatty = headless(
    {
      run: (cell) => {
        for (let n = 0; n < 2000; n++) cell.spawn('thing', { x: 0, z: 0 });
      },
    },
    { store: { commandBytes: 16_384 }, start: 0 },
  );
  chatty.tick(2);
  t.is(chatty.store.control.tick, 2);
  t.like(chatty.capacityErrors[0], { code: 'ERR_CAPACITY_COMMANDS', setting: 'commandBytes' });
  t.is(chatty.failures.length, 0);
});

test('a client that leaves takes its entity along; a row given to somebody else ignores frames of the one before', (t) => {
  const world = headless({ run() {} }, { start: 0 });
  const first = world.join('ann');
  world.tick();
  t.is(world.store.entityCount, 1);
  world.leave(first);
  t.is(world.store.sessions.open(), 1 as never, 'a row is not free before its entity has left');
  world.tick();
  t.is(world.store.entityCount, 0);
  t.is(world.store.sessions.slotPlusOne(first), 0);
});

test('a join that the world cannot take is refused with a reason', (t) => {
  const world = headless({ run() {} }, { start: 1, store: { entitiesMax: 16 } });
  const session = world.join();
  world.tick();
  t.is(world.store.sessions.refusal(session), 'entities');
  t.is(world.slotOf(session), -1);
  t.is(world.refusals.length, 1);
});

test('despawned entities leave nothing behind: slots are used again, old ids are not found', (t) => {
  const world = headless({
    kinds: ['thing'],
    run(cell) {
      const slot = cell.slots[cell.first];
      cell.despawn(slot);
      cell.despawn(slot);
      cell.spawn('thing', { x: cell.x[slot], z: cell.z[slot], bag: { items: [{ item: 1, amount: 2 }] } });
    },
  });
  const oldId = world.store.columns.id[0]!;
  world.tick(100);
  t.is(world.store.entityCount, 192);
  t.true(world.store.slotsHigh <= 192 + 16);
  t.is(world.store.idMap.get(oldId), -1);
  t.true(world.store.heap.usedBytes <= 192 * 32);
});

test('under overload sheddable kinds are not spawned', (t) => {
  const shedding: boolean[] = [];
  const world = headless({
    run(cell) {
      if (cell.index > 0) return;
      shedding.push(cell.shedding);
      cell.spawn('thing', { x: 0, z: 0 });
      cell.spawn('player', { x: 0, z: 0 });
    },
  });
  world.tick();
  t.is(world.store.entityCount, 194);
  world.store.control.setShedLevel(3);
  world.tick();
  t.is(world.store.entityCount, 195);
  t.deepEqual(shedding, [false, true]);
});

test('a system that wants to see further than half a cell is refused with its name and the limit', (t) => {
  t.throws(() => headless({ kinds: ['thing'], near: 129, run() {} }), {
    code: 'ERR_MODULE_VALUE',
    message: /^systems\.only\.near: 129 m is more than half a cell \(128 m\)/,
  });
});
