import test from 'ava';
import type { SessionIndex } from '../../src/base/brand.ts';
import { INPUT_BYTES_MAX } from '../../src/base/schema.ts';
import { SESSION_STATE, Sessions } from '../../src/memory/sessions.ts';
import { VIEW_ENTITIES_MAX } from '../../src/memory/views.ts';
import { INPUT_WINDOW } from '../../src/wire/messages.ts';

const make = (capacity = 3): Sessions => new Sessions(new SharedArrayBuffer(Sessions.sizeBytes(capacity)), 0, capacity);
const FIRST = 0 as SessionIndex;

test('rows are given out until all are taken, and again when their entity has gone', (t) => {
  const sessions = make();
  t.deepEqual([sessions.open(), sessions.open(), sessions.open(), sessions.open()] as number[], [0, 1, 2, -1]);
  t.is(sessions.state(FIRST), SESSION_STATE.detached);
  sessions.setSlotPlusOne(FIRST, 5);
  sessions.setState(FIRST, SESSION_STATE.free);
  t.is(sessions.open(), -1);
  sessions.setSlotPlusOne(FIRST, 0);
  t.is(sessions.open() as number, 0);
  t.is(sessions.generation(FIRST), 2);
});

test('a new session starts with nothing of the one before', (t) => {
  const sessions = make();
  sessions.open();
  sessions.setInputSequence(FIRST, 2 ** 32 - 1);
  t.is(sessions.inputSequence(FIRST), 2 ** 32 - 1);
  sessions.setBacklogBytes(FIRST, 2 ** 40);
  t.is(sessions.backlogBytes(FIRST), 0x7fff_ffff);
  sessions.countSkipped(FIRST);
  sessions.setRefusal(FIRST, 'heap');
  t.is(sessions.refusal(FIRST), 'heap');
  t.is(sessions.skipped(FIRST), 1);
  t.true(sessions.takeViewReset(FIRST));
  sessions.setState(FIRST, SESSION_STATE.free);
  sessions.open();
  t.is(sessions.inputSequence(FIRST), 0);
  t.is(sessions.backlogBytes(FIRST), 0);
  t.is(sessions.skipped(FIRST), 0);
  t.is(sessions.refusal(FIRST), undefined);
  t.true(sessions.takeViewReset(FIRST));
});

test('rows know their session, its gateway and the way to its player; remote ones too', (t) => {
  const sessions = make();
  const local = sessions.open({ sessionId: 2 ** 52 + 7 }) as SessionIndex;
  const remote = sessions.open({ sessionId: 2 ** 32 - 1, gateway: 63 }) as SessionIndex;
  t.deepEqual([sessions.sessionId(local), sessions.gateway(local), sessions.route(local)], [2 ** 52 + 7, 0, 0]);
  t.deepEqual([sessions.sessionId(remote), sessions.gateway(remote)], [2 ** 32 - 1, 63]);
  sessions.setRoute(local, 5);
  t.is(sessions.route(local), 5);
  t.is(sessions.findBySessionId(2 ** 32 - 1), remote);
  t.is(sessions.findBySessionId(2 ** 52 + 7), local);
  t.deepEqual([sessions.findBySessionId(0), sessions.findBySessionId(9)] as number[], [-1, -1]);
  sessions.setState(remote, SESSION_STATE.free);
  t.is(sessions.findBySessionId(2 ** 32 - 1), -1);
  t.is(sessions.open(), remote);
  t.deepEqual([sessions.sessionId(remote), sessions.gateway(remote)], [0, 0]);
  sessions.setState(local, SESSION_STATE.free);
  t.is(sessions.open(), local);
  t.is(sessions.route(local), 0);
});

test('a view reset is taken once for any number of requests', (t) => {
  const sessions = make();
  sessions.open();
  t.true(sessions.takeViewReset(FIRST));
  t.false(sessions.takeViewReset(FIRST));
  sessions.requestViewReset(FIRST);
  sessions.requestViewReset(FIRST);
  t.true(sessions.takeViewReset(FIRST));
  t.false(sessions.takeViewReset(FIRST));
});

test('a resync is known by its row alone, and only up to its last snapshot', (t) => {
  const sessions = make();
  sessions.open();
  sessions.setLastSnapshotTick(FIRST, 50);
  const taken = (): number => (sessions.takeViewReset(FIRST) ? sessions.takeResyncTick(FIRST) : -1);
  sessions.requestResync(FIRST, 40);
  t.is(taken(), 0, 'the row is new: it knows nothing of what the client has');
  t.is(taken(), -1);
  sessions.requestResync(FIRST, 40);
  t.is(taken(), 40);
  sessions.requestResync(FIRST, 51);
  t.is(taken(), 0);
  sessions.requestResync(FIRST, 40);
  sessions.requestViewReset(FIRST);
  t.is(taken(), 0);
  sessions.requestViewReset(FIRST);
  t.is(taken(), 0);
});

test('a view that is copied goes on elsewhere', (t) => {
  const sessions = make();
  sessions.open();
  sessions.open();
  const second = 1 as SessionIndex;
  sessions.takeViewReset(FIRST);
  sessions.views.x[VIEW_ENTITIES_MAX - 1] = 77;
  sessions.views.own.set([1, 2, 3, 4]);
  sessions.copyView(FIRST, second);
  t.is(sessions.views.x[2 * VIEW_ENTITIES_MAX - 1], 77);
  t.deepEqual([...sessions.views.own.subarray(4, 8)], [1, 2, 3, 4]);
  t.false(sessions.takeViewReset(second));
  sessions.views.clear(second);
  t.is(sessions.views.x[VIEW_ENTITIES_MAX - 1], 77);
});

test('views and pending inputs of sessions do not overlap', (t) => {
  const sessions = make();
  t.is(sessions.views.x.length, 3 * VIEW_ENTITIES_MAX);
  const payload = (session: number, sequence: number) =>
    Uint8Array.from({ length: INPUT_BYTES_MAX }, (_, at) => (session * 97 + sequence * 7 + at) & 0xff);
  const each = [0, 1, 2].flatMap((session) =>
    Array.from({ length: INPUT_WINDOW }, (_, index) => [session as SessionIndex, 100 + index] as const),
  );
  for (const [session, sequence] of each) sessions.holdInput(session, sequence, payload(session, sequence));
  const views = Object.values(sessions.views) as Uint32Array[];
  t.is(views.length, 17);
  for (const view of views) view.fill(view.byteOffset & 0x7f);
  for (const view of views) t.true(view.every((value) => value === (view.byteOffset & 0x7f)));
  for (const [session, sequence] of each) {
    t.true(sessions.holdsInput(session, sequence));
    t.deepEqual(sessions.inputPayload(session, sequence), payload(session, sequence));
  }
  sessions.setPending(FIRST, 104, 3);
  t.is(sessions.pendingFirst(FIRST), 104);
  sessions.setViewCount(FIRST, 9);
  sessions.setLastSnapshotTick(FIRST, 2 ** 31 + 1);
  t.deepEqual(
    [sessions.pendingCount(FIRST), sessions.viewCount(FIRST), sessions.lastSnapshotTick(FIRST)],
    [3, 9, 2 ** 31 + 1],
  );
});
