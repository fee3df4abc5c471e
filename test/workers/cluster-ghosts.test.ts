/** Ghosts: what each of two nodes sees of the other's entities. */
import test from 'ava';
import type { SessionIndex } from '../../src/base/brand.ts';
import { writeActivate, writeGhosts, writeSubscribe } from '../../src/memory/arrivals.ts';
import { GhostWriter } from '../../src/memory/ghost.wire.ts';
import { Random } from '../../src/base/random.ts';
import { PEER_STATE } from '../../src/memory/peer-table.ts';
import { RecordEncoder } from '../../src/memory/record.ts';
import { GHOST_KEPT_MS } from '../../src/workers/ghosts-in.ts';
import { ViewModel } from '../fixtures/view-model.ts';
import { makeTwins, setOwners, step, subscribe } from '../fixtures/twins.ts';
import type { Twin } from '../fixtures/twins.ts';
import { borderWorld, halves } from './border-world.ts';

const PARAMS = { counts: 0, startX: -20, startZ: 5, startVx: 0, startVz: 0 };

function start(params: Partial<typeof PARAMS> = {}, store = {}): [west: Twin, east: Twin] {
  const options = { phases: { params: { ...PARAMS, ...params } }, store };
  const twins = makeTwins(borderWorld, { ownerOf: halves, options });
  step(twins, 2);
  return twins as [Twin, Twin];
}

function joined(twin: Twin, twins: readonly Twin[], session: number): { id: number; slot: number } {
  const row = twin.join(session);
  step(twins);
  const slot = twin.headless.slotOf(row);
  return { id: twin.store.columns.id[slot]!, slot };
}

test('who comes within reach of the other land is a ghost there, follows, and goes out of sight', (t) => {
  const [west, east] = start({ startX: -300, startVx: 20 });
  const twins = [west, east];
  const { id, slot } = joined(west, twins, 1);
  let ghost = -1;
  let firstAt = 0;
  for (let tick = 0; tick < 200 && ghost < 0; tick++) {
    step(twins);
    ghost = east.store.idMap.get(id);
    firstAt = west.store.columns.x[slot]!;
  }
  // aoiRadius 128 + hysteresis 4 + overhang 32.
  t.true(Math.abs(firstAt + 164) <= 3, `${firstAt}`);
  t.is(east.store.columns.ghostOf[ghost], 1);
  for (let tick = 0; tick < 40; tick++) {
    west.store.columns.vz[slot] = tick % 10;
    step(twins);
    // A tick behind, and carried on by its velocity: less than a step away.
    t.true(Math.abs(east.store.columns.x[ghost]! - west.store.columns.x[slot]!) < 1.01);
    t.true(Math.abs(east.store.columns.z[ghost]! - west.store.columns.z[slot]!) < 0.51);
  }
  const steps = (twin: Twin, row: number) =>
    (twin.store.columns.components[0]!.byName['steps'] as unknown as Uint32Array)[row]!;
  t.true(steps(west, slot) - steps(east, ghost) <= 10, 'its components follow');
  west.store.columns.vx[slot] = -200;
  step(twins, 30);
  t.is(east.store.idMap.get(id), -1);
  t.is(east.store.ghostCount, 0);
});

test('a steady walker needs a word only now and then', (t) => {
  const [west, east] = start({ startX: -100 });
  const twins = [west, east];
  joined(west, twins, 1);
  const { store } = west;
  let bytes = 0;
  for (let tick = 0; tick < 100; tick++) {
    west.tick();
    east.tick();
    (store.columns.components[0]!.byName['steps'] as unknown as Uint32Array).fill(0);
    west.carry();
    east.carry();
    bytes += store.arrivals.fillBytes;
  }
  t.is(east.ghostSlots().length, 1);
  t.true(bytes < 100 * 200);
});

