/**
 * Which entities are in which cell: for each group (cell × kind) a dense list of slots. In a cluster a cell has a second
 * group of each kind, for ghosts, behind those of the entities that are owned here: cell 0 owned, cell 0 ghosts, cell 1 owned, …
 *
 * The lists live in one of two pools of u32. A list that outgrows its room gets a larger one behind the last; when
 * the pool has no more, all lists are packed into the other pool. So memory is fixed, growth costs amortised O(1),
 * and the layout depends on nothing but the sequence of changes: it is the same for any number of workers.
 *
 *   word 0 active pool · word 1 end of use in it ║ groupFirst u32 × G · groupCount u32 × G · groupRoom u32 × G ║ pool 0 · pool 1
 *   place[slot]: the entity's index within its list (a column of the store)
 *
 * Writer: the conductor, between phases. Readers: all workers, in phases.
 */
import { assert } from '../base/assert.ts';

const ROOM_MIN = 8;

export interface ListsOptions {
  readonly cellCount: number;
  readonly kindCount: number;
  readonly entitiesMax: number;
  /** Whether there are groups for ghosts. */
  readonly hasGhosts?: boolean;
}

export class Lists {
  readonly kindCount: number;
  /** kindCount, or twice that where there are ghosts. */
  readonly groupsPerCell: number;
  readonly groupCountTotal: number;
  readonly first: Uint32Array<SharedArrayBuffer>;
  readonly count: Uint32Array<SharedArrayBuffer>;
  readonly #room: Uint32Array<SharedArrayBuffer>;
  readonly #header: Uint32Array<SharedArrayBuffer>;
  readonly #pools: readonly [Uint32Array<SharedArrayBuffer>, Uint32Array<SharedArrayBuffer>];
  readonly #place: Uint32Array<SharedArrayBuffer>;
  readonly #entitiesMax: number;

  static sizeBytes(options: ListsOptions): number {
    const groups = options.cellCount * groupsPerCell(options);
    return 64 + groups * 12 + poolLength(options) * 8;
  }

  constructor(
    buffer: SharedArrayBuffer,
    offsetBytes: number,
    { options, place }: { options: ListsOptions; place: Uint32Array<SharedArrayBuffer> },
  ) {
    const groups = options.cellCount * groupsPerCell(options);
    const length = poolLength(options);
    this.kindCount = options.kindCount;
    this.groupsPerCell = groupsPerCell(options);
    this.groupCountTotal = groups;
    this.#entitiesMax = options.entitiesMax;
    this.#place = place;
    let at = offsetBytes;
    this.#header = new Uint32Array(buffer, at, 2);
    this.first = new Uint32Array(buffer, (at += 64), groups);
    this.count = new Uint32Array(buffer, (at += groups * 4), groups);
    this.#room = new Uint32Array(buffer, (at += groups * 4), groups);
    const pool0 = new Uint32Array(buffer, (at += groups * 4), length);
    const pool1 = new Uint32Array(buffer, at + length * 4, length);
    this.#pools = [pool0, pool1];
  }

  /** The pool in use; a group's slots are `slots[first[group] … first[group] + count[group])`. Ask anew each phase. */
  get slots(): Uint32Array<SharedArrayBuffer> {
    return this.#pools[this.#header[0] as 0 | 1];
  }

  /** Of the entities of a kind that are owned here. */
  groupOf(cell: number, kind: number): number {
    return cell * this.groupsPerCell + kind;
  }

  ghostGroupOf(cell: number, kind: number): number {
    return cell * this.groupsPerCell + this.kindCount + kind;
  }

  /** Entities owned here. */
  cellCountOf(cell: number): number {
    let total = 0;
    const first = cell * this.groupsPerCell;
    for (let group = first; group < first + this.kindCount; group++) total += this.count[group]!;
    return total;
  }

  add(group: number, slot: number): void {
    const count = this.count[group]!;
    if (count === this.#room[group]!) this.#grow(group, count);
    this.slots[this.first[group]! + count] = slot;
    this.#place[slot] = count;
    this.count[group] = count + 1;
  }

  /** Fills the gap with the last of the list. */
  remove(group: number, slot: number): void {
    const slots = this.slots;
    const first = this.first[group]!;
    const place = this.#place[slot]!;
    const last = this.count[group]! - 1;
    assert(slots[first + place] === slot, 'an entity stands where its place says');
    const moved = slots[first + last]!;
    slots[first + place] = moved;
    this.#place[moved] = place;
    this.count[group] = last;
  }

  #grow(group: number, count: number): void {
    const room = roomFor(count + 1, this.#entitiesMax);
    if (this.#header[1]! + room > this.slots.length) this.#pack();
    if (this.#room[group]! > count) return; // Packing made room.
    const slots = this.slots;
    const end = this.#header[1]!;
    assert(end + room <= slots.length, 'a packed pool has room for one more list');
    slots.copyWithin(end, this.first[group]!, this.first[group]! + count);
    this.first[group] = end;
    this.#room[group] = room;
    this.#header[1] = end + room;
  }

  #pack(): void {
    const source = this.slots;
    const target = this.#pools[this.#header[0] === 0 ? 1 : 0];
    let end = 0;
    for (let group = 0; group < this.groupCountTotal; group++) {
      const count = this.count[group]!;
      const first = this.first[group]!;
      for (let index = 0; index < count; index++) target[end + index] = source[first + index]!;
      const room = count === 0 ? 0 : count + (count >>> 3) + 1;
      this.first[group] = end;
      this.#room[group] = room;
      end += room;
    }
    this.#header[0] = this.#header[0] === 0 ? 1 : 0;
    this.#header[1] = end;
  }
}

/** Twice the count, but a list never needs more than every entity. */
function roomFor(count: number, entitiesMax: number): number {
  return Math.max(ROOM_MIN, Math.min(count * 2, entitiesMax));
}

/**
 * A packed pool uses at most 9/8 N + G words; one more list may then double to 2 N. 4 N + 16 G leaves amortised
 * room for growth between two packings.
 */
function poolLength(options: ListsOptions): number {
  return options.entitiesMax * 4 + options.cellCount * groupsPerCell(options) * (ROOM_MIN * 2);
}

function groupsPerCell({ kindCount, hasGhosts }: ListsOptions): number {
  return hasGhosts === true ? kindCount * 2 : kindCount;
}
