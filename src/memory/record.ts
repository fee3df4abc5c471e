/**
 * The record: the one serialization of an entity, for everything that leaves the store. The frame is drawn in
 * record-header.ts; its body is the row and then the foreign fields. The row, little-endian and without padding:
 *
 *   x f32 · z f32 · vx f32 · vz f32 · then the fields of each component of the kind, in index order
 *     scalars as they stand in their column · entity: u32 low, u32 high · text, bytes: u16 length, data · list: u16 count, items
 *
 * This is also the layout of spawn's start values (row.ts). A field of type entity whose column holds no id is written as 0.
 *
 * Every entity whose position and velocity are finite can be encoded, and whatever was encoded can be decoded.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { assert } from '../base/assert.ts';
import { COUNTER_RANGE, INCARNATION_MAX, entityIdFrom } from '../base/brand.ts';
import type { EntityId } from '../base/brand.ts';
import { RecordError } from '../base/errors.ts';
import type { Schema } from '../base/schema.ts';
import { BytesColumn, ListColumn, TextColumn } from './accessors.ts';
import type { AnyColumn, ColumnSet } from './columns.ts';
import { readForeign } from './record-foreign.ts';
import {
  RECORD_FRAME_BYTES,
  RECORD_HEADER_BYTES,
  readRecordHeader,
  sealRecord,
  writeRecordHeader,
} from './record-header.ts';
import type { RecordHeader } from './record-header.ts';
import { rowLayouts, valueEnd } from './record-schema.ts';
import type { RowLayout, SchemaRegistry } from './record-schema.ts';
import { translate } from './record-translate.ts';

export { RECORD_BODY_BYTES_MAX, RECORD_FORMAT, RECORD_FRAME_BYTES } from './record-header.ts';
export { SchemaRegistry } from './record-schema.ts';

const MOTION_BYTES = 16;
/** Bodies below this are not worth deflating: a typical player has 100 to 300 bytes. */
export const COMPRESS_BYTES_MIN = 1024;

/** Encodes entities of one store. Allocates only when a body is large enough to be compressed. */
export class RecordEncoder {
  readonly #columns: ColumnSet;
  readonly #kinds: readonly { readonly layout: RowLayout; readonly columns: readonly AnyColumn[] }[];
  readonly #header: RecordHeader;
  readonly #compressBytesMin: number;
  #target: Uint8Array = new Uint8Array();
  #view = new DataView(this.#target.buffer);
  #at = 0;

