/** `worldmesh drain` with real nodes: who plays goes on, who is away is found, who rests is woken, and the node ends with 0. */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { TallyClient } from '../../fixtures/tally-client.ts';
import { openDirectory } from '../../../src/peer/directory-thread.ts';
import { RunningCommand, temporaryFolder, worldmesh } from '../command-line.ts';
import { isPlaying, SessionCluster, settled, until } from './session-cluster.ts';

const TIMEOUT_MS = 240_000;
const QUIET = ['--port', '0', '--no-viewer', '--workers', '1', '--log-format', 'json'];

/** One at each gateway, both with a player of the eastern node. @returns the id of the first one's player. */
async function bothPlay(
  cluster: SessionCluster,
  { away, there }: Readonly<Record<'away' | 'there', TallyClient>>,
): Promise<number> {
  away.connect(cluster.url('east'));
  there.connect(cluster.url('west'));
  await Promise.all([isPlaying(away), isPlaying(there)]);
  return away.id;
}

test.serial('a node is drained: clients that are there or away go on elsewhere, and it comes back empty', async (t) => {
  t.timeout(TIMEOUT_MS);
  await using cluster = await SessionCluster.start();
  using away = new TallyClient('east 1');
  using there = new TallyClient('east 2');
  const id = await bothPlay(cluster, { away, there });
  away.connection!.cut();
  await until('its gateway has noticed', async () => (await cluster.status('east')).connections === 0);

  const east = cluster.name('east');
  const flags = ['--directory', cluster.directoryUrl];
  const { code, stdout, stderr } = await worldmesh(['drain', east, ...flags, '--json']);
  t.is(code, 0, stderr + stdout);
  const last = JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, unknown>;
  t.like(last, { node: east, state: 'gone', successor: cluster.name('west') });
  t.is(await cluster.ended('east'), 0);

  const connection = away.connect(cluster.url('west'));
  await until('a welcome', () => connection.welcome !== undefined || connection.closeCode !== undefined);
  t.true(connection.welcome?.resumed, connection.errors.join());
  await Promise.all([isPlaying(away), isPlaying(there)]);
  await Promise.all([settled(away), settled(there)]);
  t.is(away.id, id);
  t.deepEqual([away.tally, there.tally], [away.expected, there.expected]);
  t.is(there.connection!.closeCode, undefined, 'a client of the other gateway has kept its connection');

  const audited = await worldmesh(['audit', ...flags, '--settle', '10']);
  t.is(audited.code, 0, audited.stdout);
  await refuses(t, { cluster, flags });

  const ledgers = async (): Promise<Set<string>> => {
    await using directory = await openDirectory(cluster.directoryUrl, { facts: undefined });
    return new Set((await directory.members()).filter(({ name }) => name === east).map(({ ledger }) => ledger));
  };
  t.is((await ledgers()).size, 1);
  await cluster.start('east');
  t.is((await ledgers()).size, 2, 'it comes back with a new ledger');
});

test.serial('with drainOnStop a node that is told to stop drains first, and the last one just stops', async (t) => {
  t.timeout(TIMEOUT_MS);
  await using cluster = await SessionCluster.start(['--drain-on-stop']);
  using away = new TallyClient('east 1');
  using there = new TallyClient('east 2');
  const id = await bothPlay(cluster, { away, there });
  away.connection!.cut();
  t.is(await cluster.stop('east'), 0);
  await using directory = await openDirectory(cluster.directoryUrl, { facts: undefined });
  const member = (await directory.members()).find(({ name }) => name === cluster.name('east'));
  t.is(member?.state, 'fenced', 'its journal is handed in');
  away.connect(cluster.url('west'));
  await Promise.all([isPlaying(away), isPlaying(there)]);
  await Promise.all([settled(away), settled(there)]);
  t.is(away.id, id);
  t.deepEqual([away.tally, there.tally], [away.expected, there.expected]);
  t.is(there.connection!.closeCode, undefined, 'a client of the other gateway has kept its connection');
  t.is(await cluster.stop('west'), 0);
});

async function refuses(
  t: ExecutionContext,
  { cluster, flags }: { cluster: SessionCluster; flags: readonly string[] },
): Promise<void> {
  const west = cluster.name('west');
  const alone = await worldmesh(['drain', west, ...flags]);
  t.is(alone.code, 1);
  t.regex(alone.stderr, /ERR_DRAIN_ALONE/);
  const stranger = await worldmesh(['drain', 'nobody', ...flags]);
  t.is(stranger.code, 1);
  t.regex(stranger.stderr, /there is no node "nobody"; running: [a-z, ]+.*ERR_DRAIN_NODE/);
  const gone = await worldmesh(['drain', cluster.name('east'), ...flags]);
  t.is(gone.code, 1);
  t.regex(gone.stderr, /does not run/);
  const stays = await worldmesh(['drain', west, '--cancel', ...flags]);
  t.is(stays.code, 0);
  t.regex(stays.stdout, /was not draining/);
}

test.serial('the supervisor starts a drained node again if it was told to, and only then', async (t) => {
  t.timeout(TIMEOUT_MS);
  const folder = temporaryFolder();
  await using command = new RunningCommand(['cluster', '--nodes', '2', ...QUIET], { folder });
  await command.waitFor(/\{[^\n]*"msg":"cluster ready"\}/);
  const again = await worldmesh(['drain', 'a', '--restart'], { folder });
  t.is(again.code, 0, again.stderr);
  t.regex(again.stdout, /a has gone after [\d.]+ s; b has its journal, and a is back with a new one/);
  await command.waitFor(/a was drained; it starts again/);
  const once = await worldmesh(['drain', 'b'], { folder });
  t.is(once.code, 0, once.stderr);
  await command.waitFor(/b was drained; it is not started again/);
  const { stdout } = await worldmesh(['status', '--json'], { folder });
  const { nodes } = JSON.parse(stdout) as { nodes: { name: string; state: string }[] };
  t.deepEqual(
    nodes.map(({ name, state }) => [name, state]),
    [
      ['a', 'active'],
      ['b', 'gone'],
    ],
  );
});