test('systems see ghosts and cannot change them; counts and systems are of owned entities only', (t) => {
  const [west, east] = start({ startX: -20 });
  const twins = [west, east];
  const { id } = joined(west, twins, 1);
  step(twins, 2);
  const ghost = east.store.idMap.get(id);
  t.true(ghost >= 0);
  const { lists, columns, grid } = east.store;
  const cell = columns.cell[ghost]!;
  t.is(lists.cellCountOf(cell), 0);
  t.is(lists.count[lists.ghostGroupOf(cell, 0)], 1);
  const before = (columns.components[0]!.byName['steps'] as unknown as Uint32Array)[ghost]!;
  east.store.arrivals.drain(() => {});
  east.tick();
  t.is((columns.components[0]!.byName['steps'] as unknown as Uint32Array)[ghost], before, 'no system ran over it');
  t.is(grid.cellAt(columns.x[ghost]!, columns.z[ghost]!), cell as never);
});

test('two players on two nodes 40 m apart see a third walk across without a gap or a double, 200 times', (t) => {
  const [west, east] = start();
  const twins = [west, east];
  const watchers = twins.map((twin, index) => ({
    twin,
    session: twin.join(11 + index, { name: index === 0 ? 'west' : 'east' }),
    view: new ViewModel(),
  }));
  const row = west.join(22);
  step(twins);
  const walker = west.store.columns.id[west.headless.slotOf(row)]!;
  step(twins, 12);
  for (const { twin, session } of watchers) twin.store.sessions.requestViewReset(session);
  const look = () => {
    step(twins);
    for (const { twin, session, view } of watchers)
      for (const seen of twin.headless.snapshots()) if (seen.session === session) view.apply(seen.snapshot);
  };
  for (const { twin } of watchers) twin.headless.snapshots();
  look();
  look();
  const aliases = watchers.map(({ view }) => aliasOf(view, walker));
  t.false(aliases.includes(0));
  let crossings = 0;
  let last = seqOf(twins, walker);
  for (let tick = 0; crossings < 200 && tick < 20_000; tick++) {
    drive(twins, walker, 14);
    look();
    t.deepEqual(
      watchers.map(({ view }) => aliasOf(view, walker)),
      aliases,
    );
    crossings += seqOf(twins, walker) - last;
    last = seqOf(twins, walker);
  }
  t.is(crossings, 200);
  // ViewModel throws when an entity enters twice. Each has entered once: there was no leave.
  t.deepEqual(
    watchers.map(({ view }) => [view.leaves]),
    [[0], [0]],
  );
});

test('an announcement reaches who has the entity in view as a ghost', (t) => {
  const [west, east] = start({ startX: -20 });
  const twins = [west, east];
  const watcher = east.join(2, { name: 'east' });
  const { id, slot } = joined(west, twins, 1);
  step(twins, 4);
  east.headless.snapshots();
  const payload = new Uint8Array(Uint32Array.of(44).buffer);
  const generation = west.store.columns.generation[slot]!;
  const tick = west.store.control.tick + 1;
  west.store.announcements.write({ tick, slot, generation, event: 0, payload });
  step(twins, 3);
  const seen = east.headless.snapshots().filter(({ session }) => session === watcher);
  const events = seen.flatMap(({ snapshot }) => snapshot.events);
  t.is(events.length, 1);
  t.deepEqual(events[0]!.values, { amount: 44 });
  t.true(east.store.idMap.get(id) >= 0);
});

test('a frame of ghosts that is not one is counted, and does nothing else', (t) => {
  const [west, east] = start();
  const twins = [west, east];
  joined(west, twins, 1);
  const writer = new GhostWriter(4096);
  writer.start(5, { isReset: false });
  const encoder = new RecordEncoder(west.store);
  const slot = west.owned()[0]!;
  writer.enter(slot, 0, encoder.encode(slot, writer.bytes.subarray(writer.recordAt)));
  writer.update(slot, 0, 1, 2, 3, 4);
  writer.leave(slot, 0, 0);
  const good = writer.bytes.slice(0, writer.at);
  const random = new Random(5);
  const before = east.store.stats.counter('ghostFramesMalformed');
  for (let round = 0; round < 5000; round++) {
    const bad = good.slice(0, random.below(2) === 0 ? good.length : random.below(good.length));
    for (let flips = 1 + random.below(3); flips > 0 && bad.length > 0; flips--)
      bad[random.below(bad.length)] = random.below(256);
    if (!writeGhosts(east.store.arrivals, { node: 1 + random.below(2) * 80, bytes: bad })) {
      east.tick();
    }
  }
  east.tick(2);
  t.true(east.store.stats.counter('ghostFramesMalformed') - before > 3000);
  t.is(east.headless.failures.length, 0);
  step(twins, 3);
  t.is(east.owned().length, 0, 'a ghost is never made to be owned');
});

