/** The peer thread as main sees it. */
import { MessageChannel, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { WorldmeshError } from '../base/errors.ts';
import { wrapThread } from '../base/thread.ts';
import type { Remote } from '../base/thread.ts';
import { youngGeneration } from '../base/thread-memory.ts';
import type { StoreHandle } from '../memory/store.ts';
import type { PeerEvent, PeerJoined, PeerSettings } from './peer-settings.ts';
import type { PeerApi, PeerFailure, PeerWorkerData } from './peer.worker.ts';

/** A start or a join failed in the peer thread; `code` is that of the error there. */
export class PeerThreadError extends WorldmeshError {
  override readonly name = 'PeerThreadError';
  override readonly code: string;

  constructor({ code, message }: PeerFailure) {
    super(message);
    this.code = code;
  }
}

export class PeerThread implements AsyncDisposable {
  /** What this process is in its cluster. */
  readonly joined: PeerJoined;
  /** Rejects when the thread dies. */
  readonly died: Promise<never>;
  readonly #worker: Worker;
  readonly #api: Remote<PeerApi>;
  readonly #ports: readonly MessagePort[];

  /**
   * Spawns the thread and joins the cluster.
   * @throws PeerThreadError with the code of a JournalError or DirectoryError.
   */
  static async join(settings: PeerSettings, onEvent: (event: PeerEvent) => void): Promise<PeerThread> {
    const calls = new MessageChannel();
    const events = new MessageChannel();
    const worker = new Worker(new URL('./peer.worker.ts', import.meta.url), {
      name: 'peer',
      workerData: { port: calls.port2, events: events.port2 } satisfies PeerWorkerData,
      transferList: [calls.port2, events.port2],
      resourceLimits: youngGeneration('peer'),
    });
    const { promise: died, reject } = Promise.withResolvers<never>();
    died.catch(() => {});
    worker.once('error', reject);
    events.port1.on('message', onEvent);
    const api = wrapThread<PeerApi>(calls.port1);
    try {
      const joined = await Promise.race([api.join(settings), died]);
      if ('code' in joined) throw new PeerThreadError(joined);
      return new PeerThread(joined, { worker, api, died, ports: [calls.port1, events.port1] });
    } catch (cause) {
      await worker.terminate();
      calls.port1.close();
      events.port1.close();
      throw cause;
    }
  }

  private constructor(
    joined: PeerJoined,
    parts: { worker: Worker; api: Remote<PeerApi>; died: Promise<never>; ports: readonly MessagePort[] },
  ) {
    this.joined = joined;
    this.died = parts.died;
    this.#worker = parts.worker;
    this.#api = parts.api;
    this.#ports = parts.ports;
  }

  /** Links up, recovers, becomes active. @throws PeerThreadError */
  async start(handle: StoreHandle): Promise<{ readonly peerAddress: string }> {
    const started = await Promise.race([this.#api.start(handle), this.died]);
    if ('code' in started) throw new PeerThreadError(started);
    return started;
  }

  async setClientUrl(clientUrl: string): Promise<void> {
    await Promise.race([this.#api.setClientUrl(clientUrl), this.died]);
  }

  /** The node is to leave its cluster: `drained` is told when it has nothing left. False when that cannot be. */
  async drain(): Promise<boolean> {
    return await Promise.race([this.#api.drain(), this.died]);
  }

  /** Call it when the simulation has stopped. */
  async stop(): Promise<void> {
    try {
      await Promise.race([this.#api.stop(), this.died]);
    } finally {
      await this.#worker.terminate();
      for (const port of this.#ports) port.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
