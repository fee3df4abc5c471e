/**
 * What happens to a journal file before anything is written to it.
 *
 *   open (SQLite recovers its WAL) ─▶ migrate ─▶ meta ─▶ check pages ─▶ read and check rows ─▶ quarantine ─▶ content
 *
 * Each arrow may be a crash: every step that writes is one transaction, and the whole begins again from what it left.
 */
import { randomBytes } from 'node:crypto';
import type { JournalContent } from './protocol.ts';
import { LEDGER_BYTES } from './protocol.ts';
import { readTables, unsound } from './journal-content.ts';
import type { DamagedRow } from './journal-content.ts';
import { JournalError, journalErrorFrom } from './journal-error.ts';
import { putMeta, readMeta } from './journal-meta.ts';
import type { Meta } from './journal-meta.ts';
import { ledgerBytes, ledgerFrom } from './journal-row.wire.ts';
import { migrate } from './journal-schema.ts';
import type { Database } from './journal-schema.ts';

/** What recovery found out about a file. */
export interface RecoveryReport {
  /** Schema version that the file had; 0 for one that was made now. */
  readonly versionFound: number;
  /** Rows that were put aside now. The caller reports each. */
  readonly damaged: readonly DamagedRow[];
  /** Where the file was made; another folder than it is in now when it was moved or copied. */
  readonly folder: string;
}

export interface Recovered {
  readonly content: JournalContent;
  readonly report: RecoveryReport;
}

export interface RecoveryOptions {
  /** Absolute path; written into a new file. */
  readonly folder: string;
  /** 'quick' leaves out that indexes agree with their tables: it takes a time in proportion to the file's size either way. */
  readonly check?: 'quick' | 'full';
  /** For a new file; random without. */
  readonly ledger?: Uint8Array;
  /** Called after each step. */
  readonly onStep?: (step: string) => void;
}

/** What checks of pages may say about single rows that the reading of rows puts aside by itself. */
const ROW_PROBLEM = /^(?:NULL|non-[A-Z]+|[A-Z]+) value (?:missing from|in) (?:entity|outbox|message|publication)\.\w+$/;
const PROBLEMS_MAX = 100;

/**
 * Brings an open database into order and reads it.
 * @throws JournalError ERR_JOURNAL_TAKEN, _FOREIGN, _VERSION, _CORRUPT, _FULL, _IO or _BUSY.
 */
export function recover(database: Database, options: RecoveryOptions): Recovered {
  try {
    return recoverSteps(database, options);
  } catch (cause) {
    throw journalErrorFrom(cause, database.name);
  }
}

function recoverSteps(database: Database, options: RecoveryOptions): Recovered {
  const onStep = options.onStep ?? ((): void => {});
  onStep('opened');
  const versionFound = migrate(database, { onStep });
  if (versionFound === 0 || !hasMeta(database)) writeFirstMeta(database, options);
  onStep('meta');
  const meta = checkedMeta(database);
  checkPages(database, options.check ?? 'quick');
  onStep('pages checked');
  const { tables, damaged } = readTables(database);
  onStep('rows read');
  if (damaged.length > 0) quarantine(database, damaged);
  onStep('quarantined');
  return {
    content: {
      ledger: ledgerFrom(meta.ledger),
      incarnation: meta.incarnation,
      position: meta.position,
      messageNumber: meta.message_number,
      ...tables,
    },
    report: { versionFound, damaged, folder: meta.folder },
  };
}

/** A crash between making the tables and this leaves a journal without a name, and without anything else. */
function hasMeta(database: Database): boolean {
  const count = database.prepare(
    'SELECT (SELECT count(*) FROM meta) + EXISTS (SELECT 1 FROM entity) + EXISTS (SELECT 1 FROM outbox) + EXISTS (SELECT 1 FROM watermark)',
  );
  return (count.pluck().get() as number) > 0;
}

function writeFirstMeta(database: Database, { folder, ledger = randomBytes(LEDGER_BYTES) }: RecoveryOptions): void {
  const first: Meta = {
    ledger,
    incarnation: 0,
    position: 0,
    message_number: 0,
    created_at_ms: Date.now(),
    folder,
  };
  database.transaction(() => {
    for (const key of Object.keys(first) as (keyof Meta)[]) putMeta(database, key, first[key]!);
  })();
}

function checkedMeta(database: Database): Meta {
  const meta = readMeta(database);
  if (typeof meta === 'string') throw unsound(database, `the value "${meta}" of table meta is damaged`);
  if (meta.taken_by === undefined) return meta;
  throw new JournalError(
    'ERR_JOURNAL_TAKEN',
    `${database.name}: taken over by ledger ${ledgerFrom(meta.taken_by)}; what was in it lives on there`,
  );
}

function checkPages(database: Database, check: 'quick' | 'full'): void {
  const pragma = check === 'full' ? 'integrity_check' : 'quick_check';
  const answers = database.pragma(`${pragma}(${PROBLEMS_MAX})`) as Record<string, string>[];
  const problems = answers.map((answer) => Object.values(answer)[0] ?? '').filter((text) => text !== 'ok');
  const grave = problems.find((text) => !ROW_PROBLEM.test(text));
  if (grave !== undefined) throw unsound(database, grave);
  if (problems.length >= PROBLEMS_MAX) throw unsound(database, `${PROBLEMS_MAX} problems: ${problems[0]}`);
}

/** Moves damaged rows aside, whole, in one transaction. */
function quarantine(database: Database, damaged: readonly DamagedRow[]): void {
  const atMs = Date.now();
  database
    .transaction(() => {
      // A damaged key is in the index as it was before: only a new index lets the row be deleted.
      database.exec('REINDEX outbox; REINDEX message; REINDEX publication');
      for (const { table, rowid, error } of damaged) {
        const where = Number.isSafeInteger(rowid) ? 'rowid = ?' : 'rowid NOT BETWEEN 0 AND 9007199254740991';
        const key = Number.isSafeInteger(rowid) ? [BigInt(rowid)] : [];
        database
          .prepare(`INSERT INTO quarantine_${table} SELECT ?, ?, * FROM ${table} WHERE ${where}`)
          .run(BigInt(atMs), error.message, ...key);
        database.prepare(`DELETE FROM ${table} WHERE ${where}`).run(...key);
      }
      checkPages(database, 'full');
    })
    .immediate();
}

/** Says that the journal's content lives on in another ledger. The caller holds the folder's lock. */
export function markTaken(database: Database, by: string): void {
  database
    .transaction(() => {
      putMeta(database, 'taken_by', ledgerBytes(by));
      putMeta(database, 'taken_at_ms', Date.now());
    })
    .immediate();
}
