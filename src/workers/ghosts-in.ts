/**
 * Entities of other nodes as rows here: what their conductors tell, checked and carried out.
 *
 *   – ──enter──▶ ghost ──leave, or its node speaks for EXPIRY, but not of it──▶ –
 *                ghost ──activation (activations.ts)──▶ owned ──release──▶ expected
 *                ghost ──leave to another node──▶ expected ──that node tells of it──▶ ghost
 *                ghost ──its node's link is lost──▶ kept ──another node enters it──▶ ghost
 *                                                   kept ──silence for KEPT, or its node is back without it──▶ –
 *                expected ──silence for KEPT──▶ –
 *
 * A ghost moves on at its velocity, like everybody, and each update puts it right. Whoever is owned here is left alone, whatever
 * anybody says. A ghost is never made to be owned by what is told here.
 *
 * A node whose link is lost has most likely died, and then a neighbour goes on with its entities in a while. Until then its
 * ghosts stay where they are: whoever has them in view sees them stop and go on, not vanish and come again. The same holds for
 * one that is on its way to a node which is slow, or whose sender dies before it has arrived: somebody will have it.
 *
 * Updates carry the publisher's tick. The fastest frame of the last while says how the clocks lie; a frame that took
 * longer is carried forward by as many ticks, so that ghosts walk evenly over a link that does not.
 */
import { CapacityError, RecordError, WireError } from '../base/errors.ts';
import type { Slot } from '../base/brand.ts';
import { unpackFields } from '../base/pack.ts';
import { adopt, despawn, overwrite, setGhostOf } from '../memory/entities.ts';
import { readGhosts } from '../memory/ghost.wire.ts';
import type { GhostMotion, GhostVisitor } from '../memory/ghost.wire.ts';
import { PEER_NODES, PEER_STATE } from '../memory/peer-table.ts';
import { decodeRecord } from '../memory/record.ts';
import type { DecodedRecord, SchemaRegistry } from '../memory/record.ts';
import type { Store } from '../memory/store.ts';

const CONDUCTOR = 0;
/** A node that speaks tells of each of its ghosts more often than that (ghosts-out.ts). */
const EXPIRY_MS = 3000;
/** A ghost without news for so long stands still: it must not walk out of everybody's sight. */
const STILL_MS = 1500;
/**
 * Silence after which a ghost goes whose node's link is lost, or whose node does not speak at all, or who is expected: the
 * lease of a process that hangs, as others see it, and time for the import on a machine that has too much to do.
 */
export const GHOST_KEPT_MS = 15_000;
/** It walks on for so long after the link was lost: less than what a checkpoint may set it back. */
const KEPT_STILL_MS = 250;
/** From the first full frame of a node that is back until whom it did not list goes: it may take several ticks to say all. */
const LISTED_MS = 500;
const SWEEP_TICKS = 8;
/** A frame later than this is not carried forward further. */
const LATENESS_TICKS_MAX = 6;
/** The fastest frame is looked for anew after so many ticks, so that drift is followed. */
const CLOCK_WINDOW_TICKS = 200;
/** Rows that ghosts leave free for entities of our own: one in so many, and at least so many. */
const RESERVE_SHARE = 16;
const RESERVE_MIN = 4;

export interface GhostReceiverOptions {
  readonly store: Store;
  readonly registry: SchemaRegistry;
  readonly tickHz: number;
  readonly onCapacity: (error: CapacityError) => void;
}

/** What is known of one publisher. Its slots are the index. */
interface Publisher {
  slotPlusOne: Uint32Array;
  generation: Uint32Array;
  alias: Uint8Array;
  /** Own tick of its last frame. */
  lastTick: number;
  /** Own tick minus its tick, of the fastest frame in the last window and in this one. */
  offset: number;
  offsetNext: number;
  windowEnd: number;
}

