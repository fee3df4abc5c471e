/**
 * Frames from the conductor to the peer thread, in the ring `departures`, little-endian:
 *
 *   release       u8 1 · u8 targetNode · u8 publications · u8 0 · id low u32 · id high u32 · seq u32 · targetCell u32 · recordBytes u32
 *                 · frozenMs f64 · passenger (passenger.ts) · record · publications
 *   checkpoint    u8 2 · u8 atRest · u8 publications · u8 0 · id low u32 · id high u32 · seq u32 · 0 u32 · recordBytes u32 · 0 f64
 *                 · passenger · record · publications
 *   despawn       u8 3 · u8 0 · u8 publications · u8 0 · id low u32 · id high u32 · publications
 *   ghosts        u8 4 · u8 node · u16 0 · bytes u32 · for that node's conductor (ghost.wire.ts)
 *   emit          u8 5 · u8 event · u8 hint · u8 0 · entity low u32 · entity high u32 · payloadBytes u32 · packed event
 *   input         u8 6 · u8 payloadBytes · u16 back · session low u32 · session high u32 · sequence u32 · packed input
 *   sessionLeave  u8 7 · u8 0 · u16 0 · session low u32 · session high u32
 *   session       u8 8 · u8 gateway · u16 0 · session low u32 · session high u32 · row u32 · generation u32 · id low u32
 *                 · id high u32 · seq u32 · lastInput u32
 *   durable       u8 9 · u8 0 · u16 0 · number low u32 · number high u32 · id low u32 · id high u32 · seq u32
 *   room          u8 10 · u8 0 · u16 0 · free slots u32
 *   tick          u8 11 · u8 0 · u16 0 · tick u32
 *   go            u8 14 · u8 0 · u16 0                 the releases above need not wait for the end of the tick
 *   populated     u8 13 · u8 0 · u16 0 · cells u32 · cell u32 × cells
 *
 *   publications, as many as the head says: u8 publication · u8 0 · u16 payloadBytes · packed fields. They stand in the frame that tells what
 *   their entity is, so that they are in the ring together, or neither is.
 *
 * Writer: the conductor, in ticks. Reader: the peer thread, woken by the peer bell after `tick`.
 *
 * When the ring is full a writer returns false and has written nothing; what then happens is the conductor's to decide:
 * entities overhang, checkpoints and ghosts wait, despawns and players who leave are kept and tried again. A `tick` that finds
 * no room is left out: the next one ends both.
 */
import { assert } from '../base/assert.ts';
import { passengerBytesMax, readPassenger, readU53, writePassenger, writeU53 } from './passenger.ts';
import type { ByteSpan, EntityPassenger, PassengerInput } from './passenger.ts';
import type { ArrivedInput } from './arrivals.ts';
import type { Ring } from './ring.ts';

export const DEPARTURE = {
  release: 1,
  checkpoint: 2,
  despawn: 3,
  ghosts: 4,
  emit: 5,
  input: 6,
  sessionLeave: 7,
  session: 8,
  durable: 9,
  room: 10,
  tick: 11,
  populated: 13,
  go: 14,
} as const;

/** Bytes of one `ghosts` departure at most. */
export const GHOST_BYTES_MAX = 60 * 1024;
/** `row` of a departure `session` for which no session row was left. */
export const NO_SESSION_ROW = 0xffff_ffff;

const ENTITY_BYTES = 32;
const LIST_BYTES = 8;
/** Plenty for `room` and `tick`. */
const TICK_END_BYTES = 256;

/** Publications of one entity in one frame: what it may publish in one tick. */
export const PUBLICATIONS_PER_FRAME_MAX = 64;
const PUBLICATION_HEAD_BYTES = 4;

/** What world code has published and the peer thread has not heard of yet. */
export interface PublicationDraft {
  /** Index in the world's publications. */
  readonly publication: number;
  /** Packed fields. */
  readonly payload: Uint8Array;
}

/** Frozen: in this store it is a ghost of `targetNode` from now on. */
export interface Release {
  readonly targetNode: number;
  readonly targetCell: number;
  readonly id: number;
  /** The record carries it, too. */
  readonly seq: number;
  /** When, on the monotonic clock of this machine; for measuring only. */
  readonly frozenMs: number;
  readonly passenger: EntityPassenger;
  readonly pendingInputs: readonly PassengerInput[];
  readonly record: Uint8Array;
  readonly publications: readonly PublicationDraft[];
}

export interface Checkpoint {
  readonly id: number;
  readonly seq: number;
  readonly passenger: EntityPassenger;
  /** A player who has left: no longer in the store. */
  readonly atRest: boolean;
  readonly record: Uint8Array;
  readonly publications: readonly PublicationDraft[];
}

