/**
 * Whose turn it is: `count` members take turns evenly spread over each period, so that they do not all act in the same
 * instant. Someone who comes late to ask gets the turns that were missed, at most one period of them.
 */
export class Rota {
  readonly #count: number;
  readonly #periodMs: number;
  /** Turns given since the start: turn n is member n % count's, at n · periodMs / count. */
  #given = 0;
  readonly #startMs: number;

  constructor({ count, periodMs, startMs }: { count: number; periodMs: number; startMs: number }) {
    this.#count = count;
    this.#periodMs = periodMs;
    this.#startMs = startMs;
  }

  take(nowMs: number, act: (member: number) => void): void {
    const due = Math.floor(((nowMs - this.#startMs) * this.#count) / this.#periodMs);
    this.#given = Math.max(this.#given, due - this.#count);
    for (; this.#given < due; this.#given++) act(this.#given % this.#count);
  }
}
