/**
 * Replicated components: fields packed as in base/pack.ts, one after the other, except that an f32 or f64 with a
 * `precision` is sent as an unsigned integer of 1, 2 or 4 bytes:
 *
 *   steps = round((max - min) / precision)       1 byte up to 255, 2 up to 65,535, else 4
 *   n     = round((v - min) / precision)         v clamped to min … max, NaN read as min
 *   v'    = min + n · precision                  |v' - v| ≤ precision / 2
 */
import { WireError } from '../base/errors.ts';
import { packField, readField } from '../base/pack.ts';
import type { Reader, Values, Writer } from '../base/pack.ts';
import { fieldsSizeBytesMax } from '../base/schema.ts';
import type { ComponentSchema, FieldSchema, KindSchema, Schema } from '../base/schema.ts';

/** 1, 2 or 4 for a field that is sent quantized, else 0. */
export function quantizedSizeBytes(field: FieldSchema): 0 | 1 | 2 | 4 {
  if (field.precision === undefined || (field.type !== 'f32' && field.type !== 'f64')) return 0;
  const steps = quantizedSteps(field);
  return steps <= 0xff ? 1 : steps <= 0xffff ? 2 : 4;
}

/** The value as a number of steps above `min`, in 0 … steps. */
export function quantize(field: FieldSchema, value: number): number {
  const min = field.min ?? 0;
  // Also false for NaN.
  if (!(value > min)) return 0;
  return Math.min(Math.round((value - min) / (field.precision ?? 1)), quantizedSteps(field));
}

export function dequantize(field: FieldSchema, steps: number): number {
  return (field.min ?? 0) + steps * (field.precision ?? 1);
}

/** @throws WireError ERR_WIRE_RANGE for a value that its field cannot hold; quantized fields are clamped instead. */
export function packComponent(fields: readonly FieldSchema[], values: Values, writer: Writer): void {
  for (const field of fields) {
    const sizeBytes = quantizedSizeBytes(field);
    if (sizeBytes === 0) {
      packField(field, values[field.name], writer);
      continue;
    }
    const steps = quantize(field, Number(values[field.name] ?? 0));
    if (sizeBytes === 1) writer.view.setUint8(writer.at, steps);
    else if (sizeBytes === 2) writer.view.setUint16(writer.at, steps, true);
    else writer.view.setUint32(writer.at, steps, true);
    writer.at += sizeBytes;
  }
}

/** @throws WireError ERR_WIRE_TRUNCATED, ERR_WIRE_RANGE or ERR_WIRE_TEXT. */
export function unpackComponent(fields: readonly FieldSchema[], reader: Reader): Values {
  const values: Values = {};
  for (const field of fields) {
    const sizeBytes = quantizedSizeBytes(field);
    values[field.name] = sizeBytes === 0 ? readField(field, reader) : readQuantized(field, sizeBytes, reader);
  }
  return values;
}

/** The components that a client is sent of an entity of this kind, in the order of the wire. */
export function sentComponents(schema: Schema, kind: KindSchema, options: { own: boolean }): ComponentSchema[] {
  const sent: ComponentSchema[] = [];
  for (const index of kind.components) {
    const component = schema.components[index];
    if (component === undefined) continue;
    if (component.visible === 'all' || (component.visible === 'owner' && options.own)) sent.push(component);
  }
  return sent;
}

/** An upper bound of the packed size of these very values; lists count by their length, not by their limit. */
export function packedSizeBytesMax(fields: readonly FieldSchema[], values: Values): number {
  let sizeBytes = 0;
  for (const field of fields) {
    if (field.type !== 'list') {
      sizeBytes += fieldsSizeBytesMax([field]);
      continue;
    }
    const items = values[field.name];
    sizeBytes += 2 + (Array.isArray(items) ? items.length : 0) * fieldsSizeBytesMax(field.item ?? []);
  }
  return sizeBytes;
}

function quantizedSteps(field: FieldSchema): number {
  return Math.round(((field.max ?? 0) - (field.min ?? 0)) / (field.precision ?? 1));
}

function readQuantized(field: FieldSchema, sizeBytes: 1 | 2 | 4, reader: Reader): number {
  const { view, at } = reader;
  if (at + sizeBytes > reader.source.length) {
    throw new WireError('ERR_WIRE_TRUNCATED', `${sizeBytes} bytes expected at ${at} of ${reader.source.length}`);
  }
  reader.at += sizeBytes;
  const steps =
    sizeBytes === 1 ? view.getUint8(at) : sizeBytes === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
  if (steps > quantizedSteps(field)) {
    throw new WireError('ERR_WIRE_RANGE', `"${field.name}" has ${steps} steps, at most ${quantizedSteps(field)}`);
  }
  return dequantize(field, steps);
}
