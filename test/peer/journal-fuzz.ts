/**
 * Corrupted journals: a small file is damaged at random and recovered. What comes out is a typed error, or rows that were
 * in the file as they were; what is missing was reported.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import Database from 'better-sqlite3';
import { WireError } from '../../src/base/errors.ts';
import { Random } from '../../src/base/random.ts';
import { packBatch } from '../../src/peer/journal-batch.wire.ts';
import { JournalError, journalErrorFrom } from '../../src/peer/journal-error.ts';
import { recover } from '../../src/peer/journal-recovery.ts';
import type { Recovered } from '../../src/peer/journal-recovery.ts';
import { close, openDatabase } from '../../src/peer/journal-schema.ts';
import { JournalWriter } from '../../src/peer/journal-writer.ts';
import { MessageBuffer } from '../../src/peer/message-buffer.ts';
import type { JournalContent } from '../../src/peer/protocol.ts';
import { LEDGERS, batchOf, entityRow, outboxRow } from './journal-fixture.ts';

/** Small pages: more of the flipped bits mean something. */
const PAGE_BYTES = 512;
const HEADER_BYTES = 100;
const BATCHES = 6;
const LEDGER = LEDGERS[0]!;

export interface FuzzCounts {
  sound: number;
  putAside: number;
  refused: number;
  readonly codes: Record<string, number>;
}

/** Damaged images in memory, each recovered. */
export function fuzzImages(t: ExecutionContext, { rounds, seed }: { rounds: number; seed: number }): FuzzCounts {
  const random = new Random(seed);
  const { image, content } = makeImage();
  const counts: FuzzCounts = { sound: 0, putAside: 0, refused: 0, codes: {} };
  const known = rowsOf(content);
  for (let round = 0; round < rounds; round++) {
    const damaged = damage(Buffer.from(image), random);
    const name = `seed ${seed}, round ${round}`;
    judge(t, { name, known, isWhole: damaged.isWhole, counts, run: () => recoverImage(damaged.bytes) });
  }
  return counts;
}

