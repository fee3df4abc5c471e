/**
 * Brings a row from one version of a world's schema to another.
 *
 * A field is the same in both when its component, name, type and (of a list) items are; its value is then taken as
 * it is, if it fits. A record of an older version first goes through the module's migration, which sees and gives values
 * by path (`component.field`), those among them that the entity had at a newer node before and carried along. What has no place here becomes foreign (record-foreign.ts); what had none at a node before
 * takes its place again, unless the field got a value since. Values of more than one version back are let go.
 */
import { RecordError, WireError } from '../base/errors.ts';
import { packField, readField, readerOver, writerOver } from '../base/pack.ts';
import { fieldSizeBytesMax } from '../base/schema.ts';
import type { FieldSchema } from '../base/schema.ts';
import type { Migration } from '../base/world.ts';
import { foreignKey, readForeign, writeForeign } from './record-foreign.ts';
import type { ForeignField } from './record-foreign.ts';
import { VERSION_DISTANCE_MAX, valueEnd } from './record-schema.ts';
import type { RowField, RowLayout } from './record-schema.ts';

export interface Translation {
  readonly source: RowLayout;
  readonly target: RowLayout;
  /** The packed fields of the source layout, whole and valid. */
  readonly fields: Uint8Array;
  readonly foreign: Uint8Array;
  readonly migration: Migration | undefined;
}

interface Carried extends RowField {
  readonly value: Uint8Array;
}

/** @throws RecordError ERR_RECORD_RANGE, ERR_RECORD_SCHEMA or ERR_RECORD_SIZE. */
export function translate({ source, target, fields, foreign, migration }: Translation): {
  fields: Uint8Array;
  foreign: Uint8Array;
} {
  const carried = splitFields(source, fields);
  const bySource = new Map(carried.map((value) => [foreignKey(keyOf(value)), value]));
  const entries = readForeign(foreign);
  const byForeign = new Map(entries.map((entry) => [foreignKey(keyOfForeign(entry)), entry.value]));
  const returning = target.fields.flatMap((wanted): Carried[] => {
    const value = byForeign.get(foreignKey(keyOf(wanted)));
    return value !== undefined && !bySource.has(foreignKey(keyOf(wanted))) && fits(wanted.field, value)
      ? [{ ...wanted, value }]
      : [];
  });
  const migrated = migration === undefined ? undefined : migrate([...carried, ...returning], migration);
  const taken = new Set<string>();
  const defaults = new Defaults(source, migration);
  const parts = target.fields.map((wanted) => {
    const key = foreignKey(keyOf(wanted));
    const same = bySource.get(key);
    const sameValue = same !== undefined && fits(wanted.field, same.value) ? same.value : undefined;
    const kept = byForeign.get(key);
    const keptValue = kept !== undefined && fits(wanted.field, kept) ? kept : undefined;
    const own = migrated === undefined ? sameValue : migratedValue(wanted, migrated, sameValue ?? keptValue);
    if (sameValue !== undefined || keptValue !== undefined) taken.add(key);
    const isDefault = own === undefined || isZero(own) || (keptValue !== undefined && defaults.has(wanted, own));
    if (!isDefault) return own;
    return keptValue ?? own ?? new Uint8Array(zeroBytes(wanted.field));
  });
  // A zero of a newer version is kept as well: its migration would put another default there.
  const keepsZeros = source.schema.version > target.schema.version;
  const unknown = carried
    .filter((value) => keepsZeros || !isZero(value.value))
    .map((value) => toForeign(value, source.schema.version));
  const rest = [...unknown, ...entries].filter(
    (entry) =>
      !taken.has(foreignKey(keyOfForeign(entry))) &&
      Math.abs(entry.origin - target.schema.version) <= VERSION_DISTANCE_MAX,
  );
  return { fields: join(parts), foreign: writeForeign(withoutRepeats(rest)) };
}

interface Migrated {
  readonly before: Readonly<Record<string, unknown>>;
  readonly after: Readonly<Record<string, unknown>>;
}

