/** When to connect again after the connection was lost, and when not to. */
import { CLOSE_CODE } from '../wire/messages.ts';

export interface BackoffOptions {
  /** The first delay after a loss. */
  readonly minMs: number;
  readonly maxMs: number;
}

export const BACKOFF_DEFAULT: BackoffOptions = { minMs: 1000, maxMs: 30_000 };

/** A restarting server is back soon, but its clients should not all come in the same instant. */
const RESTART_DELAY_MS_MAX = 500;

/**
 * Doubles from `minMs` to `maxMs`, of which a random half is taken away. After a 1012 the first try comes quickly.
 * @param attempt 0 for the first try after a loss.
 * @param random in [0, 1).
 */
export function backoffDelayMs(
  attempt: number,
  { closeCode, random, backoff }: { closeCode: number; random: number; backoff: BackoffOptions },
): number {
  if (attempt === 0 && closeCode === CLOSE_CODE.restart) return Math.min(RESTART_DELAY_MS_MAX, backoff.minMs) * random;
  const ceilingMs = Math.min(backoff.maxMs, backoff.minMs * 2 ** Math.min(attempt, 30));
  return ceilingMs * (0.5 + random / 2);
}

/** Close codes after which a new try would end the same way. */
export function isFinal(closeCode: number): boolean {
  return (
    closeCode === CLOSE_CODE.normal ||
    closeCode === CLOSE_CODE.malformed ||
    closeCode === CLOSE_CODE.version ||
    closeCode === CLOSE_CODE.auth ||
    closeCode === CLOSE_CODE.replaced
  );
}
