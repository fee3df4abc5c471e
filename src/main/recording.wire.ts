/**
 * A recording: everything that came into a world from outside, and hashes of what became of it, tick by tick.
 * Little-endian.
 *
 *   byte 0        4            6        8              12                16
 *   ┌────────────┬────────────┬────────┬──────────────┬─────────────────┬─────────────────┬─────────┬───
 *   │ magic WMRC │ version u16│ 0 u16  │ headerBytes  │ CRC-32C of      │ header, JSON in │ chunk 0 │ …
 *   │ u32        │            │        │ u32          │ the header u32  │ UTF-8           │         │
 *   └────────────┴────────────┴────────┴──────────────┴─────────────────┴─────────────────┴─────────┴───
 *
 *   chunk: magic WMRK u32 · payloadBytes u32 · tickCount u32 · CRC-32C of the payload u32 · payload
 *   payload, for each tick:
 *     tick u32 · totalHash u32 · shedLevel u32 · intakeBytes u32 · cellCount u32 · columnCount u32 · entityCount u32
 *     intake frames, each: frameBytes u32 · frame as in memory/intake.ts
 *     cell hashes u32 × cellCount · column hashes u32 × columnCount · entity hashes by slot u32 × entityCount
 *   entityCount is 0 where the world had more entities than the setting `recordEntitiesMax`.
 *
 * Nothing is aligned. A process that dies leaves at most one chunk unfinished: a reader tells that (truncated) from
 * bytes that changed (checksum).
 */
import { z } from 'zod';
import { assert } from '../base/assert.ts';
import { WorldmeshError } from '../base/errors.ts';
import { crc32c } from '../base/crc32c.ts';

export const RECORDING_VERSION = 1;
export const FILE_HEAD_BYTES = 16;
export const CHUNK_HEAD_BYTES = 16;
/** A header is a few hundred bytes; a larger one is not ours. */
export const HEADER_BYTES_MAX = 1024 * 1024;
/** A chunk is closed soon after 256 KiB, but holds at least one tick: 8 M entity hashes and an input ring of 256 MiB fit. */
export const CHUNK_BYTES_MAX = 512 * 1024 * 1024;

const FILE_MAGIC = 0x4352_4d57; // "WMRC"
const CHUNK_MAGIC = 0x4b52_4d57; // "WMRK"
const TICK_HEAD_BYTES = 28;

export const recordingHeaderSchema = z.object({
  /** File URL of the world module. */
  module: z.string().max(4096),
  world: z.string().max(64),
  schemaHash: z.number().int().min(0).max(0xffff_ffff),
  incarnation: z.number().int().min(0),
  /** How it ran; a replay may use others. */
  workers: z.number().int().min(1).max(64),
  kernel: z.enum(['simd', 'typescript']),
  startedAt: z.string().max(64),
  /** The settings by which the outcome of a tick is decided. */
  settings: z.object({
    seed: z.number(),
    tickHz: z.number(),
    snapshotHz: z.number(),
    worldSize: z.number(),
    cellSize: z.number(),
    hysteresis: z.number(),
    entitiesMax: z.number(),
    sessionsMax: z.number(),
    heapBytes: z.number(),
    commandBytes: z.number(),
    params: z.record(z.string(), z.number()),
  }),
});
export type RecordingHeader = z.output<typeof recordingHeaderSchema>;

export interface RecordedTick {
  readonly tick: number;
  /** Of the whole world. */
  readonly totalHash: number;
  /** Overload decisions come from the clock, so they are recorded like inputs. */
  readonly shedLevel: number;
  /** Each with its length in front, as in the layout above. */
  readonly intake: Uint8Array;
  readonly cellHashes: Uint32Array;
  readonly columnHashes: Uint32Array;
  /** By slot; empty where there were too many entities. */
  readonly entityHashes: Uint32Array;
}

export type RecordingErrorCode =
  | 'ERR_RECORDING_MAGIC'
  | 'ERR_RECORDING_VERSION'
  | 'ERR_RECORDING_HEADER'
  | 'ERR_RECORDING_CHECKSUM'
  | 'ERR_RECORDING_TRUNCATED'
  | 'ERR_RECORDING_RANGE'
  | 'ERR_RECORDING_FILE'
  | 'ERR_RECORDING_BACKLOG'
  | 'ERR_RECORDING_MISMATCH';