/** What is known of the link to a node. */
interface NodeLink {
  /** When it was lost; 0 while it is there. */
  lostTick: number;
  /** When it came back, and when its first full frame since came; 0 while that is awaited. */
  backTick: number;
  listedTick: number;
}

export class GhostReceiver implements GhostVisitor {
  readonly #options: GhostReceiverOptions;
  readonly #store: Store;
  readonly #publishers = new Map<number, Publisher>();
  /** By slot: the tick of the last news. */
  readonly #heard: Uint32Array;
  /** By slot: the node that is to tell of it next. Of one that is handed over, its owner to be. */
  readonly #awaited: Uint8Array;
  /** By slot: 1 while the awaited node has not told of it yet. */
  readonly #isExpected: Uint8Array;
  readonly #links: readonly NodeLink[];
  readonly #expiryTicks: number;
  readonly #stillTicks: number;
  readonly #keptTicks: number;
  readonly #keptStillTicks: number;
  readonly #listedTicks: number;
  readonly #reserve: number;
  #node = 0;
  #publisher: Publisher | undefined;
  #tick = 0;
  #forwardSeconds = 0;

  constructor(options: GhostReceiverOptions) {
    this.#options = options;
    this.#store = options.store;
    const { entitiesMax } = options.store.options;
    this.#heard = new Uint32Array(entitiesMax);
    this.#awaited = new Uint8Array(entitiesMax);
    this.#isExpected = new Uint8Array(entitiesMax);
    this.#links = Array.from({ length: PEER_NODES }, () => ({ lostTick: 0, backTick: 0, listedTick: 0 }));
    const ticks = (ms: number) => Math.ceil((ms * options.tickHz) / 1000);
    this.#expiryTicks = ticks(EXPIRY_MS);
    this.#stillTicks = ticks(STILL_MS);
    this.#keptTicks = ticks(GHOST_KEPT_MS);
    this.#keptStillTicks = ticks(KEPT_STILL_MS);
    this.#listedTicks = ticks(LISTED_MS);
    this.#reserve = Math.max(RESERVE_MIN, Math.floor(entitiesMax / RESERVE_SHARE));
  }

  take(node: number, bytes: Uint8Array, tick: number): void {
    this.#node = node;
    this.#tick = tick;
    try {
      if (node === 0 || node >= PEER_NODES) throw new WireError('ERR_WIRE_RANGE', `ghosts of node ${node}`);
      readGhosts(bytes, this);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#store.stats.add(CONDUCTOR, 'ghostFramesMalformed', 1);
    }
  }

  /** The row has just become a ghost: its new owner will tell of it. */
  released(slot: number, tick: number): void {
    this.#heard[slot] = tick;
    this.#awaited[slot] = this.#store.columns.ghostOf[slot]!;
    this.#isExpected[slot] = 1;
  }

