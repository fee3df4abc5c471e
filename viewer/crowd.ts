/**
 * Joins two overview frames by slot into the rows that the screen draws: where each entity was and where it will be.
 *
 *   row of CROWD_FLOATS f32:  fromX · fromZ · toX · toZ · kind · slot
 *
 * A slot that was free in the older frame, or that another kind had, starts where it is: it must not fly across the
 * map. The same holds for a step longer than any walk (a teleport, or a slot that was used again).
 */
import { kindOf, slotOf, type EntitiesFrame } from './overview.wire.ts';
import type { Place } from './camera.ts';

export const CROWD_FLOATS = 6;
/** m/s; faster is a jump. */
const SPEED_MAX = 200;
const SLOT_COUNT_MAX = 1 << 24;

export class Crowd {
  /** The first `count` rows are set; the rest have kind -1, which the screen does not draw. */
  rows = new Float32Array(CROWD_FLOATS * 1024).fill(-1);
  count = 0;
  /** slot → 1 + index in the frame that `#indexed` names. */
  #indexOfSlot = new Uint32Array(1024);
  #indexed: EntitiesFrame | undefined;

  join(from: EntitiesFrame, to: EntitiesFrame, secondsBetween: number): void {
    this.#index(from);
    this.#reserve(to.count);
    const stepMax = SPEED_MAX * Math.max(secondsBetween, 0.05);
    const { rows } = this;
    for (let index = 0; index < to.count; index++) {
      const slotAndKind = to.slotAndKind[index]!;
      const slot = slotOf(slotAndKind);
      const x = to.x[index]!;
      const z = to.z[index]!;
      const before = slot < this.#indexOfSlot.length ? this.#indexOfSlot[slot]! - 1 : -1;
      let fromX = x;
      let fromZ = z;
      if (before >= 0 && from.slotAndKind[before] === slotAndKind) {
        const beforeX = from.x[before]!;
        const beforeZ = from.z[before]!;
        if (Math.abs(beforeX - x) < stepMax && Math.abs(beforeZ - z) < stepMax) {
          fromX = beforeX;
          fromZ = beforeZ;
        }
      }
      const row = index * CROWD_FLOATS;
      rows[row] = fromX;
      rows[row + 1] = fromZ;
      rows[row + 2] = x;
      rows[row + 3] = z;
      rows[row + 4] = kindOf(slotAndKind);
      rows[row + 5] = slot;
    }
    this.#hideFrom(to.count);
  }

  clear(): void {
    this.#hideFrom(0);
    this.#indexed = undefined;
    this.#indexOfSlot.fill(0);
  }

  slotAt(index: number): number {
    return this.rows[index * CROWD_FLOATS + 5]!;
  }

  kindAt(index: number): number {
    return this.rows[index * CROWD_FLOATS + 4]!;
  }

  placeAt(index: number, blend: number): Place {
    const row = index * CROWD_FLOATS;
    const { rows } = this;
    return {
      x: rows[row]! + (rows[row + 2]! - rows[row]!) * blend,
      z: rows[row + 1]! + (rows[row + 3]! - rows[row + 1]!) * blend,
    };
  }

  /** The index of the entity nearest to a place and at most `reach` metres away, or -1. */
  nearest(place: Place, { blend, reach }: { blend: number; reach: number }): number {
    let best = -1;
    let bestSquare = reach * reach;
    for (let index = 0; index < this.count; index++) {
      const row = index * CROWD_FLOATS;
      const x = this.rows[row]! + (this.rows[row + 2]! - this.rows[row]!) * blend;
      const z = this.rows[row + 1]! + (this.rows[row + 3]! - this.rows[row + 1]!) * blend;
      const square = (x - place.x) ** 2 + (z - place.z) ** 2;
      if (square > bestSquare) continue;
      best = index;
      bestSquare = square;
    }
    return best;
  }

  indexOfSlot(slot: number): number {
    for (let index = 0; index < this.count; index++) {
      if (this.rows[index * CROWD_FLOATS + 5] === slot) return index;
    }
    return -1;
  }

  #index(frame: EntitiesFrame): void {
    if (this.#indexed === frame) return;
    this.#forget();
    let slotMax = 0;
    for (let index = 0; index < frame.count; index++) slotMax = Math.max(slotMax, slotOf(frame.slotAndKind[index]!));
    if (slotMax >= this.#indexOfSlot.length) {
      const length = Math.min(SLOT_COUNT_MAX, 2 ** Math.ceil(Math.log2(slotMax + 1)));
      this.#indexOfSlot = new Uint32Array(length);
    }
    for (let index = 0; index < frame.count; index++) this.#indexOfSlot[slotOf(frame.slotAndKind[index]!)] = index + 1;
    this.#indexed = frame;
  }

  #forget(): void {
    const frame = this.#indexed;
    if (frame === undefined) return;
    for (let index = 0; index < frame.count; index++) this.#indexOfSlot[slotOf(frame.slotAndKind[index]!)] = 0;
  }

  #hideFrom(count: number): void {
    for (let index = count; index < this.count; index++) this.rows[index * CROWD_FLOATS + 4] = -1;
    this.count = count;
  }

  #reserve(count: number): void {
    if (count * CROWD_FLOATS <= this.rows.length) return;
    this.rows = new Float32Array(CROWD_FLOATS * 2 ** Math.ceil(Math.log2(count))).fill(-1);
    this.count = 0;
  }
}
