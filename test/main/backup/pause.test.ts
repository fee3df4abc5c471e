/** The pause of handovers: a backup that waits, one that is killed in the middle, and what is left of both. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { readJournal } from '../../../src/main/audit/journal-reader.ts';
import { Pause } from '../../../src/main/backup/pause.ts';
import { PAUSE_MS } from '../../../src/main/backup/cluster-snapshot.ts';
import type { Manifest } from '../../../src/main/backup/manifest.ts';
import { PeerTable } from '../../../src/memory/peer-table.ts';
import { FeatureSwitches } from '../../../src/peer/feature-switches.ts';
import { pauseFrom } from '../../../src/peer/handover-pause.core.ts';
import { blockGrid } from '../../../src/peer/placement.core.ts';
import type { Directory } from '../../../src/peer/directory.ts';
import { RunningCommand, worldmesh } from '../command-line.ts';
import { ENTITIES_PER_NODE, ID_FIRST, SmallCluster } from './small-cluster.ts';

const DEADLINE_MS = 30_000;

/** A node as far as the pause is concerned. */
class Listener implements Disposable {
  readonly peerTable = new PeerTable(new SharedArrayBuffer(PeerTable.sizeBytes(1)), 0, 1);
  /** Monotonic milliseconds of each change of what the simulation is told. */
  readonly changes: { readonly percent: number; readonly atMs: number }[] = [];
  readonly #stop: () => void;
  readonly #timer: NodeJS.Timeout;

  constructor(t: ExecutionContext, directory: Directory) {
    const grid = blockGrid({ width: 1, depth: 1, blockCells: 1 });
    const switches = new FeatureSwitches({
      peerTable: this.peerTable,
      grid,
      directory,
      onError: (error) => t.fail(String(error)),
    });
    const note = (): void => {
      const percent = this.peerTable.handoverPercent;
      if (percent !== this.changes.at(-1)?.percent) this.changes.push({ percent, atMs: performance.now() });
    };
    this.#stop = directory.watch(({ settings }) => {
      if (settings !== undefined) switches.see(settings, performance.now());
      note();
    });
    this.#timer = setInterval(() => {
      switches.time(performance.now());
      note();
    }, 10);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#stop();
  }
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await wait(10);
  }
}

async function pauseIn(directory: Directory): Promise<string> {
  return (await directory.settings()).find(({ key }) => key === 'handoverPause')?.value ?? '';
}

function argsOf(cluster: SmallCluster, ...more: string[]): string[] {
  return ['backup', '--directory', cluster.directoryUrl, '--out', path.join(cluster.folder, 'backup'), ...more];
}

test('handovers are off while a pause stands, and on again as they were when it ends, by its owner or by time', async (t) => {
  await using cluster = await SmallCluster.start(t);
  const { directory } = cluster;
  await directory.putSetting('handoverPercent', '70');
  using node = new Listener(t, directory);
  await until('the share is known', () => node.changes.at(-1)?.percent === 70);
  const request = { owner: 'a test', durationMs: 400, waitMs: 0, signal: new AbortController().signal };

  const first = await Pause.begin(directory, request);
  await until('paused', () => node.changes.at(-1)?.percent === 0);
  await t.throwsAsync(Pause.begin(directory, request), { code: 'ERR_BACKUP_PAUSED' }, 'one at a time');
  await first.end();
  await until('ended by its owner', () => node.changes.at(-1)?.percent === 70);
  t.is(await pauseIn(directory), '');

  const second = await Pause.begin(directory, request);
  await until('paused again', () => node.changes.at(-1)?.percent === 0);
  const sinceMs = node.changes.at(-1)!.atMs;
  await until('ended by time', () => node.changes.at(-1)?.percent === 70);
  t.true(node.changes.at(-1)!.atMs - sinceMs >= 350, 'too early');
  await until('removed by the node', async () => (await pauseIn(directory)) === '');
  await directory.putSetting('handoverPause', '{"owner":"another","durationMs":9000}');
  await second.end();
  t.is(pauseFrom(await pauseIn(directory))?.owner, 'another', 'whoever came later is left alone');
});

test('what is no pause pauses nothing', (t) => {
  for (const text of [
    '',
    'null',
    '[]',
    '{',
    '{"owner":1,"durationMs":5}',
    '{"owner":"a","durationMs":0}',
    '{"owner":"a"}',
  ]) {
    t.is(pauseFrom(text), undefined, text);
  }
  t.is(pauseFrom('{"owner":"a","durationMs":10001}'), undefined, 'longer than any');
  t.is(pauseFrom(`{"owner":"${'a'.repeat(129)}","durationMs":5}`), undefined);
  t.deepEqual(pauseFrom('{"owner":"a","durationMs":5}'), { owner: 'a', durationMs: 5 });
});

