/**
 * Finds the slot of an EntityId: an open-addressing hash table with linear probing, at most half full.
 *
 *   keys f64 × M (0 = free) ║ slots u32 × M          M: power of two, ≥ 2 × entitiesMax
 *
 * Writer: the conductor, between phases. Readers: all workers, in phases. Removal shifts later entries back, so
 * there are no tombstones and nothing grows with time.
 */
import { counterOf, incarnationOf } from '../base/brand.ts';
import type { EntityId } from '../base/brand.ts';

export class IdMap {
  readonly #keys: Float64Array<SharedArrayBuffer>;
  readonly #slots: Uint32Array<SharedArrayBuffer>;
  readonly #mask: number;

  static sizeBytes(entitiesMax: number): number {
    return tableLength(entitiesMax) * 12;
  }

  constructor(buffer: SharedArrayBuffer, offsetBytes: number, entitiesMax: number) {
    const length = tableLength(entitiesMax);
    this.#keys = new Float64Array(buffer, offsetBytes, length);
    this.#slots = new Uint32Array(buffer, offsetBytes + length * 8, length);
    this.#mask = length - 1;
  }

  /** The slot, or -1. Any number is a valid question. */
  get(id: number): number {
    if (!(id > 0)) return -1;
    let at = this.#home(id);
    for (;;) {
      const key = this.#keys[at]!;
      if (key === id) return this.#slots[at]!;
      if (key === 0) return -1;
      at = (at + 1) & this.#mask;
    }
  }

  set(id: EntityId, slot: number): void {
    let at = this.#home(id);
    while (this.#keys[at] !== 0 && this.#keys[at] !== id) at = (at + 1) & this.#mask;
    this.#slots[at] = slot;
    this.#keys[at] = id;
  }

  delete(id: EntityId): void {
    let gap = this.#home(id);
    while (this.#keys[gap] !== id) {
      if (this.#keys[gap] === 0) return;
      gap = (gap + 1) & this.#mask;
    }
    let at = gap;
    for (;;) {
      at = (at + 1) & this.#mask;
      const key = this.#keys[at]!;
      if (key === 0) break;
      // An entry may fill the gap unless its home lies after the gap, cyclically.
      const distanceToGap = (at - gap) & this.#mask;
      const distanceToHome = (at - this.#home(key)) & this.#mask;
      if (distanceToHome < distanceToGap) continue;
      this.#slots[gap] = this.#slots[at]!;
      this.#keys[gap] = key;
      gap = at;
    }
    this.#keys[gap] = 0;
  }

  #home(id: number): number {
    const mixed = Math.imul(
      counterOf(id as EntityId) ^ Math.imul(incarnationOf(id as EntityId), 0x85ebca6b),
      0x9e3779b1,
    );
    return (mixed ^ (mixed >>> 15)) & this.#mask;
  }
}

function tableLength(entitiesMax: number): number {
  let length = 16;
  while (length < entitiesMax * 2) length *= 2;
  return length;
}
