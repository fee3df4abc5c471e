/**
 * UTC with the resolution of the monotonic clock. `Date.now` counts whole milliseconds, and a handover takes a few: spans of two processes
 * would stand in the wrong order. So the moment at which the millisecond turns is looked for. A process that is not scheduled just then sees
 * it late, and looks again. All of it is done anew after a while, because the system's clock is set and drifts.
 */
import { monotonicMs } from '../../base/monotonic.ts';

const LOOK_MS_MAX = 2;
const LOOKS_MAX = 5;
/** Good enough for the order of spans. */
const DOUBT_MS_MAX = 0.05;
const VALID_MS = 30_000;

interface Turn {
  /** From monotonic time to UTC. */
  readonly offsetMs: number;
  readonly doubtMs: number;
}

export class UtcClock {
  readonly #utcMs: () => number;
  readonly #nowMs: () => number;
  #offsetMs = 0;
  #validUntilMs = Number.NEGATIVE_INFINITY;

  constructor({ utcMs = Date.now, nowMs = monotonicMs }: { utcMs?: () => number; nowMs?: () => number } = {}) {
    this.#utcMs = utcMs;
    this.#nowMs = nowMs;
  }

  /** What is to be added to monotonic milliseconds. Takes half a millisecond, twice a minute. */
  offsetMs(): number {
    if (this.#nowMs() < this.#validUntilMs) return this.#offsetMs;
    let best = this.#look();
    for (let look = 1; look < LOOKS_MAX && best.doubtMs > DOUBT_MS_MAX; look++) {
      const turn = this.#look();
      if (turn.doubtMs < best.doubtMs) best = turn;
    }
    this.#offsetMs = best.offsetMs;
    this.#validUntilMs = this.#nowMs() + VALID_MS;
    return best.offsetMs;
  }

  /** The millisecond turned between two readings of the monotonic clock; they are the doubt. */
  #look(): Turn {
    const startMs = this.#nowMs();
    const firstMs = this.#utcMs();
    let beforeMs = startMs;
    for (;;) {
      const utcMs = this.#utcMs();
      const afterMs = this.#nowMs();
      // A clock that stands still for so long cannot be read any better.
      if (utcMs !== firstMs || afterMs - startMs > LOOK_MS_MAX) {
        return { offsetMs: utcMs - (beforeMs + afterMs) / 2, doubtMs: (afterMs - beforeMs) / 2 };
      }
      beforeMs = afterMs;
    }
  }
}
