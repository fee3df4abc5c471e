import test from 'ava';
import type { HolderEffect, ObserverEffect } from '../../src/peer/lease.core.ts';
import { createHolder, createObserver, mayAct, silentMs, stepHolder, stepObserver } from '../../src/peer/lease.core.ts';
import { RENEWALS_PENDING_MAX } from '../../src/peer/lease.core.ts';
import type { LeaseView, Mutation } from '../../src/peer/protocol.ts';

const ledger = 'ab'.repeat(16);

function lease(node: number, version: number, over: Partial<LeaseView> = {}): LeaseView {
  const none = { successor: 0, successorLedger: '', isProtected: false, buddy: 0 };
  return { node, ledger, incarnation: 7, version, state: 'active', ...none, ...over };
}

function holderWith(...mutations: Mutation[]) {
  const holder = createHolder({ sentMs: 1000, mutations: new Set(mutations) });
  const effects: HolderEffect[] = [];
  return {
    holder,
    time(nowMs: number) {
      effects.length = 0;
      stepHolder(holder, { kind: 'time', nowMs }, effects);
      return [...effects];
    },
    answer(request: number, answer: 'renewed' | 'fenced' | 'unreachable', nowMs: number) {
      effects.length = 0;
      stepHolder(holder, { kind: 'answered', request, answer, nowMs }, effects);
      return [...effects];
    },
  };
}

function observerWith(...mutations: Mutation[]) {
  const observer = createObserver({ me: 1, mutations: new Set(mutations) });
  const effects: ObserverEffect[] = [];
  return {
    observer,
    step(event: Parameters<typeof stepObserver>[1]) {
      effects.length = 0;
      stepObserver(observer, event, effects);
      return [...effects];
    },
  };
}

test('a holder renews every 250 ms and may act for a lease time from sending', (t) => {
  const { holder, time, answer } = holderWith();
  t.deepEqual(time(1249), []);
  t.deepEqual(time(1250), [{ kind: 'renew', request: 1 }]);
  t.deepEqual(time(1251), []);
  t.true(mayAct(holder, 1999));
  t.false(mayAct(holder, 2000));
  t.deepEqual(answer(1, 'renewed', 1900), []);
  t.true(mayAct(holder, 2249));
  t.false(mayAct(holder, 2250));
});

test('removed rule: a lease from receipt lasts longer than the directory knows', (t) => {
  const { holder, time, answer } = holderWith('leaseFromReceipt');
  time(1250);
  answer(1, 'renewed', 1900);
  t.true(mayAct(holder, 2899));
});

test('an unreachable directory pauses the node after the lease time, and the next answer resumes it', (t) => {
  const { holder, time, answer } = holderWith();
  time(1250);
  t.deepEqual(answer(1, 'unreachable', 1300), []);
  t.deepEqual(time(1500), [{ kind: 'renew', request: 2 }]);
  t.deepEqual(time(2000), [{ kind: 'renew', request: 3 }, { kind: 'pause' }]);
  t.is(holder.state, 'paused');
  // Its sending is so long ago that it grants nothing any more.
  t.deepEqual(answer(2, 'renewed', 2600), []);
  t.deepEqual(time(2700), [{ kind: 'renew', request: 4 }]);
  t.deepEqual(answer(4, 'renewed', 2710), [{ kind: 'resume' }]);
  t.true(mayAct(holder, 3699));
});

test('a pause of the process past the lease: no acting before the directory has answered', (t) => {
  const { holder, time } = holderWith();
  t.false(mayAct(holder, 9000));
  t.deepEqual(time(9000), [{ kind: 'renew', request: 1 }, { kind: 'pause' }]);
});

test('fenced is for ever', (t) => {
  const { holder, time, answer } = holderWith();
  time(1250);
  time(1500);
  t.like(answer(1, 'fenced', 1600), [{ kind: 'stop' }]);
  t.false(mayAct(holder, 1601));
  t.deepEqual(answer(2, 'renewed', 1602), []);
  t.deepEqual(time(1750), []);
  t.false(mayAct(holder, 1751));
});

test('answers out of order never shorten a lease, and forgotten requests grant nothing', (t) => {
  const { holder, time, answer } = holderWith();
  time(1250);
  time(1500);
  answer(2, 'renewed', 1600);
  answer(1, 'renewed', 1700);
  t.is(holder.untilMs, 2500);
  for (let round = 0; round < 2 * RENEWALS_PENDING_MAX; round++) time(3000 + 250 * round);
  t.is(holder.pending.size, RENEWALS_PENDING_MAX);
  answer(3, 'renewed', 20_000);
  t.is(holder.untilMs, 2500);
});

