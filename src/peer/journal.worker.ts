/**
 * The journal thread: takes every batch that waits, commits them together, says so, and does it again. Nothing else of
 * the node waits for the disk.
 *
 *   batches ──▶ port ──▶ [ all that wait, up to ROWS_PER_COMMIT ] ──▶ one transaction, one fsync ──▶ fsynced(position)
 *                              ▲                                                          │
 *                              └────────────── more have come meanwhile ◀─────────────────┘
 *                                            none: checkpoint the WAL, give pages back, sleep until the bell rings
 *
 * It never goes back to its event loop: a thread that sleeps on a word of memory is woken many times faster.
 *
 * Invariant: after a failure nothing is committed or acknowledged any more; the port is only drained.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { WireError } from '../base/errors.ts';
import { Bell } from '../memory/bell.ts';
import { JournalError, journalErrorFrom } from './journal-error.ts';
import { JournalMaintenance } from './journal-maintenance.ts';
import type { FromJournalThread, JournalThreadOptions, ToJournalThread } from './journal-thread.ts';
import { close, openDatabase } from './journal-schema.ts';
import type { Database } from './journal-schema.ts';
import { JournalWriter } from './journal-writer.ts';

/** A commit is not made larger by what waits behind it: a release in front is on disk the sooner. */
export const ROWS_PER_COMMIT = 2000;
/** Byte at which the number of rows stands in a batch. */
const ROWS_AT = 8;

class JournalThread {
  readonly #port: MessagePort;
  readonly #options: JournalThreadOptions;
  readonly #bell: Bell;
  #database: Database | undefined;
  #writer: JournalWriter | undefined;
  #maintenance: JournalMaintenance | undefined;
  #hasFailed = false;
  /** Taken from the port, but not fit for the commit in work. */
  #next: ToJournalThread | undefined;
  #isClosed = false;

  constructor(port: MessagePort, options: JournalThreadOptions) {
    this.#port = port;
    this.#options = options;
    this.#bell = new Bell(options.bell);
  }

  /** Works until it is told to close. */
  run(): void {
    while (!this.#isClosed) {
      const seen = this.#bell.count;
      const message = this.#next ?? this.#receive();
      this.#next = undefined;
      try {
        if (message !== undefined) this.#obey(message);
        else if (!this.#tidy()) this.#bell.sleep(seen);
      } catch (cause) {
        this.#fail(cause);
      }
    }
  }

  #obey(message: ToJournalThread): void {
    if (message instanceof Uint8Array) this.#commit(message);
    else if (message.type === 'open') this.#open();
    else if (message.type === 'incarnation') this.#setIncarnation(message.incarnation);
    else this.#close();
  }

  /** Whether there was something to do. */
  #tidy(): boolean {
    return !this.#hasFailed && this.#maintenance?.whenIdle() === true;
  }

  #setIncarnation(incarnation: number): void {
    if (!this.#hasFailed) this.#writer?.setIncarnation(incarnation);
  }

  #open(): void {
    const { file, sizeBytesMax, traceRowsMax } = this.#options;
    this.#database = openDatabase(file, { mustExist: true });
    this.#maintenance = new JournalMaintenance(this.#database, { sizeBytesMax });
    this.#writer = new JournalWriter(this.#database, { traceRowsMax });
    this.#post({ type: 'ready' });
  }

  #commit(first: Uint8Array): void {
    if (this.#hasFailed) return;
    const writer = this.#writer;
    assert(writer !== undefined, 'a batch comes after the opening');
    const batches = this.#take(first);
    const startMs = performance.now();
    const rows = writer.commit(batches);
    const commitMs = performance.now() - startMs;
    this.#post({ type: 'fsynced', position: writer.position, rows, commitMs });
    const warning = this.#maintenance?.afterCommit(rows);
    if (warning !== undefined) this.#post({ type: 'slow', ...warning });
  }

  /** The batches of one commit. */
  #take(first: Uint8Array): Uint8Array[] {
    const batches = [first];
    let rows = rowsOf(first);
    while (rows < ROWS_PER_COMMIT) {
      const message = this.#receive();
      if (!(message instanceof Uint8Array)) {
        this.#next = message;
        break;
      }
      batches.push(message);
      rows += rowsOf(message);
    }
    return batches;
  }

  #receive(): ToJournalThread | undefined {
    return receiveMessageOnPort(this.#port)?.message as ToJournalThread | undefined;
  }

  #fail(cause: unknown): void {
    this.#hasFailed = true;
    const batchError =
      cause instanceof WireError ? new JournalError('ERR_JOURNAL_BATCH', cause.message, { cause }) : cause;
    const error = journalErrorFrom(batchError, this.#options.file);
    if (!(error instanceof JournalError)) throw error;
    this.#post({ type: 'failed', code: error.code, message: error.message });
  }

  #close(): void {
    // After a failure the file is left as it is: the next start recovers it.
    if (!this.#hasFailed) this.#maintenance?.beforeClose();
    close(this.#database);
    this.#isClosed = true;
  }

  #post(message: FromJournalThread): void {
    this.#port.postMessage(message);
  }
}

function rowsOf(batch: Uint8Array): number {
  return new DataView(batch.buffer, batch.byteOffset, batch.byteLength).getUint32(ROWS_AT, true);
}

assert(parentPort !== null, 'journal.worker.ts runs as a thread');
new JournalThread(parentPort, workerData as JournalThreadOptions).run();
