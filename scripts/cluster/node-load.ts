/** What a node is busy with, and which one most: whom to hurt. */
import { readStatus } from '../../src/main/audit/live-reader.ts';
import type { ProcessNode } from './process-node.ts';

/** Which of its two duties a node is killed for. */
export type Duty = 'gateway' | 'simulation';

export interface NodeLoad {
  readonly connections: number;
  readonly entities: number;
}

export async function loadOf(node: ProcessNode): Promise<NodeLoad> {
  try {
    const status = await readStatus(node.url);
    return { connections: Number(status['connections'] ?? 0), entities: Number(status['entities'] ?? 0) };
  } catch {
    // Too busy to answer: another one is chosen.
    return { connections: -1, entities: -1 };
  }
}

/** Who has most connections, or most entities. */
export async function busiestOf(
  nodes: readonly ProcessNode[],
  duty: Duty,
): Promise<{ readonly node: ProcessNode; readonly load: NodeLoad } | undefined> {
  const loads = await Promise.all(nodes.map(async (node) => ({ node, load: await loadOf(node) })));
  const of = ({ load }: (typeof loads)[number]): number => (duty === 'gateway' ? load.connections : load.entities);
  return loads.toSorted((left, right) => of(right) - of(left))[0];
}
