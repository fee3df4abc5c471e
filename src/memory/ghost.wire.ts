/**
 * What a conductor tells another node's conductor of entities near its land, little-endian:
 *
 *   0            1          2        4          8
 *   ┌────────────┬──────────┬────────┬──────────┬─ ─ ─ items
 *   │ version u8 │ flags u8 │ 0 u16  │ tick u32 │
 *   └────────────┴──────────┴────────┴──────────┴─ ─ ─
 *   leave   u8 1 · generation u8 · movedTo u8 · 0 u8 · slot u32
 *   update  u8 2 · generation u8 · 0 u16 · slot u32 · x f32 · z f32 · vx f32 · vz f32
 *   enter   u8 3 · generation u8 · 0 u16 · slot u32 · recordBytes u32 · record (record-header.ts)
 *   event   u8 4 · generation u8 · payloadBytes u16 · slot u32 · event u32 · packed event: an announcement to clients
 *
 *   flags    bit 0: forget what was told before; others 0
 *   slot     of the publisher's store, with the low byte of its generation: names the entity until its `leave`
 *   movedTo  NodeNumber of the new owner when the entity was handed over, else 0
 *
 * It holds only what changed: between two updates an entity moves on at its velocity. Everything is said again within a
 * few seconds, so that a lost frame does no lasting harm.
 *
 * The bytes come from another process: the reader checks everything and throws WireError, nothing else.
 */
import { WireError } from '../base/errors.ts';

const VERSION = 1;
const FLAG_RESET = 1;
const HEAD_BYTES = 8;
const ITEM = { leave: 1, update: 2, enter: 3, event: 4 } as const;
export const GHOST_LEAVE_BYTES = 8;
export const GHOST_UPDATE_BYTES = 24;
/** Before the record. */
export const GHOST_ENTER_BYTES = 12;
/** Before the payload. */
export const GHOST_EVENT_BYTES = 12;
/** Publishers' slots are below this: a bound for tables of them. */
export const GHOST_SLOT_MAX = 2 ** 22 - 1;

/** Writes items one after the other into a buffer of fixed size. */
export class GhostWriter {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView<ArrayBuffer>;
  at = HEAD_BYTES;

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
    this.#view = new DataView(this.bytes.buffer);
  }

  start(tick: number, { isReset }: { isReset: boolean }): void {
    this.bytes[0] = VERSION;
    this.bytes[1] = isReset ? FLAG_RESET : 0;
    this.#view.setUint16(2, 0, true);
    this.#view.setUint32(4, tick, true);
    this.at = HEAD_BYTES;
  }

  get isEmpty(): boolean {
    return this.at === HEAD_BYTES && this.bytes[1] === 0;
  }

  hasRoom(itemBytes: number): boolean {
    return this.at + itemBytes <= this.bytes.length;
  }

  leave(slot: number, generation: number, movedTo: number): void {
    this.#head(ITEM.leave, slot, generation);
    this.bytes[this.at + 2] = movedTo;
    this.at += GHOST_LEAVE_BYTES;
  }

  // A record of four floats would have to be made for each entity and tick.
  // prettier-ignore
  update(slot: number, generation: number, x: number, z: number, vx: number, vz: number): void {
    this.#head(ITEM.update, slot, generation);
    const view = this.#view;
    view.setFloat32(this.at + 8, x, true);
    view.setFloat32(this.at + 12, z, true);
    view.setFloat32(this.at + 16, vx, true);
    view.setFloat32(this.at + 20, vz, true);
    this.at += GHOST_UPDATE_BYTES;
  }

  /** The record must have been written to `bytes` at `recordAt`. */
  enter(slot: number, generation: number, recordBytes: number): void {
    this.#head(ITEM.enter, slot, generation);
    this.#view.setUint32(this.at + 8, recordBytes, true);
    this.at += GHOST_ENTER_BYTES + recordBytes;
  }

  event(slot: number, generation: number, { event, payload }: { event: number; payload: Uint8Array }): void {
    this.#head(ITEM.event, slot, generation);
    this.#view.setUint16(this.at + 2, payload.length, true);
    this.#view.setUint32(this.at + 8, event, true);
    this.bytes.set(payload, this.at + GHOST_EVENT_BYTES);
    this.at += GHOST_EVENT_BYTES + payload.length;
  }

  /** Where the record of the next `enter` goes. */
  get recordAt(): number {
    return this.at + GHOST_ENTER_BYTES;
  }

  #head(item: number, slot: number, generation: number): void {
    this.#view.setUint32(this.at, item | ((generation & 0xff) << 8), true);
    this.#view.setUint32(this.at + 4, slot, true);
  }
}

