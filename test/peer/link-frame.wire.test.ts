/** The bytes of links: golden, there and back, cut anywhere, damaged anywhere. */
import * as fc from 'fast-check';
import test from 'ava';
import { LinkError } from '../../src/peer/link-error.ts';
import {
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_BYTES_MAX,
  FRAME_TYPE,
  FrameDecoder,
  decodeHeader,
  encodeFrame,
  nextSequence,
  sealFrame,
  sequenceDistance,
} from '../../src/peer/link-frame.wire.ts';
import type { FrameHeader } from '../../src/peer/link-frame.wire.ts';
import {
  checksumSeed,
  decodeClose,
  decodeHello,
  decodePing,
  encodeClose,
  encodeHello,
  encodePing,
} from '../../src/peer/link-hello.wire.ts';
import { MessageReader } from '../../src/peer/link-message.wire.ts';
import { LinkQueue } from '../../src/peer/link-queue.ts';
import { ledgerOf } from './link-fixture.ts';

const HEADER = {
  type: FRAME_TYPE.data,
  priority: 2,
  count: 3,
  source: 0x1234,
  target: 0x5678,
  sequence: 9,
  acknowledged: 7,
};

test('golden: a DATA frame', (t) => {
  const frame = encodeFrame(HEADER, Buffer.from('worldmesh'), 0xabcd);
  t.is(
    frame.toString('hex'),
    `574d0100${GOLDEN_CHECKSUM}040203000900000034120000785600000900000007000000776f726c646d657368`,
  );
  t.deepEqual(decodeHeader(frame), { ...HEADER, sizeBytes: 9 });
});
/** As Python's zlib.crc32 has it. */
const GOLDEN_CHECKSUM = 'ed446e55';

test('golden: HELLO, CLOSE, PING', (t) => {
  const hello = {
    protocol: { min: 1, max: 2 },
    nonce: 0x0a0b0c0d,
    peer: { node: 5, ledger: ledgerOf(0xfe), incarnation: 77, name: 'east' },
    windows: [1, 2, 3, 0x01020304],
    targetName: 'west',
    cluster: 'c',
  };
  const bytes = encodeHello(hello);
  t.is(
    bytes.toString('hex'),
    '01000200' +
      '0d0c0b0a' +
      '05' +
      '000000000000000000000000000000fe' +
      '010000000200000003000000' +
      '04030201' +
      '0465617374' +
      '0477657374' +
      '0163',
  );
  t.deepEqual(decodeHello(bytes, 77), hello);
  const close = encodeClose({ code: 'ERR_LINK_FENCED', reason: 'why' });
  t.is(close.toString('hex'), '0f4552525f4c494e4b5f46454e43454403776879');
  t.deepEqual(decodeClose(close), { code: 'ERR_LINK_FENCED', reason: 'why' });
  t.is(decodeClose(encodeClose({ code: 'X', reason: 'ä'.repeat(200) })).reason.length, 128);
  t.is(encodePing(258).toString('hex'), '02010000');
  t.is(decodePing(encodePing(0xffff_ffff)), 0xffff_ffff);
  t.is(checksumSeed({ dialer: 1, acceptor: 2 }) === checksumSeed({ dialer: 2, acceptor: 1 }), false);
});

const headers = fc.record({
  type: fc.constantFrom(...Object.values(FRAME_TYPE)),
  priority: fc.nat(3),
  count: fc.nat(0xffff),
  source: fc.nat(0xffff_ffff),
  target: fc.nat(0xffff_ffff),
  sequence: fc.nat(0xffff_ffff),
  acknowledged: fc.nat(0xffff_ffff),
});

