import test from 'ava';
import {
  GHOST_BYTES_MAX,
  NO_SESSION_ROW,
  hasRoomForGhosts,
  writeCheckpoint,
  writeDespawn,
  writeDurableWish,
  writeEmit,
  writeForwardedInput,
  writeForwardedLeave,
  writeGo,
  writeGhostsOut,
  writePopulated,
  writeRelease,
  writeRoom,
  writeSession,
  writeTick,
} from '../../src/memory/departures.ts';
import { PASSENGER, PENDING_INPUTS, drainDepartures, makeRing } from './peer-frames.ts';

const RELEASE = {
  targetNode: 63,
  targetCell: 34,
  id: 5 * 2 ** 32 + 1,
  seq: 2 ** 32 - 1,
  frozenMs: 1234.5,
  passenger: PASSENGER,
  pendingInputs: PENDING_INPUTS,
  record: Uint8Array.of(3, 1, 4, 1, 5),
  publications: [
    { publication: 2, payload: Uint8Array.of(9, 8) },
    { publication: 255, payload: new Uint8Array(256).fill(7) },
  ],
};

test('every departure comes out as it was written', (t) => {
  const ring = makeRing();
  const { id, seq, passenger, record, publications } = RELEASE;
  const checkpoint = { id, seq, passenger, record, atRest: true, publications: [] };
  const emitted = { entity: 2 ** 45, event: 12, payload: Uint8Array.of(1, 2), hint: 9 };
  const bound = {
    row: NO_SESSION_ROW,
    generation: 8,
    session: 2 ** 40 + 1,
    gateway: 3,
    id: 2 ** 34,
    seq: 4,
    lastInput: 2 ** 32 - 1,
  };
  t.true(writeRelease(ring, RELEASE));
  t.true(writeCheckpoint(ring, checkpoint));
  t.true(writeDespawn(ring, { id: 2 ** 35 + 1, publications }));
  t.true(writeGhostsOut(ring, { node: 4, bytes: Uint8Array.of(1, 2, 3, 4), sizeBytes: 3 }));
  t.true(writeEmit(ring, emitted));
  t.true(writeForwardedInput(ring, { session: 2 ** 36, sequence: 9, back: 5, payload: Uint8Array.of(7) }));
  t.true(writeForwardedLeave(ring, { session: 2 ** 37 }));
  t.true(writeSession(ring, bound));
  t.true(writeDurableWish(ring, { number: 2 ** 38, id: 2 ** 39, seq: 6 }));
  t.true(writeRoom(ring, { slots: 2 ** 31 }));
  t.true(writeTick(ring, { tick: 2 ** 32 - 1 }));
  t.true(writePopulated(ring, { cells: Uint32Array.of(4, 2 ** 20) }));
  t.true(writeGo(ring));
  t.deepEqual(drainDepartures(ring), [
    ['release', RELEASE],
    ['checkpoint', { ...checkpoint, targetCell: 0, pendingInputs: [] }],
    ['despawn', 2 ** 35 + 1, publications],
    ['ghosts', 4, Uint8Array.of(1, 2, 3)],
    ['emit', emitted],
    ['input', { session: 2 ** 36, sequence: 9, back: 5, payload: Uint8Array.of(7) }],
    ['sessionLeave', 2 ** 37],
    ['session', bound],
    ['durable', { number: 2 ** 38, id: 2 ** 39, seq: 6 }],
    ['room', 2 ** 31],
    ['tick', 2 ** 32 - 1],
    ['populated', Uint32Array.of(4, 2 ** 20)],
    ['go'],
  ]);
});

test('a full ring refuses every frame and loses none', (t) => {
  const ring = makeRing(1024);
  let written = 0;
  while (writeRelease(ring, { ...RELEASE, targetCell: written })) written++;
  while (writeRoom(ring, { slots: 1 }));
  const { id, seq, passenger, record } = RELEASE;
  t.false(writeCheckpoint(ring, { id, seq, passenger, record, atRest: false, publications: [] }));
  t.false(writeDespawn(ring, { id, publications: [] }));
  t.false(writeEmit(ring, { entity: 1, event: 1, payload: new Uint8Array(), hint: 0 }));
  t.false(writeForwardedInput(ring, { session: 1, sequence: 1, back: 5, payload: new Uint8Array() }));
  t.false(writeForwardedLeave(ring, { session: 1 }));
  t.false(writeTick(ring, { tick: 1 }));
  const releases = drainDepartures(ring).filter(([type]) => type === 'release');
  t.deepEqual(
    releases,
    Array.from({ length: written }, (_, targetCell) => ['release', { ...RELEASE, targetCell }]),
  );
});

test('frames of changing size go round and round', (t) => {
  const ring = makeRing(1024);
  for (let round = 0; round < 500; round++) {
    const record = new Uint8Array((round * 31) % 307).fill(round & 0xff);
    const release = { ...RELEASE, record, publications: [], targetCell: round };
    t.true(writeRelease(ring, release) || writeRelease(ring, release));
    t.true(writeTick(ring, { tick: round }));
    t.deepEqual(drainDepartures(ring), [
      ['release', release],
      ['tick', round],
    ]);
  }
});

test('room for ghosts is room for the largest frame', (t) => {
  t.false(hasRoomForGhosts(makeRing(32_768)));
  const ring = makeRing(131_072);
  t.true(hasRoomForGhosts(ring));
  t.true(writeGhostsOut(ring, { node: 1, bytes: new Uint8Array(GHOST_BYTES_MAX), sizeBytes: GHOST_BYTES_MAX }));
  t.true(writeGhostsOut(ring, { node: 1, bytes: new Uint8Array(GHOST_BYTES_MAX), sizeBytes: GHOST_BYTES_MAX }));
  t.false(hasRoomForGhosts(ring));
});
