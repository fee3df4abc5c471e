import test from 'ava';
import * as fc from 'fast-check';
import { ClientError } from '../../src/client/errors.ts';
import { createLinkState, DIAL_MS_MAX, DIAL_QUICK_MS_MAX, LinkCore, QUICK_MS_MAX } from '../../src/client/link.core.ts';
import type { LinkEffect, LinkEvent, LinkRules, Loss } from '../../src/client/link.core.ts';
import { CLOSE_CODE } from '../../src/wire/messages.ts';

const rules: LinkRules = { backoff: { minMs: 1000, maxMs: 30_000 }, correctsClock: true };
const ABNORMAL = 1006;

function lossWith(closeCode: number): Loss {
  return { closeCode, error: new ClientError('ERR_CLIENT_CONNECTION', `lost (${closeCode})`, { closeCode }) };
}

/** A core with a clock that stands still, and chance that always says the most. */
class Harness {
  readonly core: LinkCore;
  nowMs = 0;

  constructor(urls: readonly string[], change: Partial<LinkRules> = {}) {
    this.core = new LinkCore(createLinkState(urls, ''), { ...rules, ...change });
  }

  step(event: LinkEvent): LinkEffect[] {
    return this.core.step(event, { nowMs: this.nowMs, random: 1 });
  }

  welcome(socket: number, { resumed = false, gateways = [] as string[] } = {}): LinkEffect[] {
    return this.step({ kind: 'welcome', socket, resumed, resumeToken: `token-${socket}`, gateways });
  }

  lose(socket: number, closeCode = ABNORMAL): LinkEffect[] {
    return this.step({ kind: 'ended', socket, loss: lossWith(closeCode) });
  }

  retry(): LinkEffect[] {
    return this.step({ kind: 'timer', timer: 'retry' });
  }

  redirect(url = 'ws://owner'): LinkEffect[] {
    const { current } = this.core.state;
    return this.step({ kind: 'handoverStart', socket: current, url, token: 'redirect', validMs: 5000 });
  }
}

function online(urls: readonly string[], gateways: string[] = []): Harness {
  const harness = new Harness(urls);
  harness.step({ kind: 'open' });
  harness.welcome(1, { gateways });
  return harness;
}

function kindsOf(effects: readonly LinkEffect[]): string[] {
  return effects.map((effect) => effect.kind);
}

function find<Kind extends LinkEffect['kind']>(
  effects: readonly LinkEffect[],
  kind: Kind,
): Extract<LinkEffect, { kind: Kind }> | undefined {
  return effects.find((effect): effect is Extract<LinkEffect, { kind: Kind }> => effect.kind === kind);
}