function migrate(carried: readonly Carried[], migration: Migration): Migrated {
  const before: Record<string, unknown> = {};
  for (const { path, field, value } of carried) before[path] = valueOf(field, value);
  let after: unknown;
  try {
    after = migration(Object.freeze(before));
  } catch (cause) {
    throw new RecordError('ERR_RECORD_SCHEMA', `the world module's migration threw: ${String(cause)}`, { cause });
  }
  if (typeof after !== 'object' || after === null) {
    throw new RecordError('ERR_RECORD_SCHEMA', `the world module's migration gave ${String(after)}, not an object`);
  }
  return { before, after: after as Record<string, unknown> };
}

/**
 * What a migration makes of a record that is all zeros. Such a value says nothing about the entity, and gives way to one that
 * it brought along. Asked for when there is one.
 */
class Defaults {
  readonly #source: RowLayout;
  readonly #migration: Migration | undefined;
  #migrated: Migrated | undefined;

  constructor(source: RowLayout, migration: Migration | undefined) {
    this.#source = source;
    this.#migration = migration;
  }

  has(wanted: RowField, value: Uint8Array): boolean {
    if (this.#migration === undefined) return false;
    try {
      this.#migrated ??= migrate(zeros(this.#source), this.#migration);
      const given = migratedValue(wanted, this.#migrated, undefined);
      return given !== undefined && Buffer.compare(given, value) === 0;
    } catch (error) {
      // It makes nothing of zeros: then its values come from what is there.
      if (!(error instanceof RecordError)) throw error;
      return false;
    }
  }
}

function zeros({ fields }: RowLayout): Carried[] {
  return fields.map((field) => ({ ...field, value: new Uint8Array(zeroBytes(field.field)) }));
}

/** A value that the migration passed on unchanged keeps its very bits. */
function migratedValue(
  { path, field }: RowField,
  { before, after }: Migrated,
  sameValue: Uint8Array | undefined,
): Uint8Array | undefined {
  const value = after[path];
  if (value === undefined) return undefined;
  if (sameValue !== undefined && Object.is(value, before[path])) return sameValue;
  const target = new Uint8Array(fieldSizeBytesMax(field));
  try {
    const writer = writerOver(target);
    packField(field, value, writer);
    return target.subarray(0, writer.at);
  } catch (cause) {
    const message = cause instanceof WireError ? cause.message : `"${path}" cannot be packed: ${String(cause)}`;
    throw new RecordError('ERR_RECORD_RANGE', `the world module's migration gave a bad value: ${message}`, { cause });
  }
}

/** The value as world code sees it. A float that is not finite has no packed form and is given as 0. */
function valueOf(field: FieldSchema, value: Uint8Array): unknown {
  try {
    return readField(field, readerOver(value));
  } catch (error) {
    if (error instanceof WireError && (field.type === 'f32' || field.type === 'f64')) return 0;
    throw new RecordError('ERR_RECORD_RANGE', `"${field.name}" cannot be read: ${String(error)}`, { cause: error });
  }
}

function splitFields({ fields }: RowLayout, bytes: Uint8Array): Carried[] {
  const source = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  let at = 0;
  return fields.map((field) => {
    const end = valueEnd(field.field, source, at);
    if (end < 0) throw new RecordError('ERR_RECORD_RANGE', `"${field.path}" holds no valid value`);
    const value = bytes.slice(at, end);
    at = end;
    return { ...field, value };
  });
}

function keyOf({ path, field, itemHash }: RowField) {
  return { path, type: field.type, itemHash };
}

function keyOfForeign({ component, field, type, itemHash }: ForeignField) {
  return { path: `${component}.${field}`, type, itemHash };
}

function toForeign({ path, field, itemHash, value }: Carried, origin: number): ForeignField {
  const [component, name] = path.split('.') as [string, string];
  return { origin, type: field.type, component, field: name, itemHash, value };
}

/** True when the bytes are exactly one value of the field. */
function fits(field: FieldSchema, bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return valueEnd(field, { bytes, view }, 0) === bytes.length;
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** The size of the packed zero or empty value. */
function zeroBytes(field: FieldSchema): number {
  return field.type === 'text' || field.type === 'bytes' || field.type === 'list' ? 2 : fieldSizeBytesMax(field);
}

/** Of several values for one key the first stays: the newest. */
function withoutRepeats(entries: readonly ForeignField[]): ForeignField[] {
  const seen = new Set<string>();
  return entries.filter((entry) => {
    const key = foreignKey(keyOfForeign(entry));
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sizeBytes, part) => sizeBytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
