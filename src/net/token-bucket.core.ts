/**
 * Limits a rate: `burst` tokens at most, refilled at `perSecond`. Two numbers for each bucket, no timers.
 *
 * Invariant: over any time t at most `burst + t · perSecond` tokens are taken.
 */
export interface Bucket {
  tokens: number;
  atMs: number;
}

export interface BucketLimit {
  readonly perSecond: number;
  readonly burst: number;
}

const MS_PER_SECOND = 1000;

export function fullBucket({ burst }: BucketLimit, nowMs: number): Bucket {
  return { tokens: burst, atMs: nowMs };
}

/** Takes one token; false when there is none. A clock that steps back refills nothing. */
export function takeToken(bucket: Bucket, limit: BucketLimit, nowMs: number): boolean {
  return takeTokens(bucket, 1, limit, nowMs);
}

/** Takes so many tokens, or none of them and returns false. More than `burst` are never had. */
export function takeTokens(bucket: Bucket, count: number, limit: BucketLimit, nowMs: number): boolean {
  const elapsedMs = nowMs - bucket.atMs;
  if (elapsedMs > 0) {
    bucket.tokens = Math.min(limit.burst, bucket.tokens + (elapsedMs * limit.perSecond) / MS_PER_SECOND);
    bucket.atMs = nowMs;
  }
  if (bucket.tokens < count) return false;
  bucket.tokens -= count;
  return true;
}

/**
 * One bucket for each key, such as an address or an account, all with the same limit and at most `bucketsMax` of them.
 *
 * They stand in the order in which they were last asked for. A bucket that was not asked for as long as it takes to
 * fill is as good as a new one and is forgotten; beyond `bucketsMax` the one that was asked for longest ago goes, which
 * is the fullest but for its past. So whoever sweeps through addresses costs no memory, and what he wins by it is one
 * burst for each `bucketsMax` addresses that he has.
 */
export class BucketTable {
  readonly #limit: BucketLimit;
  readonly #bucketsMax: number;
  readonly #fillMs: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(limit: BucketLimit, bucketsMax: number) {
    this.#limit = limit;
    this.#bucketsMax = bucketsMax;
    this.#fillMs = (limit.burst / limit.perSecond) * MS_PER_SECOND;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one token of this key; false when it has none. */
  take(key: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(key) ?? fullBucket(this.#limit, nowMs);
    this.#buckets.delete(key);
    this.#forget(nowMs);
    this.#buckets.set(key, bucket);
    return takeToken(bucket, this.#limit, nowMs);
  }

  /** Makes room for one; two at most for each take, so that the table comes down to what is not full. */
  #forget(nowMs: number): void {
    for (let looked = 0; looked < 2; looked++) {
      const [oldest] = this.#buckets;
      if (oldest === undefined) return;
      const [key, { atMs }] = oldest;
      if (nowMs - atMs < this.#fillMs && this.#buckets.size < this.#bucketsMax) return;
      this.#buckets.delete(key);
    }
  }
}
