/** What a gateway counts, from its start. Plain fields: they are written on the hot path. */
import type { EndedReason } from '../memory/tunnel.ts';
import type { ProtocolErrorCode } from '../wire/messages.ts';
import { SnapshotLateness } from './snapshot-lateness.ts';

/** How a session ended: its client said so or did not come back, the world had no room, or its owner ended it. */
export type SessionEnd = EndedReason | 'left' | 'expired';

export class GatewayCounters {
  bytesIn = 0;
  bytesOut = 0;
  messagesIn = 0;
  messagesOut = 0;
  snapshotsSent = 0;
  /** Snapshots for a session that ended, or lost its connection, while they were under way. */
  snapshotsStale = 0;
  inputsAccepted = 0;
  inputsRepeated = 0;
  /** The input ring was full. */
  inputsDropped = 0;
  inputsClamped = 0;
  sessionsOpened = 0;
  sessionsResumed = 0;
  sessionsExpired = 0;
  /** What became of resume tokens: taken up here, or with the owner's consent; good, but over; not good at all. */
  resumesLocal = 0;
  resumesAttached = 0;
  resumesExpired = 0;
  resumesRefused = 0;
  /** Clients sent to the owners of their players; of these, who came there, and who did not in time. */
  redirectsStarted = 0;
  redirectsAttached = 0;
  redirectsUnused = 0;
  /** Sessions that went on over a connection to another gateway, to which they had been sent. */
  sessionsMoved = 0;
  /** Bytes of snapshots that other nodes made. */
  bytesTunnelled = 0;
  /** TCP connections cut at once, over a limit beyond which nothing is answered. */
  connectionsCut = 0;
  connectionsIdle = 0;
  /** WebSockets refused in HTTP, because of the rate of their address. */
  connectionsHeldOff = 0;
  /** HTTP requests refused because of the rate of their address. */
  requestsRefused = 0;
  /** Logins refused unseen, because others of their address had failed. */
  loginsHeldOff = 0;
  /** Calls of the authentication hook that threw, were late or answered nonsense. */
  authenticationsFailed = 0;
  /** Logins refused because too many calls of the hook were under way. */
  authenticationsCrowded = 0;
  /** Times that the key file had changed and was read, and could not be used. */
  keyFilesRead = 0;
  keyFilesRefused = 0;
  /** Clients whose clock was off by more than a report is worth. */
  clocksReported = 0;
  /** Inputs for players whose owner is another node. */
  inputsTunnelled = 0;
  /** Players with an account whose owner was asked for. */
  loginsAsked = 0;
  /** HANDOVERs sent to clients, and their answers. */
  handoversTold = 0;
  handoversAnswered = 0;
  overviewFrames = 0;
  overviewFramesSkipped = 0;
  /** Told by main, which exports spans. */
  spansExported = 0;
  spansDropped = 0;
  spanExportsFailed = 0;
  readonly errors = new Map<ProtocolErrorCode, number>();
  readonly closes = new Map<number, number>();
  readonly sessionEnds = new Map<SessionEnd, number>();
  readonly snapshotLateness = new SnapshotLateness();

  countError(code: ProtocolErrorCode): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  countSessionEnd(reason: SessionEnd): void {
    this.sessionEnds.set(reason, (this.sessionEnds.get(reason) ?? 0) + 1);
  }

  /** Close codes are the client's to choose, so those that mean nothing here are counted as one: 0. */
  countClose(code: number): void {
    const known = (code >= 1000 && code <= 1015) || (code >= 4000 && code <= 4009) ? code : 0;
    this.closes.set(known, (this.closes.get(known) ?? 0) + 1);
  }
}
