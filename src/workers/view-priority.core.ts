/**
 * Who of those in view is told of first when a snapshot has not room for all. Without a sort: each goes into a bucket by
 *
 *   urgency · (waiting + 1)                 in powers of two
 *   waiting, once it is OVERDUE_SNAPSHOTS   one bucket for each snapshot more; before all others
 *
 * so adding is constant and taking all is linear. Whoever is told begins to wait anew.
 *
 * Bound: of N in view, of whom at least k are told in each snapshot, nobody waits for more than
 * OVERDUE_SNAPSHOTS + ceil(N / k) snapshots. For before somebody overdue come only those who have waited for as long, at
 * most N - 1, and each of them once: being overdue again takes OVERDUE_SNAPSHOTS, and is then the shorter wait.
 */
const ALIASES = 256;
export const OVERDUE_SNAPSHOTS = 40;
const URGENCY_BUCKETS = 32;
/** All waits up to the bound for one of 255 in a snapshot have a bucket of their own. */
const OVERDUE_BUCKETS = 256 + OVERDUE_SNAPSHOTS;
const BUCKETS = URGENCY_BUCKETS + OVERDUE_BUCKETS;
/** An urgency of 1 that has not waited stands in the middle of the range of powers. */
const URGENCY_UNIT = 2 ** 10;

export class UpdateQueue {
  /** Per bucket the first alias, 0 for none; per alias the next. */
  readonly #first = new Uint8Array(BUCKETS);
  readonly #next = new Uint8Array(ALIASES);
  #highest = -1;

  start(): void {
    this.#first.fill(0);
    this.#highest = -1;
  }

  /** @param urgency above 0; 1 is something that is just worth telling. @param waiting in snapshots. */
  add(alias: number, urgency: number, waiting: number): void {
    const bucket = bucketOf(urgency, waiting);
    this.#next[alias] = this.#first[bucket]!;
    this.#first[bucket] = alias;
    if (bucket > this.#highest) this.#highest = bucket;
  }

  /** The most urgent alias, taken out; 0 when nobody is left. */
  take(): number {
    while (this.#highest >= 0) {
      const alias = this.#first[this.#highest]!;
      if (alias !== 0) {
        this.#first[this.#highest] = this.#next[alias]!;
        return alias;
      }
      this.#highest--;
    }
    return 0;
  }
}

function bucketOf(urgency: number, waiting: number): number {
  if (waiting >= OVERDUE_SNAPSHOTS) {
    return URGENCY_BUCKETS + Math.min(waiting - OVERDUE_SNAPSHOTS, OVERDUE_BUCKETS - 1);
  }
  const value = Math.min(urgency * (waiting + 1) * URGENCY_UNIT, 2 ** 31);
  return 31 - Math.clz32(Math.max(1, value));
}
