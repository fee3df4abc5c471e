/** Compares what clients are sent with what they were sent when the baseline was written. */

/** More growth than this fails. */
export const GROWTH_MAX = 0.2;

/** Bytes per client and second, by scenario. */
export type Baseline = Readonly<Record<string, number>>;

export interface Comparison {
  readonly name: string;
  readonly bytes: number;
  readonly baselineBytes: number;
  /** 0.2 is a fifth more. */
  readonly growth: number;
  readonly isTooMuch: boolean;
}

/** A scenario that has no baseline is compared with nothing, and fails: it is to be written down. */
export function compare(measured: Baseline, baseline: Baseline): Comparison[] {
  return Object.entries(measured).map(([name, bytes]) => {
    const baselineBytes = baseline[name] ?? 0;
    const growth = baselineBytes === 0 ? Number.POSITIVE_INFINITY : bytes / baselineBytes - 1;
    return { name, bytes, baselineBytes, growth, isTooMuch: growth > GROWTH_MAX };
  });
}

/** Scenarios of the baseline that are measured no more. */
export function vanished(measured: Baseline, baseline: Baseline): string[] {
  return Object.keys(baseline).filter((name) => measured[name] === undefined);
}
