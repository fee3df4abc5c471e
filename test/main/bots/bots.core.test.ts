import test from 'ava';
import { entityIdFrom } from '../../../src/base/brand.ts';
import { Random } from '../../../src/base/random.ts';
import { bool, f32, text, u8 } from '../../../src/base/fields.ts';
import { defineWorld } from '../../../src/base/world.ts';
import { Measures } from '../../../src/main/bots/measures.ts';
import { Rota } from '../../../src/main/bots/rota.core.ts';
import { ServerTime } from '../../../src/main/bots/server-time.core.ts';
import { ViewCheck } from '../../../src/main/bots/view-check.core.ts';
import type { Violation } from '../../../src/main/bots/view-check.core.ts';
import { Walk } from '../../../src/main/bots/walk.core.ts';
import { checkRanges } from '../../../src/wire/client.wire.ts';
import type { EnterEntry, Welcome } from '../../../src/wire/messages.ts';

const bounds = { minX: -100, minZ: -100, maxX: 100, maxZ: 100 } as Welcome;

function checked(): { check: ViewCheck; found: Violation[] } {
  const found: Violation[] = [];
  const check = new ViewCheck((violation) => found.push(violation));
  check.aoiRadius = 10;
  check.sentSequence = 5;
  check.head({ keyframe: true, tick: 10, inputSequence: 0 });
  check.self(1, { x: 0, z: 0 });
  check.enter(entry(1, 11));
  check.enter(entry(2, 22, 1000));
  check.end();
  return { check, found };
}

function entry(alias: number, counter: number, xCm = 0): EnterEntry {
  return { alias, id: entityIdFrom(1, counter), kind: 0, xCm, zCm: 0, components: new Map() };
}

test('right snapshots have no violation', (t) => {
  const { check, found } = checked();
  check.head({ keyframe: false, tick: 12, inputSequence: 5 });
  check.self(1, { x: 0, z: 0 });
  check.leave(2);
  check.enter(entry(2, 33));
  check.move(2);
  check.jump(1);
  check.change(2);
  check.event(1);
  check.end();
  check.head({ keyframe: true, tick: 14, inputSequence: 5 });
  check.enter(entry(9, 11));
  check.end();
  t.deepEqual(found, []);
  t.is(check.inViewCount, 1);
});

test('each wrong thing is a violation', (t) => {
  const cases: [Violation, (check: ViewCheck) => void][] = [
    ['tickBackwards', (check) => check.head({ keyframe: false, tick: 10, inputSequence: 0 })],
    ['acknowledgedUnsent', (check) => check.head({ keyframe: false, tick: 12, inputSequence: 6 })],
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
  check.inputSequence = 3;
  check.head({ keyframe: false, tick: 12, inputSequence: 2 });
  check.restart();
  check.head({ keyframe: false, tick: 1, inputSequence: 2 });
  t.deepEqual(found, ['selfNotInView', 'acknowledgedBackwards', 'firstNotKeyframe']);
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

test('measures count only while measuring, and know what was on time', (t) => {
  const measures = new Measures();
  measures.interval(100, 100);
  t.is(measures.intervalMs.count, 0);
  t.is(measures.intervalMs.p99, 0);
  measures.isMeasuring = true;
  for (const intervalMs of [80, 100, 120, 121, 79]) measures.interval(intervalMs, 100);
  t.is(measures.intervalMs.count, 5);
  t.is(measures.intervalsOnTime, 3);
  t.true(Math.abs(measures.intervalMs.p50 - 100) < 0.2);
  t.true(Math.abs(measures.intervalMs.max - 121) < 0.2);
});
