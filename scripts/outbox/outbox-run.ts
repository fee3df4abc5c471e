/**
 * A cluster whose walkers publish while they cross borders; its sink goes down, nodes are killed meanwhile, one is taken over by a neighbour and
 * one comes back at once; then the sink is up again. In the end everything that the walkers' states count must have been delivered.
 *
 *   calm ──▶ sink down: closed, 503, silent, forgetful ──▶ up ──▶ started again, publishes no more ──▶ all delivered ──▶ judged
 *              └ a third in: a node is killed, its journal taken over      └ two thirds in: another is killed, and started again
 */
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { readFile as readSqlite, rowsOf } from '../../src/main/audit/sqlite-file.ts';
import { journalPlaces } from '../../src/main/audit/cluster-reader.ts';
import { ProcessCluster } from '../cluster/process-cluster.ts';
import { SinkServer } from './sink-server.ts';

const WORLD = fileURLToPath(new URL('publishing-world.ts', import.meta.url));
const QUIET_WORLD = fileURLToPath(new URL('quiet-world.ts', import.meta.url));
const NODES = 3;
const CALM_SECONDS = 3;
/** After the sink is up again, for publications of both kinds: those that waited, and new ones. */
const AFTER_SECONDS = 3;
/** Until everything is delivered. */
const SETTLE_MS_MAX = 120_000;
const POLL_MS = 200;

