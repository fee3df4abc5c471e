/** What the page keeps and decides about its clients. */
import test from 'ava';
import * as fc from 'fast-check';
import { packFields, unpackFields } from '../../src/base/pack.ts';
import { fieldsSizeBytesMax, type FieldSchema } from '../../src/base/schema.ts';
import { AliasBook } from '../../viewer/clients/alias-book.core.ts';
import { EVENTS_KEPT, EventLog, clockText } from '../../viewer/clients/event-log.core.ts';
import {
  controlsOf,
  idText,
  initialText,
  parseControl,
  parseEntity,
  type Control,
} from '../../viewer/clients/input-form.core.ts';
import { TRAFFIC_SECONDS, Traffic } from '../../viewer/clients/traffic.core.ts';
import { describeValue } from '../../viewer/shown-value.core.ts';
import { EMPTY_SNAPSHOT } from '../net/fixture.ts';

const FIELDS: readonly FieldSchema[] = [
  { name: 'moveX', type: 'f32', min: -1, max: 1 },
  { name: 'gear', type: 'u8', max: 5 },
  { name: 'far', type: 'f64' },
  { name: 'big', type: 'u32' },
  { name: 'jump', type: 'bool' },
  { name: 'say', type: 'text', bytesMax: 8 },
  { name: 'raw', type: 'bytes', bytesMax: 3 },
  { name: 'target', type: 'entity' },
];
const control = (name: string): Control => controlsOf(FIELDS).find((found) => found.name === name)!;

test('each field has its control; sliders only where they can be aimed', (t) => {
  t.deepEqual(
    controlsOf(FIELDS).map(({ kind }) => kind),
    ['number', 'number', 'number', 'number', 'bool', 'text', 'bytes', 'entity'],
  );
  t.like(control('moveX'), { min: -1, max: 1, step: 0.01, isWhole: false });
  t.like(control('gear'), { min: 0, max: 5, step: 1, isWhole: true });
  t.is((control('far') as { step?: number }).step, undefined);
  t.is((control('big') as { step?: number }).step, undefined);
  t.deepEqual(controlsOf([{ name: 'all', type: 'list', item: [], countMax: 3 }]), []);
});

test('texts of the form are values, or say what is wanted', (t) => {
  const problem = (name: string, text: string) => (parseControl(control(name), text) as { problem?: string }).problem;
  t.deepEqual(parseControl(control('moveX'), ' -0.5 '), { value: -0.5 });
  t.deepEqual(parseControl(control('jump'), 'true'), { value: true });
  t.deepEqual(parseControl(control('say'), 'hallo'), { value: 'hallo' });
  t.deepEqual(parseControl(control('raw'), '0a FF'), { value: Uint8Array.of(10, 255) });
  t.deepEqual(parseControl(control('target'), '1:7'), { value: 2 ** 32 + 7 });
  t.deepEqual(parseControl(control('target'), '0'), { value: 0 });
  t.is(problem('moveX', '1.5'), 'from -1 to 1');
  t.is(problem('moveX', ''), 'a number');
  t.is(problem('gear', '1.5'), 'a whole number');
  t.is(problem('gear', '6'), 'from 0 to 5');
  t.is(problem('say', 'Grüße!!!'), 'at most 8 bytes');
  t.is(problem('raw', 'abc'), 'pairs of hex digits');
  t.is(problem('raw', '00000000'), 'at most 3 bytes');
  t.truthy(problem('target', 'Ada'));
  t.is(parseEntity('1:4294967296'), undefined);
  t.is(parseEntity('9999999999999999'), undefined);
  t.is(parseEntity(idText(2 ** 40 + 3)), 2 ** 40 + 3);
});

test('a fresh form is an input that can be sent, and whatever the form takes the wire takes', (t) => {
  const packed = new Uint8Array(fieldsSizeBytesMax(FIELDS));
  const fresh = Object.fromEntries(
    controlsOf(FIELDS).map((each) => [each.name, (parseControl(each, initialText(each)) as { value: unknown }).value]),
  );
  t.notThrows(() => packFields(FIELDS, fresh, packed));
  fc.assert(
    fc.property(
      fc.constantFrom(...FIELDS),
      fc.oneof(fc.string(), fc.double().map(String), fc.integer().map(String)),
      (field, text) => {
        const parsed = parseControl(control(field.name), text);
        if ('problem' in parsed) return parsed.problem !== '';
        const sizeBytes = packFields([field], { [field.name]: parsed.value }, packed);
        return Object.hasOwn(unpackFields([field], packed.subarray(0, sizeBytes)), field.name);
      },
    ),
  );
});

