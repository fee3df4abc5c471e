/** When to try a lost connection again: soon at first, then less and less often, never all pages at once. */
const FIRST_MS = 500;
const LONGEST_MS = 5000;
const GROWTH = 1.7;
/** A restarted server is not greeted by every page in the same millisecond. */
const JITTER_SHARE = 0.25;

/** `attempt` counts from 0; `random` is in 0 … 1. */
export function retryDelayMs(attempt: number, random: number): number {
  const delayMs = Math.min(LONGEST_MS, FIRST_MS * GROWTH ** Math.min(attempt, 20));
  return delayMs * (1 - JITTER_SHARE + 2 * JITTER_SHARE * random);
}
