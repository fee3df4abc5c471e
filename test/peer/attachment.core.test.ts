import test from 'ava';
import type { EntityId } from '../../src/base/brand.ts';
import {
  ASK_AGAIN_MS,
  decideAttach,
  DENIALS_MIN,
  GIVE_UP_MS,
  RENAMES_MAX,
  startAttempt,
  stepAttempt,
} from '../../src/peer/attachment.core.ts';
import type { Attachable, AttachRequest, Attempt, Knowledge } from '../../src/peer/attachment.core.ts';
import type { SessionId } from '../../src/peer/protocol.ts';

const ID = 70 as EntityId;
const session = (number: number): SessionId => number as SessionId;
const S = session(1);
const NEXT = session(2);
const LAST = session(3);
const STRANGE = session(9);

interface Known extends Attachable {
  readonly before: readonly SessionId[];
}

function player(given: Partial<Known> = {}): Known {
  return { id: ID, session: S, before: [], isHeard: true, isStable: true, ...given };
}

function knowing(given: {
  players?: readonly Known[];
  successors?: ReadonlyMap<SessionId, SessionId>;
  isInDoubt?: boolean;
}): Knowledge {
  const { players = [], successors = new Map(), isInDoubt = false } = given;
  return {
    playerOf: (of) => players.find((each) => each.session === of || each.before.includes(of)),
    playerWithId: (id) => players.find((each) => each.id === id),
    successorOf: (of) => successors.get(of),
    isInDoubt: () => isInDoubt,
  };
}

const ASK: AttachRequest = { from: S, to: NEXT, isRenamed: false, entity: ID };

test('the owner gives the player of a current session away, and of no other', (t) => {
  t.is(decideAttach(ASK, knowing({ players: [player()] })).kind, 'rebind');
  t.is(decideAttach({ ...ASK, entity: 0 }, knowing({ players: [player()] })).kind, 'rebind');
  t.is(decideAttach({ ...ASK, entity: 71 as EntityId }, knowing({ players: [player()] })).kind, 'no');
  t.is(decideAttach(ASK, knowing({ players: [player({ session: STRANGE })] })).kind, 'spent');
  t.is(decideAttach({ ...ASK, entity: 0 }, knowing({ players: [player({ session: STRANGE })] })).kind, 'no');
  t.is(decideAttach(ASK, knowing({})).kind, 'no');
  t.is(decideAttach(ASK, knowing({ isInDoubt: true })).kind, 'maybe');
});

test('a repeat is answered when the first is stable, and changes nothing', (t) => {
  const bound = player({ session: NEXT, before: [S], isHeard: false });
  t.is(decideAttach(ASK, knowing({ players: [{ ...bound, isStable: false }] })).kind, 'wait');
  t.is(decideAttach(ASK, knowing({ players: [bound] })).kind, 'attached');
  t.is(decideAttach(ASK, knowing({ players: [player({ session: NEXT })] })).kind, 'attached');
});

test('a request whose session another one took, unheard, gets the player back', (t) => {
  const taken = player({ session: LAST, before: [NEXT, S], isHeard: false });
  t.is(decideAttach(ASK, knowing({ players: [taken] })).kind, 'rebind');
});

test('the session before is good until the client of the current one was heard', (t) => {
  const again = { ...ASK, to: LAST };
  t.is(
    decideAttach(again, knowing({ players: [player({ session: NEXT, before: [S], isHeard: false })] })).kind,
    'rebind',
  );
  t.is(decideAttach(again, knowing({ players: [player({ session: NEXT })] })).kind, 'spent');
});

test('who knows what a session has become says so, and the owner agrees if its client was not heard', (t) => {
  const elsewhere = knowing({ successors: new Map([[S, NEXT]]) });
  t.deepEqual(decideAttach({ ...ASK, to: LAST }, elsewhere), { kind: 'renamed', to: NEXT });
  const renamed: AttachRequest = { from: NEXT, to: LAST, isRenamed: true, entity: ID };
  t.is(decideAttach(renamed, knowing({ players: [player({ session: NEXT, isHeard: false })] })).kind, 'rebind');
  t.is(decideAttach(renamed, knowing({ players: [player({ session: NEXT, isHeard: true })] })).kind, 'spent');
  // What the asker itself has made of the session is no news to it.
  t.is(decideAttach(ASK, knowing({ successors: new Map([[S, NEXT]]) })).kind, 'no');
});

