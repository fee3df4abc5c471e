/**
 * The ways of players in the counting world: every input carries its number, and they walk over borders. A roamer goes
 * anywhere; a shuttle goes straight on until another node has it, and then back.
 */
import type { Values } from '../../src/base/pack.ts';
import type { Random } from '../../src/base/random.ts';
import type { Way } from '../../src/main/bots/walk.core.ts';

const TURN_MS_MIN = 2000;
const TURN_MS_MAX = 6000;
/** Beyond it everybody turns back. */
const EVERYWHERE = { x: 0, z: 0, radius: 220 };
/** The SDK sends at most one input a tick (50 ms), and of two the later: each number shall be sent. */
const INTERVAL_MS_MIN = 60;
/** Over the border, beyond hysteresis and dwell, before a shuttle turns. */
const TURN_AFTER_MS = 400;

/** Where all players go and stay, as long as there is such a place. */
export interface Meeting {
  place: { readonly x: number; readonly z: number; readonly radius: number } | undefined;
}

export class CountingWay implements Way {
  /** Of the last input that the SDK took. */
  number = 0;
  protected readonly random: Random;
  readonly #values = { moveX: 0, moveZ: 0, number: 0 };
  #takenMs = 0;
  #heading = 0;
  #turnAtMs = 0;
  readonly #meeting: Meeting;

  constructor(random: Random, meeting: Meeting = { place: undefined }) {
    this.random = random;
    this.#meeting = meeting;
    this.#heading = random.between(-Math.PI, Math.PI);
  }

  next(nowMs: number, self: { readonly x: number; readonly z: number }): Values | undefined {
    if (nowMs - this.#takenMs < INTERVAL_MS_MIN) return undefined;
    const { x, z, radius } = this.#meeting.place ?? EVERYWHERE;
    if (Math.hypot(self.x - x, self.z - z) > radius) {
      this.#heading = Math.atan2(z - self.z, x - self.x) + this.random.between(-0.5, 0.5);
      this.#turnAtMs = nowMs + TURN_MS_MIN;
    } else if (nowMs >= this.#turnAtMs) {
      this.#heading = this.turn(this.#heading);
      this.#turnAtMs = this.nextTurnMs(nowMs);
    }
    const values = this.#values;
    values.moveX = Math.cos(this.#heading);
    values.moveZ = Math.sin(this.#heading);
    values.number = this.number + 1;
    return values;
  }

  taken(): void {
    // Not the time that it was asked for: the SDK counts from when it sends.
    this.#takenMs = performance.now();
    this.number++;
  }

  protected turnAt(atMs: number): void {
    this.#turnAtMs = atMs;
  }

  /** The heading after a turn. */
  protected turn(_heading: number): number {
    return this.random.between(-Math.PI, Math.PI);
  }

  protected nextTurnMs(nowMs: number): number {
    return nowMs + this.random.between(TURN_MS_MIN, TURN_MS_MAX);
  }
}

export class ShuttleWay extends CountingWay {
  /** Nobody has a border everywhere: who finds none for so long tries another way. */
  static readonly SEEK_MS = 12_000;
  #isThere = false;

  ownerChanged(nowMs: number): void {
    this.#isThere = true;
    this.turnAt(nowMs + TURN_AFTER_MS);
  }

  protected override turn(heading: number): number {
    if (!this.#isThere) return super.turn(heading);
    this.#isThere = false;
    return heading + Math.PI;
  }

  protected override nextTurnMs(nowMs: number): number {
    return nowMs + ShuttleWay.SEEK_MS;
  }
}
