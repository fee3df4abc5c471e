/**
 * Worker 0 conducts: it keeps time, does the serial parts of a tick itself, and opens each parallel phase to all
 * workers, taking part in it.
 *
 *   intake ─▶ simulate ─▶ move ─▶ settle ─▶ index ─▶ observe ─▶ doorbell ─▶ sleep
 *   serial    parallel    par.    serial    par.     parallel
 *
 * In a cluster intake also takes what other nodes sent, settle releases entities to them, and the end of a tick tells them
 * what they need (cluster.ts). No tick starts after `leaseUntil`: another node may own everything by then.
 *
 * A late tick is made up for at once, up to `catchUpTicksMax` ticks behind; what is beyond is skipped and counted: the
 * world's clock is the tick number, so skipping slows the world and loses nothing.
 */
import { performance } from 'node:perf_hooks';
import type { CellIndex, SessionIndex } from '../base/brand.ts';
import { monotonicMs } from '../base/monotonic.ts';
import { CapacityError, SystemError } from '../base/errors.ts';
import type { RecordError } from '../base/errors.ts';
import { RUN_STATE } from '../memory/control.ts';
import { SESSION_STATE } from '../memory/sessions.ts';
import { TICK_FIELDS } from '../memory/stats.ts';
import type { TickField } from '../memory/stats.ts';
import { blockCount } from '../memory/store.ts';
import type { Store } from '../memory/store.ts';
import type { World } from '../base/world.ts';
import { CLUSTER_PHASE_DEFAULTS, Cluster } from './cluster.ts';
import type { ClusterPhaseOptions } from './cluster.ts';
import type { Intake } from './intake.ts';
import { CELL_FLAG, PHASE } from './phases.ts';
import type { PhaseRunner } from './phases.ts';
import { settle, settleStart } from './settle.ts';
import { INITIAL_SHEDDING, step as stepShedding } from './shedding.core.ts';
import { hasShared, systemsUseIndex } from './simulate.ts';

export interface ConductorOptions {
  readonly store: Store;
  readonly world: World;
  readonly runner: PhaseRunner;
  readonly intake: Intake;
  readonly tickHz: number;
  readonly snapshotHz: number;
  readonly aoiRadius: number;
  readonly aoiHysteresis: number;
  readonly catchUpTicksMax: number;
  readonly cluster?: ClusterPhaseOptions | undefined;
  readonly onCapacity: (error: CapacityError) => void;
  /** An entity came whose record cannot be read. */
  readonly onRecord?: (error: RecordError) => void;
  /** Called after each tick, before its sleep. */
  readonly afterTick: ((tick: number) => void) | undefined;
}

const CONDUCTOR = 0;
/** A phase that took less than this for all threads together is not worth waking anybody for. */
const WAKE_WORK_MS = 0.12;
/** Cells are put in order of size this often. */
const ORDER_TICKS = 32;
/** Each worker takes a phase's items in about this many bites, so that the end is even. */
const BITES_PER_WORKER = 32;
const SHED_SNAPSHOTS_LEVEL = 2;
/** How often a node without a lease looks for one; the peer thread wakes it besides. */
const LEASE_POLL_MS = 20;

export class Conductor {
  readonly #options: ConductorOptions;
  readonly #store: Store;
  readonly #indexesAlways: boolean;
  readonly #alwaysFlags: number;
  readonly #lastPhaseMs = new Float64Array(Object.keys(PHASE).length);
  readonly #sample = new Float64Array(TICK_FIELDS.length);
  readonly #sizes: Float64Array;
  readonly #cluster: Cluster | undefined;
  #shedding = INITIAL_SHEDDING;