test('frames come back as they went, however the stream is cut', (t) => {
  const frames = fc.array(fc.tuple(headers, fc.uint8Array({ maxLength: 300 })), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), fc.nat(), (sent, cuts, seed) => {
      const stream = Buffer.concat(sent.map(([header, payload]) => encodeFrame(header, payload, seed)));
      const decoder = new FrameDecoder();
      decoder.seed = seed;
      const heard: [FrameHeader, Buffer][] = [];
      for (let at = 0, cut = 0; at < stream.length; cut++) {
        const end = at + cuts[cut % cuts.length]!;
        decoder.push(stream.subarray(at, end), (header, payload) => heard.push([header, payload]) > 0);
        at = end;
      }
      t.is(decoder.pendingBytes, 0);
      t.deepEqual(
        heard.map(([header, payload]) => [header, [...payload]]),
        sent.map(([header, payload]) => [{ ...header, sizeBytes: payload.length }, [...payload]]),
      );
    }),
    { numRuns: 300 },
  );
});

test('a whole frame is not copied; one cut by a chunk is gathered once, and stays as it was', (t) => {
  const frame = encodeFrame(HEADER, Buffer.alloc(1000, 7));
  const decoder = new FrameDecoder();
  const payloads: Buffer[] = [];
  const visit = (_: FrameHeader, payload: Buffer): boolean => payloads.push(payload) > 0;
  decoder.push(frame, visit);
  t.is(payloads[0]!.buffer, frame.buffer);
  decoder.push(frame.subarray(0, 500), visit);
  t.is(decoder.pendingBytes, 500);
  decoder.push(frame.subarray(500), visit);
  decoder.push(frame.subarray(0, 31), visit);
  decoder.push(Buffer.concat([frame.subarray(31), frame]), visit);
  t.is(payloads.length, 4);
  for (const payload of payloads) t.true(payload.equals(Buffer.alloc(1000, 7)));
});

test('a visitor that answers false ends the stream', (t) => {
  const frame = encodeFrame(HEADER, Buffer.alloc(10));
  let visits = 0;
  new FrameDecoder().push(Buffer.concat([frame, frame, Buffer.alloc(40)]), () => ++visits < 2);
  t.is(visits, 2);
});

test('headers that no node sends, each with its code; a length is judged before its payload is awaited', (t) => {
  const frame = encodeFrame(HEADER, Buffer.alloc(0));
  const code = (at: number, value: number): string => {
    const bad = Buffer.from(frame);
    bad[at] = value;
    return t.throws(() => new FrameDecoder().push(bad, () => true), { instanceOf: LinkError }).code;
  };
  t.is(code(0, 0), 'ERR_LINK_MAGIC');
  t.is(code(2, 2), 'ERR_LINK_VERSION');
  t.is(code(3, 1), 'ERR_LINK_RANGE');
  t.is(code(8, 0), 'ERR_LINK_TYPE');
  t.is(code(8, 8), 'ERR_LINK_TYPE');
  t.is(code(9, 4), 'ERR_LINK_RANGE');
  t.is(code(15, 1), 'ERR_LINK_SIZE');
  for (const at of [4, 7, 10, 11, 16, 20, 24, 28]) t.is(code(at, frame[at]! ^ 1), 'ERR_LINK_CHECKSUM', `byte ${at}`);
  const seeded = encodeFrame(HEADER, Buffer.alloc(4), 1);
  t.is(
    t.throws(() => new FrameDecoder().push(seeded, () => true), { instanceOf: LinkError }).code,
    'ERR_LINK_CHECKSUM',
  );
  const exact = encodeFrame(HEADER, Buffer.alloc(FRAME_PAYLOAD_BYTES_MAX));
  t.notThrows(() => new FrameDecoder().push(exact, () => true));
});

test('every single flipped bit of a frame is found', (t) => {
  const frame = encodeFrame(HEADER, Buffer.from('0123456789'));
  for (let bit = 0; bit < frame.length * 8; bit++) {
    const bad = Buffer.from(frame);
    bad[bit >> 3]! ^= 1 << (bit & 7);
    const decoder = new FrameDecoder();
    try {
      // A length that grew waits for more: the next frames then make it fail. An exception ends the first visit.
      for (let more = 0; more < 3000; more++) {
        decoder.push(more === 0 ? bad : frame, () => {
          throw new Error(`the flipped bit ${bit} was not found`);
        });
      }
    } catch (error) {
      t.true(error instanceof LinkError, String(error));
      continue;
    }
    t.fail(`the flipped bit ${bit} stopped the stream`);
  }
});

