/** Runs the bench world and measures its ticks. */
import { arch, cpus, platform, totalmem } from 'node:os';
import { PerformanceObserver } from 'node:perf_hooks';
import { build } from 'hdr-histogram-js';
import type { Histogram } from 'hdr-histogram-js';
import { Store } from '../../memory/store.ts';
import type { TickSample } from '../../memory/stats.ts';
import type { GarbageReport, SimulationEvent } from '../../workers/simulation.worker.ts';
import type { Settings } from '../config/settings.ts';
import { phaseOptions, storeOptions } from '../node-settings.ts';
import { Simulation } from '../simulation.ts';
import type { WorldModule } from '../world-module.ts';
import { loadWorldModule } from '../world-module.ts';
import { measureRawLoops } from './raw-loops.ts';
import type { RawLoops } from './raw-loops.ts';

export interface BenchOptions {
  readonly settings: Settings;
  readonly entities: number;
  /** Metres. */
  readonly worldSize: number;
  /** How long to measure: whichever is given; ticks count more. */
  readonly seconds: number;
  readonly ticks: number | undefined;
  /** Tick after tick without waiting for the next to be due. */
  readonly asFastAsPossible: boolean;
  readonly onProgress: (text: string) => void;
  /** A capacity that ran out: the result is then of fewer entities. */
  readonly onProblem: (text: string) => void;
}

export const PHASE_FIELDS = ['intakeMs', 'simulateMs', 'moveMs', 'settleMs', 'indexMs', 'observeMs'] as const;
export const MEASURED_FIELDS = ['totalMs', ...PHASE_FIELDS, 'latenessMs'] as const;
export type MeasuredField = (typeof MEASURED_FIELDS)[number];

/** Milliseconds. */
export interface Distribution {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface HistogramBar {
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
}

export interface BenchResult {
  readonly hardware: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryBytes: number;
    readonly platform: string;
    readonly node: string;
  };
  readonly scene: {
    readonly entities: number;
    readonly worldSizeMetres: number;
    readonly cellSizeMetres: number;
    readonly cells: number;
    readonly workers: number;
    readonly kernel: string;
    readonly tickHz: number;
    readonly asFastAsPossible: boolean;
    readonly storeBytes: number;
  };
  readonly ticks: number;
  readonly warmUpTicks: number;
  readonly seconds: number;
  /** Ticks in a second as they came: the rate asked for, or the greatest possible. */
  readonly ticksPerSecond: number;
  readonly ticksLate: number;
  readonly ticksSkipped: number;
  readonly localHandoversPerTick: number;
  /** Milliseconds, by what was measured. */
  readonly distributions: Readonly<Record<MeasuredField, Distribution>>;
  /** Median, ns per entity and tick. */
  readonly nsPerEntity: Readonly<Record<Exclude<MeasuredField, 'latenessMs'>, number>>;
  /** ns per entity; see raw-loops.ts. */
  readonly rawLoops: RawLoops;
  readonly tickHistogram: readonly HistogramBar[];
  readonly garbage: {
    /** By simulation worker. */
    readonly workers: readonly GarbageReport[];
    readonly main: GarbageReport;
  };
  readonly memory: { readonly residentBytes: number; readonly mainHeapBytes: number };
}

const WARM_UP_TICKS = 40;
/** Sampled more often than the ring of samples comes round, at 240 Hz and more. */
const SAMPLE_PERIOD_MS = 100;
const CHUNK_TICKS = 256;
const HISTOGRAM_BARS = 12;
/** Histograms count nanoseconds, up to a minute. */
const NS_PER_MS = 1e6;
const NS_MAX = 60e9;
const KIB = 1024;
/** A spawn of this world as a command, with slack. */
const SPAWN_BYTES = 40;

