/**
 * Chooses who is in one session's view, from those in view before and those found near. Reused from session to session: nothing
 * is allocated or cleared per entity.
 */
const ALIASES = 256;
const ALIAS_BITS = 8;
const ALIAS_MASK = ALIASES - 1;
const STAMP_MAX = 2 ** 24 - 1;
/** In a crowd, who is in view counts as this much nearer (of the squared distance), so that two do not swap places. */
const KNOWN_ADVANTAGE = 0.8;
const BINS = 512;
/** Who may be looked at for one view; their position fits 14 bits. In a denser crowd the rest is not seen. */
export const CANDIDATES_MAX = 2 ** 14;

export class ViewSelection {
  /** Slots to enter. */
  readonly entering: Uint32Array;
  enteringCount = 0;
  readonly #viewMax: number;
  /** Per slot: stamp of the session it was last marked for, and its alias there. */
  readonly #marks: Uint32Array;
  #stamp = 0;
  readonly #kept = new Uint8Array(ALIASES);
  readonly #keptDistance = new Float64Array(ALIASES);
  readonly #enteringDistance: Float64Array;
  readonly #order: Float64Array;
  readonly #bins = new Uint16Array(BINS);
  #keptCount = 0;

  constructor(entitiesMax: number, viewMax: number) {
    this.#viewMax = viewMax;
    this.#marks = new Uint32Array(entitiesMax);
    this.entering = new Uint32Array(CANDIDATES_MAX);
    this.#enteringDistance = new Float64Array(CANDIDATES_MAX);
    this.#order = new Float64Array(CANDIDATES_MAX);
  }

  start(): void {
    if (this.#stamp === STAMP_MAX) {
      this.#marks.fill(0);
      this.#stamp = 0;
    }
    this.#stamp++;
    this.#kept.fill(0);
    this.#keptCount = 0;
    this.enteringCount = 0;
  }

  /** The client has this slot under this alias. */
  markKnown(slot: number, alias: number): void {
    this.#marks[slot] = (this.#stamp << ALIAS_BITS) | alias;
  }

  /** The alias that a slot was marked with for this session, or 0. */
  aliasOf(slot: number): number {
    const mark = this.#marks[slot]!;
    return mark >>> ALIAS_BITS === this.#stamp ? mark & ALIAS_MASK : 0;
  }

  /** Somebody within the leaving distance. */
  offer(slot: number, distanceSquared: number): void {
    const alias = this.aliasOf(slot);
    if (alias !== 0) {
      this.#kept[alias] = 1;
      this.#keptDistance[alias] = distanceSquared;
      this.#keptCount++;
      return;
    }
    this.entering[this.enteringCount] = slot;
    this.#enteringDistance[this.enteringCount++] = distanceSquared;
  }

  /**
   * Drops who is new and beyond the entering distance; in a crowd keeps the nearest; orders who enters by distance where
   * more than `unsortedMax` do.
   */
  finish(enterRadiusSquared: number, unsortedMax: number): void {
    let count = 0;
    for (let index = 0; index < this.enteringCount; index++) {
      if (this.#enteringDistance[index]! > enterRadiusSquared) continue;
      this.entering[count] = this.entering[index]!;
      this.#enteringDistance[count++] = this.#enteringDistance[index]!;
    }
    this.enteringCount = count;
    if (this.#keptCount + count > this.#viewMax) this.#keepNearest();
    if (this.enteringCount > unsortedMax) this.#sortEntering();
  }

  /** Somebody among those entering comes before all others. */
  putFirst(slot: number): void {
    const { entering } = this;
    for (let index = 1; index < this.enteringCount; index++) {
      if (entering[index] !== slot) continue;
      entering[index] = entering[0]!;
      entering[0] = slot;
      return;
    }
  }

  isKept(alias: number): boolean {
    return this.#kept[alias] === 1;
  }

  /** Of somebody kept; somebody who has just entered counts as near. */
  distanceSquared(alias: number): number {
    return this.#kept[alias] === 1 ? this.#keptDistance[alias]! : 0;
  }

  /** Keeps as many as may be in view, nearest first to within one BINSth of the greatest squared distance. */
  #keepNearest(): void {
    const perBin = this.#fillBins();
    let room = this.#viewMax;
    let last = 0;
    while (last < BINS && this.#bins[last]! <= room) room -= this.#bins[last++]!;
    // All bins before `last` fit; of that one `room` do.
    let taken = 0;
    for (let alias = 1; alias < ALIASES; alias++) {
      if (this.#kept[alias] === 0) continue;
      const bin = binOf(this.#keptDistance[alias]! * KNOWN_ADVANTAGE * perBin);
      if (bin < last || (bin === last && taken++ < room)) continue;
      this.#kept[alias] = 0;
    }
    let count = 0;
    for (let index = 0; index < this.enteringCount; index++) {
      const bin = binOf(this.#enteringDistance[index]! * perBin);
      if (bin > last || (bin === last && taken++ >= room)) continue;
      this.entering[count] = this.entering[index]!;
      this.#enteringDistance[count++] = this.#enteringDistance[index]!;
    }
    this.enteringCount = count;
  }

  /** Counts who is at which distance; returns bins per square metre. */
  #fillBins(): number {
    const bins = this.#bins.fill(0);
    let greatest = 1;
    for (let alias = 1; alias < ALIASES; alias++) {
      if (this.#kept[alias] === 1) greatest = Math.max(greatest, this.#keptDistance[alias]! * KNOWN_ADVANTAGE);
    }
    for (let index = 0; index < this.enteringCount; index++)
      greatest = Math.max(greatest, this.#enteringDistance[index]!);
    const perBin = (BINS - 1) / greatest;
    for (let alias = 1; alias < ALIASES; alias++) {
      if (this.#kept[alias] === 1) bins[binOf(this.#keptDistance[alias]! * KNOWN_ADVANTAGE * perBin)]!++;
    }
    for (let index = 0; index < this.enteringCount; index++) bins[binOf(this.#enteringDistance[index]! * perBin)]!++;
    return perBin;
  }

  /** Sorts numbers that hold the distance in their high part and the position in the low 14 bits. */
  #sortEntering(): void {
    const order = this.#order;
    const count = this.enteringCount;
    for (let index = 0; index < count; index++) {
      order[index] = Math.floor((this.#enteringDistance[index]! + 1) * 64) * CANDIDATES_MAX + index;
    }
    order.subarray(0, count).sort();
    for (let index = 0; index < count; index++) {
      const position = order[index]! % CANDIDATES_MAX;
      // The slots wait in the distance column while their order is made.
      this.#enteringDistance[index] = this.entering[position]!;
    }
    for (let index = 0; index < count; index++) this.entering[index] = this.#enteringDistance[index]!;
  }
}

/** The own entity has distance -1, so that it is first. */
function binOf(bins: number): number {
  return bins > 0 ? bins | 0 : 0;
}
