/** Field values to JSON and back: bytes as base64, everything else as it is. */
import type { EntityId } from '../base/brand.ts';
import { INCARNATION_MAX, incarnationOf } from '../base/brand.ts';
import { WireError } from '../base/errors.ts';
import type { Values } from '../base/pack.ts';
import { isScalar, naturalRange } from '../base/schema.ts';
import type { FieldSchema, ScalarType } from '../base/schema.ts';
import { checkRanges } from './client.wire.ts';

const encoder = new TextEncoder();

export function valuesToJson(values: Values): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, valueToJson(value)]));
}

/**
 * Missing values are zero or empty, unknown names are ignored. With `declaredRange`, numbers must lie in their field's
 * min … max, as in an input; else only in what their type can hold.
 * @throws WireError ERR_WIRE_JSON or ERR_WIRE_RANGE naming the field.
 */
export function valuesFromJson(
  fields: readonly FieldSchema[],
  table: Readonly<Record<string, unknown>>,
  options: { readonly declaredRange: boolean } = { declaredRange: false },
): Values {
  const values: Values = {};
  for (const field of fields) {
    values[field.name] = valueFromJson(field, Object.hasOwn(table, field.name) ? table[field.name] : undefined);
  }
  if (options.declaredRange) checkRanges(fields, values);
  return values;
}

function valueToJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return toBase64(value);
  if (Array.isArray(value)) return value.map((item) => valuesToJson(item as Values));
  return value;
}

function valueFromJson(field: FieldSchema, value: unknown): unknown {
  if (isScalar(field.type)) return scalarFrom(field, field.type, value);
  switch (field.type) {
    case 'text': {
      const text = value ?? '';
      if (typeof text !== 'string') throw wrong(field, 'text');
      const sizeBytesMax = field.bytesMax ?? 0;
      if (text.length > sizeBytesMax || encoder.encode(text).length > sizeBytesMax) throw tooLong(field, sizeBytesMax);
      return text;
    }
    case 'bytes': {
      const bytes = fromBase64(field, value ?? '');
      if (bytes.length > (field.bytesMax ?? 0)) throw tooLong(field, field.bytesMax ?? 0);
      return bytes;
    }
    case 'list': {
      const items: unknown = value ?? [];
      if (!Array.isArray(items) || items.length > (field.countMax ?? 0))
        throw wrong(field, `a list of at most ${field.countMax}`);
      return items.map((item: unknown) => {
        if (typeof item !== 'object' || item === null) throw wrong(field, 'a list of objects');
        return valuesFromJson(field.item ?? [], item as Readonly<Record<string, unknown>>);
      });
    }
  }
}

function scalarFrom(field: FieldSchema, type: ScalarType, value: unknown): number | boolean {
  if (type === 'bool') {
    if (value !== undefined && typeof value !== 'boolean') throw wrong(field, 'true or false');
    return value ?? false;
  }
  const number = value ?? 0;
  const { min, max } = naturalRange(type);
  const whole = type === 'f32' || type === 'f64' || Number.isInteger(number);
  if (typeof number !== 'number' || !whole || !(number >= min && number <= max)) {
    throw new WireError('ERR_WIRE_RANGE', `"${field.name}" takes ${type} from ${min} to ${max}`);
  }
  if (type === 'entity' && incarnationOf(number as EntityId) > INCARNATION_MAX) {
    throw new WireError('ERR_WIRE_RANGE', `"${field.name}" is not an entity id`);
  }
  // Quantized values are finer than f32; what the server sends in full precision already is one.
  return type === 'f32' && field.precision === undefined ? Math.fround(number) : number;
}

function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function fromBase64(field: FieldSchema, value: unknown): Uint8Array {
  if (typeof value !== 'string') throw wrong(field, 'base64 text');
  try {
    return Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
  } catch (cause) {
    throw new WireError('ERR_WIRE_JSON', `"${field.name}" is not base64: ${String(cause)}`);
  }
}

function wrong(field: FieldSchema, expected: string): WireError {
  return new WireError('ERR_WIRE_JSON', `"${field.name}": ${expected} expected`);
}

function tooLong(field: FieldSchema, sizeBytesMax: number): WireError {
  return new WireError('ERR_WIRE_RANGE', `"${field.name}" takes at most ${sizeBytesMax} bytes`);
}