/** @throws CapacityError when the store does not fit; NodeError-like errors when world code fails (never, here). */
export async function runBench(options: BenchOptions): Promise<BenchResult> {
  const { settings, entities, worldSize, onProgress } = options;
  onProgress('measuring the raw loops');
  const { cellSize, tickHz, seed } = settings;
  const rawLoops = measureRawLoops({ entities, worldSize, cellSize, tickHz, seed });
  const world = await loadWorldModule(new URL('./bench-world.ts', import.meta.url).href);
  const store = makeStore(options, world);
  onProgress(`populating ${entities} entities`);
  const simulation = await startSimulation(options, { world, store });
  try {
    await simulation.runTicks(WARM_UP_TICKS);
    await simulation.collectGarbageReports();
    const mainGarbage = new MainGarbage();
    const handoversBefore = store.stats.counter('localHandovers');
    const run = await measure(options, { simulation, store });
    const main = mainGarbage.stop();
    const localHandovers = store.stats.counter('localHandovers') - handoversBefore;
    const workers = await simulation.collectGarbageReports();
    return {
      hardware: describeHardware(),
      scene: describeScene(options, store),
      ticks: run.ticks,
      warmUpTicks: WARM_UP_TICKS,
      seconds: run.seconds,
      ticksPerSecond: run.ticks / run.seconds,
      ticksLate: store.stats.counter('ticksLate'),
      ticksSkipped: store.stats.counter('ticksSkipped'),
      localHandoversPerTick: localHandovers / Math.max(1, run.ticks),
      distributions: distributionsOf(run.histograms),
      nsPerEntity: nsPerEntity(run.histograms, entities),
      rawLoops,
      tickHistogram: barsOf(run.histograms.totalMs),
      garbage: { workers, main },
      memory: { residentBytes: process.memoryUsage.rss(), mainHeapBytes: process.memoryUsage().heapUsed },
    };
  } finally {
    await simulation.stop();
  }
}

type Histograms = Record<MeasuredField, Histogram>;

interface Run {
  readonly histograms: Histograms;
  readonly ticks: number;
  readonly seconds: number;
}

async function measure(
  options: BenchOptions,
  { simulation, store }: { simulation: Simulation; store: Store },
): Promise<Run> {
  const histograms = makeHistograms();
  const startMs = performance.now();
  const ticksWanted = options.ticks ?? Number.POSITIVE_INFINITY;
  const endMs = options.ticks === undefined ? startMs + options.seconds * 1000 : Number.POSITIVE_INFINITY;
  const sampler = new Sampler(store, { histograms, ticksMax: ticksWanted });
  const isDone = (): boolean => sampler.ticks >= ticksWanted || performance.now() >= endMs;
  if (!options.asFastAsPossible) simulation.run();
  while (!isDone()) {
    if (options.asFastAsPossible) await simulation.runTicks(Math.min(CHUNK_TICKS, ticksWanted - sampler.ticks));
    else await delay(Math.min(SAMPLE_PERIOD_MS, Math.max(1, endMs - performance.now())));
    sampler.sample();
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    options.onProgress(`measuring: ${sampler.ticks} ticks, ${seconds} s`);
  }
  const seconds = (performance.now() - startMs) / 1000;
  if (!options.asFastAsPossible) await simulation.pause();
  return { histograms, ticks: sampler.ticks, seconds };
}

/** Takes new tick samples out of the store's stats and into histograms. */
class Sampler {
  readonly #store: Store;
  readonly #histograms: Histograms;
  readonly #ticksMax: number;
  #nextTick: number;
  ticks = 0;

  constructor(store: Store, { histograms, ticksMax }: { histograms: Histograms; ticksMax: number }) {
    this.#store = store;
    this.#histograms = histograms;
    this.#ticksMax = ticksMax;
    this.#nextTick = store.control.tick + 1;
  }

  sample(): void {
    const newest = this.#store.control.tick;
    while (this.#nextTick <= newest && this.ticks < this.#ticksMax) {
      const sample = this.#store.stats.tickSample(this.#nextTick);
      // The newest tick may still be in work: it is there the next time.
      if (sample === undefined && this.#nextTick === newest) return;
      this.#nextTick++;
      if (sample !== undefined) this.#add(sample);
    }
  }

  #add(sample: TickSample): void {
    this.ticks++;
    for (const field of MEASURED_FIELDS) {
      this.#histograms[field].recordValue(Math.min(NS_MAX, Math.max(0, Math.round(sample[field] * NS_PER_MS))));
    }
  }
}

/** Garbage collections of the main thread. */
class MainGarbage {
  readonly #pausesMs: number[] = [];
  readonly #observer = new PerformanceObserver((list) => this.#take(list.getEntries()));