test('what is owned here is left alone; an older word about a ghost, too', (t) => {
  const [west, east] = start({ startX: -20 });
  const twins = [west, east];
  const { id, slot } = joined(west, twins, 1);
  const writer = new GhostWriter(4096);
  writer.start(5, { isReset: false });
  const encoder = new RecordEncoder(west.store);
  writer.enter(77, 3, encoder.encode(slot, writer.bytes.subarray(writer.recordAt)));
  writer.update(77, 3, 700, 700, 3, 4);
  writer.leave(77, 3, 0);
  writeGhosts(west.store.arrivals, { node: 2, bytes: writer.bytes.slice(0, writer.at) });
  west.tick();
  t.is(west.store.idMap.get(id), slot);
  t.is(west.store.columns.ghostOf[slot], 0);
  t.is(west.store.columns.x[slot], -20);
  // Node 3 says something of the ghost that node 1 owns, with the same seq.
  step(twins, 2);
  writeGhosts(east.store.arrivals, { node: 3, bytes: writer.bytes.slice(0, writer.at) });
  east.tick();
  const ghost = east.store.idMap.get(id);
  t.is(east.store.columns.ghostOf[ghost], 1);
  t.true(east.store.columns.x[ghost]! < 0);
});

test('lost frames heal: enters, leaves and slots used anew', (t) => {
  const [west, east] = start({ startX: -20 });
  const twins = [west, east];
  const random = new Random(9);
  for (let player = 1; player <= 20; player++) west.join(player);
  for (let tick = 0; tick < 400; tick++) {
    if (random.below(10) === 0) {
      const slot = west.owned()[random.below(west.owned().length)];
      const session = slot === undefined ? 0 : west.store.columns.session[slot]!;
      if (session > 0) {
        west.endSession(west.store.sessions.sessionId((session - 1) as SessionIndex));
        west.store.sessions.setState((session - 1) as SessionIndex, 0);
      }
      if (random.below(2) === 0) west.join(1000 + tick);
    }
    for (const twin of twins) twin.tick();
    // Every other frame is lost.
    west.carry();
    if (random.below(2) === 0) east.store.arrivals.drain(() => {});
    east.carry();
  }
  step(twins, 70);
  const owned = west.owned().map((slot) => west.store.columns.id[slot]!);
  const seen = east.ghostSlots().map((slot) => east.store.columns.id[slot]!);
  t.deepEqual(
    seen.sort((a, b) => a - b),
    owned.sort((a, b) => a - b),
  );
});

test('a publisher that falls silent: its ghosts stand still, then go', (t) => {
  const [west, east] = start({ startX: -100, startVx: 10 });
  const twins = [west, east];
  const { id } = joined(west, twins, 1);
  step(twins, 3);
  const ghost = east.store.idMap.get(id);
  t.true(ghost >= 0);
  east.tick(40);
  t.is(east.store.columns.vx[ghost], 0);
  t.is(east.store.idMap.get(id), ghost);
  east.tick(GHOST_KEPT_MS / 50 - 60);
  t.is(east.store.idMap.get(id), ghost);
  east.tick(40);
  t.is(east.store.idMap.get(id), -1);
  // An end of the subscription ends the frames.
  writeSubscribe(west.store.arrivals, { node: 2, cells: new Uint32Array() });
  west.tick();
  west.carry();
  west.ghostFrames = [];
  west.tick(3);
  const { departures } = west.store;
  let frames = 0;
  departures.drain((at) => (frames += departures.bytes[at] === 4 ? 1 : 0));
  t.is(frames, 0);
});

