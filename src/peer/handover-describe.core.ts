/** Counts of the handover core, for metrics, `status` and checkers. Walks over open rows: not for every event. */
import { stablePosition, waitingCount } from './handover-stable.core.ts';
import type { HandoverState } from './handover-state.core.ts';
import type { Ledger, NodeNumber, SessionId } from './protocol.ts';

export interface TargetDescription {
  readonly ledger: Ledger;
  readonly node: NodeNumber;
  readonly isUp: boolean;
  readonly openCount: number;
  readonly unanswered: number;
  readonly granted: number;
  readonly credits: number;
  readonly breaker: 'closed' | 'open' | 'halfOpen';
  /** -1 before the first measurement. */
  readonly smoothedRttMs: number;
}

export interface HandoverDescription {
  readonly phase: HandoverState['phase'];
  readonly ownedCount: number;
  readonly outbox: { releasing: number; released: number; removing: number; reclaiming: number };
  /** Age of the oldest open outbox row, 0 without one. */
  readonly oldestMs: number;
  readonly inboxCount: number;
  /** Inbox rows at or below their watermark: always 0. */
  readonly inboxPassedCount: number;
  readonly refusedCount: number;
  readonly watermarks: readonly (readonly [source: Ledger, value: number])[];
  /** Imports that still answer. */
  readonly importCount: number;
  readonly messageCount: number;
  readonly deliveryCount: number;
  readonly publications: {
    readonly rows: number;
    readonly sizeBytes: number;
    readonly parked: number;
    readonly blocked: number;
    /** UTC of the oldest that is not parked; 0 without one. */
    readonly oldestMs: number;
  };
  readonly pointerCount: number;
  readonly waitingCount: number;
  readonly position: number;
  readonly fsynced: number;
  readonly stable: number;
  readonly buddy: { readonly node: NodeNumber; readonly mode: string; readonly acked: number };
  readonly violationCount: number;
  readonly targets: readonly TargetDescription[];
}

/** Whether the player of this session has left, and its target may not have it yet; or is in a journal that waits to be taken. */
export function isOnItsWay(state: HandoverState, session: SessionId): boolean {
  for (const { row, state: stage } of state.outgoing.values()) {
    if (row.passenger.session === session && stage !== 'removing') return true;
  }
  return state.heldTakeovers.some(({ entities }) => entities.some(({ passenger }) => passenger.session === session));
}

export function describe(state: HandoverState): HandoverDescription {
  const outbox = { releasing: 0, released: 0, removing: 0, reclaiming: 0 };
  let oldestAtMs = state.nowMs;
  const targets: TargetDescription[] = [];
  for (const target of state.targets.values()) {
    let openCount = 0;
    for (const { rows } of target.channels.values()) {
      openCount += rows.size;
      for (const outgoing of rows.values()) {
        outbox[outgoing.state] += 1;
        oldestAtMs = Math.min(oldestAtMs, outgoing.bornAtMs);
      }
    }
    targets.push({
      ledger: target.ledger,
      node: target.node,
      isUp: target.peer !== undefined,
      openCount,
      unanswered: target.unanswered,
      granted: target.granted,
      credits: target.creditsSaid,
      breaker: target.breaker.state,
      smoothedRttMs: target.smoothedRttMs,
    });
  }
  const incoming = [...state.incoming.values()];
  const { releases, accepts, others } = state.waiting;
  return {
    phase: state.phase,
    ownedCount: state.owned.size,
    outbox,
    oldestMs: state.nowMs - oldestAtMs,
    inboxCount: incoming.reduce((sum, { rows }) => sum + rows.size, 0),
    inboxPassedCount: incoming.reduce((sum, { rows, watermark }) => sum + countPassed(rows, watermark), 0),
    refusedCount: incoming.reduce((sum, { refused }) => sum + refused.size, 0),
    watermarks: incoming.map(({ ledger, watermark }) => [ledger, watermark] as const),
    importCount: [...state.imports.values()].filter(({ isDone }) => !isDone).length,
    messageCount: [...state.messageOf.values()].reduce((sum, { size }) => sum + size, 0),
    deliveryCount: state.deliveries.size,
    publications: {
      ...state.publicationCounts,
      blocked: state.publicationsBlocked.size,
      oldestMs: oldestPublicationMs(state),
    },
    pointerCount: state.pointers.size,
    waitingCount: waitingCount(releases) + waitingCount(accepts) + waitingCount(others),
    position: state.position,
    fsynced: state.fsynced,
    stable: stablePosition(state),
    buddy: { node: state.stream.buddy, mode: state.stream.mode, acked: state.stream.acked },
    violationCount: state.violationCount,
    targets,
  };
}

function oldestPublicationMs({ publications }: HandoverState): number {
  let oldestMs = 0;
  for (const { rows } of publications.values()) {
    const publishedMs = rows[0]?.publishedMs ?? 0;
    if (publishedMs > 0 && (oldestMs === 0 || publishedMs < oldestMs)) oldestMs = publishedMs;
  }
  return oldestMs;
}

function countPassed(rows: ReadonlyMap<number, unknown>, watermark: number): number {
  let count = 0;
  for (const transferSeq of rows.keys()) if (transferSeq <= watermark) count += 1;
  return count;
}
