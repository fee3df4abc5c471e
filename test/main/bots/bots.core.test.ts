import test from 'ava';
import { entityIdFrom } from '../../../src/base/brand.ts';
import { Random } from '../../../src/base/random.ts';
import { bool, f32, text, u8 } from '../../../src/base/fields.ts';
import { defineWorld } from '../../../src/base/world.ts';
import { Measures } from '../../../src/main/bots/measures.ts';
import { InputLedger } from '../../../src/main/bots/input-ledger.core.ts';
import { PresenceCheck } from '../../../src/main/bots/presence-check.core.ts';
import { RedirectWatch } from '../../../src/main/bots/redirect-watch.core.ts';
import { Rota } from '../../../src/main/bots/rota.core.ts';
import { ServerTime } from '../../../src/main/bots/server-time.core.ts';
import { ViewCheck } from '../../../src/main/bots/view-check.core.ts';
import type { Violation } from '../../../src/main/bots/view-check.core.ts';
import { Walk } from '../../../src/main/bots/walk.core.ts';
import { checkRanges } from '../../../src/wire/client.wire.ts';
import type { EnterEntry, Welcome } from '../../../src/wire/messages.ts';
import type { SnapshotHead } from '../../../src/wire/snapshot.wire.ts';

const bounds = { minX: -100, minZ: -100, maxX: 100, maxZ: 100 } as Welcome;

function checked(): { check: ViewCheck; found: Violation[] } {
  const found: Violation[] = [];
  const check = new ViewCheck((violation) => found.push(violation));
  check.aoiRadius = 10;
  check.sentSequence = 5;
  check.head(head(10, { keyframe: true, inputSequence: 0 }));
  check.self(1, { x: 0, z: 0, vx: 0, vz: 0 });
  check.enter(entry(1, 11));
  check.enter(entry(2, 22, 1000));
  check.end();
  return { check, found };
}

function head(tick: number, said: Partial<SnapshotHead> = {}): SnapshotHead {
  return { keyframe: false, resync: false, tick, inputSequence: 0, durableLag: 0, ...said };
}

function entry(alias: number, counter: number, xCm = 0): EnterEntry {
  return { alias, id: entityIdFrom(1, counter), kind: 0, xCm, zCm: 0, components: new Map() };
}

test('right snapshots have no violation', (t) => {
  const { check, found } = checked();
  check.head(head(12, { keyframe: false, inputSequence: 5 }));
  check.self(1, { x: 0, z: 0, vx: 0, vz: 0 });
  check.leave(2);
  check.enter(entry(2, 33));
  check.move(2);
  check.jump(1);
  check.change(2);
  check.event(1);
  check.end();
  check.head(head(14, { keyframe: true, inputSequence: 5 }));
  check.enter(entry(9, 11));
  check.end();
  t.deepEqual(found, []);
  t.is(check.inViewCount, 1);
});

test('each wrong thing is a violation', (t) => {
  const cases: [Violation, (check: ViewCheck) => void][] = [
    ['tickBackwards', (check) => check.head(head(10, { keyframe: false, inputSequence: 0 }))],
    ['acknowledgedUnsent', (check) => check.head(head(12, { keyframe: false, inputSequence: 6 }))],
    ['leaveOfUnknown', (check) => check.leave(9)],
    ['enterOfUsedAlias', (check) => check.enter(entry(1, 99))],
    ['enterTwice', (check) => check.enter(entry(9, 11))],
    ['enterBeyondRadius', (check) => check.enter(entry(9, 99, 1003))],
    ['moveOfUnknown', (check) => check.move(9)],
    ['moveOfUnknown', (check) => check.jump(9)],
    ['changeOfUnknown', (check) => check.change(9)],
    ['eventOfUnknown', (check) => check.event(9)],
  ];
  for (const [violation, act] of cases) {
    const { check, found } = checked();
    act(check);
    t.deepEqual(found, [violation]);
  }
  const { check, found } = checked();
  check.leave(1);
  check.end();
  check.head(head(12, { inputSequence: 3, durableLag: 1 }));
  check.head(head(14, { inputSequence: 2, durableLag: 0 }));
  check.restart();
  check.head(head(1, { inputSequence: 1 }));
  t.deepEqual(found, ['selfNotInView', 'acknowledgedBackwards', 'firstNotKeyframe', 'durableBackwards']);
});

