/**
 * What this client has in view: applies snapshots in the order of docs/PROTOCOL.md (a keyframe clears; leaves, enters,
 * moves, jumps, changes, events) and says what changed. An entity that a keyframe brings again stays the same object:
 * it neither leaves nor enters.
 *
 * The keyframe of a new owner may not have room for all: who is not in it stays until a few snapshots later.
 */
import type { EntityId } from '../base/brand.ts';
import type { Values } from '../base/pack.ts';
import type { Schema } from '../base/schema.ts';
import type { EnterEntry, Snapshot } from '../wire/messages.ts';
import { CENTIMETRES_PER_METRE } from '../wire/snapshot.wire.ts';
import { ClientError } from './errors.ts';
import { Track } from './interpolation.core.ts';

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
  readonly track: Track;
  alias: number;
  kindIndex: number;
  xCm: number;
  zCm: number;
  placedTick: number;
}

/** Under overload the server sends far entities less often; a pause this long, in snapshots, is a halt. */
const HALT_INTERVALS = 2;
/** A new owner has told all that are in view in this many snapshots: at 96 enters in each, 255 need three. */
const LINGER_INTERVALS = 5;

export class View {
  readonly entities = new Map<EntityId, ViewEntity>();
  self: ViewEntity | undefined;
  readonly #schema: Schema;
  readonly #intervalTicks: number;
  readonly #ticksPerSecond: number;
  readonly #rows = new Map<EntityId, Row>();
  readonly #byAlias: (Row | undefined)[] = Array.from({ length: ALIASES }, () => undefined);
  /** Without an alias: in view of the last owner, and not told by the new one yet. */
  readonly #lingering = new Map<EntityId, Row>();
  #lingersUntilTick = 0;

  constructor(schema: Schema, { tickHz, snapshotHz }: { tickHz: number; snapshotHz: number }) {
    this.#schema = schema;
    this.#ticksPerSecond = tickHz;
    this.#intervalTicks = Math.max(1, tickHz / snapshotHz);
  }

