/**
 * The auditor's own reading of a record's frame (docs/RECORD.md), written from the document and not from the codec: what
 * the codec gets wrong shall not be right here by the same mistake.
 *
 *   0 "WMRC" │ 4 format u8 │ 16 id low u32 │ 20 id high u32 │ 24 ownership sequence u32 │ 40 body bytes u32 │ 44 body │ CRC-32C u32
 */
export type FrameReading =
  | { readonly ok: true; readonly id: number; readonly seq: number }
  | { readonly ok: false; readonly reason: string };

const HEADER_BYTES = 44;
const CHECKSUM_BYTES = 4;
const MAGIC = 'WMRC';
const FORMAT = 1;
/** Castagnoli's polynomial, bits reversed. */
const POLYNOMIAL = 0x82f6_3b78;

export function readFrame(bytes: Buffer): FrameReading {
  if (bytes.length < HEADER_BYTES + CHECKSUM_BYTES) return wrong(`${bytes.length} bytes are too few`);
  if (bytes.toString('latin1', 0, 4) !== MAGIC) return wrong('it does not begin with WMRC');
  if (bytes[4] !== FORMAT) return wrong(`format ${bytes[4]} is not known`);
  const end = HEADER_BYTES + bytes.readUInt32LE(40);
  if (bytes.length !== end + CHECKSUM_BYTES) {
    return wrong(`${bytes.length} bytes, and its header says ${end + CHECKSUM_BYTES}`);
  }
  if (bytes.readUInt32LE(end) !== checksum(bytes.subarray(0, end))) return wrong('its checksum does not agree');
  return { ok: true, id: bytes.readUInt32LE(16) + bytes.readUInt32LE(20) * 2 ** 32, seq: bytes.readUInt32LE(24) };
}

function wrong(reason: string): FrameReading {
  return { ok: false, reason };
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ POLYNOMIAL;
  return value;
});

function checksum(bytes: Uint8Array): number {
  let value = 0xffff_ffff;
  for (const byte of bytes) value = (value >>> 8) ^ TABLE[(value ^ byte) & 0xff]!;
  return (value ^ 0xffff_ffff) >>> 0;
}
