/** Gauges of the peer thread, brought up to date a few times a second (memory/peer-stats.ts). */
import type { BreakerState } from '../memory/peer-table.ts';
import { PEER_NODES } from '../memory/peer-table.ts';
import type { Store } from '../memory/store.ts';
import type { HandoverDescription } from './handover-describe.core.ts';
import type { BlockKeeper } from './block-keeper.ts';
import type { HandoverShell } from './handover-shell.ts';
import type { Journal } from './journal.ts';
import type { LinkStats } from './links.ts';
import type { Players } from './players.ts';
import type { NodeNumber } from './protocol.ts';

export interface PeerReportParts {
  readonly core: HandoverShell;
  readonly keeper: BlockKeeper;
  readonly links: readonly LinkStats[];
  readonly journal: Journal;
  readonly players: Players;
  readonly orphans: number;
  readonly isLeaseValid: boolean;
}

export function reportPeers({ peerStats, peerTable }: Store, parts: PeerReportParts): void {
  const { core, keeper, links, journal, players, orphans, isLeaseValid } = parts;
  const described = core.describe();
  const { releasing, released, removing, reclaiming } = described.outbox;
  peerStats.setGauge('nodesUp', links.length + 1);
  peerStats.setGauge(
    'linkQueueBytes',
    links.reduce((sum, link) => sum + link.queueBytes, 0),
  );
  peerStats.setGauge('handoversInFlight', releasing + released);
  peerStats.setGauge('handoversInDoubt', released);
  peerStats.setGauge('oldestInDoubtSeconds', described.oldestMs / 1000);
  peerStats.setGauge('inboxRows', described.inboxCount);
  peerStats.setGauge('outboxRows', releasing + released + removing + reclaiming);
  peerStats.setGauge('messagesWaiting', described.messageCount);
  const { blocked, oldestMs } = described.publications;
  peerStats.setGauge('publicationsBlocked', blocked);
  peerStats.setGauge('oldestPublicationSeconds', oldestMs === 0 ? 0 : Math.max(0, Date.now() - oldestMs) / 1000);
  peerStats.setGauge('breakersOpen', described.targets.filter(({ breaker }) => breaker !== 'closed').length);
  peerStats.setGauge('entitiesOwned', described.ownedCount);
  peerStats.setGauge('entitiesAtRest', players.restingCount);
  peerStats.setGauge('cellsOwned', keeper.cellsOwned);
  peerStats.setGauge('journalQueueRows', journal.backlog.batches);
  peerStats.setGauge('playersOrphaned', orphans);
  peerStats.setGauge('leaseValid', isLeaseValid ? 1 : 0);
  reportLinks(peerTable, links);
  reportBreakers(peerTable, described.targets);
}

function reportLinks(peerTable: Store['peerTable'], links: readonly LinkStats[]): void {
  const byNode = new Map(links.map((link) => [link.peer.node, link]));
  for (let node = 1; node < PEER_NODES; node++) {
    const { rttMs, queueBytes = 0 } = byNode.get(node) ?? {};
    const roundTripMicros = rttMs === undefined ? undefined : rttMs * 1000;
    peerTable.setLink(node, { roundTripMicros, queueBytes });
  }
}

/** A node may have had several ledgers: the one that is linked counts. */
function reportBreakers(peerTable: Store['peerTable'], targets: HandoverDescription['targets']): void {
  const ofNode = new Map<NodeNumber, BreakerState>();
  for (const { node, isUp, breaker } of targets) if (isUp || !ofNode.has(node)) ofNode.set(node, breaker);
  for (let node = 1; node < PEER_NODES; node++) peerTable.setBreaker(node, ofNode.get(node) ?? 'closed');
}