  /** The index of the own entity's kind in the schema, or -1. */
  get selfKind(): number {
    return this.self === undefined ? -1 : (this.#rows.get(this.self.id)?.kindIndex ?? -1);
  }

  /**
   * @param isNewOwner whether this is the first snapshot of another node: whom it does not tell of lingers.
   * @throws ClientError ERR_CLIENT_PROTOCOL when the snapshot does not fit to what is in view; only a keyframe helps then.
   */
  apply(snapshot: Snapshot, { isNewOwner = false }: { readonly isNewOwner?: boolean } = {}): ViewChange[] {
    const changes: ViewChange[] = [];
    const before = snapshot.keyframe ? this.#forget() : undefined;
    for (const alias of snapshot.leaves) this.#leave(alias, changes);
    const entered: ViewChange[] = [];
    for (const enter of snapshot.enters) this.#enter(enter, { before, changes: entered, tick: snapshot.tick });
    if (isNewOwner) this.#lingersUntilTick = snapshot.tick + LINGER_INTERVALS * this.#intervalTicks;
    for (const row of before?.values() ?? []) {
      if (snapshot.tick < this.#lingersUntilTick) this.#lingering.set(row.entity.id, row);
      else this.#drop(row, changes);
    }
    if (this.#lingering.size > 0 && snapshot.tick >= this.#lingersUntilTick) this.#dropLingering(changes);
    changes.push(...entered);
    for (const move of snapshot.moves) {
      const row = this.#rowAt(move.alias, 'move');
      this.#place(row, snapshot.tick, { xCm: row.xCm + move.dxCm, zCm: row.zCm + move.dzCm });
    }
    for (const jump of snapshot.jumps) this.#place(this.#rowAt(jump.alias, 'jump'), snapshot.tick, jump);
    for (const change of snapshot.changes) {
      const row = this.#rowAt(change.alias, 'change');
      changes.push(this.#change(row, change.component, change.values));
    }
    this.#halt(snapshot.tick);
    this.#settleSelf(snapshot.self);
    for (const event of snapshot.events) {
      const { entity } = this.#rowAt(event.alias, 'event');
      changes.push({
        type: 'event',
        entity,
        name: this.#schema.events[event.event]?.name ?? '',
        payload: event.values,
      });
    }
    return changes;
  }

  /** Everything leaves: another world, or a session that ended. */
  clear(): ViewChange[] {
    const changes: ViewChange[] = [];
    for (const row of this.#forget().values()) this.#drop(row, changes);
    this.self = undefined;
    this.#lingersUntilTick = 0;
    return changes;
  }

  /** Sets renderX and renderZ of all but the own entity when it is `predicted`. Allocates nothing. */
  draw(moment: { tick: number; latestTick: number; extrapolationTicksMax: number }, predicted: boolean): void {
    for (let alias = 1; alias < ALIASES; alias++) {
      const row = this.#byAlias[alias];
      if (row === undefined || (predicted && row.entity.isSelf)) continue;
      row.track.draw(moment, row.entity);
    }
    if (this.#lingering.size === 0) return;
    for (const { track, entity } of this.#lingering.values()) track.draw(moment, entity);
  }

  #dropLingering(changes: ViewChange[]): void {
    for (const row of this.#lingering.values()) this.#drop(row, changes);
    this.#lingering.clear();
  }

  #forget(): Map<EntityId, Row> {
    const before = new Map([...this.#lingering, ...this.#rows]);
    this.#lingering.clear();
    this.#rows.clear();
    this.#byAlias.fill(undefined);
    return before;
  }

  #leave(alias: number, changes: ViewChange[]): void {
    const row = this.#rowAt(alias, 'leave');
    this.#byAlias[alias] = undefined;
    this.#rows.delete(row.entity.id);
    this.#drop(row, changes);
  }

  #drop(row: Row, changes: ViewChange[]): void {
    this.entities.delete(row.entity.id);
    changes.push({ type: 'leave', entity: row.entity });
  }

  #enter(
    enter: EnterEntry,
    { before, changes, tick }: { before: Map<EntityId, Row> | undefined; changes: ViewChange[]; tick: number },
  ): void {
    if (this.#byAlias[enter.alias] !== undefined) throw inconsistent(`enter of alias ${enter.alias}, which is in use`);
    if (this.#rows.has(enter.id)) throw inconsistent(`enter of entity ${enter.id}, which is in view`);
    const kept = before?.get(enter.id) ?? this.#lingering.get(enter.id);
    before?.delete(enter.id);
    this.#lingering.delete(enter.id);
    const row = kept ?? this.#newRow(enter);
    row.alias = enter.alias;
    row.kindIndex = enter.kind;
    row.entity.kind = this.#schema.kinds[enter.kind]?.name ?? '';
    this.#byAlias[enter.alias] = row;
    this.#rows.set(enter.id, row);
    this.entities.set(enter.id, row.entity);
    if (kept === undefined) {
      for (const [index, values] of enter.components) this.#change(row, index, values);
      changes.push({ type: 'enter', entity: row.entity });
      row.track.reset(tick, row.entity.x, row.entity.z);
      return;
    }
    for (const [index, values] of enter.components) changes.push(this.#change(row, index, values));
    this.#place(row, tick, enter);
  }

  #newRow(enter: EnterEntry): Row {
    const x = enter.xCm / CENTIMETRES_PER_METRE;
    const z = enter.zCm / CENTIMETRES_PER_METRE;
    const entity: ViewEntity = {
      id: enter.id,
      kind: '',
      isSelf: false,
      x,
      z,
      vx: 0,
      vz: 0,
      renderX: x,
      renderZ: z,
      components: {},
    };
    return {
      entity,
      track: new Track(this.#intervalTicks),
      alias: enter.alias,
      kindIndex: enter.kind,
      xCm: enter.xCm,
      zCm: enter.zCm,
      placedTick: 0,
    };
  }

  #place(row: Row, tick: number, { xCm, zCm }: { xCm: number; zCm: number }): void {
    row.xCm = xCm;
    row.zCm = zCm;
    row.placedTick = tick;
    const { entity, track } = row;
    entity.x = xCm / CENTIMETRES_PER_METRE;
    entity.z = zCm / CENTIMETRES_PER_METRE;
    track.push(tick, entity.x, entity.z);
    entity.vx = track.velocityX() * this.#ticksPerSecond;
    entity.vz = track.velocityZ() * this.#ticksPerSecond;
  }

  /** Who was not sent again stands. */
  #halt(tick: number): void {
    for (let alias = 1; alias < ALIASES; alias++) {
      const row = this.#byAlias[alias];
      if (row === undefined || tick - row.placedTick <= this.#intervalTicks * HALT_INTERVALS) continue;
      row.entity.vx = 0;
      row.entity.vz = 0;
    }
  }

  #change(row: Row, index: number, values: Values): ViewChange {
    const component = this.#schema.components[index]?.name ?? '';
    row.entity.components[component] = values;
    return { type: 'update', entity: row.entity, component };
  }

  #settleSelf(self: Snapshot['self']): void {
    const entity = self === undefined || self.alias === 0 ? undefined : this.#byAlias[self.alias]?.entity;
    if (this.self !== undefined && this.self !== entity) this.self.isSelf = false;
    this.self = entity;
    if (entity === undefined || self === undefined) return;
    entity.isSelf = true;
    entity.x = self.x;
    entity.z = self.z;
    entity.vx = self.vx;
    entity.vz = self.vz;
  }

  #rowAt(alias: number, what: string): Row {
    const row = this.#byAlias[alias];
    if (row === undefined) throw inconsistent(`${what} of alias ${alias}, which is nobody`);
    return row;
  }
}

function inconsistent(message: string): ClientError {
  return new ClientError('ERR_CLIENT_PROTOCOL', `the server's snapshot does not fit: ${message}`);
}
