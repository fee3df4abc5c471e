/**
 * Which entities leave for another node, at the end of a tick's settle, and how.
 *
 *   owned, at home ──past the border──▶ overhanging ──dwell over, credit, room──▶ released: a ghost of the target, in place
 *                 ◀──────turned back──
 *
 * Overhanging means owned here in a cell of another node: it goes on being simulated. It stays so for `dwell` (250 ms, doubled
 * with each bounce up to 2 s), and as long as the target is down, has no credit, or the ring no room. At `overhang` metres
 * past the border it is turned or stopped. What is deeper than half of that leaves without a dwell: it is fast, was spawned
 * there, woke there, or its land was given away. Of those that did not walk there nobody is moved: they may go as far again.
 *
 * Invariant: an entity is frozen only when its release is in the ring. Nothing here waits.
 */
import type { SessionIndex, Slot } from '../base/brand.ts';
import { performance } from 'node:perf_hooks';
import { monotonicMs } from '../base/monotonic.ts';
import { writeRelease } from '../memory/departures.ts';
import type { PublicationDraft } from '../memory/departures.ts';
import { setGhostOf } from '../memory/entities.ts';
import type { PassengerInput } from '../memory/passenger.ts';
import { PEER_STATE } from '../memory/peer-table.ts';
import type { Store } from '../memory/store.ts';
import type { Passengers } from './passengers.ts';
import type { RecordBuffer } from './record-buffer.ts';
import { NOBODY } from './territory.ts';
import type { Territory } from './territory.ts';

export interface ReleaseOptions {
  readonly tickHz: number;
  /** Metres past the border at which an entity that could not be handed over is turned or stopped. */
  readonly overhang: number;
  readonly atLimit: 'turn' | 'stop';
  readonly dwellMs: number;
  readonly dwellMsMax: number;
}

export interface ReleaseParts {
  readonly store: Store;
  readonly territory: Territory;
  readonly passengers: Passengers;
  readonly records: RecordBuffer;
  /** Inputs of a session that no tick has applied yet. */
  readonly takePending: (session: SessionIndex) => PassengerInput[];
  /** The session has no entity here any more. */
  readonly unbind: (session: SessionIndex) => void;
  readonly released: (slot: number, tick: number) => void;
  /** What it published in this tick. */
  readonly publicationsOf: (slot: number) => readonly PublicationDraft[];
  /** Its player has left and is about to rest. */
  readonly stays: (slot: number) => boolean;
}

const CONDUCTOR = 0;
/** Of one tick; the rest overhangs for another. */
const RELEASES_MAX = 512;
const SERIALISE_MS_MAX = 1;
const CLOCK_EVERY = 16;
/** Entities looked at in one tick; it takes a handed-over block of cells to have more. */
const CANDIDATES_MAX = 16_384;
/** Who comes back sooner than this has bounced. */
const BOUNCE_MS = 4000;
/**
 * From this share of `overhang` on nobody dwells: who is fast must not be turned while its target is waiting. Who is first seen that
 * deep did not walk there.
 */
const DEEP_SHARE = 0.5;
/** Beyond so many times as far as it may go, an entity did not walk there. */
const FAR_FACTOR = 2;

export class Releaser {
  readonly #parts: ReleaseParts;
  readonly #options: ReleaseOptions;
  readonly #dwellTicks: number;
  readonly #dwellTicksMax: number;
  readonly #bounceTicks: number;
  /** By slot: the tick since which it is in foreign land, the last tick that saw it there, its dwell, when it was released. */
  readonly #since: Uint32Array;
  readonly #seen: Uint32Array;
  readonly #dwell: Uint8Array;
  readonly #releasedAt: Uint32Array;
  /** By slot: how deep it may go, in metres; 0 before it was looked at. */
  readonly #barrier: Float32Array;
  /** Since the last run: who stood near home may be deep in foreign land now. */
  #hasLandChanged = false;
  readonly #slots = new Uint32Array(CANDIDATES_MAX);
  readonly #depths = new Float64Array(CANDIDATES_MAX);
  readonly #order = new Float64Array(CANDIDATES_MAX);
  #count = 0;
  #isRingFull = false;
  overhanging = 0;
  /** In this tick. */
  released = 0;

