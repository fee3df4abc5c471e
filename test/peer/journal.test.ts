import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import Database from 'better-sqlite3';
import * as fc from 'fast-check';
import { packBatch } from '../../src/peer/journal-batch.wire.ts';
import { JOURNAL_ERROR_CODES, JournalError } from '../../src/peer/journal-error.ts';
import { TAKEN_FILES_MAX } from '../../src/peer/journal-folder.ts';
import { recover } from '../../src/peer/journal-recovery.ts';
import { migrate, openDatabase } from '../../src/peer/journal-schema.ts';
import { JournalWriter } from '../../src/peer/journal-writer.ts';
import { isTaken, openJournal, readJournal, recoverDead, takeFile, tryLock } from '../../src/peer/journal.ts';
import { MessageBuffer } from '../../src/peer/message-buffer.ts';
import type { JournalWrite } from '../../src/peer/protocol.ts';
import {
  LEDGERS,
  anyWrite,
  comparable,
  entityRow,
  goldenWrites,
  listenTo,
  outboxRow,
  publicationRow,
  temporaryFolder,
} from './journal-fixture.ts';
import { JournalTables, emptyContent } from './journal-model.ts';

test('every kind of write is carried out, and is there after a restart', async (t) => {
  const folder = temporaryFolder(t);
  const model = new JournalTables(emptyContent(''));
  let ledger = '';
  {
    await using opened = await listenTo(folder);
    ledger = opened.journal.ledger;
    const payload = new Uint8Array([1, 2, 3]);
    const writes: JournalWrite[] = [
      ...[1, 2, 3, 5].map((id): JournalWrite => ({ kind: 'entity', row: entityRow(id) })),
      { kind: 'despawn', id: entityRow(5).id },
      { kind: 'release', row: outboxRow(ledger, 1, entityRow(1, 2)) },
      { kind: 'release', row: outboxRow(ledger, 2, entityRow(2, 2)) },
      { kind: 'release', row: outboxRow(ledger, 3, entityRow(3, 2)) },
      { kind: 'done', issuer: ledger, target: LEDGERS[3]!, transferSeq: 1 },
      { kind: 'reclaim', issuer: ledger, target: LEDGERS[3]!, transferSeq: 2, row: entityRow(2, 3) },
      // The entity that is still in transit comes back with a higher seq: the transfer arrived.
      {
        kind: 'accept',
        row: entityRow(3, 4),
        from: { source: LEDGERS[0]!, transferSeq: 7, id: entityRow(3).id, seq: 4 },
      },
      {
        kind: 'accept',
        row: entityRow(6, 9),
        from: { source: LEDGERS[0]!, transferSeq: 8, id: entityRow(6).id, seq: 9 },
      },
      { kind: 'watermark', source: LEDGERS[0]!, value: 7 },
      { kind: 'message', row: { number: 4, issuer: ledger, entity: entityRow(9).id, event: 1, payload } },
      { kind: 'message', row: { number: 5, issuer: ledger, entity: entityRow(9).id, event: 2, payload } },
      { kind: 'messageDone', issuer: ledger, number: 5 },
      {
        kind: 'import',
        frozen: {
          ledger: LEDGERS[1]!,
          inbox: [{ source: ledger, transferSeq: 3, id: entityRow(8).id, seq: 1 }],
          watermarks: [[ledger, 2]],
        },
        entities: [entityRow(8, 3)],
        outbox: [outboxRow(LEDGERS[1]!, 4, entityRow(10, 2))],
        messages: [{ number: 9, issuer: LEDGERS[1]!, entity: entityRow(1).id, event: 3, payload }],
        publications: [publicationRow(8, 2, LEDGERS[0]!)],
        imports: [{ ledger: LEDGERS[2]!, inbox: [], watermarks: [[LEDGERS[0]!, 5]] }],
        transferSeqs: [[LEDGERS[1]!, LEDGERS[3]!, 11]],
      },
      { kind: 'importDone', ledger: LEDGERS[2]! },
      { kind: 'publication', row: publicationRow(2, 1) },
      { kind: 'publication', row: publicationRow(2, 2, ledger) },
      { kind: 'publicationDone', entity: entityRow(2).id, number: 1 },
      { kind: 'publication', row: { ...publicationRow(2, 2, ledger), isParked: true } },
    ];
    opened.journal.setIncarnation(77);
    for (const write of writes) await opened.write(write);
    const owned = new JournalTables(emptyContent(ledger));
    writes.forEach((write, index) => owned.apply(index + 1, [write]));
    Object.assign(model, { incarnation: 77, position: writes.length });
    t.deepEqual(
      owned.content().outbox.map(({ transferSeq }) => transferSeq),
      [4],
    );
    const expected = { ...owned.content(), incarnation: 77 };
    await opened[Symbol.asyncDispose]();
    using lock = tryLock(folder);
    t.truthy(lock);
    t.deepEqual(comparable(readJournal(folder)), comparable(expected));
  }
  await using again = await listenTo(folder);
  const { content } = again.journal;
  t.deepEqual([content.ledger, content.incarnation, content.messageNumber], [ledger, 77, 5]);
});

