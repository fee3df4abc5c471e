/** Direct mode, with real processes: a client follows its player to the owner's gateway, or stays in the tunnel when it cannot. */
import test from 'ava';
import { TallyClient } from '../../fixtures/tally-client.ts';
import { isPlaying, SessionCluster, settled, until } from './session-cluster.ts';

const TIMEOUT_MS = 240_000;
const SPEED = 12;

/** Joins in the west and walks over the border, until it is sent after its player. */
async function crossing(cluster: SessionCluster): Promise<TallyClient> {
  const client = new TallyClient('west 1', 'direct');
  client.connect(cluster.url('west'));
  await isPlaying(client);
  client.vx = SPEED;
  await until('it is sent east', () => client.connection!.starts.length > 0);
  client.vx = 0;
  return client;
}

test.serial('a client follows its player over a second connection, without a gap', async (t) => {
  t.timeout(TIMEOUT_MS);
  await using cluster = await SessionCluster.start();
  using client = await crossing(cluster);
  const { id } = client;
  const old = client.connection!;
  t.is(old.welcome?.mode, 'direct');
  t.deepEqual(old.welcome?.gateways, [cluster.url('east')]);
  const start = old.starts[0]!;
  t.is(start.url, cluster.url('east'));
  t.is(start.validMs, 30_000);
  const lastMs = old.lastSnapshotMs;
  const next = client.connect(start.url, start.token);
  await until('the first snapshot over there', () => next.snapshots > 0);
  t.log(`${Math.round(next.lastSnapshotMs - Math.max(lastMs, old.lastSnapshotMs))} ms between snapshots`);
  t.true(next.welcome?.resumed);
  // The old one is only closed by the client.
  t.is(old.closeCode, undefined);
  old.webSocket.close(1000);
  await isPlaying(client);
  await settled(client);
  t.is(client.id, id);
  t.deepEqual(client.tally, client.expected);
  t.is(next.handovers, 0);

  // The token has opened its connection: it opens no other, and no new session, either.
  using thief = new TallyClient('east 9');
  const theft = thief.connect(start.url, start.token);
  await until('the thief is answered', () => theft.closeCode !== undefined);
  t.is(theft.welcome, undefined);
  t.deepEqual(theft.errors, ['ERR_AUTH_TOKEN']);
  t.is(next.closeCode, undefined);
});

test.serial('who does not close the old connection is told that the session has moved', async (t) => {
  t.timeout(TIMEOUT_MS);
  await using cluster = await SessionCluster.start();
  using client = await crossing(cluster);
  const old = client.connection!;
  const start = old.starts[0]!;
  const next = client.connect(start.url, start.token);
  await until('it has moved', () => old.closeCode !== undefined);
  t.is(old.closeCode, 4009);
  t.deepEqual(old.errors, ['ERR_SESSION_MOVED']);
  await isPlaying(client);
  await settled(client);
  t.deepEqual(client.tally, client.expected);
  t.is(next.closeCode, undefined);
});

test.serial('a client that cannot go there stays in the tunnel, and goes on when the owner dies', async (t) => {
  t.timeout(TIMEOUT_MS);
  await using cluster = await SessionCluster.start();
  using client = await crossing(cluster);
  const { id } = client;
  const old = client.connection!;
  await isPlaying(client);
  await cluster.kill('east');
  const start = old.starts[0]!;
  const failed = client.connect(start.url, start.token);
  await until('nobody answers there', () => failed.closeCode !== undefined);
  await until('the player has its new owner', () => old.handovers > 1);
  await isPlaying(client);
  await settled(client);
  t.is(client.id, id);
  t.deepEqual(client.tally, client.expected);
  t.is(old.closeCode, undefined);
});

test.serial('a client that comes after its player has gone on is carried by the tunnel, or sent on', async (t) => {
  t.timeout(TIMEOUT_MS);
  await using cluster = await SessionCluster.start();
  using client = await crossing(cluster);
  const { id } = client;
  const old = client.connection!;
  const start = old.starts[0]!;
  client.vx = -SPEED;
  await until('it is back in the west', () => old.handovers > 1);
  client.vx = 0;
  const next = client.connect(start.url, start.token);
  await until('it is welcome in the east', () => next.welcome !== undefined);
  t.true(next.welcome?.resumed);
  await until('it is sent back to the west', () => next.starts.length > 0);
  const last = client.connect(next.starts[0]!.url, next.starts[0]!.token);
  await until('it is where its player is', () => last.snapshots > 0);
  await isPlaying(client);
  await settled(client);
  t.is(client.id, id);
  t.deepEqual(client.tally, client.expected);
});
