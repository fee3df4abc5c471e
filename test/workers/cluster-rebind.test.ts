/** A client goes on with another session: its player, what it was sent and what it has asked for go with it. */
import test from 'ava';
import type { SessionIndex } from '../../src/base/brand.ts';
import { writeActivate, writeArrivedInput, writeRebind } from '../../src/memory/arrivals.ts';
import { NO_SESSION_ROW } from '../../src/memory/departures.ts';
import { SESSION_STATE } from '../../src/memory/sessions.ts';
import { makeTwins, step } from '../fixtures/twins.ts';
import type { Twin } from '../fixtures/twins.ts';
import { borderWorld, halves } from './border-world.ts';

const HERE = 1;
const INPUT = new Uint8Array(8);

function start(): { west: Twin; twins: Twin[]; id: number; row: SessionIndex } {
  const options = { phases: { params: { counts: 0, startX: -200, startZ: 5, startVx: 0, startVz: 0 } } };
  const twins = makeTwins(borderWorld, { ownerOf: halves, options });
  step(twins, 2);
  const west = twins[0]!;
  const row = west.join(99);
  step(twins, 3);
  return { west, twins, id: west.store.columns.id[west.headless.slotOf(row)]!, row };
}

function rebind(west: Twin, from: number, to: number, gateway: number): void {
  writeRebind(west.store.arrivals, { from, to, gateway });
}

/** Where the player is bound now, and what the journal is told of it. */
function bound(west: Twin, id: number) {
  const { columns, idMap, sessions } = west.store;
  const row = (columns.session[idMap.get(id)]! - 1) as SessionIndex;
  const { passenger } = west.checkpoints.findLast((checkpoint) => checkpoint.id === id)!;
  return {
    row,
    passenger,
    session: sessions.sessionId(row),
    gateway: sessions.gateway(row),
    state: sessions.state(row),
  };
}

test('through four gateways and back: the view goes on, and the inputs', (t) => {
  const { west, twins, id, row: first } = start();
  const { sessions } = west.store;
  west.input(1, { session: 99, payload: INPUT });
  step(twins);
  const tick = sessions.lastSnapshotTick(first);
  t.true(tick > 0 && sessions.hasView(first));

  // At the same gateway, over another connection.
  const second = sessions.open({ sessionId: 100 }) as SessionIndex;
  west.checkpoints.length = 0;
  rebind(west, 99, 100, HERE);
  // One that came ahead of another is waited for in the new place, too.
  writeArrivedInput(west.store.arrivals, { session: 100, sequence: 3, back: 1, payload: INPUT });
  step(twins);
  t.like(bound(west, id), { row: second, session: 100, gateway: 0, state: SESSION_STATE.detached });
  t.like(bound(west, id).passenger, { session: 100, gateway: HERE, lastInput: 1 });
  t.like(west.sessionsBound.at(-1), { session: 100, row: second as number, gateway: 0, id, lastInput: 1 });
  t.is(sessions.slotPlusOne(first), 0);
  t.is(sessions.state(first), SESSION_STATE.attached, 'the old row is its gateway’s to free');
  t.true(sessions.hasView(second));
  t.is(sessions.lastSnapshotTick(second), tick);

  // To another gateway, and from there to a third: the row of a gateway elsewhere is renamed.
  rebind(west, 100, 101, 2);
  step(twins);
  const remote = bound(west, id).row;
  t.like(bound(west, id), { session: 101, gateway: 2, state: SESSION_STATE.detached });
  t.is(sessions.slotPlusOne(second), 0);
  t.true(sessions.hasView(remote));
  rebind(west, 101, 102, 3);
  step(twins);
  t.like(bound(west, id), { row: remote, session: 102, gateway: 3, state: SESSION_STATE.detached });
  t.true(sessions.hasView(remote));
  t.is(sessions.lastSnapshotTick(remote), tick, 'nothing is sent before the gateway says that its client is there');
  writeArrivedInput(west.store.arrivals, { session: 102, sequence: 2, back: 0, payload: INPUT });
  step(twins);
  t.is(sessions.inputSequence(remote), 3, 'the input that waited acts behind the one that was missing');

  // And back: the row for the other gateway is free again.
  const last = sessions.open({ sessionId: 103 }) as SessionIndex;
  rebind(west, 102, 103, HERE);
  step(twins);
  t.like(bound(west, id), { row: last, session: 103, gateway: 0 });
  t.is(sessions.state(remote), SESSION_STATE.free);
  t.is(sessions.inputSequence(last), 3);
  t.is(west.owned().length, 1);
});

test('a repeat is told again, a session that is unknown or over changes nothing', (t) => {
  const { west, twins, id } = start();
  rebind(west, 99, 101, 2);
  step(twins);
  const { row } = bound(west, id);
  const told = west.sessionsBound.length;
  west.checkpoints.length = 0;
  rebind(west, 99, 101, 2);
  step(twins);
  t.is(bound(west, id).row, row);
  t.is(west.checkpoints.length, 1, 'the journal has it again');
  t.is(west.sessionsBound.length, told);
  rebind(west, 99, 102, 3);
  rebind(west, 7, 103, 3);
  west.endSession(99);
  step(twins);
  t.like(bound(west, id), { row, session: 101 });
  west.endSession(101);
  step(twins);
  t.is(west.owned().length, 0);
  rebind(west, 101, 104, 3);
  step(twins);
  t.is(west.owned().length, 0);
});

test('a player without a row is given one, or waits on', (t) => {
  const { west, twins, id } = start();
  const { record, seq, passenger } = west.checkpoints.findLast((checkpoint) => checkpoint.id === id)!;
  west.endSession(99);
  step(twins);
  // Back from a journal, for a session of a process that is gone.
  const row = { id: id + 1000, seq, record, passenger: { ...passenger, session: 55, lastInput: 8 }, atRest: false };
  writeActivate(west.store.arrivals, { cause: 'recovery', row, targetCell: 0, pendingInputs: [] });
  step(twins);
  t.like(west.sessionsBound.at(-1), { session: 55, row: NO_SESSION_ROW });
  rebind(west, 55, 56, HERE);
  step(twins);
  t.like(west.sessionsBound.at(-1), { session: 56, row: NO_SESSION_ROW }, 'its gateway has no such session (any more)');
  rebind(west, 56, 57, 2);
  step(twins);
  const { row: remote } = west.sessionsBound.at(-1)!;
  t.not(remote, NO_SESSION_ROW);
  t.is(west.store.sessions.sessionId(remote as SessionIndex), 57);
  t.is(west.store.sessions.inputSequence(remote as SessionIndex), 8);
});