for (const [who, isHere] of [
  ['a third node', false],
  ['the watching one', true],
] as const) {
  test(`a node dies and ${who} takes its place: nobody sees its entity leave`, (t) => {
    const { middle, dead, heir, id, ghost, generation, alias, view, look, takeOver } = bereft(8);
    const { columns } = middle.store;
    t.not(alias, 0);
    const lostX = columns.x[ghost]!;
    // Longer than an entity may be silent whose node is there.
    for (let tick = 0; tick < 80; tick++) look();
    t.is(columns.vx[ghost], 0);
    const walked = columns.x[ghost]! - lostX;
    t.true(walked > 0 && walked <= 8 * 0.3 + 0.01, `${walked} m in a quarter of a second and a tick`);

    const owner = isHere ? middle : heir;
    const ownerOf = (cell: number) => (halves(cell) === dead.node ? owner.node : halves(cell));
    takeOver(owner);
    for (const twin of [middle, heir]) setOwners(twin, ownerOf);
    subscribe(middle, heir, ownerOf);
    for (let tick = 0; tick < 90; tick++) look();
    t.is(columns.ghostOf[ghost], isHere ? 0 : heir.node);
    t.is(middle.store.idMap.get(id), ghost);
    t.is(columns.generation[ghost], generation);
    t.is(columns.vx[ghost], 8, 'it walks on');
    const { x } = owner.store.columns;
    t.true(Math.abs(columns.x[ghost]! - x[owner.store.idMap.get(id)]!) < 0.41, 'where its owner has it');
    t.is(aliasOf(view, id), alias);
    t.is(view.leaves, 0);
  });
}

test('a node is back: whom it lists stays, whom it does not list goes', (t) => {
  const { middle, dead, heir, id, ghost, generation, alias, view, look } = bereft(0);
  dead.join(23);
  dead.tick();
  const other = dead.owned().find((slot) => dead.store.columns.id[slot] !== id)!;
  const otherId = dead.store.columns.id[other]!;
  for (let tick = 0; tick < 80; tick++) look();
  dead.ghostFrames = [];
  for (const twin of [middle, heir]) twin.store.peerTable.setState(dead.node, PEER_STATE.up);
  for (let tick = 0; tick < 20; tick++) look();
  t.is(middle.store.idMap.get(id), ghost, 'nothing was listed yet');
  subscribe(middle, dead, halves);
  const all = [middle, dead, heir];
  for (let tick = 0; tick < 40; tick++) look(all);
  t.is(middle.store.idMap.get(id), ghost);
  t.is(middle.store.columns.generation[ghost], generation);
  t.is(aliasOf(view, id), alias);
  t.is(view.leaves, 0);
  t.true(middle.store.idMap.get(otherId) >= 0);

  // The link is lost once more; meanwhile its players go, and it is back with nobody at all.
  middle.store.peerTable.setState(dead.node, PEER_STATE.down);
  look();
  dead.others.delete(middle.node);
  for (const session of [22, 23]) dead.endSession(session);
  for (let tick = 0; tick < 5; tick++) look(all);
  dead.others.set(middle.node, middle);
  t.is(dead.owned().length, 0);
  middle.store.peerTable.setState(dead.node, PEER_STATE.up);
  subscribe(middle, dead, halves);
  for (let tick = 0; tick < 5; tick++) look(all);
  t.is(middle.store.idMap.get(id), ghost, 'what it lists may take some ticks');
  for (let tick = 0; tick < 20; tick++) look(all);
  t.is(middle.store.idMap.get(id), -1);
  t.is(middle.store.ghostCount, 0);
  t.is(view.leaves, 2);
});

