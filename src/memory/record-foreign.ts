/**
 * Foreign fields: values that an entity carries along for another version of its world's schema. A node keeps them as
 * they came and hands them on, so that an entity that travels new → old → new comes back whole.
 *
 * In the body of a record, and in the heap behind the column `foreign`, entries one after the other, little-endian:
 *
 *   0        2      3               4           5     8          12           16
 *   ┌────────┬──────┬───────────────┬───────────┬─────┬──────────┬────────────┬───────────┬───────┬───────┐
 *   │ origin │ type │ componentBytes│ fieldBytes│ 0   │ itemHash │ valueBytes │ component │ field │ value │
 *   │ u16    │ u8   │ u8            │ u8        │ u24 │ u32      │ u32        │ ASCII     │ ASCII │       │
 *   └────────┴──────┴───────────────┴───────────┴─────┴──────────┴────────────┴───────────┴───────┴───────┘
 *   origin   the schema version that the value was laid out by      type   its index in FIELD_TYPES: append only, for ever
 *   itemHash what a list's items are made of (record-schema.ts), else 0
 */
import { RecordError } from '../base/errors.ts';
import { FIELD_TYPES } from '../base/schema.ts';
import type { FieldType } from '../base/schema.ts';

/** Foreign bytes of one entity beyond this are refused, rather than cut: nothing is lost silently. */
export const FOREIGN_BYTES_MAX = 65_536;

const HEAD_BYTES = 16;
const TYPE_AT = 2;
const COMPONENT_BYTES_AT = 3;
const FIELD_BYTES_AT = 4;
const ZERO_AT = 5;
const ITEM_HASH_AT = 8;
const VALUE_BYTES_AT = 12;

const NAME_PATTERN = /^[a-z][A-Za-z0-9]{0,31}$/;

export interface ForeignField {
  readonly origin: number;
  readonly type: FieldType;
  readonly component: string;
  readonly field: string;
  readonly itemHash: number;
  readonly value: Uint8Array;
}

/** Identifies a value across schema versions: same component, field, type and items. */
export function foreignKey({ path, type, itemHash }: { path: string; type: FieldType; itemHash: number }): string {
  return `${path}:${type}:${itemHash}`;
}

/** @throws RecordError ERR_RECORD_SIZE, _TRUNCATED or _RANGE. */
export function readForeign(bytes: Uint8Array): ForeignField[] {
  if (bytes.length > FOREIGN_BYTES_MAX) {
    throw new RecordError('ERR_RECORD_SIZE', `${bytes.length} bytes of foreign fields; at most ${FOREIGN_BYTES_MAX}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields: ForeignField[] = [];
  for (let at = 0; at < bytes.length;) {
    const { field, end } = readOne(bytes, view, at);
    fields.push(field);
    at = end;
  }
  return fields;
}

function readOne(bytes: Uint8Array, view: DataView, at: number): { field: ForeignField; end: number } {
  if (at + HEAD_BYTES > bytes.length) throw new RecordError('ERR_RECORD_TRUNCATED', 'a foreign field ends in its head');
  const type = FIELD_TYPES[view.getUint8(at + TYPE_AT)];
  const zeros = view.getUint8(at + ZERO_AT) | view.getUint16(at + ZERO_AT + 1, true);
  if (type === undefined || zeros !== 0) {
    throw new RecordError('ERR_RECORD_RANGE', `a foreign field of type ${view.getUint8(at + TYPE_AT)} is unknown`);
  }
  const fieldAt = at + HEAD_BYTES + view.getUint8(at + COMPONENT_BYTES_AT);
  const valueAt = fieldAt + view.getUint8(at + FIELD_BYTES_AT);
  const end = valueAt + view.getUint32(at + VALUE_BYTES_AT, true);
  if (end > bytes.length) throw new RecordError('ERR_RECORD_TRUNCATED', 'a foreign field ends in its value');
  const field = {
    origin: view.getUint16(at, true),
    type,
    component: nameIn(bytes, at + HEAD_BYTES, fieldAt),
    field: nameIn(bytes, fieldAt, valueAt),
    itemHash: view.getUint32(at + ITEM_HASH_AT, true),
    value: bytes.slice(valueAt, end),
  };
  return { field, end };
}

function nameIn(bytes: Uint8Array, first: number, end: number): string {
  const name = String.fromCharCode(...bytes.subarray(first, end));
  if (!NAME_PATTERN.test(name)) throw new RecordError('ERR_RECORD_RANGE', `a foreign field has no valid name`);
  return name;
}

/** @throws RecordError ERR_RECORD_SIZE when they take more than FOREIGN_BYTES_MAX. */
export function writeForeign(fields: readonly ForeignField[]): Uint8Array {
  let sizeBytes = 0;
  for (const field of fields)
    sizeBytes += HEAD_BYTES + field.component.length + field.field.length + field.value.length;
  if (sizeBytes > FOREIGN_BYTES_MAX) {
    throw new RecordError(
      'ERR_RECORD_SIZE',
      `fields unknown here take ${sizeBytes} bytes; at most ${FOREIGN_BYTES_MAX}`,
    );
  }
  const bytes = new Uint8Array(sizeBytes);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const field of fields) {
    view.setUint16(at, field.origin, true);
    view.setUint8(at + TYPE_AT, FIELD_TYPES.indexOf(field.type));
    view.setUint8(at + COMPONENT_BYTES_AT, field.component.length);
    view.setUint8(at + FIELD_BYTES_AT, field.field.length);
    view.setUint32(at + ITEM_HASH_AT, field.itemHash, true);
    view.setUint32(at + VALUE_BYTES_AT, field.value.length, true);
    at = putName(bytes, at + HEAD_BYTES, field.component);
    at = putName(bytes, at, field.field);
    bytes.set(field.value, at);
    at += field.value.length;
  }
  return bytes;
}

function putName(bytes: Uint8Array, at: number, name: string): number {
  for (let index = 0; index < name.length; index++) bytes[at + index] = name.charCodeAt(index);
  return at + name.length;
}
