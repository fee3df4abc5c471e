/** Backups of a cluster that is stopped, and what may go wrong between its folder and the cluster that comes back. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import path from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { readJournal } from '../../../src/main/audit/journal-reader.ts';
import { backup } from '../../../src/main/backup/backup.ts';
import { BackupError } from '../../../src/main/backup/backup-error.ts';
import type { BackupErrorCode } from '../../../src/main/backup/backup-error.ts';
import type { Manifest } from '../../../src/main/backup/manifest.ts';
import { restore } from '../../../src/main/backup/restore.ts';
import type { RestoreOptions, RestoreReport } from '../../../src/main/backup/restore.ts';
import { POSITION_MARGIN } from '../../../src/main/backup/restored-files.ts';
import { recoverFolder } from '../../../src/peer/journal-folder.ts';
import { tryLock } from '../../../src/peer/ledger-lock.ts';
import { worldmesh } from '../command-line.ts';
import { joinRequest, refusal } from '../../peer/directory-fixture.ts';
import { ENTITIES_PER_NODE, SmallCluster, openDirectory } from './small-cluster.ts';

const MARGIN = 1000;

async function backupOf(cluster: SmallCluster, outFolder = path.join(cluster.folder, 'backup')): Promise<Manifest> {
  return await backup({
    directoryUrl: cluster.directoryUrl,
    outFolder,
    timeoutMs: 20_000,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
}

/** A backup of a stopped cluster whose own files are gone. */
async function afterDisaster(
  t: ExecutionContext,
): Promise<{ cluster: SmallCluster; folder: string; manifest: Manifest }> {
  const cluster = await SmallCluster.start(t);
  await cluster.stop();
  const folder = path.join(cluster.folder, 'backup');
  const manifest = await backupOf(cluster, folder);
  rmSync(cluster.dataFolder, { recursive: true });
  for (const suffix of ['', '-wal', '-shm']) rmSync(cluster.directoryFile + suffix, { force: true });
  return { cluster, folder, manifest };
}

async function restoreOf(cluster: SmallCluster, changes: Partial<RestoreOptions> = {}): Promise<RestoreReport> {
  return await restore({
    folder: path.join(cluster.folder, 'backup'),
    dataFolder: cluster.dataFolder,
    directoryUrl: cluster.directoryUrl,
    force: false,
    sessionKey: 'renew',
    incarnationMargin: MARGIN,
    onProgress: () => {},
    ...changes,
  });
}

async function refused(t: ExecutionContext, attempt: Promise<unknown>, code: BackupErrorCode): Promise<string> {
  const error = await t.throwsAsync(attempt, { instanceOf: BackupError });
  t.is(error?.code, code, error?.message);
  return error?.message ?? '';
}

function entitiesIn(folder: string): number[] {
  const journal = readJournal({ name: '', folder, file: path.join(folder, 'journal.sqlite') });
  return [...journal.entities.keys()].toSorted((left, right) => left - right);
}

test('a stopped cluster is written down whole, proven by the auditor, and nothing is overwritten', async (t) => {
  await using cluster = await SmallCluster.start(t);
  const ids = ['a', 'b'].map((name) => entitiesIn(path.join(cluster.dataFolder, name)));
  await cluster.stop();
  const folder = path.join(cluster.folder, 'backup');
  const manifest = await backupOf(cluster, folder);
  t.false(manifest.wasRunning);
  t.like(manifest.total, { entities: 2 * ENTITIES_PER_NODE, atRest: 2, named: 4, inTransit: 0, messages: 0 });
  t.deepEqual(
    manifest.journals.map(({ node, entities, position }) => [node, entities, position]),
    [
      ['a', ENTITIES_PER_NODE, 1],
      ['b', ENTITIES_PER_NODE, 1],
    ],
  );
  t.is(manifest.incarnation, 2);
  t.is(manifest.cluster['world'], 'harbour');
  t.false(JSON.stringify(manifest).includes('ab'.repeat(32)), 'the session key is in the manifest');
  t.deepEqual(readdirSync(folder).toSorted(), ['a', 'b', 'directory.sqlite', 'manifest.json', 'manifest.json.sha256']);
  t.deepEqual(
    ['a', 'b'].map((name) => entitiesIn(path.join(folder, name))),
    ids,
  );
  const audit = await worldmesh(['audit', '--data', folder, '--json']);
  t.is(audit.code, 0, audit.stdout);
  t.regex(await refused(t, backupOf(cluster, folder), 'ERR_BACKUP_EXISTS'), /overwrites nothing/);
  t.false(existsSync(`${folder}.part`));
});

test('what is stopped in the middle of a handover is written down with it, and comes back with it', async (t) => {
  await using cluster = await SmallCluster.start(t);
  const row = await cluster.release();
  await cluster.stop();
  const manifest = await backupOf(cluster);
  t.is(manifest.total.inTransit, 1);
  t.is(manifest.total.entities, 2 * ENTITIES_PER_NODE - 1);
  await restoreOf(cluster, { force: true });
  const { content } = recoverFolder(path.join(cluster.dataFolder, 'a'));
  t.deepEqual(
    content.outbox.map(({ id, transferSeq }) => [id, transferSeq]),
    [[row.id, 1]],
  );
});

