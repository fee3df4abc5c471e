/**
 * The journal of one node: what must be remembered, in one SQLite file, written by a thread of its own.
 *
 *   opening ──recovered, thread ready──▶ open ──dispose──▶ closed
 *                                         │  ▲
 *                              append ────┘  └──── fsynced(position), in order of appending
 *                                         │
 *                                         └──full, I/O error, thread gone──▶ failed (said once; nothing more is acknowledged)
 *
 * Invariant: `fsynced` with a position is said only when that batch and all before it are on disk.
 */
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { youngGeneration } from '../base/thread-memory.ts';
import { Bell } from '../memory/bell.ts';
import { packBatch } from './journal-batch.wire.ts';
import { JournalError } from './journal-error.ts';
import { JOURNAL_FILE, recoverFolder } from './journal-folder.ts';
import type { FolderOptions } from './journal-folder.ts';
import type { Recovered, RecoveryReport } from './journal-recovery.ts';
import type { FromJournalThread, JournalThreadOptions, ToJournalThread } from './journal-thread.ts';
import { TRACE_ROWS_MAX } from './journal-writer.ts';
import { lockedError, tryLock } from './ledger-lock.ts';
import type { LedgerLock } from './ledger-lock.ts';
import { MessageBuffer } from './message-buffer.ts';
import type { JournalContent, JournalWrite, Ledger } from './protocol.ts';

export { isTaken, readJournal, recoverDead, takeFile } from './journal-folder.ts';
export { isAlive, lockHolder, tryLock, watchLock } from './ledger-lock.ts';
export type { LedgerLock, LockHolder, LockWatch } from './ledger-lock.ts';

/** Appended and not yet on disk; beyond it the disk is as good as gone, and the journal fails (ERR_JOURNAL_BACKLOG). */
export const BACKLOG_BYTES_MAX = 256 * 2 ** 20;
/** A commit that takes longer is reported as slow. */
export const SLOW_COMMIT_MS = 100;

export type JournalEvent =
  /** Everything up to `position` is on disk. `rows` and `commitMs` are of the last group commit. */
  | { readonly type: 'fsynced'; readonly position: number; readonly rows: number; readonly commitMs: number }
  | { readonly type: 'slow'; readonly reason: 'commit'; readonly commitMs: number; readonly position: number }
  /** Another program has had a read transaction open for long, so the WAL cannot be emptied. */
  | { readonly type: 'slow'; readonly reason: 'wal'; readonly walBytes: number }
  /** Said once, and last. Handovers stop; what was appended and not acknowledged may or may not be on disk. */
  | { readonly type: 'failed'; readonly error: JournalError };

export interface JournalOptions extends FolderOptions {
  /** `<dataDir>/<node name>`; made if it is not there. */
  readonly folder: string;
  readonly onEvent: (event: JournalEvent) => void;
  /** The file grows no larger than this: bytes, no limit without. */
  readonly sizeBytesMax?: number;
  readonly traceRowsMax?: number;
}

/** What was appended and is not on disk yet. */
export interface JournalBacklog {
  readonly batches: number;
  readonly sizeBytes: number;
  /** Monotonic milliseconds (performance.now) at which the oldest of them was appended; undefined without any. */
  readonly oldestMs: number | undefined;
}