export interface EmittedEvent {
  readonly entity: number;
  /** Index in the schema. */
  readonly event: number;
  readonly payload: Uint8Array;
  /** NodeNumber of the likely owner, 0 when not known. */
  readonly hint: number;
}

/** A player is owned here from now on. */
export interface BoundSession {
  /** Row of the session table, or NO_SESSION_ROW. */
  readonly row: number;
  readonly generation: number;
  readonly session: number;
  /** 0 when the socket is here. */
  readonly gateway: number;
  readonly id: number;
  readonly seq: number;
  readonly lastInput: number;
}

export function writeRelease(ring: Ring, release: Release): boolean {
  return writeEntity(ring, {
    ...release,
    type: DEPARTURE.release,
    byte: release.targetNode,
  });
}

export function writeCheckpoint(ring: Ring, checkpoint: Checkpoint): boolean {
  return writeEntity(ring, {
    ...checkpoint,
    type: DEPARTURE.checkpoint,
    byte: checkpoint.atRest ? 1 : 0,
    targetCell: 0,
    frozenMs: 0,
    pendingInputs: NO_INPUTS,
  });
}

export function writeDespawn(
  ring: Ring,
  { id, publications }: { id: number; publications: readonly PublicationDraft[] },
): boolean {
  const at = ring.reserve(12 + publicationsBytes(publications));
  if (at < 0) return false;
  writeHead(ring, at, { type: DEPARTURE.despawn, byte: 0 });
  writeU53(ring.view, at + 4, id);
  ring.commit(writePublications(ring, { at, end: at + 12 }, publications) - at);
  return true;
}

/** The first `sizeBytes` of `bytes` are for the conductor of `node`. */
export function writeGhostsOut(
  ring: Ring,
  { node, bytes, sizeBytes }: { node: number; bytes: Uint8Array; sizeBytes: number },
): boolean {
  assert(sizeBytes <= GHOST_BYTES_MAX, 'ghosts go in bounded frames');
  const at = ring.reserve(LIST_BYTES + sizeBytes);
  if (at < 0) return false;
  writeHead(ring, at, { type: DEPARTURE.ghosts, byte: node });
  ring.view.setUint32(at + 4, sizeBytes, true);
  ring.bytes.set(bytes.subarray(0, sizeBytes), at + LIST_BYTES);
  ring.commit(LIST_BYTES + sizeBytes);
  return true;
}

/** Whether a `ghosts` departure of the largest size fits now, and what ends a tick after it. */
export function hasRoomForGhosts(ring: Ring): boolean {
  return ring.reserve(LIST_BYTES + GHOST_BYTES_MAX + TICK_END_BYTES) >= 0;
}

/** An event for an entity that is not owned here. */
export function writeEmit(ring: Ring, { entity, event, payload, hint }: EmittedEvent): boolean {
  const at = ring.reserve(16 + payload.length);
  if (at < 0) return false;
  writeHead(ring, at, { type: DEPARTURE.emit, byte: event });
  ring.bytes[at + 2] = hint;
  writeU53(ring.view, at + 4, entity);
  ring.view.setUint32(at + 12, payload.length, true);
  ring.bytes.set(payload, at + 16);
  ring.commit(16 + payload.length);
  return true;
}

/** An input for a player who is not owned here (any more): to be forwarded. */
export function writeForwardedInput(ring: Ring, { session, sequence, back, payload }: ArrivedInput): boolean {
  const at = ring.reserve(16 + payload.length);
  if (at < 0) return false;
  writeHead(ring, at, { type: DEPARTURE.input, byte: payload.length });
  ring.view.setUint16(at + 2, back, true);
  writeU53(ring.view, at + 4, session);
  ring.view.setUint32(at + 12, sequence, true);
  ring.bytes.set(payload, at + 16);
  ring.commit(16 + payload.length);
  return true;
}

/** A client whose player is not owned here is gone for good. */
export function writeForwardedLeave(ring: Ring, { session }: { session: number }): boolean {
  return writePair(ring, DEPARTURE.sessionLeave, session);
}

export function writeSession(ring: Ring, bound: BoundSession): boolean {
  const at = ring.reserve(36);
  if (at < 0) return false;
  writeHead(ring, at, { type: DEPARTURE.session, byte: bound.gateway });
  writeU53(ring.view, at + 4, bound.session);
  ring.view.setUint32(at + 12, bound.row, true);
  ring.view.setUint32(at + 16, bound.generation, true);
  writeU53(ring.view, at + 20, bound.id);
  ring.view.setUint32(at + 28, bound.seq, true);
  ring.view.setUint32(at + 32, bound.lastInput, true);
  ring.commit(36);
  return true;
}

