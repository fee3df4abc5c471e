/**
 * The frame of a record, format 1, little-endian:
 *
 *   0        4        5       6          8           12     13       16     20      24            28         32
 *   ┌────────┬────────┬───────┬──────────┬───────────┬──────┬────────┬──────┬───────┬─────────────┬──────────┬─ ─
 *   │ "WMRC" │ format │ flags │ version  │ hash      │ kind │ 0 0 0  │ id   │ id    │ ownership   │component │
 *   │ u32    │ u8     │ u8    │ u16      │ u32       │ u8   │        │ low  │ high  │ Seq u32     │ Mask u32 │
 *   └────────┴────────┴───────┴──────────┴───────────┴──────┴────────┴──────┴───────┴─────────────┴──────────┴─ ─
 *    32          36             40          44            44 + bodyBytes
 *   ┌──────────┬──────────────┬───────────┬─────────────┬────────┐
 *   │ rowBytes │ foreignBytes │ bodyBytes │ body        │ CRC-32C│
 *   │ u32      │ u32          │ u32       │             │ u32    │
 *   └──────────┴──────────────┴───────────┴─────────────┴────────┘
 *
 *   version, hash   of the schema that the row was laid out by
 *   flags           bit 0: the body is compressed (raw DEFLATE); the others are 0
 *   body            the row (record.ts), then the foreign fields (record-foreign.ts)
 *   bodyBytes       as stored: rowBytes + foreignBytes unless compressed
 *   CRC-32C         of everything before it
 */
import { crc32c } from '../base/crc32c.ts';
import { RecordError } from '../base/errors.ts';

export const RECORD_FORMAT = 1;
export const RECORD_HEADER_BYTES = 44;
export const RECORD_CHECKSUM_BYTES = 4;
/** Header and checksum. */
export const RECORD_FRAME_BYTES = RECORD_HEADER_BYTES + RECORD_CHECKSUM_BYTES;
/** A body that claims to be larger, once inflated, is refused: the greatest block of a heap is as large. */
export const RECORD_BODY_BYTES_MAX = 16 * 2 ** 20;

const MAGIC = 0x4352_4d57; // "WMRC"
const FLAG_COMPRESSED = 1;

const FORMAT_AT = 4;
const FLAGS_AT = 5;
const VERSION_AT = 6;
const HASH_AT = 8;
const KIND_AT = 12;
const ZERO_AT = 13;
const ID_LOW_AT = 16;
const ID_HIGH_AT = 20;
const OWNERSHIP_SEQ_AT = 24;
const COMPONENT_MASK_AT = 28;
const ROW_BYTES_AT = 32;
const FOREIGN_BYTES_AT = 36;
const BODY_BYTES_AT = 40;

/** Numbers as they stand in the header; only the frame's own consistency has been checked. */
export interface RecordHeader {
  compressed: boolean;
  schemaVersion: number;
  schemaHash: number;
  kind: number;
  idLow: number;
  idHigh: number;
  ownershipSeq: number;
  componentMask: number;
  rowBytes: number;
  foreignBytes: number;
  bodyBytes: number;
}

/** Writes the header at the start of `view`; the body must be in place. Then `sealRecord`. */
export function writeRecordHeader(view: DataView, header: RecordHeader): void {
  view.setUint32(0, MAGIC, true);
  view.setUint8(FORMAT_AT, RECORD_FORMAT);
  view.setUint8(FLAGS_AT, header.compressed ? FLAG_COMPRESSED : 0);
  view.setUint16(VERSION_AT, header.schemaVersion, true);
  view.setUint32(HASH_AT, header.schemaHash, true);
  view.setUint32(KIND_AT, header.kind, true);
  view.setUint32(ID_LOW_AT, header.idLow, true);
  view.setUint32(ID_HIGH_AT, header.idHigh, true);
  view.setUint32(OWNERSHIP_SEQ_AT, header.ownershipSeq, true);
  view.setUint32(COMPONENT_MASK_AT, header.componentMask, true);
  view.setUint32(ROW_BYTES_AT, header.rowBytes, true);
  view.setUint32(FOREIGN_BYTES_AT, header.foreignBytes, true);
  view.setUint32(BODY_BYTES_AT, header.bodyBytes, true);
}

