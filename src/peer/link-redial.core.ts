/** When to dial again after a link went down or could not be made. */
export interface RedialOptions {
  readonly minMs: number;
  readonly maxMs: number;
}

export const REDIAL_DEFAULT: RedialOptions = { minMs: 50, maxMs: 2000 };

/**
 * Doubles from `minMs` to `maxMs`, of which a random half is taken away, so that two nodes do not dial in step for ever.
 * @param attempt 0 for the first try after a loss.
 * @param random in [0, 1).
 */
export function redialDelayMs(attempt: number, { random, redial }: { random: number; redial: RedialOptions }): number {
  const ceilingMs = Math.min(redial.maxMs, redial.minMs * 2 ** Math.min(attempt, 30));
  return ceilingMs * (0.5 + random / 2);
}
