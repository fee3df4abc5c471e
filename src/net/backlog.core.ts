/**
 * Decides about a client that does not take what it is sent.
 *
 *   unsent bytes   ≤ skip               fine
 *                  > skip               no snapshots (the observe phase reads the backlog); after `msMax` of it: drop
 *                  > max                drop
 */
export interface BacklogLimit {
  readonly bytesSkip: number;
  readonly bytesMax: number;
  readonly msMax: number;
}

export interface Backlog {
  /** When the unsent bytes went above `bytesSkip`, or -1 while they are below. */
  sinceMs: number;
}

/** Returns true when the client is to be dropped. */
export function stepBacklog(
  backlog: Backlog,
  limit: BacklogLimit,
  { bytes, nowMs }: { bytes: number; nowMs: number },
): boolean {
  if (bytes <= limit.bytesSkip) {
    backlog.sinceMs = -1;
    return false;
  }
  if (backlog.sinceMs < 0) backlog.sinceMs = nowMs;
  return bytes > limit.bytesMax || nowMs - backlog.sinceMs >= limit.msMax;
}