/** Appends the checksum to a record whose header and body are written; returns the record's size in bytes. */
export function sealRecord(bytes: Uint8Array, view: DataView, bodyBytes: number): number {
  const end = RECORD_HEADER_BYTES + bodyBytes;
  view.setUint32(end, crc32c(bytes, 0, end), true);
  return end + RECORD_CHECKSUM_BYTES;
}

/**
 * Reads the header of a whole record.
 * @throws RecordError ERR_RECORD_TRUNCATED, _MAGIC, _VERSION (of the format), _SIZE, _CHECKSUM or _RANGE.
 */
export function readRecordHeader(bytes: Uint8Array): RecordHeader {
  if (bytes.length < RECORD_FRAME_BYTES) {
    throw new RecordError(
      'ERR_RECORD_TRUNCATED',
      `a record has at least ${RECORD_FRAME_BYTES} bytes, got ${bytes.length}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0, true);
  if (magic !== MAGIC) {
    throw new RecordError('ERR_RECORD_MAGIC', `a record starts with ${MAGIC.toString(16)}, got ${magic.toString(16)}`);
  }
  const format = view.getUint8(FORMAT_AT);
  if (format !== RECORD_FORMAT) {
    throw new RecordError('ERR_RECORD_VERSION', `record format ${format}; this process reads format ${RECORD_FORMAT}`);
  }
  const bodyBytes = view.getUint32(BODY_BYTES_AT, true);
  checkSize(bytes, bodyBytes);
  checkChecksum(bytes, view, RECORD_HEADER_BYTES + bodyBytes);
  const flags = view.getUint8(FLAGS_AT);
  const zeros = view.getUint8(ZERO_AT) | view.getUint16(ZERO_AT + 1, true);
  if (flags > FLAG_COMPRESSED || zeros !== 0) {
    throw new RecordError('ERR_RECORD_RANGE', `flags ${flags} and reserved bytes ${zeros}; format 1 knows only flag 1`);
  }
  const header: RecordHeader = {
    compressed: flags === FLAG_COMPRESSED,
    schemaVersion: view.getUint16(VERSION_AT, true),
    schemaHash: view.getUint32(HASH_AT, true),
    kind: view.getUint8(KIND_AT),
    idLow: view.getUint32(ID_LOW_AT, true),
    idHigh: view.getUint32(ID_HIGH_AT, true),
    ownershipSeq: view.getUint32(OWNERSHIP_SEQ_AT, true),
    componentMask: view.getUint32(COMPONENT_MASK_AT, true),
    rowBytes: view.getUint32(ROW_BYTES_AT, true),
    foreignBytes: view.getUint32(FOREIGN_BYTES_AT, true),
    bodyBytes,
  };
  checkBodySize(header);
  return header;
}

function checkSize(bytes: Uint8Array, bodyBytes: number): void {
  const sizeBytes = RECORD_FRAME_BYTES + bodyBytes;
  if (bytes.length < sizeBytes) {
    throw new RecordError('ERR_RECORD_TRUNCATED', `the record says ${sizeBytes} bytes, got ${bytes.length}`);
  }
  if (bytes.length > sizeBytes) {
    throw new RecordError('ERR_RECORD_SIZE', `${bytes.length - sizeBytes} bytes after the record`);
  }
}

function checkChecksum(bytes: Uint8Array, view: DataView, end: number): void {
  const stored = view.getUint32(end, true);
  const computed = crc32c(bytes, 0, end);
  if (stored !== computed) {
    throw new RecordError('ERR_RECORD_CHECKSUM', `checksum ${stored.toString(16)}, computed ${computed.toString(16)}`);
  }
}

function checkBodySize(header: RecordHeader): void {
  const sizeBytes = header.rowBytes + header.foreignBytes;
  if (sizeBytes > RECORD_BODY_BYTES_MAX) {
    throw new RecordError(
      'ERR_RECORD_SIZE',
      `a body of ${sizeBytes} bytes; at most ${RECORD_BODY_BYTES_MAX} are allowed`,
    );
  }
  if (!header.compressed && header.bodyBytes !== sizeBytes) {
    throw new RecordError(
      'ERR_RECORD_SIZE',
      `a body of ${header.bodyBytes} bytes holds row and foreign of ${sizeBytes}`,
    );
  }
}
