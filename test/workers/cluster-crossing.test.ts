/** Entities that walk from one node's land to another's, two stores side by side. */
import test from 'ava';
import type { World } from '../../src/base/world.ts';
import { packFields } from '../../src/base/pack.ts';
import type { CellIndex, SessionIndex } from '../../src/base/brand.ts';
import { writeInput } from '../../src/memory/intake.ts';
import { PEER_STATE } from '../../src/memory/peer-table.ts';
import { SESSION_STATE } from '../../src/memory/sessions.ts';
import { CLUSTER_PHASE_DEFAULTS } from '../../src/workers/cluster.ts';
import { makeTwins, setOwners, step } from '../fixtures/twins.ts';
import type { Twin } from '../fixtures/twins.ts';
import { borderWorld, halves } from './border-world.ts';

const PARAMS = { counts: 0, startX: -20, startZ: 5, startVx: 0, startVz: 0 };

function start(params: Partial<typeof PARAMS> = {}, store = {}): [west: Twin, east: Twin] {
  const options = { phases: { params: { ...PARAMS, ...params } }, store };
  const twins = makeTwins(borderWorld, { ownerOf: halves, options });
  step(twins, 2);
  return twins as [Twin, Twin];
}

function idOf(twin: Twin, session: SessionIndex): number {
  return twin.store.columns.id[twin.headless.slotOf(session)]!;
}

/** Where the entity is owned: 0 nowhere, 3 twice. */
function ownersOf(id: number, twins: readonly Twin[]): number {
  return twins.reduce((sum, { node, store }) => {
    const slot = store.idMap.get(id);
    return slot >= 0 && store.columns.ghostOf[slot] === 0 ? sum + node : sum;
  }, 0);
}

function turn(twin: Twin, id: number, vx: number): void {
  const slot = twin.store.idMap.get(id);
  twin.store.columns.vx[slot] = vx;
}

test('a walker crosses and comes back: same id, same row, position without a jump, seq + 1 each time', (t) => {
  const [west, east] = start({ startVx: 40 });
  const twins = [west, east];
  const session = west.join(99);
  step(twins, 1);
  const id = idOf(west, session);
  const slot = west.store.idMap.get(id);
  const generation = west.store.columns.generation[slot]!;
  let last = west.store.columns.x[slot]!;
  const owners: number[] = [];
  for (let tick = 0; tick < 120; tick++) {
    if (tick === 60) turn(east, id, -40);
    step(twins);
    const owner = ownersOf(id, twins);
    owners.push(owner);
    t.is(west.store.idMap.get(id), slot);
    t.is(west.store.columns.generation[slot]!, generation);
    const x = west.store.columns.x[slot]!;
    // A turn is heard of a tick later, when the ghost has gone a step further and the owner two back.
    t.true(Math.abs(x - last) < (tick === 61 ? 6.1 : 4.1), `tick ${tick}: from ${last} to ${x}`);
    last = x;
  }
  t.true(owners.includes(1) && owners.includes(2));
  t.false(owners.includes(3), 'never owned twice');
  // Between release and activation lies no tick of the target: the carrier is as quick as a tick.
  t.false(owners.includes(0) && owners.filter((owner) => owner === 0).length > 2);
  t.is(west.store.columns.ownershipSeq[slot], 3);
  t.is(ownersOf(id, twins), 1);
  t.is(west.headless.slotOf(session), slot, 'the session is bound again');
  const state = west.store.columns.components[0]!.byName as Record<string, Uint32Array>;
  t.true(state['steps']![slot]! >= 118, `simulated in ${state['steps']![slot]} of 120 ticks`);
});

test('the session goes along: a remote row, snapshots in the tunnel ring, a keyframe first; and back', (t) => {
  const [west, east] = start({ startVx: 100 });
  const twins = [west, east];
  const sessionId = 5 * 2 ** 32 + 1;
  const session = west.join(sessionId);
  step(twins, 12);
  const row = east.store.sessions.findBySessionId(sessionId) as SessionIndex;
  t.true(row >= 0);
  t.is(east.store.sessions.gateway(row), 1);
  t.is(east.store.sessions.state(row), SESSION_STATE.attached);
  t.is(west.headless.slotOf(session), -1);
  t.is(east.sessionsBound.length, 1);
  const { store } = east;
  const bound = east.sessionsBound[0]!;
  t.deepEqual(
    [bound.row, bound.session, bound.gateway, bound.seq, bound.id],
    [row as number, sessionId, 1, 2, store.columns.id[store.sessions.slotPlusOne(row) - 1]!],
  );
  const flags: number[] = [];
  store.tunnelRings[0]!.drain((at) => flags.push(store.tunnelRings[0]!.bytes[at + 9]!));
  t.true(flags.length > 1);
  t.is(flags[0]! & 1, 1, 'the first is a keyframe');
  t.is(store.outboundRings[0]!.fillBytes, 0);
  const id = store.columns.id[store.sessions.slotPlusOne(row) - 1]!;
  turn(east, id, -100);
  step(twins, 30);
  t.is(idOf(west, session), id);
  t.is(east.store.sessions.state(row), SESSION_STATE.free);
  t.is(east.store.sessions.findBySessionId(sessionId), -1);
});

