/**
 * Frames of a link between two nodes: a header of 32 bytes, then up to 64 KiB of payload. Little-endian.
 *
 *   byte 0      2        3       4     8       9         10       12       16       20       24        28       32
 *   ┌──────────┬────────┬───────┬─────┬───────┬─────────┬────────┬────────┬────────┬────────┬─────────┬────────┬─────────┐
 *   │ magic    │version │ zero  │ crc │ type  │priority │ count  │ length │ source │ target │ sequence│ acked  │ payload │
 *   │ u16 "WM" │ u8     │ u8    │ u32 │ u8    │ u8      │ u16    │ u32    │ u32    │ u32    │ u32     │ u32    │ length  │
 *   └──────────┴────────┴───────┴─────┴───────┴─────────┴────────┴────────┴────────┴────────┴─────────┴────────┴─────────┘
 *
 * `source`, `target`: incarnations of the two nodes; target is 0 in a HELLO to a node that is not known yet.
 * `sequence`: 1 for the first frame of a connection and side, then one more for each, modulo 2^32.
 * `acked`: the last sequence that was heard from the other side.
 * `count`: messages, or parts of messages, in the payload of a DATA frame; else 0. They are packed by link-message.wire.ts.
 * `crc`: CRC-32 (IEEE 802.3, RFC 1952) of everything behind it, header and payload in one go, begun with the seed that the two HELLOs agreed upon,
 * so that a frame recorded on another connection does not pass on this one. It is the CRC that Node has in native code: for a
 * batch of messages it runs at 6 GB/s, CRC-32C in JavaScript at 1.4 GB/s, which alone would halve the speed of a link.
 */
import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.ts';
import { LinkError } from './link-error.ts';

export const FRAME_MAGIC = 0x4d57;
export const FRAME_VERSION = 1;
export const FRAME_HEADER_BYTES = 32;
export const FRAME_PAYLOAD_BYTES_MAX = 65_536;

const AT = {
  magic: 0,
  version: 2,
  zero: 3,
  checksum: 4,
  type: 8,
  priority: 9,
  count: 10,
  length: 12,
  source: 16,
  target: 20,
  sequence: 24,
  acknowledged: 28,
} as const;
const CHECKED_FROM_BYTES = 8;

export const FRAME_TYPE = { hello: 1, helloOk: 2, close: 3, data: 4, ping: 5, pong: 6, acknowledge: 7 } as const;
export type FrameType = (typeof FRAME_TYPE)[keyof typeof FRAME_TYPE];
const FRAME_TYPE_MAX = 7;

/** Most urgent first: what has a smaller index overtakes at every frame. */
export const PRIORITIES = ['control', 'handover', 'ghost', 'bulk'] as const;
export type Priority = (typeof PRIORITIES)[number];

export interface FrameHeader {
  readonly type: FrameType;
  /** Index into PRIORITIES. */
  readonly priority: number;
  readonly count: number;
  readonly sizeBytes: number;
  readonly source: number;
  readonly target: number;
  readonly sequence: number;
  readonly acknowledged: number;
}

/** Writes the header before a payload that already lies at `FRAME_HEADER_BYTES` of `frame`. */
export function sealFrame(frame: Buffer, header: FrameHeader, seed: number): void {
  assert(frame.length === FRAME_HEADER_BYTES + header.sizeBytes, 'the frame holds header and payload');
  assert(header.sizeBytes <= FRAME_PAYLOAD_BYTES_MAX, 'the payload fits into a frame');
  frame.writeUInt16LE(FRAME_MAGIC, AT.magic);
  frame[AT.version] = FRAME_VERSION;
  frame[AT.type] = header.type;
  frame[AT.priority] = header.priority;
  frame[AT.zero] = 0;
  frame.writeUInt16LE(header.count, AT.count);
  frame.writeUInt32LE(header.sizeBytes, AT.length);
  frame.writeUInt32LE(header.source, AT.source);
  frame.writeUInt32LE(header.target, AT.target);
  frame.writeUInt32LE(header.sequence, AT.sequence);
  frame.writeUInt32LE(header.acknowledged, AT.acknowledged);
  frame.writeUInt32LE(checksumOf(frame, seed), AT.checksum);
}

/** A whole frame in a buffer of its own. */
export function encodeFrame(header: Omit<FrameHeader, 'sizeBytes'>, payload: Uint8Array, seed = 0): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
  frame.set(payload, FRAME_HEADER_BYTES);
  sealFrame(frame, { ...header, sizeBytes: payload.length }, seed);
  return frame;
}

function checksumOf(frame: Buffer, seed: number): number {
  return crc32(frame.subarray(CHECKED_FROM_BYTES), seed);
}

