/**
 * UTC with the resolution of the monotonic clock. `Date.now` counts whole milliseconds, and a handover takes one or two: spans of two
 * processes would stand in the wrong order. So the moment at which the millisecond turns is looked for, for at most `TURN_MS_MAX`, and again
 * after a while, because the system's clock is set and drifts.
 */
import { monotonicMs } from '../../base/monotonic.ts';

const TURN_MS_MAX = 2;
const VALID_MS = 30_000;

export class UtcClock {
  readonly #utcMs: () => number;
  readonly #nowMs: () => number;
  #offsetMs = 0;
  #validUntilMs = Number.NEGATIVE_INFINITY;

  constructor({ utcMs = Date.now, nowMs = monotonicMs }: { utcMs?: () => number; nowMs?: () => number } = {}) {
    this.#utcMs = utcMs;
    this.#nowMs = nowMs;
  }

  /** What is to be added to monotonic milliseconds. */
  offsetMs(): number {
    const startMs = this.#nowMs();
    if (startMs < this.#validUntilMs) return this.#offsetMs;
    const firstMs = this.#utcMs();
    let turnedMs = firstMs;
    let atMs = startMs;
    while (turnedMs === firstMs && atMs - startMs < TURN_MS_MAX) {
      turnedMs = this.#utcMs();
      atMs = this.#nowMs();
    }
    this.#offsetMs = turnedMs - atMs;
    this.#validUntilMs = atMs + VALID_MS;
    return this.#offsetMs;
  }
}
