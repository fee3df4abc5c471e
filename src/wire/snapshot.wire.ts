/**
 * SNAPSHOT, little-endian. The server writes it in the observe phase; this is the reader, and a plain writer for tests
 * and tools.
 *
 *   ┌────┬───────┬──────┬───────────────┬────────────┬───────┬─ if self ───────────────────────────────┐
 *   │ 17 │ flags │ tick │ inputSequence │ durableLag │ parts │ alias · x f32 · z f32 · vx f32 · vz f32 │
 *   │ u8 │ u8    │ u32  │ u32           │ u8         │ u8    │ u8                                      │
 *   └────┴───────┴──────┴───────────────┴────────────┴───────┴─────────────────────────────────────────┘
 *   Then the parts whose bit is set, in this order, each a u8 count and so many entries:
 *   1  leaves   alias u8
 *   2  enters   alias u8 · id u32 low · id u32 high · kind u8 · x i32 cm · z i32 cm · components
 *   4  moves    alias u8 · dx i8 cm · dz i8 cm
 *   8  jumps    alias u8 · x i32 cm · z i32 cm
 *   16 turns    alias u8 · dx i8 cm · dz i8 cm · vx i16 · vz i16
 *   32 changes  alias u8 · component u8 · [fieldMask ceil(fields / 8) bytes] · its fields
 *   64 events   alias u8 · event u8 · its fields
 *
 * The component's byte has CHANGE_MASKED set when a mask follows: bit i % 8 of byte i / 8 for each field i that is there.
 */
import { counterOf, entityIdFrom, incarnationOf, INCARNATION_MAX } from '../base/brand.ts';
import type { EntityId } from '../base/brand.ts';
import { WireError } from '../base/errors.ts';
import { packField, readField, readerOver, writerOver } from '../base/pack.ts';
import type { Reader, Values, Writer } from '../base/pack.ts';
import type { ComponentSchema, FieldSchema, KindSchema, Schema } from '../base/schema.ts';
import { packComponent, packedSizeBytesMax, sentComponents, unpackComponent } from './component.wire.ts';
import {
  readEnd,
  readF32,
  readI16,
  readI32,
  readI8,
  readU32,
  readU8,
  writeF32,
  writeI16,
  writeI32,
  writeI8,
  writeU32,
  writeU8,
} from './cursor.wire.ts';
import { MESSAGE } from './messages.ts';
import type { EnterEntry, Snapshot, TurnEntry } from './messages.ts';

export const SNAPSHOT_FLAG = { keyframe: 1, self: 2, resync: 4 } as const;
export const SNAPSHOT_PART = { leaves: 1, enters: 2, moves: 4, jumps: 8, turns: 16, changes: 32, events: 64 } as const;
/** type, flags, tick, inputSequence, durableLag, parts. */
export const SNAPSHOT_HEAD_BYTES = 12;
export const SNAPSHOT_PARTS_OFFSET_BYTES = 11;
export const DURABLE_LAG_MAX = 255;
export const SNAPSHOT_SELF_BYTES = 17;
/** Without its components. */
export const SNAPSHOT_ENTER_BYTES = 18;
export const SNAPSHOT_MOVE_BYTES = 3;
export const SNAPSHOT_JUMP_BYTES = 9;
export const SNAPSHOT_TURN_BYTES = 7;
/** In the byte of a changed component: only the fields of a mask follow. */
export const CHANGE_MASKED = 0x80;
/** Entries of one sort in one snapshot: counts and aliases are one byte. */
export const SNAPSHOT_ENTRIES_MAX = 255;

const FLAGS_KNOWN = SNAPSHOT_FLAG.keyframe | SNAPSHOT_FLAG.self | SNAPSHOT_FLAG.resync;
const PARTS_KNOWN = Object.values(SNAPSHOT_PART).reduce((bits, bit) => bits | bit, 0);
const COUNTS_BYTES = Object.keys(SNAPSHOT_PART).length;

type ChangeEntry = Snapshot['changes'][number];
export type SnapshotHead = Pick<Snapshot, 'keyframe' | 'resync' | 'tick' | 'inputSequence' | 'durableLag'>;

/** What a snapshot says, in its order. The head comes first; `self` only if the client has an entity. */
export interface SnapshotVisitor {
  head(head: SnapshotHead): void;
  self(alias: number, motion: { x: number; z: number; vx: number; vz: number }): void;
  leave(alias: number): void;
  enter(enter: EnterEntry): void;
  move(alias: number, dxCm: number, dzCm: number): void;
  jump(alias: number, xCm: number, zCm: number): void;
  turn(turn: TurnEntry): void;
  change(alias: number, component: number, values: Values): void;
  event(alias: number, event: number, values: Values): void;
}