/** A recording cannot be written, read or replayed. */
export class RecordingError extends WorldmeshError {
  override readonly name = 'RecordingError';
  readonly code: RecordingErrorCode;

  constructor(code: RecordingErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}

/** The start of a file. */
export function encodeFileHead(header: RecordingHeader): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(JSON.stringify(header));
  assert(json.length <= HEADER_BYTES_MAX, 'a recording header is small');
  const bytes = new Uint8Array(FILE_HEAD_BYTES + json.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, FILE_MAGIC, true);
  view.setUint16(4, RECORDING_VERSION, true);
  view.setUint32(8, json.length, true);
  view.setUint32(12, crc32c(json), true);
  bytes.set(json, FILE_HEAD_BYTES);
  return bytes;
}

/** Length and checksum of the header that follows the first FILE_HEAD_BYTES. @throws RecordingError */
export function decodeFileHead(head: Uint8Array): { headerBytes: number; checksum: number } {
  if (head.length < FILE_HEAD_BYTES) throw truncated('the file ends within its first 16 bytes');
  const view = viewOf(head);
  if (view.getUint32(0, true) !== FILE_MAGIC) {
    throw new RecordingError('ERR_RECORDING_MAGIC', 'this is not a recording: it does not begin with "WMRC"');
  }
  const version = view.getUint16(4, true);
  if (version !== RECORDING_VERSION) {
    throw new RecordingError(
      'ERR_RECORDING_VERSION',
      `the recording has format version ${version}, this worldmesh reads ${RECORDING_VERSION}: replay it with the release that wrote it`,
    );
  }
  const headerBytes = view.getUint32(8, true);
  if (headerBytes > HEADER_BYTES_MAX) {
    throw new RecordingError('ERR_RECORDING_RANGE', `a header of ${headerBytes} bytes; at most ${HEADER_BYTES_MAX}`);
  }
  return { headerBytes, checksum: view.getUint32(12, true) };
}

/** @throws RecordingError */
export function decodeHeader(json: Uint8Array, checksum: number): RecordingHeader {
  if (crc32c(json) !== checksum) throw damaged('the header');
  try {
    return recordingHeaderSchema.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json)));
  } catch (cause) {
    throw new RecordingError('ERR_RECORDING_HEADER', 'the header is not that of a recording', { cause });
  }
}

export function tickBytes({ intake, cellHashes, columnHashes, entityHashes }: RecordedTick): number {
  return TICK_HEAD_BYTES + intake.length + 4 * (cellHashes.length + columnHashes.length + entityHashes.length);
}

/** One chunk with all ticks. */
export function encodeChunk(ticks: readonly RecordedTick[]): Uint8Array<ArrayBuffer> {
  const payloadBytes = ticks.reduce((sum, tick) => sum + tickBytes(tick), 0);
  assert(payloadBytes <= CHUNK_BYTES_MAX, 'a chunk stays within its limit');
  const bytes = new Uint8Array(CHUNK_HEAD_BYTES + payloadBytes);
  const view = new DataView(bytes.buffer);
  let at = CHUNK_HEAD_BYTES;
  for (const tick of ticks) at = writeTick(view, at, tick);
  assert(at === bytes.length, 'a chunk is as long as its ticks');
  view.setUint32(0, CHUNK_MAGIC, true);
  view.setUint32(4, payloadBytes, true);
  view.setUint32(8, ticks.length, true);
  view.setUint32(12, crc32c(bytes.subarray(CHUNK_HEAD_BYTES)), true);
  return bytes;
}

export interface ChunkHead {
  readonly payloadBytes: number;
  readonly tickCount: number;
  readonly checksum: number;
}

