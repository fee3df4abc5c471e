/**
 * Brings a client's input into the ranges that the schema gives, without making objects of it: the packed fields are
 * checked where they lie (layout: base/pack.ts) and numbers out of range are replaced by the nearest allowed one.
 *
 * A number out of range is no error, because an honest client with an older module may send one; it is counted.
 * What is not a number, or does not follow the layout, throws.
 */
import { INCARNATION_MAX } from '../base/brand.ts';
import { WireError } from '../base/errors.ts';
import type { Values } from '../base/pack.ts';
import { isScalar, naturalRange, scalarSizeBytes } from '../base/schema.ts';
import type { FieldSchema, ScalarType } from '../base/schema.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Clamps the packed fields from `at` to the end of `view`, in place. Returns how many numbers were changed.
 * @throws WireError ERR_WIRE_TRUNCATED, ERR_WIRE_TRAILING, ERR_WIRE_RANGE (not finite, a length), ERR_WIRE_TEXT.
 */
export function clampPacked(fields: readonly FieldSchema[], view: DataView, at: number): number {
  const walk: Walk = { view, at, clamped: 0 };
  walkFields(fields, walk);
  if (walk.at !== view.byteLength) {
    throw new WireError('ERR_WIRE_TRAILING', `${view.byteLength - walk.at} bytes after the input`);
  }
  return walk.clamped;
}

/**
 * Clamps the numbers of an input that came as JSON, in place. Returns how many were changed.
 * @throws WireError ERR_WIRE_RANGE for a number that is not finite, or for no number.
 */
export function clampValues(fields: readonly FieldSchema[], values: Values): number {
  let clamped = 0;
  for (const field of fields) {
    const value = Object.hasOwn(values, field.name) ? values[field.name] : undefined;
    if (field.type === 'list' && Array.isArray(value)) {
      for (const item of value as unknown[]) {
        if (typeof item === 'object' && item !== null) clamped += clampValues(field.item ?? [], item as Values);
      }
    }
    // What is no number at all is the JSON reader's to refuse, and an entity id has no range to be brought into.
    if (!isScalar(field.type) || field.type === 'entity' || typeof value !== 'number') continue;
    if (!Number.isFinite(value)) throw new WireError('ERR_WIRE_RANGE', `"${field.name}" is not a finite number`);
    const { min, max } = naturalRange(field.type);
    const nearest = clamp(field.type, value, { least: field.min ?? min, greatest: field.max ?? max });
    values[field.name] = nearest;
    if (nearest !== value) clamped++;
  }
  return clamped;
}

interface Walk {
  readonly view: DataView;
  at: number;
  clamped: number;
}

function walkFields(fields: readonly FieldSchema[], walk: Walk): void {
  for (const field of fields) {
    if (isScalar(field.type)) walkScalar(field, field.type, walk);
    else walkSized(field, walk);
  }
}

function walkSized(field: FieldSchema, walk: Walk): void {
  need(walk, 2);
  const length = walk.view.getUint16(walk.at, true);
  walk.at += 2;
  const lengthMax = (field.type === 'list' ? field.countMax : field.bytesMax) ?? 0;
  if (length > lengthMax) {
    throw new WireError('ERR_WIRE_RANGE', `"${field.name}" has length ${length}, at most ${lengthMax} is allowed`);
  }
  if (field.type === 'list') {
    for (let item = 0; item < length; item++) walkFields(field.item ?? [], walk);
    return;
  }
  need(walk, length);
  if (field.type === 'text') checkText(field, new Uint8Array(walk.view.buffer, walk.view.byteOffset + walk.at, length));
  walk.at += length;
}

function checkText(field: FieldSchema, bytes: Uint8Array): void {
  try {
    decoder.decode(bytes);
  } catch (cause) {
    throw new WireError('ERR_WIRE_TEXT', `"${field.name}" is not UTF-8: ${String(cause)}`);
  }
}

function walkScalar(field: FieldSchema, type: ScalarType, walk: Walk): void {
  const { view, at } = walk;
  const sizeBytes = scalarSizeBytes(type);
  need(walk, sizeBytes);
  walk.at += sizeBytes;
  if (type === 'entity') {
    const incarnation = view.getUint32(at + 4, true);
    if (incarnation <= INCARNATION_MAX) return;
    throw new WireError('ERR_WIRE_RANGE', `"${field.name}" is not an entity id: incarnation ${incarnation}`);
  }
  const number = readNumber(type, view, at);
  if (!Number.isFinite(number)) throw new WireError('ERR_WIRE_RANGE', `"${field.name}" is not a finite number`);
  const { min, max } = naturalRange(type);
  const nearest = clamp(type, number, {
    least: asHeld(type, field.min ?? min),
    greatest: asHeld(type, field.max ?? max),
  });
  if (nearest === number) return;
  writeNumber(type, view, { at, number: nearest });
  walk.clamped++;
}

/** A bound as the wire holds it: 0.1 arrives as 0.10000000149 in an f32, and is not out of range. */
function asHeld(type: ScalarType, bound: number): number {
  return type === 'f32' ? Math.fround(bound) : bound;
}

/** The nearest allowed number; whole numbers lose their fraction. */
function clamp(type: ScalarType, number: number, { least, greatest }: { least: number; greatest: number }): number {
  const nearest = Math.max(least, Math.min(greatest, number));
  return type === 'f32' || type === 'f64' ? nearest : Math.trunc(nearest);
}

function readNumber(type: Exclude<ScalarType, 'entity'>, view: DataView, at: number): number {
  switch (type) {
    case 'bool':
    case 'u8':
      return view.getUint8(at);
    case 'i8':
      return view.getInt8(at);
    case 'i16':
      return view.getInt16(at, true);
    case 'u16':
      return view.getUint16(at, true);
    case 'i32':
      return view.getInt32(at, true);
    case 'u32':
      return view.getUint32(at, true);
    case 'f32':
      return view.getFloat32(at, true);
    case 'f64':
      return view.getFloat64(at, true);
  }
}

function writeNumber(
  type: Exclude<ScalarType, 'entity'>,
  view: DataView,
  { at, number }: { at: number; number: number },
): void {
  switch (type) {
    case 'bool':
    case 'u8':
      return view.setUint8(at, number);
    case 'i8':
      return view.setInt8(at, number);
    case 'i16':
      return view.setInt16(at, number, true);
    case 'u16':
      return view.setUint16(at, number, true);
    case 'i32':
      return view.setInt32(at, number, true);
    case 'u32':
      return view.setUint32(at, number, true);
    case 'f32':
      return view.setFloat32(at, number, true);
    case 'f64':
      return view.setFloat64(at, number, true);
  }
}

function need(walk: Walk, sizeBytes: number): void {
  if (walk.at + sizeBytes <= walk.view.byteLength) return;
  throw new WireError('ERR_WIRE_TRUNCATED', `${sizeBytes} bytes expected at ${walk.at} of ${walk.view.byteLength}`);
}
