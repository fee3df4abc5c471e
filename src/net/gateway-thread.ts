/** The gateway as the main thread sees it. */
import { MessageChannel, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { LongRace } from '../base/long-race.ts';
import { wrapThread } from '../base/thread.ts';
import type { Remote } from '../base/thread.ts';
import { youngGeneration } from '../base/thread-memory.ts';
import type { GatewayReport } from './gateway.ts';
import type { GatewayEvent } from './gateway-log.ts';
import type { GatewayApi } from './gateway.worker.ts';
import type { BalancerDecision, ClusterNode, GatewayOptions, PausedCell, SpanCounts } from './settings.ts';

/** How long a thread that was told to stop may take beyond its `drainMs`. */
const STOP_SLACK_MS = 300;

/** A thread that loads its code, and waits for `GatewayThread.start`. */
export interface SpawnedGateway {
  readonly worker: Worker;
  readonly port: MessagePort;
  /** Rejects when the thread dies; resolves when it was stopped. */
  readonly done: Promise<void>;
}

/** Whoever spawns a gateway ends its thread, if it is not started. */
export function spawnGateway(): SpawnedGateway {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL('./gateway.worker.ts', import.meta.url), {
    name: 'gateway',
    workerData: { port: port2 },
    transferList: [port2],
    resourceLimits: youngGeneration('gateway'),
  });
  const done = watch(worker).finally(() => port1.close());
  // A failure before or while starting is reported by the start, and later by whoever watches `done`.
  done.catch(() => {});
  return { worker, port: port1, done };
}

export class GatewayThread {
  /** Where the gateway listens. */
  readonly port: number;
  /** Rejects when the thread dies; resolves when it was stopped. The owner watches it. */
  readonly done: Promise<void>;
  readonly #worker: Worker;
  readonly #api: Remote<GatewayApi>;
  readonly #race: LongRace<void>;

  /**
   * Starts to serve and waits until it listens.
   * @param spawned A thread that was spawned ahead, for a quick start.
   * @param hear Is told what there is to log, and to trace.
   * @throws the system's error when it cannot listen, such as EADDRINUSE, or that of the authentication (`code` is kept).
   */
  static async start(
    options: GatewayOptions,
    spawned: SpawnedGateway = spawnGateway(),
    hear: (event: GatewayEvent) => void = () => {},
  ): Promise<GatewayThread> {
    const { worker, port, done } = spawned;
    worker.on('message', hear);
    const api = wrapThread<GatewayApi>(port);
    try {
      const started = await Promise.race([api.start(options), done]);
      assert(started !== undefined, 'the thread lives until it is stopped');
      if ('code' in started) throw Object.assign(new Error(started.message), { code: started.code });
      return new GatewayThread(started.port, { worker, api, done });
    } catch (cause) {
      await worker.terminate();
      throw cause;
    }
  }

  private constructor(port: number, parts: { worker: Worker; api: Remote<GatewayApi>; done: Promise<void> }) {
    this.port = port;
    this.#worker = parts.worker;
    this.#api = parts.api;
    this.done = parts.done;
    this.#race = new LongRace(parts.done);
  }

  async report(): Promise<GatewayReport> {
    const report = await this.#race.against(this.#api.report());
    assert(report !== undefined, 'a running gateway reports');
    return report;
  }

  /** The members of the cluster, whenever they change: for viewers and `/status`. */
  async setNodes(nodes: readonly ClusterNode[]): Promise<void> {
    await this.#race.against(this.#api.setNodes(nodes));
  }

  /** What the balancer of the cluster decided last: for viewers. */
  async setDecisions(decisions: readonly BalancerDecision[]): Promise<void> {
    await this.#race.against(this.#api.setDecisions(decisions));
  }

  /** What became of the spans of this node, for metrics. */
  async setSpanCounts(counts: SpanCounts): Promise<void> {
    await this.#race.against(this.#api.setSpanCounts(counts));
  }

  async setPausedCells(cells: readonly PausedCell[]): Promise<void> {
    await this.#race.against(this.#api.setPausedCells(cells));
  }

  /** Says goodbye to all clients, at most `drainMs` long, and ends the thread. */
  async stop({ drainMs = 300 }: { readonly drainMs?: number } = {}): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, drainMs + STOP_SLACK_MS);
    try {
      await Promise.race([this.#api.stop({ drainMs }), late, this.done]);
    } finally {
      clearTimeout(timer);
      await this.#worker.terminate();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop({ drainMs: 0 });
  }
}

function watch(worker: Worker): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  worker.once('error', reject);
  worker.once('exit', () => resolve());
  return promise;
}
