/**
 * Milliseconds of the machine's monotonic clock (CLOCK_MONOTONIC): the same in all threads and processes of a machine, unlike
 * `performance.now`, and never set back. Its zero means nothing.
 */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
