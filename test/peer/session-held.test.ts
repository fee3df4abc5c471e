/** What the router keeps of sessions besides their players: rows that it remembers, and messages that wait. */
import test from 'ava';
import { Random } from '../../src/base/random.ts';
import { Sessions, SESSION_STATE } from '../../src/memory/sessions.ts';
import type { SessionId } from '../../src/peer/protocol.ts';
import { HeldMessages } from '../../src/peer/session-held.ts';
import { SessionRows } from '../../src/peer/session-rows.ts';

const CAPACITY = 12;

test('a remembered row is that which a look at all rows finds, whatever becomes of the rows', (t) => {
  const sessions = new Sessions(new SharedArrayBuffer(Sessions.sizeBytes(CAPACITY)), 0, CAPACITY);
  const rows = new SessionRows(sessions);
  const random = new Random(7);
  const live: number[] = [];
  let next = 1;
  for (let step = 0; step < 4000; step++) {
    const choice = random.below(4);
    if (choice === 0 && live.length < CAPACITY) {
      sessions.open({ sessionId: next });
      live.push(next++);
    } else if (choice === 1 && live.length > 0) {
      const [session = 0] = live.splice(random.below(live.length), 1);
      const row = sessions.findBySessionId(session);
      if (row !== -1) sessions.setState(row, SESSION_STATE.free);
    } else if (choice === 2 && live.length > 0) {
      const at = random.below(live.length);
      const row = sessions.findBySessionId(live[at] ?? 0);
      if (row !== -1) sessions.rename(row, { sessionId: next, gateway: 2 });
      live[at] = next++;
    }
    const asked = (1 + random.below(next)) as SessionId;
    t.is(rows.find(asked), sessions.findBySessionId(asked));
    for (const session of live) t.is(rows.find(session as SessionId), sessions.findBySessionId(session));
  }
});

test('messages wait in order, for a while, and not more than so many', (t) => {
  const held = new HeldMessages();
  const message = (session: number, number = 0) =>
    ({ kind: 'leave', session: session as SessionId, hops: number }) as const;
  for (let number = 0; number < 200; number++) t.is(held.hold(message(1, number), 0), number < 128);
  t.deepEqual(
    held.take(1 as SessionId).map(({ kind, ...rest }) => ({ kind, hops: 'hops' in rest ? rest.hops : -1 })),
    Array.from({ length: 128 }, (_, hops) => ({ kind: 'leave', hops })),
  );
  t.deepEqual(held.take(1 as SessionId), []);
  for (let session = 1; session <= 5000; session++) t.is(held.hold(message(session), 10), session <= 4096);
  held.expire(2009);
  t.is(held.take(7 as SessionId).length, 1);
  held.expire(2010);
  t.is(held.take(8 as SessionId).length, 0);
  t.true(held.hold(message(5000), 3000));
});
