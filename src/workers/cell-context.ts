/**
 * What world code gets as `cell` (base/world.ts): one object per worker, pointed at one cell after the other, so world
 * code must not keep it. Reads go straight to the columns; what changes the world beyond the cell's own rows becomes a command.
 */
import { assert } from '../base/assert.ts';
import type { CellIndex, EntityId } from '../base/brand.ts';
import { CapacityError } from '../base/errors.ts';
import { packFields } from '../base/pack.ts';
import type { Values } from '../base/pack.ts';
import { Random, mixSeed } from '../base/random.ts';
import { EVENT_BYTES_MAX } from '../base/schema.ts';
import type { EventSchema, KindSchema } from '../base/schema.ts';
import type { Cell } from '../base/world.ts';
import { COMMAND, NO_EVENT } from '../memory/commands.ts';
import type { CommandWriter } from '../memory/commands.ts';
import { PUBLICATIONS_PER_FRAME_MAX } from '../memory/departures.ts';
import { packRow, rowBytesMax } from '../memory/row.ts';
import type { StartValues } from '../memory/row.ts';
import type { Found } from '../memory/spatial.ts';
import type { Store } from '../memory/store.ts';

export const FOUND_MAX = 1024;
/** Where sheddable kinds are shed, see conductor.ts. */
export const SHED_SPAWNS_LEVEL = 3;
const TARGET_BYTES = 8;

export type AnyCell = Cell<any, any, any, any, any>;

/** Publications that may wait for the sink on this node; see `publish`. */
export interface OutboxLimits {
  readonly outboxEventsMax: number;
  readonly outboxBytesMax: number;
}

export interface CellContextOptions {
  readonly store: Store;
  readonly writer: CommandWriter;
  readonly seed: number;
  readonly tickHz: number;
  readonly params: Readonly<Record<string, number>>;
  readonly publications: readonly EventSchema[];
  /** Of a node with a journal. */
  readonly outbox: OutboxLimits | undefined;
}

export class CellContext implements AnyCell {
  index = 0 as CellIndex;
  minX = 0;
  minZ = 0;
  maxX = 0;
  maxZ = 0;
  tick = 0;
  readonly dt: number;
  readonly ticksPerSecond: number;
  readonly params: Readonly<Record<string, number>>;
  slots: Uint32Array;
  first = 0;
  end = 0;
  shedding = false;
  readonly id: Float64Array;
  readonly x: Float32Array;
  readonly z: Float32Array;
  readonly vx: Float32Array;
  readonly vz: Float32Array;
  readonly session: Uint32Array;
  readonly kind: Uint8Array;
  readonly columns: AnyCell['columns'];
  readonly seen: AnyCell['seen'];
  readonly found = new Uint32Array(FOUND_MAX);
  readonly foundX = new Float32Array(FOUND_MAX);
  readonly foundZ = new Float32Array(FOUND_MAX);
  readonly #store: Store;
  readonly #writer: CommandWriter;
  readonly #seed: number;
  readonly #random = new Random(0);
  readonly #kinds = new Map<string, { kind: KindSchema; bytesMax: number }>();
  readonly #events = new Map<string, EventSchema>();
  readonly #publications = new Map<string, EventSchema>();
  readonly #outbox: OutboxLimits | undefined;
  /** By slot, in the tick `#publishedTick`. */
  readonly #published = new Map<number, number>();
  #publishedTick = 0;
  #publishedCount = 0;
  readonly #foundViews: Found = { slots: this.found, x: this.foundX, z: this.foundZ };
  readonly #query = { x: 0, z: 0, radius: 0, tick: 0 };
  /** The `near` of the system that runs; a larger radius might touch cells without an index. */
  nearMax = 0;

  constructor({ store, writer, seed, tickHz, params, publications, outbox }: CellContextOptions) {
    const { columns, schema } = store;
    this.#store = store;
    this.#writer = writer;
    this.#seed = seed;
    this.dt = 1 / tickHz;
    this.ticksPerSecond = tickHz;
    this.params = params;
    this.slots = store.lists.slots;
    this.id = columns.id;
    this.x = columns.x;
    this.z = columns.z;
    this.vx = columns.vx;
    this.vz = columns.vz;
    this.session = columns.session;
    this.kind = columns.kind;
    const byName = (sets: typeof columns.components) =>
      Object.fromEntries(schema.components.map((component) => [component.name, sets[component.index]!.byName]));
    this.columns = byName(columns.components) as AnyCell['columns'];
    this.seen = byName(columns.seen) as AnyCell['seen'];
    for (const kind of schema.kinds) this.#kinds.set(kind.name, { kind, bytesMax: rowBytesMax(schema, kind) });
    for (const event of schema.events) this.#events.set(event.name, event);
    for (const publication of publications) this.#publications.set(publication.name, publication);
    this.#outbox = outbox;
  }

