import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { WebSocket } from 'ws';
import type { ClientOptions } from 'ws';
import type { EntityId } from '../../src/base/brand.ts';
import { TICK_FIELDS } from '../../src/memory/stats.ts';
import { FixtureJournal, ledgerOf } from '../main/audit/cluster-files.ts';
import { startRig, until } from './fixture.ts';
import type { Rig } from './fixture.ts';

interface Feed {
  readonly webSocket: WebSocket;
  readonly texts: Record<string, any>[];
  readonly frames: Buffer[];
  code: number | undefined;
}

async function watch(rig: Rig, options: ClientOptions = {}): Promise<Feed> {
  const webSocket = new WebSocket(rig.url.replace('/connect', '/overview'), options);
  const feed: Feed = { webSocket, texts: [], frames: [], code: undefined };
  webSocket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) feed.frames.push(Buffer.from(data));
    else feed.texts.push(JSON.parse(data.toString()) as Record<string, unknown>);
  });
  webSocket.on('close', (code) => {
    feed.code = code;
  });
  webSocket.on('error', () => {});
  await until(() => webSocket.readyState !== WebSocket.CONNECTING, 'the feed opens');
  return feed;
}

/** Puts entities on a line, slot n at x = n. */
function populate(rig: Rig, count: number): void {
  const { columns } = rig.store;
  for (let slot = 0; slot < count; slot++) {
    columns.id[slot] = slot % 5 === 4 ? 0 : 1000 + slot;
    columns.x[slot] = slot;
    columns.z[slot] = -slot / 2;
  }
  rig.store.slotsHigh = count;
}

function ofType(feed: Feed, type: number): Buffer[] {
  return feed.frames.filter((frame) => frame.readUInt32LE(0) === type);
}

test('a viewer is told the world, then its entities, handovers and statistics', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  populate(rig, 10);
  rig.store.control.setTick(7);
  const feed = await watch(rig);
  await until(() => feed.texts.length >= 2 && feed.frames.length >= 2, 'the first frames arrive');
  t.like(feed.texts[0], { type: 'world', name: 'harbour', tickHz: 20, aoiRadius: 128, settings: { tickHz: 20 } });
  t.like(feed.texts[0]!['grid'], { width: 8, depth: 6, firstCellX: -4, firstCellZ: -3 });
  const frame = feed.frames[0]!;
  t.deepEqual(
    [0, 4, 8, 12].map((at) => frame.readUInt32LE(at)),
    [1, 7, 8, 8],
  );
  t.is(frame.length, 16 + 8 * 12);
  t.is(frame.readFloatLE(16 + 4 * 4), 5);
  t.is(frame.readFloatLE(16 + 8 * 4 + 4 * 4), -2.5);
  t.is(frame.readUInt32LE(16 + 8 * 8 + 4 * 4), 5);

  rig.store.handoverLog.write(128, 3, 11, 12);
  await until(() => ofType(feed, 2).length > 0, 'a handover is shown');
  const handover = ofType(feed, 2)[0]!;
  t.deepEqual([handover.readUInt32LE(8), handover.readFloatLE(16), handover.readFloatLE(20)], [1, 128, 3]);
  t.deepEqual([handover.readUInt32LE(24), handover.readUInt32LE(28)], [11, 12]);

  rig.store.stats.recordTick(
    8,
    Float64Array.from(TICK_FIELDS, (_, index) => index),
  );
  rig.store.control.setTick(8);
  await rig.gateway.setPausedCells([{ cell: 3, system: 'wander', entity: 5, message: 'boom' }]);
  const stats = () => feed.texts.find((text) => text['pausedCells']?.length === 1);
  await until(() => stats() !== undefined, 'the paused cell is shown');
  await until(() => feed.texts.some((text) => text['ticks']?.length === 1), 'the tick is shown');
  t.like(stats(), { type: 'stats', tick: 8, pausedCells: [{ cell: 3, message: 'boom' }] });
  t.is(stats()!['cells'].length, 48);
  t.like(stats()!['gateway'], { clients: 0, sessions: 0 });
});

test('a viewport limits the place and the number', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  populate(rig, 400);
  const feed = await watch(rig);
  feed.webSocket.send('{"type":"viewport","minX":100,"maxX":199,"minZ":-1000,"maxZ":0,"entitiesMax":20}');
  const counts = () => ofType(feed, 1).map((frame) => [frame.readUInt32LE(8), frame.readUInt32LE(12)]);
  await until(() => counts().some(([, total]) => total === 80), 'the viewport is obeyed');
  const [count] = counts().find(([, total]) => total === 80)!;
  t.true(count! > 0 && count! <= 20, `${count}`);
  feed.webSocket.send('{"type":"viewport","minX":100,"maxX":199,"minZ":-1000,"maxZ":0,"entitiesMax":1e9}');
  await until(() => counts().some(([sent, total]) => sent === 80 && total === 80), 'all are sent');
  t.pass();
});