/** @throws WireError; a snapshot that was not read to its end must not be applied. */
export function decodeSnapshot(bytes: Uint8Array, schema: Schema): Snapshot {
  const collector = new Collector();
  visitSnapshot(bytes, schema, collector);
  const { headRead } = collector;
  const { selfRead: self, leaves, enters, moves, jumps, turns, changes, events } = collector;
  return { type: 'snapshot', ...headRead, self, leaves, enters, moves, jumps, turns, changes, events };
}

/**
 * Reads a snapshot without building it.
 * @throws WireError, when part of it may have been visited already.
 */
export function visitSnapshot(bytes: Uint8Array, schema: Schema, visitor: SnapshotVisitor): void {
  const reader = readerOver(bytes);
  const type = readU8(reader);
  if (type !== MESSAGE.snapshot) throw new WireError('ERR_WIRE_TYPE', `type ${MESSAGE.snapshot} expected, got ${type}`);
  const flags = readU8(reader);
  if ((flags & ~FLAGS_KNOWN) !== 0) throw new WireError('ERR_WIRE_RANGE', `unknown snapshot flags ${flags}`);
  const tick = readU32(reader);
  const inputSequence = readU32(reader);
  const keyframe = (flags & SNAPSHOT_FLAG.keyframe) !== 0;
  const resync = (flags & SNAPSHOT_FLAG.resync) !== 0;
  if (keyframe && resync) throw new WireError('ERR_WIRE_RANGE', 'a keyframe continues nothing');
  const durableLag = readU8(reader);
  const parts = readU8(reader);
  if ((parts & ~PARTS_KNOWN) !== 0) throw new WireError('ERR_WIRE_RANGE', `unknown snapshot parts ${parts}`);
  visitor.head({ keyframe, resync, tick, inputSequence, durableLag });
  const ownAlias = (flags & SNAPSHOT_FLAG.self) === 0 ? 0 : visitSelf(reader, visitor);
  const countOf = (part: number): number => ((parts & part) === 0 ? 0 : readU8(reader));
  for (let count = countOf(SNAPSHOT_PART.leaves); count > 0; count--) visitor.leave(readAlias(reader));
  for (let count = countOf(SNAPSHOT_PART.enters); count > 0; count--)
    visitor.enter(readEnter(reader, schema, ownAlias));
  for (let count = countOf(SNAPSHOT_PART.moves); count > 0; count--) {
    const alias = readAlias(reader);
    const dxCm = readI8(reader);
    visitor.move(alias, dxCm, readI8(reader));
  }
  for (let count = countOf(SNAPSHOT_PART.jumps); count > 0; count--) {
    const alias = readAlias(reader);
    const xCm = readI32(reader);
    visitor.jump(alias, xCm, readI32(reader));
  }
  for (let count = countOf(SNAPSHOT_PART.turns); count > 0; count--) {
    const alias = readAlias(reader);
    const dxCm = readI8(reader);
    const dzCm = readI8(reader);
    const vx = readI16(reader);
    visitor.turn({ alias, dxCm, dzCm, vx, vz: readI16(reader) });
  }
  for (let count = countOf(SNAPSHOT_PART.changes); count > 0; count--) visitChange(reader, schema, visitor);
  for (let count = countOf(SNAPSHOT_PART.events); count > 0; count--) {
    const alias = readAlias(reader);
    const event = readU8(reader);
    visitor.event(alias, event, readEvent(reader, schema, event));
  }
  readEnd(reader);
}

/** @throws WireError ERR_WIRE_RANGE when there are too many entries of a sort, or a value that the schema forbids. */
export function encodeSnapshot(snapshot: Snapshot, schema: Schema): Uint8Array {
  const { self } = snapshot;
  const writer = writerOver(new Uint8Array(snapshotSizeBytesMax(snapshot, schema)));
  writeU8(writer, MESSAGE.snapshot);
  const kind = snapshot.keyframe ? SNAPSHOT_FLAG.keyframe : snapshot.resync ? SNAPSHOT_FLAG.resync : 0;
  writeU8(writer, kind | (self === undefined ? 0 : SNAPSHOT_FLAG.self));
  writeU32(writer, snapshot.tick);
  writeU32(writer, snapshot.inputSequence);
  writeU8(writer, snapshot.durableLag);
  writeU8(writer, partsOf(snapshot));
  if (self !== undefined) {
    writeU8(writer, self.alias);
    for (const value of [self.x, self.z, self.vx, self.vz]) writeF32(writer, value);
  }
  writeEntries(writer, snapshot.leaves, (alias) => writeU8(writer, alias));
  writeEntries(writer, snapshot.enters, (enter) => writeEnter(writer, enter, { schema, ownAlias: self?.alias ?? 0 }));
  writeEntries(writer, snapshot.moves, (move) => {
    writeU8(writer, move.alias);
    writeI8(writer, move.dxCm);
    writeI8(writer, move.dzCm);
  });
  writeEntries(writer, snapshot.jumps, (jump) => {
    writeU8(writer, jump.alias);
    writeI32(writer, jump.xCm);
    writeI32(writer, jump.zCm);
  });
  writeEntries(writer, snapshot.turns, (turn) => {
    writeU8(writer, turn.alias);
    writeI8(writer, turn.dxCm);
    writeI8(writer, turn.dzCm);
    writeI16(writer, turn.vx);
    writeI16(writer, turn.vz);
  });
  writeEntries(writer, snapshot.changes, (change) => writeChange(writer, change, schema));
  writeEntries(writer, snapshot.events, (event) => {
    writeU8(writer, event.alias);
    writeU8(writer, event.event);
    for (const field of eventAt(schema, event.event).fields) packField(field, event.values[field.name], writer);
  });
  return writer.target.slice(0, writer.at);
}

