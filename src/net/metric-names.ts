/** Names and explanations of the metrics that are read straight from counters; see metrics.ts for the others. */
import type { Counter, Gauge } from '../memory/stats.ts';
import type { GatewayCounters } from './counters.ts';

export const COUNTER_HELP: Readonly<Record<Counter, string>> = {
  ticks: 'Ticks simulated',
  ticksLate: 'Ticks that started late by more than a tick',
  ticksSkipped: 'Ticks given up because the server was too far behind',
  localHandovers: 'Entities that changed cell inside this node',
  entitiesSpawned: 'Entities added to the world',
  entitiesDespawned: 'Entities removed from the world',
  spawnsRefused: 'Spawns that found no room',
  inputsApplied: 'Inputs applied to the world',
  inputsClamped: 'Input values brought into their range by the world',
  inputsDropped: 'Inputs that never acted: their clients gave them up before they could',
  speedsClamped: 'Entities slowed down to the greatest speed of their kind',
  eventsDelivered: 'Events between entities that were delivered',
  eventsLost: 'Events between entities whose target was gone',
  notFinite: 'Positions or velocities that were no finite numbers, and were reset',
  snapshots: 'Snapshots encoded',
  snapshotBytes: 'Bytes of the snapshots encoded',
  snapshotsSkipped: 'Snapshots not made because of a slow client or a full ring',
  viewEnters: 'Entities that entered the view of a client',
  viewUpdates: 'Updates of entities in the view of a client',
  viewLeaves: 'Entities that left the view of a client',
  systemFailures: 'Times that world code threw',
  entitiesReleased: 'Entities frozen for another node',
  entitiesActivated: 'Entities that became owned here: handed over, reclaimed, recovered or taken over',
  activationsFailed: 'Entities whose record this process cannot read; they stay in the journal',
  overhangsLimited: 'Times that an entity was turned or stopped at the overhang limit',
  ghostsEntered: 'Ghosts that came into sight',
  ghostsLeft: 'Ghosts that went out of sight',
  ghostsRefused: 'Ghosts that found no room',
  ghostFramesMalformed: 'Frames or records of ghosts from other nodes that could not be read',
  eventsArrived: 'Durable events from other nodes that acted',
  eventsRepeated: 'Durable events from other nodes that had acted before',
  checkpoints: 'Checkpoints of entities handed to the journal',
  publicationsLost: 'Publications of a node without a journal, which has nowhere to write them',
};

export const GAUGE_HELP: Readonly<Record<Gauge, string>> = {
  entities: 'Entities in the world',
  sessions: 'Sessions with an entity in the world',
  slotsHigh: 'Rows of the store that were ever used',
  shedLevel: 'Level of overload shedding, 0 to 4',
  cellsPaused: 'Cells that development mode stopped because world code threw',
  startedAtMs: 'Start of the simulation, in seconds since 1970',
  ghosts: 'Entities of other nodes that are seen here',
  overhanging: 'Entities owned here that stand in the land of other nodes',
  activationsWaiting: 'Entities owned here that wait for room',
  publicationsHeld: 'Publications that had no room on their way to the journal in the last tick',
  load: 'Share of a tick that the simulation needs, smoothed; 1 is all of it',
  gatewayLoad: 'Share of its time that the thread of the gateway needs; 1 is all of it',
};

