/**
 * What comes of a client whose clock is off:
 *
 *   |skew|   ≤ reportMs    ok
 *            > reportMs    reported: counted and logged, the client plays
 *            > maxMs       refused: ERR_CLOCK_SKEW. The client measures the skew by pings and says the corrected time
 *
 * Invariant: this is all that a client's time decides. Ticks, limits, leases and tokens go by the server's clock.
 */
export interface ClockLimit {
  readonly reportMs: number;
  /** 0: never refused. */
  readonly maxMs: number;
}

export type ClockVerdict = 'ok' | 'reported' | 'refused';

export interface ClockFinding {
  readonly verdict: ClockVerdict;
  /** The client's clock minus ours; 0 if the client did not say its time. */
  readonly skewMs: number;
}

/** @param clientTimeMs UTC in milliseconds since 1970 by the client's clock, 0: it did not say. */
export function judgeClock(
  { clientTimeMs, utcMs }: { clientTimeMs: number; utcMs: number },
  { reportMs, maxMs }: ClockLimit,
): ClockFinding {
  if (clientTimeMs === 0) return { verdict: 'ok', skewMs: 0 };
  const skewMs = clientTimeMs - utcMs;
  const offMs = Math.abs(skewMs);
  // What is not even a number is no time at all.
  if (maxMs > 0 && !(offMs <= maxMs)) return { verdict: 'refused', skewMs };
  return { verdict: offMs <= reportMs ? 'ok' : 'reported', skewMs };
}

/** For people: `3 h 12 min ahead`, `2 min 5 s behind`. */
export function skewText(skewMs: number): string {
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  const parts: readonly (readonly [count: number, unit: string])[] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = Math.max(
    0,
    parts.findIndex(([count]) => count > 0),
  );
  const shown = parts
    .slice(first, first + 2)
    .filter(([count], index) => count > 0 || index === 0)
    .map(([count, unit]) => `${count} ${unit}`);
  return `${(seconds === 0 ? ['0 s'] : shown).join(' ')} ${skewMs < 0 ? 'behind' : 'ahead'}`;
}
