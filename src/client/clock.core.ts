/**
 * What time it is at the server, from pings: half the round trip is taken for the way back.
 *
 *   round trip ≤ 500 ms ──▶ counts for four minutes; the median of the last 11 is the offset
 *              > 500 ms ──▶ counts only while there is none of the others, and when there are five: quality `slow`
 *
 * The server's time was taken between sending and receiving. A sample that this proves to be wrong about the others, as after
 * a sleep in which the local clock stood, ends them all.
 *
 * The offset grows by the drift, parts per million between the two clocks: the slope of a line through the samples of the
 * last minutes, in which a sample weighs the less the longer its round trip was. A slope that its own error
 * could explain is none. Local times are of any one monotonic clock.
 */
const SAMPLES_MAX = 11;
export const RTT_MS_MAX = 500;
/** Fewer tell little. */
export const SAMPLES_GOOD = 5;
/** So many slow answers, and no others, say that there will be none. */
const SLOW_MIN = 5;
/** At a ping each two seconds these are four minutes. */
const HISTORY_MAX = 120;
const HISTORY_MS_MAX = 240_000;
/** A shorter time says nothing of a drift: 20 ppm are then less than a millisecond. */
const DRIFT_SPAN_MS_MIN = 30_000;
/** Quartz is within 200 ppm, bad virtual clocks within 500; more is a fault of the measurement. */
const DRIFT_PPM_MAX = 2000;
/** By how many of its standard errors a slope must differ from none. */
const DRIFT_CERTAINTY = 3;
/** Ways of this length are as good as equal in both directions. */
const RTT_NOISE_MS = 2;
const PPM = 1e6;

/** `few`: less than five answers so far; `slow`: from round trips over 500 ms only. */
export type ClockQuality = 'none' | 'few' | 'slow' | 'good';

export interface ClockSample {
  readonly sentMs: number;
  readonly receivedMs: number;
  /** UTC at the server when it answered. */
  readonly serverTimeMs: number;
}

export class ServerClock {
  /** Samples not used when they came because their round trip took more than RTT_MS_MAX. */
  droppedCount = 0;
  readonly #good = new History();
  readonly #slow = new History();
  /** What the offset is made of. */
  #used = this.#good;
  readonly #rttsMs: number[] = [];
  #atLastMs = 0;
  #offsetMs = 0;
  #drift = 0;
  #rttMs = 0;

