/**
 * What an entity carries besides its record, as bytes within one process (arrivals.ts, departures.ts), little-endian:
 *
 *   0             4          5              6           7              8             12             16
 *   ┌─────────────┬──────────┬──────────────┬───────────┬──────────────┬─────────────┬──────────────┬─ ─ ─ ─
 *   │ lastInput   │ gateway  │ accountBytes │ markCount │ inputCount   │ session low │ session high │ account (UTF-8)
 *   │ u32         │ u8       │ u8           │ u8        │ u8           │ u32         │ u32          │
 *   └─────────────┴──────────┴──────────────┴───────────┴──────────────┴─────────────┴──────────────┴─ ─ ─ ─
 *   then markCount times:   sender ledger 16 bytes · number low u32 · number high u32
 *   then inputCount times:  sequence u32 · payloadBytes u8 · payload
 *
 * Both sides are this process: sizes are asserted, not doubted.
 */
import { assert } from '../base/assert.ts';
import { COUNTER_RANGE } from '../base/brand.ts';
import { INPUT_BYTES_MAX } from '../base/schema.ts';
import { ACCOUNT_BYTES_MAX } from './intake.ts';

/** Senders of durable messages that are remembered in an entity's state. */
export const MARKS_MAX = 64;
/** Inputs that travel with an entity. */
export const PASSENGER_INPUTS_MAX = 16;
const LEDGER_BYTES = 16;
const HEAD_BYTES = 16;
const MARK_BYTES = LEDGER_BYTES + 8;
const INPUT_HEAD_BYTES = 5;
export const PASSENGER_BYTES_MAX =
  HEAD_BYTES + ACCOUNT_BYTES_MAX + MARKS_MAX * MARK_BYTES + PASSENGER_INPUTS_MAX * (INPUT_HEAD_BYTES + INPUT_BYTES_MAX);

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The last durable message of a sender that has acted on an entity. */
export interface PassengerMark {
  /** A ledger: 32 lower-case hex digits. */
  readonly sender: string;
  readonly number: number;
}

export interface PassengerInput {
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** Of the shape of `Passenger` in peer/protocol.ts. */
export interface EntityPassenger {
  readonly lastInput: number;
  /** NodeNumber of the node with the client's connection; 0 without a session, or as long as a node does not know its number. */
  readonly gateway: number;
  /** SessionId; 0 is none. */
  readonly session: number;
  readonly account: string;
  readonly marks: readonly PassengerMark[];
}

/** A passenger and the inputs that wait for it. */
export interface PassengerLoad {
  readonly passenger: EntityPassenger;
  readonly pendingInputs: readonly PassengerInput[];
}

/** Bytes and view of the same memory: a ring, or a buffer. */
export interface ByteSpan {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** How many bytes at most `writePassenger` takes for this one. */
export function passengerBytesMax({ passenger, pendingInputs }: PassengerLoad): number {
  let sizeBytes = HEAD_BYTES + passenger.account.length * 3 + passenger.marks.length * MARK_BYTES;
  for (const { payload } of pendingInputs) sizeBytes += INPUT_HEAD_BYTES + payload.length;
  return sizeBytes;
}

/** Writes a passenger and returns where it ends. */
export function writePassenger({ bytes, view }: ByteSpan, at: number, load: PassengerLoad): number {
  const { passenger, pendingInputs } = load;
  const account = encoder.encode(passenger.account);
  assert(account.length <= ACCOUNT_BYTES_MAX, 'an account was bounded');
  assert(passenger.marks.length <= MARKS_MAX && pendingInputs.length <= PASSENGER_INPUTS_MAX, 'a passenger is bounded');
  view.setUint32(at, passenger.lastInput, true);
  bytes[at + 4] = passenger.gateway;
  bytes[at + 5] = account.length;
  bytes[at + 6] = passenger.marks.length;
  bytes[at + 7] = pendingInputs.length;
  writeU53(view, at + 8, passenger.session);
  bytes.set(account, at + HEAD_BYTES);
  let end = at + HEAD_BYTES + account.length;
  for (const { sender, number } of passenger.marks) {
    writeLedger(bytes, end, sender);
    writeU53(view, end + LEDGER_BYTES, number);
    end += MARK_BYTES;
  }
  for (const { sequence, payload } of pendingInputs) {
    assert(payload.length <= INPUT_BYTES_MAX, 'an input was bounded');
    view.setUint32(end, sequence, true);
    bytes[end + 4] = payload.length;
    bytes.set(payload, end + INPUT_HEAD_BYTES);
    end += INPUT_HEAD_BYTES + payload.length;
  }
  return end;
}

/** A copy; `end` is where the passenger ends. */
export function readPassenger({ bytes, view }: ByteSpan, at: number): PassengerLoad & { readonly end: number } {
  const accountEnd = at + HEAD_BYTES + bytes[at + 5]!;
  let end = accountEnd;
  const marks: PassengerMark[] = [];
  for (let left = bytes[at + 6]!; left > 0; left--) {
    marks.push({ sender: readLedger(bytes, end), number: readU53(view, end + LEDGER_BYTES) });
    end += MARK_BYTES;
  }
  const pendingInputs: PassengerInput[] = [];
  for (let left = bytes[at + 7]!; left > 0; left--) {
    const first = end + INPUT_HEAD_BYTES;
    pendingInputs.push({
      sequence: view.getUint32(end, true),
      payload: bytes.slice(first, first + bytes[end + 4]!),
    });
    end = first + bytes[end + 4]!;
  }
  const passenger = {
    lastInput: view.getUint32(at, true),
    gateway: bytes[at + 4]!,
    session: readU53(view, at + 8),
    account: accountEnd === at + HEAD_BYTES ? '' : decoder.decode(bytes.slice(at + HEAD_BYTES, accountEnd)),
    marks,
  };
  return { passenger, pendingInputs, end };
}

/** An integer below 2^53 as two words. */
export function writeU53(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % COUNTER_RANGE, true);
  view.setUint32(at + 4, Math.floor(value / COUNTER_RANGE), true);
}

export function readU53(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * COUNTER_RANGE;
}

export function writeLedger(bytes: Uint8Array, at: number, ledger: string): void {
  assert(ledger.length === LEDGER_BYTES * 2, 'a ledger is 32 hex digits');
  for (let index = 0; index < LEDGER_BYTES; index++)
    bytes[at + index] = Number.parseInt(ledger.slice(index * 2, index * 2 + 2), 16);
}

export function readLedger(bytes: Uint8Array, at: number): string {
  let ledger = '';
  for (let index = 0; index < LEDGER_BYTES; index++) ledger += HEX[bytes[at + index]!]!;
  return ledger;
}