test('inputs go after the player, arrive once and in order; repeats do nothing', (t) => {
  const [west, east] = start({ startVx: 200 });
  const twins = [west, east];
  const session = west.join(7);
  step(twins, 10);
  const generation = west.store.sessions.generation(session);
  const payload = packedInput({ vx: 0, vz: 0 });
  for (const sequence of [1, 2, 3])
    writeInput(west.store.inputRing, { session, generation, sequence, back: 0, payload });
  step(twins);
  t.deepEqual(
    west.inputs.map(({ session: id, sequence }) => [id, sequence]),
    [
      [7, 1],
      [7, 2],
      [7, 3],
    ],
  );
  for (const repeat of [west.inputs, west.inputs, west.inputs.slice(0, 1)])
    for (const input of repeat) east.input(input.sequence, input);
  step(twins, 2);
  const row = east.store.sessions.findBySessionId(7) as SessionIndex;
  const slot = east.store.sessions.slotPlusOne(row) - 1;
  const state = east.store.columns.components[0]!.byName as Record<string, Uint32Array>;
  t.is(state['hits']![slot], 3000);
  t.is(east.store.sessions.inputSequence(row), 3);
});

test('inputs that were pending travel with the entity and act there', (t) => {
  const [west, east] = start({ startVx: 200 });
  const twins = [west, east];
  west.join(7);
  west.carriesReleases = false;
  step(twins, 12);
  t.is(west.releases.length, 1);
  const payload = packedInput({ vx: 1, vz: 0 });
  west.deliver({
    ...west.releases[0]!,
    passenger: { ...west.releases[0]!.passenger, lastInput: 4 },
    pendingInputs: [4, 5, 6].map((sequence) => ({ sequence, payload })),
  });
  step(twins, 1);
  const row = east.store.sessions.findBySessionId(7) as SessionIndex;
  const state = east.store.columns.components[0]!.byName as Record<string, Uint32Array>;
  t.is(state['hits']![east.store.sessions.slotPlusOne(row) - 1], 2000, '4 had acted before');
  t.is(east.store.sessions.inputSequence(row), 6);
});

test('a repeated activation does nothing; a reclaim brings the entity back with its session', (t) => {
  const [west, east] = start({ startVx: 200 });
  const twins = [west, east];
  const session = west.join(7);
  west.carriesReleases = false;
  step(twins, 12);
  const release = west.releases[0]!;
  west.deliver(release, 'reclaim');
  step(twins);
  t.is(ownersOf(release.id, twins), 1);
  t.is(idOf(west, session), release.id);
  t.is(west.store.columns.ownershipSeq[west.headless.slotOf(session)], release.seq + 1);
  const { x } = west.store.columns;
  const before = x[west.headless.slotOf(session)]!;
  west.deliver(release, 'reclaim');
  step(twins);
  t.true(x[west.headless.slotOf(session)]! > before, 'the old record did not act again');
  t.is(west.headless.slots().filter((slot) => west.store.columns.id[slot] === release.id).length, 1);
});

test('without credit, or with the target down, an entity overhangs and is simulated; at the limit it turns', (t) => {
  for (const reason of ['credit', 'down', 'closed', 'percent', 'nobody'] as const) {
    const [west, east] = start({ startVx: 40 });
    const twins = [west, east];
    const { peerTable, grid } = west.store;
    if (reason === 'credit') peerTable.addCredits(2, -(2 ** 30));
    if (reason === 'down') peerTable.setState(2, PEER_STATE.down);
    if (reason === 'closed') for (let cell = 0; cell < grid.cellCount; cell++) peerTable.setCellClosed(cell, true);
    if (reason === 'percent') peerTable.setHandoverPercent(0);
    if (reason === 'nobody') setOwners(west, (cell) => (halves(cell) === 2 ? 255 : 1));
    const session = west.join(3);
    const places: number[] = [];
    for (let tick = 0; tick < 60; tick++) {
      step(twins);
      places.push(west.store.columns.x[west.headless.slotOf(session)]!);
    }
    t.is(west.releases.length, 0, reason);
    t.true(Math.max(...places) <= 34 && Math.max(...places) > 31, `${reason}: ${Math.max(...places)}`);
    t.true(places.at(-1)! < 30, `${reason}: turned, ${places.at(-1)}`);
    const state = west.store.columns.components[0]!.byName as Record<string, Uint32Array>;
    t.is(state['steps']![west.headless.slotOf(session)]! >= 59, true, reason);
  }
});

