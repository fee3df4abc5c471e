/**
 * Messages in the payload of DATA frames. A frame holds messages of one priority, one after the other; a message that does not
 * fit is cut into parts over several frames of its priority, between which frames of others may go.
 *
 *   byte 0      1       2        4                4 or 8
 *   ┌──────────┬───────┬────────┬────────────────┬─────────┐
 *   │ type u8  │ flags │ length │ total u32, if  │ bytes   │   flags: 1 first part, 2 last part; 3 a whole message
 *   │          │ u8    │ u16    │ flags = 1      │ length  │   total: size of the whole message, with its first part
 *   └──────────┴───────┴────────┴────────────────┴─────────┘
 */
import { assert } from '../base/assert.ts';
import { LinkError } from './link-error.ts';
import { FRAME_HEADER_BYTES, FRAME_PAYLOAD_BYTES_MAX, PRIORITIES } from './link-frame.wire.ts';

export const PART_HEADER_BYTES = 4;
const TOTAL_BYTES = 4;
const FIRST = 1;
const LAST = 2;
const WHOLE = FIRST | LAST;
/** A part takes at least its header, so no frame has more than this. */
const PARTS_MAX = FRAME_PAYLOAD_BYTES_MAX / PART_HEADER_BYTES;
/** A message is not cut for less than this: tiny parts at the end of a frame cost more than the room they use. */
const PART_BYTES_MIN = 1024;
const BATCH_BYTES_MAX = FRAME_HEADER_BYTES + FRAME_PAYLOAD_BYTES_MAX;

/** Messages of one priority on their way into one frame. `buffer` begins with room for the header. */
export interface Batch {
  buffer: Buffer;
  endBytes: number;
  count: number;
  readonly priority: number;
}

export function emptyBatch(priority: number, buffer: Buffer): Batch {
  return { buffer, endBytes: FRAME_HEADER_BYTES, count: 0, priority };
}

/**
 * Appends `payload` from `fromBytes` on: all of it, or as much as fits.
 * @returns how many bytes of it are in frames now; the same as `fromBytes` if the batch is full.
 */
export function appendMessage(batch: Batch, type: number, payload: Uint8Array, fromBytes: number): number {
  assert(type >= 0 && type <= 255, 'the type of a message is a byte');
  const roomBytes = BATCH_BYTES_MAX - batch.endBytes - PART_HEADER_BYTES;
  const restBytes = payload.length - fromBytes;
  if (batch.count >= PARTS_MAX) return fromBytes;
  if (restBytes <= roomBytes) {
    if (fromBytes === 0) appendPart(batch, type, WHOLE, payload);
    else appendPart(batch, type, LAST, payload.subarray(fromBytes));
    return payload.length;
  }
  if (roomBytes < PART_BYTES_MIN) return fromBytes;
  if (fromBytes > 0) {
    const untilBytes = fromBytes + roomBytes;
    appendPart(batch, type, 0, payload.subarray(fromBytes, untilBytes));
    return untilBytes;
  }
  const first = Buffer.allocUnsafe(roomBytes);
  first.writeUInt32LE(payload.length);
  first.set(payload.subarray(0, roomBytes - TOTAL_BYTES), TOTAL_BYTES);
  appendPart(batch, type, FIRST, first);
  return roomBytes - TOTAL_BYTES;
}

/** Allocates nothing while the batch has room: it runs once per message. */
function appendPart(batch: Batch, type: number, flags: number, bytes: Uint8Array): void {
  const at = batch.endBytes;
  const endBytes = at + PART_HEADER_BYTES + bytes.length;
  if (endBytes > batch.buffer.length) grow(batch, endBytes);
  const { buffer } = batch;
  buffer[at] = type;
  buffer[at + 1] = flags;
  buffer[at + 2] = bytes.length & 0xff;
  buffer[at + 3] = bytes.length >>> 8;
  buffer.set(bytes, at + PART_HEADER_BYTES);
  batch.endBytes = endBytes;
  batch.count++;
}

function grow(batch: Batch, neededBytes: number): void {
  let capacityBytes = batch.buffer.length;
  while (capacityBytes < neededBytes) capacityBytes *= 2;
  const larger = Buffer.allocUnsafeSlow(Math.min(capacityBytes, BATCH_BYTES_MAX));
  larger.set(batch.buffer.subarray(0, batch.endBytes));
  batch.buffer = larger;
}