test('a node dies and nobody takes its place: its ghosts go in the end', (t) => {
  const { middle, id, ghost, look } = bereft(4);
  const keptTicks = GHOST_KEPT_MS / 50;
  // The last word before the link was lost is at most a keepalive old.
  for (let tick = 0; tick < keptTicks - 16; tick++) look();
  t.is(middle.store.idMap.get(id), ghost);
  for (let tick = 0; tick < 16 + 16; tick++) look();
  t.is(middle.store.idMap.get(id), -1);
});

test("an entity on its way to a node that dies is kept as that one's", (t) => {
  const { middle, dead, heir, id, ghost, look } = bereft(0);
  for (const twin of [middle, heir]) twin.store.peerTable.setState(dead.node, PEER_STATE.up);
  middle.store.peerTable.setState(heir.node, PEER_STATE.down);
  const writer = new GhostWriter(64);
  writer.start(dead.store.control.tick, { isReset: false });
  const slot = dead.store.idMap.get(id);
  writer.leave(slot, dead.store.columns.generation[slot]!, heir.node);
  writeGhosts(middle.store.arrivals, { node: dead.node, bytes: writer.bytes.slice(0, writer.at) });
  for (let tick = 0; tick < 80; tick++) look();
  t.is(middle.store.idMap.get(id), ghost);
});

test('an entity on its way to a node that is slow is kept, and goes when it never comes', (t) => {
  const { middle, dead, heir, id, ghost, look } = bereft(0);
  for (const twin of [middle, heir]) twin.store.peerTable.setState(dead.node, PEER_STATE.up);
  const writer = new GhostWriter(64);
  writer.start(dead.store.control.tick, { isReset: false });
  const slot = dead.store.idMap.get(id);
  writer.leave(slot, dead.store.columns.generation[slot]!, heir.node);
  writeGhosts(middle.store.arrivals, { node: dead.node, bytes: writer.bytes.slice(0, writer.at) });
  subscribe(middle, heir, halves);
  const ticks = GHOST_KEPT_MS / 50;
  for (let tick = 0; tick < ticks - 16; tick++) look();
  t.is(middle.store.idMap.get(id), ghost, 'its new owner speaks, but not of it yet');
  for (let tick = 0; tick < 16 + 16; tick++) look();
  t.is(middle.store.idMap.get(id), -1);
});

test('a node that is late with everything is not silent of one; who is left out while it speaks goes', (t) => {
  const { middle, dead, heir, id, ghost, view, look } = bereft(0);
  for (const twin of [middle, heir]) twin.store.peerTable.setState(dead.node, PEER_STATE.up);
  for (let tick = 0; tick < 100; tick++) look();
  t.is(middle.store.idMap.get(id), ghost);
  t.is(view.leaves, 0);
  const frame = (): void => {
    const writer = new GhostWriter(64);
    writer.start(dead.store.control.tick, { isReset: false });
    // About a slot that nobody was told of: it says that the node lives, and no more.
    writer.leave(4000, 1, 0);
    writeGhosts(middle.store.arrivals, { node: dead.node, bytes: writer.bytes.slice(0, writer.at) });
  };
  frame();
  for (let tick = 0; tick < 16; tick++) look();
  t.is(middle.store.idMap.get(id), -1);
  t.is(view.leaves, 1);
});

for (const changes of ['once', 'all the time'] as const) {
  test(`land changes owner ${changes}: who was seen from there goes on being seen for a while`, (t) => {
    const { middle, dead: neighbour, heir, id, ghost, look } = bereft(0);
    for (const twin of [middle, heir]) twin.store.peerTable.setState(neighbour.node, PEER_STATE.up);
    const all = [middle, neighbour, heir];
    const ownerOf = (cell: number) => (halves(cell) === middle.node ? heir.node : halves(cell));
    for (let tick = 0; tick < 305; tick++) {
      // The same again is a change, too.
      if (tick === 0 || (changes !== 'once' && tick % 40 === 0)) for (const twin of all) setOwners(twin, ownerOf);
      if (tick < 295) t.is(middle.store.idMap.get(id), ghost);
      look(all);
    }
    t.is(middle.store.idMap.get(id), -1, 'out of reach of any land of that node');
  });
}