export interface GhostVisitor {
  /** First, once. */
  frame(tick: number, isReset: boolean): void;
  leave(slot: number, generation: number, movedTo: number): void;
  update(slot: number, generation: number, motion: GhostMotion): void;
  /** `record` is a view of the frame, not looked into. */
  enter(slot: number, generation: number, record: Uint8Array): void;
  /** `payload` is a view of the frame, not looked into. */
  event(slot: number, generation: number, announced: { event: number; payload: Uint8Array }): void;
}

/** Metres and m/s; finite. The reader gives one object for all. */
export interface GhostMotion {
  x: number;
  z: number;
  vx: number;
  vz: number;
}

/** @throws WireError; items before the fault have been visited then. */
export function readGhosts(bytes: Uint8Array, visitor: GhostVisitor): void {
  if (bytes.length < HEAD_BYTES) throw new WireError('ERR_WIRE_TRUNCATED', `ghosts in ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[0] !== VERSION) throw new WireError('ERR_WIRE_VERSION', `ghosts of version ${bytes[0]}, not ${VERSION}`);
  if (bytes[1]! > FLAG_RESET || view.getUint16(2, true) !== 0)
    throw new WireError('ERR_WIRE_RANGE', `ghosts with flags ${bytes[1]}`);
  visitor.frame(view.getUint32(4, true), bytes[1] === FLAG_RESET);
  const motion: GhostMotion = { x: 0, z: 0, vx: 0, vz: 0 };
  for (let at = HEAD_BYTES; at < bytes.length;) {
    need(bytes, at, GHOST_LEAVE_BYTES);
    const slot = view.getUint32(at + 4, true);
    if (slot > GHOST_SLOT_MAX) throw new WireError('ERR_WIRE_RANGE', `slot ${slot} of a ghost`);
    const generation = bytes[at + 1]!;
    switch (bytes[at]) {
      case ITEM.leave:
        visitor.leave(slot, generation, bytes[at + 2]!);
        at += GHOST_LEAVE_BYTES;
        break;
      case ITEM.update:
        need(bytes, at, GHOST_UPDATE_BYTES);
        readMotion(view, at + 8, motion);
        visitor.update(slot, generation, motion);
        at += GHOST_UPDATE_BYTES;
        break;
      case ITEM.enter: {
        need(bytes, at, GHOST_ENTER_BYTES);
        const recordBytes = view.getUint32(at + 8, true);
        need(bytes, at, GHOST_ENTER_BYTES + recordBytes);
        at += GHOST_ENTER_BYTES + recordBytes;
        visitor.enter(slot, generation, bytes.subarray(at - recordBytes, at));
        break;
      }
      case ITEM.event: {
        need(bytes, at, GHOST_EVENT_BYTES);
        const payloadBytes = view.getUint16(at + 2, true);
        need(bytes, at, GHOST_EVENT_BYTES + payloadBytes);
        const event = view.getUint32(at + 8, true);
        at += GHOST_EVENT_BYTES + payloadBytes;
        visitor.event(slot, generation, { event, payload: bytes.subarray(at - payloadBytes, at) });
        break;
      }
      default:
        throw new WireError('ERR_WIRE_TYPE', `no item of ghosts has type ${bytes[at]}`);
    }
  }
}

function readMotion(view: DataView, at: number, motion: GhostMotion): void {
  motion.x = view.getFloat32(at, true);
  motion.z = view.getFloat32(at + 4, true);
  motion.vx = view.getFloat32(at + 8, true);
  motion.vz = view.getFloat32(at + 12, true);
  const isFinite = Number.isFinite(motion.x + motion.z) && Number.isFinite(motion.vx + motion.vz);
  if (!isFinite) throw new WireError('ERR_WIRE_RANGE', 'a ghost without a finite position and velocity');
}

function need(bytes: Uint8Array, at: number, sizeBytes: number): void {
  if (at + sizeBytes > bytes.length) {
    throw new WireError('ERR_WIRE_TRUNCATED', `${sizeBytes} bytes expected at ${at} of ${bytes.length}`);
  }
}