test('random sequences of writes leave what the model has', (t) => {
  const folder = temporaryFolder(t);
  let run = 0;
  fc.assert(
    fc.property(
      fc.array(fc.array(anyWrite, { maxLength: 12 }), { maxLength: 12 }),
      fc.boolean(),
      (batches, together) => {
        run++;
        const file = path.join(folder, `${run}.sqlite`);
        const database = openDatabase(file, { mustExist: false });
        database.pragma('synchronous = OFF');
        const { content } = recover(database, { folder, ledger: Buffer.from(LEDGERS[0]!, 'hex') });
        const model = new JournalTables(content);
        const writer = new JournalWriter(database);
        const packed = batches.map((writes, index) => {
          // An imported ledger has not issued numbers of the importing one.
          const sound = writes.filter((write) => write.kind !== 'import' || !hasOwnMessage(write));
          model.apply(index + 1, sound);
          return packBatch(new MessageBuffer(), index + 1, sound);
        });
        if (together) writer.commit(packed);
        else for (const batch of packed) writer.commit([batch]);
        database.close();
        const reopened = openDatabase(file, { mustExist: true });
        const found = recover(reopened, { folder, check: 'full' });
        reopened.close();
        t.deepEqual(comparable(found.content), comparable(model.content()));
        t.deepEqual(found.report.damaged, []);
      },
    ),
    { numRuns: 80, seed: 7, endOnFailure: true },
  );
});

function hasOwnMessage(write: Extract<JournalWrite, { kind: 'import' }>): boolean {
  return write.messages.some(({ issuer }) => issuer === LEDGERS[0]);
}

test('batches that wait are committed together, each acknowledged by position', async (t) => {
  await using opened = await listenTo(temporaryFolder(t));
  for (let position = 1; position <= 500; position++) {
    opened.journal.append(position, [{ kind: 'entity', row: entityRow(position) }]);
  }
  t.is(opened.journal.backlog.batches, 500);
  await opened.until('fsynced', ({ position }) => position === 500);
  t.deepEqual(opened.journal.backlog, { batches: 0, sizeBytes: 0, oldestMs: undefined });
  const commits = opened.events.filter((event) => event.type === 'fsynced');
  t.true(commits.length < 500);
  const positions = commits.map(({ position }) => position);
  t.deepEqual(
    positions,
    positions.toSorted((left, right) => left - right),
  );
});