test('aliases follow snapshots: keyframes, leaves, enters, and what a resync leaves out', (t) => {
  const book = new AliasBook();
  const enter = (alias: number, id: number) => ({ alias, id, kind: 0, xCm: 0, zCm: 0, components: new Map() }) as never;
  const apply = (changes: object) => book.apply({ ...EMPTY_SNAPSHOT, keyframe: false, ...changes });
  apply({ keyframe: true, enters: [enter(1, 11), enter(2, 22), enter(3, 33)] });
  t.deepEqual(
    [11, 22, 33, 44].map((id) => book.aliasOf(id)),
    [1, 2, 3, undefined],
  );
  apply({ leaves: [2], enters: [enter(2, 44)] });
  t.deepEqual(
    [22, 44].map((id) => book.aliasOf(id)),
    [undefined, 2],
  );
  apply({ resync: true, jumps: [{ alias: 1, xCm: 0, zCm: 0 }], enters: [enter(2, 55)] });
  t.deepEqual(
    [11, 33, 44, 55].map((id) => book.aliasOf(id)),
    [1, undefined, undefined, 2],
  );
  t.is(book.size, 2);
  apply({ leaves: [9] });
  apply({ keyframe: true });
  t.is(book.size, 0);
});

test('traffic is counted by time, and what is old is forgotten', (t) => {
  const traffic = new Traffic();
  for (let ms = 0; ms < 2000; ms += 50) traffic.received(100, ms);
  traffic.sent(40, 1900);
  t.deepEqual(traffic.rates(2000), {
    bytesInPerSecond: 2000,
    bytesOutPerSecond: 40,
    messagesInPerSecond: 20,
    messagesOutPerSecond: 1,
  });
  t.is(traffic.bytesIn, 4000);
  const [at, values] = traffic.bytesInSeries(2000);
  t.is(at.length, values.length);
  t.is(at.at(-1), 0);
  t.is(values.at(-1), 2000);
  t.deepEqual(traffic.rates(60_000).bytesInPerSecond, 0);
  t.true(traffic.bytesInSeries(60_000)[1].every((value) => value === 0));
  traffic.snapshot(1000);
  traffic.snapshot(1100);
  traffic.snapshot(1350);
  t.deepEqual(
    traffic.snapshots(2000).map(({ intervalMs }) => intervalMs),
    [100, 250],
  );
  t.is(traffic.silenceMs(2000), 650);
  t.deepEqual(
    traffic.snapshots(1200 + TRAFFIC_SECONDS * 1000).map(({ intervalMs }) => intervalMs),
    [250],
  );
});

test('the log keeps the newest, with numbers that grow', (t) => {
  const log = new EventLog();
  for (let count = 1; count <= EVENTS_KEPT + 5; count++) log.add(`event ${count}`, { atMs: count });
  t.is(log.newestFirst.length, EVENTS_KEPT);
  t.like(log.newestFirst[0], { number: EVENTS_KEPT + 5, text: `event ${EVENTS_KEPT + 5}`, tone: 'plain' });
  t.is(log.lastNumber, EVENTS_KEPT + 5);
  t.regex(clockText(Date.UTC(2026, 0, 2, 3, 4, 5, 678)), /^\d\d:\d4:05\.6$/);
});

test('values are told on one line, long ones by their beginning', (t) => {
  t.is(describeValue(0.12345), '0.123');
  t.is(describeValue(7), '7');
  t.is(describeValue('Ada'), '“Ada”');
  t.is(describeValue(true), 'true');
  t.is(describeValue(null), '…');
  t.is(describeValue({ count: 3, first: [1, 255, 16] }), '3 B: 01 ff 10');
  t.is(describeValue({ count: 0, first: [] }), 'empty');
  t.is(describeValue({ count: 2, first: [{ id: 1, amount: 2 }] }), '2 items: id 1, amount 2 …');
  t.is(describeValue([{ id: 1 }]), '1 item: id 1');
  t.true(describeValue({ count: 32, first: Array.from({ length: 32 }, () => ({ something: 123_456 })) }).length < 170);
});