test('an observer counts from when it saw the change and fences on the version it saw', (t) => {
  const { observer, step } = observerWith();
  t.deepEqual(step({ kind: 'seen', leases: [lease(1, 5), lease(2, 9)], nowMs: 100 }), []);
  t.deepEqual(step({ kind: 'seen', leases: [lease(2, 9)], nowMs: 1000 }), []);
  t.is(silentMs(observer, 2, 1000), 900);
  t.deepEqual(step({ kind: 'time', nowMs: 1199 }), []);
  const fence: ObserverEffect = { kind: 'fence', node: 2, incarnation: 7, seenVersion: 9 };
  t.deepEqual(step({ kind: 'time', nowMs: 1200 }), [fence]);
  t.deepEqual(step({ kind: 'time', nowMs: 1201 }), []);
  t.deepEqual(step({ kind: 'time', nowMs: 1450 }), [fence]);
  step({ kind: 'seen', leases: [lease(2, 10)], nowMs: 1460 });
  t.deepEqual(step({ kind: 'time', nowMs: 2559 }), []);
  t.like(step({ kind: 'time', nowMs: 2560 }), [{ seenVersion: 10 }]);
});

test('old copies of a lease are no news; a new incarnation begins anew; a fenced lease is left alone', (t) => {
  const { step } = observerWith();
  step({ kind: 'seen', leases: [lease(2, 9)], nowMs: 0 });
  step({ kind: 'seen', leases: [lease(2, 8)], nowMs: 1000 });
  t.like(step({ kind: 'time', nowMs: 1100 }), [{ seenVersion: 9 }]);
  t.deepEqual(step({ kind: 'seen', leases: [lease(2, 3, { incarnation: 8 })], nowMs: 1400 }), []);
  step({ kind: 'seen', leases: [lease(2, 99)], nowMs: 2000 });
  t.like(step({ kind: 'time', nowMs: 2500 }), [{ incarnation: 8, seenVersion: 3 }]);
  step({ kind: 'seen', leases: [lease(2, 100, { incarnation: 8, state: 'fenced' })], nowMs: 2600 });
  t.deepEqual(step({ kind: 'time', nowMs: 9000 }), []);
});

test('a process known to be dead is fenced at once; a silent link proves nothing', (t) => {
  const { step } = observerWith();
  step({ kind: 'seen', leases: [lease(2, 9)], nowMs: 0 });
  t.deepEqual(step({ kind: 'suspected', node: 2, nowMs: 10 }), []);
  t.deepEqual(step({ kind: 'died', node: 2, incarnation: 6, nowMs: 10 }), []);
  t.like(step({ kind: 'died', node: 2, incarnation: 7, nowMs: 20 }), [{ kind: 'fence', seenVersion: 9 }]);
});

test('removed rules: too early, without the version, before the lease ended', (t) => {
  const early = observerWith('observerTooEarly');
  early.step({ kind: 'seen', leases: [lease(2, 9)], nowMs: 0 });
  t.like(early.step({ kind: 'time', nowMs: 500 }), [{ seenVersion: 9 }]);
  const blind = observerWith('fenceWithoutVersion');
  blind.step({ kind: 'seen', leases: [lease(2, 9)], nowMs: 0 });
  t.like(blind.step({ kind: 'time', nowMs: 1100 }), [{ seenVersion: 0 }]);
  const hasty = observerWith('takeoverBeforeLeaseEnd');
  hasty.step({ kind: 'seen', leases: [lease(2, 9)], nowMs: 0 });
  t.like(hasty.step({ kind: 'suspected', node: 2, nowMs: 10 }), [{ kind: 'fence' }]);
});

test('a node that is back with a new ledger is watched, though its old one stays fenced', (t) => {
  const { step } = observerWith();
  const old = lease(2, 12, { state: 'fenced', successor: 3 });
  const now = lease(2, 4, { incarnation: 9, ledger: 'cd'.repeat(16) });
  step({ kind: 'seen', leases: [old, now], nowMs: 0 });
  step({ kind: 'seen', leases: [old, now], nowMs: 900 });
  t.deepEqual(step({ kind: 'seen', leases: [now, old], nowMs: 1000 }), []);
  t.deepEqual(step({ kind: 'time', nowMs: 1100 }), [{ kind: 'fence', node: 2, incarnation: 9, seenVersion: 4 }]);
});
