import { mkdtempSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { assert, nat, property, uint8Array } from 'fast-check';
import { RecordingReader, RecordingWriter } from '../../src/main/recording.ts';
import {
  CHUNK_HEAD_BYTES,
  FILE_HEAD_BYTES,
  RecordingError,
  decodeChunk,
  decodeChunkHead,
  encodeChunk,
  encodeFileHead,
  intakeFrames,
} from '../../src/main/recording.wire.ts';
import type { RecordedTick, RecordingHeader } from '../../src/main/recording.wire.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-recording-'));
const HEADER: RecordingHeader = {
  module: 'file:///games/tag.ts',
  world: 'tag',
  schemaHash: 0xdeadbeef,
  incarnation: 7,
  workers: 3,
  kernel: 'simd',
  startedAt: '2030-01-01T00:00:00.000Z',
  settings: {
    seed: 1,
    tickHz: 20,
    snapshotHz: 10,
    worldSize: 512,
    cellSize: 64,
    hysteresis: 2,
    entitiesMax: 1024,
    sessionsMax: 7,
    heapBytes: 65_536,
    commandBytes: 65_536,
    params: { bots: 5 },
  },
};

function tickOf(tick: number): RecordedTick {
  const frames = Uint8Array.from([3, 0, 0, 0, 9, 8, 7, 1, 0, 0, 0, tick & 0xff]);
  return {
    tick,
    totalHash: Math.imul(tick, 0x9e3779b1) >>> 0,
    shedLevel: tick % 5,
    intake: tick % 3 === 0 ? new Uint8Array() : frames,
    cellHashes: Uint32Array.from({ length: 35 }, (_, cell) => (cell * tick * 2_654_435_761) % 2 ** 32),
    columnHashes: Uint32Array.of(tick, 0xffff_ffff),
    entityHashes: new Uint32Array(tick % 7).fill(tick),
  };
}

async function record(name: string, count: number): Promise<{ file: string; ticks: RecordedTick[] }> {
  const file = path.join(folder, name);
  const ticks = Array.from({ length: count }, (_, index) => tickOf(index + 1));
  await using writer = await RecordingWriter.open(file, { header: HEADER, backlogBytesMax: 1 << 20 });
  for (const tick of ticks) writer.append(tick);
  return { file, ticks };
}

async function read(file: string): Promise<{ header: RecordingHeader; ticks: RecordedTick[]; isTruncated: boolean }> {
  await using reader = await RecordingReader.open(file);
  const ticks: RecordedTick[] = [];
  for await (const tick of reader.ticks()) ticks.push(tick);
  return { header: reader.header, ticks, isTruncated: reader.isTruncated };
}

test('what was recorded is read back', async (t) => {
  const { file, ticks } = await record('round-trip', 107);
  const found = await read(file);
  t.deepEqual(found.header, HEADER);
  t.deepEqual(found.ticks, ticks);
  t.false(found.isTruncated);
});

test('golden bytes of a chunk', (t) => {
  const chunk = encodeChunk([
    {
      tick: 1,
      totalHash: 0xaabbccdd,
      shedLevel: 2,
      intake: Uint8Array.of(1, 0, 0, 0, 0xee),
      cellHashes: Uint32Array.of(0x11223344),
      columnHashes: Uint32Array.of(5, 6),
      entityHashes: new Uint32Array(),
    },
  ]);
  const hex = Buffer.from(chunk).toString('hex');
  t.is(
    hex,
    '574d524b' +
      '2d000000' +
      '01000000' +
      hex.slice(24, 32) +
      '01000000' +
      'ddccbbaa' +
      '02000000' +
      '05000000' +
      '01000000' +
      '02000000' +
      '00000000' +
      '01000000ee' +
      '44332211' +
      '05000000' +
      '06000000',
  );
  t.is(hex.slice(24, 32), 'acd682b1');
});

