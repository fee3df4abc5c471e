/** Files of a cluster as the auditor finds them, written by SQL of this file's own from the documents of their formats. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { crc32c } from '../../../src/base/crc32c.ts';

const JOURNAL_TABLES = `
CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY NOT NULL, checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE entity(
  id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, record BLOB NOT NULL, last_input INTEGER NOT NULL,
  gateway INTEGER NOT NULL, session INTEGER NOT NULL, account TEXT NOT NULL, marks BLOB NOT NULL,
  at_rest INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT;
CREATE TABLE outbox(
  issuer BLOB NOT NULL, target BLOB NOT NULL, transfer_seq INTEGER NOT NULL, target_node INTEGER NOT NULL,
  target_cell INTEGER NOT NULL, id INTEGER NOT NULL, seq INTEGER NOT NULL, record BLOB NOT NULL,
  last_input INTEGER NOT NULL, gateway INTEGER NOT NULL, session INTEGER NOT NULL, account TEXT NOT NULL,
  marks BLOB NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY(issuer, target, transfer_seq)) STRICT;
CREATE TABLE inbox(
  source BLOB NOT NULL, transfer_seq INTEGER NOT NULL, id INTEGER NOT NULL, seq INTEGER NOT NULL,
  checksum INTEGER NOT NULL, PRIMARY KEY(source, transfer_seq)) STRICT, WITHOUT ROWID;
CREATE TABLE watermark(source BLOB PRIMARY KEY, value INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE import(ledger BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE message(
  issuer BLOB NOT NULL, number INTEGER NOT NULL, entity INTEGER NOT NULL, event INTEGER NOT NULL,
  payload BLOB NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY(issuer, number)) STRICT;
CREATE TABLE transfer_seq(
  issuer BLOB NOT NULL, target BLOB NOT NULL, last INTEGER NOT NULL, checksum INTEGER NOT NULL,
  PRIMARY KEY(issuer, target)) STRICT, WITHOUT ROWID;
CREATE TABLE trace(
  number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, stage TEXT NOT NULL, id INTEGER NOT NULL, seq INTEGER NOT NULL,
  session INTEGER NOT NULL, peer BLOB NOT NULL, transfer_seq INTEGER NOT NULL) STRICT;
`;

const DIRECTORY_TABLES = `
CREATE TABLE fact (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE node (node INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE lease (
  ledger TEXT PRIMARY KEY, node INTEGER NOT NULL REFERENCES node, incarnation INTEGER NOT NULL UNIQUE,
  version INTEGER NOT NULL UNIQUE, state TEXT NOT NULL, peer_address TEXT NOT NULL, client_url TEXT NOT NULL,
  folder TEXT NOT NULL, pid INTEGER NOT NULL, successor INTEGER NOT NULL DEFAULT 0,
  renewed_at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE block (block INTEGER PRIMARY KEY, node INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE name (key TEXT PRIMARY KEY, ledger TEXT NOT NULL, entity INTEGER NOT NULL, version INTEGER NOT NULL) STRICT;
CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

export interface FixtureMark {
  readonly sender: string;
  readonly number: number;
}

interface CopyOptions {
  readonly id: number;
  readonly seq: number;
  readonly session?: number;
  readonly lastInput?: number;
  /** Another than the codec would write. */
  readonly record?: Buffer;
}

/** 32 hex digits from one. */
export function ledgerOf(digit: string): string {
  return digit.repeat(32);
}

/** The smallest record: a header, no body, a checksum. */
export function recordOf({ id, seq }: { id: number; seq: number }): Buffer {
  const bytes = Buffer.alloc(48);
  bytes.write('WMRC', 0, 'latin1');
  bytes[4] = 1;
  bytes.writeUInt32LE(id % 2 ** 32, 16);
  bytes.writeUInt32LE(Math.floor(id / 2 ** 32), 20);
  bytes.writeUInt32LE(seq, 24);
  bytes.writeUInt32LE(crc32c(bytes, 0, 44), 44);
  return bytes;
}

function marksOf(marks: readonly FixtureMark[]): Buffer {
  return Buffer.concat(
    marks.map(({ sender, number }) => {
      const bytes = Buffer.alloc(24);
      bytes.write(sender, 0, 'hex');
      bytes.writeBigUInt64LE(BigInt(number), 16);
      return bytes;
    }),
  );
}

export class FixtureJournal implements Disposable {
  readonly ledger: string;
  readonly folder: string;
  readonly #database: InstanceType<typeof SqliteDatabase>;
  #atMs = Date.now() - 1000;

