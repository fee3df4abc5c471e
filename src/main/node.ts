/**
 * One node: a world module, its store, the simulation threads, the gateway thread, and a recording if one is made.
 * This is the only place where they meet.
 *
 *   start ──▶ running ──▶ stop: gateway says goodbye (1012) ──▶ simulation ends after its tick ──▶ recording is closed
 *                │  └──▶ world code throws: `ended` tells; the owner stops the node
 *                └──▶ reload (development): new threads on the same store, or a new store with the old entities
 */
import { hostname } from 'node:os';
import packageJson from '../../package.json' with { type: 'json' };
import { CapacityError } from '../base/errors.ts';
import { Store } from '../memory/store.ts';
import { GatewayThread } from '../net/gateway-thread.ts';
import type { PausedCell } from '../net/settings.ts';
import type { GatewayEvent } from '../net/gateway-log.ts';
import type { PeerEvent } from '../peer/peer-settings.ts';
import { PeerThread } from '../peer/peer-thread.ts';
import type { SimulationEvent } from '../workers/simulation.worker.ts';
import type { Settings } from './config/settings.ts';
import { takeIncarnation } from './incarnation.ts';
import type { Log } from './log.ts';
import { migrateStore } from './migrate-store.ts';
import { NodeError } from './node-error.ts';
import type { NodeThreads } from './node-threads.ts';
import {
  gatewaySettings,
  isClustered,
  peerSettings,
  phaseOptions,
  shownSettings,
  storeOptions,
} from './node-settings.ts';
import type { RecordingWriter } from './recording.ts';
import { recordedTick, recordingHeader } from './recorded.ts';
import { Simulation } from './simulation.ts';
import { userFrames } from './user-frames.ts';
import { SpanExporter } from './telemetry/span-exporter.ts';
import { withTrace } from './telemetry/trace-ids.ts';
import type { WorldModule } from './world-module.ts';

export interface NodeOptions {
  readonly world: WorldModule;
  readonly settings: Settings;
  /** Development: world code that throws pauses its cell, and modules can be reloaded. */
  readonly development: boolean;
  readonly recordFile: string | undefined;
  readonly log: Log;
  /** Spawned ahead, for a quick start; else they are spawned by the node. */
  readonly threads?: NodeThreads;
}

/** World code threw, and the world stands still. */
export type WorldFailure = Extract<SimulationEvent, { type: 'failed' }>;

const RELEASE: string = packageJson.version;
/** A stop within a second: clients get their close frames in this time. */
const DRAIN_MS = 300;
/** Connections whose clients have just gone elsewhere end by themselves, once those see something there. */
const DRAINED_MS = 3000;
/** A report of a failure travels behind the news that the world stands still. */
const FAILURE_REPORT_MS_MAX = 1000;
/** Cells shown as paused; a broken system pauses all it runs in. */
const PAUSED_CELLS_SHOWN_MAX = 64;

/** How a node left its cluster. */
export interface Drained {
  /** Its supervisor shall start it again. */
  readonly restarts: boolean;
}

export class WorldNode implements AsyncDisposable {
  readonly #options: NodeOptions;
  readonly #incarnation: number;
  readonly #recording: RecordingWriter | undefined;
  readonly #peer: PeerThread | undefined;
  readonly #spans: SpanExporter | undefined;
  readonly #pausedCells = new Map<number, PausedCell>();
  readonly #toldFailures = new Set<string>();
  #isShowing = false;
  readonly #failed = Promise.withResolvers<WorldFailure>();
  readonly #ended = Promise.withResolvers<WorldFailure>();
  #world: WorldModule;
  #store: Store;
  #simulation: Simulation | undefined;
  #gateway: GatewayThread | undefined;
  readonly #drained = Promise.withResolvers<Drained>();
  #port = 0;
  #isStopping = false;
  #isDrained = false;

