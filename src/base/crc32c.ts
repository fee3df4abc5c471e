/**
 * CRC-32C (Castagnoli), the checksum of iSCSI (RFC 3720, appendix B.4): reflected polynomial 0x82F63B78, start and
 * final value inverted. Eight tables take eight bytes a step ("slicing-by-8", Kounavis and Berry, 2005).
 */
import { assert } from './assert.ts';

const POLYNOMIAL = 0x82f6_3b78;
const SLICES = 8;
const TABLE_LENGTH = 256;

/** Table s, entry b: the CRC of byte b followed by s zero bytes. */
const TABLES = buildTables();

/** The checksum of bytes[first, end). */
export function crc32c(bytes: Uint8Array, first = 0, end = bytes.length): number {
  assert(first >= 0 && first <= end && end <= bytes.length, 'the range lies inside the bytes');
  const tables = TABLES;
  let crc = -1;
  let at = first;
  for (const wholeEnd = first + ((end - first) & ~(SLICES - 1)); at < wholeEnd; at += SLICES) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    crc =
      tables[7 * TABLE_LENGTH + (low & 0xff)]! ^
      tables[6 * TABLE_LENGTH + ((low >>> 8) & 0xff)]! ^
      tables[5 * TABLE_LENGTH + ((low >>> 16) & 0xff)]! ^
      tables[4 * TABLE_LENGTH + (low >>> 24)]! ^
      tables[3 * TABLE_LENGTH + bytes[at + 4]!]! ^
      tables[2 * TABLE_LENGTH + bytes[at + 5]!]! ^
      tables[TABLE_LENGTH + bytes[at + 6]!]! ^
      tables[bytes[at + 7]!]!;
  }
  for (; at < end; at++) crc = tables[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

function buildTables(): Int32Array {
  const tables = new Int32Array(SLICES * TABLE_LENGTH);
  for (let byte = 0; byte < TABLE_LENGTH; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[byte] = crc;
  }
  for (let at = TABLE_LENGTH; at < tables.length; at++) {
    const shorter = tables[at - TABLE_LENGTH]!;
    tables[at] = tables[shorter & 0xff]! ^ (shorter >>> 8);
  }
  return tables;
}
