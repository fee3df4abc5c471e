/**
 * What happens beyond the limit: as many clients as are served on time, then half as many more, then the first ones alone
 * again; once a second is noted what the server sheds and what the clients notice.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientsOrder, Grown } from '../peers/clients-plan.ts';
import { ON_TIME_MS } from '../peers/measures.ts';
import type { WindowReport } from '../peers/measures.ts';
import type { Usage } from '../peers/probe.ts';
import { MetricValues } from './metrics-text.ts';
import { PinnedRun } from './scene-run.ts';
import type { Rates } from './scene-run.ts';

export const PHASES = ['100 %', '150 %', 'back at 100 %'] as const;
export type Phase = (typeof PHASES)[number];

export interface Second {
  readonly atSeconds: number;
  readonly phase: Phase;
  readonly online: number;
  /** The following four are NaN when the server did not answer. */
  readonly shedLevel: number;
  readonly load: number;
  readonly tickMs: number;
  readonly ticksPerSecond: number;
  /** Entities updated in one snapshot. */
  readonly updatesPerSnapshot: number;
  readonly refused: number;
  readonly serverCores: number;
  readonly snapshotsPerSecond: number;
  readonly offNominalP99: number;
  readonly receiptP99: number;
  readonly clientCores: number;
  /** Refusals, errors and lost connections by code, since the beginning. */
  readonly failures: Readonly<Record<string, number>>;
}

export interface OverloadOptions extends Rates {
  readonly clients: number;
  readonly holdSeconds: number;
  readonly onSecond: (second: Second) => void;
}

export interface Overload {
  readonly timeline: readonly Second[];
  /** What degraded, with the seconds since the load rose, in that order. */
  readonly degraded: readonly { readonly what: string; readonly afterSeconds: number }[];
  /** Seconds from the end of the overload until all was as before; undefined when it did not come to that. */
  readonly recoveredAfterSeconds: number | undefined;
}

export const OVERLOAD = 1.5;
const SAMPLE_MS = 1000;
const GROW_MS_MAX = 180_000;
const SHED_LEVELS = [1, 2, 3, 4];
/** Shares of what was usual before, below which something counts as degraded. */
const RATE_SHARE_MIN = 0.95;
const UPDATES_SHARE_MIN = 0.9;
/** Recovered is who has been so for this many seconds in a row. */
const STEADY_SECONDS = 3;

export async function overload(options: OverloadOptions): Promise<Overload> {
  const { clients, holdSeconds } = options;
  const more = Math.round(clients * OVERLOAD);
  await using run = await PinnedRun.start(more, options);
  await run.clients.ask<Grown>(order('grow', clients), 'grown', GROW_MS_MAX);
  const timeline: Second[] = [];
  const sampler = new Sampler(run, options.snapshotHz);
  await sampler.next('100 %');
  const record = async (phase: Phase, seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      const next = await sampler.next(phase);
      timeline.push(next);
      options.onSecond(next);
    }
  };
  await record('100 %', holdSeconds);
  run.clients.send(order('grow', more));
  await record('150 %', 2 * holdSeconds);
  run.clients.send(order('shrink', clients));
  await record('back at 100 %', 2 * holdSeconds);
  return { timeline, degraded: degradedIn(timeline, options), recoveredAfterSeconds: recoveredIn(timeline, options) };
}

/** What degraded while there were too many clients, and when first. */
export function degradedIn(timeline: readonly Second[], { snapshotHz, tickHz }: Rates): Overload['degraded'] {
  const usual = timeline.filter(({ phase }) => phase === '100 %');
  const usualUpdates = usual.reduce((sum, second) => sum + (second.updatesPerSnapshot || 0), 0) / usual.length;
  const signs: { readonly what: string; readonly holds: (second: Second) => boolean }[] = [
    ...SHED_LEVELS.map((level) => ({
      what: `shed level ${level}`,
      holds: ({ shedLevel }: Second) => shedLevel >= level,
    })),
    {
      what: `interval p99 beyond ±${ON_TIME_MS} ms`,
      holds: ({ offNominalP99 }) => offNominalP99 > ON_TIME_MS,
    },
    {
      what: 'fewer snapshots a second',
      holds: ({ snapshotsPerSecond }) => snapshotsPerSecond < snapshotHz * RATE_SHARE_MIN,
    },
    {
      what: 'fewer entities updated in a snapshot',
      holds: ({ updatesPerSnapshot }) => updatesPerSnapshot < usualUpdates * UPDATES_SHARE_MIN,
    },
    { what: 'fewer ticks a second', holds: ({ ticksPerSecond }) => ticksPerSecond < tickHz * RATE_SHARE_MIN },
    { what: 'new sessions refused', holds: ({ refused }) => refused > 0 },
  ];
  const overloaded = timeline.filter(({ phase }) => phase === '150 %');
  const start = (overloaded[0]?.atSeconds ?? 0) - 1;
  return signs
    .map(({ what, holds }) => ({ what, second: overloaded.find(holds) }))
    .flatMap(({ what, second }) => (second === undefined ? [] : [{ what, afterSeconds: second.atSeconds - start }]))
    .toSorted((left, right) => left.afterSeconds - right.afterSeconds);
}

