/**
 * Frames from the peer thread to the conductor, in the ring `arrivals`, little-endian:
 *
 *   activate      u8 1 · u8 cause · u8 atRest · u8 0 · id low u32 · id high u32 · seq u32 · targetCell u32 · recordBytes u32
 *                 · passenger (passenger.ts) · record
 *   ghosts        u8 2 · u8 node · u16 0 · bytes u32 · what another node's conductor made (ghost.wire.ts)
 *   subscribe     u8 3 · u8 node · u16 0 · cells u32 · cell u32 × cells
 *   ownership     u8 4 · u8 0 · u16 0 · cells u32 · owner u8 × cells
 *   input         u8 5 · u8 payloadBytes · u16 back · session low u32 · session high u32 · sequence u32 · packed input
 *   sessionState  u8 6 · u8 state · u8 viewReset · u8 0 · session low u32 · session high u32 · backlogBytes u32
 *   sessionLeave  u8 7 · u8 0 · u16 0 · session low u32 · session high u32
 *   event         u8 8 · u8 event · u16 payloadBytes · entity low u32 · entity high u32 · number low u32 · number high u32
 *                 · issuer 16 bytes · packed event
 *   durable       u8 9 · u8 0 · u16 0 · number low u32 · number high u32
 *   populate      u8 10 · u8 0 · u16 0 · cells u32 · cell u32 × cells
 *   join          u8 11 · u8 nameBytes · u8 accountBytes · u8 0 · row u32 · generation u32 · name · account (UTF-8)
 *   rebind        u8 13 · u8 gateway · u16 0 · from low u32 · from high u32 · to low u32 · to high u32
 *   schema        u8 12 · u8 0 · u16 0 · bytes u32 · the schema as JSON (UTF-8)
 *
 * Writer: the peer thread. Reader: the conductor, at the start of a tick, after the input ring. Everything in here but
 * the bytes of `ghosts` was made by this process.
 *
 * When the ring is full a writer returns false and has written nothing; the caller keeps what it has and tries again.
 */
import { assert } from '../base/assert.ts';
import { EVENT_BYTES_MAX, INPUT_BYTES_MAX } from '../base/schema.ts';
import { ACCOUNT_BYTES_MAX, NAME_BYTES_MAX } from './intake.ts';
import {
  passengerBytesMax,
  readLedger,
  readPassenger,
  readU53,
  writeLedger,
  writePassenger,
  writeU53,
} from './passenger.ts';
import type { ByteSpan, EntityPassenger, PassengerInput } from './passenger.ts';
import type { Ring } from './ring.ts';

export const ARRIVAL = {
  activate: 1,
  ghosts: 2,
  subscribe: 3,
  ownership: 4,
  input: 5,
  sessionState: 6,
  sessionLeave: 7,
  event: 8,
  durable: 9,
  populate: 10,
  join: 11,
  schema: 12,
  rebind: 13,
} as const;

/** Why an entity is this node's now; `cause` is the index. */
export const ACTIVATE_CAUSES = ['recovery', 'handover', 'reclaim', 'takeover'] as const;
export type ActivateCause = (typeof ACTIVATE_CAUSES)[number];

const ACTIVATE_BYTES = 24;
const LIST_BYTES = 8;
const INPUT_BYTES = 16;
const EVENT_BYTES = 36;
const JOIN_BYTES = 12;
const REBIND_BYTES = 20;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface Activation {
  readonly cause: ActivateCause;
  readonly targetCell: number;
  /** Of the shape of `EntityRow` in peer/protocol.ts. */
  readonly row: {
    readonly id: number;
    readonly seq: number;
    readonly record: Uint8Array;
    readonly passenger: EntityPassenger;
    readonly atRest: boolean;
  };
  readonly pendingInputs: readonly PassengerInput[];
}

export interface ArrivedInput {
  readonly session: number;
  readonly sequence: number;
  /** `sequence - back` is the oldest input that the client may send again. */
  readonly back: number;
  readonly payload: Uint8Array;
}

export interface ArrivedSessionState {
  readonly session: number;
  /** SESSION_STATE. */
  readonly state: number;
  readonly backlogBytes: number;
  readonly viewReset: boolean;
}

/** The client of the session `from` goes on as `to`. */
export interface ArrivedRebind {
  readonly from: number;
  readonly to: number;
  /** NodeNumber of the node with the socket, also when it is this one. */
  readonly gateway: number;
}

