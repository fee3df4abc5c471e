/** The page's picture of a cluster, against real gateways. */
import test from 'ava';
import type { ClusterNode } from '../../src/net/settings.ts';
import { startRig, until } from '../net/fixture.ts';
import type { Rig } from '../net/fixture.ts';
import { ClusterView } from '../../viewer/cluster-view.ts';
import type { NodeViewListener } from '../../viewer/node-view.ts';
import { DOWN_COLOUR } from '../../viewer/palette.ts';
import { PeerTraffic } from '../../viewer/peer-traffic.ts';
import type { InDoubt } from '../../viewer/peer-traffic.ts';

interface Picture extends NodeViewListener {
  readonly cluster: ClusterView;
  readonly traffic: PeerTraffic;
  readonly flashes: number[];
  inDoubt: readonly InDoubt[];
  readonly malformed: string[];
  close(): void;
}

function makePicture(rig: Rig): Picture {
  const flashes: number[] = [];
  const malformed: string[] = [];
  const listener: NodeViewListener = {
    onState: (view) => {
      if (!view.isLive) picture.traffic.forget(view);
    },
    onWorld: () => {},
    onStats: () => {},
    onNodes: (view, { nodes }) => picture.cluster.takeNodes(view, nodes),
    onEntity: () => {},
    onTrace: () => {},
    onHandovers: () => {},
    onPeerHandovers: (view, frame, shownMs) => picture.traffic.take(view, frame, shownMs),
    onMalformed: (reason) => malformed.push(reason),
  };
  const cluster = new ClusterView({ origin: rig.http.replace('http', 'ws'), pageHost: '127.0.0.1' }, listener);
  const scene = {
    flashPeerHandover: (_place: unknown, { colour }: { colour: number }) => flashes.push(colour),
    setInDoubt: (all: readonly InDoubt[]) => (picture.inDoubt = all),
  };
  const picture: Picture = {
    ...listener,
    cluster,
    traffic: new PeerTraffic(cluster, scene),
    flashes,
    malformed,
    inDoubt: [],
    close: () => cluster.views.forEach((view) => view.close()),
  };
  return picture;
}

async function startNode(name: string, node: number): Promise<Rig> {
  const rig = await startRig({ cluster: { node: name } }, { cluster: { peerRingBytes: 65_536 } });
  rig.store.peerTable.setSelf(node);
  return rig;
}

/** An entity with a row, owned here or a ghost. */
function place(rig: Rig, slot: number, { x, ghostOf }: { x: number; ghostOf: number }): number {
  const { store } = rig;
  const id = 2 ** 32 * 5 + 1 + slot;
  store.columns.id[slot] = id;
  store.columns.x[slot] = x;
  store.columns.ghostOf[slot] = ghostOf;
  store.idMap.set(id as never, slot);
  store.slotsHigh = Math.max(store.slotsHigh, slot + 1);
  return id;
}

