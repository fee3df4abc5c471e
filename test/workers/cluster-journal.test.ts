/** What a conductor tells the journal, and what comes back from it: events, checkpoints, durable changes, players at rest. */
import test from 'ava';
import type { SessionIndex } from '../../src/base/brand.ts';
import { monotonicMs } from '../../src/base/monotonic.ts';
import { Random } from '../../src/base/random.ts';
import { defineWorld, u32 } from '../../src/index.ts';
import { writeActivate, writePopulate } from '../../src/memory/arrivals.ts';
import { writeLeave } from '../../src/memory/intake.ts';
import { SchemaRegistry, decodeRecord } from '../../src/memory/record.ts';
import { CLUSTER_PHASE_DEFAULTS } from '../../src/workers/cluster.ts';
import { Headless } from '../fixtures/headless.ts';
import { ledgerOf, makeTwins, step } from '../fixtures/twins.ts';
import type { Twin } from '../fixtures/twins.ts';
import { CELLS_WIDE, borderWorld, halves } from './border-world.ts';

const PARAMS = { counts: 0, startX: -20, startZ: 5, startVx: 0, startVz: 0 };

function start(params: Partial<typeof PARAMS> = {}, store = {}): [west: Twin, east: Twin] {
  const cluster = { ...CLUSTER_PHASE_DEFAULTS, dwellMs: 50, dwellMsMax: 100 };
  const options = { phases: { params: { ...PARAMS, ...params }, cluster }, store };
  const twins = makeTwins(borderWorld, { ownerOf: halves, options });
  step(twins, 2);
  return twins as [Twin, Twin];
}

const state = (twin: Twin, name: string) => twin.store.columns.components[0]!.byName[name] as unknown as Uint32Array;
const eventIndex = (name: string) => borderWorld.schema.events.findIndex((event) => event.name === name);
const amount = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);

test('an event across the border acts once, also when it is repeated, and travels in the marks', (t) => {
  const [west, east] = start();
  const twins = [west, east];
  const hitter = west.join(1);
  const target = east.join(2, { name: 'east' });
  step(twins, 3);
  const id = east.store.columns.id[east.headless.slotOf(target)]!;
  (west.store.columns.components[0]!.byName['friend'] as unknown as Float64Array)[west.headless.slotOf(hitter)] = id;
  step(twins);
  t.deepEqual(
    west.emits.map(({ entity, event, hint }) => [entity, event, hint]),
    [[id, eventIndex('hit'), 2]],
  );
  const [message] = west.takeMessages();
  east.checkpoints.length = 0;
  for (let repeat = 0; repeat < 3; repeat++) east.event(message!);
  step(twins);
  t.is(state(east, 'hits')[east.headless.slotOf(target)], 1);
  t.is(east.store.stats.counter('eventsRepeated'), 2);
  const checkpoint = east.checkpoints.find((candidate) => candidate.id === id)!;
  t.deepEqual([...checkpoint.passenger.marks], [{ sender: ledgerOf(1), number: 1 }]);
  const decoded = decodeRecord(checkpoint.record, new SchemaRegistry(borderWorld.schema));
  t.is(new DataView(decoded.row.buffer, decoded.row.byteOffset).getUint32(16, true), 1, 'the hit is in the record');
  // It walks over: a repeat does nothing there, either.
  east.store.columns.vx[east.headless.slotOf(target)] = -100;
  step(twins, 12);
  west.event(message!);
  step(twins);
  const slot = west.store.idMap.get(id);
  t.is(west.store.columns.ghostOf[slot], 0);
  t.is(state(west, 'hits')[slot], 1);
  east.event(message!);
  step(twins);
  t.is(state(west, 'hits')[slot], 1);
});

test('events to many entities, repeated and mixed by the carrier, with crossings meanwhile: each acts once', (t) => {
  const [west, east] = start();
  const twins = [west, east];
  for (let player = 1; player <= 20; player++) west.join(player);
  step(twins);
  const ids = west.owned().map((slot) => west.store.columns.id[slot]!);
  const random = new Random(3);
  const next = new Map<number, number>();
  const waiting: { issuer: string; number: number; entity: number }[] = [];
  let sent = 0;
  for (let tick = 0; tick < 400; tick++) {
    for (const twin of twins) {
      for (const slot of twin.owned()) {
        const { x, vx } = twin.store.columns;
        if (random.below(8) === 0) vx[slot] = x[slot]! > 0 ? -150 : 150;
      }
    }
    if (tick < 300) {
      const entity = ids[random.below(ids.length)]!;
      waiting.push({ issuer: ledgerOf(7), number: ++sent, entity });
    }
    // In order for each entity, as the core sends them; again and again, and to whoever, until one tick saw them through.
    const first = new Map<number, (typeof waiting)[number]>();
    for (const message of waiting) if (!first.has(message.entity)) first.set(message.entity, message);
    for (const message of [...first.values()].reverse()) {
      const event = { ...message, event: eventIndex('hit'), payload: amount(1) };
      for (const twin of twins) if (random.below(3) > 0) twin.event(event);
    }
    step(twins);
    for (const twin of twins) {
      for (const { id, passenger } of twin.checkpoints.splice(0)) {
        const mark = passenger.marks.find(({ sender }) => sender === ledgerOf(7))?.number ?? 0;
        next.set(id, Math.max(mark, next.get(id) ?? 0));
      }
    }
    for (let at = waiting.length - 1; at >= 0; at--) {
      const { entity, number } = waiting[at]!;
      if ((next.get(entity) ?? 0) >= number) waiting.splice(at, 1);
    }
  }
  t.deepEqual(waiting, []);
  for (const twin of twins) twin.store.columns.vx.fill(0);
  step(twins, 5);
  let hits = 0;
  for (const twin of twins) for (const slot of twin.owned()) hits += state(twin, 'hits')[slot]!;
  t.is(hits, 300);
  t.true(west.store.stats.counter('entitiesReleased') > 50);
});

