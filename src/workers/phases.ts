/**
 * The parallel phases of a tick, as one thread sees them. Any thread, the conductor's included, runs any item:
 *
 *   phase      item      reads                                   writes
 *   simulate   cell      last tick's index and `seen`            the cell's rows, commands
 *   move       block     the block's rows                        the block's positions, leavers
 *   index      cell      the cell's rows                         its part of the index, `published` and `seen`
 *   observe    session   rows, index, `published`                the session's view, this thread's outbound ring
 *   hash       cell      the cell's rows                         its entities' hashes
 */
import { publicationsOf } from '../base/world-check.ts';
import { performance } from 'node:perf_hooks';
import type { CellIndex, SessionIndex } from '../base/brand.ts';
import type { CapacityError } from '../base/errors.ts';
import { SystemError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { CommandWriter } from '../memory/commands.ts';
import { BLOCK_SLOTS } from '../memory/store.ts';
import type { Store } from '../memory/store.ts';
import { CellContext } from './cell-context.ts';
import type { ClusterPhaseOptions } from './cluster.ts';
import { createSimdKernel, createTypescriptKernel } from './kernel.ts';
import type { MoveKernel } from './kernel.ts';
import { Observer } from './observe.ts';
import { SeenCopier } from './seen.ts';
import { CellSimulator } from './simulate.ts';

export const PHASE = { simulate: 0, move: 1, index: 2, observe: 3 } as const;

/** What the index phase does with a cell, as bits in `store.cellFlags`. */
export const CELL_FLAG = { index: 1, publish: 2, seen: 4 } as const;

export type KernelName = 'simd' | 'typescript';

/** Everything a thread needs to take part; the same in all threads but `worker`. */
export interface PhaseOptions {
  readonly seed: number;
  readonly tickHz: number;
  readonly params: Readonly<Record<string, number>>;
  readonly kernel: KernelName;
  readonly aoiRadius: number;
  readonly aoiHysteresis: number;
  readonly viewEntitiesMax: number;
  readonly backlogBytesSkip: number;
  /** Payload bytes that one client is sent in a second, as far as they can wait. */
  readonly snapshotBytesPerSecond: number;
  /** Development mode: world code that throws pauses its cell and the world goes on. */
  readonly pauseOnFailure: boolean;
  /** Of a node in a cluster; CLUSTER_PHASE_DEFAULTS when left out. */
  readonly cluster?: ClusterPhaseOptions | undefined;
}

export interface PhaseReports {
  /** World code threw. */
  failed(error: SystemError): void;
  /** A capacity ran out; the world goes on. */
  capacity(error: CapacityError): void;
}

export class PhaseRunner {
  readonly simulator: CellSimulator;
  readonly #store: Store;
  readonly #options: PhaseOptions;
  readonly #reports: PhaseReports;
  readonly #worker: number;
  readonly #observer: Observer;
  readonly #kernel: MoveKernel;
  readonly #seen: SeenCopier;
  #tick = -1;

  constructor(options: { world: World; store: Store; worker: number; phases: PhaseOptions; reports: PhaseReports }) {
    const { world, store, worker, phases, reports } = options;
    const writer = new CommandWriter(store.commands, worker);
    const publications = publicationsOf(world.declaration);
    const context = new CellContext({ ...phases, store, writer, publications, outbox: phases.cluster });
    this.#store = store;
    this.#options = phases;
    this.#reports = reports;
    this.#worker = worker;
    this.simulator = new CellSimulator({ world, store, writer, context, worker, onCapacity: reports.capacity });
    this.#observer = new Observer({ ...phases, store, worker });
    this.#kernel = createKernel(store, { world, phases });
    this.#seen = new SeenCopier(store);
  }

  /** Runs items of the open phase until none is left. */
  run(phase: number): void {
    const { control } = this.#store;
    const tick = control.tick;
    if (phase === PHASE.simulate && tick !== this.#tick) this.simulator.startTick(tick);
    this.#tick = tick;
    const isMeasured = phase === PHASE.observe || (phase !== PHASE.move && this.#store.costs.isMeasured(tick));
    for (let first = control.take(); first >= 0; first = control.take()) {
      const end = control.takenEnd(first);
      if (isMeasured) this.#runMeasured(phase, first, end);
      else for (let item = first; item < end; item++) this.#runItem(phase, item, tick);
    }
  }

  /** Where one item ends the next begins: one look at the clock for each. */
  #runMeasured(phase: number, first: number, end: number): void {
    const { costs, cellOrder, dueSessions } = this.#store;
    let startMs = performance.now();
    for (let item = first; item < end; item++) {
      this.#runItem(phase, item, this.#tick);
      const endMs = performance.now();
      if (phase === PHASE.observe) costs.addSession(dueSessions[item]!, endMs - startMs);
      else costs.addCell(cellOrder[item]!, endMs - startMs);
      startMs = endMs;
    }
  }

  #runItem(phase: number, item: number, tick: number): void {
    const { cellOrder, dueSessions } = this.#store;
    switch (phase) {
      case PHASE.simulate:
        return this.#simulate(cellOrder[item]! as CellIndex, tick);
      case PHASE.move:
        return this.#move(item);
      case PHASE.index:
        return this.#index(cellOrder[item]!, tick);
      default:
        return this.#observer.observe(dueSessions[item]! as SessionIndex, tick);
    }
  }

  #simulate(cell: CellIndex, tick: number): void {
    const { pausedCells, inbox } = this.#store;
    if (pausedCells[cell] === 1) {
      inbox.clear(cell);
      // What it asked for before is in the buffers still.
      this.simulator.skip(cell);
      return;
    }
    try {
      this.simulator.run(cell, tick);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.reportFailure(cell, error);
    }
  }

  /** World code threw in a cell: ends the world, or in development pauses the cell. */
  reportFailure(cell: CellIndex, error: SystemError): void {
    const { pausedCells, control, stats } = this.#store;
    stats.add(this.#worker, 'systemFailures', 1);
    this.#reports.failed(error);
    if (this.#options.pauseOnFailure) pausedCells[cell] = 1;
    else control.reportFailure(this.#worker);
  }

  #move(block: number): void {
    const { slotsHigh, leaverCounts } = this.#store;
    const first = block * BLOCK_SLOTS;
    leaverCounts[block] = this.#kernel.move(first, Math.min(first + BLOCK_SLOTS, slotsHigh));
  }

  #index(cell: number, tick: number): void {
    const { cellFlags, spatial, published, lists, columns } = this.#store;
    const flags = cellFlags[cell]!;
    if ((flags & CELL_FLAG.index) !== 0) spatial.build(cell, { tick, lists, columns });
    if ((flags & CELL_FLAG.publish) !== 0)
      published.updateCell(cell, { tick, tickHz: this.#options.tickHz, lists, columns });
    if ((flags & CELL_FLAG.seen) !== 0) this.#seen.copyCell(cell);
  }
}

function createKernel(store: Store, { world, phases }: { world: World; phases: PhaseOptions }): MoveKernel {
  const { columns, grid, leavers, options } = store;
  const kernelOptions = {
    entitiesMax: options.entitiesMax,
    dt: 1 / phases.tickHz,
    edge: world.declaration.edge ?? 'bounce',
    minX: grid.minX,
    insideX: grid.insideX,
    minZ: grid.minZ,
    insideZ: grid.insideZ,
    reach: grid.cellSize / 2 + options.hysteresis,
  } as const;
  const { x, z, vx, vz, homeX, homeZ } = columns;
  const move = { x, z, vx, vz, homeX, homeZ, leavers };
  if (phases.kernel === 'typescript') return createTypescriptKernel(move, kernelOptions);
  const offsets = Object.fromEntries(Object.entries(move).map(([name, column]) => [name, column.byteOffset]));
  return createSimdKernel(store.memory, offsets as Record<keyof typeof move, number>, kernelOptions);
}