/**
 * Takes the lock, opens or makes the journal, migrates, checks and recovers it, and starts its thread.
 * @throws JournalError ERR_JOURNAL_LOCKED, _COPIED, _OPEN, _FOREIGN, _VERSION, _CORRUPT, _FULL, _IO or _BUSY.
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const { folder, sizeBytesMax, traceRowsMax = TRACE_ROWS_MAX } = options;
  const lock = tryLock(folder);
  if (lock === undefined) throw lockedError(folder);
  let worker: Worker | undefined;
  try {
    const bell = new Bell();
    const file = path.join(folder, JOURNAL_FILE);
    const threadOptions: JournalThreadOptions = { file, sizeBytesMax, traceRowsMax, bell: bell.buffer };
    // It loads its code while this thread reads the file.
    worker = new Worker(new URL('./journal.worker.ts', import.meta.url), {
      name: 'journal',
      workerData: threadOptions,
      resourceLimits: youngGeneration('journal'),
    });
    const ready = firstAnswer(worker);
    const recovered = recoverFolder(folder, options);
    worker.postMessage({ type: 'open' } satisfies ToJournalThread);
    bell.ring();
    await ready;
    return new Journal({ lock, worker, bell, recovered, onEvent: options.onEvent });
  } catch (cause) {
    await worker?.terminate();
    lock.release();
    throw cause;
  }
}

export class Journal implements AsyncDisposable {
  readonly ledger: Ledger;
  /** As recovery found it. */
  readonly content: JournalContent;
  readonly report: RecoveryReport;
  readonly #lock: LedgerLock;
  readonly #worker: Worker;
  readonly #bell: Bell;
  readonly #onEvent: (event: JournalEvent) => void;
  readonly #ended: Promise<void>;
  readonly #buffer = new MessageBuffer();
  readonly #waiting: { position: number; sizeBytes: number; appendedMs: number }[] = [];
  #backlogBytes = 0;
  #position: number;
  #state: 'open' | 'failed' | 'closing' = 'open';

  constructor(parts: {
    lock: LedgerLock;
    worker: Worker;
    bell: Bell;
    recovered: Recovered;
    onEvent: (event: JournalEvent) => void;
  }) {
    const { lock, worker, bell, recovered, onEvent } = parts;
    this.#bell = bell;
    this.content = recovered.content;
    this.report = recovered.report;
    this.ledger = recovered.content.ledger;
    this.#position = recovered.content.position;
    this.#lock = lock;
    this.#worker = worker;
    this.#onEvent = onEvent;
    this.#ended = new Promise((resolve) => worker.once('exit', () => resolve()));
    worker.on('message', (message: FromJournalThread) => this.#hear(message));
    worker.on('error', (cause) => this.#failThread(cause));
    worker.on('exit', (code) => this.#failThread(`exit code ${code}`));
  }

  get backlog(): JournalBacklog {
    const oldestMs = this.#waiting[0]?.appendedMs;
    return { batches: this.#waiting.length, sizeBytes: this.#backlogBytes, oldestMs };
  }

  /** Notes who writes from now on; on disk before everything that is appended later. */
  setIncarnation(incarnation: number): void {
    assert(this.#state !== 'closing', 'a closed journal takes nothing');
    if (this.#state === 'open') this.#post({ type: 'incarnation', incarnation });
  }

  /**
   * Hands one batch over, to be written as one transaction; never waits. After a failure it does nothing.
   * @param position Larger than that of any batch before.
   */
  append(position: number, writes: readonly JournalWrite[]): void {
    assert(this.#state !== 'closing', 'a closed journal takes nothing');
    assert(position > this.#position, 'positions of a journal only grow');
    if (this.#state === 'failed') return;
    this.#position = position;
    const batch = packBatch(this.#buffer, position, writes);
    this.#waiting.push({ position, sizeBytes: batch.length, appendedMs: performance.now() });
    this.#backlogBytes += batch.length;
    this.#post(batch);
    if (this.#backlogBytes > BACKLOG_BYTES_MAX) this.#failBacklog();
  }

  /** Writes what is waiting, ends the thread and gives the lock back. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state !== 'closing') this.#post({ type: 'close' });
    this.#state = 'closing';
    await this.#ended;
    this.#lock.release();
  }

  #hear(message: FromJournalThread): void {
    switch (message.type) {
      case 'fsynced':
        this.#noteFsynced(message);
        return;
      case 'slow':
        this.#onEvent(message);
        return;
      case 'failed':
        this.#fail(new JournalError(message.code, message.message));
        return;
      case 'ready':
    }
  }

  #noteFsynced(event: Extract<FromJournalThread, { type: 'fsynced' }>): void {
    if (this.#state === 'failed') return;
    const { position, commitMs } = event;
    let done = 0;
    for (const waiting of this.#waiting) {
      if (waiting.position > position) break;
      this.#backlogBytes -= waiting.sizeBytes;
      done++;
    }
    this.#waiting.splice(0, done);
    this.#onEvent(event);
    if (commitMs > SLOW_COMMIT_MS) this.#onEvent({ type: 'slow', reason: 'commit', commitMs, position });
  }

  #failBacklog(): void {
    const error = new JournalError(
      'ERR_JOURNAL_BACKLOG',
      `${this.#backlogBytes} bytes wait for the disk, at most ${BACKLOG_BYTES_MAX} may; look after the disk, then start again`,
    );
    // Not from within `append`: its caller is in the middle of something.
    queueMicrotask(() => this.#fail(error));
  }

  #failThread(cause: unknown): void {
    if (this.#state === 'closing') return;
    this.#fail(threadError(cause));
  }

  #fail(error: JournalError): void {
    if (this.#state === 'failed') return;
    if (this.#state === 'open') this.#state = 'failed';
    this.#onEvent({ type: 'failed', error });
  }

  #post(message: ToJournalThread): void {
    this.#worker.postMessage(message, message instanceof Uint8Array ? [message.buffer] : []);
    this.#bell.ring();
  }
}

/** Resolves when the thread is ready. @throws JournalError when it could not open the file, or ended. */
function firstAnswer(worker: Worker): Promise<void> {
  const ready = new Promise<void>((resolve, reject) => {
    worker.once('message', (message: FromJournalThread) => {
      if (message.type === 'failed') reject(new JournalError(message.code, message.message));
      else resolve();
    });
    const end = (cause: unknown): void => reject(threadError(cause));
    worker.once('error', end);
    worker.once('exit', (code) => end(`exit code ${code}`));
  });
  // Recovery may fail first, and then nobody waits for this.
  ready.catch(() => {});
  return ready;
}

function threadError(cause: unknown): JournalError {
  return new JournalError('ERR_JOURNAL_THREAD', `the journal thread ended: ${String(cause)}`, { cause });
}