test('two nodes are one world; one dies, and its cells are taken over', async (t) => {
  const a = await startNode('a', 1);
  const b = await startNode('b', 2);
  t.teardown(() => Promise.all([a.dispose(), b.dispose()]));
  const half = a.store.grid.cellCount / 2;
  a.store.cellOwner.fill(2, half);
  b.store.cellOwner.fill(1, 0, half);
  const going = place(a, 0, { x: 5, ghostOf: 0 });
  const gone = place(a, 1, { x: 6, ghostOf: 2 });
  place(a, 2, { x: 7, ghostOf: 2 });
  const came = place(b, 0, { x: 6, ghostOf: 0 });
  place(b, 1, { x: 9, ghostOf: 0 });
  const nodes: ClusterNode[] = [
    { node: 2, name: 'b', clientUrl: b.http, state: 'active', incarnation: 2 },
    { node: 1, name: 'a', clientUrl: a.http, state: 'active', incarnation: 1 },
  ];
  a.store.peerLog.write('released', gone, 2);
  const picture = makePicture(a);
  t.teardown(() => picture.close());
  const { cluster, traffic } = picture;
  await until(() => cluster.home.cluster !== undefined, 'the first node tells of itself');
  t.false(cluster.isCluster);
  t.deepEqual(cluster.rows(), []);
  await Promise.all([a, b].map(({ gateway }) => gateway.setNodes(nodes)));
  await until(() => cluster.views.length === 2 && cluster.views.every(({ stats }) => stats !== undefined), 'both tell');
  const counts = () => cluster.views.map((view) => (view.play(performance.now()), view.crowd.count));
  await until(() => counts().join() === '1,2', 'each shows what it owns');
  const territory = () => cluster.territory(cluster.home.stats!);
  const [colourA, colourB] = [cluster.colourOf(1), cluster.colourOf(2)];
  t.not(colourA, colourB);
  await until(
    () => territory().colours?.at(-1) === colourB && territory().colours?.[0] === colourA,
    'colours by owner',
  );
  t.deepEqual(
    cluster.rows().map(({ name, isUp, isHome, cells }) => [name, isUp, isHome, cells]),
    [
      ['a', true, true, half],
      ['b', true, false, half],
    ],
  );
  // In doubt until it is told how it ended.
  a.store.peerStats.setGauge('handoversInDoubt', 1);
  a.store.peerLog.write('released', gone, 2);
  await until(() => traffic.inDoubtCount === 1, 'one is in doubt');
  t.is(picture.inDoubt[0]?.x, 6);
  a.store.peerLog.write('handedOver', gone, 2);
  b.store.peerLog.write('arrived', came, 1);
  a.store.peerStats.setGauge('handoversInDoubt', 0);
  await until(() => traffic.inDoubtCount === 0 && traffic.handovers === 1, 'it arrived');
  t.deepEqual(picture.flashes, [colourB]);
  a.store.peerLog.write('reclaimed', going, 2);
  await until(() => traffic.cameBack === 1, 'one came back');
  // The page came from a; b dies, and a takes over.
  await b.gateway.stop({ drainMs: 0 });
  await until(() => cluster.rows()[1]?.isUp === false, 'b is down');
  t.is(territory().colours?.at(-1), DOWN_COLOUR);
  t.is(cluster.state.name, 'live');
  a.store.cellOwner.fill(0);
  await until(() => territory().colours?.at(-1) === colourA, 'its cells are a’s');
  t.like(cluster.rows()[1], { isUp: false, cells: 0, entities: 0 });
  await a.gateway.setNodes(nodes.map((node) => (node.name === 'b' ? { ...node, state: 'gone' } : node)));
  await until(() => cluster.rows().length === 1, 'b has left');
  t.deepEqual(picture.malformed, []);
});

test('the page goes on without the node that it came from', async (t) => {
  const a = await startNode('a', 1);
  const b = await startNode('b', 2);
  t.teardown(() => Promise.all([a.dispose(), b.dispose()]));
  const nodes: ClusterNode[] = [
    { node: 1, name: 'a', clientUrl: a.http, state: 'active', incarnation: 1 },
    { node: 2, name: 'b', clientUrl: b.http, state: 'active', incarnation: 2 },
  ];
  await Promise.all([a, b].map(({ gateway }) => gateway.setNodes(nodes)));
  const picture = makePicture(a);
  t.teardown(() => picture.close());
  const { cluster } = picture;
  await until(() => cluster.views.length === 2 && cluster.views.every(({ isLive }) => isLive), 'both are live');
  await a.gateway.stop({ drainMs: 0 });
  await until(() => !cluster.home.isLive, 'a is down');
  t.is(cluster.state.name, 'live');
  await b.gateway.setNodes(nodes.map((node) => (node.name === 'a' ? { ...node, state: 'fenced' } : node)));
  await until(() => cluster.rows()[0]?.isUp === false, 'b says that a is gone');
  t.true(cluster.rows()[1]?.isUp);
  // A node that starts again may listen elsewhere.
  const moved = await startNode('b', 2);
  t.teardown(() => moved.dispose());
  await b.gateway.setNodes(nodes.map((node) => (node.name === 'b' ? { ...node, clientUrl: moved.http } : node)));
  await until(
    () => cluster.views[1]?.url.includes(String(moved.port)) === true && cluster.views[1].isLive,
    'b is found',
  );
});
