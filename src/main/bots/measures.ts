/** What all bots of a run measured together. Histograms count microseconds. Those of several processes can be added up. */
import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64 } from 'hdr-histogram-js';
import type { Histogram } from 'hdr-histogram-js';
import type { PresenceFault } from './presence-check.core.ts';
import { addRedirects, newRedirectCounts } from './redirect-watch.core.ts';
import type { RedirectCounts } from './redirect-watch.core.ts';
import type { Violation } from './view-check.core.ts';

const US_PER_MS = 1000;
/** An hour: a bot may wait for its server as long as a run takes. */
const US_MAX = 3_600_000_000;
const ON_TIME_MS = 20;
const EXAMPLES_MAX = 20;

export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

const DURATIONS = [
  'interval',
  'roundTrip',
  'receipt',
  'acknowledgement',
  'join',
  /** One for each bot: the longest time without a snapshot. */
  'longestGap',
  /** From the loss of a connection until the session was taken up again, or another one began. */
  'reconnect',
  /** One for each redirect. */
  'redirectGap',
] as const;
export type Duration = (typeof DURATIONS)[number];

/** Counted only while the run is measured. */
const TRAFFIC = {
  snapshots: 0,
  bytesIn: 0,
  messagesIn: 0,
  messagesOut: 0,
  inputsSent: 0,
  inViewSum: 0,
  intervalsOnTime: 0,
};
/** Counted from the first join to the last leave. */
const EVENTS = {
  resumes: 0,
  sessionsLost: 0,
  inputsRepeated: 0,
  inputsGivenUp: 0,
  handovers: 0,
};

/** As it goes from process to process. */
export interface MeasuresData {
  readonly durations: Readonly<Record<Duration, string>>;
  readonly counts: Readonly<Record<string, number>>;
  readonly redirectPhases: readonly Readonly<RedirectCounts>[];
  readonly examples: readonly string[];
  readonly keyed: Readonly<Record<'disconnects' | 'errors' | 'violations', Readonly<Record<string, number>>>>;
}

export class Measures {
  readonly traffic = { ...TRAFFIC };
  readonly events = { ...EVENTS };
  readonly presence: Record<PresenceFault, number> = { flickers: 0, seenTwice: 0 };
  /** By the phase of the run in which they were offered; the last one is under way. */
  readonly redirectPhases: RedirectCounts[] = [newRedirectCounts()];
  /** By close code, or by the error for which the SDK gave a connection up. */
  readonly disconnectsByCode = new Map<string, number>();
  readonly errorsByCode = new Map<string, number>();
  readonly violations = new Map<Violation, number>();
  /** The first things that were wrong, for people. */
  readonly examples: string[] = [];
  isMeasuring = false;
  readonly #histograms: Record<Duration, Histogram>;

  constructor() {
    this.#histograms = Object.fromEntries(DURATIONS.map((name) => [name, histogram()])) as Record<Duration, Histogram>;
  }

  /** @param nominalMs what it should be; within ±20 ms it is on time. */
  interval(intervalMs: number, nominalMs: number): void {
    if (!this.isMeasuring) return;
    this.duration('interval', intervalMs);
    if (Math.abs(intervalMs - nominalMs) <= ON_TIME_MS) this.traffic.intervalsOnTime++;
  }

  /** Only while the run is measured. */
  measured(name: Duration, durationMs: number): void {
    if (this.isMeasuring) this.duration(name, durationMs);
  }

  duration(name: Duration, durationMs: number): void {
    this.#histograms[name].recordValue(Math.min(US_MAX, Math.max(0, Math.round(durationMs * US_PER_MS))));
  }

  example(text: string): void {
    if (this.examples.length < EXAMPLES_MAX) this.examples.push(`${new Date().toISOString()} ${text}`);
  }

  get redirects(): RedirectCounts {
    const total = newRedirectCounts();
    for (const phase of this.redirectPhases) addRedirects(total, phase);
    return total;
  }

  /** Where redirects that are offered now are counted. */
  get redirectPhase(): RedirectCounts {
    return this.redirectPhases.at(-1) ?? newRedirectCounts();
  }

  percentiles(name: Duration): Percentiles {
    const source = this.#histograms[name];
    const at = (percentile: number): number =>
      source.totalCount === 0 ? 0 : source.getValueAtPercentile(percentile) / US_PER_MS;
    return { count: source.totalCount, p50: at(50), p90: at(90), p99: at(99), max: at(100) };
  }

  toData(): MeasuresData {
    const encoded = DURATIONS.map((name) => [name, encodeIntoCompressedBase64(this.#histograms[name])]);
    return {
      durations: Object.fromEntries(encoded) as Record<Duration, string>,
      counts: { ...this.traffic, ...this.events, ...this.presence },
      redirectPhases: this.redirectPhases,
      examples: this.examples,
      keyed: {
        disconnects: Object.fromEntries(this.disconnectsByCode),
        errors: Object.fromEntries(this.errorsByCode),
        violations: Object.fromEntries(this.violations),
      },
    };
  }

  add({ durations, counts, redirectPhases, examples, keyed }: MeasuresData): void {
    for (const name of DURATIONS) this.#histograms[name].add(decodeFromCompressedBase64(durations[name]) as Histogram);
    for (const target of [this.traffic, this.events, this.presence] as Record<string, number>[]) {
      for (const name of Object.keys(target)) target[name] = (target[name] ?? 0) + (counts[name] ?? 0);
    }
    for (const [phase, source] of redirectPhases.entries()) {
      addRedirects((this.redirectPhases[phase] ??= newRedirectCounts()), source);
    }
    this.examples.push(...examples.slice(0, EXAMPLES_MAX - this.examples.length));
    addAll(this.disconnectsByCode, keyed.disconnects);
    addAll(this.errorsByCode, keyed.errors);
    addAll(this.violations as Map<string, number>, keyed.violations);
  }
}

export function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

export function sum(counts: ReadonlyMap<unknown, number>): number {
  let total = 0;
  for (const value of counts.values()) total += value;
  return total;
}

function addAll(target: Map<string, number>, source: Readonly<Record<string, number>>): void {
  for (const [key, value] of Object.entries(source)) target.set(key, (target.get(key) ?? 0) + value);
}

function histogram(): Histogram {
  return build({ lowestDiscernibleValue: 1, highestTrackableValue: US_MAX, numberOfSignificantValueDigits: 3 });
}