  add({ sentMs, receivedMs, serverTimeMs }: ClockSample): void {
    const rttMs = receivedMs - sentMs;
    if (!(rttMs >= 0)) return;
    keep(this.#rttsMs, rttMs, SAMPLES_MAX);
    this.#rttMs = median(this.#rttsMs);
    const offsetMs = serverTimeMs - (sentMs + rttMs / 2);
    const contradictionMs = Math.abs(sentMs + offsetMs - this.serverTimeMs(sentMs));
    if (this.#used.count > 0 && contradictionMs > (rttMs + Math.max(RTT_MS_MAX, this.#used.slowestMs)) / 2) {
      this.#good.clear();
      this.#slow.clear();
    }
    const isSlow = rttMs > RTT_MS_MAX;
    (isSlow ? this.#slow : this.#good).add({ atMs: receivedMs, offsetMs, wayMs: rttMs });
    this.#good.forgetBefore(receivedMs - HISTORY_MS_MAX);
    this.#slow.forgetBefore(receivedMs - HISTORY_MS_MAX);
    const isGood = this.#good.count > 0 || this.#slow.count < SLOW_MIN;
    this.#used = isGood ? this.#good : this.#slow;
    if (isSlow && isGood) this.droppedCount++;
    if (this.#used.count === 0) return;
    this.#drift = this.#used.estimateDrift();
    this.#atLastMs = this.#used.lastMs;
    this.#offsetMs = this.#used.estimateOffset(this.#drift);
  }

  /** The next answers come another way. */
  forgetRoundTrips(): void {
    this.#rttsMs.length = 0;
  }

  /** At most 11: those that the offset is made of. */
  get sampleCount(): number {
    return Math.min(SAMPLES_MAX, this.#used.count);
  }

  get quality(): ClockQuality {
    if (this.sampleCount === 0) return 'none';
    if (this.#used === this.#slow) return 'slow';
    return this.sampleCount < SAMPLES_GOOD ? 'few' : 'good';
  }

  /** Server UTC minus local time, as of the last sample; 0 before the first. */
  get offsetMs(): number {
    return this.#offsetMs;
  }

  /** How much faster the server's clock goes; 0 as long as none is certain. */
  get driftPpm(): number {
    return this.#drift * PPM;
  }

  /** Median round trip of the last pings, slow ones too; 0 before the first. */
  get rttMs(): number {
    return this.#rttMs;
  }

  serverTimeMs(localMs: number): number {
    return localMs + this.#offsetMs + this.#drift * (localMs - this.#atLastMs);
  }
}

/** Samples of one sort, oldest first. */
class History {
  readonly #atMs: number[] = [];
  readonly #offsetsMs: number[] = [];
  readonly #waysMs: number[] = [];

  get count(): number {
    return this.#atMs.length;
  }

  /** When the last one came. */
  get lastMs(): number {
    return this.#atMs.at(-1) ?? 0;
  }

  /** The longest round trip. */
  get slowestMs(): number {
    return Math.max(0, ...this.#waysMs);
  }

  add({ atMs, offsetMs, wayMs }: { atMs: number; offsetMs: number; wayMs: number }): void {
    keep(this.#atMs, atMs, HISTORY_MAX);
    keep(this.#offsetsMs, offsetMs, HISTORY_MAX);
    keep(this.#waysMs, wayMs, HISTORY_MAX);
  }

  forgetBefore(atMs: number): void {
    while (this.#atMs.length > 0 && (this.#atMs[0] ?? 0) < atMs) this.#shift();
  }

  clear(): void {
    while (this.#atMs.length > 0) this.#shift();
  }

  #shift(): void {
    for (const values of [this.#atMs, this.#offsetsMs, this.#waysMs]) values.shift();
  }

  /** The median, each sample moved by the drift to the time of the last. */
  estimateOffset(drift: number): number {
    const first = Math.max(0, this.#offsetsMs.length - SAMPLES_MAX);
    const moved: number[] = [];
    for (let index = first; index < this.#offsetsMs.length; index++) {
      moved.push((this.#offsetsMs[index] ?? 0) + drift * (this.lastMs - (this.#atMs[index] ?? 0)));
    }
    return median(moved);
  }

  /**
   * Weighted least squares: half of what a round trip took more than the fastest is how far its offset may be off, whichever
   * of the ways was the longer one.
   */
  estimateDrift(): number {
    const count = this.#atMs.length;
    const baseAt = this.#atMs[0] ?? 0;
    const baseOffset = this.#offsetsMs[0] ?? 0;
    if ((this.#atMs[count - 1] ?? 0) - baseAt < DRIFT_SPAN_MS_MIN) return 0;
    const fastestMs = Math.min(...this.#waysMs);
    const sums = { weight: 0, at: 0, offset: 0, atAt: 0, atOffset: 0 };
    for (let index = 0; index < count; index++) {
      const errorMs = (RTT_NOISE_MS + (this.#waysMs[index] ?? 0) - fastestMs) / 2;
      const weight = 1 / errorMs ** 2;
      const at = (this.#atMs[index] ?? 0) - baseAt;
      const offset = (this.#offsetsMs[index] ?? 0) - baseOffset;
      sums.weight += weight;
      sums.at += weight * at;
      sums.offset += weight * offset;
      sums.atAt += weight * at * at;
      sums.atOffset += weight * at * offset;
    }
    const spread = sums.atAt - sums.at ** 2 / sums.weight;
    const slope = (sums.atOffset - (sums.at * sums.offset) / sums.weight) / spread;
    const isCertain = Math.abs(slope) > DRIFT_CERTAINTY / Math.sqrt(spread);
    return isCertain && Math.abs(slope) * PPM <= DRIFT_PPM_MAX ? slope : 0;
  }
}

/** The middle value, or the mean of the two in the middle; 0 of none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

function keep(values: number[], value: number, countMax: number): void {
  values.push(value);
  if (values.length > countMax) values.shift();
}
