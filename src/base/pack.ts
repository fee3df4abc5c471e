/**
 * Packs the values of fields into bytes and back, in schema order, little-endian, without padding:
 *
 *   bool i8 u8 · i16 u16 · i32 u32 f32 · f64     as they are
 *   entity                                       u32 low, u32 high of the id
 *   text, bytes                                  u16 length, then UTF-8 or data
 *   list                                         u16 count, then the packed items
 *
 * Inputs, events, list items and join data use it. Packing checks every value against the schema (WireError, code
 * ERR_WIRE_RANGE); unpacking trusts nothing.
 */
import { counterOf, entityIdFrom, incarnationOf, INCARNATION_MAX } from './brand.ts';
import type { EntityId } from './brand.ts';
import { WireError } from './errors.ts';
import { isScalar, naturalRange } from './schema.ts';
import type { FieldSchema, ScalarType } from './schema.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export type Values = Record<string, unknown>;

/** Writes the fields to the start of `target` and returns how many bytes. Missing values are zero or empty. */
export function packFields(fields: readonly FieldSchema[], values: Values, target: Uint8Array): number {
  return packInto(fields, values, writerOver(target));
}

/**
 * Reads the fields from the whole of `source`.
 * @throws WireError ERR_WIRE_TRUNCATED, ERR_WIRE_TRAILING, ERR_WIRE_RANGE or ERR_WIRE_TEXT.
 */
export function unpackFields(fields: readonly FieldSchema[], source: Uint8Array): Values {
  const reader = readerOver(source);
  const values = readFields(fields, reader);
  if (reader.at !== source.length) {
    throw new WireError('ERR_WIRE_TRAILING', `${source.length - reader.at} bytes after the last field`);
  }
  return values;
}

/** A place in a target; packField moves it on. */
export interface Writer {
  readonly target: Uint8Array;
  readonly view: DataView;
  at: number;
}

/** A place in a source; readField moves it on. */
export interface Reader {
  readonly source: Uint8Array;
  readonly view: DataView;
  at: number;
}

export function writerOver(target: Uint8Array): Writer {
  return { target, view: new DataView(target.buffer, target.byteOffset, target.byteLength), at: 0 };
}

export function readerOver(source: Uint8Array): Reader {
  return { source, view: new DataView(source.buffer, source.byteOffset, source.byteLength), at: 0 };
}

function packInto(fields: readonly FieldSchema[], values: Values, writer: Writer): number {
  for (const field of fields) packField(field, values[field.name], writer);
  return writer.at;
}

/** Writes one value at the writer's place. @throws WireError ERR_WIRE_RANGE. */
export function packField(field: FieldSchema, value: unknown, writer: Writer): void {
  if (isScalar(field.type)) {
    writer.at = writeScalar(writer.view, writer.at, { field, type: field.type, value });
    return;
  }
  if (field.type === 'list') {
    const items = value ?? [];
    if (!Array.isArray(items) || items.length > (field.countMax ?? 0)) {
      throw new WireError('ERR_WIRE_RANGE', `"${field.name}" takes a list of at most ${field.countMax} items`);
    }
    writer.view.setUint16(writer.at, items.length, true);
    writer.at += 2;
    for (const item of items as unknown[]) {
      if (typeof item !== 'object' || item === null) {
        throw new WireError('ERR_WIRE_RANGE', `"${field.name}" takes items that are objects, got ${typeof item}`);
      }
      packInto(field.item ?? [], item as Values, writer);
    }
    return;
  }
  const data = field.type === 'text' ? textBytes(field, value ?? '') : (value ?? new Uint8Array());
  if (!(data instanceof Uint8Array) || data.length > (field.bytesMax ?? 0)) {
    throw new WireError('ERR_WIRE_RANGE', `"${field.name}" takes at most ${field.bytesMax} bytes`);
  }
  writer.view.setUint16(writer.at, data.length, true);
  writer.target.set(data, writer.at + 2);
  writer.at += 2 + data.length;
}

function textBytes(field: FieldSchema, value: unknown): Uint8Array {
  if (typeof value !== 'string')
    throw new WireError('ERR_WIRE_RANGE', `"${field.name}" takes text, got ${typeof value}`);
  return encoder.encode(value);
}

