/**
 * The schemas whose records a process can read: its own, and those of other versions that it was told of.
 *
 * A record names its schema by version and hash. `RowLayout` lists the fields of a kind in the order of a row.
 */
import { isUtf8 } from 'node:buffer';
import { assert } from '../base/assert.ts';
import { INCARNATION_MAX } from '../base/brand.ts';
import { RecordError } from '../base/errors.ts';
import { fieldsSizeBytesMax, hashText, isScalar, scalarSizeBytes } from '../base/schema.ts';
import type { FieldSchema, KindSchema, Schema } from '../base/schema.ts';
import type { Migration } from '../base/world.ts';

/** Schemas beyond one's own; one back and one forward are of use, and development makes some more. */
export const SCHEMAS_MAX = 64;
/** How far a record's schema version may be from this process's. */
export const VERSION_DISTANCE_MAX = 1;

export interface RowField {
  /** `component.field`. */
  readonly path: string;
  readonly component: number;
  /** Index of the field in its component. */
  readonly index: number;
  readonly field: FieldSchema;
  readonly itemHash: number;
}

/** The fields of a kind, in the order in which a row holds them. */
export interface RowLayout {
  readonly schema: Schema;
  readonly kind: KindSchema;
  readonly fields: readonly RowField[];
}

export type Migrations = { readonly [fromVersion: number]: Migration };

export class SchemaRegistry {
  readonly own: Schema;
  readonly migrations: Migrations;
  readonly #layouts = new Map<number, readonly RowLayout[]>();

  constructor(own: Schema, migrations: Migrations = {}) {
    this.own = own;
    this.migrations = migrations;
    this.#layouts.set(own.hash, rowLayouts(own));
  }

  /**
   * Makes the records of another version of this world readable. The schema's shape must have been checked.
   * @throws RecordError ERR_RECORD_SCHEMA when it is of another world, its hash is not its own, or there are too many.
   */
  add(schema: Schema): void {
    if (this.#layouts.has(schema.hash)) return;
    if (schema.name !== this.own.name) {
      throw new RecordError('ERR_RECORD_SCHEMA', `a schema of world "${schema.name}", this is "${this.own.name}"`);
    }
    if (schema.hash !== hashOfSchema(schema)) {
      throw new RecordError('ERR_RECORD_SCHEMA', `a schema with hash ${schema.hash}, computed ${hashOfSchema(schema)}`);
    }
    if (this.#layouts.size > SCHEMAS_MAX) {
      throw new RecordError('ERR_RECORD_SCHEMA', `more than ${SCHEMAS_MAX} schemas; forget some of them by a restart`);
    }
    this.#layouts.set(schema.hash, rowLayouts(schema));
  }

  /** The layouts of a schema's kinds. @throws RecordError ERR_RECORD_VERSION or ERR_RECORD_SCHEMA. */
  layouts({ version, hash }: { version: number; hash: number }): readonly RowLayout[] {
    if (Math.abs(version - this.own.version) > VERSION_DISTANCE_MAX) {
      throw new RecordError(
        'ERR_RECORD_VERSION',
        `schema version ${version}; this process has ${this.own.version} and reads one back and one forward`,
      );
    }
    const layouts = this.#layouts.get(hash);
    if (layouts === undefined || layouts[0]?.schema.version !== version) {
      throw new RecordError('ERR_RECORD_SCHEMA', `schema ${hash} of version ${version} is not known here`);
    }
    return layouts;
  }

  /** The layout of one's own kind with this name. @throws RecordError ERR_RECORD_SCHEMA. */
  ownLayout(kindName: string): RowLayout {
    const layouts = this.#layouts.get(this.own.hash);
    assert(layouts !== undefined, 'the own schema is known');
    const layout = layouts.find((candidate) => candidate.kind.name === kindName);
    if (layout === undefined) throw new RecordError('ERR_RECORD_SCHEMA', `kind "${kindName}" is not in this schema`);
    return layout;
  }
}

export function rowLayouts(schema: Schema): RowLayout[] {
  return schema.kinds.map((kind) => ({
    schema,
    kind,
    fields: kind.components.flatMap((component) =>
      schema.components[component]!.fields.map((field, index) => ({
        path: `${schema.components[component]!.name}.${field.name}`,
        component,
        index,
        field,
        itemHash: itemHash(field),
      })),
    ),
  }));
}

/** The hash that a schema of this content has. */
export function hashOfSchema({ name, version, components, kinds, input, events }: Schema): number {
  return hashText(JSON.stringify({ name, version, components, kinds, input, events }));
}

/** Of a list, what its items are made of; lists with equal hashes have items of one layout. Otherwise 0. */
function itemHash(field: FieldSchema): number {
  if (field.type !== 'list') return 0;
  return hashText((field.item ?? []).map((item) => `${item.name}:${item.type}`).join());
}

/**
 * Where the value of a field that starts at `at` ends, or -1 when there is no valid value before `end`. Scalars of a
 * row may have any bits, as a column may; items of a list are read by unpackFields, so they must satisfy it.
 */
export function valueEnd(
  field: FieldSchema,
  { bytes, view }: { bytes: Uint8Array; view: DataView },
  at: number,
): number {
  const end = bytes.length;
  if (isScalar(field.type)) {
    const after = at + scalarSizeBytes(field.type);
    if (after > end || (field.type === 'entity' && view.getUint32(at + 4, true) > INCARNATION_MAX)) return -1;
    return after;
  }
  if (at + 2 > end) return -1;
  const length = view.getUint16(at, true);
  if (field.type === 'list') return listEnd(field, { view, end, length }, at + 2);
  const after = at + 2 + length;
  if (length > (field.bytesMax ?? 0) || after > end) return -1;
  return field.type === 'text' && !isUtf8(bytes.subarray(at + 2, after)) ? -1 : after;
}

function listEnd(
  field: FieldSchema,
  { view, end, length }: { view: DataView; end: number; length: number },
  first: number,
): number {
  const items = field.item ?? [];
  const after = first + length * fieldsSizeBytesMax(items);
  if (length > (field.countMax ?? 0) || after > end) return -1;
  let at = first;
  for (let index = 0; index < length; index++) {
    for (const item of items) {
      assert(isScalar(item.type), 'items hold scalars');
      if (item.type === 'f32' && !Number.isFinite(view.getFloat32(at, true))) return -1;
      if (item.type === 'f64' && !Number.isFinite(view.getFloat64(at, true))) return -1;
      if (item.type === 'entity' && view.getUint32(at + 4, true) > INCARNATION_MAX) return -1;
      at += scalarSizeBytes(item.type);
    }
  }
  return after;
}
