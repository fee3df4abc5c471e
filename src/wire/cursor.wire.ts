/** Bounded reading of integers and short byte strings; base/pack.ts reads fields with the same cursor. */
import { WireError } from '../base/errors.ts';
import type { Reader, Writer } from '../base/pack.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export function readU8(reader: Reader): number {
  const at = take(reader, 1);
  return reader.view.getUint8(at);
}
export function readI8(reader: Reader): number {
  const at = take(reader, 1);
  return reader.view.getInt8(at);
}
export function readU16(reader: Reader): number {
  const at = take(reader, 2);
  return reader.view.getUint16(at, true);
}
export function readI16(reader: Reader): number {
  const at = take(reader, 2);
  return reader.view.getInt16(at, true);
}
export function readU32(reader: Reader): number {
  const at = take(reader, 4);
  return reader.view.getUint32(at, true);
}
export function readI32(reader: Reader): number {
  const at = take(reader, 4);
  return reader.view.getInt32(at, true);
}
/** @throws WireError ERR_WIRE_RANGE for NaN and the infinities. */
export function readF32(reader: Reader): number {
  const at = take(reader, 4);
  return finite(reader.view.getFloat32(at, true), at);
}
/** @throws WireError ERR_WIRE_RANGE for NaN and the infinities. */
export function readF64(reader: Reader): number {
  const at = take(reader, 8);
  return finite(reader.view.getFloat64(at, true), at);
}

/** Reads `sizeBytes` of UTF-8. */
export function readText(reader: Reader, sizeBytes: number, options: { sizeBytesMax: number; what: string }): string {
  if (sizeBytes > options.sizeBytesMax) {
    throw new WireError('ERR_WIRE_RANGE', `${options.what} takes ${sizeBytes} bytes, at most ${options.sizeBytesMax}`);
  }
  const at = take(reader, sizeBytes);
  try {
    // A copy: some browsers refuse to decode views of shared memory.
    return decoder.decode(new Uint8Array(reader.source.subarray(at, at + sizeBytes)));
  } catch (cause) {
    throw new WireError('ERR_WIRE_TEXT', `${options.what} is not UTF-8: ${String(cause)}`);
  }
}

/** @throws WireError ERR_WIRE_TRAILING unless everything was read. */
export function readEnd(reader: Reader): void {
  if (reader.at === reader.source.length) return;
  throw new WireError('ERR_WIRE_TRAILING', `${reader.source.length - reader.at} bytes after the end of the message`);
}

export function writeU8(writer: Writer, value: number): void {
  writer.view.setUint8(writer.at, value);
  writer.at += 1;
}
export function writeI8(writer: Writer, value: number): void {
  writer.view.setInt8(writer.at, value);
  writer.at += 1;
}
export function writeU16(writer: Writer, value: number): void {
  writer.view.setUint16(writer.at, value, true);
  writer.at += 2;
}
export function writeI16(writer: Writer, value: number): void {
  writer.view.setInt16(writer.at, value, true);
  writer.at += 2;
}
export function writeU32(writer: Writer, value: number): void {
  writer.view.setUint32(writer.at, value, true);
  writer.at += 4;
}
export function writeI32(writer: Writer, value: number): void {
  writer.view.setInt32(writer.at, value, true);
  writer.at += 4;
}
export function writeF32(writer: Writer, value: number): void {
  writer.view.setFloat32(writer.at, value, true);
  writer.at += 4;
}
export function writeF64(writer: Writer, value: number): void {
  writer.view.setFloat64(writer.at, value, true);
  writer.at += 8;
}
export function writeBytes(writer: Writer, bytes: Uint8Array): void {
  writer.target.set(bytes, writer.at);
  writer.at += bytes.length;
}

/** @throws WireError ERR_WIRE_RANGE when the text takes more than `sizeBytesMax` bytes of UTF-8. */
export function textBytes(text: string, options: { sizeBytesMax: number; what: string }): Uint8Array {
  const bytes = encoder.encode(text);
  if (bytes.length <= options.sizeBytesMax) return bytes;
  throw new WireError('ERR_WIRE_RANGE', `${options.what} takes ${bytes.length} bytes, at most ${options.sizeBytesMax}`);
}

/** The longest beginning of the text that fits into `sizeBytesMax` bytes of UTF-8, cut between characters. */
export function textBytesCut(text: string, sizeBytesMax: number): Uint8Array {
  const target = new Uint8Array(sizeBytesMax);
  return target.subarray(0, encoder.encodeInto(text, target).written);
}

export function textCut(text: string, sizeBytesMax: number): string {
  return decoder.decode(textBytesCut(text, sizeBytesMax));
}

function take(reader: Reader, sizeBytes: number): number {
  const at = reader.at;
  if (at + sizeBytes > reader.source.length) {
    throw new WireError('ERR_WIRE_TRUNCATED', `${sizeBytes} bytes expected at ${at} of ${reader.source.length}`);
  }
  reader.at = at + sizeBytes;
  return at;
}

function finite(value: number, at: number): number {
  if (Number.isFinite(value)) return value;
  throw new WireError('ERR_WIRE_RANGE', `not a finite number at byte ${at}`);
}