function writeScalar(
  view: DataView,
  at: number,
  { field, type, value }: { field: FieldSchema; type: ScalarType; value: unknown },
): number {
  const isNumber = typeof value === 'number' || typeof value === 'boolean';
  const number = value === undefined ? 0 : isNumber ? Number(value) : NaN;
  const { min, max } = naturalRange(type);
  if (!(number >= (field.min ?? min) && number <= (field.max ?? max))) {
    throw new WireError(
      'ERR_WIRE_RANGE',
      `"${field.name}" takes ${type} from ${field.min ?? min} to ${field.max ?? max}, got ${isNumber || value === undefined ? number : typeof value}`,
    );
  }
  switch (type) {
    case 'bool':
    case 'u8':
      view.setUint8(at, number);
      return at + 1;
    case 'i8':
      view.setInt8(at, number);
      return at + 1;
    case 'i16':
      view.setInt16(at, number, true);
      return at + 2;
    case 'u16':
      view.setUint16(at, number, true);
      return at + 2;
    case 'i32':
      view.setInt32(at, number, true);
      return at + 4;
    case 'u32':
      view.setUint32(at, number, true);
      return at + 4;
    case 'f32':
      view.setFloat32(at, number, true);
      return at + 4;
    case 'f64':
      view.setFloat64(at, number, true);
      return at + 8;
    case 'entity':
      view.setUint32(at, counterOf(number as EntityId), true);
      view.setUint32(at + 4, incarnationOf(number as EntityId), true);
      return at + 8;
  }
}

function readFields(fields: readonly FieldSchema[], reader: Reader): Values {
  const values: Values = {};
  for (const field of fields) values[field.name] = readField(field, reader);
  return values;
}

/** Reads one value at the reader's place. @throws WireError like unpackFields, but leaves what follows. */
export function readField(field: FieldSchema, reader: Reader): unknown {
  if (isScalar(field.type)) return readScalar(field, field.type, reader);
  need(reader, 2);
  const length = reader.view.getUint16(reader.at, true);
  reader.at += 2;
  const limit = field.type === 'list' ? (field.countMax ?? 0) : (field.bytesMax ?? 0);
  if (length > limit) {
    throw new WireError('ERR_WIRE_RANGE', `"${field.name}" has length ${length}, at most ${limit} is allowed`);
  }
  if (field.type === 'list') {
    return Array.from({ length }, () => readFields(field.item ?? [], reader));
  }
  need(reader, length);
  // A copy, and a plain one: the slice of a Buffer would be a view of memory that is soon reused.
  const data = new Uint8Array(reader.source.subarray(reader.at, reader.at + length));
  reader.at += length;
  if (field.type === 'bytes') return data;
  try {
    return decoder.decode(data);
  } catch (cause) {
    throw new WireError('ERR_WIRE_TEXT', `"${field.name}" is not UTF-8: ${String(cause)}`);
  }
}

function readScalar(field: FieldSchema, type: ScalarType, reader: Reader): unknown {
  const { view, at } = reader;
  switch (type) {
    case 'bool':
      need(reader, 1);
      reader.at += 1;
      return view.getUint8(at) !== 0;
    case 'u8':
      need(reader, 1);
      reader.at += 1;
      return view.getUint8(at);
    case 'i8':
      need(reader, 1);
      reader.at += 1;
      return view.getInt8(at);
    case 'i16':
      need(reader, 2);
      reader.at += 2;
      return view.getInt16(at, true);
    case 'u16':
      need(reader, 2);
      reader.at += 2;
      return view.getUint16(at, true);
    case 'i32':
      need(reader, 4);
      reader.at += 4;
      return view.getInt32(at, true);
    case 'u32':
      need(reader, 4);
      reader.at += 4;
      return view.getUint32(at, true);
    case 'f32':
      need(reader, 4);
      reader.at += 4;
      return finite(field, view.getFloat32(at, true));
    case 'f64':
      need(reader, 8);
      reader.at += 8;
      return finite(field, view.getFloat64(at, true));
    case 'entity': {
      need(reader, 8);
      reader.at += 8;
      const incarnation = view.getUint32(at + 4, true);
      if (incarnation > INCARNATION_MAX) {
        throw new WireError('ERR_WIRE_RANGE', `"${field.name}" is not an entity id: incarnation ${incarnation}`);
      }
      return entityIdFrom(incarnation, view.getUint32(at, true));
    }
  }
}

function finite(field: FieldSchema, value: number): number {
  if (!Number.isFinite(value)) throw new WireError('ERR_WIRE_RANGE', `"${field.name}" is not a finite number`);
  return value;
}

function need(reader: Reader, sizeBytes: number): void {
  if (reader.at + sizeBytes > reader.source.length) {
    throw new WireError('ERR_WIRE_TRUNCATED', `${sizeBytes} bytes expected at ${reader.at} of ${reader.source.length}`);
  }
}
