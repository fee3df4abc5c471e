/** What all bots of a run measured together. Histograms count microseconds. */
import { build } from 'hdr-histogram-js';
import type { Histogram } from 'hdr-histogram-js';
import type { Violation } from './view-check.core.ts';

const US_PER_MS = 1000;
const US_MAX = 60_000_000;

export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export class Measures {
  readonly #intervals = histogram();
  readonly #roundTrips = histogram();
  readonly #receipts = histogram();
  readonly #acknowledgements = histogram();
  readonly #joins = histogram();
  readonly disconnectsByCode = new Map<number, number>();
  readonly errorsByCode = new Map<string, number>();
  readonly violations = new Map<Violation, number>();
  /** What is counted only while the run is measured. */
  isMeasuring = false;
  snapshots = 0;
  bytesIn = 0;
  messagesIn = 0;
  messagesOut = 0;
  inputsSent = 0;
  inViewSum = 0;
  intervalsOnTime = 0;

  /** @param nominalMs what it should be; within ±20 ms it is on time. */
  interval(intervalMs: number, nominalMs: number): void {
    if (!this.isMeasuring) return;
    record(this.#intervals, intervalMs);
    if (Math.abs(intervalMs - nominalMs) <= 20) this.intervalsOnTime++;
  }

  roundTrip(rttMs: number): void {
    if (this.isMeasuring) record(this.#roundTrips, rttMs);
  }

  receipt(latencyMs: number): void {
    if (this.isMeasuring) record(this.#receipts, latencyMs);
  }

  acknowledgement(latencyMs: number): void {
    if (this.isMeasuring) record(this.#acknowledgements, latencyMs);
  }

  join(durationMs: number): void {
    record(this.#joins, durationMs);
  }

  violation(violation: Violation): void {
    count(this.violations, violation);
  }

  get intervalMs(): Percentiles {
    return percentiles(this.#intervals);
  }
  get rttMs(): Percentiles {
    return percentiles(this.#roundTrips);
  }
  get receiptMs(): Percentiles {
    return percentiles(this.#receipts);
  }
  get acknowledgeMs(): Percentiles {
    return percentiles(this.#acknowledgements);
  }
  get joinMs(): Percentiles {
    return percentiles(this.#joins);
  }
  get intervalsCount(): number {
    return this.#intervals.totalCount;
  }
}

export function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function histogram(): Histogram {
  return build({ lowestDiscernibleValue: 1, highestTrackableValue: US_MAX, numberOfSignificantValueDigits: 3 });
}

function record(target: Histogram, durationMs: number): void {
  target.recordValue(Math.min(US_MAX, Math.max(0, Math.round(durationMs * US_PER_MS))));
}

function percentiles(source: Histogram): Percentiles {
  const at = (percentile: number): number =>
    source.totalCount === 0 ? 0 : source.getValueAtPercentile(percentile) / US_PER_MS;
  return { count: source.totalCount, p50: at(50), p90: at(90), p99: at(99), max: at(100) };
}