  constructor(parts: ReleaseParts, options: ReleaseOptions) {
    this.#parts = parts;
    this.#options = options;
    const ticks = (ms: number) => Math.max(1, Math.round((ms * options.tickHz) / 1000));
    this.#dwellTicks = Math.min(255, ticks(options.dwellMs));
    this.#dwellTicksMax = Math.min(255, ticks(options.dwellMsMax));
    this.#bounceTicks = ticks(BOUNCE_MS);
    const { entitiesMax } = parts.store.options;
    this.#since = new Uint32Array(entitiesMax);
    this.#seen = new Uint32Array(entitiesMax);
    this.#dwell = new Uint8Array(entitiesMax);
    this.#releasedAt = new Uint32Array(entitiesMax);
    this.#barrier = new Float32Array(entitiesMax);
  }

  ownersChanged(): void {
    this.#hasLandChanged = true;
  }

  /** The entity in this row is owned here again. */
  cameBack(slot: number, tick: number): void {
    const releasedAt = this.#releasedAt[slot]!;
    const isBounce = releasedAt !== 0 && tick - releasedAt < this.#bounceTicks;
    const dwell = Math.max(this.#dwell[slot]!, this.#dwellTicks);
    this.#dwell[slot] = isBounce ? Math.min(dwell * 2, this.#dwellTicksMax) : this.#dwellTicks;
    // Who was refused has no further to go for that; of anybody else it is not known how deep it stands.
    if (!isBounce) this.#barrier[slot] = 0;
    this.#releasedAt[slot] = 0;
    this.#since[slot] = tick;
    this.#seen[slot] = tick - 1;
  }

  run(tick: number): void {
    const { territory } = this.#parts;
    this.#count = 0;
    this.released = 0;
    this.#isRingFull = false;
    if (territory.foreignCells.length > 0) this.#findCandidates(tick);
    this.#hasLandChanged = false;
    this.overhanging = this.#count;
    if (this.#count === 0) return;
    this.#sort();
    this.#releaseDeepest(tick);
    for (let index = 0; index < this.#count; index++) this.#limit(this.#slots[index]!, this.#depths[index]!);
  }

  #findCandidates(tick: number): void {
    const { store, territory } = this.#parts;
    const { lists, columns } = store;
    const { foreignCells } = territory;
    const slots = lists.slots;
    for (let index = 0; index < foreignCells.length; index++) {
      const firstGroup = lists.groupOf(foreignCells[index]!, 0);
      for (let group = firstGroup; group < firstGroup + lists.kindCount; group++) {
        const first = lists.first[group]!;
        const end = first + lists.count[group]!;
        for (let at = first; at < end && this.#count < CANDIDATES_MAX; at++) {
          const slot = slots[at]!;
          this.#look(slot, territory.findNearest(columns.x[slot]!, columns.z[slot]!, 0), tick);
        }
      }
    }
  }

  #look(slot: number, depth: number, tick: number): void {
    const isNew = this.#seen[slot] !== tick - 1;
    if (isNew) this.#since[slot] = tick;
    this.#seen[slot] = tick;
    const barrier = this.#barrier[slot]!;
    if (isNew || barrier === 0 || (this.#hasLandChanged && depth > barrier)) {
      const { overhang } = this.#options;
      this.#barrier[slot] = depth > overhang * DEEP_SHARE ? overhang + depth : overhang;
    }
    this.#slots[this.#count] = slot;
    this.#depths[this.#count++] = depth;
  }

  /** Orders the candidates by depth, deepest last. */
  #sort(): void {
    for (let index = 0; index < this.#count; index++) {
      this.#order[index] = Math.floor(Math.min(this.#depths[index]!, 1e6) * 1024) * CANDIDATES_MAX + index;
    }
    this.#order.subarray(0, this.#count).sort();
  }

  #releaseDeepest(tick: number): void {
    const { store } = this.#parts;
    const { columns } = store;
    const endMs = performance.now() + SERIALISE_MS_MAX;
    let released = 0;
    for (let at = this.#count - 1; at >= 0 && released < RELEASES_MAX && !this.#isRingFull; at--) {
      const index = this.#order[at]! % CANDIDATES_MAX;
      const slot = this.#slots[index]! as Slot;
      const target = store.cellOwner[columns.cell[slot]!]!;
      if (!this.#mayLeave(slot, { target, depth: this.#depths[index]!, tick })) continue;
      if (!this.#release(slot, target, tick)) continue;
      // No limit for who has left.
      this.#depths[index] = 0;
      released++;
      if (released % CLOCK_EVERY === 0 && performance.now() > endMs) break;
    }
    this.overhanging -= released;
    this.released = released;
    store.stats.add(CONDUCTOR, 'entitiesReleased', released);
  }

  #mayLeave(slot: number, { target, depth, tick }: { target: number; depth: number; tick: number }): boolean {
    const { peerTable, columns } = this.#parts.store;
    if (target === NOBODY || target === 0 || peerTable.state(target) !== PEER_STATE.up) return false;
    const dwell = this.#dwell[slot] === 0 ? this.#dwellTicks : this.#dwell[slot]!;
    // Who came back, perhaps because the target would not have it, waits in any case.
    const isDeep = depth > this.#options.overhang * DEEP_SHARE && dwell <= this.#dwellTicks;
    if (!isDeep && tick - this.#since[slot]! < dwell) return false;
    if (peerTable.credits(target) <= 0 || peerTable.isCellClosed(columns.cell[slot]!)) return false;
    const percent = peerTable.handoverPercent;
    if (percent !== 100 && percentOf(columns.id[slot]!) >= percent) return false;
    return !this.#parts.stays(slot);
  }

  /** Freezes the entity; false when it stays. */
  #release(slot: Slot, target: number, tick: number): boolean {
    const { store, passengers, records, takePending, unbind, released } = this.#parts;
    const { columns, peerTable, departures } = store;
    const seq = columns.ownershipSeq[slot]! + 1;
    columns.ownershipSeq[slot] = seq;
    const record = records.encode(slot);
    if (record === undefined || !peerTable.takeCredit(target)) {
      columns.ownershipSeq[slot] = seq - 1;
      return false;
    }
    const session = (columns.session[slot]! - 1) as SessionIndex | -1;
    const written = writeRelease(departures, {
      targetNode: target,
      targetCell: columns.cell[slot]!,
      id: columns.id[slot]!,
      seq,
      frozenMs: monotonicMs(),
      passenger: passengers.of(slot),
      pendingInputs: session < 0 ? [] : takePending(session as SessionIndex),
      record,
      publications: this.#parts.publicationsOf(slot),
    });
    if (!written) {
      columns.ownershipSeq[slot] = seq - 1;
      peerTable.addCredits(target, 1);
      this.#isRingFull = true;
      return false;
    }
    if (session >= 0) unbind(session as SessionIndex);
    columns.session[slot] = 0;
    passengers.drop(slot);
    setGhostOf(store, slot, target);
    this.#releasedAt[slot] = tick;
    released(slot, tick);
    return true;
  }

  /** At the overhang limit the way out is barred. */
  #limit(slot: number, depth: number): void {
    const { atLimit } = this.#options;
    const barrier = this.#barrier[slot]!;
    if (depth <= barrier || depth > barrier * FAR_FACTOR) return;
    const { store, territory } = this.#parts;
    const { columns, grid, stats } = store;
    const { nearest } = territory;
    territory.findNearest(columns.x[slot]!, columns.z[slot]!, 0);
    const outX = (columns.x[slot]! - nearest.x) / nearest.distance;
    const outZ = (columns.z[slot]! - nearest.z) / nearest.distance;
    columns.x[slot] = grid.clampX(nearest.x + outX * barrier);
    columns.z[slot] = grid.clampZ(nearest.z + outZ * barrier);
    const outwards = columns.vx[slot]! * outX + columns.vz[slot]! * outZ;
    if (outwards > 0) {
      const factor = atLimit === 'turn' ? 2 : 1;
      columns.vx[slot]! -= factor * outwards * outX;
      columns.vz[slot]! -= factor * outwards * outZ;
    }
    stats.add(CONDUCTOR, 'overhangsLimited', 1);
  }
}

/** 0 … 99, the same for an entity on every node. */
export function percentOf(id: number): number {
  const mixed = Math.imul((id % 2 ** 32) ^ Math.imul(Math.floor(id / 2 ** 32), 0x85eb_ca6b), 0x9e37_79b1);
  return ((mixed ^ (mixed >>> 15)) >>> 0) % 100;
}
