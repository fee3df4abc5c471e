/**
 * An input as the server will read it: numbers outside their field's range become the nearest that is inside, whole
 * numbers lose their fraction, f32 are rounded. So what is predicted is what is applied.
 */
import { WireError } from '../base/errors.ts';
import { packFields, unpackFields } from '../base/pack.ts';
import type { Values } from '../base/pack.ts';
import { fieldsSizeBytesMax, isScalar, naturalRange } from '../base/schema.ts';
import type { FieldSchema, Schema } from '../base/schema.ts';
import { ClientError } from './errors.ts';

/** @throws ClientError ERR_CLIENT_INPUT naming the field, for what is no number, no text, or too long. */
export function inputAsRead(schema: Schema, values: Values): Values {
  const clamped: Values = {};
  for (const field of schema.input) clamped[field.name] = clampValue(field, values[field.name]);
  try {
    const packed = new Uint8Array(fieldsSizeBytesMax(schema.input));
    return unpackFields(schema.input, packed.subarray(0, packFields(schema.input, clamped, packed)));
  } catch (cause) {
    if (cause instanceof WireError) throw new ClientError('ERR_CLIENT_INPUT', cause.message, { cause });
    throw cause;
  }
}

function clampValue(field: FieldSchema, value: unknown): unknown {
  // An entity id has no range to be brought into.
  if (!isScalar(field.type) || field.type === 'entity' || typeof value !== 'number') return value;
  // The server ends the connection of a client that sends one.
  if (!Number.isFinite(value)) throw new ClientError('ERR_CLIENT_INPUT', `"${field.name}" is not a finite number`);
  const { min, max } = naturalRange(field.type);
  const nearest = Math.max(field.min ?? min, Math.min(field.max ?? max, value));
  return field.type === 'f32' || field.type === 'f64' ? nearest : Math.trunc(nearest);
}
