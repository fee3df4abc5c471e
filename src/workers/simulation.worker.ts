/**
 * The thread of one simulation worker; worker 0 also conducts. Main talks to it by Comlink (SimulationThread); while it
 * runs it sits in ticks or in `Atomics.wait` and hears nothing: only the words of control.ts reach it. What it has to
 * say in the meantime leaves through `events`.
 */
import { PerformanceObserver } from 'node:perf_hooks';
import { workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import type { CapacityError, RecordError, SystemError } from '../base/errors.ts';
import { exposeThread } from '../base/thread.ts';
import type { World } from '../base/world.ts';
import { RUN_STATE } from '../memory/control.ts';
import { Store } from '../memory/store.ts';
import type { StoreHandle } from '../memory/store.ts';
import { Conductor } from './conductor.ts';
import { Intake } from './intake.ts';
import { resolveOwnPackage } from './own-package.ts';
import { PhaseRunner } from './phases.ts';
import type { PhaseOptions, PhaseReports } from './phases.ts';
import { StateHasher } from './state-hasher.ts';
import type { StateHashes } from './state-hasher.ts';

export interface SimulationThreadOptions {
  readonly handle: StoreHandle;
  readonly worker: number;
  readonly moduleUrl: string;
  readonly phases: PhaseOptions;
  readonly snapshotHz: number;
  readonly catchUpTicksMax: number;
  /** Post each tick's frames and hashes to `events`. */
  readonly record: boolean;
}

/** What came into one tick from outside the simulation. */
export interface TickInput {
  readonly tick: number;
  /** Decided from the clock, so it is an input like any other. */
  readonly shedLevel: number;
  /** The frames taken from the input ring, each behind its length, u32. */
  readonly intake: Uint8Array;
}

/** What a thread posts to main while it runs. */
export type SimulationEvent =
  | {
      readonly type: 'failed';
      readonly worker: number;
      readonly system: string;
      readonly cell: number;
      readonly entity: number;
      readonly message: string;
      readonly stack: string;
    }
  | { readonly type: 'capacity'; readonly code: string; readonly setting: string; readonly message: string }
  /** An entity came from the journal or another node whose record cannot be read; the journal keeps it. */
  | { readonly type: 'record'; readonly code: string; readonly message: string }
  | { readonly type: 'joinFailed'; readonly message: string; readonly stack: string }
  | { readonly type: 'recorded'; readonly input: TickInput; readonly hashes: StateHashes };

export interface GarbageReport {
  readonly collections: number;
  readonly pauseMs: number;
  readonly longestPauseMs: number;
}

/** Errors of one kind are told to main at most this often. */
const REPORT_TICKS = 20;

class SimulationThread {
  readonly #events: MessagePort;
  #options: SimulationThreadOptions | undefined;
  #store: Store | undefined;
  #runner: PhaseRunner | undefined;
  #conductor: Conductor | undefined;
  #intake: Intake | undefined;
  #hasher: StateHasher | undefined;
  #reportedAtTick = new Map<string, number>();
  #collections: { duration: number }[] = [];
  readonly #observer = new PerformanceObserver((list) => this.#collections.push(...list.getEntries()));

  constructor(events: MessagePort) {
    this.#events = events;
  }

  async init(options: SimulationThreadOptions): Promise<void> {
    this.#options = options;
    this.#observer.observe({ entryTypes: ['gc'] });
    const world = await loadWorld(options.moduleUrl);
    const store = Store.attach(options.handle);
    this.#store = store;
    const reports: PhaseReports = {
      failed: (error) => this.#reportFailure(error),
      capacity: (error) => this.#reportCapacity(error),
    };
    this.#runner = new PhaseRunner({ world, store, worker: options.worker, phases: options.phases, reports });
    if (options.worker === 0) this.#initConductor(world, store);
  }

  /** Worker 0: populates a new world, or these cells of it. */
  start(cells?: Uint32Array): void {
    this.#conductor!.start(cells);
  }

  /** Worker 0: makes a populated store ready for its next tick. */
  resume(): void {
    this.#conductor!.prepareIndex();
  }

  /** Takes part in ticks until the run state changes; worker 0 keeps time. */
  run(): void {
    if (this.#conductor === undefined) this.#help();
    else this.#conductor.runRealtime();
  }

  /** Worker 0: ticks as fast as possible. Returns the hashes after the last if asked. */
  runTicks(count: number): void {
    this.#conductor!.runTicks(count);
  }

  /** Worker 0: carries out recorded ticks and returns the hashes after each. */
  replay(ticks: readonly TickInput[]): StateHashes[] {
    const store = this.#store!;
    return ticks.map(({ tick, shedLevel, intake }) => {
      assert(store.control.tick + 1 === tick, 'recorded ticks follow each other');
      store.control.setShedLevel(shedLevel);
      this.#conductor!.tick(performance.now(), () => this.#intake!.replay(tick, intake));
      return this.hash();
    });
  }

  /** Worker 0: hashes of the world's state after the last tick. */
  hash(): StateHashes {
    this.#hasher ??= new StateHasher(this.#store!);
    return this.#hasher.hash();
  }

  collectGarbageReport(): GarbageReport {
    this.#collections.push(...this.#observer.takeRecords());
    const pausesMs = this.#collections.map((entry) => entry.duration);
    this.#collections = [];
    return {
      collections: pausesMs.length,
      pauseMs: pausesMs.reduce((sum, pauseMs) => sum + pauseMs, 0),
      longestPauseMs: Math.max(0, ...pausesMs),
    };
  }

  #initConductor(world: World, store: Store): void {
    const { phases, snapshotHz, catchUpTicksMax, record } = this.#options!;
    this.#intake = new Intake({
      ...phases,
      store,
      world,
      onRefused: (error) => this.#reportJoin(error),
      keepsFrames: record,
    });
    this.#conductor = new Conductor({
      ...phases,
      store,
      world,
      runner: this.#runner!,
      intake: this.#intake,
      snapshotHz,
      catchUpTicksMax,
      onCapacity: (error) => this.#reportCapacity(error),
      onRecord: (error) => this.#reportRecord(error),
      afterTick: record ? (tick) => this.#recordTick(tick) : undefined,
    });
  }

  #help(): void {
    const { control } = this.#store!;
    for (;;) {
      const seen = control.wakeCount;
      if (control.state !== RUN_STATE.running) return;
      const phase = control.enter();
      if (phase < 0) {
        control.awaitWake(seen);
        continue;
      }
      try {
        this.#runner!.run(phase);
      } finally {
        control.leave();
      }
    }
  }

  #recordTick(tick: number): void {
    const input = { tick, shedLevel: this.#store!.control.shedLevel, intake: this.#intake!.takenFrames() };
    this.#post({ type: 'recorded', input, hashes: this.hash() });
  }

  #reportFailure(error: SystemError): void {
    const { system, cell, entity, message } = error;
    const stack = error.cause instanceof Error ? (error.cause.stack ?? '') : '';
    this.#post({ type: 'failed', worker: this.#options!.worker, system, cell, entity, message, stack });
  }

  #reportCapacity(error: CapacityError): void {
    if (!this.#mayReport(error.code)) return;
    this.#post({ type: 'capacity', code: error.code, setting: error.setting, message: error.message });
  }

  #reportRecord(error: RecordError): void {
    if (!this.#mayReport(error.code)) return;
    this.#post({ type: 'record', code: error.code, message: error.message });
  }

  #reportJoin(error: unknown): void {
    if (!this.#mayReport('join')) return;
    const { message, stack = '' } = error instanceof Error ? error : new Error(String(error));
    this.#post({ type: 'joinFailed', message, stack });
  }

  #mayReport(what: string): boolean {
    const tick = this.#store!.control.tick;
    const last = this.#reportedAtTick.get(what);
    if (last !== undefined && tick - last < REPORT_TICKS) return false;
    this.#reportedAtTick.set(what, tick);
    return true;
  }

  #post(event: SimulationEvent): void {
    this.#events.postMessage(event);
  }
}

export type { SimulationThread };

async function loadWorld(moduleUrl: string): Promise<World> {
  const module = (await import(moduleUrl)) as { default: World };
  return module.default;
}

/** How a thread is spawned. */
export interface SimulationWorkerData {
  readonly port: MessagePort;
  readonly events: MessagePort;
  /** Loaded ahead of `init`, where it is known already. */
  readonly moduleUrl: string | undefined;
}

const { port, events, moduleUrl } = workerData as SimulationWorkerData;
resolveOwnPackage();
exposeThread(new SimulationThread(events), port);
if (moduleUrl !== undefined) {
  loadWorld(moduleUrl).catch(() => {
    // `init` meets the same error, and tells.
  });
}
