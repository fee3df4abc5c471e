/**
 * What the simulation reports of itself, for metrics, the viewer and the bench. Nothing here decides anything.
 *
 *   counters: one row of f64 per worker, written by that worker alone; a reader adds the rows.
 *   gauges:   one row of f64, written by the conductor.
 *   ticks:    the last TICK_SAMPLES ticks, one row of f64 each at index tick mod TICK_SAMPLES, written by the conductor.
 *             The tick number is written last: a reader that finds it unchanged after reading has a whole row.
 */
export const COUNTERS = [
  'ticks',
  'ticksLate',
  'ticksSkipped',
  'localHandovers',
  'entitiesSpawned',
  'entitiesDespawned',
  'spawnsRefused',
  'inputsApplied',
  'inputsClamped',
  'inputsDropped',
  'speedsClamped',
  'eventsDelivered',
  'eventsLost',
  'notFinite',
  'snapshots',
  'snapshotBytes',
  'snapshotsSkipped',
  'viewEnters',
  'viewUpdates',
  'viewLeaves',
  'systemFailures',
  'entitiesReleased',
  'entitiesActivated',
  'activationsFailed',
  'overhangsLimited',
  'ghostsEntered',
  'ghostsLeft',
  'ghostsRefused',
  'ghostFramesMalformed',
  'eventsArrived',
  'eventsRepeated',
  'checkpoints',
  'publicationsLost',
] as const;
export type Counter = (typeof COUNTERS)[number];

export const GAUGES = [
  'entities',
  'sessions',
  'slotsHigh',
  'shedLevel',
  'cellsPaused',
  'startedAtMs',
  'load',
  'gatewayLoad',
  'ghosts',
  'overhanging',
  'activationsWaiting',
  'publicationsHeld',
] as const;
export type Gauge = (typeof GAUGES)[number];

/** Durations in milliseconds; `startMs` is `performance.timeOrigin + performance.now()` at the tick's start. */
export const TICK_FIELDS = [
  'startMs',
  'latenessMs',
  'totalMs',
  'intakeMs',
  'simulateMs',
  'moveMs',
  'settleMs',
  'indexMs',
  'observeMs',
  'entities',
  'localHandovers',
  'tick',
] as const;
export type TickField = (typeof TICK_FIELDS)[number];
export const TICK_SAMPLES = 1024;

const COUNTER_INDEX = Object.fromEntries(COUNTERS.map((name, index) => [name, index])) as Record<Counter, number>;
const GAUGE_INDEX = Object.fromEntries(GAUGES.map((name, index) => [name, index])) as Record<Gauge, number>;
const TICK_INDEX = TICK_FIELDS.indexOf('tick');

export type TickSample = Record<TickField, number>;

export class Stats {
  readonly workers: number;
  readonly #counters: Float64Array<SharedArrayBuffer>;
  readonly #gauges: Float64Array<SharedArrayBuffer>;
  readonly #ticks: Float64Array<SharedArrayBuffer>;

  static sizeBytes(workers: number): number {
    return 8 * (COUNTERS.length * workers + GAUGES.length + TICK_FIELDS.length * TICK_SAMPLES);
  }

  constructor(buffer: SharedArrayBuffer, offsetBytes: number, workers: number) {
    this.workers = workers;
    this.#counters = new Float64Array(buffer, offsetBytes, COUNTERS.length * workers);
    this.#gauges = new Float64Array(buffer, offsetBytes + this.#counters.byteLength, GAUGES.length);
    this.#ticks = new Float64Array(
      buffer,
      offsetBytes + this.#counters.byteLength + this.#gauges.byteLength,
      TICK_FIELDS.length * TICK_SAMPLES,
    );
  }

  add(worker: number, counter: Counter, amount: number): void {
    this.#counters[worker * COUNTERS.length + COUNTER_INDEX[counter]]! += amount;
  }

  counter(counter: Counter): number {
    let sum = 0;
    for (let worker = 0; worker < this.workers; worker++) {
      sum += this.#counters[worker * COUNTERS.length + COUNTER_INDEX[counter]]!;
    }
    return sum;
  }

  setGauge(gauge: Gauge, value: number): void {
    this.#gauges[GAUGE_INDEX[gauge]] = value;
  }

  gauge(gauge: Gauge): number {
    return this.#gauges[GAUGE_INDEX[gauge]]!;
  }

  /** Conductor: `sample` is in the order of TICK_FIELDS. */
  recordTick(tick: number, sample: Float64Array): void {
    const row = (tick % TICK_SAMPLES) * TICK_FIELDS.length;
    this.#ticks[row + TICK_INDEX] = -1;
    for (let field = 0; field < TICK_INDEX; field++) this.#ticks[row + field] = sample[field]!;
    this.#ticks[row + TICK_INDEX] = tick;
  }

  /** The sample of a tick, or undefined when it has been overwritten, is being written, or did not happen. */
  tickSample(tick: number): TickSample | undefined {
    const row = (tick % TICK_SAMPLES) * TICK_FIELDS.length;
    if (this.#ticks[row + TICK_INDEX] !== tick) return undefined;
    const sample = {} as TickSample;
    TICK_FIELDS.forEach((name, field) => {
      sample[name] = this.#ticks[row + field]!;
    });
    return this.#ticks[row + TICK_INDEX] === tick ? sample : undefined;
  }
}
