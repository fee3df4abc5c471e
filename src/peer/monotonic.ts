/** CLOCK_MONOTONIC in milliseconds: the same in every thread of this machine, unlike performance.now(). */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
