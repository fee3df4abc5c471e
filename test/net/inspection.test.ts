import { readFile } from 'node:fs/promises';
import test from 'ava';
import type { SessionIndex } from '../../src/base/brand.ts';
import { PEER_STATE } from '../../src/memory/peer-table.ts';
import { mayInspect, readRow } from '../../src/net/inspection.ts';
import type { EntityRowView } from '../../src/net/inspection.ts';
import type { ClusterNode } from '../../src/net/settings.ts';
import { startRig, TestClient, until } from './fixture.ts';
import type { Rig } from './fixture.ts';

const NODES: ClusterNode[] = [
  { node: 1, name: 'a', clientUrl: 'http://127.0.0.1:1', state: 'active', incarnation: 1 },
  { node: 3, name: 'c', clientUrl: 'http://127.0.0.1:3', state: 'fenced', incarnation: 2 },
];

async function json(rig: Rig, path: string): Promise<Record<string, any>> {
  return (await (await fetch(rig.http + path)).json()) as Record<string, any>;
}

function fill(rig: Rig, count: number): void {
  const { columns } = rig.store;
  for (let slot = 0; slot < count; slot++) {
    columns.id[slot] = 2 ** 32 + 1 + slot;
    columns.ownershipSeq[slot] = slot % 5;
    columns.ghostOf[slot] = slot % 7 === 0 ? 3 : 0;
    columns.x[slot] = slot / 4;
    columns.z[slot] = -1;
  }
  columns.x[1] = Number.NaN;
  rig.store.slotsHigh = count;
}

test('/status of a node of a cluster has what docs/INSPECTION.md says', async (t) => {
  const rig = await startRig({ cluster: { node: 'a' } }, { cluster: { peerRingBytes: 65_536 } });
  t.teardown(() => rig.dispose());
  const { store, gateway } = rig;
  const { client, welcome } = await TestClient.join(rig.url);
  await until(() => rig.world.of('join', welcome.session).length === 1, 'the join');
  store.sessions.open({ sessionId: 5, gateway: 3 });
  store.peerTable.setSelf(1);
  store.peerTable.setState(3, PEER_STATE.down);
  store.peerTable.setCredits(3, 17);
  store.peerTable.setLink(3, { roundTripMicros: 420, queueBytes: 99 });
  store.peerTable.setBreaker(3, 'halfOpen');
  store.peerTable.setHandoverPercent(25);
  store.peerTable.setCellClosed(2, true);
  store.cellOwner[4] = 3;
  store.peerStats.setGauge('handoversInDoubt', 2);
  store.peerStats.add('handoversOut', 9);
  for (let count = 1; count <= 100; count++) store.peerStats.observe('total', count / 1000);
  await gateway.setNodes(NODES);
  const status = await json(rig, '/status');
  const document = await readFile(new URL('../../docs/INSPECTION.md', import.meta.url), 'utf8');
  const [, section = ''] = /## \/status([^]*?)\n## /.exec(document) ?? [];
  const documented = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  t.deepEqual(Object.keys(status), documented);
  t.like(status, { node: 'a', number: 1, incarnation: 1, isReady: true, isDraining: false, nodes: NODES });
  t.deepEqual(status['sessions'], { held: 1, here: 1, away: 0, remote: 1 });
  t.deepEqual(status['links'], [
    { node: 3, name: 'c', state: 'down', credits: 17, rttMs: 0.42, queueBytes: 99, breaker: 'halfOpen' },
  ]);
  const metrics = await (await fetch(`${rig.http}/metrics`)).text();
  t.regex(metrics, /^worldmesh_link_rtt_seconds\{node="3"\} 0\.00042$/m);
  t.regex(metrics, /^worldmesh_link_queue_bytes\{node="3"\} 99$/m);
  t.regex(metrics, /^worldmesh_handover_breaker_open\{node="3"\} 1$/m);
  store.peerTable.setLink(3, { roundTripMicros: undefined, queueBytes: 0 });
  t.like((await json(rig, '/status'))['links'][0], { rttMs: null, queueBytes: 0 });
  t.like(status['handovers'], { inDoubt: 2, percent: 25, cellsClosed: 1 });
  t.deepEqual(status['cells'], { owned: store.grid.cellCount - 1, all: store.grid.cellCount });
  t.is(status['counters'].handoversOut, 9);
  t.true(status['seconds'].total.p99 >= 0.09 && status['seconds'].total.p99 <= 0.12);
  t.is(status['settings'].tickHz, 20);
  store.sessions.setRoute(welcome.session as SessionIndex, 3);
  t.like((await json(rig, '/status'))['sessions'], { here: 0, away: 1 });
  store.stats.add(0, 'ticks', 100_000);
  await until(async () => (await json(rig, '/status'))['rates'].ticks > 0, 'a rate is measured');
  client.webSocket.terminate();
});

