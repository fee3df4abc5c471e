/**
 * What this client has in view: applies snapshots in the order of docs/PROTOCOL.md (a keyframe clears; leaves, enters,
 * moves, jumps, turns, changes, events) as they are read, and says what changed. Who is not told of goes on with the velocity
 * it had (wire/motion.core.ts). An entity that a keyframe brings again stays the
 * same object: it neither leaves nor enters. A resync lets go of whoever it neither enters nor jumps.
 *
 * The keyframe of a new owner may not have room for all: who is not in it stays until a few snapshots later.
 *
 * What moves allocates nothing. A snapshot that does not fit was applied in part; only a keyframe helps then.
 */
import type { EntityId } from '../base/brand.ts';
import type { Values } from '../base/pack.ts';
import type { Schema } from '../base/schema.ts';
import type { EnterEntry, Snapshot } from '../wire/messages.ts';
import {
  CENTIMETRES_PER_METRE,
  OWN_TICKS_MAX,
  reckonCm,
  reckonOwn,
  velocityUnitsPerMetre,
} from '../wire/motion.core.ts';
import { visitSnapshot } from '../wire/snapshot.wire.ts';
import type { SnapshotHead, SnapshotVisitor } from '../wire/snapshot.wire.ts';
import { ClientError } from './errors.ts';
import { Track } from './interpolation.core.ts';
import type { Moment } from './interpolation.core.ts';
import type { ClientSnapshot } from './options.ts';

const ALIASES = 256;

/** The state behind an EntityOf<W>. */
export interface ViewEntity {
  readonly id: EntityId;
  kind: string;
  isSelf: boolean;
  x: number;
  z: number;
  vx: number;
  vz: number;
  renderX: number;
  renderZ: number;
  readonly components: Record<string, Values | undefined>;
}

export type ViewChange =
  | { readonly type: 'enter'; readonly entity: ViewEntity }
  | { readonly type: 'leave'; readonly entity: ViewEntity }
  | { readonly type: 'update'; readonly entity: ViewEntity; readonly component: string }
  | { readonly type: 'event'; readonly entity: ViewEntity; readonly name: string; readonly payload: Values };

/** One entry: the entity that programs see, and what only the view knows of it. */
interface Row {
  readonly entity: ViewEntity;
  /** Undefined when nothing is interpolated. */
  readonly track: Track | undefined;
  kindIndex: number;
  /** Where it was at `placedTick`, and its velocity since, in VELOCITY_UNITS. */
  xCm: number;
  zCm: number;
  vx: number;
  vz: number;
  placedTick: number;
}

export interface ApplyOptions {
  /** Whether this is the first snapshot of another node or connection: whom it does not tell of lingers. */
  readonly isNewOwner?: boolean;
  /** The tick that the server counted, in the count that goes on. */
  readonly placeTick?: (head: SnapshotHead) => number;
}

/**
 * A new owner has told all that are in view within this time, also one that has just been started and hears of its neighbours'
 * entities one after the other.
 */
const LINGER_SECONDS = 4;
const NO_CHANGES: readonly ViewChange[] = [];
const NO_OPTIONS: ApplyOptions = {};

