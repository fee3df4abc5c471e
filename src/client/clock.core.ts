/**
 * What time it is at the server, from pings: half the round trip is taken for the way back. Samples with a long round
 * trip say little and are dropped; the median of the rest is the estimate.
 */
const SAMPLES_MAX = 11;
export const RTT_MS_MAX = 500;

export interface ClockSample {
  readonly sentMs: number;
  readonly receivedMs: number;
  /** UTC at the server when it answered. */
  readonly serverTimeMs: number;
}

export class ServerClock {
  /** Samples not used because their round trip took more than RTT_MS_MAX. */
  droppedCount = 0;
  #offsetsMs: number[] = [];
  #rttsMs: number[] = [];
  #offsetMs = 0;
  #rttMs = 0;

  /** Local times are of any one monotonic clock. */
  add({ sentMs, receivedMs, serverTimeMs }: ClockSample): void {
    const rttMs = receivedMs - sentMs;
    if (!(rttMs >= 0 && rttMs <= RTT_MS_MAX)) {
      this.droppedCount++;
      return;
    }
    keep(this.#offsetsMs, serverTimeMs - (sentMs + rttMs / 2));
    keep(this.#rttsMs, rttMs);
    this.#offsetMs = median(this.#offsetsMs);
    this.#rttMs = median(this.#rttsMs);
  }

  get sampleCount(): number {
    return this.#offsetsMs.length;
  }

  /** Server UTC minus local time; 0 before the first sample. */
  get offsetMs(): number {
    return this.#offsetMs;
  }

  /** Median round trip; 0 before the first sample. */
  get rttMs(): number {
    return this.#rttMs;
  }

  serverTimeMs(localMs: number): number {
    return localMs + this.#offsetMs;
  }
}

/** The middle value, or the mean of the two in the middle; 0 of none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

function keep(values: number[], value: number): void {
  values.push(value);
  if (values.length > SAMPLES_MAX) values.shift();
}
