/**
 * The bytes of a journal's rows, little-endian: as they go to the journal thread, and as the `checksum` column of a row
 * is computed over them (CRC-32C of exactly these bytes). So a change here is a change of the file's schema version.
 *
 *   u53: low u32, high u32 · ledger: 16 bytes · text: length u8, UTF-8 · blob: length u32, bytes
 *
 *   body      id u53 · seq u53 · lastInput u53 · session u53 · gateway u8 · atRest u8 · account text
 *             · marks: count u8 (+ 128: behind them stands one more, of the last publication), each ledger, u53 · record blob
 *   entity    body
 *   outbox    issuer ledger · target ledger · transferSeq u53 · targetNode u8 · targetCell u32 · body (atRest 0)
 *   message   issuer ledger · number u53 · entity u53 · event u32 · payload blob
 *   publication  entity u53 · number u53 · behind: u8 0, or 1 and ledger · publishedMs u53 · parked u8 · name text · body blob (UTF-8)
 *   inbox     source ledger · transferSeq u53 · id u53 · seq u53
 *   value     ledgers (1 or 2) · value u53: watermarks, last transferSeqs
 *   imported  1 u8 · ledger that was taken over · inbox, value (a watermark), or nothing: only as a checksum
 */
import { assert } from '../base/assert.ts';
import type { EntityId } from '../base/brand.ts';
import { crc32c } from '../base/crc32c.ts';
import { WireError } from '../base/errors.ts';
import type { Reader } from '../base/pack.ts';
import { readText, readU32, readU8 } from '../wire/cursor.wire.ts';
import type { MessageBuffer } from './message-buffer.ts';
import { readU53 } from './message-fields.wire.ts';
import { LEDGER_BYTES, MARKS_MAX, RECORD_BYTES_MAX } from './protocol.ts';
import type {
  EntityRow,
  InboxRow,
  Ledger,
  Mark,
  MessageRow,
  OutboxRow,
  Passenger,
  PublicationRow,
} from './protocol.ts';

/** One mark in the `marks` column: 16 bytes of ledger, u53. */
export const MARK_BYTES = LEDGER_BYTES + 8;
export const ACCOUNT_BYTES_MAX = 255;
export const PAYLOAD_BYTES_MAX = RECORD_BYTES_MAX;
/** The JSON of a publication's fields, which take at most EVENT_BYTES_MAX packed. */
export const BODY_BYTES_MAX = 16_384;
/** A name in a world module is at most 32 letters and digits. */
export const NAME_BYTES_MAX = 32;
const PUBLISHED_FLAG = 0x80;
const NO_LEDGER = new Uint8Array();

/** Values in the order of the columns of table `entity`. */
export type EntityColumns = [
  id: number,
  seq: number,
  record: Uint8Array,
  lastInput: number,
  gateway: number,
  session: number,
  account: string,
  marks: Uint8Array,
  atRest: number,
  checksum: number,
  published: Uint8Array | null,
];

/** Values in the order of the columns of table `outbox`. */
export type OutboxColumns = [
  issuer: Uint8Array,
  target: Uint8Array,
  transferSeq: number,
  targetNode: number,
  targetCell: number,
  id: number,
  seq: number,
  record: Uint8Array,
  lastInput: number,
  gateway: number,
  session: number,
  account: string,
  marks: Uint8Array,
  checksum: number,
  published: Uint8Array | null,
];

/** Values in the order of the columns of table `message`. */
export type MessageColumns = [
  issuer: Uint8Array,
  number: number,
  entity: number,
  event: number,
  payload: Uint8Array,
  checksum: number,
];

/** Values in the order of the columns of table `publication`. */
export type PublicationColumns = [
  entity: number,
  number: number,
  behind: Uint8Array,
  name: string,
  body: string,
  publishedMs: number,
  parked: number,
  checksum: number,
];

/** Values in the order of the columns of table `inbox`. */
export type InboxColumns = [source: Uint8Array, transferSeq: number, id: number, seq: number, checksum: number];

interface Body {
  readonly id: EntityId;
  readonly seq: number;
  readonly record: Uint8Array;
  readonly passenger: Passenger;
}

export function writeEntityRow(buffer: MessageBuffer, row: EntityRow): void {
  writeBody(buffer, row, row.atRest);
}

export function writeOutboxRow(buffer: MessageBuffer, row: OutboxRow): void {
  buffer.ledger(row.issuer);
  buffer.ledger(row.target);
  writeInteger(buffer, row.transferSeq);
  buffer.u8(row.targetNode);
  buffer.u32(row.targetCell);
  writeBody(buffer, row, false);
}