interface Gathering {
  readonly type: number;
  readonly bytes: Buffer;
  atBytes: number;
}

/** Puts messages together again, for each priority on its own. Memory: one message of `messageBytesMax` per priority. */
export class MessageReader {
  readonly #messageBytesMax: number;
  readonly #gathering: (Gathering | undefined)[] = PRIORITIES.map(() => undefined);

  constructor(options: { messageBytesMax: number }) {
    this.#messageBytesMax = options.messageBytesMax;
  }

  /**
   * Calls `visit` for every message that is complete with this frame. It answers false to end the stream.
   * @throws LinkError for parts that do not fit together or into the frame.
   */
  read(
    frame: { priority: number; count: number; payload: Buffer },
    visit: (type: number, payload: Uint8Array) => boolean,
  ): void {
    const { payload, count, priority } = frame;
    let at = 0;
    for (let part = 0; part < count; part++) {
      if (at + PART_HEADER_BYTES > payload.length) throw truncated(at, payload.length);
      const type = payload[at]!;
      const flags = payload[at + 1]!;
      const from = at + PART_HEADER_BYTES;
      at = from + (payload[at + 2]! | (payload[at + 3]! << 8));
      if (at > payload.length) throw truncated(at, payload.length);
      if (flags === WHOLE && this.#gathering[priority] === undefined) {
        // Cheaper than a subarray of a Buffer, which makes another Buffer.
        if (!visit(type, new Uint8Array(payload.buffer, payload.byteOffset + from, at - from))) return;
        continue;
      }
      const message = this.#gather({ type, flags, priority }, payload.subarray(from, at));
      if (message !== undefined && !visit(type, message)) return;
    }
    if (at !== payload.length) {
      throw new LinkError('ERR_LINK_RANGE', `${payload.length - at} bytes after the last of ${count} messages`);
    }
  }

  #gather(part: { type: number; flags: number; priority: number }, bytes: Buffer): Buffer | undefined {
    const { type, flags, priority } = part;
    if (flags > WHOLE) throw new LinkError('ERR_LINK_RANGE', `no part of a message has the flags ${flags}`);
    if ((flags & FIRST) !== 0) {
      this.#begin(part, bytes);
      return undefined;
    }
    const gathering = this.#gathering[priority];
    if (gathering === undefined || gathering.type !== type) {
      throw new LinkError('ERR_LINK_CHUNK', `a further part of a message of type ${type} without its beginning`);
    }
    const endBytes = gathering.atBytes + bytes.length;
    const isLast = (flags & LAST) !== 0;
    if (isLast ? endBytes !== gathering.bytes.length : endBytes >= gathering.bytes.length) {
      throw new LinkError('ERR_LINK_CHUNK', `parts give ${endBytes} bytes of a message of ${gathering.bytes.length}`);
    }
    gathering.bytes.set(bytes, gathering.atBytes);
    gathering.atBytes = endBytes;
    if (!isLast) return undefined;
    this.#gathering[priority] = undefined;
    return gathering.bytes;
  }

  #begin(part: { type: number; flags: number; priority: number }, bytes: Buffer): void {
    if (this.#gathering[part.priority] !== undefined || part.flags === WHOLE) {
      throw new LinkError('ERR_LINK_CHUNK', 'a new message before the end of the last one of its priority');
    }
    if (bytes.length < TOTAL_BYTES) throw truncated(TOTAL_BYTES, bytes.length);
    const totalBytes = bytes.readUInt32LE(0);
    if (totalBytes > this.#messageBytesMax) {
      throw new LinkError('ERR_LINK_SIZE', `a message has at most ${this.#messageBytesMax} bytes, found ${totalBytes}`);
    }
    const first = bytes.subarray(TOTAL_BYTES);
    if (first.length >= totalBytes) {
      throw new LinkError('ERR_LINK_CHUNK', `the first part has ${first.length} bytes of a message of ${totalBytes}`);
    }
    const whole = Buffer.allocUnsafeSlow(totalBytes);
    whole.set(first);
    this.#gathering[part.priority] = { type: part.type, bytes: whole, atBytes: first.length };
  }
}

function truncated(expectedBytes: number, foundBytes: number): LinkError {
  return new LinkError('ERR_LINK_TRUNCATED', `${expectedBytes} bytes of messages expected, found ${foundBytes}`);
}