function denied(attempt: Attempt, nodes: readonly number[], round = attempt.round): void {
  for (const from of nodes) stepAttempt(attempt, { kind: 'answer', from, answer: 'no', round });
}

test('an attempt asks again and again, and ends when everybody has said no twice', (t) => {
  const attempt = startAttempt({ from: S, to: NEXT }, 1000);
  const time = (nowMs: number, isSomebodyMissing = false) =>
    stepAttempt(attempt, { kind: 'time', nowMs, nodes: [1, 2, 3], isSomebodyMissing });
  t.is(time(1000), 'ask');
  t.is(time(1000 + ASK_AGAIN_MS - 1), 'wait');
  let nowMs = 1000;
  for (let times = 1; times < DENIALS_MIN; times++) {
    denied(attempt, [1, 2, 3]);
    t.is(time((nowMs += ASK_AGAIN_MS)), 'ask');
  }
  denied(attempt, [1, 2]);
  t.is(time((nowMs += ASK_AGAIN_MS)), 'ask');
  denied(attempt, [3]);
  t.is(time(nowMs + ASK_AGAIN_MS), 'refused');
});

test('a no counts only as the answer to what was asked when all had said no before, or nobody was missing any more', (t) => {
  const attempt = startAttempt({ from: S, to: NEXT }, 0);
  const time = (nowMs: number, isSomebodyMissing = false) =>
    stepAttempt(attempt, { kind: 'time', nowMs, nodes: [1, 2], isSomebodyMissing });
  t.is(time(0), 'ask');
  t.is(time(ASK_AGAIN_MS, true), 'ask');
  // A late answer, and a repeat of it: the player may have come to that node since.
  denied(attempt, [1, 2], 1);
  denied(attempt, [1, 2], 1);
  t.is(time(2 * ASK_AGAIN_MS), 'ask');
  denied(attempt, [1, 2]);
  const late = attempt.round;
  t.is(time(3 * ASK_AGAIN_MS), 'ask');
  denied(attempt, [1, 2], late);
  t.is(time(4 * ASK_AGAIN_MS), 'ask');
  denied(attempt, [1, 2]);
  t.is(time(5 * ASK_AGAIN_MS), 'refused');
});

test('nothing is denied while somebody is missing or in doubt, but not for ever', (t) => {
  const attempt = startAttempt({ from: S, to: NEXT }, 0);
  const time = (nowMs: number, isSomebodyMissing: boolean) =>
    stepAttempt(attempt, { kind: 'time', nowMs, nodes: [1, 2], isSomebodyMissing });
  time(0, false);
  denied(attempt, [1, 2]);
  t.is(time(ASK_AGAIN_MS, true), 'ask');
  for (let times = 1; times <= DENIALS_MIN; times++) {
    denied(attempt, [1, 2]);
    t.is(time((1 + times) * ASK_AGAIN_MS, true), 'ask');
  }
  denied(attempt, [1, 2]);
  t.is(stepAttempt(attempt, { kind: 'answer', from: 2, answer: 'maybe', round: attempt.round }), 'wait');
  t.is(time((2 + DENIALS_MIN) * ASK_AGAIN_MS, false), 'ask');
  t.is(time(GIVE_UP_MS - 1, true), 'ask');
  t.is(time(GIVE_UP_MS, true), 'unknown');
});

test('a spent token is refused at once, a renamed session asked for, but not in a ring', (t) => {
  const attempt = startAttempt({ from: S, to: LAST }, 0);
  t.is(stepAttempt(attempt, { kind: 'renamed', to: NEXT, nowMs: 5 }), 'ask');
  t.is(attempt.from, NEXT);
  t.is(stepAttempt(attempt, { kind: 'renamed', to: NEXT, nowMs: 6 }), 'wait');
  t.is(stepAttempt(attempt, { kind: 'renamed', to: LAST, nowMs: 6 }), 'wait');
  t.is(attempt.renames, 1);
  for (let names = 1; names < RENAMES_MAX; names++)
    t.is(stepAttempt(attempt, { kind: 'renamed', to: session(10 + names), nowMs: 7 }), 'ask');
  t.is(stepAttempt(attempt, { kind: 'renamed', to: NEXT, nowMs: 8 }), 'wait');
  t.is(stepAttempt(attempt, { kind: 'answer', from: 1, answer: 'spent', round: 0 }), 'refused');
});
