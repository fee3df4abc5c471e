/** The entity that is looked into, against real gateways; traces of several nodes as one. */
import test from 'ava';
import type { EntityId } from '../../src/base/brand.ts';
import { WireError } from '../../src/base/errors.ts';
import type { ClusterNode } from '../../src/net/settings.ts';
import { ClusterView } from '../../viewer/cluster-view.ts';
import { EntityWatch } from '../../viewer/entity-watch.ts';
import type { NodeViewListener } from '../../viewer/node-view.ts';
import { decodeText, type TraceMessage } from '../../viewer/overview-text.wire.ts';
import { gatewayUrl, overviewUrl } from '../../viewer/ownership.core.ts';
import { TraceBoard } from '../../viewer/trace-board.core.ts';
import { startRig, until } from '../net/fixture.ts';
import type { Rig } from '../net/fixture.ts';

const ID = (2 ** 32 + 5) as EntityId;

async function startNode(name: string, node: number): Promise<Rig> {
  const rig = await startRig({ cluster: { node: name } }, { cluster: { peerRingBytes: 65_536 } });
  rig.store.peerTable.setSelf(node);
  return rig;
}

function put(rig: Rig, slot: number, { x, seq, ghostOf }: { x: number; seq: number; ghostOf: number }): void {
  const { columns, idMap } = rig.store;
  columns.id[slot] = ID;
  columns.x[slot] = x;
  columns.ownershipSeq[slot] = seq;
  columns.ghostOf[slot] = ghostOf;
  idMap.set(ID, slot);
  rig.store.slotsHigh = Math.max(rig.store.slotsHigh, slot + 1);
}

test('an entity is found by its slot, and followed from owner to owner by its id', async (t) => {
  const [a, b] = await Promise.all([startNode('a', 1), startNode('b', 2)]);
  const nodes: ClusterNode[] = [a, b].map((rig, index) => {
    return { node: index + 1, name: 'ab'[index]!, clientUrl: rig.http, state: 'active', incarnation: 1 };
  });
  put(a, 3, { x: 10, seq: 4, ghostOf: 0 });
  put(b, 8, { x: 9, seq: 4, ghostOf: 1 });
  const traces: TraceMessage[] = [];
  const none = (): void => {};
  const listener: NodeViewListener = {
    onState: none,
    onWorld: none,
    onStats: none,
    onNodes: (view, message) => cluster.takeNodes(view, message.nodes),
    onEntity: (view, entity) => watch.take(view, entity, performance.now()),
    onTrace: (_view, trace) => traces.push(trace),
    onHandovers: none,
    onPeerHandovers: none,
    onMalformed: (reason) => t.fail(reason),
  };
  const cluster = new ClusterView({ origin: a.http.replace('http', 'ws'), pageHost: '127.0.0.1' }, listener);
  const watch = new EntityWatch(() => cluster.views);
  t.teardown(async () => {
    for (const view of cluster.views) view.close();
    await Promise.all([a.dispose(), b.dispose()]);
  });
  await Promise.all([a.gateway.setNodes(nodes), b.gateway.setNodes(nodes)]);
  await until(() => cluster.views.length === 2 && cluster.views.every(({ isLive }) => isLive), 'both nodes are seen');
  watch.watchSlot(cluster.viewOf(1)!, 3, performance.now());
  await until(() => watch.ghostNodes().length === 1, 'owner and ghost answer');
  t.is(watch.id, ID);
  t.like(watch.newest(), { view: { name: 'a' }, row: { slot: 3, seq: 4, x: 10, ghostOf: 0 } });
  t.deepEqual(watch.ghostNodes(), ['b']);
  // A handover: b owns it now, a has a ghost, and then nothing.
  put(b, 8, { x: 11, seq: 5, ghostOf: 0 });
  put(a, 3, { x: 10, seq: 4, ghostOf: 2 });
  await until(() => watch.newest()?.view.name === 'b', 'it is followed');
  t.like(watch.newest()!.row, { slot: 8, seq: 5, x: 11 });
  for (const rig of [a, b]) rig.store.columns.id.fill(0);
  await until(() => watch.newest() === undefined, 'it is gone');
  t.false(watch.isGone(performance.now()), 'for a moment it may be on its way');
  t.true(watch.isGone(performance.now() + 2000));
  t.true(cluster.viewOf(1)!.trace({ kind: 'entity', id: ID }));
  await until(() => traces.length === 1, 'a node without a journal answers, too');
  t.regex(traces[0]!.problem, /journal/);
});