  constructor(options: ConductorOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#indexesAlways = systemsUseIndex(options.world);
    this.#alwaysFlags =
      (this.#indexesAlways ? CELL_FLAG.index : 0) | (hasShared(options.world.schema) ? CELL_FLAG.seen : 0);
    this.#sizes = new Float64Array(options.store.grid.cellCount);
    this.#store.cellOrder.forEach((_, cell) => {
      this.#store.cellOrder[cell] = cell;
    });
    for (let cell = 0; cell < this.#store.grid.cellCount; cell++) this.#store.inbox.clear(cell);
    this.#store.stats.setGauge('startedAtMs', Date.now());
    if (this.#store.options.cluster !== undefined) this.#cluster = this.#joinCluster();
  }

  /** Populates a new world: `start` for each cell, or for these, in order. @throws SystemError */
  start(cells?: Uint32Array): void {
    if (cells === undefined) {
      for (let cell = 0; cell < this.#store.grid.cellCount; cell++) this.#populate(cell as CellIndex);
    } else {
      for (const cell of cells) this.#populate(cell as CellIndex);
    }
    this.prepareIndex();
  }

  /** Runs `start` for one cell, between ticks or at the start of one. @throws SystemError */
  #populate(cell: CellIndex): void {
    const { runner, onCapacity } = this.#options;
    runner.simulator.startTick(this.#store.control.tick);
    runner.simulator.start(cell);
    const error = settleStart(this.#store, cell, this.#cluster);
    if (error !== undefined) onCapacity(error);
  }

  #joinCluster(): Cluster {
    const { onCapacity, onRecord, runner } = this.#options;
    return new Cluster({
      ...this.#options,
      cluster: this.#options.cluster ?? CLUSTER_PHASE_DEFAULTS,
      onError: (error) => {
        if (error instanceof CapacityError) onCapacity(error);
        else onRecord?.(error);
      },
      populate: (cell) => {
        try {
          this.#populate(cell);
        } catch (error) {
          if (!(error instanceof SystemError)) throw error;
          runner.reportFailure(cell, error);
        }
      },
    });
  }

  /** Builds what the first tick's systems read, for a world that was populated elsewhere. */
  prepareIndex(): void {
    this.#orderCells();
    this.#index(0);
  }

  /** Ticks in real time until the state changes. */
  runRealtime(): void {
    const { control, stats } = this.#store;
    const { tickHz, catchUpTicksMax } = this.#options;
    const periodMs = 1000 / tickHz;
    let dueMs = performance.now() + periodMs;
    while (control.state === RUN_STATE.running && control.failedWorker < 0) {
      if (!this.#hasLease()) {
        control.sleep(LEASE_POLL_MS);
        continue;
      }
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) {
        control.sleep(waitMs);
        continue;
      }
      const behindTicks = Math.floor(-waitMs / periodMs);
      if (behindTicks > 0) stats.add(CONDUCTOR, 'ticksLate', 1);
      if (behindTicks > catchUpTicksMax) {
        stats.add(CONDUCTOR, 'ticksSkipped', behindTicks - catchUpTicksMax);
        dueMs += (behindTicks - catchUpTicksMax) * periodMs;
      }
      this.tick(dueMs);
      dueMs += periodMs;
    }
    // After a failure the other workers still wait for a phase.
    if (control.failedWorker >= 0) control.setState(RUN_STATE.stopped);
  }

  /** Ticks as fast as possible. */
  runTicks(count: number): void {
    const { control } = this.#store;
    for (let done = 0; done < count && control.failedWorker < 0; done++) {
      if (control.state !== RUN_STATE.running || !this.#hasLease()) return;
      this.tick(performance.now());
    }
  }

  /** One tick. `takeInputs` replaces the intake from the ring (replay). */
  tick(dueMs: number, takeInputs?: (tick: number) => void): void {
    const { control, stats } = this.#store;
    const { tickHz, intake, afterTick, onCapacity } = this.#options;
    const startMs = performance.now();
    const tick = control.tick + 1;
    control.setTick(tick);
    if (takeInputs === undefined) intake.run(tick);
    else takeInputs(tick);
    if (tick % ORDER_TICKS === 1) this.#orderCells();
    const intakeEndMs = performance.now();
    this.#phase(PHASE.simulate, this.#store.grid.cellCount);
    const simulateEndMs = performance.now();
    this.#phase(PHASE.move, blockCount(this.#store.slotsHigh));
    const moveEndMs = performance.now();
    const { localHandovers, capacityError } = settle(this.#store, tick, this.#cluster);
    if (capacityError !== undefined) onCapacity(capacityError);
    const due = this.#findDueSessions(tick);
    const settleEndMs = performance.now();
    this.#index(due);
    const indexEndMs = performance.now();
    if (due > 0) {
      this.#phase(PHASE.observe, due);
      control.ringDoorbell();
    }
    this.#cluster?.endTick(tick);
    const endMs = performance.now();
    afterTick?.(tick);
    stats.add(CONDUCTOR, 'ticks', 1);
    this.#record(tick, {
      startMs: performance.timeOrigin + startMs,
      latenessMs: Math.max(0, startMs - dueMs),
      totalMs: endMs - startMs,
      intakeMs: intakeEndMs - startMs,
      simulateMs: simulateEndMs - intakeEndMs,
      moveMs: moveEndMs - simulateEndMs,
      settleMs: settleEndMs - moveEndMs,
      indexMs: indexEndMs - settleEndMs,
      observeMs: endMs - indexEndMs,
      entities: this.#store.entityCount - this.#store.ghostCount,
      localHandovers,
      tick,
    });
    this.#shed(((endMs - startMs) * tickHz) / 1000);
    control.setReady(true);
  }

  #hasLease(): boolean {
    const { leaseUntilMs } = this.#store.control;
    return leaseUntilMs === Infinity || monotonicMs() < leaseUntilMs;
  }