test('a dialer may close before it knows the seed, and nobody else, nor with anything else', (t) => {
  const take = (header: Partial<FrameHeader>) => {
    const decoder = new FrameDecoder();
    decoder.seed = 0xabcd;
    const frame = encodeFrame({ ...HEADER, type: FRAME_TYPE.close, sequence: 2, ...header }, Buffer.from('bye'), 0);
    let taken = '';
    decoder.push(frame, (_header, payload) => {
      taken = payload.toString();
      return true;
    });
    return taken;
  };
  t.is(take({}), 'bye');
  t.throws(() => take({ sequence: 3 }), { code: 'ERR_LINK_CHECKSUM' });
  t.throws(() => take({ type: FRAME_TYPE.ping }), { code: 'ERR_LINK_CHECKSUM' });
});

test('sequences go round', (t) => {
  t.is(nextSequence(0xffff_ffff), 0);
  t.is(sequenceDistance(0, 0xffff_ffff), 1);
  t.is(sequenceDistance(0xffff_ffff, 0), -1);
  t.is(sequenceDistance(5, 2), 3);
});

/** What goes in at a queue comes out of a reader. */
function carry(
  messages: readonly { priority: number; type: number; payload: Uint8Array }[],
): { priority: number; type: number; payload: Buffer }[] {
  const queue = new LinkQueue();
  let addedBytes = 0;
  for (const { priority, type, payload } of messages) addedBytes += queue.add(priority, type, payload);
  if (addedBytes !== queue.sizeBytes) throw new Error(`${addedBytes} bytes were added, ${queue.sizeBytes} are there`);
  const reader = new MessageReader({ messageBytesMax: 4 << 20 });
  const heard: { priority: number; type: number; payload: Buffer }[] = [];
  for (let batch = queue.take(); batch !== undefined; batch = queue.take()) {
    const { priority, count } = batch;
    const frame = batch.buffer.subarray(0, batch.endBytes);
    sealFrame(frame, { ...HEADER, priority, count, sizeBytes: frame.length - FRAME_HEADER_BYTES }, 0);
    reader.read({ priority, count, payload: frame.subarray(FRAME_HEADER_BYTES) }, (type, payload) => {
      heard.push({ priority, type, payload: Buffer.from(payload) });
      return true;
    });
    queue.recycle([batch.buffer]);
  }
  if (queue.sizeBytes !== 0) throw new Error(`${queue.sizeBytes} bytes are left`);
  return heard;
}

test('messages of any size come back, by priority and in order', (t) => {
  const sizes = fc.oneof(
    fc.nat(300),
    fc.integer({ min: 60_000, max: 70_000 }),
    fc.constantFrom(0, 65_532, 65_531, 65_533, 131_064, 200_000),
  );
  const messages = fc.array(
    fc.record({ priority: fc.nat(3), type: fc.nat(255), sizeBytes: sizes, fill: fc.nat(255) }),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(messages, (drawn) => {
      const sent = drawn.map(({ priority, type, sizeBytes, fill }) => ({
        priority,
        type,
        payload: Buffer.alloc(sizeBytes, fill).fill(fill ^ 0xff, sizeBytes >> 1),
      }));
      const expected = sent.toSorted((left, right) => left.priority - right.priority);
      const heard = carry(sent);
      t.is(heard.length, expected.length);
      heard.forEach((message, index) => {
        const { priority, type, payload } = expected[index]!;
        t.true(message.priority === priority && message.type === type && message.payload.equals(payload));
      });
    }),
    { numRuns: 100 },
  );
});

