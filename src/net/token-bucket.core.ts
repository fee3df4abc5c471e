/**
 * Limits a rate: `burst` tokens at most, refilled at `perSecond`. Two numbers for each connection, no timers.
 *
 * Invariant: over any time t at most `burst + t · perSecond` takes succeed.
 */
export interface Bucket {
  tokens: number;
  atMs: number;
}

export interface BucketLimit {
  readonly perSecond: number;
  readonly burst: number;
}

export function fullBucket({ burst }: BucketLimit, nowMs: number): Bucket {
  return { tokens: burst, atMs: nowMs };
}

/** Takes one token; false when there is none. A clock that steps back refills nothing. */
export function takeToken(bucket: Bucket, limit: BucketLimit, nowMs: number): boolean {
  const elapsedMs = nowMs - bucket.atMs;
  if (elapsedMs > 0) {
    bucket.tokens = Math.min(limit.burst, bucket.tokens + (elapsedMs * limit.perSecond) / 1000);
    bucket.atMs = nowMs;
  }
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}