test('a backup that is killed while it has handovers paused: they go on, nobody takes what it left for a backup', async (t) => {
  await using cluster = await SmallCluster.start(t);
  using node = new Listener(t, cluster.directory);
  const row = await cluster.release();
  const out = path.join(cluster.folder, 'backup');
  await using command = new RunningCommand(argsOf(cluster));
  await until('paused', () => node.changes.at(-1)?.percent === 0);
  const pausedMs = node.changes.at(-1)!.atMs;
  command.kill('SIGKILL');
  await command.ended;
  await until('handovers go on', () => node.changes.at(-1)?.percent === 100);
  const tookMs = node.changes.at(-1)!.atMs - pausedMs;
  t.log(`handovers were on again after ${tookMs.toFixed(0)} ms`);
  t.true(tookMs < PAUSE_MS + 2000);
  await until('removed', async () => (await pauseIn(cluster.directory)) === '');
  t.deepEqual(readdirSync(`${out}.part`).toSorted(), ['ledger.lock', 'ledger.pid']);
  const restored = await worldmesh(['restore', `${out}.part`, '--data', path.join(cluster.folder, 'elsewhere')]);
  t.is(restored.code, 1);
  t.regex(restored.stderr, /ERR_RESTORE_MANIFEST/);

  await cluster.resolve(row);
  const again = await worldmesh(argsOf(cluster, '--json'));
  t.is(again.code, 0, again.stderr);
  const manifest = JSON.parse(again.stdout) as Manifest;
  t.is(manifest.total.entities, 2 * ENTITIES_PER_NODE);
  t.true(manifest.wasRunning);
  t.false(existsSync(`${out}.part`));
});

test('a backup that is told to stop, or that finds no quiet moment, says so and leaves nothing', async (t) => {
  await using cluster = await SmallCluster.start(t);
  using node = new Listener(t, cluster.directory);
  await cluster.release();
  const late = await worldmesh(argsOf(cluster, '--timeout', '1'));
  t.is(late.code, 1);
  t.regex(late.stderr, /1 entities are between nodes .*ERR_BACKUP_TRANSIT/s);

  const before = node.changes.length;
  await using command = new RunningCommand(argsOf(cluster));
  await until('paused', () => node.changes.length > before && node.changes.at(-1)?.percent === 0);
  command.kill('SIGTERM');
  const { code, stderr } = await command.ended;
  t.is(code, 1);
  t.regex(stderr, /ERR_BACKUP_STOPPED/);
  t.is(await pauseIn(cluster.directory), '');
  t.deepEqual(
    readdirSync(cluster.folder).filter((name) => name.startsWith('backup')),
    [],
  );
});

test('nodes that do not heed the pause: a backup has every entity once all the same', async (t) => {
  await using cluster = await SmallCluster.start(t);
  const ending = new AbortController();
  let moves = 0;
  const moving = (async () => {
    for (; !ending.signal.aborted; moves++) {
      const id = ID_FIRST * (1 + (Math.floor(moves / 2) % 2)) + 3;
      const home = id < 2 * ID_FIRST ? 'a' : 'b';
      const away = home === 'a' ? 'b' : 'a';
      await cluster.resolve(await cluster.release(moves % 2 === 0 ? home : away, id));
      await wait(20);
    }
  })();
  try {
    for (let round = 0; round < 3; round++) {
      const before = moves;
      const out = path.join(cluster.folder, `round-${round}`);
      const done = await worldmesh(['backup', '--directory', cluster.directoryUrl, '--out', out, '--json']);
      t.is(done.code, 0, done.stderr);
      const { total } = JSON.parse(done.stdout) as Manifest;
      t.like(total, { entities: 2 * ENTITIES_PER_NODE, inTransit: 0 });
      t.true(moves > before, 'nothing moved meanwhile');
      const ids = ['a', 'b'].flatMap((name) => {
        const file = path.join(out, name, 'journal.sqlite');
        return [...readJournal({ name, folder: path.join(out, name), file }).entities.keys()];
      });
      t.is(new Set(ids).size, 2 * ENTITIES_PER_NODE);
    }
  } finally {
    ending.abort();
    await moving;
  }
});
