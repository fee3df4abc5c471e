/**
 * How late this thread is. While it stands still, what clients say piles up and is then heard all at once: that is not their fault, and
 * their limits have to allow for it.
 */
/** What is late is worked off within this time. */
const KEPT_MS = 1000;

export class Lateness {
  readonly #periodMs: number;
  #beatMs = Number.NaN;
  #lateMs = 0;
  #keptUntilMs = Number.NEGATIVE_INFINITY;

  /** @param periodMs of the timer that calls `beat`. */
  constructor(periodMs: number) {
    this.#periodMs = periodMs;
  }

  /** To be called by a timer: the time since the last call, beyond its period, was lost. */
  beat(nowMs: number): void {
    const lateMs = Math.max(0, nowMs - this.#beatMs - this.#periodMs) || 0;
    this.#beatMs = nowMs;
    if (lateMs < this.#lateMs && nowMs < this.#keptUntilMs) return;
    this.#lateMs = lateMs;
    this.#keptUntilMs = nowMs + KEPT_MS;
  }

  /** Milliseconds; the most of about the last second. */
  get lateMs(): number {
    return this.#lateMs;
  }
}
