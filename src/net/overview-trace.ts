/**
 * The way of an entity or a session through this node's journal, for the viewer. A thread of its own reads the file and ends:
 * the gateway's thread must not wait for SQLite. One at a time; who asks meanwhile is told so.
 */
import { Worker } from 'node:worker_threads';
import type { TraceSubject } from './overview-requests.wire.ts';
import type { GatewayCluster } from './settings.ts';

/** The newest lines are shown; the command `worldmesh trace` has all of them. */
export const TRACE_LINES_MAX = 500;
const READ_MS_MAX = 10_000;
const MEMORY_MB_MAX = 256;

export interface TraceLine {
  /** UTC milliseconds by this node's clock. */
  readonly atMs: number;
  readonly stage: string;
  readonly entity: number;
  readonly seq: number;
  readonly session: number;
  /** Ledger of the other node; empty without one. */
  readonly peer: string;
  readonly transferSeq: number;
}

/** What the thread answers. */
export interface TraceFound {
  /** Of the journals with lines of the subject. */
  readonly ledgers: readonly string[];
  readonly lines: readonly TraceLine[];
  /** Lines that were left out because there are more than TRACE_LINES_MAX. */
  readonly olderCount: number;
  /** The history does not reach back to its beginning, or has holes. */
  readonly isCut: boolean;
  /** Why a journal could not be read; empty when all were. */
  readonly problem: string;
}

export interface TraceTask {
  readonly node: string;
  readonly folder: string;
  readonly subject: TraceSubject;
  readonly linesMax: number;
}

/** An answer without lines; its `problem` says why. */
export const NOTHING_TRACED: Omit<TraceFound, 'problem'> = { ledgers: [], lines: [], olderCount: 0, isCut: false };

export class TraceReader {
  readonly #cluster: GatewayCluster | undefined;
  #worker: Worker | undefined;

  constructor(cluster: GatewayCluster | undefined) {
    this.#cluster = cluster;
  }

  /** Never rejects: what goes wrong is the answer's `problem`. */
  async read(subject: TraceSubject): Promise<TraceFound> {
    const { node, journal } = this.#cluster ?? {};
    if (node === undefined || journal === undefined)
      return { ...NOTHING_TRACED, problem: 'a node alone keeps no journal' };
    if (this.#worker !== undefined) return { ...NOTHING_TRACED, problem: 'another trace is being read; ask again' };
    const task: TraceTask = { node, folder: journal.folder, subject, linesMax: TRACE_LINES_MAX };
    const worker = new Worker(new URL(journal.readerUrl), {
      name: 'trace',
      workerData: task,
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB_MAX },
    });
    this.#worker = worker;
    const { promise, resolve } = Promise.withResolvers<TraceFound>();
    const fail = (problem: string): void => resolve({ ...NOTHING_TRACED, problem });
    worker.once('message', resolve);
    worker.once('error', (error) => fail(error.message));
    worker.once('exit', () => fail('the thread that reads it ended'));
    const timer = setTimeout(() => fail(`the journal was not read within ${READ_MS_MAX} ms`), READ_MS_MAX);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#worker = undefined;
      await worker.terminate();
    }
  }

  stop(): void {
    void this.#worker?.terminate();
  }
}