  constructor(
    { schema, columns }: { schema: Schema; columns: ColumnSet },
    { compressBytesMin = COMPRESS_BYTES_MIN }: { compressBytesMin?: number } = {},
  ) {
    this.#columns = columns;
    this.#compressBytesMin = compressBytesMin;
    this.#kinds = rowLayouts(schema).map((layout) => ({
      layout,
      columns: layout.fields.map(({ component, index }) => columns.components[component]!.inOrder[index]!),
    }));
    this.#header = {
      compressed: false,
      schemaVersion: schema.version,
      schemaHash: schema.hash,
      kind: 0,
      idLow: 0,
      idHigh: 0,
      ownershipSeq: 0,
      componentMask: 0,
      rowBytes: 0,
      foreignBytes: 0,
      bodyBytes: 0,
    };
  }

  /** How many bytes the entity's record takes at most: exactly so many unless it is compressed. */
  sizeBytes(slot: number): number {
    return RECORD_FRAME_BYTES + this.#rowBytes(slot) + this.#columns.foreign.sizeBytes(slot);
  }

  /**
   * Writes the record of the entity in `slot` to the start of `target` and returns its size in bytes.
   * @throws RecordError ERR_RECORD_SIZE when the target is too small, ERR_RECORD_RANGE when it is nowhere or not at a finite speed.
   */
  encode(slot: number, target: Uint8Array): number {
    const columns = this.#columns;
    const id = columns.id[slot]!;
    assert(id > 0, 'only an entity has a record');
    const header = this.#header;
    header.rowBytes = this.#rowBytes(slot);
    header.foreignBytes = columns.foreign.sizeBytes(slot);
    const sizeBytes = header.rowBytes + header.foreignBytes;
    if (RECORD_FRAME_BYTES + sizeBytes > target.length) {
      throw new RecordError(
        'ERR_RECORD_SIZE',
        `the record takes ${RECORD_FRAME_BYTES + sizeBytes} bytes, there is room for ${target.length}`,
      );
    }
    if (target !== this.#target) {
      this.#target = target;
      this.#view = new DataView(target.buffer, target.byteOffset, target.byteLength);
    }
    this.#writeRow(slot);
    copy(columns.foreign.heap.bytes, columns.foreign.offsetBytes(slot), {
      target,
      at: this.#at,
      sizeBytes: header.foreignBytes,
    });
    const { layout } = this.#kinds[columns.kind[slot]!]!;
    header.kind = layout.kind.index;
    header.componentMask = layout.kind.componentMask;
    header.idLow = id % COUNTER_RANGE;
    header.idHigh = Math.floor(id / COUNTER_RANGE);
    header.ownershipSeq = columns.ownershipSeq[slot]!;
    header.bodyBytes = sizeBytes;
    header.compressed = sizeBytes >= this.#compressBytesMin && this.#compress(header);
    writeRecordHeader(this.#view, header);
    return sealRecord(target, this.#view, header.bodyBytes);
  }

  #rowBytes(slot: number): number {
    const { layout, columns } = this.#kinds[this.#columns.kind[slot]!]!;
    let sizeBytes = MOTION_BYTES;
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index]!;
      if (column instanceof ListColumn) sizeBytes += Math.max(2, column.sizeBytes(slot));
      else if (column instanceof TextColumn) sizeBytes += 2 + column.bytes.length(slot);
      else if (column instanceof BytesColumn) sizeBytes += 2 + column.length(slot);
      else sizeBytes += layout.fields[index]!.field.type === 'entity' ? 8 : column.BYTES_PER_ELEMENT;
    }
    return sizeBytes;
  }

  #writeRow(slot: number): void {
    const { x, z, vx, vz, kind } = this.#columns;
    const view = this.#view;
    const isFinite = Number.isFinite(x[slot]! + z[slot]!) && Number.isFinite(vx[slot]! + vz[slot]!);
    if (!isFinite) {
      throw new RecordError(
        'ERR_RECORD_RANGE',
        `position ${x[slot]}, ${z[slot]}, velocity ${vx[slot]}, ${vz[slot]} is not finite`,
      );
    }
    view.setFloat32(RECORD_HEADER_BYTES, x[slot]!, true);
    view.setFloat32(RECORD_HEADER_BYTES + 4, z[slot]!, true);
    view.setFloat32(RECORD_HEADER_BYTES + 8, vx[slot]!, true);
    view.setFloat32(RECORD_HEADER_BYTES + 12, vz[slot]!, true);
    this.#at = RECORD_HEADER_BYTES + MOTION_BYTES;
    const { layout, columns } = this.#kinds[kind[slot]!]!;
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index]!;
      if (column instanceof ListColumn) this.#writeList(column, slot);
      else if (column instanceof TextColumn) this.#writeBytes(column.bytes, slot);
      else if (column instanceof BytesColumn) this.#writeBytes(column, slot);
      else if (layout.fields[index]!.field.type === 'entity') this.#writeEntity(column[slot]!);
      else this.#writeScalar(column, slot);
    }
  }

  #writeScalar(column: Exclude<AnyColumn, TextColumn | BytesColumn | ListColumn>, slot: number): void {
    const view = this.#view;
    const at = this.#at;
    if (column instanceof Float32Array) view.setFloat32(at, column[slot]!, true);
    else if (column instanceof Float64Array) view.setFloat64(at, column[slot]!, true);
    else if (column.BYTES_PER_ELEMENT === 4) view.setInt32(at, column[slot]!, true);
    else if (column.BYTES_PER_ELEMENT === 2) view.setInt16(at, column[slot]!, true);
    else view.setInt8(at, column[slot]!);
    this.#at = at + column.BYTES_PER_ELEMENT;
  }

  #writeEntity(value: number): void {
    const id = Number.isSafeInteger(value) && value > 0 ? value : 0;
    this.#view.setUint32(this.#at, id % COUNTER_RANGE, true);
    this.#view.setUint32(this.#at + 4, Math.floor(id / COUNTER_RANGE), true);
    this.#at += 8;
  }

  #writeBytes(column: BytesColumn, slot: number): void {
    const sizeBytes = 2 + column.length(slot);
    copy(column.raw, slot * column.rowBytes, { target: this.#target, at: this.#at, sizeBytes });
    this.#at += sizeBytes;
  }

  #writeList(column: ListColumn, slot: number): void {
    const sizeBytes = column.sizeBytes(slot);
    if (sizeBytes === 0) {
      this.#view.setUint16(this.#at, 0, true);
      this.#at += 2;
      return;
    }
    copy(column.heap.bytes, column.offsetBytes(slot), { target: this.#target, at: this.#at, sizeBytes });
    this.#at += sizeBytes;
  }

  /** Puts the compressed body in place of the body if it is smaller. */
  #compress(header: RecordHeader): boolean {
    const first = RECORD_HEADER_BYTES;
    const packed = deflateRawSync(this.#target.slice(first, first + header.bodyBytes));
    if (packed.length >= header.bodyBytes) return false;
    this.#target.set(packed, first);
    header.bodyBytes = packed.length;
    return true;
  }
}

/** An entity out of its record, laid out by this process's own schema. */
export interface DecodedRecord {
  readonly id: EntityId;
  readonly ownershipSeq: number;
  readonly layout: RowLayout;
  /** Index of the kind in the own schema. */
  readonly kind: number;
  /** The version that the record was written by. */
  readonly schemaVersion: number;
  readonly x: number;
  readonly z: number;
  readonly vx: number;
  readonly vz: number;
  /** As drawn above. */
  readonly row: Uint8Array;
  /** Empty, or for the column `foreign`. */
  readonly foreign: Uint8Array;
}

/**
 * Reads a record of this schema or a neighbouring version. Trusts nothing.
 * @throws RecordError with the code that says what is wrong; no other error.
 */
export function decodeRecord(bytes: Uint8Array, registry: SchemaRegistry): DecodedRecord {
  const header = readRecordHeader(bytes);
  const layouts = registry.layouts({ version: header.schemaVersion, hash: header.schemaHash });
  const source = layouts[header.kind];
  if (source === undefined || source.kind.componentMask !== header.componentMask) {
    throw new RecordError(
      'ERR_RECORD_RANGE',
      `kind ${header.kind} with components ${header.componentMask} does not exist`,
    );
  }
  if (header.idHigh > INCARNATION_MAX || header.idLow + header.idHigh === 0) {
    throw new RecordError('ERR_RECORD_RANGE', `entity id ${header.idHigh}:${header.idLow} cannot be`);
  }
  const body = inflate(bytes, header);
  const row = body.subarray(0, header.rowBytes);
  const motion = readMotion(row);
  checkFields(source, row);
  const own = source.schema === registry.own ? source : registry.ownLayout(source.kind.name);
  const decoded = {
    id: entityIdFrom(header.idHigh, header.idLow),
    ownershipSeq: header.ownershipSeq,
    layout: own,
    kind: own.kind.index,
    schemaVersion: header.schemaVersion,
    ...motion,
  };
  const foreign = body.subarray(header.rowBytes);
  if (own === source) {
    readForeign(foreign);
    return { ...decoded, row, foreign };
  }
  const isOlder = source.schema.version < registry.own.version;
  const translated = translate({
    source,
    target: own,
    fields: row.subarray(MOTION_BYTES),
    foreign,
    migration: isOlder ? registry.migrations[source.schema.version] : undefined,
  });
  const ownRow = new Uint8Array(MOTION_BYTES + translated.fields.length);
  ownRow.set(row.subarray(0, MOTION_BYTES));
  ownRow.set(translated.fields, MOTION_BYTES);
  return { ...decoded, row: ownRow, foreign: translated.foreign };
}

/** The body, as a copy. */
function inflate(bytes: Uint8Array, header: RecordHeader): Uint8Array {
  const stored = bytes.slice(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + header.bodyBytes);
  if (!header.compressed) return stored;
  const sizeBytes = header.rowBytes + header.foreignBytes;
  try {
    const body = inflateRawSync(stored, { maxOutputLength: Math.max(1, sizeBytes) });
    if (body.length === sizeBytes) return new Uint8Array(body.buffer, body.byteOffset, body.length);
    throw new RecordError('ERR_RECORD_SIZE', `the body inflates to ${body.length} bytes, the header says ${sizeBytes}`);
  } catch (cause) {
    if (cause instanceof RecordError) throw cause;
    throw new RecordError('ERR_RECORD_COMPRESSION', `the body does not inflate: ${String(cause)}`, { cause });
  }
}

function readMotion(row: Uint8Array): { x: number; z: number; vx: number; vz: number } {
  if (row.length < MOTION_BYTES) throw new RecordError('ERR_RECORD_TRUNCATED', `a row of ${row.length} bytes`);
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
  const at = (offset: number): number => {
    const value = view.getFloat32(offset, true);
    if (!Number.isFinite(value)) throw new RecordError('ERR_RECORD_RANGE', 'position and velocity must be finite');
    return value;
  };
  return { x: at(0), z: at(4), vx: at(8), vz: at(12) };
}

function checkFields({ fields }: RowLayout, row: Uint8Array): void {
  const source = { bytes: row, view: new DataView(row.buffer, row.byteOffset, row.byteLength) };
  let at = MOTION_BYTES;
  for (const { field, path } of fields) {
    const end = valueEnd(field, source, at);
    if (end < 0) throw new RecordError('ERR_RECORD_RANGE', `"${path}" holds no valid value`);
    at = end;
  }
  if (at !== row.length)
    throw new RecordError('ERR_RECORD_SIZE', `${row.length - at} bytes after the last field of the row`);
}

/**
 * Writes everything that a record holds into the row of `slot`: id, ownershipSeq, kind, motion, components, foreign fields.
 * The caller gives it its place in the world (cell, lists, id map); see entities.ts.
 * @throws CapacityError when the heap is full; the row then holds a part: clear its components.
 */
export function applyRecord(columns: ColumnSet, slot: number, decoded: DecodedRecord): void {
  columns.id[slot] = decoded.id;
  columns.ownershipSeq[slot] = decoded.ownershipSeq;
  columns.kind[slot] = decoded.kind;
  columns.x[slot] = decoded.x;
  columns.z[slot] = decoded.z;
  columns.vx[slot] = decoded.vx;
  columns.vz[slot] = decoded.vz;
  const { row } = decoded;
  const source = { bytes: row, view: new DataView(row.buffer, row.byteOffset, row.byteLength) };
  let at = MOTION_BYTES;
  for (const { field, component, index } of decoded.layout.fields) {
    const end = valueEnd(field, source, at);
    assert(end > 0, 'a decoded row is valid');
    const column = columns.components[component]!.inOrder[index]!;
    if (column instanceof ListColumn) column.setPacked(slot, end - at > 2 ? row.subarray(at, end) : row.subarray(0, 0));
    else if (column instanceof TextColumn) column.bytes.set(slot, row.subarray(at + 2, end));
    else if (column instanceof BytesColumn) column.set(slot, row.subarray(at + 2, end));
    else column[slot] = readScalar(source.view, at, { column, isEntity: field.type === 'entity' });
    at = end;
  }
  columns.foreign.setPacked(slot, decoded.foreign);
}

function readScalar(
  view: DataView,
  at: number,
  { column, isEntity }: { column: Exclude<AnyColumn, TextColumn | BytesColumn | ListColumn>; isEntity: boolean },
): number {
  if (isEntity) return entityIdFrom(view.getUint32(at + 4, true), view.getUint32(at, true));
  if (column instanceof Float32Array) return view.getFloat32(at, true);
  if (column instanceof Float64Array) return view.getFloat64(at, true);
  // Storing to the column takes the low bits, so one signedness does for both.
  if (column.BYTES_PER_ELEMENT === 4) return view.getInt32(at, true);
  return column.BYTES_PER_ELEMENT === 2 ? view.getInt16(at, true) : view.getInt8(at);
}

/** Without a view of the range: `set` would need one. */
function copy(
  source: Uint8Array,
  first: number,
  { target, at, sizeBytes }: { target: Uint8Array; at: number; sizeBytes: number },
): void {
  for (let index = 0; index < sizeBytes; index++) target[at + index] = source[first + index]!;
}