test('a crash of the owner takes back what was not durable, and nothing else', (t) => {
  const { check, found } = checked();
  check.head(head(12, { inputSequence: 5, durableLag: 2 }));
  check.restart();
  check.head(head(13, { keyframe: true, inputSequence: 3, durableLag: 0 }));
  t.deepEqual(found, []);
  check.restart();
  check.head(head(14, { keyframe: true, inputSequence: 2, durableLag: 255 }));
  t.deepEqual(found, ['durableBackwards']);
});

test('a resync drops whom it neither enters nor jumps, and only who said what it has may be sent one', (t) => {
  const { check, found } = checked();
  check.enter(entry(3, 33));
  check.restart({ knownTick: 10 });
  check.head(head(40, { resync: true }));
  check.self(1, { x: 0, z: 0, vx: 0, vz: 0 });
  check.enter(entry(2, 44));
  check.jump(1);
  check.end();
  t.is(check.inViewCount, 2);
  check.head(head(42));
  check.move(2);
  check.end();
  t.deepEqual(found, []);
  check.restart({ knownTick: 10 });
  check.head(head(44, { resync: true }));
  check.jump(1);
  check.enter(entry(9, 44));
  check.end();
  t.deepEqual(found, []);
  t.is(check.inViewCount, 2);
  check.enter(entry(8, 44));
  t.deepEqual(found, ['enterTwice']);
  check.restart();
  check.head(head(46, { resync: true }));
  t.deepEqual(found, ['enterTwice', 'firstNotKeyframe']);
});

test('a delta goes on from what the client was told last, and from nothing else', (t) => {
  const { check, found } = checked();
  check.restart({ knownTick: 10 });
  check.head(head(30));
  check.move(2);
  check.end();
  t.deepEqual(found, []);
  check.restart({ knownTick: 10 });
  check.head(head(32));
  t.deepEqual(found, ['firstNotKeyframe']);
});

test('the own entity goes on where it is not given, for 64 ticks at the most', (t) => {
  const { check, found } = checked();
  check.tickHz = 20;
  check.head(head(20));
  check.self(1, { x: 10, z: -20, vx: 3, vz: -1 });
  check.end();
  check.head(head(60));
  t.true(Math.abs(check.selfX - 16) < 1e-4);
  t.true(Math.abs(check.selfZ + 22) < 1e-4);
  check.enter({ ...entry(7, 77, 2599), zCm: -2200 });
  check.end();
  t.deepEqual(found, []);
  check.head(head(85));
  check.self(1, { x: 19, z: -23, vx: 3, vz: -1 });
  check.end();
  t.deepEqual(found, []);
  check.head(head(150));
  check.end();
  t.deepEqual(found, ['selfNotGiven']);
});

test('a player who comes back knows earlier inputs than this client has sent', (t) => {
  const found: Violation[] = [];
  const check = new ViewCheck((violation) => found.push(violation));
  check.forget(2);
  check.head(head(10, { keyframe: true, inputSequence: 70 }));
  check.head(head(12, { inputSequence: 71 }));
  t.deepEqual(found, ['acknowledgedUnsent']);
});

test('whoever leaves and is back at once while near flickers; who went out of range or stays away does not', (t) => {
  const counts = { flickers: 0, seenTwice: 0 };
  const presence = new PresenceCheck((fault) => counts[fault]++);
  presence.radius = 100;
  const id = entityIdFrom(1, 7);
  const leave = (distance: number, nowMs: number, inViewCount = 9) =>
    presence.leave(id, { distance, inViewCount, nowMs, cause: 'a leave' });
  const enter = (distance: number, nowMs: number) => presence.enter(id, { identity: '', distance, nowMs });
  enter(50, 0);
  leave(50, 100);
  enter(50, 2101);
  leave(50, 2200);
  enter(90, 2300);
  leave(90, 2400);
  enter(50, 2500);
  leave(50, 2600, 254);
  enter(50, 2700);
  leave(Number.NaN, 2800);
  enter(50, 2900);
  t.is(counts.flickers, 0);
  leave(50, 3000);
  enter(60, 4900);
  t.is(counts.flickers, 1);
  leave(50, 5000);
  presence.forget();
  enter(50, 5100);
  t.is(counts.flickers, 1);
});