export interface ArrivedEvent {
  /** Ledger that gave the number. */
  readonly issuer: string;
  readonly number: number;
  readonly entity: number;
  /** Index in the schema. */
  readonly event: number;
  readonly payload: Uint8Array;
}

/** The entity is this node's to simulate from the next tick on. */
export function writeActivate(ring: Ring, activation: Activation): boolean {
  const { row, pendingInputs } = activation;
  const load = { passenger: row.passenger, pendingInputs };
  const at = ring.reserve(ACTIVATE_BYTES + passengerBytesMax(load) + row.record.length);
  if (at < 0) return false;
  ring.view.setUint32(at, ARRIVAL.activate, true);
  ring.bytes[at + 1] = ACTIVATE_CAUSES.indexOf(activation.cause);
  ring.bytes[at + 2] = row.atRest ? 1 : 0;
  writeU53(ring.view, at + 4, row.id);
  ring.view.setUint32(at + 12, row.seq, true);
  ring.view.setUint32(at + 16, activation.targetCell, true);
  ring.view.setUint32(at + 20, row.record.length, true);
  const recordAt = writePassenger(ring, at + ACTIVATE_BYTES, load);
  ring.bytes.set(row.record, recordAt);
  ring.commit(recordAt + row.record.length - at);
  return true;
}

/** Bytes of the conductor of `node`, as they came. */
export function writeGhosts(ring: Ring, { node, bytes }: { node: number; bytes: Uint8Array }): boolean {
  const at = ring.reserve(LIST_BYTES + bytes.length);
  if (at < 0) return false;
  writeHead(ring, at, { type: ARRIVAL.ghosts, byte: node });
  ring.view.setUint32(at + 4, bytes.length, true);
  ring.bytes.set(bytes, at + LIST_BYTES);
  ring.commit(LIST_BYTES + bytes.length);
  return true;
}

/**
 * The cells of ours that `node` wants to see from now on. Replaces what it asked before, and everything is told it anew; an empty
 * list ends it.
 */
export function writeSubscribe(ring: Ring, { node, cells }: { node: number; cells: Uint32Array }): boolean {
  return writeCells(ring, { type: ARRIVAL.subscribe, node, cells });
}

/** One byte per cell: 0 this node's, 255 nobody's, else the NodeNumber of its owner. */
export function writeOwnership(ring: Ring, { owners }: { owners: Uint8Array }): boolean {
  const at = ring.reserve(LIST_BYTES + owners.length);
  if (at < 0) return false;
  writeHead(ring, at, { type: ARRIVAL.ownership, byte: 0 });
  ring.view.setUint32(at + 4, owners.length, true);
  ring.bytes.set(owners, at + LIST_BYTES);
  ring.commit(LIST_BYTES + owners.length);
  return true;
}

/** Input for a player who is owned here and whose socket is elsewhere. */
export function writeArrivedInput(ring: Ring, { session, sequence, back, payload }: ArrivedInput): boolean {
  assert(payload.length <= INPUT_BYTES_MAX, 'an input was bounded');
  const at = ring.reserve(INPUT_BYTES + payload.length);
  if (at < 0) return false;
  writeHead(ring, at, { type: ARRIVAL.input, byte: payload.length });
  ring.view.setUint16(at + 2, back, true);
  writeU53(ring.view, at + 4, session);
  ring.view.setUint32(at + 12, sequence, true);
  ring.bytes.set(payload, at + INPUT_BYTES);
  ring.commit(INPUT_BYTES + payload.length);
  return true;
}

export function writeSessionState(ring: Ring, state: ArrivedSessionState): boolean {
  const at = ring.reserve(INPUT_BYTES);
  if (at < 0) return false;
  writeHead(ring, at, { type: ARRIVAL.sessionState, byte: state.state });
  ring.bytes[at + 2] = state.viewReset ? 1 : 0;
  writeU53(ring.view, at + 4, state.session);
  ring.view.setUint32(at + 12, Math.min(state.backlogBytes, 0x7fff_ffff), true);
  ring.commit(INPUT_BYTES);
  return true;
}

/** The client is gone for good. */
export function writeSessionLeave(ring: Ring, { session }: { session: number }): boolean {
  const at = ring.reserve(12);
  if (at < 0) return false;
  writeHead(ring, at, { type: ARRIVAL.sessionLeave, byte: 0 });
  writeU53(ring.view, at + 4, session);
  ring.commit(12);
  return true;
}

