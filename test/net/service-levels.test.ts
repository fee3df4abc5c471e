/** What the service levels of players are counted by: how sessions end, and how late snapshots are. */
import test from 'ava';
import { LATENESS_BOUNDS_SECONDS, SnapshotLateness } from '../../src/net/snapshot-lateness.ts';
import { startRig, TestClient, until } from './fixture.ts';
import type { Rig } from './fixture.ts';

async function metric(rig: Rig, name: string): Promise<number | undefined> {
  const text = await (await fetch(`${rig.http}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length));
}

const ended = (reason: string): string => `worldmesh_gateway_sessions_ended_total{reason="${reason}"}`;
const LATENESS = 'worldmesh_gateway_snapshot_lateness_seconds';

test('each session that ends is counted once, by its reason', async (t) => {
  const rig = await startRig({ resumeGraceMs: 50 });
  t.teardown(() => rig.dispose());
  const { client: polite } = await TestClient.join(rig.url);
  polite.send({ type: 'bye' });
  const { client: lost } = await TestClient.join(rig.url);
  lost.webSocket.terminate();
  await until(async () => (await rig.gateway.report()).sessions === 0, 'both sessions are over');
  rig.world.refusal = 'entities';
  const { client: refused } = await TestClient.join(rig.url);
  await refused.end();
  await until(async () => (await rig.gateway.report()).sessions === 0, 'the third, too');
  t.is(await metric(rig, ended('left')), 1);
  t.is(await metric(rig, ended('expired')), 1);
  t.is(await metric(rig, ended('refused')), 1);
  t.is(await metric(rig, ended('gone')), undefined);
});

test('a snapshot is late by what it comes after the period of the one before', async (t) => {
  const rig = await startRig({ tickHz: 20, snapshotHz: 20 });
  t.teardown(() => rig.dispose());
  const { client, welcome } = await TestClient.join(rig.url);
  rig.world.sendSnapshot(welcome.session, { tick: 1 });
  await client.next('snapshot');
  t.is(await metric(rig, `${LATENESS}_count`), 0, 'the first comes when it comes');
  rig.world.sendSnapshot(welcome.session, { tick: 2, keyframe: false });
  await client.next('snapshot');
  t.is(await metric(rig, `${LATENESS}_count`), 1);
  const before = performance.now();
  await until(() => performance.now() - before > 400, 'a gap');
  rig.world.sendSnapshot(welcome.session, { tick: 3, keyframe: false });
  await client.next('snapshot');
  t.is(await metric(rig, `${LATENESS}_count`), 2);
  const [upTo250, all] = [
    await metric(rig, `${LATENESS}_bucket{le="0.25"}`),
    await metric(rig, `${LATENESS}_bucket{le="+Inf"}`),
  ];
  t.true(upTo250! < all!, 'the last one was late by more than 250 ms');
  t.true((await metric(rig, `${LATENESS}_sum`))! > 0.3);
});

test('the histogram of lateness is cumulated, and a value on a bound is within it', (t) => {
  const lateness = new SnapshotLateness();
  for (const seconds of [0, 0.005, 0.0051, 0.1, 11]) lateness.observe(seconds);
  const counts = [...lateness.text().matchAll(/_bucket\{le="([^"]+)"\} (\d+)/g)].map(([, bound, count]) => [
    bound,
    Number(count),
  ]);
  t.is(counts.length, LATENESS_BOUNDS_SECONDS.length + 1);
  const at = Object.fromEntries(counts) as Record<string, number>;
  t.deepEqual([at['0.005'], at['0.01'], at['0.05'], at['0.1'], at['10'], at['+Inf']], [2, 3, 3, 4, 4, 5]);
  t.true(lateness.text().includes(`${LATENESS}_count 5`));
});