test('a restored cluster goes on above everything that was given out', async (t) => {
  const { cluster, manifest } = await afterDisaster(t);
  const report = await restoreOf(cluster);
  t.is(report.incarnation, manifest.incarnation + MARGIN);
  t.deepEqual(report.deleted, []);
  await using directory = await openDirectory(cluster.directoryFile);
  const members = await directory.members();
  t.deepEqual(
    members.map(({ name, state, pid, position, folder }) => ({ name, state, pid, position, folder })),
    ['a', 'b'].map((name) => ({
      name,
      state: 'gone' as const,
      pid: 0,
      position: 1 + POSITION_MARGIN,
      folder: path.join(cluster.dataFolder, name),
    })),
  );
  t.is(directory.facts.clusterId, report.clusterId);
  t.not(report.clusterId, manifest.cluster['clusterId']);
  t.is(directory.facts.tickEpochMs, Number(manifest.cluster['tickEpochMs']));
  t.true(
    (await directory.blocks()).every(({ node }) => node > 0),
    'blocks keep their owners',
  );
  const folder = path.join(cluster.dataFolder, 'a');
  const { content } = recoverFolder(folder);
  t.is(content.entities.length, ENTITIES_PER_NODE);
  t.is(content.position, 1 + POSITION_MARGIN);
  const { ledger, position, incarnation: incarnationSeen } = content;
  const joined = await directory.join(joinRequest('a', { ledger, position, incarnationSeen, folder }));
  t.is(joined.incarnation, manifest.incarnation + MARGIN + 1);
  t.is(await directory.secret('sessionKey', 'cd'.repeat(32)), 'cd'.repeat(32), 'the session key is a new one');
});

test('a journal of the lost disks that turns up after a restore is refused: it would bring its entities a second time', async (t) => {
  await using cluster = await SmallCluster.start(t);
  const kept = path.join(cluster.folder, 'kept');
  await cluster.journal('b').write({ kind: 'despawn', id: (2 ** 33 + 5) as never });
  const ledger = cluster.journal('b').journal.ledger;
  await cluster.stop();
  await backupOf(cluster);
  cpSync(path.join(cluster.dataFolder, 'b'), kept, { recursive: true });
  rmSync(cluster.dataFolder, { recursive: true });
  for (const suffix of ['', '-wal', '-shm']) rmSync(cluster.directoryFile + suffix, { force: true });
  await restoreOf(cluster);
  await using directory = await openDirectory(cluster.directoryFile);
  t.throws(() => recoverFolder(kept), { code: 'ERR_JOURNAL_COPIED' }, 'as long as the restored one is there');
  await refusal(
    t,
    () => directory.join(joinRequest('b', { ledger, position: 1_000_000_000, folder: kept })),
    'ERR_DIRECTORY_LEDGER_OLDER',
  );
});

test('the session key is kept when that is wanted', async (t) => {
  const { cluster } = await afterDisaster(t);
  await restoreOf(cluster, { sessionKey: 'keep' });
  await using directory = await openDirectory(cluster.directoryFile);
  t.is(await directory.secret('sessionKey', 'cd'.repeat(32)), 'ab'.repeat(32));
});

test('a backup of which a bit has changed, or that is cut, is refused, whichever file it is; nothing is written', async (t) => {
  const { cluster, folder, manifest } = await afterDisaster(t);
  const files = [
    'manifest.json',
    'manifest.json.sha256',
    manifest.directory.file,
    ...manifest.journals.map(({ file }) => file),
  ];
  t.is(files.length, 5);
  for (const name of files) {
    const file = path.join(folder, name);
    const whole = readFileSync(file);
    for (const at of [0, Math.floor(whole.length / 3), whole.length - 1]) {
      const damaged = Buffer.from(whole);
      damaged[at] = damaged[at]! ^ (1 << (at % 8));
      writeFileSync(file, damaged);
      await refused(t, restoreOf(cluster), 'ERR_RESTORE_DAMAGED');
    }
    writeFileSync(file, whole);
    truncateSync(file, Math.floor(whole.length / 2));
    await refused(t, restoreOf(cluster), 'ERR_RESTORE_DAMAGED');
    rmSync(file);
    await refused(t, restoreOf(cluster), name.startsWith('manifest') ? 'ERR_RESTORE_MANIFEST' : 'ERR_RESTORE_DAMAGED');
    writeFileSync(file, whole);
  }
  t.false(existsSync(cluster.dataFolder));
  t.false(existsSync(cluster.directoryFile));
  await restoreOf(cluster);
  t.is(entitiesIn(path.join(cluster.dataFolder, 'a')).length, ENTITIES_PER_NODE);
});