test('births at once, then everybody in turn within checkpointMs, and nobody who did not change', (t) => {
  const [west, east] = start();
  const twins = [west, east];
  const session = west.join(5, { account: 'ann' });
  step(twins);
  const id = west.store.columns.id[west.headless.slotOf(session)]!;
  t.deepEqual(
    west.checkpoints.map((checkpoint) => [checkpoint.id, checkpoint.seq, checkpoint.atRest]),
    [[id, 1, false]],
  );
  t.deepEqual(west.checkpoints[0]!.passenger, { lastInput: 0, gateway: 1, session: 5, account: 'ann', marks: [] });
  west.checkpoints.length = 0;
  step(twins, 20);
  t.is(west.checkpoints.length, 1, 'a system counts its steps, once in a second');
  writePopulate(west.store.arrivals, { cells: Uint32Array.of(0, 1) });
  step(twins);
  t.deepEqual(west.populatedCells, [0, 1]);
  west.checkpoints.length = 0;
  step(twins, 60);
  t.deepEqual([...new Set(west.checkpoints.map((checkpoint) => checkpoint.id))], [id], 'stones do not change');
});

test('a player with an account rests in the journal; another is despawned', (t) => {
  const [west, east] = start();
  const twins = [west, east];
  const resting = west.join(1, { account: 'ann' });
  const guest = west.join(2);
  step(twins, 2);
  const [restingId, guestId] = [resting, guest].map((row) => west.store.columns.id[west.headless.slotOf(row)]!);
  west.checkpoints.length = 0;
  for (const session of [resting, guest]) {
    writeLeave(west.store.inputRing, { session, generation: west.store.sessions.generation(session) });
    west.store.sessions.setState(session, 0);
  }
  step(twins);
  t.deepEqual(
    west.checkpoints.map(({ id, atRest, passenger }) => [id, atRest, passenger.session, passenger.account]),
    [[restingId, true, 0, 'ann']],
  );
  t.deepEqual(west.despawns, [guestId]);
  t.is(west.owned().length, 0);
  t.is(west.store.sessions.open() as number, 0, 'the rows are free');
  const { record, seq, passenger } = west.checkpoints[0]!;
  const row = { id: restingId!, seq, record, passenger, atRest: true };
  writeActivate(west.store.arrivals, { cause: 'recovery', row, targetCell: 0, pendingInputs: [] });
  step(twins);
  t.is(west.owned().length, 0, 'who rests stays out of the store');
});

test('the end of a session finds its player: at another node, on the way, without a row', (t) => {
  const [west, east] = start({ startVx: 200 });
  const twins = [west, east];
  for (const session of [1, 2, 3]) west.join(session, { account: `player ${session}` });
  west.carriesReleases = false;
  step(twins, 8);
  t.is(west.releases.length, 3);
  const generation = west.store.sessions.generation(0 as SessionIndex);
  writeLeave(west.store.inputRing, { session: 0, generation });
  step(twins);
  t.deepEqual(west.leaves, [1], 'the player is elsewhere: the shell sends it after it');
  while (east.store.sessions.open({ sessionId: 9 }) >= 0);
  for (const release of west.releases) west.deliver(release);
  step(twins);
  t.is(east.sessionsBound.length, 3);
  t.true(
    east.sessionsBound.every(({ row }) => row === 0xffff_ffff),
    'no row was left',
  );
  // A row becomes free, and the next input binds its player.
  east.store.sessions.setState(5 as SessionIndex, 0);
  east.input(1, { session: 2, payload: new Uint8Array(8) });
  step(twins);
  t.is(east.store.sessions.findBySessionId(2), 5 as SessionIndex);
  t.is(east.store.sessions.inputSequence(5 as SessionIndex), 1);
  t.is(east.sessionsBound.length, 4);
  for (const session of [1, 2, 3]) east.endSession(session);
  step(twins, 2);
  t.is(east.owned().length, 0);
  t.is(east.checkpoints.filter(({ atRest }) => atRest).length, 3);
});

