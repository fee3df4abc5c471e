/**
 * Departures that must not be lost: what finds no room in the ring waits here, in order, and is tried again before
 * anything else. Bounded by `waitingMax`; beyond, `offer` refuses and whoever asked decides.
 */
import type { Ring } from '../memory/ring.ts';

type Write = (ring: Ring) => boolean;

const WAITING_MAX = 262_144;

export class Outbox {
  readonly #ring: Ring;
  readonly #waitingMax: number;
  #waiting: Write[] = [];

  constructor(ring: Ring, waitingMax = WAITING_MAX) {
    this.#ring = ring;
    this.#waitingMax = waitingMax;
  }

  /** False when too much waits already: nothing was taken. */
  offer(write: Write): boolean {
    if (this.#waiting.length === 0 && write(this.#ring)) return true;
    if (this.#waiting.length >= this.#waitingMax) return false;
    this.#waiting.push(write);
    return true;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Writes what waits, as far as there is room. */
  flush(): void {
    let written = 0;
    while (written < this.#waiting.length && this.#waiting[written]!(this.#ring)) written++;
    if (written > 0) this.#waiting = this.#waiting.slice(written);
  }
}