/** Answered by the departure `session`, and by a checkpoint of the player; repeats do nothing else. */
export function writeRebind(ring: Ring, { from, to, gateway }: ArrivedRebind): boolean {
  const at = ring.reserve(REBIND_BYTES);
  if (at < 0) return false;
  writeHead(ring, at, { type: ARRIVAL.rebind, byte: gateway });
  writeU53(ring.view, at + 4, from);
  writeU53(ring.view, at + 12, to);
  ring.commit(REBIND_BYTES);
  return true;
}

/** A durable message. Numbers of one issuer to one entity must come in rising order; repeats do nothing. */
export function writeEvent(ring: Ring, { issuer, number, entity, event, payload }: ArrivedEvent): boolean {
  assert(payload.length <= EVENT_BYTES_MAX, 'an event was bounded');
  const at = ring.reserve(EVENT_BYTES + payload.length);
  if (at < 0) return false;
  writeHead(ring, at, { type: ARRIVAL.event, byte: event });
  ring.view.setUint16(at + 2, payload.length, true);
  writeU53(ring.view, at + 4, entity);
  writeU53(ring.view, at + 12, number);
  writeLedger(ring.bytes, at + 20, issuer);
  ring.bytes.set(payload, at + EVENT_BYTES);
  ring.commit(EVENT_BYTES + payload.length);
  return true;
}

/** Everything before the departure `durable` with this number is on disk. */
export function writeDurable(ring: Ring, { number }: { number: number }): boolean {
  const at = ring.reserve(12);
  if (at < 0) return false;
  writeHead(ring, at, { type: ARRIVAL.durable, byte: 0 });
  writeU53(ring.view, at + 4, number);
  ring.commit(12);
  return true;
}

/** Run the world's `start` for these cells, which never had it; answered by the departure `populated`. */
export function writePopulate(ring: Ring, { cells }: { cells: Uint32Array }): boolean {
  return writeCells(ring, { type: ARRIVAL.populate, node: 0, cells });
}

export interface ArrivedJoin {
  /** Row and generation of the session at this gateway. */
  readonly row: number;
  readonly generation: number;
  readonly name: string;
  readonly account: string;
}

/** A player with an account whom nobody in the cluster knows: a new one is to be spawned. */
export function writeArrivedJoin(ring: Ring, { row, generation, name, account }: ArrivedJoin): boolean {
  const nameBytes = encoder.encode(name);
  const accountBytes = encoder.encode(account);
  assert(nameBytes.length <= NAME_BYTES_MAX && accountBytes.length <= ACCOUNT_BYTES_MAX, 'the gateway bounded both');
  const sizeBytes = JOIN_BYTES + nameBytes.length + accountBytes.length;
  const at = ring.reserve(sizeBytes);
  if (at < 0) return false;
  writeHead(ring, at, { type: ARRIVAL.join, byte: nameBytes.length });
  ring.bytes[at + 2] = accountBytes.length;
  ring.view.setUint32(at + 4, row, true);
  ring.view.setUint32(at + 8, generation, true);
  ring.bytes.set(nameBytes, at + JOIN_BYTES);
  ring.bytes.set(accountBytes, at + JOIN_BYTES + nameBytes.length);
  ring.commit(sizeBytes);
  return true;
}

/** Another version of this world's schema, checked: its records can be read from now on. */
export function writeSchema(ring: Ring, { text }: { text: string }): boolean {
  const bytes = encoder.encode(text);
  const at = ring.reserve(LIST_BYTES + bytes.length);
  if (at < 0) return false;
  writeHead(ring, at, { type: ARRIVAL.schema, byte: 0 });
  ring.view.setUint32(at + 4, bytes.length, true);
  ring.bytes.set(bytes, at + LIST_BYTES);
  ring.commit(LIST_BYTES + bytes.length);
  return true;
}

/** What the conductor does with each frame. All byte arrays are copies. */
export interface ArrivalVisitor {
  activate(activation: Activation): void;
  ghosts(node: number, bytes: Uint8Array): void;
  subscribe(node: number, cells: Uint32Array): void;
  ownership(owners: Uint8Array): void;
  arrivedInput(input: ArrivedInput): void;
  sessionState(state: ArrivedSessionState): void;
  sessionLeave(session: number): void;
  rebind(rebind: ArrivedRebind): void;
  arrivedEvent(event: ArrivedEvent): void;
  durableDone(number: number): void;
  populate(cells: Uint32Array): void;
  arrivedJoin(join: ArrivedJoin): void;
  schema(text: string): void;
}