test('one name at two ids is seen twice, and one after the other is not', (t) => {
  const counts = { flickers: 0, seenTwice: 0 };
  const presence = new PresenceCheck((fault) => counts[fault]++);
  const enter = (counter: number, identity: string) =>
    presence.enter(entityIdFrom(1, counter), { identity, distance: 1, nowMs: counter });
  enter(1, 'bot-1');
  enter(2, 'bot-2');
  enter(3, '');
  enter(4, '');
  presence.leave(entityIdFrom(1, 2), { distance: 1, inViewCount: 3, nowMs: 5, cause: 'a leave' });
  enter(5, 'bot-2');
  t.is(counts.seenTwice, 0);
  enter(6, 'bot-1');
  t.is(counts.seenTwice, 1);
});

test('redirects: done with their gap, stayed with the tunnel, or lost', (t) => {
  const counts = { offered: 0, done: 0, fallbacks: 0, lost: 0 };
  const gaps: number[] = [];
  const redirects = new RedirectWatch((gapMs) => gaps.push(gapMs));
  const snapshot = (nowMs: number, intervalMs: number, isSwitch = false) =>
    redirects.snapshot({ intervalMs, nowMs, isSwitch });
  snapshot(50, 900);
  redirects.offer({ nowMs: 100, validMs: 2000, counts });
  snapshot(150, 100);
  snapshot(280, 130, true);
  snapshot(400, 120);
  snapshot(600, 200);
  t.deepEqual(gaps, []);
  snapshot(700, 100);
  snapshot(9000, 8000);
  t.deepEqual(gaps, [200]);
  redirects.offer({ nowMs: 10_000, validMs: 2000, counts });
  snapshot(11_900, 100);
  t.is(counts.fallbacks, 0);
  snapshot(12_100, 100);
  t.is(counts.fallbacks, 1);
  redirects.offer({ nowMs: 13_000, validMs: 2000, counts });
  redirects.offer({ nowMs: 13_500, validMs: 2000, counts });
  t.is(counts.fallbacks, 2);
  redirects.lost();
  t.deepEqual(counts, { offered: 4, done: 1, fallbacks: 2, lost: 1 });
  t.deepEqual(gaps, [200]);
});

test('inputs by the wire: new, again, and given up without having been seen to act', (t) => {
  const counts = { inputsRepeated: 0, inputsGivenUp: 0 };
  const ledger = new InputLedger(counts);
  for (let sequence = 1; sequence <= 5; sequence++) ledger.sent({ sequence, back: sequence - 1 }, 0, sequence);
  t.is(ledger.sentSequence, 5);
  t.is(ledger.acknowledged(0, 10), Number.NaN);
  t.is(ledger.acknowledged(2, 11), 10);
  t.false(ledger.sent({ sequence: 4, back: 1 }, 2, 12));
  t.deepEqual(counts, { inputsRepeated: 1, inputsGivenUp: 0 });
  t.true(ledger.sent({ sequence: 6, back: 0 }, 3, 13));
  t.deepEqual(counts, { inputsRepeated: 1, inputsGivenUp: 2 });
  ledger.forget(0);
  ledger.sent({ sequence: 90, back: 0 }, 0, 14);
  t.is(counts.inputsGivenUp, 2);
});

test('turns are spread evenly over the period, and late ones are made up for, at most a period', (t) => {
  const rota = new Rota({ count: 7, periodMs: 70, startMs: 1000 });
  const turns: string[] = [];
  for (let nowMs = 1000; nowMs <= 1140; nowMs += 5) rota.take(nowMs, (member) => turns.push(`${nowMs}:${member}`));
  t.deepEqual(turns.slice(0, 8), ['1010:0', '1020:1', '1030:2', '1040:3', '1050:4', '1060:5', '1070:6', '1080:0']);
  t.is(turns.length, 14);
  let late = 0;
  rota.take(9000, () => late++);
  t.is(late, 7);
});

