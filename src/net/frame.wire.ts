/**
 * A server's WebSocket frame (RFC 6455, section 5.2): unmasked, unfragmented, its header and payload in one buffer,
 * so that a snapshot costs one allocation and one socket write.
 *
 *   0x80 | opcode · length 0 … 125                                payload
 *   0x80 | opcode · 126 · length u16 big-endian                   payload
 *   0x80 | opcode · 127 · length u64 big-endian                   payload
 */
import { assert } from '../base/assert.ts';

const FINAL = 0x80;
const OPCODE_BINARY = 0x2;
const LENGTH_U16 = 126;
const LENGTH_U64 = 127;

/** Copies `bytes[offsetBytes … + sizeBytes)`, which may be shared memory, into a frame of its own. */
export function binaryFrame(bytes: Uint8Array, offsetBytes: number, sizeBytes: number): Buffer {
  assert(offsetBytes >= 0 && sizeBytes >= 0 && offsetBytes + sizeBytes <= bytes.length, 'a payload lies in its bytes');
  const headBytes = sizeBytes < LENGTH_U16 ? 2 : sizeBytes < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(headBytes + sizeBytes);
  frame[0] = FINAL | OPCODE_BINARY;
  if (headBytes === 2) {
    frame[1] = sizeBytes;
  } else if (headBytes === 4) {
    frame[1] = LENGTH_U16;
    frame.writeUInt16BE(sizeBytes, 2);
  } else {
    frame[1] = LENGTH_U64;
    frame.writeUInt32BE(0, 2);
    frame.writeUInt32BE(sizeBytes, 6);
  }
  frame.set(bytes.subarray(offsetBytes, offsetBytes + sizeBytes), headBytes);
  return frame;
}
