/**
 * What other nodes are told of the entities owned here that are near their land. A node subscribes to cells of ours; of the
 * entities there, and of those that overhang in foreign land around, it is told of all within `reach` of its own land.
 *
 * Per subscriber there is a table by slot of what was said last. A tick says:
 *   enter   who came within reach; anew when a visible component changed, and once in RECORD_TICKS
 *   update  who is not where the last word and its velocity put it, to CENTIMETRE; and everybody once in KEEPALIVE_TICKS;
 *           beyond half the reach every second tick
 *   leave   who is out of reach, gone, or owned by somebody else; when land changes owner, nobody is out of reach of it for a
 *           while: players who stand there are still where they were, and see what they saw
 *   event   what was announced in this tick of somebody it has been told of
 *
 * When the ring has no room for a frame, nothing is said and nothing noted: the next tick says it.
 * Nothing is allocated per entity.
 */
import { GHOST_BYTES_MAX, hasRoomForGhosts, writeGhostsOut } from '../memory/departures.ts';
import {
  GHOST_ENTER_BYTES,
  GHOST_EVENT_BYTES,
  GHOST_LEAVE_BYTES,
  GHOST_UPDATE_BYTES,
  GhostWriter,
} from '../memory/ghost.wire.ts';
import { PEER_NODES } from '../memory/peer-table.ts';
import type { Store } from '../memory/store.ts';
import type { RecordBuffer } from './record-buffer.ts';
import type { Territory } from './territory.ts';

/** About three seconds and less than one, at 20 Hz; an observer forgets whom it does not hear of for three. */
const RECORD_TICKS = 64;
const KEEPALIVE_TICKS = 16;
const CENTIMETRE = 0.01;
/** Metres beyond `reach` at which an entity leaves. */
const LEAVE_MARGIN = 8;
/** A changed component is told at most this often; beyond half the reach, the second. */
const CHANGE_TICKS = 2;
const CHANGE_TICKS_FAR = 8;
/** After land has changed owner: its entities are handed over within this time, however much the nodes have to do meanwhile. */
const LAND_GRACE_MS = 15_000;
/** Changes of land within that time that are remembered. */
const FORMER_MAX = 32;

/** In `recordTick`: its subscriber has forgotten it. Ticks count from 1. */
const NEVER = 0;

interface FormerLand {
  readonly cells: Uint32Array;
  readonly endTick: number;
}

interface Subscriber {
  readonly node: number;
  cells: Uint32Array;
  /** Cells of ours that it asked for, and foreign ones, within reach of its land. */
  around: Uint32Array;
  /** The same of its land before, and until when each counts; while there is one, nobody leaves for being out of reach. */
  former: readonly FormerLand[];
  /** Cells whose entities are looked at: all of these. */
  watched: Uint32Array;
  isReset: boolean;
  /** By slot: 1 + generation of who was told, 0 nobody; what was said last, and when. */
  readonly generation: Float64Array;
  readonly x: Float32Array;
  readonly z: Float32Array;
  readonly vx: Float32Array;
  readonly vz: Float32Array;
  readonly motionTick: Uint32Array;
  readonly recordTick: Uint32Array;
  readonly seenTick: Uint32Array;
  /** The slots told, dense. */
  readonly members: Uint32Array;
  count: number;
}

export interface GhostPublisherOptions {
  readonly store: Store;
  readonly territory: Territory;
  readonly records: RecordBuffer;
  readonly tickHz: number;
  /** Metres around a subscriber's land in which it is told of everybody. */
  readonly reach: number;
}

export class GhostPublisher {
  readonly #options: GhostPublisherOptions;
  readonly #store: Store;
  readonly #writer = new GhostWriter(GHOST_BYTES_MAX);
  readonly #subscribers = new Map<number, Subscriber>();
  #tick = 0;
  /** False once the ring had no room in this tick. */
  #canWrite = true;

  constructor(options: GhostPublisherOptions) {
    this.#options = options;
    this.#store = options.store;
  }

