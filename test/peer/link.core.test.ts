/** The decisions of links, without sockets or clocks. */
import test from 'ava';
import { createAdmission, judge, learn } from '../../src/peer/link-admission.core.ts';
import type { KnownLink } from '../../src/peer/link-admission.core.ts';
import { acknowledge, createCredit, flew, hasCredit, useCredit } from '../../src/peer/link-credit.core.ts';
import {
  allowedSilenceMs,
  createDetector,
  heard,
  heardHeartbeat,
  isSilent,
  resumeDetector,
} from '../../src/peer/link-detector.core.ts';
import type { LinkPeer } from '../../src/peer/link-hello.wire.ts';
import { LinkError } from '../../src/peer/link-error.ts';
import { redialDelayMs } from '../../src/peer/link-redial.core.ts';
import {
  TIMEOUT_MS_FIRST,
  TIMEOUT_MS_MIN,
  addRoundTrip,
  answerTimeoutMs,
  createRoundTrip,
} from '../../src/peer/link-round-trip.core.ts';
import { negotiate } from '../../src/peer/link.core.ts';
import { ledgerOf } from './link-fixture.ts';

const DETECTOR = { heartbeatMs: 100, silenceMsMin: 300, silenceMsMax: 5000 };

test('protocol versions: the highest that both speak, or a refusal', (t) => {
  t.is(negotiate({ min: 1, max: 2 }, { min: 2, max: 3 }), 2);
  t.is(negotiate({ min: 2, max: 3 }, { min: 1, max: 2 }), 2);
  t.is(negotiate({ min: 1, max: 3 }, { min: 1, max: 3 }), 3);
  t.is(negotiate({ min: 1, max: 1 }, { min: 1, max: 9 }), 1);
  t.is(
    t.throws(() => negotiate({ min: 1, max: 2 }, { min: 3, max: 4 }), { instanceOf: LinkError }).code,
    'ERR_LINK_PROTOCOL',
  );
});

test('the detector: 300 ms for an even pace, more for an uneven one, never more than the limit', (t) => {
  const state = createDetector(DETECTOR, 0);
  let nowMs = 0;
  for (; nowMs < 2000; nowMs += 25) {
    if (nowMs % 100 === 0) heardHeartbeat(state, DETECTOR, nowMs);
    t.false(isSilent(state, DETECTOR, nowMs));
  }
  t.is(allowedSilenceMs(state, DETECTOR), 300);
  const lastMs = 1900;
  for (; nowMs <= lastMs + 300; nowMs += 25) t.false(isSilent(state, DETECTOR, nowMs));
  t.true(isSilent(state, DETECTOR, nowMs));
  // It comes back, now with gaps between 50 and 550 ms.
  resumeDetector(state, nowMs);
  for (let beat = 0; beat < 30; beat++) heardHeartbeat(state, DETECTOR, (nowMs += beat % 2 === 0 ? 50 : 550));
  t.true(allowedSilenceMs(state, DETECTOR) > 1000);
  for (let beat = 0; beat < 50; beat++) heardHeartbeat(state, DETECTOR, (nowMs += beat % 2 === 0 ? 50 : 9000));
  t.true(allowedSilenceMs(state, DETECTOR) <= 5000);
  for (let beat = 0; beat < 60; beat++) heardHeartbeat(state, DETECTOR, (nowMs += 100));
  t.true(allowedSilenceMs(state, DETECTOR) < 310);
});

test('the detector does not count what this thread slept through', (t) => {
  const state = createDetector(DETECTOR, 0);
  heard(state, 1000);
  isSilent(state, DETECTOR, 1000);
  t.false(isSilent(state, DETECTOR, 9000), 'a pause of eight seconds');
  for (let nowMs = 9025; nowMs <= 9300; nowMs += 25) t.false(isSilent(state, DETECTOR, nowMs));
  t.true(isSilent(state, DETECTOR, 9325));
});

test('round trips as RFC 6298, section 2', (t) => {
  const state = createRoundTrip();
  t.is(answerTimeoutMs(state), TIMEOUT_MS_FIRST);
  addRoundTrip(state, 100);
  t.deepEqual(state, { smoothedMs: 100, variationMs: 50 });
  t.is(answerTimeoutMs(state), 300);
  addRoundTrip(state, 60);
  t.is(state.variationMs, 47.5);
  t.is(state.smoothedMs, 95);
  for (let sample = 0; sample < 200; sample++) addRoundTrip(state, 0.2);
  t.is(answerTimeoutMs(state), TIMEOUT_MS_MIN);
});

test('redials: doubled up to the limit, half of it random', (t) => {
  const redial = { minMs: 50, maxMs: 2000 };
  t.is(redialDelayMs(0, { random: 0, redial }), 25);
  t.is(redialDelayMs(1, { random: 1, redial }), 100);
  t.is(redialDelayMs(5, { random: 0.5, redial }), 1200);
  t.is(redialDelayMs(9999, { random: 1, redial }), 2000);
});