export const GATEWAY_METRICS: readonly {
  readonly name: string;
  readonly help: string;
  read(counters: GatewayCounters): number;
}[] = [
  gateway('bytes_sent', 'Bytes sent to players', (counters) => counters.bytesOut),
  gateway('bytes_received', 'Bytes received from players', (counters) => counters.bytesIn),
  gateway('messages_sent', 'Messages sent to players', (counters) => counters.messagesOut),
  gateway('messages_received', 'Messages received from players', (counters) => counters.messagesIn),
  gateway('snapshots_sent', 'Snapshots written to sockets', (counters) => counters.snapshotsSent),
  gateway('snapshots_stale', 'Snapshots whose client was gone', (counters) => counters.snapshotsStale),
  gateway('inputs_accepted', 'Inputs handed to the world', (counters) => counters.inputsAccepted),
  gateway('inputs_repeated', 'Inputs with a sequence that was seen before', (counters) => counters.inputsRepeated),
  gateway('inputs_dropped', 'Inputs that the input ring had no room for', (counters) => counters.inputsDropped),
  gateway('inputs_clamped', 'Input values brought into their range', (counters) => counters.inputsClamped),
  gateway('inputs_tunnelled', 'Inputs for players that another node owns', (counters) => counters.inputsTunnelled),
  gateway(
    'logins_asked',
    'Players with an account that were looked for in the cluster',
    (counters) => counters.loginsAsked,
  ),
  gateway('handovers_told', 'Changes of owner that clients were told', (counters) => counters.handoversTold),
  gateway('handovers_answered', 'Changes of owner that clients acknowledged', (counters) => counters.handoversAnswered),
  gateway('sessions_opened', 'Sessions opened', (counters) => counters.sessionsOpened),
  gateway('sessions_resumed', 'Sessions resumed by another connection', (counters) => counters.sessionsResumed),
  gateway('sessions_expired', 'Sessions whose client did not come back', (counters) => counters.sessionsExpired),
  gateway('resumes_local', 'Resume tokens that opened their session here', (counters) => counters.resumesLocal),
  gateway(
    'resumes_attached',
    'Resume tokens with which a player was taken up, wherever it was',
    (counters) => counters.resumesAttached,
  ),
  gateway('resumes_expired', 'Resume tokens that were spent, or too late', (counters) => counters.resumesExpired),
  gateway(
    'resumes_refused',
    'Resume tokens that were not ours, or not for here',
    (counters) => counters.resumesRefused,
  ),
  gateway('redirects_started', 'Clients sent to the owners of their players', (counters) => counters.redirectsStarted),
  gateway('redirects_attached', 'Clients that went where they were sent', (counters) => counters.redirectsAttached),
  gateway('redirects_unused', 'Clients that did not go where they were sent', (counters) => counters.redirectsUnused),
  gateway(
    'sessions_moved',
    'Sessions that went on at the gateway to which their client was sent',
    (counters) => counters.sessionsMoved,
  ),
  gateway('tunnel_bytes', 'Bytes of snapshots that other nodes made', (counters) => counters.bytesTunnelled),
  gateway('connections_cut', 'Connections over a limit, cut without an answer', (counters) => counters.connectionsCut),
  gateway('connections_idle', 'Connections cut for want of a sign of life', (counters) => counters.connectionsIdle),
  gateway(
    'connections_held_off',
    'WebSockets refused because of the rate of their address',
    (counters) => counters.connectionsHeldOff,
  ),
  gateway(
    'requests_refused',
    'HTTP requests refused because of the rate of their address',
    (counters) => counters.requestsRefused,
  ),
  gateway(
    'logins_held_off',
    'Logins refused unseen because others of their address had failed',
    (counters) => counters.loginsHeldOff,
  ),
  gateway(
    'authentications_failed',
    'Calls of the authentication hook that threw, were late or answered nonsense',
    (counters) => counters.authenticationsFailed,
  ),
  gateway(
    'authentications_crowded',
    'Logins refused because too many calls of the authentication hook were under way',
    (counters) => counters.authenticationsCrowded,
  ),
  gateway('key_files_read', 'Changes of the key file that were taken', (counters) => counters.keyFilesRead),
  gateway(
    'key_files_refused',
    'Changes of the key file that could not be used',
    (counters) => counters.keyFilesRefused,
  ),
  gateway(
    'clocks_reported',
    'Clients whose clock was off by more than clockSkewReportMs',
    (counters) => counters.clocksReported,
  ),
  gateway('overview_frames_sent', 'Frames sent to viewers', (counters) => counters.overviewFrames),
  gateway('overview_frames_skipped', 'Frames that a slow viewer missed', (counters) => counters.overviewFramesSkipped),
];

/** Of a node of a cluster. */
export const SPAN_METRICS: typeof GATEWAY_METRICS = [
  {
    name: 'worldmesh_spans_exported_total',
    help: 'Spans of traces that the collector has taken',
    read: ({ spansExported }) => spansExported,
  },
  {
    name: 'worldmesh_spans_dropped_total',
    help: 'Spans that found no room, or that the collector refused',
    read: ({ spansDropped }) => spansDropped,
  },
  {
    name: 'worldmesh_span_exports_failed_total',
    help: 'Posts to the collector of traces that failed, repeated ones among them',
    read: ({ spanExportsFailed }) => spanExportsFailed,
  },
];

function gateway(name: string, help: string, read: (counters: GatewayCounters) => number) {
  return { name: `worldmesh_gateway_${name}_total`, help, read };
}

/** `ticksLate` becomes `worldmesh_ticks_late`, or with a suffix `worldmesh_ticks_late_total`. */
export function metricName(name: string, suffix?: string): string {
  const snake = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return suffix === undefined ? `worldmesh_${snake}` : `worldmesh_${snake}_${suffix}`;
}
