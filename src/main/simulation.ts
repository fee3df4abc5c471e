/**
 * The simulation threads of a node, as main sees them: starts them on a store, lets them tick, hears of their failures,
 * stops them. A stopped simulation leaves the store as it was after its last tick, and another can go on with it.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { wrapThread } from '../base/thread.ts';
import type { Remote } from '../base/thread.ts';
import { youngGeneration } from '../base/thread-memory.ts';
import { RUN_STATE } from '../memory/control.ts';
import type { Store } from '../memory/store.ts';
import type { PhaseOptions } from '../workers/phases.ts';
import type {
  GarbageReport,
  SimulationEvent,
  SimulationThread,
  SimulationWorkerData,
  TickInput,
} from '../workers/simulation.worker.ts';
import type { StateHashes } from '../workers/state-hasher.ts';

export interface SimulationOptions {
  readonly store: Store;
  readonly moduleUrl: string;
  readonly phases: PhaseOptions;
  readonly snapshotHz: number;
  readonly catchUpTicksMax: number;
  /** Report each tick's inputs and hashes as `recorded` events. */
  readonly record: boolean;
  readonly onEvent: (event: SimulationEvent) => void;
}

/** A thread that has been spawned: it loads its code, and waits for its store. */
interface Thread {
  readonly worker: Worker;
  readonly api: Remote<SimulationThread>;
  readonly calls: MessagePort;
  readonly events: MessagePort;
  /** Rejects when the thread dies. */
  readonly died: Promise<never>;
}

/** Threads for a simulation that will be started. Whoever spawns them ends them, if it does not come to that. */
export class SimulationThreads implements AsyncDisposable {
  readonly all: readonly Thread[];

  /** @param moduleUrl The world module, to be loaded meanwhile. */
  static spawn(count: number, moduleUrl?: string): SimulationThreads {
    return new SimulationThreads(Array.from({ length: count }, (_, index) => spawnThread(index, moduleUrl)));
  }

  private constructor(all: readonly Thread[]) {
    this.all = all;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { calls, events } of this.all) for (const port of [calls, events]) port.close();
    await Promise.all(this.all.map(({ worker }) => worker.terminate()));
  }
}

export class Simulation {
  readonly #store: Store;
  readonly #spawned: SimulationThreads;
  readonly #threads: readonly Thread[];
  #running: Promise<void> | undefined;

  /**
   * Starts one thread per worker of the store.
   * @param threads As many as the store has workers, if they were spawned ahead.
   * @param populate Runs the world's `start`: for a new store. Otherwise the store's entities go on.
   * @throws what the world module throws while loading, and SystemError from its `start`.
   */
  static async start(
    options: SimulationOptions,
    { populate, threads }: { populate: boolean; threads?: SimulationThreads | undefined },
  ): Promise<Simulation> {
    const { store } = options;
    store.control.clearFailure();
    const simulation = new Simulation(store, threads ?? SimulationThreads.spawn(store.options.workers));
    try {
      await Promise.all(simulation.#threads.map((thread, index) => init(thread, index, options)));
      const conductor = simulation.#conductor;
      await (populate ? conductor.start() : conductor.resume());
    } catch (cause) {
      await simulation.#spawned[Symbol.asyncDispose]();
      throw cause;
    }
    return simulation;
  }

  private constructor(store: Store, spawned: SimulationThreads) {
    assert(spawned.all.length === store.options.workers, 'there is a thread for each worker');
    this.#store = store;
    this.#spawned = spawned;
    this.#threads = spawned.all;
  }

  /** Ticks in real time until `pause`, `stop`, or a failure; `done` settles then. */
  run(): { readonly done: Promise<void> } {
    this.#store.control.setState(RUN_STATE.running);
    const done = Promise.all(this.#threads.map(({ api, died }) => Promise.race([api.run(), died]))).then(() => {});
    // Whoever pauses or stops awaits it, too.
    done.catch(() => {});
    this.#running = done;
    return { done };
  }

  /** Lets the tick in work end and the threads rest. */
  async pause(): Promise<void> {
    this.#store.control.setState(RUN_STATE.stopped);
    await this.#running?.catch(() => {});
    this.#running = undefined;
  }

  /** Ticks as fast as possible. */
  async runTicks(count: number): Promise<void> {
    await this.#withHelpers((conductor) => conductor.runTicks(count));
  }

  /** Carries out recorded ticks as fast as possible; the hashes after each. */
  replay(ticks: readonly TickInput[]): Promise<StateHashes[]> {
    return this.#withHelpers((conductor) => conductor.replay(ticks));
  }

  /** While paused: hashes of the state. */
  hash(): Promise<StateHashes> {
    return this.#conductor.hash();
  }

  /** While paused: garbage collections since the last report, by worker. */
  collectGarbageReports(): Promise<GarbageReport[]> {
    return Promise.all(this.#threads.map(({ api }) => api.collectGarbageReport()));
  }

  /** Ends the threads. */
  async stop(): Promise<void> {
    this.#store.control.setState(RUN_STATE.stopping);
    await this.#running?.catch(() => {});
    await this.#spawned[Symbol.asyncDispose]();
  }

  get #conductor(): Remote<SimulationThread> {
    return this.#threads[0]!.api;
  }

  async #withHelpers<Result>(work: (conductor: Remote<SimulationThread>) => Promise<Result>): Promise<Result> {
    const { control } = this.#store;
    control.setState(RUN_STATE.running);
    const helpers = this.#threads.slice(1).map(({ api, died }) => Promise.race([api.run(), died]));
    try {
      return await Promise.race([work(this.#conductor), this.#threads[0]!.died]);
    } finally {
      control.setState(RUN_STATE.stopped);
      await Promise.all(helpers);
    }
  }
}

function spawnThread(index: number, moduleUrl: string | undefined): Thread {
  const calls = new MessageChannel();
  const events = new MessageChannel();
  const worker = new Worker(new URL('../workers/simulation.worker.ts', import.meta.url), {
    name: `simulation-${index}`,
    workerData: { port: calls.port2, events: events.port2, moduleUrl } satisfies SimulationWorkerData,
    transferList: [calls.port2, events.port2],
    resourceLimits: youngGeneration('simulation'),
  });
  const { promise: died, reject } = Promise.withResolvers<never>();
  died.catch(() => {});
  worker.once('error', reject);
  return { worker, api: wrapThread<SimulationThread>(calls.port1), calls: calls.port1, events: events.port1, died };
}

async function init({ api, events, died }: Thread, index: number, options: SimulationOptions): Promise<void> {
  const { store, moduleUrl, phases, snapshotHz, catchUpTicksMax, record, onEvent } = options;
  events.on('message', onEvent);
  const call = api.init({
    handle: store.handle,
    worker: index,
    moduleUrl,
    phases,
    snapshotHz,
    catchUpTicksMax,
    record,
  });
  await Promise.race([call, died]);
}
