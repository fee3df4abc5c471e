/** What is asked of a run. */
import type { WalkReport } from './walker.ts';

/** Each input that was sent acted once, in order; those never sent were replaced by a newer one of the same tick. */
export function areInputsExact({ accepted, sent, account }: WalkReport): boolean {
  return (
    sent > 0 &&
    account.acted === sent &&
    account.disorder === 0 &&
    account.last === accepted &&
    account.missing === accepted - sent
  );
}

/** The value below which this part of the values lies; 0 of none. */
export function share(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}