  /** Points the context at a cell; `seedTick` also selects the random stream. */
  enter(cell: CellIndex, tick: number): void {
    const { grid, lists, control } = this.#store;
    this.index = cell;
    this.tick = tick;
    this.minX = Math.max(grid.cellMinX(cell), grid.minX);
    this.minZ = Math.max(grid.cellMinZ(cell), grid.minZ);
    this.maxX = Math.min(grid.cellMinX(cell) + grid.cellSize, grid.maxX);
    this.maxZ = Math.min(grid.cellMinZ(cell) + grid.cellSize, grid.maxZ);
    this.slots = lists.slots;
    this.shedding = control.shedLevel >= SHED_SPAWNS_LEVEL;
    this.#random.reseed(mixSeed(this.#seed, cell, tick));
    this.select(0, 0);
  }

  select(first: number, end: number): void {
    this.first = first;
    this.end = end;
  }

  kindIndex(kind: string): number {
    return this.#kindNamed(kind).kind.index;
  }

  count(kind: string): number {
    const { lists } = this.#store;
    return lists.count[lists.groupOf(this.index, this.kindIndex(kind))]!;
  }

  random = (): number => this.#random.next();

  near(x: number, z: number, radius: number): number {
    if (!(radius <= this.nearMax)) {
      throw new RangeError(
        `near(${radius}) in a system that declares near: ${this.nearMax}; declare the greatest radius`,
      );
    }
    this.#query.x = x;
    this.#query.z = z;
    this.#query.radius = radius;
    this.#query.tick = this.tick - 1;
    return this.#store.spatial.query(this.#query, this.#foundViews);
  }

  idOf(slot: number): EntityId {
    return this.#store.columns.id[slot]! as EntityId;
  }

  slotOf(id: EntityId): number {
    return this.#store.idMap.get(id);
  }

