/**
 * When each tick began, by the local clock. The answer with the shortest round trip tells how far the server's clock is off. A
 * pong also names the tick in work: `serverTime - tick · tickMs` is the beginning of tick 0 plus the part of the tick that
 * was over, so its minimum over many pongs is the beginning. Two halves of a window follow a server that skips ticks.
 */
const WINDOW_MS = 10_000;

export class ServerTime {
  readonly #tickMs: number;
  #rttMs = Number.POSITIVE_INFINITY;
  #offsetMs = 0;
  #currentMs = Number.POSITIVE_INFINITY;
  #formerMs = Number.POSITIVE_INFINITY;
  #windowStartMs = 0;

  constructor(tickHz: number) {
    this.#tickMs = 1000 / tickHz;
  }

  pong(
    pong: { serverTimeMs: number; tick: number },
    { sentMs, receivedMs }: { sentMs: number; receivedMs: number },
  ): void {
    const rttMs = receivedMs - sentMs;
    if (rttMs <= this.#rttMs) {
      this.#rttMs = rttMs;
      this.#offsetMs = pong.serverTimeMs - (sentMs + rttMs / 2);
    }
    if (receivedMs - this.#windowStartMs > WINDOW_MS / 2) {
      this.#windowStartMs = receivedMs;
      this.#formerMs = this.#currentMs;
      this.#currentMs = Number.POSITIVE_INFINITY;
    }
    this.#currentMs = Math.min(this.#currentMs, pong.serverTimeMs - pong.tick * this.#tickMs);
  }

  /** Milliseconds from the beginning of a tick to a local time; NaN before the first pong. */
  sinceTick(tick: number, localMs: number): number {
    const startMs = Math.min(this.#currentMs, this.#formerMs);
    if (!Number.isFinite(startMs)) return Number.NaN;
    return localMs + this.#offsetMs - (startMs + tick * this.#tickMs);
  }
}
