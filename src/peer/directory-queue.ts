/**
 * The calls of one process to the directory's file, in the order they were made, those that wait together in one transaction:
 * a thousand players who come at once cost a few waits for the lock and the disk, and a lease that is renewed does not wait
 * behind them.
 *
 *   waiting ─▶ batch ─▶ BEGIN, each call in a savepoint of its own, COMMIT ─▶ answers
 *                └─ locked: the whole batch again, with jitter, until busyMs are over
 *                └─ anything but a refusal of ours: each call of it alone, so that only the guilty one fails
 *
 * A call is answered after the commit, and has done nothing before. It may be run several times, so it has no other effect
 * than on the database.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { DirectoryError } from './directory-error.ts';
import { explain, isBusy } from './directory-tables.ts';
import type { Database } from './directory-tables.ts';

/** `read` writes nothing; `synced` is on disk before it is answered, `unsynced` in the file. */
export type CallKind = 'read' | 'synced' | 'unsynced';

export interface DirectoryQueueOptions {
  readonly file: string;
  /** How long a call waits for the lock, in milliseconds. */
  readonly busyMs?: number;
  /** In [0, 1). */
  readonly random: () => number;
  /** After each commit that wrote. */
  readonly onWritten: () => void;
}

interface Call {
  readonly kind: CallKind;
  readonly run: (database: Database) => unknown;
  readonly answer: (outcome: Outcome) => void;
}

type Outcome = { readonly value: unknown } | { readonly error: unknown };

export const BUSY_MS_DEFAULT = 2000;
const RETRY_MS_MIN = 1;
/** Between two batches of one process: others find the lock free with a chance of a third at least. */
const TURN_MS = 4;
const RETRY_MS_MAX = 12;
/** Calls that wait; more than any node has under way. Beyond it a call is refused as busy. */
const CALLS_MAX = 4096;
/** So many name changes hold the lock for some 5 ms. */
const BATCH_CALLS_MAX = 256;

export class DirectoryQueue {
  readonly #database: Database;
  readonly #options: DirectoryQueueOptions;
  #waiting: Call[] = [];
  #draining: Promise<void> | undefined;
  #isSynced = true;

  /** The database is set to synchronous = FULL. */
  constructor(database: Database, options: DirectoryQueueOptions) {
    this.#database = database;
    this.#options = options;
  }

  /** @throws DirectoryError */
  async call<Result>(kind: CallKind, run: (database: Database) => Result): Promise<Result> {
    if (this.#waiting.length >= CALLS_MAX) throw busy(this.#options.file, 'too many calls wait');
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.#waiting.push({ kind, run, answer: resolve });
    this.#draining ??= this.#drain();
    const outcome = await promise;
    if ('error' in outcome) throw outcome.error;
    return outcome.value as Result;
  }

  /** Resolves when every call that was made has been answered. */
  async settled(): Promise<void> {
    await this.#draining;
  }

  async #drain(): Promise<void> {
    // Whoever calls in this turn of the loop goes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH_CALLS_MAX);
      await this.#carryOut(batch);
      // Whoever waits for the lock tries now and then: it has to be free now and then.
      if (this.#waiting.length > 0) await pause(TURN_MS);
    }
    this.#draining = undefined;
  }

  async #carryOut(batch: readonly Call[]): Promise<void> {
    let outcomes: readonly Outcome[];
    try {
      outcomes = await retried(this.#options, () => this.#commit(batch));
    } catch (error) {
      if (batch.length === 1 || isBusyAnswer(error)) outcomes = batch.map(() => ({ error }));
      else {
        for (const call of batch) await this.#carryOut([call]);
        return;
      }
    }
    if (batch.some(({ kind }) => kind !== 'read')) this.#options.onWritten();
    for (const [index, { answer }] of batch.entries()) answer(outcomes[index]!);
  }

  #commit(batch: readonly Call[]): readonly Outcome[] {
    const database = this.#database;
    this.#sync(batch.some(({ kind }) => kind === 'synced'));
    const transaction = database.transaction(() => batch.map((call) => this.#run(call)));
    return batch.some(({ kind }) => kind !== 'read') ? transaction.immediate() : transaction.deferred();
  }

  #run({ run }: Call): Outcome {
    const database = this.#database;
    try {
      return { value: database.transaction(() => run(database))() };
    } catch (error) {
      // A refusal of ours undoes this call alone; after anything else SQLite may have undone the whole transaction.
      if (!(error instanceof DirectoryError)) throw error;
      return { error };
    }
  }

  #sync(isSynced: boolean): void {
    if (this.#isSynced === isSynced) return;
    this.#database.pragma(`synchronous = ${isSynced ? 'FULL' : 'NORMAL'}`);
    this.#isSynced = isSynced;
  }
}

/** Tries until the lock is free. @throws DirectoryError */
export async function retried<Result>(
  { file, random, busyMs = BUSY_MS_DEFAULT }: Pick<DirectoryQueueOptions, 'file' | 'random' | 'busyMs'>,
  action: () => Result,
): Promise<Result> {
  const deadlineMs = performance.now() + busyMs;
  for (;;) {
    try {
      return action();
    } catch (error) {
      if (!isBusy(error)) throw explain(error, { file });
      if (performance.now() >= deadlineMs) throw busy(file, `for ${busyMs} ms`, error);
    }
    await pause(RETRY_MS_MIN + (RETRY_MS_MAX - RETRY_MS_MIN) * random());
  }
}

function isBusyAnswer(error: unknown): boolean {
  return error instanceof DirectoryError && error.code === 'ERR_DIRECTORY_BUSY';
}

function busy(file: string, why: string, cause?: unknown): DirectoryError {
  return new DirectoryError(
    'ERR_DIRECTORY_BUSY',
    `${file} is locked by another process (${why}); nothing was changed. If it stays so, look for a process that holds it open`,
    { cause },
  );
}
