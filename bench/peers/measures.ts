/** What the clients of one process measured together since the last window. Histograms count microseconds. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { build } from 'hdr-histogram-js';
import type { Histogram } from 'hdr-histogram-js';

const US_PER_MS = 1000;
const US_MAX = 60_000_000;
/** Sizes of state messages that are kept for the bare server to repeat. */
const SIZES_MAX = 20_000;
/** Frame heads: of a client's frames 4 bytes more, the mask. */
const HEAD_BYTES = { small: 2, medium: 4, large: 10 } as const;
const MASK_BYTES = 4;
/** Within it an interval is on time. */
export const ON_TIME_MS = 20;

export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Milliseconds and bytes. */
export interface WindowReport {
  readonly type: 'window';
  readonly seconds: number;
  readonly online: number;
  /** Snapshots, patches or frames: the state of a tick. */
  readonly states: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** With frame heads, without TCP and IP. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly intervalMs: Spread;
  /** How far intervals are off the nominal one. */
  readonly offNominalMs: Spread;
  readonly onTimeShare: number;
  readonly receiptMs: Spread;
  /** Of what is near. */
  readonly receiptNearMs: Spread;
  readonly inViewMean: number;
  readonly stateBytes: readonly number[];
  /** Refusals, errors and lost connections by code. */
  readonly failures: Readonly<Record<string, number>>;
  /** Of the clients' process: what it adds to the figures by its own lateness. */
  readonly cpuCores: number;
  readonly loopDelayMs: Spread;
}

export class Measures {
  readonly #nominalMs: number;
  readonly #intervals = histogram();
  readonly #offs = histogram();
  readonly #receipts = histogram();
  readonly #receiptsNear = histogram();
  readonly #loopDelay = monitorEventLoopDelay({ resolution: 2 });
  readonly #failures = new Map<string, number>();
  readonly #stateBytes: number[] = [];
  #startMs = performance.now();
  #cpu = process.cpuUsage();
  #states = 0;
  #messagesIn = 0;
  #messagesOut = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  #onTime = 0;
  #inViewSum = 0;
  #views = 0;

  constructor(stateHz: number) {
    this.#nominalMs = 1000 / stateHz;
    this.#loopDelay.enable();
  }

  received(payloadBytes: number): void {
    this.#messagesIn++;
    this.#bytesIn += payloadBytes + headBytes(payloadBytes);
  }

  sent(payloadBytes: number): void {
    this.#messagesOut++;
    this.#bytesOut += payloadBytes + headBytes(payloadBytes) + MASK_BYTES;
  }

  state(sinceLastMs: number, sizeBytes: number): void {
    this.#states++;
    const offMs = Math.abs(sinceLastMs - this.#nominalMs);
    record(this.#intervals, sinceLastMs);
    record(this.#offs, offMs);
    if (offMs <= ON_TIME_MS) this.#onTime++;
    if (this.#stateBytes.length < SIZES_MAX) this.#stateBytes.push(sizeBytes);
  }

  receipt(latencyMs: number, isNear: boolean): void {
    record(this.#receipts, latencyMs);
    if (isNear) record(this.#receiptsNear, latencyMs);
  }

  inView(count: number): void {
    this.#views++;
    this.#inViewSum += count;
  }

  failed(code: string): void {
    this.#failures.set(code, (this.#failures.get(code) ?? 0) + 1);
  }

  /** What was measured since the last call; failures stay counted. */
  window(online: number): WindowReport {
    const seconds = (performance.now() - this.#startMs) / 1000;
    const { user, system } = process.cpuUsage(this.#cpu);
    const delay = this.#loopDelay;
    const report: WindowReport = {
      type: 'window',
      seconds,
      online,
      states: this.#states,
      messagesIn: this.#messagesIn,
      messagesOut: this.#messagesOut,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      intervalMs: spread(this.#intervals),
      offNominalMs: spread(this.#offs),
      onTimeShare: this.#states === 0 ? 0 : this.#onTime / this.#states,
      receiptMs: spread(this.#receipts),
      receiptNearMs: spread(this.#receiptsNear),
      inViewMean: this.#views === 0 ? 0 : this.#inViewSum / this.#views,
      stateBytes: this.#stateBytes.slice(),
      failures: Object.fromEntries(this.#failures),
      cpuCores: (user + system) / 1e6 / seconds,
      loopDelayMs: {
        count: delay.count,
        p50: delay.percentile(50) / 1e6,
        p99: delay.percentile(99) / 1e6,
        max: delay.max / 1e6,
      },
    };
    this.#reset();
    return report;
  }

  #reset(): void {
    for (const each of [this.#intervals, this.#offs, this.#receipts, this.#receiptsNear]) each.reset();
    this.#loopDelay.reset();
    this.#stateBytes.length = 0;
    this.#startMs = performance.now();
    this.#cpu = process.cpuUsage();
    this.#states = 0;
    this.#messagesIn = 0;
    this.#messagesOut = 0;
    this.#bytesIn = 0;
    this.#bytesOut = 0;
    this.#onTime = 0;
    this.#inViewSum = 0;
    this.#views = 0;
  }
}

function headBytes(payloadBytes: number): number {
  if (payloadBytes < 126) return HEAD_BYTES.small;
  return payloadBytes < 65_536 ? HEAD_BYTES.medium : HEAD_BYTES.large;
}

function histogram(): Histogram {
  return build({ lowestDiscernibleValue: 1, highestTrackableValue: US_MAX, numberOfSignificantValueDigits: 3 });
}

function record(target: Histogram, durationMs: number): void {
  target.recordValue(Math.min(US_MAX, Math.max(0, Math.round(durationMs * US_PER_MS))));
}

function spread(source: Histogram): Spread {
  const at = (percentile: number) =>
    source.totalCount === 0 ? 0 : source.getValueAtPercentile(percentile) / US_PER_MS;
  return { count: source.totalCount, p50: at(50), p99: at(99), max: at(100) };
}