/** @throws LinkError for what no node of this version sends. Lengths are judged before a byte of payload is awaited. */
export function decodeHeader(bytes: Buffer): FrameHeader {
  assert(bytes.length >= FRAME_HEADER_BYTES, 'a whole header');
  const magic = bytes.readUInt16LE(AT.magic);
  if (magic !== FRAME_MAGIC) {
    throw new LinkError('ERR_LINK_MAGIC', `a frame begins with ${hex(FRAME_MAGIC)}, found ${hex(magic)}`);
  }
  const version = bytes[AT.version]!;
  if (version !== FRAME_VERSION) {
    throw new LinkError('ERR_LINK_VERSION', `frames of version ${FRAME_VERSION} are understood, found ${version}`);
  }
  const type = bytes[AT.type]!;
  if (type === 0 || type > FRAME_TYPE_MAX) throw new LinkError('ERR_LINK_TYPE', `no frame has type ${type}`);
  const priority = bytes[AT.priority]!;
  if (priority >= PRIORITIES.length || bytes[AT.zero] !== 0) {
    throw new LinkError('ERR_LINK_RANGE', `priority ${priority} and reserved byte ${bytes[AT.zero]} are no valid pair`);
  }
  const sizeBytes = bytes.readUInt32LE(AT.length);
  if (sizeBytes > FRAME_PAYLOAD_BYTES_MAX) {
    throw new LinkError('ERR_LINK_SIZE', `a payload has at most ${FRAME_PAYLOAD_BYTES_MAX} bytes, found ${sizeBytes}`);
  }
  return {
    type: type as FrameType,
    priority,
    count: bytes.readUInt16LE(AT.count),
    sizeBytes,
    source: bytes.readUInt32LE(AT.source),
    target: bytes.readUInt32LE(AT.target),
    sequence: bytes.readUInt32LE(AT.sequence),
    acknowledged: bytes.readUInt32LE(AT.acknowledged),
  };
}

/**
 * Cuts a stream into frames, however it arrives. A frame that lies whole in one chunk is not copied; one that does not is
 * gathered in a buffer of exactly its size. Payloads stay valid and unchanged after the visit, but keep their chunk alive.
 */
export class FrameDecoder {
  /** Of the checksums from the next frame on. */
  seed = 0;
  /** Bytes of a frame that has begun; its first `#gatheredBytes` are there. */
  #gathering: Buffer = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  #gatheredBytes = 0;
  #header: FrameHeader | undefined;

  /** Bytes that wait for the rest of their frame. */
  get pendingBytes(): number {
    return this.#gatheredBytes;
  }

  /**
   * `visit` answers false to end the stream: what follows is not looked at.
   * @throws LinkError at the first malformed frame; the decoder must not be used after that.
   */
  push(chunk: Buffer, visit: (header: FrameHeader, payload: Buffer) => boolean): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#gatheredBytes > 0) {
        at = this.#gather(chunk, at);
        if (this.#header === undefined || this.#gatheredBytes < this.#gathering.length) continue;
        const [header, frame] = [this.#header, this.#gathering];
        this.#reset();
        if (!visit(header, this.#checked(header, frame))) return;
        continue;
      }
      const restBytes = chunk.length - at;
      if (restBytes >= FRAME_HEADER_BYTES) {
        const header = decodeHeader(chunk.subarray(at, at + FRAME_HEADER_BYTES));
        const frameBytes = FRAME_HEADER_BYTES + header.sizeBytes;
        if (restBytes >= frameBytes) {
          const frame = chunk.subarray(at, at + frameBytes);
          at += frameBytes;
          if (!visit(header, this.#checked(header, frame))) return;
          continue;
        }
      }
      at = this.#gather(chunk, at);
    }
  }

  /** Takes what the frame in hand still lacks, first of its header, then of its payload. */
  #gather(chunk: Buffer, from: number): number {
    const wantedBytes = this.#gathering.length - this.#gatheredBytes;
    const takenBytes = Math.min(wantedBytes, chunk.length - from);
    this.#gathering.set(chunk.subarray(from, from + takenBytes), this.#gatheredBytes);
    this.#gatheredBytes += takenBytes;
    if (this.#header === undefined && this.#gatheredBytes === FRAME_HEADER_BYTES) {
      this.#header = decodeHeader(this.#gathering);
      const whole = Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES + this.#header.sizeBytes);
      whole.set(this.#gathering);
      this.#gathering = whole;
    }
    return from + takenBytes;
  }

  #reset(): void {
    this.#gathering = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
    this.#gatheredBytes = 0;
    this.#header = undefined;
  }

  #checked(header: FrameHeader, frame: Buffer): Buffer {
    const found = frame.readUInt32LE(AT.checksum);
    const expected = checksumOf(frame, this.seed);
    // A dialer that gives up before HELLO_OK has reached it, as when both dial at once, does not know the seed.
    const isEarlyClose = header.type === FRAME_TYPE.close && header.sequence === 2;
    if (found !== expected && !(isEarlyClose && found === checksumOf(frame, 0))) {
      throw new LinkError(
        'ERR_LINK_CHECKSUM',
        `frame ${header.sequence} of type ${header.type} carries the checksum ${hex(found)}, its bytes give ${hex(expected)}`,
      );
    }
    return frame.subarray(FRAME_HEADER_BYTES);
  }
}

/** The one after `sequence`. */
export function nextSequence(sequence: number): number {
  return (sequence + 1) >>> 0;
}

/** How far `left` is ahead of `right` on the circle of 2^32; negative when it is behind (serial numbers, RFC 1982). */
export function sequenceDistance(left: number, right: number): number {
  return (left - right) | 0;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
