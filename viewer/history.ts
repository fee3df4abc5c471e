/**
 * The window of the charts: one row a second, made from the ticks and counters of the statistics feed. Rates come
 * from differences of counters, so a restarted server (a counter that falls) gives a gap instead of a negative rate.
 */
import { PHASES, type StatsMessage } from './overview-text.wire.ts';

/** Seconds that the charts show. */
export const WINDOW_SECONDS = 120;
const ROW_MS = 1000;
/** Ticks of one second at 60 Hz and catching up; past it the rest of the second is not sampled. */
const TICKS_PER_ROW_MAX = 512;

export interface HistoryRow {
  /** Seconds on the page's clock, at the end of the row. */
  readonly atSeconds: number;
  readonly tickMsP50: number;
  readonly tickMsP99: number;
  readonly ticksPerSecond: number;
  /** Means in the order of PHASES. */
  readonly phasesMs: readonly number[];
  readonly entities: number;
  readonly clients: number;
  readonly bytesOutPerSecond: number;
  readonly bytesInPerSecond: number;
  readonly localHandoversPerSecond: number;
}

export class History {
  readonly rows: HistoryRow[] = [];
  #ticksMs: number[] = [];
  #phaseSums = PHASES.map(() => 0);
  #opened: { readonly atMs: number; readonly stats: StatsMessage } | undefined;

  get newest(): HistoryRow | undefined {
    return this.rows.at(-1);
  }

  /** True when a row was completed. */
  push(stats: StatsMessage, nowMs: number): boolean {
    if (this.#opened === undefined || stats.tick < this.#opened.stats.tick) {
      this.#open(stats, nowMs);
      return false;
    }
    for (const tick of stats.ticks) {
      if (this.#ticksMs.length >= TICKS_PER_ROW_MAX) break;
      this.#ticksMs.push(tick.totalMs);
      tick.phasesMs.forEach((phaseMs, index) => (this.#phaseSums[index]! += phaseMs));
    }
    // Half a message early counts: four messages a second must make one row a second, not one in 1.25 s.
    if (nowMs - this.#opened.atMs < ROW_MS - 120) return false;
    this.rows.push(this.#row(stats, nowMs));
    while (this.rows.length > WINDOW_SECONDS + 1) this.rows.shift();
    this.#open(stats, nowMs);
    return true;
  }

  /** After a reconnect: the next row starts from the next message. */
  pause(): void {
    this.#opened = undefined;
  }

  clear(): void {
    this.rows.length = 0;
    this.pause();
  }

  #open(stats: StatsMessage, nowMs: number): void {
    this.#opened = { atMs: nowMs, stats };
    this.#ticksMs = [];
    this.#phaseSums = PHASES.map(() => 0);
  }

  #row(stats: StatsMessage, nowMs: number): HistoryRow {
    const { stats: before, atMs } = this.#opened!;
    const seconds = (nowMs - atMs) / 1000;
    const perSecond = (now: number | undefined, then: number | undefined): number => {
      const difference = (now ?? 0) - (then ?? 0);
      return difference < 0 ? 0 : difference / seconds;
    };
    const count = Math.max(1, this.#ticksMs.length);
    const sorted = this.#ticksMs.sort((a, b) => a - b);
    return {
      atSeconds: nowMs / 1000,
      tickMsP50: percentile(sorted, 0.5),
      tickMsP99: percentile(sorted, 0.99),
      ticksPerSecond: perSecond(stats.tick, before.tick),
      phasesMs: this.#phaseSums.map((sum) => sum / count),
      entities: stats.gauges.entities ?? 0,
      clients: stats.gateway.clients ?? 0,
      bytesOutPerSecond: perSecond(stats.gateway.bytesOut, before.gateway.bytesOut),
      bytesInPerSecond: perSecond(stats.gateway.bytesIn, before.gateway.bytesIn),
      localHandoversPerSecond: perSecond(stats.counters.localHandovers, before.counters.localHandovers),
    };
  }
}

/** Of ascending values, by the nearest rank; 0 of none. */
export function percentile(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) return 0;
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? sorted[0]!;
}

/** The columns of a chart: seconds before `nowSeconds` (0 at the right), then each series. */
export function chartColumns(
  rows: readonly HistoryRow[],
  nowSeconds: number,
  series: readonly ((row: HistoryRow) => number)[],
): number[][] {
  const shown = rows.filter((row) => row.atSeconds >= nowSeconds - WINDOW_SECONDS);
  return [shown.map((row) => row.atSeconds - nowSeconds), ...series.map((value) => shown.map((row) => value(row)))];
}

/** For a stacked chart: series k is the sum of phases 0 … k. */
export function stackedPhase(row: HistoryRow, index: number): number {
  let sum = 0;
  for (let phase = 0; phase <= index; phase++) sum += row.phasesMs[phase] ?? 0;
  return sum;
}