test('many empty messages do not overflow a frame', (t) => {
  const messages = Array.from({ length: 40_000 }, (_, index) => ({
    priority: 1,
    type: index & 255,
    payload: new Uint8Array(0),
  }));
  t.is(carry(messages).length, messages.length);
});

test('parts that do not fit together', (t) => {
  const code = (...frames: [count: number, hex: string][]): string => {
    const reader = new MessageReader({ messageBytesMax: 1000 });
    return t.throws(
      () => {
        for (const [count, hex] of frames)
          reader.read({ priority: 0, count, payload: Buffer.from(hex, 'hex') }, () => true);
      },
      { instanceOf: LinkError },
    ).code;
  };
  t.is(code([1, '0103']), 'ERR_LINK_TRUNCATED');
  t.is(code([1, '01030400aabb']), 'ERR_LINK_TRUNCATED');
  t.is(code([2, '01030000']), 'ERR_LINK_TRUNCATED');
  t.is(code([1, '0103000000']), 'ERR_LINK_RANGE');
  t.is(code([0, '00']), 'ERR_LINK_RANGE');
  t.is(code([1, '01040000']), 'ERR_LINK_RANGE');
  t.is(code([1, '01020000']), 'ERR_LINK_CHUNK');
  t.is(code([1, '01000000']), 'ERR_LINK_CHUNK');
  t.is(code([1, '01010300aabbcc']), 'ERR_LINK_TRUNCATED');
  t.is(code([1, '01010400e9030000']), 'ERR_LINK_SIZE');
  t.is(code([1, '0101050001000000aa']), 'ERR_LINK_CHUNK');
  const begun: [number, string] = [1, '0101050003000000aa'];
  t.is(code(begun, [1, '01030000']), 'ERR_LINK_CHUNK');
  t.is(code(begun, begun), 'ERR_LINK_CHUNK');
  t.is(code(begun, [1, '02020200bbcc']), 'ERR_LINK_CHUNK');
  t.is(code(begun, [1, '01020100bb']), 'ERR_LINK_CHUNK');
  t.is(code(begun, [1, '01020300bbccdd']), 'ERR_LINK_CHUNK');
  t.is(code(begun, [1, '01000200bbcc']), 'ERR_LINK_CHUNK');
});

test('HELLOs that cannot be', (t) => {
  const good = encodeHello({
    protocol: { min: 1, max: 2 },
    nonce: 1,
    peer: { node: 5, ledger: ledgerOf(1), incarnation: 77, name: 'e' },
    windows: [1, 2, 3, 4],
    targetName: '',
    cluster: 'c',
  });
  const code = (bytes: Buffer, incarnation = 77): string =>
    t.throws(() => decodeHello(bytes, incarnation), { instanceOf: LinkError }).code;
  const changed = (at: number, value: number): Buffer => {
    const bad = Buffer.from(good);
    bad[at] = value;
    return bad;
  };
  for (let sizeBytes = 0; sizeBytes < good.length; sizeBytes++)
    t.is(code(good.subarray(0, sizeBytes)), 'ERR_LINK_TRUNCATED');
  t.is(code(Buffer.concat([good, Buffer.of(0)])), 'ERR_LINK_RANGE');
  t.is(code(changed(0, 3)), 'ERR_LINK_RANGE');
  t.is(code(changed(8, 0)), 'ERR_LINK_RANGE');
  t.is(code(changed(8, 64)), 'ERR_LINK_RANGE');
  t.is(code(changed(41, 64)), 'ERR_LINK_RANGE');
  t.is(code(changed(42, 0xff)), 'ERR_LINK_RANGE');
  t.is(code(good, 0), 'ERR_LINK_RANGE');
  t.is(code(good, 2 ** 21), 'ERR_LINK_RANGE');
  t.is(t.throws(() => decodePing(Buffer.alloc(3)), { instanceOf: LinkError }).code, 'ERR_LINK_TRUNCATED');
  t.is(t.throws(() => decodeClose(Buffer.of(200)), { instanceOf: LinkError }).code, 'ERR_LINK_RANGE');
});
