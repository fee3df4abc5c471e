/**
 * Metrics of a node of a cluster: links, handovers, ghosts, the journal, read from what the peer thread reports. A node
 * alone has none of them. The names are documented in docs/METRICS.md and stay.
 */
import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import { BREAKER_STATE, PEER_NODES, PEER_STATE } from '../memory/peer-table.ts';
import { bucketEndSeconds, HISTOGRAM_BUCKETS } from '../memory/peer-stats.ts';
import type { HistogramView, PeerCounter, PeerGauge, PeerHistogram } from '../memory/peer-stats.ts';
import type { Store } from '../memory/store.ts';

/** Of the four buckets to a doubling one is given. */
const BUCKET_STEP = 4;

const STAGES = ['capture', 'journal', 'wire', 'accept', 'confirm', 'route', 'total'] as const satisfies PeerHistogram[];

export const PEER_COUNTER_METRICS: Readonly<Record<PeerCounter, readonly [name: string, help: string]>> = {
  handoversOut: ['handovers_out', 'Entities handed over to other nodes'],
  handoversWithinTick: ['handovers_within_tick', 'Entities handed over in less than a tick'],
  handoversIn: ['handovers_in', 'Entities taken over from other nodes by handover'],
  handoversRejected: ['handovers_rejected', 'Handovers that the target refused'],
  handoversReclaimed: ['handovers_reclaimed', 'Entities that came back because their handover failed'],
  handoversRetried: ['handovers_retried', 'Handovers that were sent again'],
  handoversRefused: ['handovers_refused', 'Handovers of others that this node refused'],
  takeovers: ['takeovers', 'Ledgers of dead nodes that were taken over'],
  entitiesTakenOver: ['entities_taken_over', 'Entities revived from ledgers of dead nodes'],
  messagesSent: ['events_sent', 'Durable events sent to entities of other nodes'],
  messagesDelivered: ['events_received', 'Durable events of other nodes that acted here'],
  messagesForwarded: ['events_forwarded', 'Durable events sent on, because the entity had left'],
  messagesRefused: ['events_refused', 'Durable events not taken, because too many wait'],
  inputsForwarded: ['inputs_forwarded', 'Inputs sent to the node that owns the player'],
  inputsReceived: ['inputs_received', 'Inputs of clients at other gateways'],
  inputsHeld: ['inputs_held', 'Inputs kept back so that none overtakes another'],
  routesSent: ['routes_sent', 'Gateways that were told who owns a player'],
  routesReceived: ['routes_received', 'Owners of players that this gateway was told'],
  routesStale: ['routes_stale', 'Routes that were older than what was known'],
  ghostFramesOut: ['ghost_frames_sent', 'Frames with entities near a border, sent'],
  ghostFramesIn: ['ghost_frames_received', 'Frames with entities near a border, received'],
  ghostBytesOut: ['ghost_bytes_sent', 'Bytes of entities near a border, sent'],
  ghostBytesIn: ['ghost_bytes_received', 'Bytes of entities near a border, received'],
  ghostFramesDropped: ['ghost_frames_dropped', 'Frames with entities near a border, dropped because a queue was full'],
  snapshotsTunnelled: ['snapshots_tunnelled', 'Snapshots sent to the gateways of clients elsewhere'],
  snapshotsReceived: ['snapshots_received', 'Snapshots of other nodes for clients of this gateway'],
  snapshotsDropped: ['snapshots_dropped', 'Snapshots for clients elsewhere, dropped because a queue was full'],
  framesRefused: ['links_frames_refused', 'Frames of other nodes that were malformed or not theirs to send'],
  journalCommits: ['journal_commits', 'Group commits of the journal'],
  journalRows: ['journal_rows', 'Rows written to the journal'],
  leaseRenewals: ['lease_renewals', 'Renewals of the lease'],
  leaseLapses: ['lease_lapses', 'Times that the lease ran out and the node paused'],
  sessionsRebound: ['sessions_rebound', 'Players of this node that went on with another session of the same client'],
  publicationsWritten: ['publications_written', 'Publications of world code that are in the journal'],
  publicationsDelivered: ['publications_delivered', 'Publications that the sink has taken'],
  publicationsParked: ['publications_parked', 'Publications that the sink refused five times, and that were parked'],
  publicationsReplayed: ['publications_replayed', 'Parked publications that were sent again by command'],
  deliveriesFailed: ['deliveries_failed', 'Deliveries that failed because the sink was down, or did not answer'],
  blocksMoved: ['blocks_moved', 'Blocks of cells that this node, balancing, gave to another owner'],
  logins: ['logins', 'Players with an account that were woken or brought'],
};