test('a record of the greatest size, and a large import', async (t) => {
  const folder = temporaryFolder(t);
  {
    await using opened = await listenTo(folder);
    const entities = Array.from({ length: 5000 }, (_, index) => entityRow(index + 10));
    const frozen = { ledger: LEDGERS[1]!, inbox: [], watermarks: [] };
    const rest = { outbox: [], messages: [], publications: [], imports: [], transferSeqs: [] };
    await opened.write(
      { kind: 'entity', row: entityRow(1, 1, 2 ** 20) },
      { kind: 'import', frozen, entities, ...rest },
    );
    t.true((await opened.until('fsynced')).rows > 5000);
  }
  await using again = await listenTo(folder);
  t.is(again.journal.content.entities.length, 5001);
  t.is(again.journal.content.entities[0]!.record.length, 2 ** 20);
});

test('history is bounded, and the WAL is moved into the file', async (t) => {
  const folder = temporaryFolder(t);
  {
    await using opened = await listenTo(folder, { traceRowsMax: 500 });
    const row = { atMs: 1, stage: 'stable', id: entityRow(1).id, seq: 1, session: 0, peer: '', transferSeq: 0 };
    for (let batch = 0; batch < 40; batch++) {
      await opened.write(...Array.from({ length: 100 }, (): JournalWrite => ({ kind: 'trace', row })));
    }
    for (let batch = 0; batch < 40; batch++) {
      await opened.write(
        ...Array.from({ length: 200 }, (_, at): JournalWrite => ({
          kind: 'entity',
          row: entityRow(at + 1, batch, 2000),
        })),
      );
    }
    t.true(readFileSync(path.join(folder, 'journal.sqlite-wal')).length < 40 * 2 ** 20);
  }
  t.false(existsSync(path.join(folder, 'journal.sqlite-wal')));
  const database = new Database(path.join(folder, 'journal.sqlite'), { readonly: true });
  const [count, last] = database.prepare('SELECT count(*), max(number) FROM trace').raw().get() as [number, number];
  database.close();
  t.is(last, 4000);
  t.true(count >= 500 && count <= 1500, `${count} rows`);
});

test('a size limit: a typed failure, nothing acknowledged after it, and everything before is there', async (t) => {
  const folder = temporaryFolder(t);
  const acknowledged = await fillUp(folder, 400_000);
  t.is(acknowledged.code, 'ERR_JOURNAL_FULL');
  await using again = await listenTo(folder);
  t.is(again.journal.content.position, acknowledged.position);
  t.is(again.journal.content.entities.length, acknowledged.position * 10);
});

test('a full disk: a typed failure, and everything that was acknowledged is there', async (t) => {
  const folder = temporaryFolder(t);
  if (!mountSmall(folder)) {
    t.pass('no right to mount a small file system; the size limit above takes the same way');
    return;
  }
  try {
    const acknowledged = await fillUp(path.join(folder, 'node'), undefined);
    t.is(acknowledged.code, 'ERR_JOURNAL_FULL');
    t.true(acknowledged.position > 5);
    // The disk is still full: reading what is there takes no room.
    using lock = tryLock(path.join(folder, 'node'));
    t.truthy(lock);
    const content = readJournal(path.join(folder, 'node'));
    t.is(content.position, acknowledged.position);
    t.is(content.entities.length, acknowledged.position * 10);
  } finally {
    unmount(folder);
  }
});

test('a disk that fails to sync: a typed failure', async (t) => {
  const folder = temporaryFolder(t);
  const failing = mountFailing(folder);
  if (failing === undefined) {
    t.pass('no right, or no tools, to mount a file system over a device that fails');
    return;
  }
  try {
    const { code, position } = await fillUp(path.join(failing, 'node'), undefined);
    t.is(code, 'ERR_JOURNAL_IO');
    t.true(position > 0);
  } finally {
    unmount(path.join(folder, 'disk'), failing);
  }
});

/** A file system of 64 MB on a device of 2 MB that does not say so: what does not fit fails when it is synced. */
function mountFailing(folder: string): string | undefined {
  const disk = path.join(folder, 'disk');
  const mounted = path.join(folder, 'mounted');
  const image = path.join(disk, 'image');
  const run = (command: string, ...parameters: string[]): unknown =>
    execFileSync(command, parameters, { stdio: 'ignore', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } });
  mkdirSync(disk);
  mkdirSync(mounted);
  try {
    run('mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk);
    run('truncate', '-s', '64M', image);
    run('mkfs.ext4', '-q', '-E', 'lazy_itable_init=0,nodiscard', '-O', '^has_journal', image);
    run('mount', '-o', 'loop', image, mounted);
    return mounted;
  } catch {
    unmount(disk);
    return undefined;
  }
}