test('credits: bounded per priority, given back by acknowledgement, in sequence across the wrap', (t) => {
  const state = createCredit([100, 100, 100, 100]);
  state.acknowledged = 0xffff_fff0;
  let sequence = 0xffff_fffe;
  t.true(hasCredit(state, 1, 500), 'more than the window, when nothing else is on its way');
  useCredit(state, 1, 60);
  t.true(hasCredit(state, 1, 40));
  t.false(hasCredit(state, 1, 41));
  t.true(hasCredit(state, 0, 100));
  for (let flight = 0; flight < 4; flight++, sequence = (sequence + 1) >>> 0) {
    flew(state, { sequence, priority: 1, sizeBytes: 15 });
  }
  acknowledge(state, 0xffff_ffff, 1);
  t.is(state.outstanding[1], 30);
  acknowledge(state, 0xffff_ffff, 1);
  t.is(state.outstanding[1], 30);
  const code = (acknowledged: number): string =>
    t.throws(() => acknowledge(state, acknowledged, 1), { instanceOf: LinkError }).code;
  t.is(code(2), 'ERR_LINK_ACKNOWLEDGEMENT');
  t.is(code(0xffff_fffe), 'ERR_LINK_ACKNOWLEDGEMENT');
  acknowledge(state, 1, 1);
  t.is(state.outstanding[1], 0);
  t.is(state.flights.length, 0);
});

const peer = (number: number, more: Partial<LinkPeer> = {}): LinkPeer => ({
  node: number,
  name: `n${number}`,
  incarnation: 10 * number,
  ledger: ledgerOf(number),
  ...more,
});
const code = (result: { refusal: LinkError | undefined }): string | undefined => result.refusal?.code;
const accepted = (other: LinkPeer): KnownLink => ({ peer: other, dialled: '' });
const dialled = (name: string, other?: LinkPeer): KnownLink => ({ peer: other, dialled: name });

test('admission: who is refused', (t) => {
  const state = createAdmission();
  const ask = (other: LinkPeer, links: KnownLink[] = [], isDialledByMe = false): string | undefined =>
    code(judge(state, { me: peer(2), peer: other, isDialledByMe, links }));
  t.is(ask(peer(1)), undefined);
  t.is(ask(peer(1, { name: 'n2' })), 'ERR_LINK_NAME_TAKEN', 'my own name');
  t.is(ask(peer(1, { incarnation: 20 })), 'ERR_LINK_NAME_TAKEN', 'my own incarnation');
  t.is(ask(peer(1, { node: 2 })), 'ERR_LINK_IDENTITY', 'my own number');
  t.is(ask(peer(1, { node: 3 }), [accepted(peer(3))]), 'ERR_LINK_IDENTITY', 'the number of another');
  t.is(
    ask(peer(1, { ledger: ledgerOf(7), incarnation: 99 }), [accepted(peer(1))]),
    'ERR_LINK_NAME_TAKEN',
    'a second live node',
  );
  learn(state, 'n1', 10, ledgerOf(1));
  t.is(ask(peer(1, { incarnation: 9 })), 'ERR_LINK_STALE');
  t.is(ask(peer(1, { ledger: ledgerOf(7) })), 'ERR_LINK_NAME_TAKEN', 'one incarnation, two ledgers');
  t.is(ask(peer(1, { ledger: ledgerOf(7), incarnation: 11 })), undefined, 'a new node under the name of a dead one');
  learn(state, 'n1', 9);
  t.is(ask(peer(1)), undefined, 'late news of an older incarnation change nothing');
  learn(state, 'n1', 12);
  t.is(ask(peer(1)), 'ERR_LINK_STALE', 'the directory knows of a newer one');
  state.fenced.add(30);
  t.is(ask(peer(3)), 'ERR_LINK_FENCED');
});

test('admission: of two dials at once the one of the higher incarnation stays, whichever comes first', (t) => {
  const [low, high] = [peer(1), peer(2)];
  const at = (me: LinkPeer, other: LinkPeer, isDialledByMe: boolean, links: KnownLink[]): string => {
    const { refusal, replaced } = judge(createAdmission(), { me, peer: other, isDialledByMe, links });
    return refusal?.code ?? `replaces ${replaced.length}`;
  };
  t.is(at(high, low, false, [dialled('n1')]), 'ERR_LINK_DUPLICATE', 'its own dial is on its way');
  t.is(at(low, high, false, [dialled('n2')]), 'replaces 1', 'its own dial gives way');
  t.is(at(high, low, false, [dialled('n1', low)]), 'ERR_LINK_DUPLICATE');
  t.is(at(low, high, false, [dialled('n2', high)]), 'replaces 1');
  t.is(at(high, low, true, [accepted(low)]), 'replaces 1');
  t.is(at(low, high, true, [accepted(high)]), 'ERR_LINK_DUPLICATE');
  t.is(at(high, low, false, [accepted(low)]), 'replaces 1', 'the peer dials again: it lost the older one');
  t.is(at(low, high, true, [dialled('n2', high)]), 'replaces 1');
  t.is(at(high, low, false, [accepted(peer(3)), dialled('n3')]), 'replaces 0');
});

test('admission: a higher incarnation of the same ledger voids the older link', (t) => {
  const old = accepted(peer(1));
  const { refusal, replaced } = judge(createAdmission(), {
    me: peer(2),
    peer: peer(1, { incarnation: 55 }),
    isDialledByMe: false,
    links: [old],
  });
  t.is(refusal, undefined);
  t.deepEqual(replaced, [old]);
});