test('who is refused there again and again is turned at the limit all the same', (t) => {
  const cluster = { ...CLUSTER_PHASE_DEFAULTS, dwellMs: 50, dwellMsMax: 100 };
  const options = { phases: { params: { ...PARAMS, startVx: 40 }, cluster } };
  const west = makeTwins(borderWorld, { ownerOf: halves, options })[0]!;
  west.carriesReleases = false;
  const session = west.join(3);
  step([west]);
  const id = idOf(west, session);
  const places: number[] = [];
  let taken = 0;
  for (let tick = 0; tick < 80; tick++) {
    for (const release of west.releases.slice(taken)) west.deliver(release, 'reclaim');
    taken = west.releases.length;
    step([west]);
    places.push(west.store.columns.x[west.store.idMap.get(id)]!);
  }
  t.true(west.releases.length > 5, `${west.releases.length}`);
  t.true(Math.max(...places) > 15 && Math.max(...places) <= 34, `${Math.max(...places)}`);
  t.true(places.at(-1)! < 15, `${places.at(-1)}`);
});

test('a world that says stop keeps what moves along the border', (t) => {
  const declaration = { ...borderWorld.declaration, overhang: 'stop' as const };
  const world = { ...borderWorld, declaration } as unknown as World;
  const options = { phases: { params: { ...PARAMS, startVx: 40, startVz: 3 } } };
  const twins = makeTwins(world, { ownerOf: halves, options });
  const west = twins[0]!;
  west.store.peerTable.addCredits(2, -(2 ** 30));
  const session = west.join(3);
  step(twins, 60);
  const slot = west.headless.slotOf(session);
  t.true(Math.abs(west.store.columns.x[slot]! - 32) < 1e-3);
  t.is(west.store.columns.vx[slot], 0);
  t.is(west.store.columns.vz[slot], 3);
});

test('a full ring of departures freezes nobody, and everybody goes once it was read', (t) => {
  const [west, east] = start({ startX: 20 }, { cluster: { peerRingBytes: 16_384 } });
  west.store.peerTable.addCredits(2, -(2 ** 30));
  for (let player = 1; player <= 60; player++) west.join(player, { name: `player ${player}` });
  west.tick(20);
  west.store.peerTable.addCredits(2, 1000);
  // Nobody reads: the ring fills.
  west.tick(20);
  const ghosts = west.ghostSlots().filter((slot) => west.store.columns.kind[slot] === 0);
  t.true(ghosts.length < 60);
  const ids = new Set<number>();
  for (let tick = 0; tick < 40; tick++) {
    step([west, east]);
    for (const slot of east.owned()) if (east.store.columns.kind[slot] === 0) ids.add(east.store.columns.id[slot]!);
  }
  t.is(ids.size, 60);
  t.is(west.owned().filter((slot) => west.store.columns.kind[slot] === 0).length, 0);
});

test('with no row left activations wait, ghosts make room, nobody is lost', (t) => {
  const [west, east] = start({ startX: 20 });
  const twins = [west, east];
  for (let player = 1; player <= 12; player++) west.join(player);
  west.carriesReleases = false;
  step(twins, 12);
  t.is(west.releases.length, 12);
  const small = makeTwins(borderWorld, {
    ownerOf: halves,
    options: { store: { entitiesMax: 8, cluster: { peerRingBytes: 65_536 } }, phases: { params: PARAMS } },
  });
  const target = small[1]!;
  target.others.set(2, target);
  for (const release of west.releases) target.deliver(release);
  step([target], 3);
  t.is(target.owned().length, 8);
  t.is(target.rooms, 0);
  t.is(target.store.stats.gauge('activationsWaiting'), 4);
  // Four leave the world, and four come in.
  const sessions = west.releases.map(({ passenger }) => passenger.session);
  // The client of one that waits leaves, too: it is gone as soon as it is in.
  target.input(3, { session: sessions[8]!, payload: packedInput({ vx: 0, vz: 0 }) });
  target.input(3, { session: sessions[8]!, payload: packedInput({ vx: 0, vz: 0 }) });
  for (const session of [...sessions.slice(0, 4), sessions[11]!]) target.endSession(session);
  step([target], 3);
  t.is(target.store.stats.gauge('activationsWaiting'), 0);
  const row = target.store.sessions.findBySessionId(sessions[8]!) as SessionIndex;
  t.is(target.store.sessions.inputSequence(row), 3, 'what came for a player who waited was kept');
  t.deepEqual(problems(target), []);
  t.deepEqual(
    target
      .owned()
      .map((slot) => target.store.columns.id[slot]!)
      .sort((a, b) => a - b),
    west.releases
      .map(({ id }) => id)
      .slice(4, 11)
      .sort((a, b) => a - b),
  );
});