/** When nothing was shed and snapshots came on time again, for good. */
export function recoveredIn(timeline: readonly Second[], { snapshotHz }: Rates): number | undefined {
  const after = timeline.filter(({ phase }) => phase === 'back at 100 %');
  let steady = 0;
  for (const [index, { shedLevel, offNominalP99, snapshotsPerSecond }] of after.entries()) {
    const isWell = shedLevel === 0 && offNominalP99 <= ON_TIME_MS && snapshotsPerSecond >= snapshotHz * RATE_SHARE_MIN;
    steady = isWell ? steady + 1 : 0;
    if (steady === STEADY_SECONDS) return index + 1 - STEADY_SECONDS;
  }
  return undefined;
}

function order(type: 'grow' | 'shrink', count: number): ClientsOrder {
  return { type, count };
}

/** Looks at server and clients once a second; counters become rates. */
class Sampler {
  readonly #run: PinnedRun;
  readonly #startMs = performance.now();
  readonly #snapshotHz: number;
  #usage: Usage | undefined;
  #metrics: MetricValues | undefined;

  constructor(run: PinnedRun, snapshotHz: number) {
    this.#run = run;
    this.#snapshotHz = snapshotHz;
  }

  async next(phase: Phase): Promise<Second> {
    const { server, clients } = this.#run;
    await sleep(SAMPLE_MS);
    const [report, usage, metrics] = await Promise.all([
      clients.ask<WindowReport>({ type: 'window' }, 'window'),
      server.usage(),
      MetricValues.fetch(server.metricsUrl),
    ]);
    const before = this.#usage ?? usage;
    const elapsedSeconds = Math.max(1e-3, (usage.atMs - before.atMs) / 1000);
    const grown = this.#growthSince(metrics);
    this.#usage = usage;
    this.#metrics = metrics ?? this.#metrics;
    const snapshots = grown('worldmesh_snapshots_total');
    const ticks = grown('worldmesh_tick_duration_seconds_count');
    return {
      atSeconds: Math.round((performance.now() - this.#startMs) / 1000),
      phase,
      online: report.online,
      shedLevel: metrics?.of('worldmesh_shed_level') ?? Number.NaN,
      load: metrics?.of('worldmesh_load') ?? Number.NaN,
      tickMs: (grown('worldmesh_tick_duration_seconds_sum') / ticks) * 1000,
      ticksPerSecond: grown('worldmesh_ticks_total') / elapsedSeconds,
      updatesPerSnapshot: grown('worldmesh_view_updates_total') / snapshots,
      refused: grown('worldmesh_gateway_errors_total{code="ERR_SERVER_OVERLOADED"}'),
      serverCores: (usage.cpuUs - before.cpuUs) / 1e6 / elapsedSeconds,
      snapshotsPerSecond: report.states / report.seconds / Math.max(1, report.online),
      offNominalP99: report.states === 0 ? 1000 / this.#snapshotHz : report.offNominalMs.p99,
      receiptP99: report.receiptMs.p99,
      clientCores: report.cpuCores,
      failures: report.failures,
    };
  }

  /** How much a counter grew since the last answer; NaN when there is none. */
  #growthSince(metrics: MetricValues | undefined): (series: string) => number {
    const before = this.#metrics;
    return (series) =>
      metrics === undefined || before === undefined ? Number.NaN : metrics.of(series) - before.of(series);
  }
}