test('a viewer that says nonsense, too much or nothing is closed', async (t) => {
  const rig = await startRig({ idleTimeoutMs: 1000, viewersMax: 3 });
  t.teardown(() => rig.dispose());
  const end = async (feed: Feed) => {
    await until(() => feed.code !== undefined, 'the feed closes');
    return feed.code;
  };
  for (const text of ['{', 'null', '{"type":"viewport"}', '{"type":"viewport","minX":1e999}']) {
    const feed = await watch(rig);
    feed.webSocket.send(text);
    t.is(await end(feed), 4000, text);
  }
  const loud = await watch(rig);
  for (let pings = 0; pings < 100; pings++) loud.webSocket.ping();
  t.is(await end(loud), 4004);
  const deaf = await watch(rig, { autoPong: false });
  const alive = await watch(rig);
  t.is(await end(deaf), 1006);
  t.is(alive.code, undefined);
  const rest = await Promise.all([watch(rig), watch(rig), watch(rig)]);
  await until(() => rest.some(({ code }) => code === 4007), 'one is too many');
  await rig.gateway.stop({ drainMs: 300 });
  await until(() => alive.code !== undefined, 'the feed closes');
  t.is(alive.code, 1012);
});

test('a viewer that does not keep up misses frames', async (t) => {
  const rig = await startRig({}, { entitiesMax: 60_000 });
  t.teardown(() => rig.dispose());
  populate(rig, 60_000);
  rig.store.columns.x.fill(0);
  rig.store.columns.z.fill(0);
  const slow = await watch(rig);
  slow.webSocket.pause();
  await until(async () => (await rig.gateway.report()).overviewFramesSkipped > 2, 'frames are skipped');
  t.true((await rig.gateway.report()).overviewFrames > 0);
});

test('with the viewer off there is no feed', async (t) => {
  const rig = await startRig({ viewer: false });
  t.teardown(() => rig.dispose());
  const feed = await watch(rig);
  await until(() => feed.code !== undefined, 'it closes');
  t.is(feed.code, 1006);
  t.is((await fetch(`${rig.http}/`)).status, 404);
});

test('an entity is shown live, found by its slot and followed by its id, until it is gone', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  populate(rig, 3);
  const { columns, idMap } = rig.store;
  idMap.set(1001 as EntityId, 1);
  const feed = await watch(rig);
  const shown = () => feed.texts.filter(({ type }) => type === 'entity');
  feed.webSocket.send('{"type":"inspect","slot":1}');
  await until(() => shown().length > 0, 'it is shown');
  t.like(shown()[0], { id: 1001, isHere: true, slot: 1, x: 1, z: -0.5, components: { look: { name: '' } } });
  const before = feed.frames.length;
  await until(() => feed.frames.length > before + 3, 'frames go on');
  t.is(shown().length, 1, 'what has not changed is not said again');
  columns.vx[1] = 3;
  await until(() => shown().at(-1)!['vx'] === 3, 'a change is shown');
  columns.id[1] = 2001;
  await until(() => shown().at(-1)!['isHere'] === false, "its slot is somebody else's");
  t.is(shown().at(-1)!['id'], 1001);
  feed.webSocket.send('{"type":"inspect"}');
  feed.webSocket.send('{"type":"inspect","slot":99}');
  const count = shown().length;
  columns.id[1] = 1001;
  const after = feed.frames.length;
  await until(() => feed.frames.length > after + 3, 'frames go on');
  t.is(shown().length, count, 'nobody is looked into any more');
});

test('a trace is read from the journal by a thread of its own; a node alone has none', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-overview-'));
  const journal = new FixtureJournal(folder, { name: 'a', ledger: ledgerOf('a') });
  journal.trace('birth', { id: 77, seq: 1, session: 5, atMs: 1000 });
  journal.trace('source released', { id: 77, seq: 2, session: 5, peer: ledgerOf('b'), transferSeq: 3, atMs: 1500 });
  const readerUrl = new URL('../../src/main/audit/trace.worker.ts', import.meta.url).href;
  const cluster = { node: 'a', journal: { folder: path.join(folder, 'a'), readerUrl } };
  const rig = await startRig({ cluster }, { cluster: { peerRingBytes: 65_536 } });
  const alone = await startRig();
  t.teardown(async () => {
    await rig.dispose();
    await alone.dispose();
    journal[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });
  const feed = await watch(rig);
  const traces = () => feed.texts.filter(({ type }) => type === 'trace');
  feed.webSocket.send('{"type":"trace","entity":77}');
  await until(() => traces().length === 1, 'the trace is read');
  t.like(traces()[0], { node: 'a', subject: { kind: 'entity', id: 77 }, olderCount: 0, isCut: false, problem: '' });
  t.deepEqual(
    traces()[0]!['lines'].map(({ stage }: { stage: string }) => stage),
    ['birth', 'source released'],
  );
  feed.webSocket.send('{"type":"trace","session":6}');
  await until(() => traces().length === 2, 'the other trace is read');
  t.deepEqual(traces()[1]!['lines'], []);
  for (let count = 0; count < 4; count++) feed.webSocket.send('{"type":"trace","entity":77}');
  await until(() => traces().length === 6, 'every question is answered');
  t.true(traces().some(({ problem }) => /ask again/.test(problem)));
  const other = await watch(alone);
  other.webSocket.send('{"type":"trace","entity":77}');
  await until(() => other.texts.some(({ type }) => type === 'trace'), 'the node alone answers');
  t.regex(other.texts.find(({ type }) => type === 'trace')!['problem'], /no journal/);
});