  #hear(slot: number): void {
    this.#heard[slot] = this.#tick;
    this.#awaited[slot] = this.#node;
    this.#isExpected[slot] = 0;
  }

  /** Each tick, mostly to no effect: who was not heard of for long stands still, then goes. */
  sweep(tick: number): void {
    const isStopping = this.#lookAtLinks(tick);
    if ((tick % SWEEP_TICKS !== 0 && !isStopping) || this.#store.ghostCount === 0) return;
    const { columns } = this.#store;
    const { ghostOf, vx, vz } = columns;
    for (let slot = 0; slot < this.#store.slotsHigh; slot++) {
      if (ghostOf[slot] === 0) continue;
      if (this.#isStill(slot, tick)) {
        vx[slot] = 0;
        vz[slot] = 0;
      }
      if (this.#isOver(slot, tick)) this.#remove(slot as Slot);
    }
  }

  /** Notes which links are lost and which are back; true when the ghosts of a lost one have walked on for long enough. */
  #lookAtLinks(tick: number): boolean {
    const { peerTable } = this.#store;
    let isStopping = false;
    for (let node = 1; node < PEER_NODES; node++) {
      const link = this.#links[node]!;
      const state = peerTable.state(node);
      if (state !== PEER_STATE.down && state !== PEER_STATE.fenced) {
        if (link.lostTick === 0) continue;
        link.lostTick = 0;
        link.backTick = tick;
        link.listedTick = 0;
      } else if (link.lostTick === 0) {
        link.lostTick = tick;
      } else if (tick - link.lostTick === this.#keptStillTicks) {
        isStopping = true;
      }
    }
    return isStopping;
  }

  #isStill(slot: number, tick: number): boolean {
    const { lostTick } = this.#links[this.#awaited[slot]!]!;
    if (lostTick !== 0 && tick - lostTick >= this.#keptStillTicks) return true;
    return tick - this.#heard[slot]! > this.#stillTicks;
  }

  #isOver(slot: number, tick: number): boolean {
    const { lostTick, backTick, listedTick } = this.#links[this.#awaited[slot]!]!;
    const heardTick = this.#heard[slot]!;
    if (tick - heardTick > this.#keptTicks) return true;
    if (lostTick !== 0 || this.#isExpected[slot] === 1) return false;
    const isUnlisted = heardTick < backTick;
    if (isUnlisted) return listedTick !== 0 && tick - listedTick > this.#listedTicks;
    // A node that is late with everything is not silent of this one.
    const spokenTick = this.#publishers.get(this.#awaited[slot]!)?.lastTick ?? 0;
    return spokenTick - heardTick > this.#expiryTicks;
  }

  // GhostVisitor

  frame(tick: number, isReset: boolean): void {
    let publisher = this.#publishers.get(this.#node);
    if (publisher === undefined || isReset) {
      publisher = {
        slotPlusOne: new Uint32Array(1024),
        generation: new Uint32Array(1024),
        alias: new Uint8Array(1024),
        lastTick: this.#tick,
        offset: this.#tick - tick,
        offsetNext: this.#tick - tick,
        windowEnd: this.#tick + CLOCK_WINDOW_TICKS,
      };
      this.#publishers.set(this.#node, publisher);
    }
    const link = this.#links[this.#node]!;
    if (isReset && link.listedTick === 0) link.listedTick = this.#tick;
    this.#publisher = publisher;
    publisher.lastTick = this.#tick;
    const offset = this.#tick - tick;
    publisher.offset = Math.min(publisher.offset, offset);
    publisher.offsetNext = Math.min(publisher.offsetNext, offset);
    if (this.#tick >= publisher.windowEnd) {
      publisher.offset = publisher.offsetNext;
      publisher.offsetNext = offset;
      publisher.windowEnd = this.#tick + CLOCK_WINDOW_TICKS;
    }
    const lateTicks = Math.min(LATENESS_TICKS_MAX, offset - publisher.offset);
    this.#forwardSeconds = lateTicks / this.#options.tickHz;
  }

  leave(alias: number, generation: number, movedTo: number): void {
    const slot = this.#slotOf(alias, generation);
    if (slot < 0) return;
    this.#publisher!.slotPlusOne[alias] = 0;
    if (movedTo === 0) return this.#remove(slot as Slot);
    this.#awaited[slot] = movedTo < PEER_NODES ? movedTo : this.#node;
    this.#isExpected[slot] = 1;
  }

  update(alias: number, generation: number, motion: GhostMotion): void {
    const slot = this.#slotOf(alias, generation);
    if (slot < 0) return;
    const { columns } = this.#store;
    columns.vx[slot] = motion.vx;
    columns.vz[slot] = motion.vz;
    this.#place(slot, motion.x, motion.z);
    this.#hear(slot);
  }

  enter(alias: number, generation: number, record: Uint8Array): void {
    const { stats } = this.#store;
    try {
      const decoded = decodeRecord(record, this.#options.registry);
      const slot = this.#apply(decoded);
      if (slot < 0) return;
      this.#hear(slot);
      this.#place(slot, decoded.x, decoded.z);
      this.#remember(alias, generation, slot);
    } catch (error) {
      if (error instanceof RecordError) {
        stats.add(CONDUCTOR, 'ghostFramesMalformed', 1);
        return;
      }
      if (!(error instanceof CapacityError)) throw error;
      stats.add(CONDUCTOR, 'ghostsRefused', 1);
      this.#options.onCapacity(error);
    }
  }

  event(alias: number, generation: number, { event, payload }: { event: number; payload: Uint8Array }): void {
    const slot = this.#slotOf(alias, generation);
    if (slot < 0) return;
    const { schema, announcements, columns } = this.#store;
    const announced = schema.events[event];
    if (announced === undefined) throw new WireError('ERR_WIRE_RANGE', `event ${event} of a ghost`);
    // Goes to clients as it is: must be what the schema says.
    unpackFields(announced.fields, payload);
    announcements.write({ tick: this.#tick, slot, generation: columns.generation[slot]!, event, payload });
  }

  /** The ghost's row, or -1 when it is owned here, told by somebody who no longer owns it, or there is no room. */
  #apply(decoded: DecodedRecord): number {
    const store = this.#store;
    const { columns } = store;
    const known = store.idMap.get(decoded.id);
    if (known >= 0) {
      if (columns.ghostOf[known] === 0) return -1;
      const seq = columns.ownershipSeq[known]!;
      if (decoded.ownershipSeq < seq) return -1;
      if (decoded.ownershipSeq === seq && columns.ghostOf[known] !== this.#node) return -1;
      overwrite(store, known as Slot, decoded);
      setGhostOf(store, known as Slot, this.#node);
      return known;
    }
    if (store.options.entitiesMax - store.entityCount <= this.#reserve) {
      store.stats.add(CONDUCTOR, 'ghostsRefused', 1);
      return -1;
    }
    store.stats.add(CONDUCTOR, 'ghostsEntered', 1);
    return adopt(store, decoded, { ghostOf: this.#node });
  }

  #place(slot: number, x: number, z: number): void {
    const { columns, grid } = this.#store;
    columns.x[slot] = grid.clampX(x + columns.vx[slot]! * this.#forwardSeconds);
    columns.z[slot] = grid.clampZ(z + columns.vz[slot]! * this.#forwardSeconds);
  }

  #remember(alias: number, generation: number, slot: number): void {
    const publisher = this.#publisher!;
    if (alias >= publisher.slotPlusOne.length) grow(publisher, alias + 1);
    publisher.slotPlusOne[alias] = slot + 1;
    publisher.generation[alias] = this.#store.columns.generation[slot]!;
    publisher.alias[alias] = generation;
  }

  /** The row of a publisher's slot, as long as it is a ghost of that publisher; else -1. */
  #slotOf(alias: number, generation: number): number {
    const publisher = this.#publisher!;
    if (alias >= publisher.slotPlusOne.length || publisher.alias[alias] !== generation) return -1;
    const slot = publisher.slotPlusOne[alias]! - 1;
    if (slot < 0) return -1;
    const { columns } = this.#store;
    const isSame = columns.generation[slot] === publisher.generation[alias] && columns.ghostOf[slot] === this.#node;
    return isSame ? slot : -1;
  }

  #remove(slot: Slot): void {
    despawn(this.#store, slot);
    this.#store.stats.add(CONDUCTOR, 'ghostsLeft', 1);
  }
}

function grow(publisher: Publisher, wanted: number): void {
  const length = 2 ** Math.ceil(Math.log2(wanted));
  for (const name of ['slotPlusOne', 'generation'] as const) {
    const larger = new Uint32Array(length);
    larger.set(publisher[name]);
    publisher[name] = larger;
  }
  const alias = new Uint8Array(length);
  alias.set(publisher.alias);
  publisher.alias = alias;
}
