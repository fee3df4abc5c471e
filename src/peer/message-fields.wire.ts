/** The parts that messages between nodes are made of. Readers are bounded and throw WireError, nothing else. */
import { COUNTER_RANGE } from '../base/brand.ts';
import type { EntityId } from '../base/brand.ts';
import { WireError } from '../base/errors.ts';
import type { Reader } from '../base/pack.ts';
import { INPUT_BYTES_MAX } from '../base/schema.ts';
import { readText, readU16, readU32, readU8 } from '../wire/cursor.wire.ts';
import type { MessageBuffer } from './message-buffer.ts';
import { LEDGER_BYTES, MARKS_MAX, NODES_MAX, PENDING_INPUTS_MAX, RECORD_BYTES_MAX } from './protocol.ts';
import type { Ledger, Mark, NodeNumber, Passenger, PendingInput, SessionId } from './protocol.ts';

/** A name or an account, in bytes of UTF-8. */
export const SHORT_TEXT_BYTES_MAX = 64;
/** On the number of marks: one more stands behind them, of the last publication. */
const PUBLISHED_FLAG = 0x80;
const U53_HIGH_MAX = 2 ** 21 - 1;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function readU53(reader: Reader): number {
  const low = readU32(reader);
  const high = readU32(reader);
  if (high > U53_HIGH_MAX) throw new WireError('ERR_WIRE_RANGE', `an integer of ${high} · 2^32 and more`);
  return high * COUNTER_RANGE + low;
}

/** @throws WireError for 0, which is no entity. */
export function readEntity(reader: Reader): EntityId {
  const id = readU53(reader);
  if (id === 0) throw new WireError('ERR_WIRE_RANGE', 'entity 0');
  return id as EntityId;
}

/** A node's number; 0 is none. */
export function readNode(reader: Reader): NodeNumber {
  const node = readU8(reader);
  if (node > NODES_MAX) throw new WireError('ERR_WIRE_RANGE', `node ${node}, at most ${NODES_MAX}`);
  return node;
}

export function readLedger(reader: Reader): Ledger {
  const first = skip(reader, LEDGER_BYTES);
  let ledger = '';
  for (let at = first; at < first + LEDGER_BYTES; at++) ledger += HEX[reader.source[at]!]!;
  return ledger;
}

/** Bytes behind their length, u32; a copy. */
export function readBlob(reader: Reader, sizeBytesMax: number): Uint8Array {
  const sizeBytes = readU32(reader);
  if (sizeBytes > sizeBytesMax) {
    throw new WireError('ERR_WIRE_RANGE', `${sizeBytes} bytes, at most ${sizeBytesMax}`);
  }
  const first = skip(reader, sizeBytes);
  return reader.source.slice(first, first + sizeBytes);
}

export function readShortText(reader: Reader): string {
  const sizeBytes = readU8(reader);
  return sizeBytes === 0 ? '' : readText(reader, sizeBytes, { sizeBytesMax: SHORT_TEXT_BYTES_MAX, what: 'a name' });
}

/** How many items follow; each takes at least `itemBytesMin`, so that a lie costs no memory. */
export function readCount(
  reader: Reader,
  { countMax, itemBytesMin }: { countMax: number; itemBytesMin: number },
): number {
  const count = readU16(reader);
  if (count > countMax) throw new WireError('ERR_WIRE_RANGE', `${count} items, at most ${countMax}`);
  if (count * itemBytesMin > reader.source.length - reader.at) {
    throw new WireError('ERR_WIRE_TRUNCATED', `${count} items in ${reader.source.length - reader.at} bytes`);
  }
  return count;
}

export function writePassenger(buffer: MessageBuffer, passenger: Passenger): void {
  buffer.u32(passenger.lastInput);
  buffer.u8(passenger.gateway);
  buffer.u53(passenger.session);
  buffer.shortText(passenger.account);
  const { marks, published } = passenger;
  buffer.u8(published === undefined ? marks.length : marks.length | PUBLISHED_FLAG);
  for (const { sender, number } of published === undefined ? marks : [...marks, published]) {
    buffer.ledger(sender);
    buffer.u53(number);
  }
}

export function readPassenger(reader: Reader): Passenger {
  const lastInput = readU32(reader);
  const gateway = readNode(reader);
  const session = readU53(reader) as SessionId;
  const account = readShortText(reader);
  const head = readU8(reader);
  const count = head & ~PUBLISHED_FLAG;
  if (count > MARKS_MAX) throw new WireError('ERR_WIRE_RANGE', `${count} marks, at most ${MARKS_MAX}`);
  const marks: Mark[] = [];
  for (let index = 0; index < count; index++) marks.push(readMark(reader));
  const passenger = { lastInput, gateway, session, account, marks };
  return (head & PUBLISHED_FLAG) === 0 ? passenger : { ...passenger, published: readMark(reader) };
}

function readMark(reader: Reader): Mark {
  const sender = readLedger(reader);
  return { sender, number: readU53(reader) };
}

export function writeRecord(buffer: MessageBuffer, record: Uint8Array): void {
  buffer.blob(record);
}

export function readRecord(reader: Reader): Uint8Array {
  return readBlob(reader, RECORD_BYTES_MAX);
}

export function writePendingInputs(buffer: MessageBuffer, inputs: readonly PendingInput[]): void {
  buffer.u8(inputs.length);
  for (const { sequence, payload } of inputs) {
    buffer.u32(sequence);
    buffer.blob(payload);
  }
}

export function readPendingInputs(reader: Reader): PendingInput[] {
  const count = readU8(reader);
  if (count > PENDING_INPUTS_MAX) {
    throw new WireError('ERR_WIRE_RANGE', `${count} pending inputs, at most ${PENDING_INPUTS_MAX}`);
  }
  const inputs: PendingInput[] = [];
  for (let index = 0; index < count; index++) {
    const sequence = readU32(reader);
    inputs.push({ sequence, payload: readBlob(reader, INPUT_BYTES_MAX) });
  }
  return inputs;
}

function skip(reader: Reader, sizeBytes: number): number {
  const at = reader.at;
  if (at + sizeBytes > reader.source.length) {
    throw new WireError('ERR_WIRE_TRUNCATED', `${sizeBytes} bytes expected at ${at} of ${reader.source.length}`);
  }
  reader.at = at + sizeBytes;
  return at;
}