function partsOf(snapshot: Snapshot): number {
  let parts = 0;
  for (const [name, bit] of Object.entries(SNAPSHOT_PART)) {
    if (snapshot[name as keyof typeof SNAPSHOT_PART].length > 0) parts |= bit;
  }
  return parts;
}

export function fieldMaskBytes(component: { readonly fields: readonly unknown[] }): number {
  return Math.ceil(component.fields.length / 8);
}

export function kindAt(schema: Schema, index: number): KindSchema {
  const kind = schema.kinds[index];
  if (kind === undefined) throw new WireError('ERR_WIRE_RANGE', `kind ${index} of ${schema.kinds.length}`);
  return kind;
}

export function componentAt(schema: Schema, index: number): Schema['components'][number] {
  const component = schema.components[index];
  if (component === undefined)
    throw new WireError('ERR_WIRE_RANGE', `component ${index} of ${schema.components.length}`);
  return component;
}

export function eventAt(schema: Schema, index: number): Schema['events'][number] {
  const event = schema.events[index];
  if (event === undefined) throw new WireError('ERR_WIRE_RANGE', `event ${index} of ${schema.events.length}`);
  return event;
}

/** @throws WireError ERR_WIRE_RANGE for 0 and for ids that no node can have given. */
export function entityIdOf(low: number, high: number): EntityId {
  if (high > INCARNATION_MAX || (high === 0 && low === 0)) {
    throw new WireError('ERR_WIRE_RANGE', `not an entity id: ${high}:${low}`);
  }
  return entityIdFrom(high, low);
}

class Collector implements SnapshotVisitor {
  headRead: SnapshotHead = { keyframe: false, resync: false, tick: 0, inputSequence: 0, durableLag: 0 };
  selfRead: Snapshot['self'];
  readonly leaves: Snapshot['leaves'][number][] = [];
  readonly enters: EnterEntry[] = [];
  readonly moves: Snapshot['moves'][number][] = [];
  readonly jumps: Snapshot['jumps'][number][] = [];
  readonly turns: TurnEntry[] = [];
  readonly changes: Snapshot['changes'][number][] = [];
  readonly events: Snapshot['events'][number][] = [];

  head(head: SnapshotHead): void {
    this.headRead = head;
  }
  self(alias: number, { x, z, vx, vz }: { x: number; z: number; vx: number; vz: number }): void {
    this.selfRead = { alias, x, z, vx, vz };
  }
  leave(alias: number): void {
    this.leaves.push(alias);
  }
  enter(enter: EnterEntry): void {
    this.enters.push(enter);
  }
  move(alias: number, dxCm: number, dzCm: number): void {
    this.moves.push({ alias, dxCm, dzCm });
  }
  jump(alias: number, xCm: number, zCm: number): void {
    this.jumps.push({ alias, xCm, zCm });
  }
  turn(turn: TurnEntry): void {
    this.turns.push(turn);
  }
  change(alias: number, component: number, values: Values): void {
    this.changes.push({ alias, component, values });
  }
  event(alias: number, event: number, values: Values): void {
    this.events.push({ alias, event, values });
  }
}

function readAlias(reader: Reader): number {
  const alias = readU8(reader);
  if (alias === 0) throw new WireError('ERR_WIRE_RANGE', 'alias 0 is no entity');
  return alias;
}

/** Returns the own entity's alias. */
function visitSelf(reader: Reader, visitor: SnapshotVisitor): number {
  const alias = readU8(reader);
  const x = readF32(reader);
  const z = readF32(reader);
  const vx = readF32(reader);
  const vz = readF32(reader);
  visitor.self(alias, { x, z, vx, vz });
  return alias;
}