export class View {
  readonly entities = new Map<EntityId, ViewEntity>();
  self: ViewEntity | undefined;
  /** Of the last snapshot: what it said of itself, and its tick in the count that goes on. */
  latest: SnapshotHead = { keyframe: false, resync: false, tick: 0, inputSequence: 0, durableLag: 0 };
  tick = 0;
  readonly #schema: Schema;
  readonly #lingerTicks: number;
  readonly #unitsPerMetre: number;
  readonly #dt: number;
  readonly #interpolates: boolean;
  readonly #rows = new Map<EntityId, Row>();
  readonly #byAlias: (Row | undefined)[] = Array.from({ length: ALIASES }, () => undefined);
  /** Without an alias: in view of the last owner, and not told by the new one yet. */
  readonly #lingering = new Map<EntityId, Row>();
  #lingersUntilTick = 0;
  #left: ViewChange[] = [];
  /** Who left in the snapshot that is being read: perhaps only to come again in another row of the server's. */
  readonly #leaving = new Map<EntityId, Row>();
  #entered: ViewChange[] = [];
  #later: ViewChange[] = [];
  /** In view before the keyframe or resync that is being read, and not told of by it. */
  #before: Map<EntityId, Row> | undefined;
  /** The same by alias, in a resync. */
  #beforeAliases: readonly (Row | undefined)[] = [];
  #options = NO_OPTIONS;
  #previousTick = 0;
  /** The own entity as last given, and when. */
  readonly #own = { alias: 0, x: 0, z: 0, vx: 0, vz: 0, tick: 0 };
  readonly #visitor: SnapshotVisitor = {
    head: (head) => this.#begin(head),
    self: (alias, motion) => Object.assign(this.#own, motion, { alias, tick: this.tick }),
    leave: (alias) => this.#leave(alias),
    enter: (enter) => this.#enter(enter),
    move: (alias, dxCm, dzCm) => this.#turn(alias, dxCm, dzCm, 0, 0),
    jump: (alias, xCm, zCm) => this.#place(this.#jumping(alias), xCm, zCm),
    turn: ({ alias, dxCm, dzCm, vx, vz }) => this.#turn(alias, dxCm, dzCm, vx, vz),
    change: (alias, component, values) => {
      this.#later.push(this.#change(this.#rowAt(alias, 'change'), component, values));
    },
    event: (alias, event, values) => this.#event(alias, event, values),
  };

  constructor(
    schema: Schema,
    { tickHz }: { tickHz: number },
    { interpolates = true }: { interpolates?: boolean } = {},
  ) {
    this.#schema = schema;
    this.#unitsPerMetre = velocityUnitsPerMetre(tickHz);
    this.#dt = Math.fround(1 / tickHz);
    this.#lingerTicks = LINGER_SECONDS * tickHz;
    this.#interpolates = interpolates;
  }

  /** What the last snapshot said, for the game. */
  get snapshot(): ClientSnapshot {
    const { inputSequence, durableLag } = this.latest;
    return { tick: this.tick, inputSequence, durableSequence: Math.max(0, inputSequence - durableLag) };
  }

