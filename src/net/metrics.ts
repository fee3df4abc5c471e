/**
 * The metrics of a node, in Prometheus' text format. The names are documented in docs/METRICS.md and stay.
 *
 * Counters and gauges are read from the shared stats when asked for; the histograms are fed from tick samples by
 * `observeTicks`, which must be called more often than the samples' ring turns (TICK_SAMPLES ticks).
 */
import type { StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { COUNTERS, TICK_SAMPLES } from '../memory/stats.ts';
import type { Gauge as StatsGauge } from '../memory/stats.ts';
import type { GatewayContext } from './context.ts';
import { peerHistograms, registerPeers } from './peer-metrics.ts';
import { COUNTER_HELP, GATEWAY_METRICS, GAUGE_HELP, metricName, SPAN_METRICS } from './metric-names.ts';

export const PHASES = ['intake', 'simulate', 'move', 'settle', 'index', 'observe'] as const;
/** From a tenth of a millisecond to a second; a tick of 20 Hz has 50 ms. */
const DURATION_BUCKETS_SECONDS = [1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.25, 1];
const MS_PER_SECOND = 1000;
/** Rendering rests for so many times as long as it took. It takes milliseconds, and snapshots wait for the same thread. */
const REST_FACTOR = 9;

/** What the gateway holds at this moment. */
export interface GatewayLoad {
  readonly connections: number;
  readonly sessions: number;
  readonly viewers: number;
}

export interface RenderedMetrics {
  readonly contentType: string;
  readonly text: string;
}

export class Metrics {
  readonly #context: GatewayContext;
  readonly #registry = new Registry();
  readonly #tickDuration: Histogram;
  readonly #tickLateness: Histogram;
  readonly #phaseDuration: Histogram<'phase'>;
  /** The next tick to look for. */
  #nextTick = 0;
  #restsUntilMs = 0;
  #rendering: Promise<RenderedMetrics> | undefined;

  constructor(context: GatewayContext, load: () => GatewayLoad) {
    this.#context = context;
    const registers = [this.#registry];
    const buckets = DURATION_BUCKETS_SECONDS;
    this.#tickDuration = new Histogram({
      name: 'worldmesh_tick_duration_seconds',
      help: 'Time spent in a tick',
      buckets,
      registers,
    });
    this.#tickLateness = new Histogram({
      name: 'worldmesh_tick_lateness_seconds',
      help: 'How late ticks started',
      buckets,
      registers,
    });
    this.#phaseDuration = new Histogram({
      name: 'worldmesh_phase_duration_seconds',
      help: 'Time spent in a phase of a tick',
      labelNames: ['phase'],
      buckets,
      registers,
    });
    registerStats(context, this.#registry);
    registerGateway(context, this.#registry, load);
    registerProcess(this.#registry);
    const { cluster } = context.settings;
    if (cluster === undefined) return;
    registerPeers(context.store, this.#registry);
    for (const { name, help, read } of SPAN_METRICS)
      addCounter(this.#registry, name, help, () => read(context.counters));
    registerDisk(cluster.journal?.folder, this.#registry);
  }

  /** Feeds the histograms with the ticks since the last call. */
  observeTicks(): void {
    const { control, stats } = this.#context.store;
    const end = control.tick + 1;
    for (let tick = Math.max(this.#nextTick, end - TICK_SAMPLES, 0); tick < end; tick++) {
      const sample = stats.tickSample(tick);
      if (sample === undefined || sample.startMs === 0) {
        // The newest may still be in work: look again.
        if (tick === end - 1) break;
        continue;
      }
      this.#nextTick = tick + 1;
      this.#tickDuration.observe(sample.totalMs / MS_PER_SECOND);
      this.#tickLateness.observe(Math.max(0, sample.latenessMs) / MS_PER_SECOND);
      for (const phase of PHASES) {
        this.#phaseDuration.observe({ phase }, sample[`${phase}Ms`] / MS_PER_SECOND);
      }
    }
  }

  /** As they are after this call. However many ask, a tenth of the thread's time goes into it at most: they share. */
  render(): Promise<RenderedMetrics> {
    this.#rendering ??= this.#render();
    return this.#rendering;
  }

  async #render(): Promise<RenderedMetrics> {
    const { settings, store, nowMs } = this.#context;
    // Also without a rest this is a wait, after which `#rendering` has been set.
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, this.#restsUntilMs - nowMs())));
    // Whoever asks from now on has seen what this one does not tell.
    this.#rendering = undefined;
    const startMs = nowMs();
    this.observeTicks();
    const text = await this.#registry.metrics();
    const behind = settings.cluster === undefined ? '' : peerHistograms(store);
    this.#restsUntilMs = nowMs() + (nowMs() - startMs) * REST_FACTOR;
    const lateness = this.#context.counters.snapshotLateness.text();
    return { contentType: this.#registry.contentType, text: text + lateness + behind };
  }
}

function registerStats({ store }: GatewayContext, registry: Registry): void {
  for (const counter of COUNTERS) {
    addCounter(registry, metricName(counter, 'total'), COUNTER_HELP[counter], () => store.stats.counter(counter));
  }
  for (const [gauge, help] of Object.entries(GAUGE_HELP)) {
    const isTime = gauge === 'startedAtMs';
    addGauge(registry, isTime ? 'worldmesh_started_at_seconds' : metricName(gauge), help, () => {
      const value = store.stats.gauge(gauge as StatsGauge);
      return isTime ? value / MS_PER_SECOND : value;
    });
  }
  addGauge(registry, 'worldmesh_tick', 'Number of the tick in work, or done last', () => store.control.tick);
  addGauge(registry, 'worldmesh_ready', '1 when players can join', () => Number(store.control.isReady));
  addGauge(
    registry,
    'worldmesh_input_ring_fill_bytes',
    'Bytes that wait for the world',
    () => store.inputRing.fillBytes,
  );
}

function registerGateway({ counters }: GatewayContext, registry: Registry, load: () => GatewayLoad): void {
  for (const { name, help, read } of GATEWAY_METRICS) addCounter(registry, name, help, () => read(counters));
  addGauge(registry, 'worldmesh_gateway_connections', 'Connections of players', () => load().connections);
  addGauge(registry, 'worldmesh_gateway_sessions', 'Sessions, with and without a connection', () => load().sessions);
  addGauge(registry, 'worldmesh_gateway_viewers', 'Connections of viewers', () => load().viewers);
  addLabelled(
    registry,
    { name: 'worldmesh_gateway_errors_total', help: 'Errors sent to clients, by code', label: 'code' },
    () => counters.errors,
  );
  addLabelled(
    registry,
    {
      name: 'worldmesh_gateway_closes_total',
      help: 'Connections that ended, by WebSocket close code; 0 is any code without a meaning here',
      label: 'code',
    },
    () => counters.closes,
  );
  addLabelled(
    registry,
    { name: 'worldmesh_gateway_sessions_ended_total', help: 'Sessions that ended, by reason', label: 'reason' },
    () => counters.sessionEnds,
  );
}

/** Of the disk with the journal; zero where there is none. A full one ends handovers, so it is to be seen coming. */
function registerDisk(folder: string | undefined, registry: Registry): void {
  const add = (name: string, help: string, bytesOf: (disk: StatsFs) => number): void => {
    registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        async collect() {
          this.set(folder === undefined ? 0 : await statfs(folder).then(bytesOf, () => 0));
        },
      }),
    );
  };
  add('worldmesh_disk_free_bytes', 'Room left on the disk with the journal', ({ bavail, bsize }) => bavail * bsize);
  add('worldmesh_disk_size_bytes', 'Size of the disk with the journal', ({ blocks, bsize }) => blocks * bsize);
}

/** Under the names that dashboards expect of any process. */
function registerProcess(registry: Registry): void {
  addCounter(registry, 'process_cpu_seconds_total', 'CPU time of the whole process, in seconds', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  addGauge(registry, 'process_resident_memory_bytes', 'Resident memory of the whole process', () =>
    process.memoryUsage.rss(),
  );
  addGauge(registry, 'process_start_time_seconds', 'Start of the process, in seconds since 1970', () => {
    return Math.round(Date.now() / MS_PER_SECOND - process.uptime());
  });
  addGauge(registry, 'worldmesh_gateway_heap_bytes', 'JavaScript heap of the gateway thread', () => {
    return process.memoryUsage().heapUsed;
  });
}

function addCounter(registry: Registry, name: string, help: string, read: () => number): void {
  registry.registerMetric(
    new Counter({
      name,
      help,
      registers: [],
      collect() {
        this.reset();
        this.inc(Math.max(0, read()));
      },
    }),
  );
}

function addLabelled(
  registry: Registry,
  { name, help, label }: { readonly name: string; readonly help: string; readonly label: string },
  read: () => ReadonlyMap<string | number, number>,
): void {
  registry.registerMetric(
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [],
      collect() {
        this.reset();
        for (const [value, count] of read()) this.inc({ [label]: String(value) }, count);
      },
    }),
  );
}

function addGauge(registry: Registry, name: string, help: string, read: () => number): void {
  registry.registerMetric(
    new Gauge({
      name,
      help,
      registers: [],
      collect() {
        this.set(read());
      },
    }),
  );
}
