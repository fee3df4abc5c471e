/** What is done to the cluster. Every fault undoes itself: when `inject` resolves, all nodes run and all links are whole. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Random } from '../../src/base/random.ts';
import { readStatus } from '../../src/main/audit/live-reader.ts';
import { CRASH_POINTS } from '../../src/peer/crash-point.ts';
import type { ProcessCluster } from '../cluster/process-cluster.ts';
import type { ProcessNode } from '../cluster/process-node.ts';

export const FAULTS = [
  'kill and restart',
  'kill and takeover',
  'kill at a named point',
  'kill two',
  'pause',
  'pause past the lease',
  'cut both ways',
  'cut one way',
  'reset links',
  'delay links',
  'corrupt bytes',
  'full disk',
] as const;
export type Fault = (typeof FAULTS)[number];

export interface FaultContext {
  readonly cluster: ProcessCluster;
  readonly random: Random;
  readonly takeoverAfterMs: number;
  readonly leaseMs: number;
}

/** How long a process may take to reach the point at which it dies. */
const POINT_MS_MAX = 8000;
const READY_MS_MAX = 30_000;

/** Does it and gives in a few words what was done. */
export async function inject(fault: Fault, context: FaultContext): Promise<string> {
  const { cluster, random, takeoverAfterMs, leaseMs } = context;
  const node = anyOf(cluster.nodes, random);
  switch (fault) {
    case 'kill and restart':
      await node.kill();
      await cluster.startAgain(node);
      return `${node.name}, process ${node.pid} now`;
    case 'kill and takeover':
      await node.kill();
      await wait(takeoverAfterMs + random.between(1000, 3000));
      await cluster.startAgain(node);
      return node.name;
    case 'kill at a named point':
      return await killAtPoint(node, context);
    case 'kill two': {
      const other = otherThan(node, context);
      await Promise.all([node.kill(), wait(random.between(0, 50)).then(() => other.kill())]);
      await wait(random.between(0, 1000));
      await Promise.all([cluster.startAgain(node), cluster.startAgain(other)]);
      return `${node.name} and ${other.name}`;
    }
    case 'pause':
      return await pause(node, { cluster, durationMs: random.between(100, 900) });
    case 'pause past the lease':
      return await pause(node, { cluster, durationMs: random.between(1.2 * leaseMs, 5000) });
    case 'cut both ways':
    case 'cut one way':
    case 'reset links':
    case 'delay links':
    case 'corrupt bytes':
      return await disturbLink(fault, { context, node });
    case 'full disk':
      return await fillDisk(context);
  }
}

async function killAtPoint(node: ProcessNode, { cluster, random }: FaultContext): Promise<string> {
  const point = anyOf(CRASH_POINTS, random);
  const count = 1 + random.below(4);
  await node.kill();
  node.start({ WORLDMESH_CRASH_POINT: `${point}:${count}` });
  node.expectEnd();
  await node.ready(READY_MS_MAX);
  const isReached = await node.ended(POINT_MS_MAX);
  if (!isReached) await node.kill();
  await cluster.startAgain(node);
  return `${node.name} at ${point}:${count}${isReached ? '' : ' (not reached)'}`;
}

/** A node that was fenced meanwhile must find it out before it acts, and ends. */
async function pause(
  node: ProcessNode,
  { cluster, durationMs }: { cluster: ProcessCluster; durationMs: number },
): Promise<string> {
  node.expectEnd();
  node.pause();
  await wait(durationMs);
  node.resume();
  const isFenced = await node.ended(1500);
  await cluster.startAgain(node);
  return `${node.name} for ${Math.round(durationMs)} ms${isFenced ? ', fenced' : ''}`;
}

async function disturbLink(
  fault: Fault,
  { context, node }: { context: FaultContext; node: ProcessNode },
): Promise<string> {
  const { cluster, random } = context;
  const other = otherThan(node, context);
  const proxies = cluster.between(node.name, other.name);
  const durationMs = random.between(200, 4000);
  for (const proxy of proxies) {
    if (fault === 'cut both ways') proxy.cut();
    else if (fault === 'cut one way') proxy.cut('forward');
    else if (fault === 'reset links') proxy.reset();
    else if (fault === 'delay links') proxy.delay(random.between(20, 400));
    else for (const direction of ['forward', 'backward'] as const) proxy.corruptNext(direction, random.below(64));
  }
  if (fault === 'reset links') return `${node.name}–${other.name}`;
  await wait(durationMs);
  for (const proxy of proxies) {
    proxy.heal();
    proxy.delay(0);
  }
  return `${node.name}–${other.name} for ${Math.round(durationMs)} ms`;
}

async function fillDisk({ cluster, random }: FaultContext): Promise<string> {
  const { diskNode } = cluster;
  if (diskNode === undefined) return 'no disk of its own';
  const node = cluster.node(diskNode);
  node.expectEnd();
  const empty = cluster.fillDisk();
  await wait(random.between(1000, 4000));
  empty();
  const hasStopped = !node.isRunning;
  // What its journal did not take is not acknowledged to anybody; the error says: make room, then start the node again.
  const hasFailed = !hasStopped && (await hasJournalFailed(node));
  if (hasFailed) await node.stop();
  await cluster.startAgain(node);
  return `${node.name}${hasStopped ? ', stopped by itself' : hasFailed ? ', its journal failed' : ''}`;
}

async function hasJournalFailed(node: ProcessNode): Promise<boolean> {
  try {
    const status = await readStatus(node.url);
    return (status['gauges'] as Readonly<Record<string, number>> | undefined)?.['journalFailed'] === 1;
  } catch {
    // It does not answer either.
    return true;
  }
}

function otherThan(node: ProcessNode, { cluster, random }: FaultContext): ProcessNode {
  return anyOf(
    cluster.nodes.filter((candidate) => candidate !== node),
    random,
  );
}

function anyOf<Value>(values: readonly Value[], random: Random): Value {
  const value = values[random.below(values.length)];
  if (value === undefined) throw new RangeError('nothing to choose from');
  return value;
}