test('bots walk within the ranges of the input, and back from the edge', (t) => {
  const walkers = defineWorld({
    name: 'walkers',
    version: 1,
    size: 200,
    components: {},
    kinds: { player: { components: [] } },
    input: {
      fields: {
        moveX: f32({ min: -1, max: 1 }),
        moveZ: f32({ min: -1, max: 1 }),
        jump: bool(),
        gear: u8({ min: 1, max: 5 }),
      },
      apply: () => undefined,
    },
    systems: {},
    join: () => ({ kind: 'player', x: 0, z: 0 }),
  });
  const walk = new Walk(new Random(3), walkers.schema, bounds);
  const headings = new Set<number>();
  for (let nowMs = 1; nowMs < 60_000; nowMs += 50) {
    const input = walk.next(nowMs, { x: 0, z: 0 });
    t.notThrows(() => checkRanges(walkers.schema.input, input));
    t.true(Math.abs(Math.hypot(Number(input['moveX']), Number(input['moveZ'])) - 1) < 1e-9);
    headings.add(Number(input['moveX']));
  }
  t.true(headings.size > 15 && headings.size < 60, `${headings.size}`);
  const back = walk.next(1e9, { x: 99, z: 0 });
  t.true(Number(back['moveX']) < -0.9);
});

test('a world of other inputs is sent what is valid', (t) => {
  const { schema } = defineWorld({
    name: 'other',
    version: 1,
    size: 200,
    components: {},
    kinds: { player: { components: [] } },
    input: {
      fields: { thrust: f32({ min: 2, max: 3 }), level: u8({ max: 9 }), say: text(4), fire: bool() },
      apply: () => undefined,
    },
    systems: {},
    join: () => ({ kind: 'player', x: 0, z: 0 }),
  });
  const walk = new Walk(new Random(3), schema, bounds);
  const seen = new Set<unknown>();
  for (let nowMs = 1; nowMs < 100_000; nowMs += 4000) {
    const input = walk.next(nowMs, { x: 0, z: 0 });
    t.notThrows(() => checkRanges(schema.input, input));
    seen.add(input['thrust']);
  }
  t.true(seen.size > 10);
});

test('the beginning of ticks is found through round trips, and follows a server that skips', (t) => {
  const random = new Random(11);
  const time = new ServerTime(20);
  const serverMinusLocal = 1_000_000;
  let startMs = 500;
  function pongAt(localMs: number): void {
    const [upMs, downMs] = [1 + random.next() * 9, 1 + random.next() * 9];
    const serverTimeMs = localMs + upMs + serverMinusLocal;
    const tick = Math.floor((serverTimeMs - serverMinusLocal - startMs) / 50);
    time.pong({ serverTimeMs, tick }, { sentMs: localMs, receivedMs: localMs + upMs + downMs });
  }
  t.true(Number.isNaN(time.sinceTick(1, 0)));
  for (let localMs = 1000; localMs < 6000; localMs += 7.3) pongAt(localMs);
  t.true(Math.abs(time.sinceTick(100, startMs + 100 * 50 + 30) - 30) < 5);
  startMs += 4000;
  for (let localMs = 10_000; localMs < 14_000; localMs += 7.3) pongAt(localMs);
  t.true(Math.abs(time.sinceTick(150, startMs + 150 * 50 + 30) - 30) < 5);
});

test('measures count only while measuring, know what was on time, and can be added up', (t) => {
  const measures = new Measures();
  measures.interval(100, 100);
  t.is(measures.percentiles('interval').count, 0);
  t.is(measures.percentiles('interval').p99, 0);
  measures.isMeasuring = true;
  for (const intervalMs of [80, 100, 120, 121, 79]) measures.interval(intervalMs, 100);
  measures.events.resumes = 2;
  measures.redirectPhase.done = 3;
  measures.redirectPhases.push({ offered: 2, done: 1, fallbacks: 0, lost: 0 });
  measures.presence.flickers = 1;
  measures.violations.set('enterTwice', 1);
  measures.example('one');
  measures.disconnectsByCode.set('1006', 3);
  const both = new Measures();
  both.add(structuredClone(measures.toData()));
  both.add(structuredClone(measures.toData()));
  t.is(both.percentiles('interval').count, 10);
  t.is(both.traffic.intervalsOnTime, 6);
  t.is(both.events.resumes, 4);
  t.is(both.redirects.done, 8);
  t.deepEqual(
    both.redirectPhases.map(({ done }) => done),
    [6, 2],
  );
  t.is(both.examples.length, 2);
  t.is(both.presence.flickers, 2);
  t.is(both.violations.get('enterTwice'), 2);
  t.is(both.disconnectsByCode.get('1006'), 6);
  t.true(Math.abs(both.percentiles('interval').p50 - 100) < 0.2);
  t.true(Math.abs(both.percentiles('interval').max - 121) < 0.2);
});