  constructor() {
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  stop(): GarbageReport {
    this.#take(this.#observer.takeRecords());
    this.#observer.disconnect();
    return {
      collections: this.#pausesMs.length,
      pauseMs: this.#pausesMs.reduce((sum, pauseMs) => sum + pauseMs, 0),
      longestPauseMs: Math.max(0, ...this.#pausesMs),
    };
  }

  #take(entries: readonly { readonly duration: number }[]): void {
    for (const { duration } of entries) this.#pausesMs.push(duration);
  }
}

function makeStore({ settings, entities, worldSize }: BenchOptions, world: WorldModule): Store {
  const cells = Math.ceil(worldSize / settings.cellSize) ** 2;
  const spawnBytes = (entities / cells + 1) * SPAWN_BYTES * 2;
  const commandBytes = Math.max(64 * KIB, Math.ceil(spawnBytes / (64 * KIB)) * 64 * KIB);
  const rings = { inputRingBytes: 64 * KIB, outboundRingBytes: 64 * KIB, heapBytes: 64 * KIB };
  const storeSettings = {
    ...settings,
    ...rings,
    commandBytes,
    worldSize,
    entitiesMax: Math.max(64, entities),
    sessionsMax: 1,
  };
  return Store.create(storeOptions(storeSettings, world), { incarnation: 1 });
}

async function startSimulation(
  { settings, entities, onProblem }: BenchOptions,
  { world, store }: { world: WorldModule; store: Store },
): Promise<Simulation> {
  const params = { entities, cells: store.grid.cellCount };
  const onEvent = (event: SimulationEvent): void => {
    if (event.type === 'capacity' || event.type === 'failed') onProblem(event.message);
  };
  return Simulation.start(
    {
      store,
      moduleUrl: world.url,
      phases: phaseOptions({ ...settings, params }, { world, pauseOnFailure: false }),
      snapshotHz: settings.snapshotHz,
      catchUpTicksMax: settings.catchUpTicksMax,
      record: false,
      onEvent,
    },
    { populate: true },
  );
}

function makeHistograms(): Histograms {
  const make = (): Histogram =>
    build({ lowestDiscernibleValue: 1, highestTrackableValue: NS_MAX, numberOfSignificantValueDigits: 3 });
  return Object.fromEntries(MEASURED_FIELDS.map((field) => [field, make()])) as Histograms;
}

function distributionsOf(histograms: Histograms): BenchResult['distributions'] {
  const entries = MEASURED_FIELDS.map((field) => {
    const histogram = histograms[field];
    const at = (percentile: number): number => histogram.getValueAtPercentile(percentile) / NS_PER_MS;
    const distribution = {
      mean: histogram.mean / NS_PER_MS,
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
      max: histogram.maxValue / NS_PER_MS,
    };
    return [field, distribution] as const;
  });
  return Object.fromEntries(entries) as BenchResult['distributions'];
}

function nsPerEntity(histograms: Histograms, entities: number): BenchResult['nsPerEntity'] {
  const fields = MEASURED_FIELDS.filter((field) => field !== 'latenessMs');
  const entries = fields.map((field) => [field, histograms[field].getValueAtPercentile(50) / entities] as const);
  return Object.fromEntries(entries) as BenchResult['nsPerEntity'];
}

/** Bars of equal width between the shortest tick and the 99.9th percentile; the last one holds what is beyond. */
function barsOf(histogram: Histogram): HistogramBar[] {
  if (histogram.totalCount === 0) return [];
  const firstNs = histogram.minNonZeroValue;
  const widthNs = Math.max(1, (histogram.getValueAtPercentile(99.9) - firstNs) / HISTOGRAM_BARS);
  const upToNs = (ns: number): number => Math.round((histogram.totalCount * percentileBelow(histogram, ns)) / 100);
  let counted = 0;
  return Array.from({ length: HISTOGRAM_BARS }, (_, bar) => {
    const isLast = bar === HISTOGRAM_BARS - 1;
    const toNs = isLast ? histogram.maxValue : firstNs + widthNs * (bar + 1);
    const total = isLast ? histogram.totalCount : upToNs(toNs);
    const count = total - counted;
    counted = total;
    return { fromMs: (firstNs + widthNs * bar) / NS_PER_MS, toMs: toNs / NS_PER_MS, count };
  });
}

/** Share of the values at or below a value, in percent. */
function percentileBelow(histogram: Histogram, value: number): number {
  let low = 0;
  let high = 100;
  for (let round = 0; round < 40; round++) {
    const middle = (low + high) / 2;
    if (histogram.getValueAtPercentile(middle) <= value) low = middle;
    else high = middle;
  }
  return low;
}

function describeHardware(): BenchResult['hardware'] {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryBytes: totalmem(),
    platform: `${platform()} ${arch()}`,
    node: process.version,
  };
}

function describeScene({ settings, entities, asFastAsPossible }: BenchOptions, store: Store): BenchResult['scene'] {
  return {
    entities,
    worldSizeMetres: store.grid.maxX - store.grid.minX,
    cellSizeMetres: settings.cellSize,
    cells: store.grid.cellCount,
    workers: settings.workers,
    kernel: settings.kernel,
    tickHz: settings.tickHz,
    asFastAsPossible,
    storeBytes: store.sizeBytes,
  };
}

function delay(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });
}
