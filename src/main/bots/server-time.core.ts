/**
 * When each tick began, by the local clock. The answer with the shortest round trip tells how far the server's clock is off. A
 * pong also names the tick in work: `serverTime - tick · tickMs` is the beginning of tick 0 plus the part of the tick that
 * was over, so its minimum over many pongs is the beginning. Two halves of a window follow a server that skips ticks.
 */
const HALF_WINDOW_MS = 1000;
/** With fewer, none may have come right after the beginning of a tick: they are as good as even over it. */
const HALF_WINDOW_PONGS = 40;

export class ServerTime {
  readonly #tickMs: number;
  #rttMs = Number.POSITIVE_INFINITY;
  #offsetMs = 0;
  #currentMs = Number.POSITIVE_INFINITY;
  #formerMs = Number.POSITIVE_INFINITY;
  #halfStartMs = 0;
  #halfPongs = 0;

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
    this.#halfPongs++;
    if (this.#halfPongs > HALF_WINDOW_PONGS && receivedMs - this.#halfStartMs > HALF_WINDOW_MS) {
      this.#halfStartMs = receivedMs;
      this.#halfPongs = 1;
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
