/** What is left of a journal after kills, torn writes and flipped bits. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import Database from 'better-sqlite3';
import { Random } from '../../src/base/random.ts';
import { packBatch } from '../../src/peer/journal-batch.wire.ts';
import { recoverFolder, takeFile } from '../../src/peer/journal-folder.ts';
import { recover } from '../../src/peer/journal-recovery.ts';
import { openDatabase } from '../../src/peer/journal-schema.ts';
import { JournalWriter } from '../../src/peer/journal-writer.ts';
import { readJournal } from '../../src/peer/journal.ts';
import { MessageBuffer } from '../../src/peer/message-buffer.ts';
import type { JournalContent, Ledger } from '../../src/peer/protocol.ts';
import { LEDGERS, batchOf, comparable, temporaryFolder } from './journal-fixture.ts';
import { JournalTables, emptyContent } from './journal-model.ts';

const PROCESS = path.join(import.meta.dirname, 'journal-process.ts');
const WAL_HEADER_BYTES = 32;
const FRAME_BYTES = 24 + 4096;
const PAGE_BYTES = 4096;

/** What the file must hold when the batches up to `position` are in it. */
function expectedAt(ledger: Ledger, position: number): JournalContent {
  const model = new JournalTables(emptyContent(ledger));
  for (let next = 1; next <= position; next++) model.apply(next, batchOf(ledger, next));
  return model.content();
}