  /**
   * Starts everything; resolves when clients can connect.
   * @throws ModuleError, NodeError, CapacityError, RecordingError; nothing is left running then.
   */
  static async start(options: NodeOptions): Promise<WorldNode> {
    const { world, settings } = options;
    const heard: PeerEvent[] = [];
    let hear = (event: PeerEvent): void => {
      heard.push(event);
    };
    const peer = isClustered(settings)
      ? await PeerThread.join(peerSettings(settings, { world, release: RELEASE }), (event) => hear(event))
      : undefined;
    const incarnation = peer?.joined.incarnation ?? takeIncarnation(settings.dataDir);
    const lastTick = peer === undefined ? 0 : ticksSince(peer.joined.tickEpochMs, settings.tickHz);
    const store = Store.create(storeOptions(settings, world), { incarnation, lastTick });
    const recording = await openRecording(options, incarnation);
    const node = new WorldNode(options, { store, incarnation, recording, peer });
    hear = (event) => node.#hearPeer(event);
    try {
      // Side by side, for a quick start; both have ended, well or not, before anything is undone.
      const starts = await Promise.allSettled([
        node.#startSimulation({ populate: peer === undefined, threads: options.threads }),
        node.#startGateway(options.threads),
      ]);
      for (const start of starts) if (start.status === 'rejected') throw start.reason;
      await peer?.start(store.handle);
      for (const event of heard) node.#hearPeer(event);
      await peer?.setClientUrl(node.#clientUrl());
    } catch (cause) {
      await node.stop().catch(() => {});
      throw cause;
    }
    return node;
  }

  private constructor(
    options: NodeOptions,
    parts: {
      store: Store;
      incarnation: number;
      recording: RecordingWriter | undefined;
      peer: PeerThread | undefined;
    },
  ) {
    this.#options = options;
    this.#world = options.world;
    this.#store = parts.store;
    this.#incarnation = parts.incarnation;
    this.#recording = parts.recording;
    this.#peer = parts.peer;
    this.#spans = this.#createSpans();
    parts.peer?.died.catch((error: unknown) => this.#threadDied(error, undefined));
    // Whoever stops the node need not have asked how it ended.
    this.#ended.promise.catch(() => {});
  }

  get port(): number {
    return this.#port;
  }

  get incarnation(): number {
    return this.#incarnation;
  }

  get world(): WorldModule {
    return this.#world;
  }

  get store(): Store {
    return this.#store;
  }

  /** Settles when the world ends by itself: resolves when world code threw, rejects when a thread died. */
  get ended(): Promise<WorldFailure> {
    return this.#ended.promise;
  }

  /** Resolves when the node was to leave its cluster and has nothing left; it is to be stopped then. */
  get drained(): Promise<Drained> {
    return this.#drained.promise;
  }

  /** Asks the cluster to let this node leave. False for a node that is alone, or that cannot. */
  async drain(): Promise<boolean> {
    return (await this.#peer?.drain()) ?? false;
  }

  /** Sessions that clients hold now. */
  async sessionCount(): Promise<number> {
    return (await this.#gateway?.report())?.sessions ?? 0;
  }

  /**
   * Development: goes on with another version of the module.
   * @throws what the module throws when it starts; the world stands still then until the next reload.
   */
  async reload(world: WorldModule): Promise<'kept' | 'migrated'> {
    if (this.#peer !== undefined) {
      throw new NodeError('ERR_NODE_RELOAD', 'a node of a cluster does not reload its module; restart it');
    }
    const isSameShape = world.schema.hash === this.#world.schema.hash && world.size === this.#world.size;
    const isSameGateway = isSameShape && world.edge === this.#world.edge;
    const before = this.#simulation;
    // From here on the end of the old threads is no news.
    this.#simulation = undefined;
    await before?.stop();
    this.#world = world;
    this.#pausedCells.clear();
    this.#toldFailures.clear();
    if (isSameShape) this.#store.pausedCells.fill(0);
    else this.#migrate(world);
    if (!isSameGateway) {
      const gateway = this.#gateway;
      this.#gateway = undefined;
      await gateway?.stop({ drainMs: DRAIN_MS });
    }
    await this.#startSimulation({ populate: !isSameShape && this.#store.entityCount === 0 });
    if (this.#gateway === undefined) await this.#startGateway();
    else await this.#gateway.setPausedCells([]);
    return isSameShape ? 'kept' : 'migrated';
  }

  /** Clients are told to come back, the tick in work ends, files are closed. Can be called again. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    const gateway = this.#gateway;
    const simulation = this.#simulation;
    this.#gateway = undefined;
    this.#simulation = undefined;
    await gateway?.stop({ drainMs: this.#isDrained ? DRAINED_MS : DRAIN_MS });
    await simulation?.stop();
    await this.#peer?.stop();
    await this.#spans?.stop();
    await this.#recording?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #startSimulation({
    populate,
    threads,
  }: {
    populate: boolean;
    threads?: NodeThreads | undefined;
  }): Promise<void> {
    const { settings, development } = this.#options;
    const simulation = await Simulation.start(
      {
        store: this.#store,
        moduleUrl: this.#world.url,
        phases: phaseOptions(settings, { world: this.#world, pauseOnFailure: development }),
        snapshotHz: settings.snapshotHz,
        catchUpTicksMax: settings.catchUpTicksMax,
        record: this.#recording !== undefined,
        onEvent: (event) => this.#hear(event),
      },
      { populate, threads: threads?.simulation },
    );
    this.#simulation = simulation;
    const { done } = simulation.run();
    done.then(
      () => this.#simulationEnded(simulation),
      (error: unknown) => this.#threadDied(error, simulation),
    );
  }

  async #startGateway(threads?: NodeThreads): Promise<void> {
    const { settings } = this.#options;
    // After a reload clients must find the gateway where it was, also when any port was taken at first.
    const port = this.#port === 0 ? settings.port : this.#port;
    const sessionKey = this.#peer?.joined.sessionKey;
    try {
      const options = {
        store: this.#store.handle,
        settings: { ...gatewaySettings(settings, { world: this.#world, sessionKey }), port },
        shownSettings: shownSettings(settings, this.#world),
      };
      const gateway = await GatewayThread.start(options, threads?.gateway, (event) => this.#hearGateway(event));
      this.#gateway = gateway;
      this.#port = gateway.port;
      gateway.done.then(
        () => this.#gatewayEnded(gateway),
        (error: unknown) => this.#threadDied(error, undefined),
      );
    } catch (cause) {
      throw listenError(cause, { host: settings.host, port });
    }
  }

  #migrate(world: WorldModule): void {
    const { settings, log } = this.#options;
    const store = Store.create(storeOptions(settings, world), { incarnation: this.#incarnation });
    const report = migrateStore(this.#store, store);
    this.#store = store;
    log.info('the schema changed: a new store, with the entities of the old one', { ...report });
  }

  #hearPeer(event: PeerEvent): void {
    switch (event.type) {
      case 'log':
        this.#options.log[event.level](event.message, withTrace(event.details, this.#peer?.joined.clusterId));
        return;
      case 'spans':
        this.#spans?.add(event);
        return;
      case 'nodes':
        this.#gateway?.setNodes(event.nodes).catch(() => {
          // The gateway's end is told by its `done`.
        });
        return;
      case 'decisions':
        this.#gateway?.setDecisions(event.decisions).catch(() => {
          // The same.
        });
        return;
      case 'drained':
        this.#isDrained = true;
        this.#drained.resolve({ restarts: event.restarts });
        return;
      case 'stopped':
        if (!this.#isStopping) this.#ended.reject(new NodeError('ERR_NODE_FENCED', event.reason));
        return;
    }
  }

  #hearGateway(event: GatewayEvent): void {
    if (event.type === 'spans') this.#spans?.add(event);
    else this.#options.log[event.level](event.message, event.details);
  }

  #createSpans(): SpanExporter | undefined {
    const { settings, world, log } = this.#options;
    const joined = this.#peer?.joined;
    if (joined === undefined || settings.otlpUrl === '') return undefined;
    return new SpanExporter({
      url: settings.otlpUrl,
      resource: {
        clusterId: joined.clusterId,
        world: world.schema.name,
        node: settings.node,
        incarnation: joined.incarnation,
        release: RELEASE,
        pid: process.pid,
      },
      log,
      onCounts: (counts) => {
        this.#gateway?.setSpanCounts(counts).catch(() => {
          // The gateway's end is told by its `done`.
        });
      },
    });
  }

  #clientUrl(): string {
    const { clientUrl, host } = this.#options.settings;
    if (clientUrl !== '') return clientUrl;
    const reachable = host === '0.0.0.0' || host === '::' ? hostname() : host;
    return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${this.#port}/`;
  }

  #hear(event: SimulationEvent): void {
    const { log, settings } = this.#options;
    switch (event.type) {
      case 'failed':
        return this.#hearFailure(event);
      case 'capacity':
        return log.warn(event.message, { code: event.code, setting: event.setting });
      case 'joinFailed':
        return log.error(`a player could not join: ${event.message}`, { stack: userFrames(event.stack) });
      case 'recorded':
        return this.#record(recordedTick(event, { entitiesMax: settings.recordEntitiesMax }));
    }
  }

  #hearFailure(failure: WorldFailure): void {
    if (!this.#options.development) {
      this.#failed.resolve(failure);
      return;
    }
    const { cell, system, entity, message, stack } = failure;
    this.#pausedCells.set(cell, { cell, system, entity, message });
    // A mistake that pauses many cells is told once.
    const isTold = this.#toldFailures.has(`${system} ${stack}`);
    if (!isTold) {
      this.#toldFailures.add(`${system} ${stack}`);
      const paused = 'the cell is paused until the module changes, and others where the same happens';
      this.#options.log.error(`${message}; ${paused}`, { stack: userFrames(stack) });
    }
    this.#showPausedCells();
  }

  /** At most once for all failures that arrive together. */
  #showPausedCells(): void {
    if (this.#isShowing) return;
    this.#isShowing = true;
    setImmediate(() => {
      this.#isShowing = false;
      const cells = [...this.#pausedCells.values()].slice(0, PAUSED_CELLS_SHOWN_MAX);
      this.#gateway?.setPausedCells(cells).catch(() => {
        // The gateway's end is told by its `done`.
      });
    });
  }

  #record(tick: Parameters<RecordingWriter['append']>[0]): void {
    const recording = this.#recording;
    if (recording === undefined || recording.failure !== undefined) return;
    recording.append(tick);
    const failure = recording.failure as Error | undefined;
    if (failure) this.#options.log.error(`${failure.message}; the world goes on without it`);
  }

  #simulationEnded(simulation: Simulation): void {
    if (this.#isStopping || this.#simulation !== simulation) return;
    const timer = setTimeout(() => {
      this.#ended.reject(new NodeError('ERR_NODE_STOPPED', 'the simulation ended without saying why'));
    }, FAILURE_REPORT_MS_MAX);
    void this.#failed.promise.then((failure) => {
      clearTimeout(timer);
      this.#ended.resolve(failure);
    });
  }

  #gatewayEnded(gateway: GatewayThread): void {
    if (this.#isStopping || this.#gateway !== gateway) return;
    this.#ended.reject(new NodeError('ERR_NODE_STOPPED', 'the gateway ended without saying why'));
  }

  #threadDied(error: unknown, simulation: Simulation | undefined): void {
    if (this.#isStopping || (simulation !== undefined && simulation !== this.#simulation)) return;
    this.#ended.reject(error);
  }
}

/** The last tick of a world whose ticks have been counted since then. */
function ticksSince(epochMs: number, tickHz: number): number {
  return Math.max(0, Math.floor(((Date.now() - epochMs) * tickHz) / 1000));
}

async function openRecording(options: NodeOptions, incarnation: number): Promise<RecordingWriter | undefined> {
  const { recordFile, world, settings } = options;
  if (recordFile === undefined) return undefined;
  const { RecordingWriter } = await import('./recording.ts');
  return RecordingWriter.open(recordFile, {
    header: recordingHeader({ world, settings, incarnation }),
    backlogBytesMax: settings.recordBacklogBytesMax,
  });
}

function listenError(cause: unknown, { host, port }: { host: string; port: number }): unknown {
  if (cause instanceof CapacityError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code?.startsWith('ERR_AUTH_')) return new NodeError('ERR_NODE_AUTH', `${code}: ${message}`, { cause });
  const what = LISTEN_PROBLEMS.get(code ?? '');
  return what === undefined ? cause : new NodeError('ERR_NODE_LISTEN', `${host}:${port} ${what}`, { cause });
}

const LISTEN_PROBLEMS: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'is in use by another process; stop it, or choose another --port (0 takes a free one)'],
  ['EACCES', 'may not be used by this user; choose a --port from 1024'],
  ['EADDRNOTAVAIL', 'is not an address of this machine; choose another --host, such as 127.0.0.1 or 0.0.0.0'],
  ['ENOTFOUND', 'is not a known address; choose another --host, such as 127.0.0.1 or 0.0.0.0'],
]);
