/** Real processes are killed while players play: each goes on as the same entity, and each of its inputs acts once. */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { TallyClient } from '../../fixtures/tally-client.ts';
import type { TallyConnection } from '../../fixtures/tally-client.ts';
import { isPlaying, SessionCluster, settled, until } from './session-cluster.ts';
import type { Side } from './session-cluster.ts';

const TIMEOUT_MS = 240_000;

async function join(cluster: SessionCluster, name: string, gateway: Side): Promise<TallyClient> {
  const client = new TallyClient(name);
  client.connect(cluster.url(gateway));
  await isPlaying(client);
  return client;
}

/** Comes back with its token, until a gateway answers. */
async function comeBack(cluster: SessionCluster, client: TallyClient, gateway: Side): Promise<TallyConnection> {
  const connection = client.connect(cluster.url(gateway));
  await until('a welcome', () => connection.welcome !== undefined || connection.closeCode !== undefined);
  return connection;
}

async function goesOn(
  t: ExecutionContext,
  client: TallyClient,
  id: number,
  connection: TallyConnection,
): Promise<void> {
  t.true(connection.welcome?.resumed, connection.errors.join());
  await isPlaying(client);
  await settled(client);
  t.is(client.id, id);
  t.deepEqual(client.tally, client.expected);
}

test.serial('the gateway is killed: its client goes on at another one, with the owner that it has', async (t) => {
  t.timeout(TIMEOUT_MS);
  await using cluster = await SessionCluster.start();
  using client = await join(cluster, 'west 1', 'east');
  await until('west owns it', () => client.connection!.handovers > 0);
  await isPlaying(client);
  const { id } = client;
  await cluster.kill('east');
  const startMs = performance.now();
  const connection = await comeBack(cluster, client, 'west');
  t.log(`back after ${Math.round(performance.now() - startMs)} ms`);
  await goesOn(t, client, id, connection);
});

test.serial(
  'the owner is killed: a client whose line is cut meanwhile waits for whoever takes its place',
  async (t) => {
    t.timeout(TIMEOUT_MS);
    await using cluster = await SessionCluster.start();
    using client = await join(cluster, 'west 1', 'east');
    using other = await join(cluster, 'west 2', 'east');
    await until('west owns both', () => client.connection!.handovers > 0 && other.connection!.handovers > 0);
    await Promise.all([isPlaying(client), isPlaying(other)]);
    const ids = [client.id, other.id];
    await cluster.kill('west');
    client.connection!.cut();
    const startMs = performance.now();
    const connection = await comeBack(cluster, client, 'east');
    t.log(`back after ${Math.round(performance.now() - startMs)} ms`);
    await goesOn(t, client, ids[0]!, connection);
    // Whose line is whole notices nothing but a pause.
    await goesOn(t, other, ids[1]!, { ...other.connection!, welcome: { ...connection.welcome! } } as TallyConnection);
    t.is(other.connection!.closeCode, undefined);
  },
);

test.serial('gateway and owner are one, and killed: the neighbour has the player, and its client', async (t) => {
  t.timeout(TIMEOUT_MS);
  await using cluster = await SessionCluster.start();
  using client = await join(cluster, 'west 1', 'west');
  const { id } = client;
  await cluster.kill('west');
  const startMs = performance.now();
  const connection = await comeBack(cluster, client, 'east');
  t.log(`back after ${Math.round(performance.now() - startMs)} ms`);
  await goesOn(t, client, id, connection);
});

test.serial('all nodes are killed and started again: players are found where their journals are', async (t) => {
  t.timeout(TIMEOUT_MS);
  await using cluster = await SessionCluster.start();
  using near = await join(cluster, 'west 1', 'west');
  using far = await join(cluster, 'west 2', 'east');
  await until('west owns both', () => far.connection!.handovers > 0);
  await Promise.all([isPlaying(near), isPlaying(far)]);
  const ids = [near.id, far.id];
  await Promise.all([cluster.kill('west'), cluster.kill('east')]);
  await cluster.startBoth();
  const connections = [await comeBack(cluster, near, 'east'), await comeBack(cluster, far, 'west')];
  await goesOn(t, near, ids[0]!, connections[0]!);
  await goesOn(t, far, ids[1]!, connections[1]!);
});

test.serial('a token works once, a blip is short, and of two connections the newer wins', async (t) => {
  t.timeout(TIMEOUT_MS);
  await using cluster = await SessionCluster.start();
  using client = await join(cluster, 'west 1', 'west');
  const { id } = client;
  const stolen = client.resumeToken;
  const first = client.connection!;
  first.cut();
  const startMs = performance.now();
  const second = await comeBack(cluster, client, 'west');
  t.log(`a blip takes ${Math.round(performance.now() - startMs)} ms`);
  t.true(second.welcome?.resumed);
  await isPlaying(client);

  using thief = new TallyClient('east 9');
  const theft = thief.connect(cluster.url('east'), stolen);
  await until('the thief is answered', () => theft.welcome !== undefined);
  t.false(theft.welcome?.resumed);
  t.deepEqual(theft.errors, ['ERR_SESSION_EXPIRED']);
  await isPlaying(thief);
  t.not(thief.id, id);
  t.is(second.closeCode, undefined);

  const third = await comeBack(cluster, client, 'east');
  await until('the older connection is told', () => second.closeCode !== undefined);
  t.is(second.closeCode, 4006);
  t.deepEqual(second.errors, ['ERR_SESSION_REPLACED']);
  await goesOn(t, client, id, third);
});

test.serial('a token whose welcome was lost is still good, also elsewhere', async (t) => {
  t.timeout(TIMEOUT_MS);
  await using cluster = await SessionCluster.start();
  using client = await join(cluster, 'west 1', 'west');
  client.isPlaying = false;
  const { id, resumeToken } = client;
  client.connection!.cut();
  // Welcome, but never heard of.
  using deaf = new TallyClient('west 1');
  deaf.isPlaying = false;
  const lost = deaf.connect(cluster.url('east'), resumeToken);
  await until('a welcome that is lost', () => lost.welcome !== undefined);
  t.true(lost.welcome?.resumed);
  const connection = await comeBack(cluster, client, 'west');
  client.isPlaying = true;
  await goesOn(t, client, id, connection);
  // It was never heard: if it is there after all, it may come back.
  await until('the lost one is told', () => lost.closeCode === 1012);
});

test.serial('who does not come back leaves when the grace is over, also when the gateway is gone', async (t) => {
  t.timeout(TIMEOUT_MS);
  await using cluster = await SessionCluster.start(['--resume-grace-ms', '3000']);
  using client = await join(cluster, 'west 1', 'east');
  await until('west owns it', () => client.connection!.handovers > 0);
  await isPlaying(client);
  await cluster.kill('east');
  client.isPlaying = false;
  const startMs = performance.now();
  const entities = async () => (await cluster.status('west')).entities;
  t.is(await entities(), 1);
  await until('its player is gone', async () => (await entities()) === 0);
  t.true(performance.now() - startMs > 2000);
  const late = await comeBack(cluster, client, 'west');
  t.false(late.welcome?.resumed);
  t.deepEqual(late.errors, ['ERR_SESSION_EXPIRED']);
});
