/**
 * The simulation threads of a node, as main sees them: starts them on a store, lets them tick, hears of their failures,
 * stops them. A stopped simulation leaves the store as it was after its last tick, and another can go on with it.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { wrapThread } from '../base/thread.ts';
import type { Remote } from '../base/thread.ts';
import { RUN_STATE } from '../memory/control.ts';
import type { Store } from '../memory/store.ts';
import type { PhaseOptions } from '../workers/phases.ts';
import type { GarbageReport, SimulationEvent, SimulationThread, TickInput } from '../workers/simulation.worker.ts';
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

interface Thread {
  readonly worker: Worker;
  readonly api: Remote<SimulationThread>;
  readonly ports: readonly MessagePort[];
  /** Rejects when the thread dies. */
  readonly died: Promise<never>;
}

export class Simulation {
  readonly #store: Store;
  readonly #threads: readonly Thread[];
  #running: Promise<void> | undefined;

  /**
   * Starts one thread per worker of the store.
   * @param populate Runs the world's `start`: for a new store. Otherwise the store's entities go on.
   * @throws what the world module throws while loading, and SystemError from its `start`.
   */
  static async start(options: SimulationOptions, { populate }: { populate: boolean }): Promise<Simulation> {
    const { store } = options;
    store.control.clearFailure();
    const threads = Array.from({ length: store.options.workers }, (_, worker) => startThread(worker, options));
    const simulation = new Simulation(
      store,
      threads.map(({ thread }) => thread),
    );
    try {
      await Promise.all(threads.map(({ ready }) => ready));
      const conductor = simulation.#conductor;
      await (populate ? conductor.start() : conductor.resume());
    } catch (cause) {
      await simulation.#terminate();
      throw cause;
    }
    return simulation;
  }

  private constructor(store: Store, threads: readonly Thread[]) {
    this.#store = store;
    this.#threads = threads;
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
    await this.#terminate();
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

  async #terminate(): Promise<void> {
    for (const { ports } of this.#threads) for (const port of ports) port.close();
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }
}

function startThread(index: number, options: SimulationOptions): { thread: Thread; ready: Promise<void> } {
  const calls = new MessageChannel();
  const events = new MessageChannel();
  const worker = new Worker(new URL('../workers/simulation.worker.ts', import.meta.url), {
    name: `simulation-${index}`,
    workerData: { port: calls.port2, events: events.port2 },
    transferList: [calls.port2, events.port2],
  });
  events.port1.on('message', options.onEvent);
  const api = wrapThread<SimulationThread>(calls.port1);
  const { promise: died, reject } = Promise.withResolvers<never>();
  died.catch(() => {});
  worker.once('error', reject);
  const { store, moduleUrl, phases, snapshotHz, catchUpTicksMax, record } = options;
  const ready = api.init({
    handle: store.handle,
    worker: index,
    moduleUrl,
    phases,
    snapshotHz,
    catchUpTicksMax,
    record,
  });
  return {
    thread: { worker, api, ports: [calls.port1, events.port1], died },
    ready: Promise.race([ready, died]),
  };
}