function writeBody(buffer: MessageBuffer, { id, seq, record, passenger }: Body, atRest: boolean): void {
  assert(record.length <= RECORD_BYTES_MAX, 'a record is not larger than RECORD_BYTES_MAX');
  assert(passenger.marks.length <= MARKS_MAX, 'an entity has at most MARKS_MAX marks');
  writeInteger(buffer, id);
  writeInteger(buffer, seq);
  writeInteger(buffer, passenger.lastInput);
  writeInteger(buffer, passenger.session);
  buffer.u8(passenger.gateway);
  buffer.u8(atRest ? 1 : 0);
  assert(passenger.account.length * 3 <= ACCOUNT_BYTES_MAX || isShort(passenger.account), 'an account has 255 bytes');
  buffer.shortText(passenger.account);
  const { marks, published } = passenger;
  buffer.u8(published === undefined ? marks.length : marks.length | PUBLISHED_FLAG);
  for (const mark of marks) writeMark(buffer, mark);
  if (published !== undefined) writeMark(buffer, published);
  buffer.blob(record);
}

function writeMark(buffer: MessageBuffer, { sender, number }: Mark): void {
  buffer.ledger(sender);
  writeInteger(buffer, number);
}

function isShort(text: string): boolean {
  return Buffer.byteLength(text) <= ACCOUNT_BYTES_MAX;
}

export function writeMessageRow(buffer: MessageBuffer, row: MessageRow): void {
  assert(row.payload.length <= PAYLOAD_BYTES_MAX, 'a payload is not larger than PAYLOAD_BYTES_MAX');
  buffer.ledger(row.issuer);
  writeInteger(buffer, row.number);
  writeInteger(buffer, row.entity);
  buffer.u32(row.event);
  buffer.blob(row.payload);
}

export function writePublicationRow(buffer: MessageBuffer, row: PublicationRow): void {
  writeInteger(buffer, row.entity);
  writeInteger(buffer, row.number);
  buffer.u8(row.behind === '' ? 0 : 1);
  if (row.behind !== '') buffer.ledger(row.behind);
  writeInteger(buffer, row.publishedMs);
  buffer.u8(row.isParked ? 1 : 0);
  buffer.shortText(row.name);
  const body = Buffer.from(row.body);
  assert(body.length <= BODY_BYTES_MAX, 'the body of a publication is not larger than BODY_BYTES_MAX');
  buffer.blob(body);
}

export function writeInboxRow(buffer: MessageBuffer, row: InboxRow): void {
  buffer.ledger(row.source);
  writeInteger(buffer, row.transferSeq);
  writeInteger(buffer, row.id);
  writeInteger(buffer, row.seq);
}

/** A number that belongs to some ledgers: a watermark, a last transferSeq. */
export function writeValue(buffer: MessageBuffer, ledgers: readonly Ledger[], value: number): void {
  for (const ledger of ledgers) buffer.ledger(ledger);
  writeInteger(buffer, value);
}

/** In front of a row that belongs to an import, for its checksum: it is never one of the journal's own. */
export function writeImported(buffer: MessageBuffer, ledger: Ledger): void {
  buffer.u8(1);
  buffer.ledger(ledger);
}

/** The checksum of an imported row from the bytes that it came as. */
export function importedChecksum(ledger: Uint8Array, row: Uint8Array): number {
  return crc32c(Buffer.concat([Uint8Array.of(1), ledger, row]));
}

/** Integers from 0 to 2^53 - 1: what a column can hold and JavaScript can read back. */
export function writeInteger(buffer: MessageBuffer, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'a number of the journal is an integer from 0 to 2^53 - 1');
  buffer.u53(value);
}

/** @throws WireError, like every reader here. Blobs are views of the reader's bytes. */
export function readEntityColumns(reader: Reader): EntityColumns {
  const first = reader.at;
  const id = readU53(reader);
  const seq = readU53(reader);
  const lastInput = readU53(reader);
  const session = readU53(reader);
  const gateway = readU8(reader);
  const atRest = readU8(reader);
  const account = readAccount(reader);
  const { marks, published } = readMarks(reader);
  const record = readView(reader, RECORD_BYTES_MAX);
  const checksum = checksumOf(reader, first);
  return [id, seq, record, lastInput, gateway, session, account, marks, atRest, checksum, published];
}

