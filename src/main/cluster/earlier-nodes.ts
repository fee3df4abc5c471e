/**
 * Nodes of an earlier run on the same data. When a supervisor was killed its nodes stop by themselves, within moments: the next
 * one waits for that instead of failing at their ports and journals. If they go on running, a cluster runs here already.
 */
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isAlive, lockHolder } from '../../peer/ledger-lock.ts';
import { NodeError } from '../node-error.ts';

/** Longer than a node needs to stop cleanly. */
export const EARLIER_NODES_MS = 10_000;
const LOOK_MS = 50;

export interface EarlierNodesOptions {
  /** Of the cluster; the folder of a node lies in it under its name. */
  readonly folder: string;
  readonly nodes: readonly string[];
  /** Called once, if there is something to wait for. */
  readonly onWait: (nodes: readonly string[]) => void;
  readonly waitMs?: number;
}

/** @throws NodeError ERR_NODE_CLUSTER_RUNS when they are still there after waitMs. */
export async function waitForEarlierNodes(options: EarlierNodesOptions): Promise<void> {
  const { folder, nodes, onWait, waitMs = EARLIER_NODES_MS } = options;
  const running = (): string[] => nodes.filter((name) => isAlive(path.join(folder, name)));
  let left = running();
  if (left.length === 0) return;
  onWait(left);
  const deadlineMs = performance.now() + waitMs;
  while (left.length > 0 && performance.now() < deadlineMs) {
    await setTimeout(LOOK_MS);
    left = running();
  }
  if (left.length === 0) return;
  const processes = left.map((name) => `${name} (process ${lockHolder(path.join(folder, name))?.pid ?? 'unknown'})`);
  throw new NodeError(
    'ERR_NODE_CLUSTER_RUNS',
    `a cluster runs in ${folder} already: ${processes.join(', ')}; stop it, or choose another --data-dir`,
  );
}