test('a file cut at any byte gives all whole chunks and says that it is truncated', async (t) => {
  const { file, ticks } = await record('cut', 45);
  const whole = readFileSync(file);
  const bodyStart = encodeFileHead(HEADER).length;
  for (let length = whole.length - 1; length > bodyStart; length -= 37) {
    truncateSync(file, length);
    const found = await read(file);
    t.deepEqual(found.ticks, ticks.slice(0, found.ticks.length));
    t.is(found.ticks.length % 20, 0);
    t.true(found.isTruncated || found.ticks.length === 40);
  }
  for (const length of [0, 3, FILE_HEAD_BYTES - 1, FILE_HEAD_BYTES, bodyStart - 1]) {
    writeFileSync(file, whole.subarray(0, length));
    const error = await t.throwsAsync(() => read(file), { instanceOf: RecordingError });
    t.is(error.code, 'ERR_RECORDING_TRUNCATED');
  }
});

test('a changed byte anywhere is found', async (t) => {
  const { file } = await record('changed', 25);
  const whole = readFileSync(file);
  for (let at = 0; at < whole.length; at += 11) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ 0x40;
    writeFileSync(file, changed);
    const found = await read(file).catch((error: unknown) => error);
    // A length that now reaches beyond the end cannot be told from a truncated file.
    const isFound = found instanceof RecordingError || (found as { isTruncated: boolean }).isTruncated;
    // Bytes 6 and 7 of the file are reserved.
    t.true(isFound || at === 6 || at === 7, `byte ${at}`);
  }
});

test('other files are refused with what they are', async (t) => {
  const file = path.join(folder, 'other');
  const cases: readonly [Uint8Array, string][] = [
    [Buffer.from('export default defineWorld({})'), 'ERR_RECORDING_MAGIC'],
    [Buffer.concat([Buffer.from('WMRC'), Buffer.from([9, 0]), Buffer.alloc(20)]), 'ERR_RECORDING_VERSION'],
    [
      Buffer.concat([Buffer.from('WMRC'), Buffer.from([1, 0, 0, 0, 255, 255, 255, 255]), Buffer.alloc(20)]),
      'ERR_RECORDING_RANGE',
    ],
    [encodeFileHead({ nonsense: true } as never), 'ERR_RECORDING_HEADER'],
  ];
  for (const [bytes, code] of cases) {
    writeFileSync(file, bytes);
    const error = await t.throwsAsync(() => read(file), { instanceOf: RecordingError });
    t.is(error.code as string, code);
    t.true(error.message.includes(file));
  }
  const missing = await t.throwsAsync(() => read(path.join(folder, 'missing')), { instanceOf: RecordingError });
  t.is(missing.code, 'ERR_RECORDING_FILE');
});

test('a chunk of random bytes is refused with a RecordingError', (t) => {
  assert(
    property(uint8Array({ maxLength: 300 }), nat(20), (payload, tickCount) => {
      const chunk = encodeChunk([]);
      const view = new DataView(chunk.buffer);
      view.setUint32(4, payload.length, true);
      view.setUint32(8, tickCount, true);
      try {
        const head = decodeChunkHead(chunk.subarray(0, CHUNK_HEAD_BYTES));
        decodeChunk(payload, head);
        intakeFrames(payload);
      } catch (error) {
        t.true(error instanceof RecordingError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('intake frames are taken apart', (t) => {
  t.deepEqual(intakeFrames(tickOf(1).intake), [Uint8Array.of(9, 8, 7), Uint8Array.of(1)]);
  t.throws(() => intakeFrames(Uint8Array.of(9, 0, 0, 0, 1)), { instanceOf: RecordingError });
});

test('when the disk does not keep up the recording ends, whole, and says so', async (t) => {
  const file = path.join(folder, 'slow');
  const writer = await RecordingWriter.open(file, { header: HEADER, backlogBytesMax: 2000 });
  for (let tick = 1; tick <= 100; tick++) writer.append(tickOf(tick));
  t.is(writer.failure?.code, 'ERR_RECORDING_BACKLOG');
  await t.throwsAsync(() => writer.close(), { instanceOf: RecordingError });
  const found = await read(file);
  t.true(found.ticks.length > 0 && found.ticks.length < 100);
  t.false(found.isTruncated);
});

test('a folder that does not exist is named', async (t) => {
  const error = await t.throwsAsync(
    () => RecordingWriter.open(path.join(folder, 'no', 'where'), { header: HEADER, backlogBytesMax: 1 }),
    { instanceOf: RecordingError },
  );
  t.regex(error.message, /ENOENT/);
});
