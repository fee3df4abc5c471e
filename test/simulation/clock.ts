/** The monotonic clock of a machine: starts anywhere, drifts a little, and at worst stands still while the world goes on. */
/** What leases are made for (HANDOVER.md section 2). */
export const DRIFT_MAX = 0.005;

export class Clock {
  #originMs: number;
  #baseMs: number;
  #rate: number;
  /** Once beyond, for ever: nothing that this clock has measured counts any more. */
  isBeyondDrift = false;

  constructor(options: { nowMs: number; startMs: number; rate: number }) {
    this.#originMs = options.nowMs;
    this.#baseMs = options.startMs;
    this.#rate = options.rate;
  }

  read(worldMs: number): number {
    return this.#baseMs + (worldMs - this.#originMs) * this.#rate;
  }

  setRate(rate: number, worldMs: number): void {
    this.#baseMs = this.read(worldMs);
    this.#originMs = worldMs;
    this.#rate = rate;
    if (Math.abs(rate - 1) > DRIFT_MAX) this.isBeyondDrift = true;
  }
}