test('pacing on the border: within the hysteresis nothing happens; bouncing further dwells longer each time', (t) => {
  const [west, east] = start({ startX: -1 });
  const twins = [west, east];
  const session = west.join(5);
  step(twins);
  const id = idOf(west, session);
  const pace = (reach: number, ticks: number) => {
    for (let tick = 0; tick < ticks; tick++) {
      for (const { store } of twins) {
        const slot = store.idMap.get(id);
        if (slot < 0 || store.columns.ghostOf[slot] !== 0) continue;
        store.columns.x[slot] = tick % 40 < 20 ? reach : -reach;
        store.columns.vx[slot] = 0;
      }
      step(twins);
    }
  };
  pace(1.9, 400);
  t.is(west.store.columns.ownershipSeq[west.store.idMap.get(id)], 1);
  pace(4, 400);
  const seq = Math.max(...twins.map(({ store }) => store.columns.ownershipSeq[store.idMap.get(id)] ?? 0));
  t.true(seq > 2 && seq < 12, `${seq - 1} handovers in 20 s of pacing every second`);
});

test('a block that changes owner is handed over whole', (t) => {
  const [west, east] = start({ startX: -400 });
  const twins = [west, east];
  for (let player = 1; player <= 30; player++) west.join(player);
  step(twins, 2);
  const ids = west.owned().map((slot) => west.store.columns.id[slot]!);
  for (const twin of twins) setOwners(twin, () => 2);
  step(twins, 6);
  t.deepEqual(
    east
      .owned()
      .map((slot) => east.store.columns.id[slot]!)
      .sort((a, b) => a - b),
    ids.sort((a, b) => a - b),
  );
});

test('land changes owner: nobody who stands there is moved, however deep it is; and goes on until it can leave', (t) => {
  const [west, east] = start({ startX: -400, startVx: 2 });
  const twins = [west, east];
  const sessions = Array.from({ length: 30 }, (_, index) => west.join(index + 1));
  step(twins, 2);
  west.store.peerTable.addCredits(2, -(2 ** 30));
  const { x, ownershipSeq } = west.store.columns;
  const places = sessions.map((session, index) => {
    const slot = west.headless.slotOf(session);
    x[slot] = -500 + index * 10;
    return slot;
  });
  step(twins);
  const before = places.map((slot) => x[slot]!);
  for (const twin of twins)
    setOwners(twin, (cell) =>
      halves(cell) === 1 && twin.store.grid.cellMinX(cell as CellIndex) >= -512 ? 2 : halves(cell),
    );
  step(twins, 20);
  places.forEach((slot, index) => {
    t.true(Math.abs(x[slot]! - before[index]! - 2) < 0.01, `walked on from ${before[index]}, is at ${x[slot]}`);
    t.is(ownershipSeq[slot], 1);
  });
});

test('who comes back long after it left, deep in foreign land, is not moved for the limit that it once had', (t) => {
  const [west, east] = start({ startX: -4, startVx: 40 });
  const twins = [west, east];
  const session = west.join(3);
  step(twins);
  const id = idOf(west, session);
  step(twins, 20);
  t.is(west.owned().length, 0);
  const there = east.store.idMap.get(id);
  east.store.columns.x[there] = 50;
  east.store.columns.vx[there] = 0;
  step(twins, 100);
  west.store.peerTable.addCredits(2, -(2 ** 30));
  setOwners(east, (cell) => (east.store.grid.cellMinX(cell as CellIndex) < 128 ? 1 : 2));
  step(twins, 10);
  const slot = west.store.idMap.get(id);
  t.is(ownersOf(id, twins), 1);
  t.is(west.store.columns.x[slot], 50);
});

test('land elsewhere changes owner again and again: who cannot leave goes no further for it', (t) => {
  const [west, east] = start({ startVx: 8 });
  const twins = [west, east];
  west.store.peerTable.addCredits(2, -(2 ** 30));
  const session = west.join(3);
  step(twins);
  const slot = west.headless.slotOf(session);
  let farthest = 0;
  for (let tick = 0; tick < 200; tick++) {
    if (tick % 10 === 0) setOwners(west, (cell) => (cell === 0 && tick % 20 === 0 ? 2 : halves(cell)));
    step(twins);
    farthest = Math.max(farthest, west.store.columns.x[slot]!);
  }
  t.true(farthest > 31 && farthest <= 34, `${farthest}`);
});