  constructor(
    dataFolder: string,
    { name, ledger, messageNumber = 0 }: { name: string; ledger: string; messageNumber?: number },
  ) {
    this.ledger = ledger;
    this.folder = path.join(dataFolder, name);
    mkdirSync(this.folder, { recursive: true });
    this.#database = new SqliteDatabase(path.join(this.folder, 'journal.sqlite'));
    this.#database.pragma('journal_mode = WAL');
    this.#database.exec(JOURNAL_TABLES);
    this.meta('ledger', bytesOf(ledger));
    this.meta('incarnation', 1n);
    this.meta('message_number', BigInt(messageNumber));
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  meta(key: string, value: unknown): void {
    this.#run('INSERT OR REPLACE INTO meta VALUES (?, ?, 0)', key, value);
  }

  own({
    id,
    seq,
    session = 0,
    lastInput = 0,
    record = recordOf({ id, seq }),
    atRest = false,
    marks = [],
    account = '',
  }: CopyOptions & {
    readonly atRest?: boolean;
    readonly marks?: readonly FixtureMark[];
    readonly account?: string;
  }): void {
    this.#run(
      'INSERT OR REPLACE INTO entity VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, 0)',
      id,
      seq,
      record,
      lastInput,
      session,
      account,
      marksOf(marks),
      atRest ? 1 : 0,
    );
  }

  disown(id: number): void {
    this.#run('DELETE FROM entity WHERE id = ?', id);
  }

  /** A copy in transit; its number counts as given out unless `last` says otherwise. */
  send({
    id,
    seq,
    target,
    transferSeq,
    session = 0,
    lastInput = 0,
    record = recordOf({ id, seq }),
    last = transferSeq,
  }: CopyOptions & {
    readonly target: string;
    readonly transferSeq: number;
    readonly last?: number;
  }): void {
    this.#run(
      'INSERT INTO outbox VALUES (?, ?, ?, 1, 0, ?, ?, ?, ?, 0, ?, ?, ?, 0)',
      bytesOf(this.ledger),
      bytesOf(target),
      transferSeq,
      id,
      seq,
      record,
      lastInput,
      session,
      '',
      Buffer.alloc(0),
    );
    this.gaveOut(target, last);
  }

  /** The copy in transit has arrived. */
  resolve(id: number): void {
    this.#run('DELETE FROM outbox WHERE id = ?', id);
  }

  gaveOut(target: string, last: number): void {
    this.#run('INSERT OR REPLACE INTO transfer_seq VALUES (?, ?, ?, 0)', bytesOf(this.ledger), bytesOf(target), last);
  }

  take({ source, transferSeq, id, seq }: { source: string; transferSeq: number; id: number; seq: number }): void {
    this.#run('INSERT INTO inbox VALUES (?, ?, ?, ?, 0)', bytesOf(source), transferSeq, id, seq);
  }

  watermark(source: string, value: number): void {
    this.#run('INSERT OR REPLACE INTO watermark VALUES (?, ?, 0)', bytesOf(source), value);
  }

  import(ledger: string): void {
    this.#run('INSERT INTO import VALUES (?)', bytesOf(ledger));
  }

  message({ number, entity }: { number: number; entity: number }): void {
    this.#run('INSERT INTO message VALUES (?, ?, ?, 0, ?, 0)', bytesOf(this.ledger), number, entity, Buffer.alloc(0));
  }

  trace(
    stage: string,
    {
      id,
      seq,
      session = 0,
      peer = '',
      transferSeq = 0,
      atMs = ++this.#atMs,
    }: {
      readonly id: number;
      readonly seq: number;
      readonly session?: number;
      readonly peer?: string;
      readonly transferSeq?: number;
      readonly atMs?: number;
    },
  ): void {
    this.#run(
      'INSERT INTO trace(at_ms, stage, id, seq, session, peer, transfer_seq) VALUES (?, ?, ?, ?, ?, ?, ?)',
      atMs,
      stage,
      id,
      seq,
      session,
      Buffer.from(peer, 'hex'),
      transferSeq,
    );
  }

  dropHistory(rows: number): void {
    this.#run('DELETE FROM trace WHERE number <= ?', rows);
  }

  #run(query: string, ...values: readonly unknown[]): void {
    this.#database.prepare(query).run(...values);
  }
}

export interface FixtureLease {
  readonly name: string;
  readonly node: number;
  readonly ledger: string;
  readonly folder: string;
  readonly incarnation?: number;
  readonly state?: string;
  readonly clientUrl?: string;
}

/** Gives the URL of the directory. */
export function writeDirectory(dataFolder: string, leases: readonly FixtureLease[]): string {
  const file = path.join(dataFolder, 'directory.sqlite');
  const database = new SqliteDatabase(file);
  database.pragma('journal_mode = WAL');
  database.exec(DIRECTORY_TABLES);
  database.prepare('INSERT INTO fact VALUES (?, ?)').run('world', 'meadow');
  for (const { name, node, ledger, folder, incarnation = node, state = 'active', clientUrl = '' } of leases) {
    database.prepare('INSERT OR IGNORE INTO node VALUES (?, ?)').run(node, name);
    database
      .prepare('INSERT INTO lease VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)')
      .run(ledger, node, incarnation, incarnation, state, '', clientUrl, folder, 1, Date.now());
    database.prepare('INSERT INTO block(node) VALUES (?)').run(node);
  }
  database.close();
  return `sqlite:${file}`;
}

function bytesOf(ledger: string): Buffer {
  return Buffer.from(ledger, 'hex');
}