/** @throws RecordingError */
export function decodeChunkHead(head: Uint8Array): ChunkHead {
  assert(head.length === CHUNK_HEAD_BYTES, 'a whole chunk head was read');
  const view = viewOf(head);
  if (view.getUint32(0, true) !== CHUNK_MAGIC) throw damaged('the start of a chunk');
  const payloadBytes = view.getUint32(4, true);
  const tickCount = view.getUint32(8, true);
  if (payloadBytes > CHUNK_BYTES_MAX || tickCount * TICK_HEAD_BYTES > payloadBytes) {
    throw new RecordingError('ERR_RECORDING_RANGE', `a chunk of ${payloadBytes} bytes with ${tickCount} ticks`);
  }
  return { payloadBytes, tickCount, checksum: view.getUint32(12, true) };
}

/** @throws RecordingError */
export function decodeChunk(payload: Uint8Array, { tickCount, checksum }: ChunkHead): RecordedTick[] {
  if (crc32c(payload) !== checksum) throw damaged('a chunk');
  const view = viewOf(payload);
  const ticks: RecordedTick[] = [];
  let at = 0;
  for (let index = 0; index < tickCount; index++) {
    const read = readTick(payload, view, at);
    ticks.push(read.tick);
    at = read.end;
  }
  if (at !== payload.length) {
    throw new RecordingError('ERR_RECORDING_RANGE', `${payload.length - at} bytes after the last tick of a chunk`);
  }
  return ticks;
}

/** The frames in a tick's intake. @throws RecordingError ERR_RECORDING_RANGE. */
export function intakeFrames(intake: Uint8Array): Uint8Array[] {
  const view = viewOf(intake);
  const frames: Uint8Array[] = [];
  let at = 0;
  while (at < intake.length) {
    const end = at + 4 <= intake.length ? at + 4 + view.getUint32(at, true) : Number.POSITIVE_INFINITY;
    if (end > intake.length) {
      throw new RecordingError('ERR_RECORDING_RANGE', `an intake frame at ${at} reaches beyond ${intake.length} bytes`);
    }
    frames.push(intake.subarray(at + 4, end));
    at = end;
  }
  return frames;
}

function writeTick(view: DataView, start: number, tick: RecordedTick): number {
  const { intake, cellHashes, columnHashes, entityHashes } = tick;
  const words = [
    tick.tick,
    tick.totalHash,
    tick.shedLevel,
    intake.length,
    cellHashes.length,
    columnHashes.length,
    entityHashes.length,
  ];
  words.forEach((word, index) => view.setUint32(start + index * 4, word, true));
  let at = start + TICK_HEAD_BYTES;
  new Uint8Array(view.buffer, view.byteOffset + at, intake.length).set(intake);
  at += intake.length;
  for (const hashes of [cellHashes, columnHashes, entityHashes]) {
    for (const hash of hashes) {
      view.setUint32(at, hash, true);
      at += 4;
    }
  }
  return at;
}

function readTick(payload: Uint8Array, view: DataView, start: number): { tick: RecordedTick; end: number } {
  if (start + TICK_HEAD_BYTES > payload.length) throw truncated('a chunk ends within the head of a tick');
  const word = (index: number): number => view.getUint32(start + index * 4, true);
  const intakeStart = start + TICK_HEAD_BYTES;
  const intakeEnd = intakeStart + word(3);
  const counts = [word(4), word(5), word(6)] as const;
  const end = intakeEnd + 4 * (counts[0] + counts[1] + counts[2]);
  if (end > payload.length) throw truncated(`tick ${word(0)} reaches beyond the end of its chunk`);
  let at = intakeEnd;
  const hashes = (count: number): Uint32Array => {
    const read = new Uint32Array(count);
    for (let index = 0; index < count; index++) read[index] = view.getUint32(at + index * 4, true);
    at += count * 4;
    return read;
  };
  const tick = {
    tick: word(0),
    totalHash: word(1),
    shedLevel: word(2),
    intake: payload.slice(intakeStart, intakeEnd),
    cellHashes: hashes(counts[0]),
    columnHashes: hashes(counts[1]),
    entityHashes: hashes(counts[2]),
  };
  return { tick, end };
}

function damaged(what: string): RecordingError {
  return new RecordingError('ERR_RECORDING_CHECKSUM', `${what} is damaged: its bytes are not those that were written`);
}

function truncated(message: string): RecordingError {
  return new RecordingError('ERR_RECORDING_TRUNCATED', message);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