test('10,000 random crossings: nobody lost, nobody twice', (t) => {
  const cluster = { ...CLUSTER_PHASE_DEFAULTS, dwellMs: 50, dwellMsMax: 100 };
  const twins = makeTwins(borderWorld, { ownerOf: halves, options: { phases: { params: PARAMS, cluster } } });
  const west = twins[0]!;
  for (let player = 1; player <= 60; player++) west.join(player);
  step(twins, 1);
  const ids = west.owned().map((slot) => west.store.columns.id[slot]!);
  t.is(ids.length, 60);
  let state = 12_345;
  const random = (): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) / 2 ** 32;
  let crossings = 0;
  const lastSeqs = new Map<number, number>();
  for (let tick = 0; crossings < 10_000 && tick < 8000; tick++) {
    for (const twin of twins) {
      const { columns } = twin.store;
      // Back and forth, each as often as its dwell lets it, with room for others in between.
      for (const slot of twin.owned()) {
        if (random() < 0.2) columns.vx[slot] = (columns.x[slot]! > 0 ? -1 : 1) * (200 + random() * 200);
        if (Math.abs(columns.x[slot]!) > 60) columns.x[slot] = columns.x[slot]! > 0 ? 60 : -60;
      }
      // Credits come and go.
      if (random() < 0.1) twin.store.peerTable.setState(3 - twin.node, random() < 0.3 ? 2 : 1);
    }
    step(twins, 1);
    crossings += checkOnce(ids, twins, lastSeqs);
  }
  for (const twin of twins) {
    twin.store.peerTable.setState(3 - twin.node, PEER_STATE.up);
    twin.store.columns.vx.fill(0);
  }
  step(twins, 5);
  for (const id of ids) t.true([1, 2].includes(ownersOf(id, twins)), `${id}`);
  for (const twin of twins) t.deepEqual(problems(twin), []);
  t.true(crossings >= 10_000, `${crossings}`);

  function checkOnce(all: readonly number[], nodes: readonly Twin[], seqs: Map<number, number>): number {
    let moved = 0;
    for (const id of all) {
      if (ownersOf(id, nodes) === 3) t.fail(`${id} is owned twice`);
      const seq = Math.max(...nodes.map(({ store }) => store.columns.ownershipSeq[store.idMap.get(id)] ?? 0));
      moved += seq - (seqs.get(id) ?? 1);
      seqs.set(id, seq);
    }
    return moved;
  }
});

/** Every row is in exactly one list, that of its cell, kind and owner, and found by its id. */
function problems({ store }: Twin): string[] {
  const { lists, columns } = store;
  const found: string[] = [];
  const listed = new Set<number>();
  let ghosts = 0;
  for (let group = 0; group < lists.groupCountTotal; group++) {
    for (let index = 0; index < lists.count[group]!; index++) {
      const slot = lists.slots[lists.first[group]! + index]!;
      if (listed.has(slot)) found.push(`slot ${slot} is listed twice`);
      listed.add(slot);
      const cell = columns.cell[slot]!;
      const kind = columns.kind[slot]!;
      const isGhost = columns.ghostOf[slot] !== 0;
      if (isGhost) ghosts++;
      const wanted = isGhost ? lists.ghostGroupOf(cell, kind) : lists.groupOf(cell, kind);
      if (wanted !== group || columns.place[slot] !== index) found.push(`slot ${slot} is in a wrong place`);
      if (store.idMap.get(columns.id[slot]!) !== slot) found.push(`slot ${slot} is not found by its id`);
      const session = columns.session[slot]!;
      if (session > 0 && store.sessions.slotPlusOne((session - 1) as SessionIndex) !== slot + 1)
        found.push(`slot ${slot} and its session do not agree`);
      if (session > 0 && isGhost) found.push(`ghost ${slot} has a session`);
    }
  }
  if (listed.size !== store.entityCount) found.push(`${listed.size} listed, ${store.entityCount} alive`);
  if (ghosts !== store.ghostCount) found.push(`${ghosts} ghosts, ${store.ghostCount} counted`);
  return found;
}

function packedInput(values: { vx: number; vz: number }): Uint8Array {
  const bytes = new Uint8Array(64);
  return bytes.slice(0, packFields(borderWorld.schema.input, values, bytes));
}