export function readOutboxColumns(reader: Reader): OutboxColumns {
  const first = reader.at;
  const issuer = take(reader, LEDGER_BYTES);
  const target = take(reader, LEDGER_BYTES);
  const transferSeq = readU53(reader);
  const targetNode = readU8(reader);
  const targetCell = readU32(reader);
  const id = readU53(reader);
  const seq = readU53(reader);
  const lastInput = readU53(reader);
  const session = readU53(reader);
  const gateway = readU8(reader);
  readU8(reader);
  const account = readAccount(reader);
  const { marks, published } = readMarks(reader);
  const record = readView(reader, RECORD_BYTES_MAX);
  const checksum = checksumOf(reader, first);
  return [
    issuer,
    target,
    transferSeq,
    targetNode,
    targetCell,
    id,
    seq,
    record,
    lastInput,
    gateway,
    session,
    account,
    marks,
    checksum,
    published,
  ];
}

export function readMessageColumns(reader: Reader): MessageColumns {
  const first = reader.at;
  const issuer = take(reader, LEDGER_BYTES);
  const number = readU53(reader);
  const entity = readU53(reader);
  const event = readU32(reader);
  const payload = readView(reader, PAYLOAD_BYTES_MAX);
  return [issuer, number, entity, event, payload, checksumOf(reader, first)];
}

export function readPublicationColumns(reader: Reader): PublicationColumns {
  const first = reader.at;
  const entity = readU53(reader);
  const number = readU53(reader);
  const behind = readU8(reader) === 0 ? NO_LEDGER : take(reader, LEDGER_BYTES);
  const publishedMs = readU53(reader);
  const parked = readU8(reader);
  const name = readText(reader, readU8(reader), { sizeBytesMax: NAME_BYTES_MAX, what: 'a publication' });
  const body = Buffer.from(readView(reader, BODY_BYTES_MAX)).toString('utf8');
  return [entity, number, behind, name, body, publishedMs, parked, checksumOf(reader, first)];
}

export function readInboxColumns(reader: Reader): InboxColumns {
  const first = reader.at;
  const source = take(reader, LEDGER_BYTES);
  const transferSeq = readU53(reader);
  const id = readU53(reader);
  const seq = readU53(reader);
  return [source, transferSeq, id, seq, checksumOf(reader, first)];
}

function readMarks(reader: Reader): { marks: Uint8Array; published: Uint8Array | null } {
  const head = readU8(reader);
  const marks = take(reader, (head & ~PUBLISHED_FLAG) * MARK_BYTES);
  return { marks, published: (head & PUBLISHED_FLAG) === 0 ? null : take(reader, MARK_BYTES) };
}

function checksumOf(reader: Reader, first: number): number {
  return crc32c(reader.source, first, reader.at);
}

function readAccount(reader: Reader): string {
  const sizeBytes = readU8(reader);
  return sizeBytes === 0 ? '' : readText(reader, sizeBytes, { sizeBytesMax: ACCOUNT_BYTES_MAX, what: 'an account' });
}

function readView(reader: Reader, sizeBytesMax: number): Uint8Array {
  const sizeBytes = readU32(reader);
  if (sizeBytes > sizeBytesMax) throw new WireError('ERR_WIRE_RANGE', `${sizeBytes} bytes, at most ${sizeBytesMax}`);
  return take(reader, sizeBytes);
}

/** The next bytes as a view. */
export function take(reader: Reader, sizeBytes: number): Uint8Array {
  const first = reader.at;
  if (first + sizeBytes > reader.source.length) {
    throw new WireError('ERR_WIRE_TRUNCATED', `${sizeBytes} bytes expected at ${first} of ${reader.source.length}`);
  }
  reader.at = first + sizeBytes;
  return reader.source.subarray(first, reader.at);
}

/** The `marks` column as marks, or undefined when it holds none that this format can. */
export function marksFrom(bytes: Uint8Array): Mark[] | undefined {
  if (bytes.length % MARK_BYTES !== 0 || bytes.length / MARK_BYTES > MARKS_MAX) return undefined;
  const marks: Mark[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += MARK_BYTES) {
    const high = view.getUint32(at + LEDGER_BYTES + 4, true);
    if (high >= 2 ** 21) return undefined;
    const number = high * 2 ** 32 + view.getUint32(at + LEDGER_BYTES, true);
    marks.push({ sender: ledgerFrom(bytes.subarray(at, at + LEDGER_BYTES)), number });
  }
  return marks;
}

export function ledgerFrom(bytes: Uint8Array): Ledger {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

export function ledgerBytes(ledger: Ledger): Uint8Array {
  const bytes = Buffer.from(ledger, 'hex');
  assert(bytes.length === LEDGER_BYTES, 'a ledger has 32 hexadecimal digits');
  return bytes;
}