  get hasSubscribers(): boolean {
    return this.#subscribers.size > 0;
  }

  /** Replaces what the node asked for before and tells it everything anew; no cells end it. */
  subscribe(node: number, cells: Uint32Array): void {
    if (node === 0 || node >= PEER_NODES) return;
    if (cells.length === 0) {
      this.#subscribers.delete(node);
      return;
    }
    const inside = cells.filter((cell) => cell < this.#store.grid.cellCount);
    const known = this.#subscribers.get(node);
    if (known !== undefined) {
      known.cells = inside;
      known.isReset = true;
      known.recordTick.fill(NEVER);
      return this.#landChanged(known);
    }
    const subscriber = this.#newSubscriber(node, inside);
    subscriber.around = this.#landAround(subscriber);
    subscriber.watched = subscriber.around;
    this.#subscribers.set(node, subscriber);
  }

  #newSubscriber(node: number, cells: Uint32Array): Subscriber {
    const { entitiesMax } = this.#store.options;
    return {
      node,
      cells,
      around: cells,
      former: [],
      watched: cells,
      isReset: true,
      generation: new Float64Array(entitiesMax),
      x: new Float32Array(entitiesMax),
      z: new Float32Array(entitiesMax),
      vx: new Float32Array(entitiesMax),
      vz: new Float32Array(entitiesMax),
      motionTick: new Uint32Array(entitiesMax),
      recordTick: new Uint32Array(entitiesMax),
      seenTick: new Uint32Array(entitiesMax),
      members: new Uint32Array(entitiesMax),
      count: 0,
    };
  }

  /** After a change of ownership of cells. */
  ownersChanged(): void {
    for (const subscriber of this.#subscribers.values()) this.#landChanged(subscriber);
  }

  /** For a while what was watched is watched as well. */
  #landChanged(subscriber: Subscriber): void {
    const { tickHz, store } = this.#options;
    const endTick = store.control.tick + Math.ceil((LAND_GRACE_MS * tickHz) / 1000);
    subscriber.former = [...subscriber.former, { cells: subscriber.around, endTick }].slice(-FORMER_MAX);
    subscriber.around = this.#landAround(subscriber);
    watchAll(subscriber);
  }

  /** Cells in which changes of components must be stamped. */
  flag(flags: Uint8Array, flag: number): void {
    for (const { watched } of this.#subscribers.values()) for (const cell of watched) flags[cell]! |= flag;
  }

  /** At the end of a tick. */
  run(tick: number): void {
    this.#tick = tick;
    this.#canWrite = true;
    for (const subscriber of this.#subscribers.values()) {
      if (subscriber.former.length > 0 && tick > subscriber.former[0]!.endTick) {
        subscriber.former = subscriber.former.filter(({ endTick }) => tick <= endTick);
        watchAll(subscriber);
      }
      this.#startFrame(subscriber);
      if (!this.#canWrite) return;
      this.#tellCells(subscriber);
      this.#tellLeaves(subscriber);
      this.#tellEvents(subscriber);
      this.#flush(subscriber);
    }
  }

  /** Of the subscriber's cells, and of foreign ones where entities of ours may overhang, those within reach of its land. */
  #landAround(subscriber: Subscriber): Uint32Array {
    const { cellOwner, grid, options } = this.#store;
    const asked = new Set(subscriber.cells);
    const reach = this.#options.reach + LEAVE_MARGIN + options.hysteresis;
    const ring = Math.ceil(reach / grid.cellSize);
    const wanted = new Set<number>();
    for (let cell = 0; cell < cellOwner.length; cell++) {
      if (cellOwner[cell] !== subscriber.node) continue;
      const column = cell % grid.width;
      const row = Math.floor(cell / grid.width);
      for (let r = Math.max(0, row - ring); r <= Math.min(grid.depth - 1, row + ring); r++) {
        for (let c = Math.max(0, column - ring); c <= Math.min(grid.width - 1, column + ring); c++) {
          const near = r * grid.width + c;
          const gap = Math.hypot(Math.max(0, Math.abs(c - column) - 1), Math.max(0, Math.abs(r - row) - 1));
          if (gap * grid.cellSize <= reach && (cellOwner[near] !== 0 || asked.has(near))) wanted.add(near);
        }
      }
    }
    return Uint32Array.from(wanted).sort();
  }

  #tellCells(subscriber: Subscriber): void {
    const { lists } = this.#store;
    const slots = lists.slots;
    for (const cell of subscriber.watched) {
      const firstGroup = lists.groupOf(cell, 0);
      for (let group = firstGroup; group < firstGroup + lists.kindCount; group++) {
        const first = lists.first[group]!;
        const end = first + lists.count[group]!;
        for (let at = first; at < end; at++) this.#tell(subscriber, slots[at]!);
      }
    }
  }