test('one gateway: each try is a round, and the delays double', (t) => {
  const harness = online(['ws://a']);
  const delays: unknown[] = [find(harness.lose(1), 'reconnecting')?.delayMs];
  for (let socket = 2; socket < 8; socket++) {
    const dial = find(harness.retry(), 'dial');
    t.deepEqual([dial?.socket, dial?.url, dial?.resumeToken, dial?.dialMs], [socket, 'ws://a', 'token-1', DIAL_MS_MAX]);
    const lost = find(harness.lose(socket), 'reconnecting');
    t.is(lost?.attempt, socket - 1);
    delays.push(lost?.delayMs);
  }
  t.deepEqual(delays, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

test('a dead gateway costs a moment: the others are tried quickly, the lost one first, then it backs off', (t) => {
  const harness = online(['ws://a', 'ws://b'], ['ws://c', 'ws://a']);
  let effects = harness.lose(1);
  const tried: unknown[] = [];
  for (let socket = 2; socket <= 8; socket++) {
    const { delayMs } = find(effects, 'reconnecting')!;
    const dial = find(harness.retry(), 'dial')!;
    tried.push([dial.url, delayMs]);
    t.is(dial.dialMs, DIAL_QUICK_MS_MAX);
    effects = harness.lose(socket);
  }
  t.deepEqual(tried, [
    ['ws://a', QUICK_MS_MAX],
    ['ws://b', QUICK_MS_MAX],
    ['ws://c', QUICK_MS_MAX],
    ['ws://a', 1000],
    ['ws://b', QUICK_MS_MAX],
    ['ws://c', QUICK_MS_MAX],
    ['ws://a', 2000],
  ]);
});

test('where it came online is the first to be tried after the next loss', (t) => {
  const harness = online(['ws://a', 'ws://b']);
  harness.lose(1);
  harness.retry();
  harness.lose(2);
  t.is(find(harness.retry(), 'dial')?.url, 'ws://b');
  t.deepEqual(kindsOf(harness.welcome(3, { resumed: true })), ['online']);
  harness.lose(3);
  const dial = find(harness.retry(), 'dial');
  t.deepEqual([dial?.url, dial?.resumeToken], ['ws://b', 'token-3']);
});

test('a redirect plays the old connection until the first snapshot on the new one', (t) => {
  const harness = online(['ws://a']);
  const dial = find(harness.redirect(), 'dial');
  t.deepEqual([dial?.url, dial?.resumeToken, dial?.isRedirect], ['ws://owner', 'redirect', true]);
  t.deepEqual(kindsOf(harness.welcome(2, { resumed: true })), ['setTimer']);
  t.deepEqual(harness.step({ kind: 'snapshot', socket: 1 }), []);
  t.deepEqual(kindsOf(harness.step({ kind: 'snapshot', socket: 2 })), ['clearTimer', 'promote', 'hangUp']);
  t.is(harness.core.state.current, 2);
  t.is(harness.core.state.resumeToken, 'token-2');
  t.deepEqual(harness.lose(1), [], 'the old one is not heard any more');
  t.is(find((harness.lose(2), harness.retry()), 'dial')?.url, 'ws://owner');
});

test('a redirect that is refused, silent, or takes us for somebody new changes nothing', (t) => {
  for (const fail of [
    (harness: Harness) => harness.lose(2),
    (harness: Harness) => harness.step({ kind: 'timer', timer: 'redirect' }),
    (harness: Harness) => harness.welcome(2, { resumed: false }),
  ]) {
    const harness = online(['ws://a']);
    harness.redirect();
    const effects = fail(harness);
    t.true(kindsOf(effects).includes('redirectFailed'));
    t.false(kindsOf(effects).includes('reconnecting'));
    const { phase, current, next, resumeToken } = harness.core.state;
    t.deepEqual([phase, current, next, resumeToken], ['online', 1, 0, 'token-1']);
    t.deepEqual(harness.step({ kind: 'snapshot', socket: 2 }), []);
  }
  const harness = online(['ws://a']);
  harness.redirect();
  const hangUp = find(harness.welcome(2, { resumed: false }), 'hangUp');
  t.deepEqual([hangUp?.socket, hangUp?.saysBye], [2, true], 'the new player nobody needs leaves');
});

test('when the old connection ends first, the new one is waited for', (t) => {
  for (const closeCode of [CLOSE_CODE.moved, CLOSE_CODE.replaced, ABNORMAL, CLOSE_CODE.restart]) {
    const harness = online(['ws://a']);
    harness.redirect();
    harness.welcome(2, { resumed: true });
    t.deepEqual(harness.lose(1, closeCode), []);
    t.deepEqual(kindsOf(harness.step({ kind: 'snapshot', socket: 2 })), ['clearTimer', 'promote']);
    t.is(harness.core.state.phase, 'online');
  }
  for (const closeCode of [CLOSE_CODE.moved, CLOSE_CODE.replaced, ABNORMAL]) {
    const harness = online(['ws://a']);
    harness.redirect();
    harness.welcome(2, { resumed: true });
    harness.lose(1, closeCode);
    const effects = harness.lose(2);
    t.true(kindsOf(effects).includes('reconnecting'), `${closeCode}`);
    // The session went there: its token is the one that opens it.
    t.is(find(harness.retry(), 'dial')?.resumeToken, 'token-2');
  }
});

test('replaced by its own late redirect, it comes back; by another client, it does not', (t) => {
  const harness = online(['ws://a']);
  harness.redirect();
  harness.step({ kind: 'timer', timer: 'redirect' });
  t.true(kindsOf(harness.lose(1, CLOSE_CODE.replaced)).includes('reconnecting'));
  const other = online(['ws://a']);
  const closed = find(other.lose(1, CLOSE_CODE.replaced), 'closed');
  t.is(closed?.error?.code, 'ERR_CLIENT_REFUSED');
  t.deepEqual(other.retry(), []);
});

test('a newer redirect takes the place of the one before; none leads from an encrypted connection to an open one', (t) => {
  const harness = online(['ws://a']);
  harness.redirect('ws://b');
  t.deepEqual(kindsOf(harness.redirect('ws://c')), ['hangUp', 'clearTimer', 'redirectFailed', 'dial', 'setTimer']);
  t.is(harness.core.state.next, 3);
  const safe = online(['wss://a'], ['ws://open', 'wss://b', 'https://c']);
  t.deepEqual(safe.core.state.gateways, ['wss://a', 'wss://b']);
  t.deepEqual(kindsOf(safe.redirect('ws://open')), ['redirectFailed']);
});

test('a refused clock is measured and said right, at once; strictly, it is the end', (t) => {
  const harness = new Harness(['ws://a']);
  harness.step({ kind: 'open' });
  t.is(find(harness.lose(1, CLOSE_CODE.clockSkew), 'reconnecting')?.delayMs, 0);
  t.true(find(harness.retry(), 'dial')?.measuresClock);
  // Refused all the same: no reason to hurry.
  t.is(find(harness.lose(2, CLOSE_CODE.clockSkew), 'reconnecting')?.delayMs, 2000);
  const strict = new Harness(['ws://a'], { correctsClock: false });
  strict.step({ kind: 'open' });
  t.is(find(strict.lose(1, CLOSE_CODE.clockSkew), 'closed')?.error?.code, 'ERR_CLIENT_CLOCK');
});

test('a hint ends the waiting, and changes nothing else', (t) => {
  const harness = online(['ws://a']);
  t.deepEqual(harness.step({ kind: 'hint' }), []);
  harness.lose(1);
  t.deepEqual(kindsOf(harness.step({ kind: 'hint' })), ['clearTimer', 'dial']);
  t.deepEqual(harness.step({ kind: 'hint' }), []);
});

test('bytes that cannot be read three times in a row are the end, a snapshot begins the count anew', (t) => {
  const unreadable: Loss = { closeCode: 0, error: new ClientError('ERR_CLIENT_PROTOCOL', 'unreadable') };
  const harness = online(['ws://a']);
  let socket = 1;
  const lose = (): LinkEffect[] => harness.step({ kind: 'ended', socket, loss: unreadable });
  const comeBack = (): void => {
    harness.retry();
    harness.welcome(++socket);
  };
  lose();
  comeBack();
  lose();
  comeBack();
  harness.step({ kind: 'snapshot', socket });
  lose();
  comeBack();
  lose();
  comeBack();
  t.is(find(lose(), 'closed')?.error?.code, 'ERR_CLIENT_PROTOCOL');
});

test('closing says bye on what was open, and nothing happens any more', (t) => {
  const harness = online(['ws://a']);
  harness.redirect();
  const effects = harness.step({ kind: 'close', error: undefined });
  t.deepEqual(kindsOf(effects), ['hangUp', 'hangUp', 'clearTimer', 'clearTimer', 'closed']);
  t.is(find(effects, 'hangUp')?.saysBye, true);
  for (const event of [{ kind: 'open' }, { kind: 'hint' }, { kind: 'timer', timer: 'retry' }] as const) {
    t.deepEqual(harness.step(event), []);
  }
});

test('whatever happens: at most two connections, and one that waits for nothing has a timer', (t) => {
  const socket = fc.integer({ min: 0, max: 12 });
  const event: fc.Arbitrary<LinkEvent> = fc.oneof(
    fc.record({
      kind: fc.constant('welcome' as const),
      socket,
      resumed: fc.boolean(),
      resumeToken: fc.string(),
      gateways: fc.array(fc.constantFrom('ws://a', 'ws://b', 'wss://c'), { maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant('snapshot' as const), socket }),
    fc.record({
      kind: fc.constant('handoverStart' as const),
      socket,
      url: fc.constantFrom('ws://d', 'nonsense'),
      token: fc.string(),
      validMs: fc.nat(10_000),
    }),
    fc.record({
      kind: fc.constant('ended' as const),
      socket,
      loss: fc.constantFrom(ABNORMAL, 1012, 1013, 4006, 4008, 4009).map(lossWith),
    }),
    fc.record({ kind: fc.constant('timer' as const), timer: fc.constantFrom('retry' as const, 'redirect' as const) }),
    fc.constant({ kind: 'hint' as const }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const harness = new Harness(['ws://a', 'ws://b']);
      const open = new Set<number>();
      const timers = new Set<string>();
      for (const next of [{ kind: 'open' as const }, ...events]) {
        if (next.kind === 'ended') open.delete(next.socket);
        if (next.kind === 'timer' && !timers.delete(next.timer)) continue;
        for (const effect of harness.step(next)) {
          if (effect.kind === 'dial') open.add(effect.socket);
          if (effect.kind === 'hangUp') open.delete(effect.socket);
          if (effect.kind === 'setTimer') timers.add(effect.timer);
          if (effect.kind === 'clearTimer') timers.delete(effect.timer);
        }
        const { phase, current, next: other } = harness.core.state;
        const known = [current, other].filter((number) => number !== 0);
        t.deepEqual([...open].toSorted(), known.toSorted());
        t.is(timers.has('retry'), phase === 'waiting');
        t.is(timers.has('redirect'), other !== 0);
        if (phase === 'dialing' || phase === 'online') t.true(known.length > 0);
      }
    }),
  );
});