test('durable: the event comes when the change is on disk, also where the entity is then', (t) => {
  const [west, east] = start();
  const twins = [west, east];
  const session = west.join(1);
  step(twins, 2);
  const slot = west.headless.slotOf(session);
  const id = west.store.columns.id[slot]!;
  west.event({ issuer: ledgerOf(9), number: 1, entity: id, event: eventIndex('save'), payload: amount(5) });
  step(twins);
  t.is(state(west, 'saved')[slot], 5);
  t.is(west.durables.length, 1);
  t.is(west.durables[0]!.id, id);
  step(twins, 5);
  t.is(state(west, 'saved')[slot], 5, 'not on disk yet');
  west.confirmDurables();
  step(twins);
  t.is(state(west, 'saved')[slot], 10);
  west.confirmDurables();
  step(twins, 2);
  t.is(state(west, 'saved')[slot], 10);
});

test('without a journal the event of durable comes in the next tick', (t) => {
  const world = defineWorld({
    name: 'saver',
    version: 1,
    size: 512,
    components: { state: { saved: u32() } },
    kinds: { thing: { components: ['state'] } },
    events: { saved: { amount: u32() } },
    systems: {
      save: {
        kinds: ['thing'],
        run(cell) {
          for (let at = cell.first; at < cell.end; at++) {
            if (cell.tick === 3) cell.durable(cell.slots[at]!, 'saved', { amount: 7 });
            if (cell.tick === 4) cell.durable(cell.slots[at]!);
          }
        },
      },
    },
    on: {
      saved(self, event, cell) {
        self.state.saved += event.amount * cell.tick;
      },
    },
    join: () => ({ kind: 'thing', x: 0, z: 0 }),
  });
  const headless = new Headless(world);
  const session = headless.join();
  headless.tick(10);
  const { saved } = headless.store.columns.components[0]!.byName as unknown as { saved: Uint32Array };
  t.is(saved[headless.slotOf(session)], 28);
  t.is(headless.failures.length, 0);
});

test('systems without kinds run in own cells only, those with kinds also over who overhangs', (t) => {
  const [west] = start({ counts: 1, startX: 10 });
  west.store.peerTable.addCredits(2, -(2 ** 30));
  const session = west.join(1);
  const before = west.owned().length;
  west.tick(1);
  t.is(west.owned().length - before, 1 + (CELLS_WIDE * CELLS_WIDE) / 2, 'a stone in each own cell, and the player');
  west.tick(3);
  t.is(state(west, 'steps')[west.headless.slotOf(session)], 4);
});

test('a ghost cannot be changed: despawn and announce say so', (t) => {
  const messages: string[] = [];
  const world = defineWorld({
    name: 'meddler',
    version: 1,
    size: 512,
    components: {},
    kinds: { thing: { components: [] } },
    events: { hello: { n: u32() } },
    systems: {
      meddle: {
        kinds: ['thing'],
        near: 100,
        run(cell) {
          const count = cell.near(cell.x[cell.slots[cell.first]!]!, 0, 100);
          for (let at = 0; at < count; at++) {
            const slot = cell.found[at]!;
            if (cell.slotOf(cell.idOf(slot)) !== slot || slot === cell.slots[cell.first]) continue;
            for (const meddle of [() => cell.despawn(slot), () => cell.announce(slot, 'hello', { n: 1 })]) {
              try {
                meddle();
              } catch (error) {
                messages.push(String(error));
              }
            }
          }
        },
      },
    },
    join: ({ name }) => ({ kind: 'thing', x: name === 'east' ? 5 : -5, z: 1 }),
  });
  const ownerOf = (cell: number) => 1 + (cell % 2);
  const twins = makeTwins(world, { ownerOf });
  twins[0]!.join(1, { name: 'west' });
  twins[1]!.join(2, { name: 'east' });
  step(twins, 2);
  // The ghost overhangs here: it stands in the cell of the system.
  for (const slot of twins[1]!.owned()) twins[1]!.store.columns.x[slot] = -1;
  step(twins, 4);
  t.true(messages.length > 0);
  t.true(
    messages.every((message) => /ghost|not an entity of cell/.test(message)),
    messages[0],
  );
  t.deepEqual(
    twins.map((twin) => [twin.owned().length, twin.headless.failures.length]),
    [
      [1, 0],
      [1, 0],
    ],
  );
});

test('no tick starts after the lease has ended, and ticks go on with a new one', (t) => {
  const [west] = start();
  const { control } = west.store;
  const { tick } = control;
  control.setLeaseUntilMs(monotonicMs() - 1);
  west.tick(3);
  t.is(control.tick, tick);
  control.setLeaseUntilMs(monotonicMs() + 60_000);
  west.tick(3);
  t.is(control.tick, tick + 3);
  control.setLeaseUntilMs(Infinity);
  west.tick();
  t.is(control.tick, tick + 4);
});

test('nodes count ticks from where the cluster is', (t) => {
  const headless = new Headless(borderWorld, { lastTick: 70_000 });
  headless.tick();
  t.is(headless.store.control.tick, 70_001);
  t.is(headless.slots().length, CELLS_WIDE * CELLS_WIDE);
});
