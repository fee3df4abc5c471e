/**
 * Keeps the files of a journal small, when no batch waits: moves committed pages from the WAL into the main file, and gives
 * free pages back. All of it may fail like a commit does, and then the journal has failed.
 *
 * Statements are prepared once: their thread never goes back to its event loop (journal.worker.ts), and what is prepared again and
 * again there is never given back, since V8 has its weak callbacks done by that loop.
 */
import type { Statement } from 'better-sqlite3';
import type { Database } from './journal-schema.ts';

/** 2 MiB of WAL are moved while nothing else is to be done: some milliseconds of work. */
export const CHECKPOINT_FRAMES = 512;
/** 16 MiB are moved although batches wait, or the WAL of a busy node would grow for ever. */
export const CHECKPOINT_FRAMES_MAX = 4096;
/** A WAL of 256 MiB cannot be moved: another program has had a read transaction open for long. */
export const WAL_FRAMES_SLOW = 65_536;
/** Free pages are worth giving back from 8 MiB on, when they are a quarter of the file; so many at a time. */
const FREE_PAGES_MIN = 2048;
const FREE_SHARE = 0.25;
const VACUUM_PAGES = 256;
/** Rows between two looks at the WAL; the commit itself counts like a few. */
const LOOK_ROWS = 256;
const ROWS_OF_COMMIT = 8;
const PAGE_BYTES = 4096;

export interface MaintenanceWarning {
  readonly reason: 'wal';
  readonly walBytes: number;
}

interface Checkpointed {
  readonly log: number;
  readonly checkpointed: number;
}

export class JournalMaintenance {
  readonly #database: Database;
  readonly #checkpoints: Readonly<Record<'NOOP' | 'PASSIVE', Statement<[], Checkpointed>>>;
  readonly #pages: Statement<[], { readonly free: number; readonly all: number }>;
  /** In the WAL and not in the main file. */
  #frames = 0;
  #unseen = 0;

  /** @param sizeBytesMax The main file grows no larger: beyond it a commit fails as on a full disk. */
  constructor(database: Database, { sizeBytesMax }: { sizeBytesMax: number | undefined }) {
    this.#database = database;
    this.#checkpoints = {
      NOOP: database.prepare('PRAGMA wal_checkpoint(NOOP)'),
      PASSIVE: database.prepare('PRAGMA wal_checkpoint(PASSIVE)'),
    };
    this.#pages = database.prepare(
      'SELECT freelist_count AS free, page_count AS "all" FROM pragma_freelist_count, pragma_page_count',
    );
    if (sizeBytesMax === undefined) return;
    const pageBytes = database.pragma('page_size', { simple: true }) as number;
    database.pragma(`max_page_count = ${Math.max(1, Math.floor(sizeBytesMax / pageBytes))}`);
  }

  /** Looks at the WAL now and then: a look costs as much as the commit of a few rows. */
  afterCommit(rows: number): MaintenanceWarning | undefined {
    this.#unseen += rows + ROWS_OF_COMMIT;
    if (this.#unseen < LOOK_ROWS) return undefined;
    this.#unseen = 0;
    this.#checkpoint('NOOP');
    if (this.#frames < CHECKPOINT_FRAMES_MAX) return undefined;
    this.#checkpoint('PASSIVE');
    const isSlow = this.#frames >= WAL_FRAMES_SLOW;
    return isSlow ? { reason: 'wal', walBytes: this.#frames * PAGE_BYTES } : undefined;
  }

  /** @returns whether there was something to do: then more may have come meanwhile. */
  whenIdle(): boolean {
    if (this.#frames < CHECKPOINT_FRAMES) return false;
    const before = this.#frames;
    this.#checkpoint('PASSIVE');
    this.#vacuum();
    return this.#frames < before;
  }

  beforeClose(): void {
    this.#checkpoint('PASSIVE');
  }

  #checkpoint(mode: 'NOOP' | 'PASSIVE'): void {
    const { log = 0, checkpointed = 0 } = this.#checkpoints[mode].get() ?? {};
    this.#frames = log - checkpointed;
  }

  #vacuum(): void {
    const { free = 0, all = 0 } = this.#pages.get() ?? {};
    if (free >= FREE_PAGES_MIN && free >= all * FREE_SHARE) {
      this.#database.pragma(`incremental_vacuum(${VACUUM_PAGES})`);
    }
  }
}