  #phase(phase: number, items: number): void {
    if (items === 0) return;
    const { control, stats } = this.#store;
    const { runner } = this.#options;
    const workers = stats.workers;
    const wake = workers > 1 && this.#lastPhaseMs[phase]! > WAKE_WORK_MS;
    const chunk = Math.max(1, Math.floor(items / (workers * BITES_PER_WORKER)));
    const startMs = performance.now();
    control.openPhase({ phase, items, chunk, wake });
    try {
      runner.run(phase);
    } finally {
      control.closePhase();
    }
    const tookMs = performance.now() - startMs;
    this.#lastPhaseMs[phase] = wake ? tookMs * workers : tookMs;
  }

  /**
   * The hottest cells first, so that none is left for the end; of about the same size in order of index, because
   * neighbours' entities tend to be neighbours in memory. The order has no influence on the result.
   */
  #orderCells(): void {
    const { cellOrder, lists } = this.#store;
    const cells = cellOrder.length;
    const sizes = this.#sizes;
    for (let cell = 0; cell < cells; cell++) {
      const magnitude = 32 - Math.clz32(lists.cellCountOf(cell));
      sizes[cell] = magnitude * cells + (cells - 1 - cell);
    }
    sizes.sort();
    for (let cell = 0; cell < cells; cell++) cellOrder[cell] = cells - 1 - (sizes[cells - 1 - cell]! % cells);
  }

  /** Attached sessions take turns, so that each tick of a snapshot interval carries its share. */
  #findDueSessions(tick: number): number {
    const { sessions, dueSessions, control, stats } = this.#store;
    const { tickHz, snapshotHz } = this.#options;
    const interval = Math.max(1, Math.round(tickHz / snapshotHz)) * (control.shedLevel >= SHED_SNAPSHOTS_LEVEL ? 2 : 1);
    let due = 0;
    let inWorld = 0;
    for (let session = 0; session < sessions.capacity; session++) {
      if (sessions.slotPlusOne(session as SessionIndex) === 0) continue;
      inWorld++;
      if ((tick + session) % interval !== 0) continue;
      if (sessions.state(session as SessionIndex) === SESSION_STATE.attached) dueSessions[due++] = session;
    }
    stats.setGauge('sessions', inWorld);
    return due;
  }

  /** Builds the index where it is needed: everywhere if systems use it, else around the sessions that are due. */
  #index(due: number): void {
    const { cellFlags, spatial, lists, grid } = this.#store;
    const isWatched = this.#cluster?.hasSubscribers ?? false;
    if (this.#alwaysFlags === 0 && due === 0 && !isWatched) return;
    cellFlags.fill(this.#alwaysFlags);
    if (isWatched) this.#cluster?.flagCells(cellFlags, CELL_FLAG.publish);
    for (let index = 0; index < due; index++) this.#flagAround(this.#store.dueSessions[index]! as SessionIndex);
    spatial.layOut(lists);
    this.#phase(PHASE.index, grid.cellCount);
  }

  #flagAround(session: SessionIndex): void {
    const { sessions, columns, grid, cellFlags, options } = this.#store;
    const slot = sessions.slotPlusOne(session) - 1;
    const reach = this.#options.aoiRadius + this.#options.aoiHysteresis + options.hysteresis;
    const column = (x: number) => Math.floor(x / grid.cellSize) - grid.firstCellX;
    const row = (z: number) => Math.floor(z / grid.cellSize) - grid.firstCellZ;
    const column1 = Math.min(grid.width - 1, column(columns.x[slot]! + reach));
    const row1 = Math.min(grid.depth - 1, row(columns.z[slot]! + reach));
    for (let r = Math.max(0, row(columns.z[slot]! - reach)); r <= row1; r++) {
      for (let c = Math.max(0, column(columns.x[slot]! - reach)); c <= column1; c++) {
        cellFlags[r * grid.width + c]! |= CELL_FLAG.index | CELL_FLAG.publish;
      }
    }
  }

  #shed(load: number): void {
    const { control, stats } = this.#store;
    const { gatewayLoad } = control;
    this.#shedding = stepShedding(this.#shedding, { load, gatewayLoad, seconds: 1 / this.#options.tickHz });
    control.setShedLevel(this.#shedding.level);
    stats.setGauge('shedLevel', this.#shedding.level);
    stats.setGauge('load', this.#shedding.load);
    stats.setGauge('gatewayLoad', gatewayLoad);
  }

  #record(tick: number, sample: Record<TickField, number>): void {
    const { stats } = this.#store;
    for (let field = 0; field < TICK_FIELDS.length; field++) this.#sample[field] = sample[TICK_FIELDS[field]!];
    stats.recordTick(tick, this.#sample);
    stats.setGauge('entities', this.#store.entityCount - this.#store.ghostCount);
    stats.setGauge('slotsHigh', this.#store.slotsHigh);
  }
}
