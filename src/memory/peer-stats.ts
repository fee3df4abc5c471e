/**
 * What the peer thread reports of links, handovers and the journal, for metrics, `status` and the viewer. Nothing here
 * decides anything.
 *
 *   counters f64 × C · gauges f64 × G · per histogram: count f64, sum f64 (seconds), max f64 (seconds), buckets f64 × BUCKETS
 *
 * A histogram's buckets are logarithmic, four to a doubling, from 8 µs on: a percentile read from them is off by at most
 * 19 %. Writer: the peer thread. Readers: gateway, main; they may see a value of a moment ago.
 */
export const PEER_COUNTERS = [
  'handoversOut',
  'handoversWithinTick',
  'handoversIn',
  'handoversRejected',
  'handoversReclaimed',
  'handoversRetried',
  'handoversRefused',
  'takeovers',
  'entitiesTakenOver',
  'messagesSent',
  'messagesDelivered',
  'messagesForwarded',
  'messagesRefused',
  'inputsForwarded',
  'inputsReceived',
  'inputsHeld',
  'routesSent',
  'routesReceived',
  'routesStale',
  'ghostFramesOut',
  'ghostFramesIn',
  'ghostBytesOut',
  'ghostBytesIn',
  'ghostFramesDropped',
  'snapshotsTunnelled',
  'snapshotsReceived',
  'snapshotsDropped',
  'framesRefused',
  'journalCommits',
  'journalRows',
  'leaseRenewals',
  'leaseLapses',
  'logins',
  'sessionsRebound',
  'blocksMoved',
  'publicationsWritten',
  'publicationsDelivered',
  'publicationsParked',
  'publicationsReplayed',
  'deliveriesFailed',
] as const;
export type PeerCounter = (typeof PEER_COUNTERS)[number];

export const PEER_GAUGES = [
  'node',
  'nodesUp',
  'handoversInFlight',
  'handoversInDoubt',
  'oldestInDoubtSeconds',
  'inboxRows',
  'outboxRows',
  'messagesWaiting',
  'breakersOpen',
  'entitiesOwned',
  'entitiesAtRest',
  'ghosts',
  'cellsOwned',
  'linkQueueBytes',
  'journalQueueRows',
  'journalFailed',
  'leaseValid',
  'playersOrphaned',
  'balances',
  'nodesWanted',
  'overloads',
  'publicationsWaiting',
  'publicationsWaitingBytes',
  'publicationsInPark',
  'publicationsBlocked',
  'oldestPublicationSeconds',
  'sinkDown',
] as const;
export type PeerGauge = (typeof PEER_GAUGES)[number];

/**
 * Stages of a handover in seconds, seen from one process each: capture (freeze → core), journal (core → stable), wire (COMMIT
 * sent → ACCEPTED heard, a round trip), accept (COMMIT heard → ACCEPTED sent), confirm (COMMIT sent → CONFIRMED heard),
 * route (activated → the gateway knows), total (freeze → ACCEPTED heard); the journal's commits; and attach (a client shows a token
 * → its player is there).
 */
export const PEER_HISTOGRAMS = [
  'capture',
  'journal',
  'wire',
  'accept',
  'confirm',
  'route',
  'total',
  'commit',
  'attach',
] as const;
export type PeerHistogram = (typeof PEER_HISTOGRAMS)[number];

const FIRST_BUCKET_SECONDS = 8e-6;
const BUCKETS_PER_DOUBLING = 4;
/** 21 doublings of 8 µs are some 17 s. */
export const HISTOGRAM_BUCKETS = 84;
const HISTOGRAM_WORDS = 3 + HISTOGRAM_BUCKETS;

const COUNTER_INDEX = indexOf(PEER_COUNTERS);
const GAUGE_INDEX = indexOf(PEER_GAUGES);
const HISTOGRAM_INDEX = indexOf(PEER_HISTOGRAMS);

/** Upper bound of a bucket, in seconds; the last bucket has none. */
export function bucketEndSeconds(bucket: number): number {
  return FIRST_BUCKET_SECONDS * 2 ** (bucket / BUCKETS_PER_DOUBLING);
}

export interface HistogramView {
  readonly count: number;
  readonly sumSeconds: number;
  readonly maxSeconds: number;
  /** Counts of durations up to bucketEndSeconds(index), not cumulated. */
  readonly buckets: Float64Array;
}

export class PeerStats {
  readonly #counters: Float64Array<SharedArrayBuffer>;
  readonly #gauges: Float64Array<SharedArrayBuffer>;
  readonly #histograms: Float64Array<SharedArrayBuffer>;

  static sizeBytes(): number {
    return 8 * (PEER_COUNTERS.length + PEER_GAUGES.length + PEER_HISTOGRAMS.length * HISTOGRAM_WORDS);
  }

  constructor(buffer: SharedArrayBuffer, offsetBytes: number) {
    this.#counters = new Float64Array(buffer, offsetBytes, PEER_COUNTERS.length);
    const gaugesAt = offsetBytes + this.#counters.byteLength;
    this.#gauges = new Float64Array(buffer, gaugesAt, PEER_GAUGES.length);
    const histogramsAt = gaugesAt + this.#gauges.byteLength;
    this.#histograms = new Float64Array(buffer, histogramsAt, PEER_HISTOGRAMS.length * HISTOGRAM_WORDS);
  }

  add(counter: PeerCounter, amount: number): void {
    this.#counters[COUNTER_INDEX[counter]]! += amount;
  }

  counter(counter: PeerCounter): number {
    return this.#counters[COUNTER_INDEX[counter]]!;
  }

  setGauge(gauge: PeerGauge, value: number): void {
    this.#gauges[GAUGE_INDEX[gauge]] = value;
  }

  gauge(gauge: PeerGauge): number {
    return this.#gauges[GAUGE_INDEX[gauge]]!;
  }

  observe(histogram: PeerHistogram, seconds: number): void {
    const row = HISTOGRAM_INDEX[histogram] * HISTOGRAM_WORDS;
    const bucket = Math.ceil(
      Math.log2(Math.max(seconds, FIRST_BUCKET_SECONDS) / FIRST_BUCKET_SECONDS) * BUCKETS_PER_DOUBLING,
    );
    this.#histograms[row]! += 1;
    this.#histograms[row + 1]! += seconds;
    if (seconds > this.#histograms[row + 2]!) this.#histograms[row + 2] = seconds;
    this.#histograms[row + 3 + Math.min(bucket, HISTOGRAM_BUCKETS - 1)]! += 1;
  }

  histogram(histogram: PeerHistogram): HistogramView {
    const row = HISTOGRAM_INDEX[histogram] * HISTOGRAM_WORDS;
    return {
      count: this.#histograms[row]!,
      sumSeconds: this.#histograms[row + 1]!,
      maxSeconds: this.#histograms[row + 2]!,
      buckets: this.#histograms.slice(row + 3, row + HISTOGRAM_WORDS),
    };
  }
}

/** The duration below which a share of all lies, in seconds, rounded up to its bucket's end; 0 when there is none. */
export function percentileSeconds(view: HistogramView, share: number): number {
  let left = view.count * share;
  for (let bucket = 0; bucket < view.buckets.length; bucket++) {
    left -= view.buckets[bucket]!;
    if (left <= 0 && view.count > 0) return Math.min(bucketEndSeconds(bucket), view.maxSeconds);
  }
  return view.maxSeconds;
}

function indexOf<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name, index) => [name, index])) as Record<Name, number>;
}
