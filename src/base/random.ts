/**
 * Seeded randomness. World code draws from one stream per (world seed, cell, tick), so that neither the number of
 * workers nor the order of cells shows in the result.
 */

/** Mixes up to three integers into a 32-bit seed. The finalizer is that of MurmurHash3 (Austin Appleby, public domain). */
export function mixSeed(first: number, second = 0, third = 0): number {
  let hash = Math.imul(first, 0x9e3779b1) ^ 0x85ebca6b;
  hash = finalize(hash ^ Math.imul(second, 0xc2b2ae35));
  hash = finalize(hash ^ Math.imul(third, 0x27d4eb2f));
  return hash >>> 0;
}

/** A stream of pseudo-random numbers: the 32-bit generator "mulberry32" (Tommy Ettinger, public domain). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  reseed(seed: number): void {
    this.#state = seed | 0;
  }

  /** A multiple of 2^-32 in [0, 1). */
  next(): number {
    return this.nextUint32() / 0x1_0000_0000;
  }

  nextUint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let value = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    value = (value + Math.imul(value ^ (value >>> 7), value | 61)) ^ value;
    return (value ^ (value >>> 14)) >>> 0;
  }

  /** An evenly drawn number in [min, max). */
  between(min: number, max: number): number {
    return min + (max - min) * this.next();
  }

  /** An integer in [0, count). */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }
}

function finalize(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