test('ghosts leave rows free for our own', (t) => {
  const options = { store: { entitiesMax: 40 }, phases: { params: PARAMS } };
  const twins = makeTwins(borderWorld, { ownerOf: halves, options });
  step(twins, 2);
  const [west, east] = twins as [Twin, Twin];
  for (let player = 1; player <= 40; player++) west.join(player);
  step(twins, 4);
  t.is(east.store.ghostCount, 36);
  t.true(east.store.stats.counter('ghostsRefused') > 0);
  t.is(east.rooms, 40);
});

interface Bereft {
  readonly middle: Twin;
  readonly dead: Twin;
  readonly heir: Twin;
  /** The watched entity, which `dead` owned, and its row at `middle`. */
  readonly id: number;
  readonly ghost: number;
  readonly generation: number;
  readonly alias: number;
  readonly view: ViewModel;
  /** All but `dead` tick once; what the watcher is told is applied to `view`. */
  readonly look: (twins?: readonly Twin[]) => void;
  /** Gives the entity to a node as a takeover does: its last record, with a new ownership seq. */
  readonly takeOver: (heir: Twin) => void;
}

/** A player of node 1 watches a walker of node 2, and the link between the two is lost. */
function bereft(walkerVx: number): Bereft {
  const options = { phases: { params: { ...PARAMS, startX: 20, startVx: walkerVx } } };
  const twins = makeTwins(borderWorld, { count: 3, ownerOf: halves, options });
  step(twins, 2);
  const [middle, dead, heir] = twins as [Twin, Twin, Twin];
  const view = new ViewModel();
  const watcher = middle.join(11, { name: 'east' });
  const { id, slot } = joined(dead, twins, 22);
  const look = (running: readonly Twin[] = [middle, heir]) => {
    step(running);
    for (const { session, snapshot } of middle.headless.snapshots()) if (session === watcher) view.apply(snapshot);
  };
  middle.headless.snapshots();
  middle.store.sessions.requestViewReset(watcher);
  for (let tick = 0; tick < 8; tick++) look(twins);
  const bytes = new Uint8Array(4096);
  const encoder = new RecordEncoder(dead.store);
  const seq = dead.store.columns.ownershipSeq[slot]! + 1;
  const record = bytes.slice(0, encoder.encode(slot, bytes));
  const takeOver = (to: Twin) => {
    const passenger = { account: '', session: 0, gateway: 0, lastInput: 0, marks: [] };
    const row = { id: id, seq, record, passenger, atRest: false };
    writeActivate(to.store.arrivals, { cause: 'takeover', row, targetCell: 0, pendingInputs: [] });
  };
  for (const twin of [middle, heir]) twin.store.peerTable.setState(dead.node, PEER_STATE.down);
  const ghost = middle.store.idMap.get(id);
  const generation = middle.store.columns.generation[ghost]!;
  return { middle, dead, heir, id, ghost, generation, alias: aliasOf(view, id), view, look, takeOver };
}

function seqOf(twins: readonly Twin[], id: number): number {
  return Math.max(
    ...twins.map(({ store }) => {
      const slot = store.idMap.get(id);
      return slot < 0 ? 0 : store.columns.ownershipSeq[slot]!;
    }),
  );
}

function aliasOf(view: ViewModel, id: number): number {
  for (const [alias, entity] of view.byAlias) if (entity.id === id) return alias;
  return 0;
}

/** Makes the entity walk between x = -17 and 17. */
function drive(twins: readonly Twin[], id: number, speed: number): void {
  for (const { store } of twins) {
    const slot = store.idMap.get(id);
    if (slot < 0 || store.columns.ghostOf[slot] !== 0) continue;
    const { x, vx } = store.columns;
    if (vx[slot] === 0) vx[slot] = -speed;
    if (Math.abs(x[slot]!) > 17) vx[slot] = x[slot]! > 0 ? -speed : speed;
  }
}