  spawn(kindName: string, init: StartValues): void {
    const { kind, bytesMax } = this.#kindNamed(kindName);
    const at = this.#writer.begin(bytesMax);
    const payload = this.#writer.bytes.subarray(at, at + bytesMax);
    const payloadBytes = packRow({ schema: this.#store.schema, kind, init }, payload);
    this.#writer.finish({ op: COMMAND.spawn, subject: kind.index, payloadBytes });
  }

  despawn(slot: number): void {
    this.#own(slot);
    const at = this.#writer.begin(TARGET_BYTES);
    this.#writer.view.setUint32(at, slot, true);
    this.#writer.view.setUint32(at + 4, 0, true);
    this.#writer.finish({ op: COMMAND.despawn, subject: 0, payloadBytes: TARGET_BYTES });
  }

  emit(target: EntityId, eventName: PropertyKey, payload: object): void {
    const event = this.#eventNamed(String(eventName));
    const at = this.#writer.begin(TARGET_BYTES + EVENT_BYTES_MAX);
    this.#writer.view.setUint32(at, target % 2 ** 32, true);
    this.#writer.view.setUint32(at + 4, Math.floor(target / 2 ** 32), true);
    this.#finishEvent(COMMAND.emit, event, { at, payload });
  }

  announce(slot: number, eventName: PropertyKey, payload: object): void {
    this.#own(slot);
    const event = this.#eventNamed(String(eventName));
    const at = this.#writer.begin(TARGET_BYTES + EVENT_BYTES_MAX);
    this.#writer.view.setUint32(at, slot, true);
    this.#writer.view.setUint32(at + 4, 0, true);
    this.#finishEvent(COMMAND.announce, event, { at, payload });
  }

  durable(slot: number, eventName?: PropertyKey, payload?: object): void {
    this.#own(slot);
    const at = this.#writer.begin(TARGET_BYTES + EVENT_BYTES_MAX);
    this.#writer.view.setUint32(at, slot, true);
    this.#writer.view.setUint32(at + 4, 0, true);
    if (eventName === undefined) {
      this.#writer.finish({ op: COMMAND.durable, subject: NO_EVENT, payloadBytes: TARGET_BYTES });
      return;
    }
    this.#finishEvent(COMMAND.durable, this.#eventNamed(String(eventName)), { at, payload: payload ?? {} });
  }

  publish(slot: number, publicationName: PropertyKey, payload: object): void {
    this.#own(slot);
    const name = String(publicationName);
    const publication = this.#publications.get(name);
    if (publication === undefined) {
      const known = [...this.#publications.keys()].join(', ') || 'none';
      throw new RangeError(`"${name}" is not a publication; there are ${known}`);
    }
    const at = this.#writer.begin(TARGET_BYTES + EVENT_BYTES_MAX);
    const count = this.#countPublication(slot);
    this.#writer.view.setUint32(at, slot, true);
    this.#writer.view.setUint32(at + 4, 0, true);
    this.#finishEvent(COMMAND.publish, publication, { at, payload });
    this.#published.set(slot, count);
    this.#publishedCount++;
  }

  /**
   * The journal's count is of a moment ago, and other workers publish, too: what is in the journal may exceed the limit by what
   * some ticks publish. @throws CapacityError
   */
  #countPublication(slot: number): number {
    const { peerStats, stats } = this.#store;
    if (this.#publishedTick !== this.tick) {
      this.#publishedTick = this.tick;
      this.#publishedCount = 0;
      this.#published.clear();
    }
    const count = (this.#published.get(slot) ?? 0) + 1;
    if (count > PUBLICATIONS_PER_FRAME_MAX) {
      throw new RangeError(`an entity publishes at most ${PUBLICATIONS_PER_FRAME_MAX} times in a tick`);
    }
    if (this.#outbox === undefined) return count;
    const { outboxEventsMax, outboxBytesMax } = this.#outbox;
    if (peerStats.gauge('publicationsWaiting') + this.#publishedCount >= outboxEventsMax) {
      throw outboxFull('outboxEventsMax', `${outboxEventsMax} publications wait for the sink`);
    }
    if (peerStats.gauge('publicationsWaitingBytes') >= outboxBytesMax) {
      throw outboxFull('outboxBytesMax', `${outboxBytesMax} bytes of publications wait for the sink`);
    }
    if (stats.gauge('publicationsHeld') > 0) {
      throw outboxFull('peerRingBytes', 'publications of an earlier tick wait for room on their way to the journal');
    }
    return count;
  }

  #finishEvent(op: number, event: EventSchema, { at, payload }: { at: number; payload: object }): void {
    const target = this.#writer.bytes.subarray(at + TARGET_BYTES, at + TARGET_BYTES + EVENT_BYTES_MAX);
    const payloadBytes = TARGET_BYTES + packFields(event.fields, payload as Values, target);
    this.#writer.finish({ op, subject: event.index, payloadBytes });
  }

  #own(slot: number): void {
    const { columns } = this.#store;
    if (columns.id[slot] === 0 || columns.cell[slot] !== this.index) {
      throw new RangeError(
        `slot ${slot} is not an entity of cell ${this.index}; only a cell's own entities can be changed`,
      );
    }
    if (columns.ghostOf[slot] !== 0) {
      throw new RangeError(
        `slot ${slot} is a ghost: another node owns the entity, so it can only be read; send it an event with emit`,
      );
    }
  }

  #kindNamed(name: string): { kind: KindSchema; bytesMax: number } {
    const found = this.#kinds.get(name);
    if (found === undefined)
      throw new RangeError(`"${name}" is not a kind; there are ${[...this.#kinds.keys()].join(', ')}`);
    return found;
  }

  #eventNamed(name: string): EventSchema {
    const found = this.#events.get(name);
    if (found === undefined) {
      throw new RangeError(`"${name}" is not an event; there are ${[...this.#events.keys()].join(', ') || 'none'}`);
    }
    assert(found.index < 256, 'an event index is one byte');
    return found;
  }
}

function outboxFull(setting: string, message: string): CapacityError {
  return new CapacityError('ERR_CAPACITY_PUBLICATIONS', { setting, message });
}
