/** Gauges of the peer thread, brought up to date a few times a second (memory/peer-stats.ts). */
import type { Store } from '../memory/store.ts';
import type { BlockKeeper } from './block-keeper.ts';
import type { HandoverShell } from './handover-shell.ts';
import type { Journal } from './journal.ts';
import type { LinkStats } from './links.ts';
import type { Players } from './players.ts';

export interface PeerReportParts {
  readonly core: HandoverShell;
  readonly keeper: BlockKeeper;
  readonly links: readonly LinkStats[];
  readonly journal: Journal;
  readonly players: Players;
  readonly isLeaseValid: boolean;
}

export function reportPeers({ peerStats }: Store, parts: PeerReportParts): void {
  const { core, keeper, links, journal, players, isLeaseValid } = parts;
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
  peerStats.setGauge('breakersOpen', described.targets.filter(({ breaker }) => breaker !== 'closed').length);
  peerStats.setGauge('entitiesOwned', described.ownedCount);
  peerStats.setGauge('entitiesAtRest', players.restingCount);
  peerStats.setGauge('cellsOwned', keeper.cellsOwned);
  peerStats.setGauge('journalQueueRows', journal.backlog.batches);
  peerStats.setGauge('leaseValid', isLeaseValid ? 1 : 0);
}
