/**
 * Group commits through the journal thread and back, against the same rows committed directly by better-sqlite3 in this
 * thread (the limit), and against one fdatasync of 4 KiB that are there already: what the disk itself takes.
 */
import { closeSync, fdatasyncSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { EntityId } from '../src/base/brand.ts';
import { openJournal } from '../src/peer/journal.ts';
import type { JournalEvent } from '../src/peer/journal.ts';
import { migrate, openDatabase } from '../src/peer/journal-schema.ts';
import type { EntityRow, JournalWrite } from '../src/peer/protocol.ts';
import type { Case, Suite } from './measure.ts';

const GROUPS = [1, 16, 64, 256];
const ENTITIES = 10_000;
const RECORD_BYTES = 300;
/** Batches that wait while another is committed are one commit. */
const AHEAD = 8;
const BLOCK_BYTES = 4096;

export const journalSuite: Suite = {
  name: 'journal',
  async run({ sizes, report }) {
    const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-bench-'));
    try {
      using direct = directCommits(path.join(folder, 'direct.sqlite'));
      using disk = diskSyncs(path.join(folder, 'block'));
      const thread = await threadCommits(path.join(folder, 'node'));
      for (const rows of sizes ?? GROUPS) {
        const next = rowSource();
        const cases: Case[] = [
          {
            name: 'better-sqlite3 in this thread',
            operations: rows,
            isLimit: true,
            run: () => direct.commit(next(rows)),
          },
          { name: 'journal: append until fsynced', operations: rows, run: () => thread.commit(next(rows)) },
          {
            name: `journal: ${AHEAD} such batches appended at once`,
            operations: rows * AHEAD,
            run: () => thread.commit(...Array.from({ length: AHEAD }, () => next(rows))),
          },
          { name: 'fdatasync of 4 KiB', operations: rows, run: disk.sync },
        ];
        await report({ title: `journal: commits of ${rows} rows of ${RECORD_BYTES} bytes`, unit: 'row', cases });
      }
      await thread[Symbol.asyncDispose]();
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

/** The next rows of a world that is checkpointed round and round. */
function rowSource(): (count: number) => EntityRow[] {
  let next = 0;
  const record = new Uint8Array(RECORD_BYTES).fill(0xa5);
  const passenger = { lastInput: 1, gateway: 1, session: 2 ** 33, account: '', marks: [] };
  return (count) =>
    Array.from({ length: count }, () => {
      next++;
      return { id: ((next % ENTITIES) + 2 ** 32) as EntityId, seq: next, record, passenger, atRest: false };
    });
}

interface Commits extends Disposable {
  commit(rows: readonly EntityRow[]): void;
}

function directCommits(file: string): Commits {
  const database = openDatabase(file, { mustExist: false });
  migrate(database);
  database.pragma('wal_autocheckpoint = 1000');
  const put = database.prepare('INSERT OR REPLACE INTO entity VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  const marks = new Uint8Array();
  const commit = database.transaction((rows: readonly EntityRow[]) => {
    for (const { id, seq, record, passenger } of rows) {
      put.run(id, seq, record, passenger.lastInput, passenger.gateway, passenger.session, '', marks, 0, 0, null);
    }
  });
  return { commit, [Symbol.dispose]: () => database.close() };
}

async function threadCommits(
  folder: string,
): Promise<AsyncDisposable & { commit(...batches: readonly EntityRow[][]): Promise<void> }> {
  let position = 0;
  let hear: (event: JournalEvent) => void = () => {};
  const journal = await openJournal({ folder, onEvent: (event) => hear(event) });
  return {
    commit: (...batches) =>
      new Promise((resolve, reject) => {
        const last = position + batches.length;
        hear = (event): void => {
          if (event.type === 'failed') reject(event.error);
          else if (event.type === 'fsynced' && event.position === last) resolve();
        };
        for (const rows of batches) {
          position++;
          journal.append(
            position,
            rows.map((row): JournalWrite => ({ kind: 'entity', row })),
          );
        }
      }),
    [Symbol.asyncDispose]: () => journal[Symbol.asyncDispose](),
  };
}

function diskSyncs(file: string): Disposable & { sync(): void } {
  const descriptor = openSync(file, 'w');
  const block = new Uint8Array(BLOCK_BYTES).fill(1);
  writeSync(descriptor, block, 0, BLOCK_BYTES, 0);
  fsyncSync(descriptor);
  return {
    sync(): void {
      writeSync(descriptor, block, 0, BLOCK_BYTES, 0);
      fdatasyncSync(descriptor);
    },
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}