/** Damaged pairs of main file and WAL on a disk. */
export function fuzzFiles(t: ExecutionContext, { rounds, seed }: { rounds: number; seed: number }): FuzzCounts {
  const random = new Random(seed);
  const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-fuzz-'));
  try {
    const file = path.join(folder, 'journal.sqlite');
    const { main, wal, before, content } = makeFiles(file);
    const either = new Set([...rowsOf(before), ...rowsOf(content)]);
    const counts: FuzzCounts = { sound: 0, putAside: 0, refused: 0, codes: {} };
    for (let round = 0; round < rounds; round++) {
      const hitsWal = random.next() < 0.5;
      const damaged = damage(Buffer.from(hitsWal ? wal : main), random);
      writeFileSync(file, hitsWal ? main : damaged.bytes);
      writeFileSync(`${file}-wal`, hitsWal ? damaged.bytes : wal);
      rmSync(`${file}-shm`, { force: true });
      const name = `file, seed ${seed}, round ${round}`;
      // A damaged WAL ends at its last whole commit: the state before it is as good.
      const known = hitsWal ? either : rowsOf(content);
      const isWhole = damaged.isWhole && !hitsWal;
      judge(t, { name, known, isWhole, counts, run: () => recoverFile(file) });
    }
    return counts;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Damaged batches, as if memory or a bug had changed them on their way to the thread. */
export function fuzzBatches(t: ExecutionContext, { rounds, seed }: { rounds: number; seed: number }): FuzzCounts {
  const random = new Random(seed);
  const database = new Database(':memory:');
  recover(database, { folder: '/', ledger: Buffer.from(LEDGER, 'hex') });
  const counts: FuzzCounts = { sound: 0, putAside: 0, refused: 0, codes: {} };
  let position = 0;
  for (let round = 0; round < rounds; round++) {
    const batch = packBatch(new MessageBuffer(), position + 1, batchOf(LEDGER, (round % 300) + 1));
    // A writer is done with after an error, so each batch has one of its own.
    const writer = new JournalWriter(database);
    const damaged = random.next() < 0.8 ? flipBits(batch, random) : batch.slice(0, random.next() * batch.length);
    try {
      writer.commit([damaged]);
      counts.sound++;
      position = writer.position;
      if (position > 2 ** 40) position = restart(database);
    } catch (cause) {
      note(t, { cause, counts, name: `batch, seed ${seed}, round ${round}` });
    }
  }
  database.close();
  return counts;
}

/** A flipped position may be a very large one. */
function restart(database: Database.Database): number {
  database.exec("DELETE FROM entity; DELETE FROM outbox; DELETE FROM meta WHERE key IN ('position', 'message_number')");
  database.exec('DELETE FROM inbox; DELETE FROM message; DELETE FROM meta');
  database.exec('DELETE FROM watermark');
  recover(database, { folder: '/', ledger: Buffer.from(LEDGER, 'hex') });
  return 0;
}

interface Case {
  readonly name: string;
  readonly known: ReadonlySet<string>;
  /** Whether each of the known rows has to be found or reported. */
  readonly isWhole: boolean;
  readonly counts: FuzzCounts;
  readonly run: () => Recovered;
}

function judge(t: ExecutionContext, { name, known, isWhole, counts, run }: Case): void {
  let found: Recovered;
  try {
    found = run();
  } catch (cause) {
    note(t, { cause, counts, name });
    return;
  }
  const { damaged } = found.report;
  if (damaged.length === 0) counts.sound++;
  else counts.putAside++;
  for (const row of rowsOf(found.content)) if (!known.has(row)) t.fail(`${name}: a row that was not there: ${row}`);
  const rows = rowsOf(found.content);
  const missing = [...known].filter((row) => !rows.has(row));
  if (isWhole && missing.length > damaged.length) {
    const reported = damaged.map(({ error }) => error.message);
    t.fail(`${name}: missing are ${missing.join('\n')}\nreported were ${reported.join('\n')}`);
  }
}

function note(
  t: ExecutionContext,
  { cause, counts, name }: { cause: unknown; counts: FuzzCounts; name: string },
): void {
  const error = cause instanceof WireError ? cause : journalErrorFrom(cause, name);
  if (!(error instanceof JournalError) && !(error instanceof WireError)) {
    t.fail(`${name}: not a typed error: ${cause instanceof Error ? cause.stack : String(cause)}`);
    return;
  }
  counts.refused++;
  counts.codes[error.code] = (counts.codes[error.code] ?? 0) + 1;
}

/** Rows of everything that decides who owns what. A file that lost its name and everything else would be a new one. */
function rowsOf(content: JournalContent): ReadonlySet<string> {
  const { entities, outbox, inbox, watermarks, messages, imports, transferSeqs } = content;
  const tables = { entities, outbox, inbox, watermarks, messages, imports, transferSeqs };
  const rows = Object.entries(tables).flatMap(([table, list]) =>
    list.map((row: unknown) => `${table} ${JSON.stringify(row)}`),
  );
  return new Set([...rows, `${content.ledger} ${content.position} ${content.incarnation} ${content.messageNumber}`]);
}

function makeImage(): { image: Buffer; content: JournalContent } {
  const database = new Database(':memory:');
  database.pragma(`page_size = ${PAGE_BYTES}`);
  fill(database);
  const image = database.serialize();
  database.close();
  return { image, content: recoverImage(Buffer.from(image)).content };
}

function makeFiles(file: string): { main: Buffer; wal: Buffer; before: JournalContent; content: JournalContent } {
  const first = new Database(file);
  first.pragma(`page_size = ${PAGE_BYTES}`);
  first.close();
  const database = openDatabase(file, { mustExist: true });
  database.pragma(`page_size = ${PAGE_BYTES}`);
  const writer = fill(database);
  database.pragma('wal_checkpoint(TRUNCATE)');
  const main = readFileSync(file);
  const before = recover(database, { folder: '/' }).content;
  writer.commit([packBatch(new MessageBuffer(), BATCHES + 1, smallBatch(BATCHES + 1))]);
  const wal = readFileSync(`${file}-wal`);
  const { content } = recover(database, { folder: '/' });
  database.close();
  return { main, wal, before, content };
}

function fill(database: Database.Database): JournalWriter {
  recover(database, { folder: '/', ledger: Buffer.from(LEDGER, 'hex') });
  const writer = new JournalWriter(database);
  for (let position = 1; position <= BATCHES; position++) {
    writer.commit([packBatch(new MessageBuffer(), position, smallBatch(position))]);
  }
  return writer;
}

function smallBatch(position: number): ReturnType<typeof batchOf> {
  const inbox = { source: LEDGERS[2]!, transferSeq: 1, id: entityRow(1).id, seq: 1 };
  return [
    { kind: 'entity', row: entityRow(position, position, 60) },
    { kind: 'entity', row: entityRow(position + 50, position, position === 2 ? 900 : 30) },
    { kind: 'release', row: outboxRow(LEDGER, position, entityRow(position + 20, position)) },
    { kind: 'accept', row: entityRow(position + 70), from: { ...inbox, transferSeq: position + 4 } },
    { kind: 'watermark', source: LEDGERS[position % 3]!, value: 2 },
    {
      kind: 'message',
      row: { number: position, issuer: LEDGER, entity: entityRow(5).id, event: 1, payload: new Uint8Array(20) },
    },
    {
      kind: 'import',
      frozen: { ledger: LEDGERS[1]!, inbox: [inbox], watermarks: [[LEDGERS[2]!, 5]] },
      entities: [],
      outbox: [],
      messages: [],
      publications: [],
      imports: [],
      transferSeqs: [[LEDGERS[2]!, LEDGERS[1]!, position]],
    },
  ];
}

function recoverImage(image: Buffer): Recovered {
  // A file in WAL mode cannot be opened in memory; that is all these two bytes say.
  if (image.length > 20) image.fill(1, 18, 20);
  let database: Database.Database | undefined;
  try {
    database = new Database(image);
    return recover(database, { folder: '/' });
  } catch (cause) {
    throw journalErrorFrom(cause, 'image');
  } finally {
    close(database);
  }
}

function recoverFile(file: string): Recovered {
  const database = openDatabase(file, { mustExist: true });
  try {
    return recover(database, { folder: '/' });
  } finally {
    close(database);
  }
}

/**
 * Bits, bytes, ends; and, rarely, a page that stands in another's place, as after a misdirected write. Of such a page the
 * rows that it hides cannot be missed: only then `isWhole` is false.
 */
function damage(image: Buffer, random: Random): { bytes: Buffer; isWhole: boolean } {
  const kind = random.next();
  const page = Math.floor((random.next() * image.length) / PAGE_BYTES) * PAGE_BYTES;
  if (kind < 0.03) {
    const other = Math.floor((random.next() * image.length) / PAGE_BYTES) * PAGE_BYTES;
    image.copy(image, page, other, Math.min(other + PAGE_BYTES, image.length));
    return { bytes: image, isWhole: false };
  }
  return { bytes: damageInPlace(image, { kind, page, random }), isWhole: true };
}

function damageInPlace(image: Buffer, { kind, page, random }: { kind: number; page: number; random: Random }): Buffer {
  if (kind < 0.5) return flipBits(image, random);
  if (kind < 0.65) return overwrite(image, random, { first: 0, end: Math.min(HEADER_BYTES, image.length) });
  // The head of a page: kind, free blocks, count of cells, where they begin.
  if (kind < 0.8) return overwrite(image, random, { first: page, end: Math.min(page + 40, image.length) });
  if (kind < 0.92) return overwrite(image, random, { first: page, end: Math.min(page + PAGE_BYTES, image.length) });
  // A file of no bytes is one whose making was interrupted: a new journal.
  return image.subarray(0, 1 + Math.floor(random.next() * (image.length - 1)));
}

function flipBits<Bytes extends Uint8Array>(bytes: Bytes, random: Random): Bytes {
  for (let flips = 1 + Math.floor(random.next() * 4); flips > 0; flips--) {
    bytes[Math.floor(random.next() * bytes.length)]! ^= 1 << Math.floor(random.next() * 8);
  }
  return bytes;
}

function overwrite(image: Buffer, random: Random, { first, end }: { first: number; end: number }): Buffer {
  const at = first + Math.floor(random.next() * (end - first));
  const values = [0, 1, 0x7f, 0x80, 0xff, Math.floor(random.next() * 256)];
  const value = values[Math.floor(random.next() * values.length)]!;
  image.fill(value, at, Math.min(end, at + 1 + Math.floor(random.next() * 8)));
  return image;
}