/** To be answered by writeDurable when everything before this frame is on disk. */
export function writeDurableWish(
  ring: Ring,
  { number, id, seq }: { number: number; id: number; seq: number },
): boolean {
  const at = ring.reserve(24);
  if (at < 0) return false;
  writeHead(ring, at, { type: DEPARTURE.durable, byte: 0 });
  writeU53(ring.view, at + 4, number);
  writeU53(ring.view, at + 12, id);
  ring.view.setUint32(at + 20, seq, true);
  ring.commit(24);
  return true;
}

/** How many more entities fit. */
export function writeRoom(ring: Ring, { slots }: { slots: number }): boolean {
  return writeWord(ring, DEPARTURE.room, slots);
}

/** Ends what belongs to a tick. */
export function writeTick(ring: Ring, { tick }: { tick: number }): boolean {
  return writeWord(ring, DEPARTURE.tick, tick);
}

/** False when the ring is full: the releases then go with the end of the tick. */
export function writeGo(ring: Ring): boolean {
  const at = ring.reserve(4);
  if (at < 0) return false;
  writeHead(ring, at, { type: DEPARTURE.go, byte: 0 });
  ring.commit(4);
  return true;
}

/** The world's `start` has run for these cells. */
export function writePopulated(ring: Ring, { cells }: { cells: Uint32Array }): boolean {
  const at = ring.reserve(LIST_BYTES + cells.length * 4);
  if (at < 0) return false;
  writeHead(ring, at, { type: DEPARTURE.populated, byte: 0 });
  ring.view.setUint32(at + 4, cells.length, true);
  for (let index = 0; index < cells.length; index++)
    ring.view.setUint32(at + LIST_BYTES + index * 4, cells[index]!, true);
  ring.commit(LIST_BYTES + cells.length * 4);
  return true;
}

/** What the peer thread does with each frame. All byte arrays are copies. */
export interface DepartureVisitor {
  release(release: Release): void;
  checkpoint(checkpoint: Checkpoint): void;
  despawn(id: number, publications: readonly PublicationDraft[]): void;
  ghosts(node: number, bytes: Uint8Array): void;
  emit(emitted: EmittedEvent): void;
  input(input: ArrivedInput): void;
  sessionLeave(session: number): void;
  session(bound: BoundSession): void;
  durable(wish: { readonly number: number; readonly id: number; readonly seq: number }): void;
  room(slots: number): void;
  tick(tick: number): void;
  populated(cells: Uint32Array): void;
  go(): void;
}

export function readDeparture(source: ByteSpan, at: number, visitor: DepartureVisitor): void {
  const { bytes, view } = source;
  const byte = bytes[at + 1]!;
  switch (bytes[at]) {
    case DEPARTURE.release:
      return visitor.release({ targetNode: byte, frozenMs: view.getFloat64(at + 24, true), ...readEntity(source, at) });
    case DEPARTURE.checkpoint:
      return visitor.checkpoint({ atRest: byte === 1, ...readEntity(source, at) });
    case DEPARTURE.go:
      return visitor.go();
    case DEPARTURE.despawn:
      return visitor.despawn(readU53(view, at + 4), readPublications(source, { at, first: at + 12 }));
    case DEPARTURE.ghosts:
      return visitor.ghosts(byte, bytes.slice(at + LIST_BYTES, at + LIST_BYTES + view.getUint32(at + 4, true)));
    case DEPARTURE.emit:
      return visitor.emit({
        entity: readU53(view, at + 4),
        event: byte,
        payload: bytes.slice(at + 16, at + 16 + view.getUint32(at + 12, true)),
        hint: bytes[at + 2]!,
      });
    case DEPARTURE.input: {
      const payload = bytes.slice(at + 16, at + 16 + byte);
      const back = view.getUint16(at + 2, true);
      const sequence = view.getUint32(at + 12, true);
      return visitor.input({ session: readU53(view, at + 4), sequence, back, payload });
    }
    case DEPARTURE.sessionLeave:
      return visitor.sessionLeave(readU53(view, at + 4));
    default:
      return readNotice(source, at, visitor);
  }
}

function readNotice({ bytes, view }: ByteSpan, at: number, visitor: DepartureVisitor): void {
  const word = (offsetBytes: number): number => view.getUint32(at + offsetBytes, true);
  switch (bytes[at]) {
    case DEPARTURE.session:
      return visitor.session({
        row: word(12),
        generation: word(16),
        session: readU53(view, at + 4),
        gateway: bytes[at + 1]!,
        id: readU53(view, at + 20),
        seq: word(28),
        lastInput: word(32),
      });
    case DEPARTURE.durable:
      return visitor.durable({ number: readU53(view, at + 4), id: readU53(view, at + 12), seq: word(20) });
    case DEPARTURE.room:
      return visitor.room(word(4));
    case DEPARTURE.tick:
      return visitor.tick(word(4));
    case DEPARTURE.populated:
      return visitor.populated(Uint32Array.from({ length: word(4) }, (_, index) => word(LIST_BYTES + index * 4)));
    default:
      assert(false, `a departure has a known type, found ${bytes[at]}`);
  }
}