function readEnter(reader: Reader, schema: Schema, ownAlias: number): EnterEntry {
  const alias = readAlias(reader);
  const low = readU32(reader);
  const id = entityIdOf(low, readU32(reader));
  const kind = readU8(reader);
  const xCm = readI32(reader);
  const zCm = readI32(reader);
  const components = new Map<number, Values>();
  for (const component of sentComponents(schema, kindAt(schema, kind), { own: alias === ownAlias })) {
    components.set(component.index, unpackComponent(component.fields, reader));
  }
  return { alias, id, kind, xCm, zCm, components };
}

function visitChange(reader: Reader, schema: Schema, visitor: SnapshotVisitor): void {
  const alias = readAlias(reader);
  const byte = readU8(reader);
  const component = componentAt(schema, byte & ~CHANGE_MASKED);
  const fields = (byte & CHANGE_MASKED) === 0 ? component.fields : readFieldMask(reader, component);
  visitor.change(alias, component.index, unpackComponent(fields, reader));
}

/** The fields that a mask names, in order. */
function readFieldMask(reader: Reader, component: ComponentSchema): FieldSchema[] {
  const { fields } = component;
  const named: FieldSchema[] = [];
  for (let first = 0; first < fields.length; first += 8) {
    const bits = readU8(reader);
    if (bits >>> Math.min(8, fields.length - first) !== 0) {
      throw new WireError('ERR_WIRE_RANGE', `"${component.name}" has ${fields.length} fields, and a mask names more`);
    }
    named.push(...fields.slice(first, first + 8).filter((_, index) => ((bits >>> index) & 1) === 1));
  }
  return named;
}

function readEvent(reader: Reader, schema: Schema, event: number): Values {
  const values: Values = {};
  for (const field of eventAt(schema, event).fields) values[field.name] = readField(field, reader);
  return values;
}

function writeEntries<Entry>(writer: Writer, entries: readonly Entry[], write: (entry: Entry) => void): void {
  if (entries.length > SNAPSHOT_ENTRIES_MAX) {
    throw new WireError('ERR_WIRE_RANGE', `${entries.length} entries of one sort, at most ${SNAPSHOT_ENTRIES_MAX}`);
  }
  if (entries.length === 0) return;
  writeU8(writer, entries.length);
  for (const entry of entries) write(entry);
}

function writeEnter(
  writer: Writer,
  enter: EnterEntry,
  { schema, ownAlias }: { schema: Schema; ownAlias: number },
): void {
  writeU8(writer, enter.alias);
  writeU32(writer, counterOf(enter.id));
  writeU32(writer, incarnationOf(enter.id));
  writeU8(writer, enter.kind);
  writeI32(writer, enter.xCm);
  writeI32(writer, enter.zCm);
  for (const component of sentComponents(schema, kindAt(schema, enter.kind), { own: enter.alias === ownAlias })) {
    packComponent(component.fields, enter.components.get(component.index) ?? {}, writer);
  }
}

/** All fields, or those that have a value behind a mask. */
function writeChange(writer: Writer, { alias, component: index, values }: ChangeEntry, schema: Schema): void {
  const component = componentAt(schema, index);
  const named = component.fields.filter((field) => values[field.name] !== undefined);
  const isMasked = named.length < component.fields.length;
  writeU8(writer, alias);
  writeU8(writer, isMasked ? index | CHANGE_MASKED : index);
  if (isMasked) writeFieldMask(writer, component, named);
  packComponent(named, values, writer);
}

function writeFieldMask(writer: Writer, { fields }: ComponentSchema, named: readonly FieldSchema[]): void {
  for (let first = 0; first < fields.length; first += 8) {
    let bits = 0;
    fields.slice(first, first + 8).forEach((field, bit) => {
      if (named.includes(field)) bits |= 1 << bit;
    });
    writeU8(writer, bits);
  }
}

function snapshotSizeBytesMax(snapshot: Snapshot, schema: Schema): number {
  let sizeBytes = SNAPSHOT_HEAD_BYTES + SNAPSHOT_SELF_BYTES + COUNTS_BYTES + snapshot.leaves.length;
  sizeBytes += snapshot.turns.length * SNAPSHOT_TURN_BYTES;
  sizeBytes += snapshot.moves.length * SNAPSHOT_MOVE_BYTES + snapshot.jumps.length * SNAPSHOT_JUMP_BYTES;
  for (const enter of snapshot.enters) {
    sizeBytes += SNAPSHOT_ENTER_BYTES;
    for (const index of kindAt(schema, enter.kind).components) {
      sizeBytes += packedSizeBytesMax(componentAt(schema, index).fields, enter.components.get(index) ?? {});
    }
  }
  for (const change of snapshot.changes) {
    const component = componentAt(schema, change.component);
    sizeBytes += 2 + fieldMaskBytes(component) + packedSizeBytesMax(component.fields, change.values);
  }
  for (const event of snapshot.events) {
    sizeBytes += 2 + packedSizeBytesMax(eventAt(schema, event.event).fields, event.values);
  }
  return sizeBytes;
}
