/**
 * What is delivered next, and what follows from the sink's answer. Pure: times are given to it.
 *
 *   offered ──▶ waiting ──batch──▶ in hand ──taken──▶ –
 *                 ▲                  │ ├──down──▶ waiting; nothing is tried before the backoff is over, for ever
 *                 │                  │ └──refused, a batch──▶ waiting, each to be tried alone
 *                 └──refused, alone──┘    the fifth time: parked
 *
 * Invariant: one batch is in hand at a time, and an entity's publications stand in it in their order; while one of them waits for another
 * try, those behind it wait, too.
 */
import type { Random } from '../../base/random.ts';
import type { PublicationId, PublicationRow } from '../../peer/protocol.ts';

export const BATCH_ROWS_MAX = 256;
export const BATCH_BYTES_MAX = 256 * 1024;
/** Of a publication that the sink refuses; then it is parked. */
export const TRIES_MAX = 5;
/** Backoff: doubles from the least to the greatest, and is shortened by up to a quarter, so that nodes do not come back together. */
const BACKOFF_MS_MIN = 200;
const DOWN_MS_MAX = 5_000;
const JITTER_SHARE = 0.25;

interface Waiting {
  readonly row: PublicationRow;
  tries: number;
  /** It was in a batch that was refused: which one of them it was is found out one by one. */
  isAlone: boolean;
  /** Not before. */
  dueMs: number;
}

export class DeliveryQueue {
  readonly #random: Random;
  #waiting: Waiting[] = [];
  #inHand: Waiting[] = [];
  #failures = 0;
  #dueMs = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  get isDown(): boolean {
    return this.#failures > 0;
  }

  offer(rows: readonly PublicationRow[]): void {
    for (const row of rows) this.#waiting.push({ row, tries: 0, isAlone: false, dueMs: 0 });
  }

  /** Takes the next batch in hand, or says how long there is none: undefined, until something is offered. */
  next(nowMs: number): { readonly batch: readonly PublicationRow[] } | { readonly waitMs: number | undefined } {
    if (this.#waiting.length === 0) return { waitMs: undefined };
    if (nowMs < this.#dueMs) return { waitMs: this.#dueMs - nowMs };
    const held = new Set<number>();
    let soonestMs = Infinity;
    let sizeBytes = 0;
    const batch: Waiting[] = [];
    for (const waiting of this.#waiting) {
      const { row, isAlone, dueMs } = waiting;
      if (held.has(row.entity)) continue;
      if (dueMs > nowMs) {
        held.add(row.entity);
        soonestMs = Math.min(soonestMs, dueMs);
        continue;
      }
      if (isAlone && batch.length > 0) break;
      sizeBytes += row.body.length;
      if (batch.length > 0 && sizeBytes > BATCH_BYTES_MAX) break;
      batch.push(waiting);
      if (isAlone || batch.length === BATCH_ROWS_MAX) break;
    }
    if (batch.length === 0) return { waitMs: soonestMs - nowMs };
    const taken = new Set(batch);
    this.#waiting = this.#waiting.filter((waiting) => !taken.has(waiting));
    this.#inHand = batch;
    return { batch: batch.map(({ row }) => row) };
  }

  /** The sink has what was in hand. */
  taken(): PublicationId[] {
    const ids = this.#inHand.map(({ row }) => idOf(row));
    this.#inHand = [];
    this.#failures = 0;
    return ids;
  }

  /** The sink does not answer, or not well: that is no fault of a publication. Returns how long nothing is tried. */
  down(nowMs: number): number {
    this.#putBack();
    const retryMs = this.#backoffMs(this.#failures++, DOWN_MS_MAX);
    this.#dueMs = nowMs + retryMs;
    return retryMs;
  }

  /** The sink will not have what was in hand. Returns what is parked now. */
  refused(nowMs: number): PublicationId[] {
    this.#failures = 0;
    const [first, ...others] = this.#inHand;
    if (first === undefined) return [];
    if (others.length > 0) {
      for (const waiting of this.#inHand) waiting.isAlone = true;
      this.#putBack();
      return [];
    }
    first.isAlone = true;
    first.tries++;
    if (first.tries >= TRIES_MAX) {
      this.#inHand = [];
      return [idOf(first.row)];
    }
    first.dueMs = nowMs + this.#backoffMs(first.tries - 1, DOWN_MS_MAX);
    this.#putBack();
    return [];
  }

  #putBack(): void {
    this.#waiting = [...this.#inHand, ...this.#waiting];
    this.#inHand = [];
  }

  #backoffMs(attempt: number, maxMs: number): number {
    const fullMs = Math.min(BACKOFF_MS_MIN * 2 ** attempt, maxMs);
    return fullMs * (1 - JITTER_SHARE * this.#random.next());
  }
}

function idOf({ entity, number }: PublicationRow): PublicationId {
  return { entity, number };
}
