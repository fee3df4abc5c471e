/** The parts of the gateway that only decide. */
import test from 'ava';
import * as fc from 'fast-check';
import { AssertionError } from '../../src/base/assert.ts';
import { WireError } from '../../src/base/errors.ts';
import { packFields, unpackFields } from '../../src/base/pack.ts';
import { fieldsSizeBytesMax } from '../../src/base/schema.ts';
import type { FieldSchema } from '../../src/base/schema.ts';
import { AddressCount, addressKey, isLoopback } from '../../src/net/address-count.core.ts';
import { stepBacklog } from '../../src/net/backlog.core.ts';
import { Lateness } from '../../src/net/lateness.core.ts';
import { GatewayCounters } from '../../src/net/counters.ts';
import { binaryFrame } from '../../src/net/frame.wire.ts';
import { clampPacked, clampValues } from '../../src/net/input-range.core.ts';
import { metricName } from '../../src/net/metric-names.ts';
import { ResumeTokens } from '../../src/net/resume-tokens.core.ts';
import { stepSession } from '../../src/net/session.core.ts';
import type { SessionEffect, SessionLife } from '../../src/net/session.core.ts';
import { contentType, staticPath } from '../../src/net/static-path.core.ts';
import { fullBucket, takeToken } from '../../src/net/token-bucket.core.ts';

test('a token bucket never gives more than its burst and its rate', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(200), { maxLength: 400 }), (pauses) => {
      const limit = { perSecond: 60, burst: 12 };
      const bucket = fullBucket(limit, 0);
      let nowMs = 0;
      let taken = 0;
      for (const pauseMs of pauses) {
        nowMs += pauseMs;
        if (takeToken(bucket, limit, nowMs)) taken++;
      }
      return taken <= limit.burst + (nowMs * limit.perSecond) / 1000 + 1e-6;
    }),
  );
  const limit = { perSecond: 1, burst: 1 };
  const bucket = fullBucket(limit, 1000);
  t.true(takeToken(bucket, limit, 1000));
  t.false(takeToken(bucket, limit, 500));
  t.false(takeToken(bucket, limit, 1999));
  t.true(takeToken(bucket, limit, 2000));
});

test('addresses are counted, and forgotten at zero', (t) => {
  const count = new AddressCount();
  t.is(count.add('a'), 1);
  t.is(count.add('a'), 2);
  count.remove('a');
  t.is(count.of('a'), 1);
  count.remove('a');
  count.remove('a');
  t.is(count.addresses, 0);
});

test('an IPv6 host is one address, however many it has', (t) => {
  t.is(addressKey('::ffff:10.0.0.7'), '10.0.0.7');
  t.is(addressKey('10.0.0.7'), '10.0.0.7');
  t.is(addressKey('::1'), '::1');
  t.is(addressKey('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  t.is(addressKey('2001:db8:1:2::9'), '2001:db8:1:2::/64');
  t.is(addressKey('2001:db8::9'), '2001:db8:0:0::/64');
  t.is(addressKey('fe80::1%eth0'), 'fe80:0:0:0::/64');
  t.is(addressKey('::9'), '0:0:0:0::/64');
  t.is(addressKey(undefined), 'unknown');
  t.true(isLoopback('127.3.2.1') && isLoopback('::1') && !isLoopback('10.0.0.1'));
});

test('a resume token works once, and its predecessor until it was seen', (t) => {
  const tokens = new ResumeTokens();
  tokens.issue(5, 11);
  t.is(tokens.find(11), 5);
  tokens.issue(5, 12);
  tokens.confirm(5);
  t.is(tokens.find(11), -1);
  t.is(tokens.find(12), 5);
  tokens.issue(5, 13);
  // The client never got 13, comes back with 12, and is given 14: 13 never works.
  t.is(tokens.find(12), 5);
  tokens.issue(5, 14);
  t.is(tokens.find(13), -1);
  t.is(tokens.attachments, 2);
  tokens.revoke(5);
  tokens.revoke(5);
  tokens.confirm(5);
  t.is(tokens.attachments, 0);
  t.is(tokens.find(14), -1);
});

test('resume tokens stay within two for each session', (t) => {
  const step = fc.record({ session: fc.nat(3), action: fc.constantFrom('issue', 'find', 'confirm', 'revoke') });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const tokens = new ResumeTokens();
      const issued: number[] = [];
      for (const { session, action } of steps) {
        if (action === 'issue') {
          issued.push((issued.length + 1) * 4 + session);
          tokens.issue(session, issued.at(-1)!);
        } else if (action === 'confirm') tokens.confirm(session);
        else if (action === 'revoke') tokens.revoke(session);
        else if (issued.length > 0) {
          const attachment = issued[session % issued.length]!;
          const found = tokens.find(attachment);
          if (found !== -1 && found !== attachment % 4) return false;
        }
        if (tokens.attachments > 8) return false;
      }
      return true;
    }),
  );
  t.pass();
});

