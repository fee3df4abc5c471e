/**
 * The journal thread: takes every batch that waits, commits them together, says so, and does it again. Nothing else of
 * the node waits for the disk.
 *
 *   batches ──▶ port ──▶ [ all that wait, up to ROWS_PER_COMMIT ] ──▶ one transaction, one fsync ──▶ fsynced(position)
 *                              ▲                                                          │
 *                              └────────────── more have come meanwhile ◀─────────────────┘
 *                                            none: checkpoint the WAL, give pages back
 *
 * Invariant: after a failure nothing is committed or acknowledged any more; the port is only drained.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { WireError } from '../base/errors.ts';
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
  #database: Database | undefined;
  #writer: JournalWriter | undefined;
  #maintenance: JournalMaintenance | undefined;
  #hasFailed = false;
  /** Taken from the port, but not fit for the commit in work. */
  #next: ToJournalThread | undefined;

  constructor(port: MessagePort, options: JournalThreadOptions) {
    this.#port = port;
    this.#options = options;
  }

  /** Works off everything that waits, and what comes meanwhile. */
  run(first: ToJournalThread): void {
    this.#next = first;
    try {
      while (this.#next !== undefined) {
        this.#runOnce();
        this.#next ??= this.#receive();
        if (this.#next !== undefined) continue;
        this.#maintenance?.whenIdle();
        this.#next = this.#receive();
      }
    } catch (cause) {
      this.#fail(cause);
    }
  }

  #runOnce(): void {
    const message = this.#next!;
    this.#next = undefined;
    if (message instanceof Uint8Array) this.#commit(message);
    else if (message.type === 'open') this.#open();
    else if (message.type === 'incarnation') this.#writer?.setIncarnation(message.incarnation);
    else this.#close();
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
    const warning = this.#maintenance?.afterCommit();
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
    this.#post({ type: 'closed' });
    this.#port.close();
  }

  #post(message: FromJournalThread): void {
    this.#port.postMessage(message);
  }
}

function rowsOf(batch: Uint8Array): number {
  return new DataView(batch.buffer, batch.byteOffset, batch.byteLength).getUint32(ROWS_AT, true);
}

assert(parentPort !== null, 'journal.worker.ts runs as a thread');
const thread = new JournalThread(parentPort, workerData as JournalThreadOptions);
parentPort.on('message', (message: ToJournalThread) => thread.run(message));