  #tell(subscriber: Subscriber, slot: number): void {
    const { columns } = this.#store;
    const isMember = subscriber.generation[slot] === columns.generation[slot]! + 1;
    const limit = this.#options.reach + (isMember ? LEAVE_MARGIN : 0);
    const x = columns.x[slot]!;
    const z = columns.z[slot]!;
    const distance = this.#options.territory.findNearest(x, z, subscriber.node);
    if (!(distance <= limit) && !(isMember && subscriber.former.length > 0)) return;
    // Somebody else had the slot before: its leave comes first.
    if (!isMember && subscriber.generation[slot] !== 0) return;
    subscriber.seenTick[slot] = this.#tick;
    if (!this.#canWrite) return;
    const isFar = distance * 2 > this.#options.reach;
    if (!isMember || this.#isRecordDue(subscriber, slot, isFar)) this.#enter(subscriber, slot, isMember);
    else if (this.#isUpdateDue(subscriber, slot, isFar)) this.#update(subscriber, slot);
  }

  #isRecordDue(subscriber: Subscriber, slot: number, isFar: boolean): boolean {
    const told = subscriber.recordTick[slot]!;
    const age = this.#tick - told;
    if (told === NEVER || age >= RECORD_TICKS) return true;
    return age >= (isFar ? CHANGE_TICKS_FAR : CHANGE_TICKS) && this.#store.published.lastChangeTick[slot]! > told;
  }

  #isUpdateDue(subscriber: Subscriber, slot: number, isFar: boolean): boolean {
    const { columns } = this.#store;
    // Far away every second tick will do.
    if (isFar && ((this.#tick + slot) & 1) !== 0) return false;
    const vx = subscriber.vx[slot]!;
    const vz = subscriber.vz[slot]!;
    if (columns.vx[slot] !== vx || columns.vz[slot] !== vz) return true;
    const ticks = this.#tick - subscriber.motionTick[slot]!;
    if (ticks >= KEEPALIVE_TICKS) return true;
    const seconds = ticks / this.#options.tickHz;
    const awayX = Math.abs(columns.x[slot]! - (subscriber.x[slot]! + vx * seconds));
    const awayZ = Math.abs(columns.z[slot]! - (subscriber.z[slot]! + vz * seconds));
    return !(awayX < CENTIMETRE && awayZ < CENTIMETRE);
  }

  #enter(subscriber: Subscriber, slot: number, isMember: boolean): void {
    const { records } = this.#options;
    const { columns } = this.#store;
    const writer = this.#writer;
    const room = (): number => records.encodeInto(slot, writer.bytes, writer.recordAt);
    let recordBytes = writer.hasRoom(GHOST_ENTER_BYTES) ? room() : -1;
    if (recordBytes < 0) {
      this.#flush(subscriber);
      this.#startFrame(subscriber);
      if (!this.#canWrite) return;
      recordBytes = room();
      // Too large for a frame, or nowhere: cannot be seen from there.
      if (recordBytes < 0) return;
    }
    writer.enter(slot, columns.generation[slot]!, recordBytes);
    subscriber.recordTick[slot] = this.#tick;
    this.#note(subscriber, slot);
    if (isMember) return;
    subscriber.generation[slot] = columns.generation[slot]! + 1;
    subscriber.members[subscriber.count++] = slot;
  }

  #update(subscriber: Subscriber, slot: number): void {
    const { x, z, vx, vz, generation } = this.#store.columns;
    if (!Number.isFinite(x[slot]! + z[slot]!) || !Number.isFinite(vx[slot]! + vz[slot]!)) return;
    if (!this.#writer.hasRoom(GHOST_UPDATE_BYTES)) {
      this.#flush(subscriber);
      this.#startFrame(subscriber);
      if (!this.#canWrite) return;
    }
    this.#writer.update(slot, generation[slot]!, x[slot]!, z[slot]!, vx[slot]!, vz[slot]!);
    this.#note(subscriber, slot);
  }

  #note(subscriber: Subscriber, slot: number): void {
    const { x, z, vx, vz } = this.#store.columns;
    subscriber.x[slot] = x[slot]!;
    subscriber.z[slot] = z[slot]!;
    subscriber.vx[slot] = vx[slot]!;
    subscriber.vz[slot] = vz[slot]!;
    subscriber.motionTick[slot] = this.#tick;
  }

  /** Members that were not seen in this tick are out of reach, gone, or somebody else's. */
  #tellLeaves(subscriber: Subscriber): void {
    const { ghostOf, generation } = this.#store.columns;
    for (let index = 0; index < subscriber.count;) {
      const slot = subscriber.members[index]!;
      if (subscriber.seenTick[slot] === this.#tick || !this.#canWrite) {
        index++;
        continue;
      }
      if (!this.#writer.hasRoom(GHOST_LEAVE_BYTES)) {
        this.#flush(subscriber);
        this.#startFrame(subscriber);
        if (!this.#canWrite) return;
      }
      const told = subscriber.generation[slot]! - 1;
      this.#writer.leave(slot, told, generation[slot] === told ? ghostOf[slot]! : 0);
      subscriber.generation[slot] = 0;
      subscriber.members[index] = subscriber.members[--subscriber.count]!;
    }
  }

  #tellEvents(subscriber: Subscriber): void {
    const { announcements, columns } = this.#store;
    for (let row = announcements.firstAfter(this.#tick - 1); row < announcements.end; row++) {
      const slot = announcements.slot(row);
      const generation = announcements.generation(row);
      if (subscriber.generation[slot] !== generation + 1 || columns.ghostOf[slot] !== 0) continue;
      const first = announcements.payloadOffsetBytes(row);
      const payload = announcements.bytes.subarray(first, first + announcements.payloadBytes(row));
      // As for clients: whoever has no room for it misses it.
      if (!this.#canWrite || !this.#writer.hasRoom(GHOST_EVENT_BYTES + payload.length)) return;
      this.#writer.event(slot, generation, { event: announcements.event(row), payload });
    }
  }

  #startFrame(subscriber: Subscriber): void {
    this.#canWrite = hasRoomForGhosts(this.#store.departures);
    this.#writer.start(this.#tick, { isReset: subscriber.isReset });
  }

  #flush(subscriber: Subscriber): void {
    const { departures } = this.#store;
    if (!this.#canWrite || this.#writer.isEmpty) return;
    const frame = { node: subscriber.node, bytes: this.#writer.bytes, sizeBytes: this.#writer.at };
    // Room was looked for when the frame was started, and nobody else writes to the ring.
    this.#canWrite = writeGhostsOut(departures, frame);
    subscriber.isReset = false;
    this.#writer.start(this.#tick, { isReset: false });
  }
}

function watchAll(subscriber: Subscriber): void {
  const { around, former } = subscriber;
  subscriber.watched = Uint32Array.from(
    new Set([around, ...former.map(({ cells }) => cells)].flatMap((cells) => [...cells])),
  ).sort();
}