test('the life of a session', (t) => {
  const effects: SessionEffect[] = [];
  const kinds = () => effects.splice(0).map(({ kind }) => kind);
  let life: SessionLife = { kind: 'attached', connection: 1 };
  life = stepSession(life, { kind: 'lost', connection: 9, nowMs: 0 }, effects);
  t.deepEqual(kinds(), []);
  life = stepSession(life, { kind: 'resume', connection: 2 }, effects);
  t.deepEqual(effects.splice(0), [{ kind: 'replace', connection: 1 }, { kind: 'attach' }]);
  life = stepSession(life, { kind: 'lost', connection: 1, nowMs: 5 }, effects);
  t.deepEqual(life, { kind: 'attached', connection: 2 });
  life = stepSession(life, { kind: 'lost', connection: 2, nowMs: 10 }, effects);
  t.deepEqual(kinds(), ['detach']);
  life = stepSession(life, { kind: 'time', nowMs: 109, graceMs: 100 }, effects);
  t.deepEqual(life, { kind: 'detached', sinceMs: 10 });
  life = stepSession(life, { kind: 'time', nowMs: 110, graceMs: 100 }, effects);
  t.deepEqual(kinds(), ['revoke', 'detach', 'writeLeave']);
  life = stepSession(life, { kind: 'refused' }, effects);
  t.is(life.kind, 'leaving');
  life = stepSession(life, { kind: 'time', nowMs: 120, graceMs: 100 }, effects);
  t.deepEqual(kinds(), ['writeLeave']);
  life = stepSession(life, { kind: 'leaveWritten' }, effects);
  t.deepEqual(kinds(), ['free']);
  t.is(life.kind, 'ended');
  t.is(stepSession(life, { kind: 'lost', connection: 2, nowMs: 130 }, effects).kind, 'ended');
  t.throws(() => stepSession(life, { kind: 'bye' }, effects), { instanceOf: AssertionError });
  t.throws(() => stepSession(life, { kind: 'resume', connection: 3 }, effects), { instanceOf: AssertionError });
  stepSession({ kind: 'attached', connection: 4 }, { kind: 'refused' }, effects);
  t.deepEqual(kinds(), ['refuse', 'revoke', 'detach', 'writeLeave']);
});

test('a backlog is borne for a while, and to a size', (t) => {
  const limit = { bytesSkip: 10, bytesMax: 100, msMax: 1000 };
  const backlog = { sinceMs: -1 };
  const step = (bytes: number, nowMs: number) => stepBacklog(backlog, limit, { bytes, nowMs });
  t.false(step(10, 0));
  t.false(step(11, 100));
  t.false(step(50, 1099));
  t.false(step(10, 1100));
  t.false(step(11, 1200));
  t.true(step(11, 2200));
  t.true(step(101, 5000));
});

const FIELDS: readonly FieldSchema[] = [
  { name: 'flag', type: 'bool' },
  { name: 'a', type: 'i8', min: -5, max: 5 },
  { name: 'b', type: 'u8', max: 9 },
  { name: 'c', type: 'i16', min: -300 },
  { name: 'd', type: 'u16', max: 1000 },
  { name: 'e', type: 'i32', max: 7 },
  { name: 'f', type: 'u32', min: 3 },
  { name: 'g', type: 'f32', min: -0.1, max: 0.1 },
  { name: 'h', type: 'f64', min: 0, max: 0.3 },
  { name: 'i', type: 'entity' },
  { name: 'j', type: 'text', bytesMax: 4 },
  { name: 'k', type: 'bytes', bytesMax: 4 },
  { name: 'l', type: 'list', countMax: 2, item: [{ name: 'm', type: 'u8', max: 3 }] },
];
const LOOSE = FIELDS.map(({ name, type, bytesMax, countMax }) => ({
  name,
  type,
  ...(bytesMax === undefined ? {} : { bytesMax }),
  ...(countMax === undefined ? {} : { countMax, item: [{ name: 'm', type: 'u8' as const }] }),
}));

function packLoose(values: Record<string, unknown>): Uint8Array<ArrayBuffer> {
  const target = new Uint8Array(fieldsSizeBytesMax(LOOSE));
  return target.slice(0, packFields(LOOSE, values, target));
}

