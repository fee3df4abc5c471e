/**
 * What all sides of the peers bench simulate: people who walk about in a square, each seeing some 30 others. Sizes, start places
 * and ways follow from a seed alone, so they are the same whichever server runs them.
 */
import { monotonicMs } from '../../src/base/monotonic.ts';
import { mixSeed, Random } from '../../src/base/random.ts';

export const RADIUS_METRES = 128;
/** Who is in view leaves it this far beyond the radius. */
export const HYSTERESIS_METRES = 4;
/** Nearer than this somebody is near: what one may count on being told at once. */
export const NEAR_METRES = RADIUS_METRES / 2;
export const SPEED_METRES = 6;
export const NEIGHBOURS = 30;
export const SEED = 1;
/** Each person's `stamp` is written anew in every so many ticks, a twentieth of all people in each tick. */
export const STAMP_TICKS = 20;
/** Directions are sent in hundredths. */
export const DIRECTION_UNIT = 100;
/** Stamps are tenths of milliseconds in 16 bits: they come around after 6.5 s. */
const STAMPS_PER_MS = 10;
const STAMP_MODULUS = 2 ** 16;
const TURN_SECONDS_MIN = 1;
const TURN_SECONDS_MAX = 4;
/** This close to the edge, whoever walks towards it turns back. */
const MARGIN_METRES = 10;

/**
 * The side of a square in which one of so many people, placed at random, has NEIGHBOURS others within the radius on
 * average. Two random points of a unit square are nearer than s with probability πs² - 8s³/3 + s⁴/2, for s up to 1.
 */
export function worldSizeFor(people: number): number {
  const wanted = NEIGHBOURS / Math.max(1, people - 1);
  let low = 0;
  let high = 1;
  for (let step = 0; step < 50; step++) {
    const middle = (low + high) / 2;
    const share = Math.PI * middle ** 2 - (8 / 3) * middle ** 3 + middle ** 4 / 2;
    if (share < wanted) low = middle;
    else high = middle;
  }
  return Math.ceil(RADIUS_METRES / high);
}

export interface Crowd {
  readonly people: number;
  /** Metres; the square is centred on the origin. */
  readonly worldSize: number;
}

export interface Place {
  readonly x: number;
  readonly z: number;
}

/**
 * Where person `index` starts. Each has a strip of its own from left to right, so that the first half of the people stand
 * as densely in the left half of the square as all do in the whole.
 */
export function startOf(index: number, { people, worldSize }: Crowd): Place {
  const random = new Random(mixSeed(SEED, index, 1));
  return {
    x: ((index + random.next()) / people - 0.5) * worldSize,
    z: (random.next() - 0.5) * worldSize,
  };
}

/** The way of one person: straight on for 1 to 4 seconds, then another direction. */
export class Walk {
  readonly direction = { x: 0, z: 0 };
  readonly #random: Random;
  readonly #half: number;
  readonly #stepSeconds: number;
  /** Where the person is if nothing was lost: enough to turn in time. */
  #x: number;
  #z: number;
  #turnInSeconds = 0;

  constructor(index: number, crowd: Crowd, inputsHz: number) {
    this.#random = new Random(mixSeed(SEED, index, 2));
    this.#half = crowd.worldSize / 2 - MARGIN_METRES;
    this.#stepSeconds = 1 / inputsHz;
    ({ x: this.#x, z: this.#z } = startOf(index, crowd));
  }

  /** Metres between two people, if nothing was lost on the way. */
  distanceTo(other: Walk): number {
    return Math.hypot(this.#x - other.#x, this.#z - other.#z);
  }

  /** Sets `direction` for the next input, in DIRECTION_UNITs of full speed. */
  step(): void {
    const { direction } = this;
    this.#turnInSeconds -= this.#stepSeconds;
    if (this.#turnInSeconds <= 0) {
      this.#turnInSeconds = this.#random.between(TURN_SECONDS_MIN, TURN_SECONDS_MAX);
      const heading = this.#random.between(-Math.PI, Math.PI);
      direction.x = Math.round(Math.cos(heading) * DIRECTION_UNIT);
      direction.z = Math.round(Math.sin(heading) * DIRECTION_UNIT);
    }
    if (Math.abs(this.#x) > this.#half && this.#x * direction.x > 0) direction.x = -direction.x;
    if (Math.abs(this.#z) > this.#half && this.#z * direction.z > 0) direction.z = -direction.z;
    this.#x += (direction.x / DIRECTION_UNIT) * SPEED_METRES * this.#stepSeconds;
    this.#z += (direction.z / DIRECTION_UNIT) * SPEED_METRES * this.#stepSeconds;
  }
}

/** The moment, by the clock that all processes of this machine share. */
export function stampNow(): number {
  return Math.floor(monotonicMs() * STAMPS_PER_MS) % STAMP_MODULUS;
}

/** Milliseconds since a stamp was written. */
export function sinceStampMs(stamp: number): number {
  return ((stampNow() - stamp + STAMP_MODULUS) % STAMP_MODULUS) / STAMPS_PER_MS;
}