test('what a node says of an entity or a trace is checked', (t) => {
  const entity = {
    type: 'entity',
    id: 7,
    isHere: true,
    slot: 1,
    x: 0,
    z: 1,
    components: { bag: { items: { count: 2, first: [1] } } },
  };
  t.like(decodeText(JSON.stringify(entity)), {
    id: 7,
    row: { slot: 1, seq: 0, components: { bag: { items: { count: 2 } } } },
  });
  t.like(decodeText('{"type":"entity","id":7,"isHere":false}'), { id: 7, row: undefined });
  for (const wrong of [
    { ...entity, id: null },
    { ...entity, x: 'left' },
    { ...entity, components: [] },
    { ...entity, components: { bag: 7 } },
    { ...entity, components: { bag: { items: [] } } },
    { type: 'trace', subject: { kind: 'entity' } },
    { type: 'trace', subject: { kind: 'entity', id: 7 }, lines: [7] },
    { type: 'trace', subject: { kind: 'entity', id: 7 }, lines: Array.from({ length: 1001 }, () => ({})) },
  ]) {
    t.throws(() => decodeText(JSON.stringify(wrong)), { instanceOf: WireError }, JSON.stringify(wrong).slice(0, 80));
  }
});

test('gateways and feeds are where the nodes say, as the page reaches them', (t) => {
  t.is(gatewayUrl('http://127.0.0.1:7778/x', 'example.org'), 'ws://example.org:7778');
  t.is(gatewayUrl('wss://play.example.org', 'example.org'), 'wss://play.example.org');
  t.is(gatewayUrl('', 'example.org'), undefined);
  t.is(gatewayUrl('ftp://a', 'example.org'), undefined);
  t.is(overviewUrl('http://10.0.0.7:7778', 'example.org'), 'ws://10.0.0.7:7778/overview');
});

test('a trace of several nodes is one, by sequence where clocks differ', (t) => {
  const board = new TraceBoard();
  const subject = { kind: 'entity', id: 77 } as const;
  const line = { entity: 77, session: 5, transferSeq: 1, peer: '' };
  const answer = { type: 'trace', subject, olderCount: 0, isCut: false, problem: '' } as const;
  board.begin(subject, ['a', 'b', 'c']);
  t.deepEqual(board.waiting, ['a', 'b', 'c']);
  t.true(
    board.take({
      ...answer,
      node: 'a',
      ledgers: ['aaaa0000'],
      lines: [
        { ...line, atMs: 9000, stage: 'joined', seq: 1 },
        { ...line, atMs: 9500, stage: 'source released', seq: 2, peer: 'bbbb0000' },
      ],
    }),
  );
  t.true(
    board.take({
      ...answer,
      node: 'b',
      ledgers: ['bbbb0000'],
      lines: [
        { ...line, atMs: 200, stage: 'target accepted', seq: 2, peer: 'aaaa' },
        { ...line, atMs: 300, stage: 'source released', seq: 3, peer: 'cccc000011112222' },
      ],
      olderCount: 4,
    }),
  );
  t.false(board.take({ ...answer, node: 'c', ledgers: [], lines: [], subject: { kind: 'entity', id: 78 } }));
  t.deepEqual(board.waiting, ['c']);
  t.deepEqual(
    board.lines().map(({ node, stage, other }) => `${node} ${stage} ${other}`.trim()),
    ['a joined', 'b target accepted a', 'a source released b', 'b source released cccc0000'],
  );
  t.deepEqual(board.problems, ['b: 4 older lines are not shown']);
  board.take({ ...answer, node: 'c', ledgers: [], lines: [], problem: 'no journal' });
  t.deepEqual(board.problems, ['b: 4 older lines are not shown', 'c: no journal']);
  board.clear();
  t.deepEqual([board.lines(), board.waiting, board.subject], [[], [], undefined]);
});