const NO_INPUTS: readonly PassengerInput[] = [];
const NO_PUBLICATIONS: readonly PublicationDraft[] = [];

interface EntityFrame {
  readonly type: number;
  readonly byte: number;
  readonly targetCell: number;
  readonly id: number;
  readonly seq: number;
  readonly frozenMs: number;
  readonly passenger: EntityPassenger;
  readonly pendingInputs: readonly PassengerInput[];
  readonly record: Uint8Array;
  readonly publications: readonly PublicationDraft[];
}

function writeEntity(ring: Ring, frame: EntityFrame): boolean {
  const at = ring.reserve(
    ENTITY_BYTES + passengerBytesMax(frame) + frame.record.length + publicationsBytes(frame.publications),
  );
  if (at < 0) return false;
  writeHead(ring, at, frame);
  writeU53(ring.view, at + 4, frame.id);
  ring.view.setUint32(at + 12, frame.seq, true);
  ring.view.setUint32(at + 16, frame.targetCell, true);
  ring.view.setUint32(at + 20, frame.record.length, true);
  ring.view.setFloat64(at + 24, frame.frozenMs, true);
  const recordAt = writePassenger(ring, at + ENTITY_BYTES, frame);
  ring.bytes.set(frame.record, recordAt);
  const end = writePublications(ring, { at, end: recordAt + frame.record.length }, frame.publications);
  ring.commit(end - at);
  return true;
}

function readEntity(source: ByteSpan, at: number): Omit<EntityFrame, 'type' | 'byte' | 'frozenMs'> {
  const { bytes, view } = source;
  const { passenger, pendingInputs, end } = readPassenger(source, at + ENTITY_BYTES);
  const recordEnd = end + view.getUint32(at + 20, true);
  return {
    targetCell: view.getUint32(at + 16, true),
    id: readU53(view, at + 4),
    seq: view.getUint32(at + 12, true),
    passenger,
    pendingInputs,
    record: bytes.slice(end, recordEnd),
    publications: readPublications(source, { at, first: recordEnd }),
  };
}

function publicationsBytes(publications: readonly PublicationDraft[]): number {
  let sizeBytes = 0;
  for (const { payload } of publications) sizeBytes += PUBLICATION_HEAD_BYTES + payload.length;
  return sizeBytes;
}

/** Writes their number into the head of the frame and them to its end; returns where they end. */
function writePublications(
  { bytes, view }: ByteSpan,
  frame: { readonly at: number; readonly end: number },
  publications: readonly PublicationDraft[],
): number {
  assert(publications.length <= PUBLICATIONS_PER_FRAME_MAX, 'an entity publishes a bounded number of times in a tick');
  bytes[frame.at + 2] = publications.length;
  let { end } = frame;
  for (const { publication, payload } of publications) {
    view.setUint32(end, publication | (payload.length << 16), true);
    bytes.set(payload, end + PUBLICATION_HEAD_BYTES);
    end += PUBLICATION_HEAD_BYTES + payload.length;
  }
  return end;
}

function readPublications(
  { bytes, view }: ByteSpan,
  { at, first }: { readonly at: number; readonly first: number },
): readonly PublicationDraft[] {
  if (bytes[at + 2] === 0) return NO_PUBLICATIONS;
  const publications: PublicationDraft[] = [];
  let from = first;
  for (let left = bytes[at + 2]!; left > 0; left--) {
    const head = view.getUint32(from, true);
    const end = from + PUBLICATION_HEAD_BYTES + (head >>> 16);
    publications.push({ publication: head & 0xff, payload: bytes.slice(from + PUBLICATION_HEAD_BYTES, end) });
    from = end;
  }
  return publications;
}

function writePair(ring: Ring, type: number, value: number): boolean {
  const at = ring.reserve(12);
  if (at < 0) return false;
  writeHead(ring, at, { type, byte: 0 });
  writeU53(ring.view, at + 4, value);
  ring.commit(12);
  return true;
}

function writeWord(ring: Ring, type: number, word: number): boolean {
  const at = ring.reserve(8);
  if (at < 0) return false;
  writeHead(ring, at, { type, byte: 0 });
  ring.view.setUint32(at + 4, word, true);
  ring.commit(8);
  return true;
}

function writeHead(ring: Ring, at: number, { type, byte }: { readonly type: number; readonly byte: number }): void {
  ring.view.setUint32(at, type | (byte << 8), true);
}