export function readArrival(source: ByteSpan, at: number, visitor: ArrivalVisitor): void {
  const { bytes, view } = source;
  const byte = bytes[at + 1]!;
  switch (bytes[at]) {
    case ARRIVAL.activate:
      return visitor.activate(readActivation(source, at));
    case ARRIVAL.ghosts:
      return visitor.ghosts(byte, readList(source, at));
    case ARRIVAL.subscribe:
      return visitor.subscribe(byte, readCells(view, at));
    case ARRIVAL.ownership:
      return visitor.ownership(readList(source, at));
    case ARRIVAL.input: {
      const payload = bytes.slice(at + INPUT_BYTES, at + INPUT_BYTES + byte);
      const back = view.getUint16(at + 2, true);
      const sequence = view.getUint32(at + 12, true);
      return visitor.arrivedInput({ session: readU53(view, at + 4), sequence, back, payload });
    }
    case ARRIVAL.sessionState:
      return visitor.sessionState({
        session: readU53(view, at + 4),
        state: byte,
        backlogBytes: view.getUint32(at + 12, true),
        viewReset: bytes[at + 2] === 1,
      });
    case ARRIVAL.sessionLeave:
      return visitor.sessionLeave(readU53(view, at + 4));
    case ARRIVAL.rebind:
      return visitor.rebind({ from: readU53(view, at + 4), to: readU53(view, at + 12), gateway: byte });
    case ARRIVAL.event:
      return visitor.arrivedEvent({
        issuer: readLedger(bytes, at + 20),
        number: readU53(view, at + 12),
        entity: readU53(view, at + 4),
        event: byte,
        payload: bytes.slice(at + EVENT_BYTES, at + EVENT_BYTES + view.getUint16(at + 2, true)),
      });
    case ARRIVAL.durable:
      return visitor.durableDone(readU53(view, at + 4));
    case ARRIVAL.populate:
      return visitor.populate(readCells(view, at));
    case ARRIVAL.schema:
      return visitor.schema(decoder.decode(readList(source, at)));
    case ARRIVAL.join: {
      const nameEnd = at + JOIN_BYTES + byte;
      return visitor.arrivedJoin({
        row: view.getUint32(at + 4, true),
        generation: view.getUint32(at + 8, true),
        name: decoder.decode(bytes.slice(at + JOIN_BYTES, nameEnd)),
        account: decoder.decode(bytes.slice(nameEnd, nameEnd + bytes[at + 2]!)),
      });
    }
    default:
      assert(false, `an arrival has a known type, found ${bytes[at]}`);
  }
}

function readActivation(source: ByteSpan, at: number): Activation {
  const { bytes, view } = source;
  const { passenger, pendingInputs, end } = readPassenger(source, at + ACTIVATE_BYTES);
  const cause = ACTIVATE_CAUSES[bytes[at + 1]!];
  assert(cause !== undefined, 'an activation has a known cause');
  return {
    cause,
    targetCell: view.getUint32(at + 16, true),
    row: {
      id: readU53(view, at + 4),
      seq: view.getUint32(at + 12, true),
      record: bytes.slice(end, end + view.getUint32(at + 20, true)),
      passenger,
      atRest: bytes[at + 2] === 1,
    },
    pendingInputs,
  };
}

function writeCells(ring: Ring, { type, node, cells }: { type: number; node: number; cells: Uint32Array }): boolean {
  const sizeBytes = LIST_BYTES + cells.length * 4;
  const at = ring.reserve(sizeBytes);
  if (at < 0) return false;
  writeHead(ring, at, { type, byte: node });
  ring.view.setUint32(at + 4, cells.length, true);
  for (let index = 0; index < cells.length; index++)
    ring.view.setUint32(at + LIST_BYTES + index * 4, cells[index]!, true);
  ring.commit(sizeBytes);
  return true;
}

function readCells(view: DataView, at: number): Uint32Array {
  const cells = new Uint32Array(view.getUint32(at + 4, true));
  for (let index = 0; index < cells.length; index++) cells[index] = view.getUint32(at + LIST_BYTES + index * 4, true);
  return cells;
}

function readList({ bytes, view }: ByteSpan, at: number): Uint8Array {
  return bytes.slice(at + LIST_BYTES, at + LIST_BYTES + view.getUint32(at + 4, true));
}

function writeHead(ring: Ring, at: number, { type, byte }: { type: number; byte: number }): void {
  ring.view.setUint32(at, type | (byte << 8), true);
}