/** `ghosts` is told by the world (metric-names.ts). */
export const PEER_GAUGE_METRICS: Readonly<Record<Exclude<PeerGauge, 'ghosts'>, readonly [name: string, help: string]>> =
  {
    node: ['node', 'Number of this node in its cluster'],
    nodesUp: ['links_up', 'Nodes that this one has a link with'],
    handoversInFlight: ['handovers_in_flight', 'Handovers under way from this node'],
    handoversInDoubt: ['handovers_in_doubt', 'Handovers whose outcome this node does not know yet'],
    oldestInDoubtSeconds: ['handovers_in_doubt_age_seconds', 'Age of the oldest handover in doubt'],
    inboxRows: ['inbox_rows', 'Handovers taken that their sources have not resolved'],
    outboxRows: ['outbox_rows', 'Handovers whose target has not confirmed'],
    messagesWaiting: ['events_waiting', 'Durable events that have not acted yet'],
    breakersOpen: ['breakers_open', 'Nodes that nothing is handed over to for now'],
    entitiesOwned: ['entities_owned', 'Entities in the journal of this node'],
    entitiesAtRest: ['entities_at_rest', 'Players who left and rest in the journal of this node'],
    cellsOwned: ['cells_owned', 'Cells of this node'],
    linkQueueBytes: ['links_queue_bytes', 'Bytes that wait to be sent to other nodes'],
    journalQueueRows: ['journal_queue_rows', 'Rows that wait for the journal'],
    journalFailed: ['journal_failed', '1 when the journal cannot write'],
    playersOrphaned: ['players_orphaned', 'Players here whose gateway is gone, and whose client has not come back'],
    publicationsWaiting: [
      'publications_waiting',
      'Publications in the journal that the sink has not taken, parked ones too',
    ],
    publicationsWaitingBytes: ['publications_waiting_bytes', 'Bytes of the publications that wait'],
    publicationsInPark: ['publications_in_park', 'Publications that are parked: see "worldmesh outbox list"'],
    publicationsBlocked: [
      'publications_blocked',
      'Entities whose publications here wait for earlier ones that another node has',
    ],
    oldestPublicationSeconds: [
      'publications_age_seconds',
      'Age of the oldest publication that waits and is not parked',
    ],
    sinkDown: ['sink_down', '1 while the sink does not take publications'],
    balances: ['balances', '1 while this node balances the cluster'],
    nodesWanted: [
      'nodes_wanted',
      'Nodes that would carry the load well, as seen by the node that balances; 0 at others',
    ],
    overloads: ['overloads', 'Nodes that are too busy and that no move helps, as seen by the node that balances'],
    leaseValid: ['lease_valid', '1 while this node may act'],
  };

export function registerPeers({ peerStats, peerTable }: Store, registry: Registry): void {
  for (const [counter, [name, help]] of Object.entries(PEER_COUNTER_METRICS)) {
    registry.registerMetric(
      new Counter({
        name: `worldmesh_${name}_total`,
        help,
        registers: [],
        collect() {
          this.reset();
          this.inc(Math.max(0, peerStats.counter(counter as PeerCounter)));
        },
      }),
    );
  }
  for (const [gauge, [name, help]] of Object.entries(PEER_GAUGE_METRICS)) {
    registry.registerMetric(
      new Gauge({
        name: `worldmesh_${name}`,
        help,
        registers: [],
        collect() {
          this.set(peerStats.gauge(gauge as PeerGauge));
        },
      }),
    );
  }
  registerNodes(peerTable, registry);
}