test.serial('kill -9 in the middle of writing: a prefix is there, with everything that was acknowledged', async (t) => {
  const folder = temporaryFolder(t);
  const random = new Random(41);
  let written = 0;
  let beyond = 0;
  const rounds = 10;
  for (let round = 0; round < rounds; round++) {
    const child = spawn(process.execPath, [PROCESS, 'write', folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    await new Promise((resolve) => setTimeout(resolve, random.next() * 60));
    child.kill('SIGKILL');
    await once(child, 'close');
    const said = readFileSync(path.join(folder, 'acknowledged'), 'utf8');
    const acknowledged = Number(said.slice(0, said.lastIndexOf('\n')).split('\n').at(-1));
    const content = readJournal(folder);
    t.true(content.position >= acknowledged, `acknowledged ${acknowledged}, found ${content.position}`);
    t.deepEqual(comparable(content), comparable(expectedAt(content.ledger, content.position)));
    beyond += content.position - acknowledged;
    written = content.position;
  }
  t.log(`${rounds} kills, ${written} batches, ${beyond} found beyond what was acknowledged`);
});

/** A journal with its WAL, and how far the WAL reached after each batch. */
function recorded(folder: string, batches: number): { main: Buffer; wal: Buffer; ends: number[]; after: Buffer } {
  const file = path.join(folder, 'recorded.sqlite');
  const database = openDatabase(file, { mustExist: false });
  recover(database, { folder, ledger: Buffer.from(LEDGERS[0]!, 'hex') });
  const writer = new JournalWriter(database);
  const commit = (position: number): void => {
    writer.commit([packBatch(new MessageBuffer(), position, batchOf(LEDGERS[0]!, position))]);
  };
  for (let position = 1; position <= 10; position++) commit(position);
  database.pragma('wal_checkpoint(TRUNCATE)');
  const main = readFileSync(file);
  const ends: number[] = [];
  for (let position = 11; position <= batches; position++) {
    commit(position);
    ends.push(readFileSync(`${file}-wal`).length);
  }
  const wal = readFileSync(`${file}-wal`);
  database.pragma('wal_checkpoint(PASSIVE)');
  const after = readFileSync(file);
  database.close();
  return { main, wal, ends, after };
}

function recoverFiles(t: ExecutionContext, files: { main: Buffer; wal: Buffer }): JournalContent {
  const folder = temporaryFolder(t);
  writeFileSync(path.join(folder, 'journal.sqlite'), files.main);
  writeFileSync(path.join(folder, 'journal.sqlite-wal'), files.wal);
  return readJournal(folder);
}

test.serial(
  'every frame boundary of the WAL, torn frames, flipped bits, interrupted checkpoints: a prefix of whole batches',
  (t) => {
    const { main, wal, ends, after } = recorded(temporaryFolder(t), 15);
    const random = new Random(42);
    const expected = Array.from({ length: 16 }, (_, position) => comparable(expectedAt(LEDGERS[0]!, position)));
    const check = (files: { main: Buffer; wal: Buffer }, wholeBytes: number, what: string): void => {
      const position = 10 + ends.filter((end) => end <= wholeBytes).length;
      const content = recoverFiles(t, files);
      t.is(content.position, position, what);
      t.deepEqual(comparable(content), expected[position], what);
    };
    const counts = { boundaries: 0, torn: 0, flipped: 0, checkpoints: 0 };
    for (let end = WAL_HEADER_BYTES; end <= wal.length; end += FRAME_BYTES) {
      check({ main, wal: wal.subarray(0, end) }, end, `cut at ${end}`);
      counts.boundaries++;
      if (end === wal.length) break;
      const torn = end + 1 + Math.floor(random.next() * (FRAME_BYTES - 1));
      check({ main, wal: wal.subarray(0, torn) }, end, `torn at ${torn}`);
      counts.torn++;
      const flipped = Buffer.from(wal);
      const bit = Math.floor(random.next() * FRAME_BYTES * 8);
      flipped[end + (bit >> 3)]! ^= 1 << (bit & 7);
      check({ main, wal: flipped }, end, `bit ${bit} after ${end}`);
      counts.flipped++;
    }
    const partly = Buffer.concat([main, Buffer.alloc(Math.max(0, after.length - main.length))]);
    for (let at = 0; at < after.length; at += PAGE_BYTES) {
      after.copy(partly, at, at, at + PAGE_BYTES);
      check({ main: partly, wal }, wal.length, `checkpoint up to byte ${at}`);
      counts.checkpoints++;
    }
    t.log(JSON.stringify(counts));
    t.true(counts.boundaries > 40);
  },
);

test.serial('recovery that stops after any of its steps, and runs again, finds the same', (t) => {
  let points = 0;
  const cases: readonly (readonly [string, (folder: string) => void])[] = [
    ['new folder', () => {}],
    ['WAL to be recovered', fillWithWal],
    ['old version with a damaged row', fillWithDamage],
    ['taken over', fillTaken],
  ];
  for (const [name, fill] of cases) {
    const folder = temporaryFolder(t);
    fill(folder);
    const images: string[] = [];
    const whole = recoverFolder(folder, {
      // What a process that dies here leaves behind.
      onStep: () => {
        const image = temporaryFolder(t);
        cpSync(folder, image, { recursive: true });
        images.push(image);
      },
    });
    t.true(images.length >= 5, `${name}: ${images.length} steps`);
    const damaged = quarantined(folder);
    // Otherwise the images would be copies of a journal that is still there.
    rmSync(folder, { recursive: true });
    for (const [step, image] of images.entries()) {
      const again = recoverFolder(image);
      const third = recoverFolder(image);
      const isNew = name === 'new folder' || name === 'taken over';
      const ledger = isNew ? again.content.ledger : whole.content.ledger;
      t.deepEqual(comparable(again.content), comparable({ ...whole.content, ledger }), `${name}, step ${step}`);
      t.deepEqual(comparable(third.content), comparable(again.content));
      t.deepEqual(quarantined(image), damaged, `${name}, step ${step}`);
      points++;
    }
  }
  t.log(`${points} points`);
});

function fillWithWal(folder: string): void {
  const source = path.join(folder, 'source');
  mkdirSync(source);
  const { main, wal } = recorded(source, 14);
  writeFileSync(path.join(folder, 'journal.sqlite'), main);
  writeFileSync(path.join(folder, 'journal.sqlite-wal'), wal.subarray(0, wal.length - 100));
}

function fillWithDamage(folder: string): void {
  const file = path.join(folder, 'journal.sqlite');
  cpSync(new URL('golden/journal-v1.sqlite', import.meta.url), file);
  const database = new Database(file);
  database.exec('UPDATE entity SET seq = 99 WHERE id = 1; UPDATE outbox SET transfer_seq = 5');
  database.close();
}

function fillTaken(folder: string): void {
  cpSync(new URL('golden/journal-v1.sqlite', import.meta.url), path.join(folder, 'journal.sqlite'));
  takeFile(folder, { ledger: LEDGERS[0]!, by: LEDGERS[1]! });
}

function quarantined(folder: string): unknown {
  const database = new Database(path.join(folder, 'journal.sqlite'), { readonly: true });
  try {
    return database
      .prepare('SELECT (SELECT count(*) FROM quarantine_entity), (SELECT count(*) FROM quarantine_outbox)')
      .raw()
      .get();
  } finally {
    database.close();
  }
}
