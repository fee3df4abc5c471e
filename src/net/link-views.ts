/** The links of a node to the others, as people are told of them. */
import { PEER_NODES, PEER_STATE } from '../memory/peer-table.ts';
import type { Store } from '../memory/store.ts';
import type { ClusterNode } from './settings.ts';

const PEER_STATE_NAMES = Object.keys(PEER_STATE) as (keyof typeof PEER_STATE)[];

export interface LinkView {
  /** NodeNumber of the other side. */
  readonly node: number;
  readonly name: string;
  readonly state: string | undefined;
  readonly credits: number;
  /** Null when it is not measured. */
  readonly rttMs: number | null;
  readonly queueBytes: number;
  readonly breaker: string;
}

export function linkViews({ peerTable }: Store, nodes: readonly ClusterNode[]): LinkView[] {
  const links: LinkView[] = [];
  for (let node = 1; node < PEER_NODES; node++) {
    const state = peerTable.state(node);
    if (state === PEER_STATE.unknown) continue;
    const roundTripMicros = peerTable.roundTripMicros(node);
    links.push({
      node,
      name: nodes.find((known) => known.node === node)?.name ?? '',
      state: PEER_STATE_NAMES[state],
      credits: peerTable.credits(node),
      rttMs: roundTripMicros === undefined ? null : roundTripMicros / 1000,
      queueBytes: peerTable.queueBytes(node),
      breaker: peerTable.breaker(node),
    });
  }
  return links;
}