  /** The index of the own entity's kind in the schema, or -1. */
  get selfKind(): number {
    return this.self === undefined ? -1 : (this.#rows.get(this.self.id)?.kindIndex ?? -1);
  }

  /**
   * Applies the bytes of a snapshot, or one that was read from JSON. What it changed waits in `takeChanges`, also
   * when this throws.
   * @throws ClientError ERR_CLIENT_PROTOCOL when it does not fit to what is in view, WireError when it cannot be read.
   */
  read(source: Uint8Array | Snapshot, options: ApplyOptions = NO_OPTIONS): void {
    this.#options = options;
    this.#previousTick = this.tick;
    try {
      if (source instanceof Uint8Array) visitSnapshot(source, this.#schema, this.#visitor);
      else visitDecoded(source, this.#visitor);
    } finally {
      this.#settleBefore();
      for (const row of this.#leaving.values()) this.#drop(row);
      this.#leaving.clear();
    }
    if (this.#lingering.size > 0 && this.tick >= this.#lingersUntilTick) this.#dropLingering();
    const ownRow = this.#own.alias === 0 ? undefined : this.#byAlias[this.#own.alias];
    for (const row of this.#rows.values()) {
      if (row !== ownRow) this.#goOn(row);
    }
    this.#settleSelf(ownRow);
  }

  /** What changed since the last call, in the order in which it is to be told. */
  takeChanges(): readonly ViewChange[] {
    if (this.#left.length + this.#entered.length + this.#later.length === 0) return NO_CHANGES;
    const changes = [...this.#left, ...this.#entered, ...this.#later];
    this.#left = [];
    this.#entered = [];
    this.#later = [];
    return changes;
  }

  /** `read`, and what it changed. */
  apply(source: Uint8Array | Snapshot, options: ApplyOptions = NO_OPTIONS): readonly ViewChange[] {
    this.read(source, options);
    return this.takeChanges();
  }

  /** Everything leaves: another world, or a session that ended. */
  clear(): readonly ViewChange[] {
    for (const row of this.#forget().values()) this.#drop(row);
    this.self = undefined;
    this.#own.alias = 0;
    this.#lingersUntilTick = 0;
    return this.takeChanges();
  }

  /** Sets renderX and renderZ of all but the own entity when it is `predicted`. Allocates nothing per entity. */
  draw(moment: Moment, predicted: boolean): void {
    for (const row of this.#rows.values()) {
      if (!predicted || !row.entity.isSelf) drawRow(row, moment);
    }
    if (this.#lingering.size === 0) return;
    for (const row of this.#lingering.values()) drawRow(row, moment);
  }

  #begin(head: SnapshotHead): void {
    this.latest = head;
    this.tick = this.#options.placeTick?.(head) ?? head.tick;
    if (head.resync) this.#lingersUntilTick = 0;
    else if (this.#options.isNewOwner === true) this.#lingersUntilTick = this.tick + this.#lingerTicks;
    if (!head.keyframe && !head.resync) return;
    this.#beforeAliases = head.resync ? [...this.#byAlias] : [];
    this.#before = this.#forget();
  }

  #leave(alias: number): void {
    // Whoever leaves in a resync is not told of by it.
    if (this.#beforeAliases[alias] !== undefined && this.#byAlias[alias] === undefined) return;
    const row = this.#rowAt(alias, 'leave');
    this.#byAlias[alias] = undefined;
    this.#rows.delete(row.entity.id);
    this.#leaving.set(row.entity.id, row);
  }

  #enter(enter: EnterEntry): void {
    if (this.#byAlias[enter.alias] !== undefined) throw inconsistent(`enter of alias ${enter.alias}, which is in use`);
    if (this.#rows.has(enter.id)) throw inconsistent(`enter of entity ${enter.id}, which is in view`);
    const kept = this.#before?.get(enter.id) ?? this.#lingering.get(enter.id) ?? this.#leaving.get(enter.id);
    this.#lingering.delete(enter.id);
    this.#leaving.delete(enter.id);
    const row = kept ?? this.#newRow(enter);
    row.kindIndex = enter.kind;
    row.entity.kind = this.#schema.kinds[enter.kind]?.name ?? '';
    this.#seat(row, enter.alias);
    this.entities.set(enter.id, row.entity);
    this.#place(row, enter.xCm, enter.zCm);
    if (kept === undefined) this.#entered.push({ type: 'enter', entity: row.entity });
    for (const [index, values] of enter.components) {
      const change = this.#change(row, index, values);
      if (kept !== undefined) this.#entered.push(change);
    }
  }

  /** In a resync, whoever jumps stays in view. */
  #jumping(alias: number): Row {
    const before = this.#byAlias[alias] === undefined ? this.#beforeAliases[alias] : undefined;
    if (before === undefined || this.#before?.has(before.entity.id) !== true) return this.#rowAt(alias, 'jump');
    this.#seat(before, alias);
    return before;
  }

  #seat(row: Row, alias: number): void {
    this.#before?.delete(row.entity.id);
    this.#byAlias[alias] = row;
    this.#rows.set(row.entity.id, row);
  }

  /** From where it was reckoned to be. */
  #turn(alias: number, dxCm: number, dzCm: number, vx: number, vz: number): void {
    const row = this.#rowAt(alias, 'move');
    const ticks = this.tick - row.placedTick;
    this.#place(row, reckonCm(row.xCm, row.vx, ticks) + dxCm, reckonCm(row.zCm, row.vz, ticks) + dzCm);
    row.vx = vx;
    row.vz = vz;
  }

  /** There it stands. */
  #place(row: Row, xCm: number, zCm: number): void {
    row.xCm = xCm;
    row.zCm = zCm;
    row.vx = 0;
    row.vz = 0;
    row.placedTick = this.tick;
  }

  #newRow(enter: EnterEntry): Row {
    const x = enter.xCm / CENTIMETRES_PER_METRE;
    const z = enter.zCm / CENTIMETRES_PER_METRE;
    const motion = { x, z, vx: 0, vz: 0, renderX: x, renderZ: z };
    return {
      entity: { id: enter.id, kind: '', isSelf: false, ...motion, components: {} },
      track: this.#interpolates ? new Track() : undefined,
      kindIndex: enter.kind,
      xCm: enter.xCm,
      zCm: enter.zCm,
      vx: 0,
      vz: 0,
      placedTick: this.tick,
    };
  }

  #change(row: Row, index: number, values: Values): ViewChange {
    const component = this.#schema.components[index];
    const name = component?.name ?? '';
    const before = row.entity.components[name];
    const isWhole = before === undefined || Object.keys(values).length === component?.fields.length;
    // A new object: who still holds the old one finds what it was.
    row.entity.components[name] = isWhole ? values : { ...before, ...values };
    return { type: 'update', entity: row.entity, component: name };
  }

  #event(alias: number, event: number, payload: Values): void {
    const { entity } = this.#rowAt(alias, 'event');
    this.#later.push({ type: 'event', entity, name: this.#schema.events[event]?.name ?? '', payload });
  }

  #forget(): Map<EntityId, Row> {
    const before = new Map(this.#rows);
    for (const [id, row] of this.#lingering) before.set(id, row);
    this.#rows.clear();
    this.#lingering.clear();
    this.#byAlias.fill(undefined);
    return before;
  }

  /** Who was in view before and is not told of: a new owner may still tell of it. */
  #settleBefore(): void {
    for (const row of this.#before?.values() ?? []) {
      if (this.tick < this.#lingersUntilTick) this.#lingering.set(row.entity.id, row);
      else this.#drop(row);
    }
    this.#before = undefined;
    this.#beforeAliases = [];
  }

  #dropLingering(): void {
    for (const row of this.#lingering.values()) this.#drop(row);
    this.#lingering.clear();
  }

  #drop(row: Row): void {
    this.entities.delete(row.entity.id);
    this.#left.push({ type: 'leave', entity: row.entity });
  }

  /** Where the entity is at this tick: as told, or as reckoned. */
  #goOn(row: Row): void {
    const { entity, track, vx, vz, placedTick } = row;
    const ticks = this.tick - placedTick;
    if (ticks > 0 && vx === 0 && vz === 0) return;
    entity.x = reckonCm(row.xCm, vx, ticks) / CENTIMETRES_PER_METRE;
    entity.z = reckonCm(row.zCm, vz, ticks) / CENTIMETRES_PER_METRE;
    entity.vx = vx / this.#unitsPerMetre;
    entity.vz = vz / this.#unitsPerMetre;
    track?.push(this.tick, entity.x, entity.z, this.#previousTick);
  }

  #settleSelf(row: Row | undefined): void {
    const own = this.#own;
    const entity = row?.entity;
    if (this.self !== undefined && this.self !== entity) this.self.isSelf = false;
    this.self = entity;
    if (row === undefined || entity === undefined) return;
    const ticks = Math.min(OWN_TICKS_MAX, this.tick - own.tick);
    entity.isSelf = true;
    entity.x = reckonOwn(own.x, own.vx, { ticks, dt: this.#dt });
    entity.z = reckonOwn(own.z, own.vz, { ticks, dt: this.#dt });
    entity.vx = own.vx;
    entity.vz = own.vz;
    // Where there is no prediction it is drawn like the others.
    row.track?.push(this.tick, entity.x, entity.z, this.#previousTick);
  }

  #rowAt(alias: number, what: string): Row {
    const row = this.#byAlias[alias];
    if (row === undefined) throw inconsistent(`${what} of alias ${alias}, which is nobody`);
    return row;
  }
}

function drawRow({ entity, track }: Row, moment: Moment): void {
  if (track !== undefined) return track.draw(moment, entity);
  entity.renderX = entity.x;
  entity.renderZ = entity.z;
}

/** Says of a snapshot that was read from JSON what `visitSnapshot` says of bytes. */
function visitDecoded(snapshot: Snapshot, visitor: SnapshotVisitor): void {
  const { self } = snapshot;
  visitor.head(snapshot);
  if (self !== undefined) visitor.self(self.alias, { x: self.x, z: self.z, vx: self.vx, vz: self.vz });
  for (const alias of snapshot.leaves) visitor.leave(alias);
  for (const enter of snapshot.enters) visitor.enter(enter);
  for (const { alias, dxCm, dzCm } of snapshot.moves) visitor.move(alias, dxCm, dzCm);
  for (const { alias, xCm, zCm } of snapshot.jumps) visitor.jump(alias, xCm, zCm);
  for (const turn of snapshot.turns) visitor.turn(turn);
  for (const { alias, component, values } of snapshot.changes) visitor.change(alias, component, values);
  for (const { alias, event, values } of snapshot.events) visitor.event(alias, event, values);
}

function inconsistent(message: string): ClientError {
  return new ClientError('ERR_CLIENT_PROTOCOL', `the server's snapshot does not fit: ${message}`);
}