test('/entities has every row, one a line', async (t) => {
  const rig = await startRig({ cluster: { node: 'a' } }, { entitiesMax: 10_000, cluster: { peerRingBytes: 65_536 } });
  t.teardown(() => rig.dispose());
  fill(rig, 9000);
  rig.store.columns.id[77] = 0;
  const { store } = rig;
  const session = store.sessions.open({ sessionId: 2 ** 32 + 40 }) as SessionIndex;
  store.columns.session[2] = session + 1;
  store.sessions.setInputSequence(session, 812);
  const response = await fetch(`${rig.http}/entities`);
  const text = await response.text();
  t.is(text.trimEnd().split('\n').length, 8999 + 2);
  const answer = JSON.parse(text) as { entities: EntityRowView[]; node: string; incarnation: number };
  t.like(answer, { node: 'a', incarnation: 1 });
  t.is(answer.entities.length, 8999);
  t.deepEqual(answer.entities[2], {
    id: 2 ** 32 + 3,
    seq: 2,
    ghostOf: 0,
    session: 2 ** 32 + 40,
    lastInput: 812,
    x: 0.5,
    z: -1,
  });
  t.like(answer.entities[7], { ghostOf: 3, session: 0 });
  t.is(answer.entities[1]?.x, 0);
  t.is((await fetch(`${rig.http}/entities`, { method: 'HEAD' })).status, 200);
});

test('a store without entities, a node alone, and a reader that hangs up', async (t) => {
  const rig = await startRig({}, { entitiesMax: 60_000 });
  t.teardown(() => rig.dispose());
  t.deepEqual((await json(rig, '/entities'))['entities'], []);
  t.like(await json(rig, '/status'), { node: '', number: 0, links: [], nodes: [] });
  fill(rig, 60_000);
  const controller = new AbortController();
  const response = await fetch(`${rig.http}/entities`, { signal: controller.signal });
  await response.body?.getReader().read();
  controller.abort();
  t.is((await json(rig, '/entities'))['entities'].length, 60_000);
});

test('a row that changes while it is read is read again, or left out', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  fill(rig, 3);
  t.is(readRow(rig.store, 2)?.seq, 2);
  const { columns, sessions } = rig.store;
  const changing = {
    sessions,
    columns: {
      ...columns,
      id: columns.id,
      get ownershipSeq(): Uint32Array {
        columns.ownershipSeq[2]!++;
        return columns.ownershipSeq;
      },
    },
  };
  t.is(readRow(changing as never, 2), undefined);
});

test('only this machine may look, unless the node is inspectable', (t) => {
  const may = (remoteAddress: string | undefined, inspectable: boolean, headers = {}): boolean =>
    mayInspect({ settings: { inspectable } } as never, { socket: { remoteAddress }, headers } as never);
  for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) t.true(may(address, false), address);
  for (const address of ['10.0.0.7', '2001:db8::1', undefined]) t.false(may(address, false), address);
  t.true(may('10.0.0.7', true));
  // What a proxy on this machine passes on comes from elsewhere.
  for (const name of ['x-forwarded-for', 'forwarded']) t.false(may('127.0.0.1', false, { [name]: '127.0.0.1' }), name);
});
