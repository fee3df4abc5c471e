import test from 'ava';
import {
  writeActivate,
  writeArrivedInput,
  writeDurable,
  writeEvent,
  writeGhosts,
  writeOwnership,
  writePopulate,
  writeRebind,
  writeSessionLeave,
  writeSessionState,
  writeSubscribe,
} from '../../src/memory/arrivals.ts';
import { LEDGER, PASSENGER, PENDING_INPUTS, drainArrivals, makeRing } from './peer-frames.ts';

const ACTIVATION = {
  cause: 'takeover' as const,
  targetCell: 2 ** 31,
  row: { id: 3 * 2 ** 32 + 9, seq: 2 ** 32 - 1, record: Uint8Array.of(9, 8, 7, 6), passenger: PASSENGER, atRest: true },
  pendingInputs: PENDING_INPUTS,
};

test('every arrival comes out as it was written', (t) => {
  const ring = makeRing();
  const input = { session: 2 ** 52, sequence: 2 ** 32 - 1, back: 5, payload: Uint8Array.of(5, 6) };
  const state = { session: 77, state: 2, backlogBytes: 1234, viewReset: true };
  const event = { issuer: LEDGER, number: 2 ** 41, entity: 2 ** 33 + 1, event: 63, payload: Uint8Array.of(1, 0, 255) };
  t.true(writeActivate(ring, ACTIVATION));
  t.true(writeGhosts(ring, { node: 5, bytes: Uint8Array.of(4, 4, 4) }));
  t.true(writeSubscribe(ring, { node: 6, cells: Uint32Array.of(0, 34, 2 ** 32 - 1) }));
  t.true(writeOwnership(ring, { owners: Uint8Array.of(0, 255, 3) }));
  t.true(writeArrivedInput(ring, input));
  t.true(writeSessionState(ring, state));
  t.true(writeSessionLeave(ring, { session: 2 ** 52 }));
  t.true(writeRebind(ring, { from: 2 ** 53 - 1, to: 2 ** 32 + 5, gateway: 63 }));
  t.true(writeEvent(ring, event));
  t.true(writeDurable(ring, { number: 2 ** 50 }));
  t.true(writePopulate(ring, { cells: Uint32Array.of(1, 2) }));
  t.deepEqual(drainArrivals(ring), [
    ['activate', ACTIVATION],
    ['ghosts', 5, Uint8Array.of(4, 4, 4)],
    ['subscribe', 6, Uint32Array.of(0, 34, 2 ** 32 - 1)],
    ['ownership', Uint8Array.of(0, 255, 3)],
    ['arrivedInput', input],
    ['sessionState', state],
    ['sessionLeave', 2 ** 52],
    ['rebind', { from: 2 ** 53 - 1, to: 2 ** 32 + 5, gateway: 63 }],
    ['arrivedEvent', event],
    ['durableDone', 2 ** 50],
    ['populate', Uint32Array.of(1, 2)],
  ]);
});

test('an entity with nothing aboard', (t) => {
  const ring = makeRing();
  const passenger = { lastInput: 0, gateway: 0, session: 0, account: '', marks: [] };
  const row = { ...ACTIVATION.row, passenger, record: new Uint8Array(), atRest: false };
  const bare = { cause: 'recovery' as const, targetCell: 0, row, pendingInputs: [] };
  t.true(writeActivate(ring, bare));
  t.deepEqual(drainArrivals(ring), [['activate', bare]]);
});

test('a full ring refuses, keeps what it has, and takes more once it was read', (t) => {
  const ring = makeRing(1024);
  let written = 0;
  while (writeActivate(ring, { ...ACTIVATION, targetCell: written })) written++;
  t.true(written > 2);
  t.false(writeGhosts(ring, { node: 1, bytes: new Uint8Array(1024) }));
  t.false(writeOwnership(ring, { owners: new Uint8Array(1024) }));
  t.false(writeSubscribe(ring, { node: 1, cells: new Uint32Array(256) }));
  while (writeSessionLeave(ring, { session: 1 }));
  t.false(writeArrivedInput(ring, { session: 1, sequence: 1, back: 5, payload: new Uint8Array(1) }));
  t.false(writeSessionState(ring, { session: 1, state: 1, backlogBytes: 0, viewReset: false }));
  t.false(writeEvent(ring, { issuer: LEDGER, number: 1, entity: 1, event: 1, payload: new Uint8Array() }));
  t.false(writeDurable(ring, { number: 1 }));
  const frames = drainArrivals(ring).filter(([type]) => type === 'activate');
  t.deepEqual(
    frames,
    Array.from({ length: written }, (_, targetCell) => ['activate', { ...ACTIVATION, targetCell }]),
  );
  t.true(writeActivate(ring, ACTIVATION) || writeActivate(ring, ACTIVATION));
});

test('frames of changing size go round and round', (t) => {
  const ring = makeRing(1024);
  for (let round = 0; round < 500; round++) {
    const record = new Uint8Array((round * 37) % 301).fill(round & 0xff);
    const activation = { ...ACTIVATION, row: { ...ACTIVATION.row, record } };
    // The first attempt may only move on to the start of the ring.
    t.true(writeActivate(ring, activation) || writeActivate(ring, activation));
    t.true(writeArrivedInput(ring, { session: round, sequence: round, back: 5, payload: record.slice(0, 64) }));
    t.deepEqual(drainArrivals(ring), [
      ['activate', activation],
      ['arrivedInput', { session: round, sequence: round, back: 5, payload: record.slice(0, 64) }],
    ]);
  }
});