/** The histograms, as text to go behind that of the registry: their counts are kept by the peer thread, not by the library. */
export function peerHistograms({ peerStats }: Store): string {
  return [
    '# HELP worldmesh_handover_seconds Duration of the stages of a handover',
    '# TYPE worldmesh_handover_seconds histogram',
    ...STAGES.flatMap((stage) =>
      histogramLines('worldmesh_handover_seconds', `stage="${stage}"`, peerStats.histogram(stage)),
    ),
    '# HELP worldmesh_journal_commit_seconds Duration of a group commit of the journal',
    '# TYPE worldmesh_journal_commit_seconds histogram',
    ...histogramLines('worldmesh_journal_commit_seconds', '', peerStats.histogram('commit')),
    '# HELP worldmesh_attach_seconds From the token that a client shows to its player',
    '# TYPE worldmesh_attach_seconds histogram',
    ...histogramLines('worldmesh_attach_seconds', '', peerStats.histogram('attach')),
    '',
  ].join('\n');
}

function histogramLines(name: string, label: string, { count, sumSeconds, buckets }: HistogramView): string[] {
  const lines: string[] = [];
  const prefix = label === '' ? '' : `${label},`;
  let below = 0;
  for (const [bucket, inBucket] of buckets.entries()) {
    below += inBucket;
    // The last one has no upper bound.
    if (bucket % BUCKET_STEP !== 0 || bucket === HISTOGRAM_BUCKETS - 1) continue;
    const end = Number(bucketEndSeconds(bucket).toPrecision(6));
    lines.push(`${name}_bucket{${prefix}le="${end}"} ${below}`);
  }
  const braces = label === '' ? '' : `{${label}}`;
  // The peer thread writes on: a count that is less than its buckets would be none.
  const all = Math.max(count, below);
  lines.push(
    `${name}_bucket{${prefix}le="+Inf"} ${all}`,
    `${name}_sum${braces} ${sumSeconds}`,
    `${name}_count${braces} ${all}`,
  );
  return lines;
}

function registerNodes(peerTable: Store['peerTable'], registry: Registry): void {
  const perNode = (name: string, help: string, value: (node: number) => number | undefined) =>
    registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames: ['node'],
        registers: [],
        collect() {
          this.reset();
          for (let node = 1; node < PEER_NODES; node++) {
            const shown = peerTable.state(node) === PEER_STATE.unknown ? undefined : value(node);
            if (shown !== undefined) this.set({ node: String(node) }, shown);
          }
        },
      }),
    );
  perNode('worldmesh_links_state', 'State of another node: 1 up, 2 down, 3 fenced, 4 breaker open', (node) =>
    peerTable.state(node),
  );
  perNode('worldmesh_link_credits', 'Entities that may be handed over to another node now', (node) =>
    peerTable.credits(node),
  );
  perNode('worldmesh_link_queue_bytes', 'Bytes that wait to be sent to another node', (node) =>
    peerTable.queueBytes(node),
  );
  perNode('worldmesh_link_rtt_seconds', 'Round trip of the link to another node, smoothed', (node) => {
    const roundTripMicros = peerTable.roundTripMicros(node);
    return roundTripMicros === undefined ? undefined : roundTripMicros / 1e6;
  });
  perNode(
    'worldmesh_handover_breaker_open',
    'Whether nothing is handed over to another node: 0 no, 1 one is tried, 2 yes',
    (node) => BREAKER_STATE[peerTable.breaker(node)],
  );
}
