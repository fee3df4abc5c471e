/** When a ratio is too much, and when it is measured again: nothing but arithmetic. */
import { GROWTH_MAX } from '../payload/baseline.core.ts';

/** Ratios by check, and the machine on which they were measured. */
export interface RatioBaseline {
  readonly machine: string;
  readonly ratios: Readonly<Record<string, number>>;
}

/**
 * - `same`: within GROWTH_MAX of the baseline
 * - `better`: so far below it that a later loss would go unseen: a new baseline is due
 * - `worse`: above it by more than GROWTH_MAX in each attempt
 * - `unknown`: there is no baseline
 */
export type RatioVerdict = 'same' | 'better' | 'worse' | 'unknown';

export interface Judged {
  readonly name: string;
  readonly about: string;
  /** The lowest of the attempts: what else the machine does only ever adds. */
  readonly ratio: number;
  /** Medians of the processes of each attempt. */
  readonly attempts: readonly number[];
  readonly baseline: number | undefined;
  /** 0.2 is a fifth more. */
  readonly growth: number;
  readonly verdict: RatioVerdict;
}

export function judge(
  watched: { readonly name: string; readonly about: string },
  attempts: readonly number[],
  baseline: number | undefined,
): Judged {
  const ratio = Math.min(...attempts);
  const growth = baseline === undefined ? Number.POSITIVE_INFINITY : ratio / baseline - 1;
  const { name, about } = watched;
  return { name, about, ratio, attempts, baseline, growth, verdict: verdictOf(baseline, growth) };
}

function verdictOf(baseline: number | undefined, growth: number): RatioVerdict {
  if (baseline === undefined) return 'unknown';
  // As many a byte is counted in payload, a ratio of exactly a fifth more passes; what is no number does not.
  if (!(growth <= GROWTH_MAX)) return 'worse';
  return growth < -GROWTH_MAX ? 'better' : 'same';
}