test('a manifest that is whole and says what cannot be is refused', async (t) => {
  const { cluster, folder, manifest } = await afterDisaster(t);
  const write = (changes: object): void => {
    const text = JSON.stringify({ ...manifest, ...changes });
    writeFileSync(path.join(folder, 'manifest.json'), text);
    const sum = createHash('sha256').update(text).digest('hex');
    writeFileSync(path.join(folder, 'manifest.json.sha256'), `${sum}  manifest.json\n`);
  };
  const [first] = manifest.journals;
  const journals = (changes: object): object => ({ journals: [{ ...first, ...changes }] });
  write({ version: 2 });
  await refused(t, restoreOf(cluster), 'ERR_RESTORE_VERSION');
  write({ ...journals({ schemaVersion: 1000 }) });
  await refused(t, restoreOf(cluster), 'ERR_RESTORE_VERSION');
  const senseless: object[] = [
    { format: 'something-else' },
    journals({ file: '../b/journal.sqlite', node: '..' }),
    journals({ file: 'a/../../journal.sqlite' }),
    journals({ file: '/etc/passwd' }),
    journals({ file: 'b/journal.sqlite' }),
    journals({ position: -1 }),
    journals({ sha256: 'no' }),
    { journals: [first, first] },
    { journals: [] },
    { journals: 'a/journal.sqlite' },
    { directory: { ...manifest.directory, file: '../directory.sqlite' } },
    { incarnation: 'many' },
  ];
  for (const changes of senseless) {
    write(changes);
    await refused(t, restoreOf(cluster), 'ERR_RESTORE_MANIFEST');
  }
  write({ journals: [{ ...first, entities: 4 }] });
  await refused(t, restoreOf(cluster), 'ERR_RESTORE_DAMAGED');
  t.deepEqual(existsSync(cluster.dataFolder) ? readdirSync(path.join(cluster.dataFolder, 'a')) : [], [
    'ledger.lock',
    'ledger.pid',
  ]);
  t.false(existsSync(cluster.directoryFile));
});

test('what is there is only listed without --force, and with it deleted, other nodes of the data folder too', async (t) => {
  await using cluster = await SmallCluster.start(t);
  await cluster.stop();
  await backupOf(cluster);
  const stranger = path.join(cluster.dataFolder, 'c');
  mkdirSync(stranger);
  cpSync(path.join(cluster.dataFolder, 'a', 'journal.sqlite'), path.join(stranger, 'journal.sqlite'));
  writeFileSync(path.join(stranger, 'notes.txt'), 'of the operator');
  const before = statSync(cluster.directoryFile).mtimeMs;
  const message = await refused(t, restoreOf(cluster), 'ERR_RESTORE_EXISTS');
  for (const file of [
    cluster.directoryFile,
    path.join(cluster.dataFolder, 'b', 'journal.sqlite'),
    path.join(stranger, 'journal.sqlite'),
  ])
    t.true(message.includes(file), message);
  t.is(statSync(cluster.directoryFile).mtimeMs, before);
  const { deleted } = await restoreOf(cluster, { force: true });
  t.true(deleted.includes(path.join(stranger, 'journal.sqlite')));
  t.deepEqual(readdirSync(stranger), ['notes.txt']);
  t.is(entitiesIn(path.join(cluster.dataFolder, 'b')).length, ENTITIES_PER_NODE);
});

test('while a node of the cluster runs, nothing is restored, not even somewhere else', async (t) => {
  await using cluster = await SmallCluster.start(t);
  await cluster.stop();
  await backupOf(cluster);
  using lock = tryLock(path.join(cluster.dataFolder, 'b'))!;
  const elsewhere = path.join(cluster.folder, 'elsewhere');
  const changes = { dataFolder: elsewhere, directoryUrl: `sqlite:${path.join(elsewhere, 'directory.sqlite')}` };
  t.regex(await refused(t, restoreOf(cluster, changes), 'ERR_RESTORE_RUNNING'), new RegExp(`process ${process.pid}`));
  await refused(t, restoreOf(cluster, { force: true }), 'ERR_RESTORE_RUNNING');
  lock.release();
  t.is((await restoreOf(cluster, changes)).folders.length, 2);
});

test('incarnations that would not suffice are refused before anything is touched', async (t) => {
  const { cluster } = await afterDisaster(t);
  await refused(t, restoreOf(cluster, { incarnationMargin: 2 ** 21 - 2 }), 'ERR_RESTORE_INCARNATIONS');
  t.false(existsSync(cluster.directoryFile));
  t.deepEqual(readdirSync(path.join(cluster.dataFolder, 'a')), ['ledger.lock', 'ledger.pid']);
});

test('a directory that is none, and a journal that is missing, are told', async (t) => {
  await using cluster = await SmallCluster.start(t);
  await cluster.stop();
  rmSync(path.join(cluster.dataFolder, 'b', 'journal.sqlite'));
  t.regex(await refused(t, backupOf(cluster), 'ERR_BACKUP_JOURNAL'), /b\/journal\.sqlite does not exist/);
  t.deepEqual(
    readdirSync(cluster.folder).filter((name) => name.startsWith('backup')),
    [],
  );
});