test('packed numbers are brought into their range in place', (t) => {
  const bytes = packLoose({
    flag: true,
    a: -100,
    b: 255,
    c: -301,
    d: 1001,
    e: 8,
    f: 2,
    g: 4,
    h: -1,
    i: 77,
    j: 'ab',
    k: Uint8Array.of(1),
    l: [{ m: 200 }, { m: 3 }],
  });
  t.is(clampPacked(FIELDS, new DataView(bytes.buffer), 0), 9);
  t.deepEqual(unpackFields(FIELDS, bytes), {
    flag: true,
    a: -5,
    b: 9,
    c: -300,
    d: 1000,
    e: 7,
    f: 3,
    g: Math.fround(0.1),
    h: 0,
    i: 77,
    j: 'ab',
    k: Uint8Array.of(1),
    l: [{ m: 3 }, { m: 3 }],
  } as never);
  t.is(clampPacked(FIELDS, new DataView(bytes.buffer), 0), 0);
});

test('whatever the bytes, the result unpacks within range or an error is typed', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (random) => {
      const bytes = Uint8Array.from(random);
      try {
        clampPacked(FIELDS, new DataView(bytes.buffer), 0);
      } catch (cause) {
        return cause instanceof WireError;
      }
      const values = unpackFields(FIELDS, bytes);
      return (values['a'] as number) >= -5 && (values['h'] as number) <= 0.3 && (values['f'] as number) >= 3;
    }),
    { numRuns: 2000 },
  );
  const bad = packLoose({ f: 3 });
  bad[32] = 0xff;
  t.throws(
    () => clampPacked([{ name: 'i', type: 'entity' }], new DataView(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 255).buffer), 0),
    {
      code: 'ERR_WIRE_RANGE',
    },
  );
});

test('JSON numbers are brought into their range, everything else is left to the reader', (t) => {
  const values: Record<string, unknown> = {
    flag: 'x',
    a: 5.7,
    b: -1,
    g: 0.1,
    h: 4,
    i: 2 ** 60,
    l: [{ m: 9 }, null, 3],
  };
  t.is(clampValues(FIELDS, values), 4);
  t.deepEqual(values, { flag: 'x', a: 5, b: 0, g: 0.1, h: 0.3, i: 2 ** 60, l: [{ m: 3 }, null, 3] });
  t.throws(() => clampValues(FIELDS, { a: Number.NaN }), { code: 'ERR_WIRE_RANGE' });
});

test('frame headers have the three lengths of RFC 6455', (t) => {
  const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index & 0xff);
  t.is(binaryFrame(bytes, 3, 2).toString('hex'), '82020304');
  t.is(binaryFrame(bytes, 0, 0).toString('hex'), '8200');
  t.is(binaryFrame(bytes, 0, 126).subarray(0, 5).toString('hex'), '827e007e00');
  t.is(binaryFrame(bytes, 0, 65_536).subarray(0, 11).toString('hex'), '827f000000000001000000');
  t.throws(() => binaryFrame(bytes, 69_999, 2), { instanceOf: AssertionError });
});

test('paths of the viewer', (t) => {
  t.is(staticPath('/'), 'index.html');
  t.is(staticPath('/a/'), 'a/index.html');
  t.is(staticPath('/a/b-1.min.js'), 'a/b-1.min.js');
  for (const path of [
    '',
    'a',
    '/..',
    '/../a',
    '/a/../b',
    '/a//b',
    '/%2e%2e/a',
    '/a%2f..%2fb',
    '/.a',
    '/a\\b',
    '/%',
    '/a%00',
  ]) {
    t.is(staticPath(path), undefined, path);
  }
  t.is(contentType('a.JS'), 'text/javascript; charset=utf-8');
  t.is(contentType('a'), 'application/octet-stream');
});

test('names of metrics', (t) => {
  t.is(metricName('ticksLate', 'total'), 'worldmesh_ticks_late_total');
  t.is(metricName('slotsHigh'), 'worldmesh_slots_high');
});

test('close codes that clients make up are one count', (t) => {
  const counters = new GatewayCounters();
  for (const code of [1000, 4007, 4999, 3000, 1006]) counters.countClose(code);
  t.deepEqual(Object.fromEntries(counters.closes), { 0: 2, 1000: 1, 1006: 1, 4007: 1 });
});

test('lateness is what a timer lost, the most of the last second', (t) => {
  const lateness = new Lateness(100);
  const late = (nowMs: number): number => {
    lateness.beat(nowMs);
    return lateness.lateMs;
  };
  t.is(late(50), 0, 'the first beat has nothing before it');
  t.is(late(150), 0);
  t.is(late(2250), 2000);
  t.is(late(2400), 2000, 'what is less late now does not hide it');
  t.is(late(3250), 750);
  t.is(late(3350), 750);
  t.is(late(4260), 810);
});
