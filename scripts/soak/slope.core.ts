/** How a figure rises or falls over time, untouched by a few odd samples: the median of the slopes between all pairs (Theil and Sen). */
export interface Point {
  readonly hours: number;
  readonly value: number;
}

/** More points than this are thinned: their pairs grow by the square. */
const POINTS_MAX = 600;

/** Per hour; NaN of fewer than two moments. */
export function slopePerHour(points: readonly Point[]): number {
  const step = Math.max(1, Math.ceil(points.length / POINTS_MAX));
  const thinned = points.filter((_, index) => index % step === 0);
  const slopes: number[] = [];
  for (const [index, { hours, value }] of thinned.entries()) {
    for (const later of thinned.slice(index + 1)) {
      if (later.hours !== hours) slopes.push((later.value - value) / (later.hours - hours));
    }
  }
  return median(slopes);
}

/** Of an even number, the mean of the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