function unmount(...folders: readonly string[]): void {
  for (const folder of folders.toReversed()) {
    try {
      execFileSync('umount', ['-l', folder], { stdio: 'ignore' });
    } catch {
      // It was not mounted.
    }
  }
}

function mountSmall(folder: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Writes until the journal fails. @returns the last position that was acknowledged. */
async function fillUp(folder: string, sizeBytesMax: number | undefined): Promise<{ position: number; code: string }> {
  const options = sizeBytesMax === undefined ? {} : { sizeBytesMax };
  await using opened = await listenTo(folder, options);
  let position = 0;
  for (; position < 5000 && !opened.events.some(({ type }) => type === 'failed');) {
    position++;
    const rows = Array.from({ length: 10 }, (_, at) => entityRow(position * 10 + at, 1, 500));
    opened.journal.append(
      position,
      rows.map((row): JournalWrite => ({ kind: 'entity', row })),
    );
    const seen = opened.events.length;
    while (opened.events.length === seen) await new Promise((resolve) => setImmediate(resolve));
  }
  const { error } = await opened.until('failed');
  const failedAt = opened.events.length;
  opened.journal.append(position + 1, [{ kind: 'entity', row: entityRow(1) }]);
  opened.journal.setIncarnation(5);
  await opened[Symbol.asyncDispose]();
  if (opened.events.length !== failedAt) throw new Error('something was said after the failure');
  const done = opened.events.filter((event) => event.type === 'fsynced').at(-1);
  return { position: done?.position ?? 0, code: (error as JournalError).code };
}

test('a folder is opened once, and the refusal names the process', async (t) => {
  const folder = temporaryFolder(t);
  await using first = await listenTo(folder);
  const error = await t.throwsAsync(openJournal({ folder, onEvent: () => {} }), { instanceOf: JournalError });
  t.is((error as JournalError).code, 'ERR_JOURNAL_LOCKED');
  t.true(error.message.includes(`process ${process.pid}`));
  await first.write({ kind: 'entity', row: entityRow(1) });
});

test('a copied folder is refused while the first is there; a moved one is not', async (t) => {
  const root = temporaryFolder(t);
  const [first, copy, moved] = ['first', 'copy', 'moved'].map((name) => path.join(root, name)) as [
    string,
    string,
    string,
  ];
  const made = await listenTo(first);
  await made.write({ kind: 'entity', row: entityRow(1) });
  await made[Symbol.asyncDispose]();
  cpSync(first, copy, { recursive: true });
  await t.throwsAsync(listenTo(copy), { code: 'ERR_JOURNAL_COPIED' });
  {
    await using running = await listenTo(first);
    const error = await t.throwsAsync(listenTo(copy), { code: 'ERR_JOURNAL_COPIED' });
    t.true(error.message.includes(`process ${process.pid}`));
    t.is(running.journal.content.entities.length, 1);
  }
  renameSync(first, moved);
  await using again = await listenTo(moved);
  t.is(again.journal.content.entities.length, 1);
});

test('a taken journal is moved aside, its node starts anew, and a few such files are kept', async (t) => {
  const folder = temporaryFolder(t);
  const taken: string[] = [];
  for (let round = 0; round < TAKEN_FILES_MAX + 2; round++) {
    const opened = await listenTo(folder);
    t.deepEqual(opened.journal.content.entities, []);
    const { ledger } = opened.journal;
    await opened.write({ kind: 'entity', row: entityRow(round + 1) });
    await opened[Symbol.asyncDispose]();
    using lock = tryLock(folder);
    t.truthy(lock);
    t.false(isTaken(folder, ledger));
    t.true(isTaken(folder, LEDGERS[0]!));
    t.is(readJournal(folder).entities.length, 1);
    takeFile(folder, { ledger, by: LEDGERS[0]! });
    takeFile(folder, { ledger, by: LEDGERS[0]! });
    t.true(isTaken(folder, ledger));
    t.throws(() => readJournal(folder), { code: 'ERR_JOURNAL_TAKEN' });
    taken.push(`journal-${ledger}.taken.sqlite`);
  }
  await using opened = await listenTo(folder);
  t.false(taken.includes(`journal-${opened.journal.ledger}.taken.sqlite`));
  const kept = readdirSync(folder).filter((name) => name.endsWith('.taken.sqlite'));
  t.deepEqual(kept.toSorted(), taken.slice(-TAKEN_FILES_MAX).toSorted());
  const database = new Database(path.join(folder, 'journal.sqlite'), { readonly: true });
  // The last start removed one, and says until when its history is gone.
  const line = database.prepare('SELECT count(*) AS lines, stage, at_ms > ? AS isNew FROM trace');
  t.deepEqual(line.get(Date.now() - 60_000), { lines: 1, stage: 'removed', isNew: 1 });
  database.close();
});

test('files that are no journals of this release are refused with what to do', async (t) => {
  const root = temporaryFolder(t);
  const folderWith = (name: string, make: (file: string) => void): string => {
    const folder = path.join(root, name);
    mkdirSync(folder);
    make(path.join(folder, 'journal.sqlite'));
    return folder;
  };
  const change = (sql: string) => (file: string) => {
    const database = openDatabase(file, { mustExist: false });
    recover(database, { folder: path.dirname(file) });
    database.exec(sql);
    database.close();
  };
  const cases: readonly (readonly [code: string, (file: string) => void])[] = [
    ['ERR_JOURNAL_CORRUPT', (file) => writeFileSync(file, 'not a database at all, but long enough to be read as one')],
    ['ERR_JOURNAL_FOREIGN', (file) => new Database(file).exec('CREATE TABLE other(a)').close()],
    ['ERR_JOURNAL_FOREIGN', change('PRAGMA application_id = 5')],
    ['ERR_JOURNAL_VERSION', change('PRAGMA user_version = 99')],
    ['ERR_JOURNAL_CORRUPT', change('CREATE TRIGGER odd AFTER INSERT ON entity BEGIN DELETE FROM outbox; END')],
    ['ERR_JOURNAL_CORRUPT', change('ALTER TABLE entity ADD COLUMN more TEXT')],
    ['ERR_JOURNAL_CORRUPT', change("UPDATE meta SET value = 3 WHERE key = 'position'")],
    ['ERR_JOURNAL_CORRUPT', change("DELETE FROM meta WHERE key = 'ledger'")],
    ['ERR_JOURNAL_CORRUPT', change("INSERT INTO watermark VALUES (x'00', 5, 7)")],
    ['ERR_JOURNAL_OPEN', (file) => mkdirSync(file)],
  ];
  for (const [index, [code, make]] of cases.entries()) {
    await t.throwsAsync(listenTo(folderWith(`${index}`, make)), { instanceOf: JournalError, code }, `case ${index}`);
  }
  t.throws(() => readJournal(root), { code: 'ERR_JOURNAL_MISSING' });
  t.throws(() => takeFile(root, { ledger: LEDGERS[0]!, by: LEDGERS[0]! }), { code: 'ERR_JOURNAL_MISSING' });
});

test('a damaged row is put aside and reported, the others are there', async (t) => {
  const folder = temporaryFolder(t);
  {
    await using opened = await listenTo(folder);
    const { ledger } = opened.journal;
    const payload = new Uint8Array(8);
    await opened.write(
      ...[1, 2, 3, 4, 5, 6, 7].map((id): JournalWrite => ({ kind: 'entity', row: entityRow(id) })),
      { kind: 'release', row: outboxRow(ledger, 1, entityRow(6, 2)) },
      { kind: 'release', row: outboxRow(ledger, 2, entityRow(7, 2)) },
      { kind: 'message', row: { number: 1, issuer: ledger, entity: entityRow(1).id, event: 0, payload } },
      { kind: 'message', row: { number: 2, issuer: ledger, entity: entityRow(1).id, event: 0, payload } },
    );
  }
  const database = new Database(path.join(folder, 'journal.sqlite'));
  database.exec(`UPDATE entity SET seq = seq + 1 WHERE id = 1; UPDATE entity SET record = zeroblob(40) WHERE id = 2;
    UPDATE entity SET id = -3 WHERE id = 3; UPDATE entity SET id = 9223372036854775807 WHERE id = 4;
    UPDATE outbox SET target_node = 200 WHERE transfer_seq = 1; UPDATE message SET event = 9 WHERE number = 2`);
  database.close();
  {
    await using opened = await listenTo(folder);
    const { content, report } = opened.journal;
    t.deepEqual(report.damaged.map(({ table }) => table).toSorted(), [
      ...Array<string>(4).fill('entity'),
      'message',
      'outbox',
    ]);
    t.true(report.damaged.every(({ error }) => error.code === 'ERR_JOURNAL_ROW'));
    t.deepEqual(
      content.entities.map(({ id }): number => id),
      [5],
    );
    t.deepEqual(
      content.outbox.map(({ transferSeq }) => transferSeq),
      [2],
    );
    t.deepEqual(
      content.messages.map(({ number }) => number),
      [1],
    );
    await opened.write({ kind: 'entity', row: entityRow(1) });
  }
  using lock = tryLock(folder);
  t.truthy(lock);
  const found = recoverDead(folder, { check: 'full' });
  t.deepEqual(found.report.damaged, []);
  const inspected = new Database(path.join(folder, 'journal.sqlite'), { readonly: true });
  const kept = inspected.prepare('SELECT count(*), sum(length(record)) FROM quarantine_entity').raw().get();
  t.deepEqual(kept, [4, 160]);
  inspected.close();
});

for (const version of [1, 2]) {
  test(`a file of version ${version} is migrated, and its rows are kept`, async (t) => {
    const folder = temporaryFolder(t);
    const file = path.join(folder, 'journal.sqlite');
    cpSync(new URL('golden/journal-v1.sqlite', import.meta.url), file);
    const old = openDatabase(file, { mustExist: true });
    migrate(old, { versionMax: version });
    old.close();
    await checkOldFile(t, folder, version);
  });
}

async function checkOldFile(t: ExecutionContext, folder: string, version: number): Promise<void> {
  {
    await using opened = await listenTo(folder);
    const { content, report } = opened.journal;
    t.is(report.versionFound, version);
    t.is(content.ledger, LEDGERS[0]!);
    t.is(content.incarnation, 12);
    t.is(content.position, 3);
    t.deepEqual(comparable({ ...content, imports: [] }), comparable({ ...goldenContent(), imports: [] }));
    await opened.write({ kind: 'entity', row: entityRow(50) }, { kind: 'publication', row: publicationRow(50, 1) });
  }
  await using again = await listenTo(folder);
  t.is(again.journal.report.versionFound, 3);
  t.is(again.journal.content.position, 4);
  t.is(again.journal.content.publications.length, 1);
}

function goldenContent(): ReturnType<JournalTables['content']> {
  const model = new JournalTables(emptyContent(LEDGERS[0]!));
  goldenWrites().forEach((writes, index) => model.apply(index + 1, writes));
  return { ...model.content(), incarnation: 12 };
}

test('every error code stands in docs/JOURNAL.md, and no other', (t) => {
  const text = readFileSync(new URL('../../docs/JOURNAL.md', import.meta.url), 'utf8');
  t.deepEqual([...new Set(text.match(/ERR_JOURNAL_[A-Z]+/g))].toSorted(), [...JOURNAL_ERROR_CODES].toSorted());
});