export interface OutboxRunOptions {
  /** How long the sink is down. */
  readonly seconds: number;
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface OutboxRunResult {
  readonly downSeconds: number;
  readonly entities: number;
  /** As the states of the walkers in the journals count it. */
  readonly published: number;
  readonly delivered: number;
  readonly lost: number;
  /** Of ids that had been delivered before, with the same content. */
  readonly repeats: number;
  readonly violations: readonly string[];
  /** Entities whose publications two nodes and more have delivered. */
  readonly entitiesOfSeveralNodes: number;
  readonly takeovers: number;
  readonly waitingMost: number;
  readonly caughtUpSeconds: number;
  readonly wrong: readonly string[];
}

export async function runOutbox({ seconds, onProgress, signal }: OutboxRunOptions): Promise<OutboxRunResult> {
  await using sink = await SinkServer.open();
  await using cluster = await ProcessCluster.start({
    nodes: NODES,
    takeoverAfterMs: 200,
    leaseMs: 2000,
    wanderersPerCell: 0,
    withDisk: false,
    withProxies: false,
    world: WORLD,
    settings: { 'outbox-sink': sink.url, 'outbox-timeout-ms': 1000 },
  });
  const wrong: string[] = [];
  await rest(CALM_SECONDS * 1000, signal);
  await untilTrue('the first publications are delivered', () => sink.count > 0);
  onProgress(`${sink.count} publications delivered; the sink goes down`);
  const { waitingMost, takeovers } = await whileDown({ cluster, sink, seconds, onProgress, signal });
  await sink.setMood('up');
  onProgress(`the sink is up again; ${waitingMost} publications waited at most`);
  const upMs = performance.now();
  await rest(AFTER_SECONDS * 1000, signal);
  await untilQuiet(cluster, QUIET_ROWS);
  const caughtUpSeconds = (performance.now() - upMs) / 1000;
  onProgress('caught up; the nodes are started again, and publish no more');
  await startQuiet(cluster);
  await untilQuiet(cluster, 0);
  for (const node of cluster.nodes) await node.stop();
  const published = publishedBy(cluster);
  const lost = lostOf(published, sink);
  const counts = [...published.values()].reduce((sum, count) => sum + count, 0);
  if (counts === 0) wrong.push('nothing was published');
  if (lost > 0) wrong.push(`${lost} publications are lost`);
  if (sink.count !== counts) wrong.push(`${counts} published, ${sink.count} delivered`);
  wrong.push(...sink.violations.slice(0, 10), ...wrongCounts(sink));
  for (const { ends } of cluster.nodes) wrong.push(...ends.map(({ name, code }) => `node ${name} ended with ${code}`));
  return {
    downSeconds: seconds,
    entities: published.size,
    published: counts,
    delivered: sink.count,
    lost,
    repeats: sink.repeats,
    violations: sink.violations,
    entitiesOfSeveralNodes: severalNodes(sink),
    takeovers,
    waitingMost,
    caughtUpSeconds,
    wrong,
  };
}

async function whileDown(run: {
  readonly cluster: ProcessCluster;
  readonly sink: SinkServer;
  readonly seconds: number;
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}): Promise<{ waitingMost: number; takeovers: number }> {
  const { cluster, sink, seconds, onProgress, signal } = run;
  const [a, b, c] = ['a', 'b', 'c'].map((name) => cluster.node(name)) as [Node, Node, Node];
  const thirdMs = (seconds * 1000) / 3;
  await sink.setMood('closed');
  await rest(thirdMs, signal);
  onProgress('node c is killed; a neighbour takes its journal over');
  await c.kill();
  await sink.setMood('unavailable');
  await rest(thirdMs, signal);
  const takeovers = (await metric(a, 'takeovers_total')) + (await metric(b, 'takeovers_total'));
  await sink.setMood('hangs');
  onProgress('node b is killed, and started again at once');
  await b.kill();
  await cluster.startAgain(b);
  await cluster.startAgain(c);
  await rest(thirdMs, signal);
  const waiting = await Promise.all(cluster.nodes.map((node) => metric(node, 'publications_waiting')));
  await sink.setMood('forgetful');
  const { count } = sink;
  await untilTrue('something is taken and not answered for', () => sink.count > count);
  return { waitingMost: waiting.reduce((sum, count) => sum + count, 0), takeovers };
}

type Node = ProcessCluster['nodes'][number];

async function rest(forMs: number, signal: AbortSignal): Promise<void> {
  await wait(forMs, undefined, { signal }).catch(() => {});
}

/** A node that publishes has some on their way at every moment. */
const QUIET_ROWS = 40;

async function untilQuiet(cluster: ProcessCluster, waitingMax: number): Promise<void> {
  await untilTrue('what waited is delivered', async () => {
    const waiting = await Promise.all(cluster.nodes.map((node) => metric(node, 'publications_waiting')));
    return waiting.every((count) => count <= waitingMax);
  });
}

/** One node after the other, so that the walkers stay where they are. */
async function startQuiet(cluster: ProcessCluster): Promise<void> {
  for (const node of cluster.nodes) await node.stop();
  for (const node of cluster.nodes) {
    node.useWorld(QUIET_WORLD);
    node.start();
  }
  for (const node of cluster.nodes) await cluster.startAgain(node);
}

async function untilTrue(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + SETTLE_MS_MAX;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${SETTLE_MS_MAX} ms: ${what}`);
    await wait(POLL_MS);
  }
}

/** @returns NaN for a node that does not answer, which is less than nothing and more than nothing. */
async function metric(node: Node, name: string): Promise<number> {
  try {
    const answer = await fetch(`http://127.0.0.1:${node.port}/metrics`, { signal: AbortSignal.timeout(2000) });
    const found = new RegExp(`^worldmesh_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(await answer.text());
    return Number(found?.[1] ?? 0);
  } catch {
    return Number.NaN;
  }
}

/** By entity, what its row in its owner's journal says that it has published. */
function publishedBy(cluster: ProcessCluster): Map<number, number> {
  const published = new Map<number, number>();
  for (const place of journalPlaces({ data: path.resolve(cluster.dataFolder) })) {
    readSqlite(place.file, (database) => {
      if (rowsOf(database, "SELECT 1 FROM meta WHERE key = 'taken_by'").length > 0) return;
      for (const { id, mark } of rowsOf<{ id: number; mark: Buffer }>(
        database,
        'SELECT id, published AS mark FROM entity WHERE published IS NOT NULL',
      )) {
        published.set(id, Math.max(published.get(id) ?? 0, Number(mark.readBigUInt64LE(16))));
      }
    });
  }
  return published;
}

function lostOf(published: ReadonlyMap<number, number>, sink: SinkServer): number {
  let lost = 0;
  for (const [entity, count] of published) {
    for (let number = 1; number <= count; number++) if (!sink.taken.get(entity)?.has(number)) lost++;
  }
  return lost;
}

/** The walker's own count is the number of the publication: state and publication were written together. */
function wrongCounts(sink: SinkServer): string[] {
  const wrong: string[] = [];
  for (const numbers of sink.taken.values()) {
    for (const { id, number, data } of numbers.values()) {
      if (data['count'] !== number) wrong.push(`${id} was published by a state that counts ${String(data['count'])}`);
    }
  }
  return wrong.slice(0, 10);
}

function severalNodes(sink: SinkServer): number {
  let entities = 0;
  for (const numbers of sink.taken.values()) {
    if (new Set([...numbers.values()].map(({ node }) => node)).size > 1) entities++;
  }
  return entities;
}
