/**
 * When a node that is to leave may go. Pure.
 *
 *   staying ◀──active── directory ──draining──▶ leaving ──nothing left for SETTLED_MS──▶ over
 *                                                 └── blocks that nobody has given away for BALANCER_MS: gives them itself
 *
 * What is left at the end is what the takeover of a journal is made for: players at rest, rows that wait for an answer, messages. So
 * nothing here is about safety: a node that goes too early costs its clients a moment, and nobody anything else.
 */

/** The balancer knows best who can carry a block; without one that lives the node chooses by rendezvous. */
export const BALANCER_MS = 2500;
/** And again so often, while there are blocks that were not taken. */
export const GIVE_AGAIN_MS = 1000;
/** Longer than a tick and a round trip: what was just leaving has left, or has come back. */
export const SETTLED_MS = 500;

/** What keeps a draining node. */
export interface DrainLeft {
  readonly blocks: number;
  /** Awake here, owned. */
  readonly entities: number;
  /** Handovers from here that are not confirmed, stably. */
  readonly inTransit: number;
  /** Clients with a connection to this gateway. */
  readonly sessions: number;
  /** Journals of others that are to be taken over here. */
  readonly imports: number;
}

export interface DrainFacts {
  readonly nowMs: number;
  /** The directory says so. */
  readonly isDraining: boolean;
  readonly left: DrainLeft;
  /** Somebody active can take this node's journal. */
  readonly hasSuccessor: boolean;
}

export interface DrainState {
  readonly phase: 'staying' | 'leaving' | 'over';
  /** When blocks are given by this node itself. */
  readonly giveDueMs: number;
  /** Since when nothing was left; Infinity while something is. */
  readonly emptySinceMs: number;
}

export type DrainAction = 'none' | 'started' | 'cancelled' | 'giveBlocks' | 'over';

export const STAYING: DrainState = { phase: 'staying', giveDueMs: 0, emptySinceMs: Number.POSITIVE_INFINITY };

export function stepDrain(
  state: DrainState,
  facts: DrainFacts,
): { readonly state: DrainState; readonly action: DrainAction } {
  const { nowMs, isDraining, left, hasSuccessor } = facts;
  switch (state.phase) {
    case 'over':
      // The process is ending; what the directory says meanwhile comes too late.
      return { state, action: 'none' };
    case 'staying':
      if (!isDraining) return { state, action: 'none' };
      return { state: { ...STAYING, phase: 'leaving', giveDueMs: nowMs + BALANCER_MS }, action: 'started' };
    case 'leaving':
      if (!isDraining) return { state: STAYING, action: 'cancelled' };
  }
  if (left.blocks > 0 && hasSuccessor && nowMs >= state.giveDueMs) {
    const giveDueMs = nowMs + GIVE_AGAIN_MS;
    return { state: { ...state, giveDueMs, emptySinceMs: Number.POSITIVE_INFINITY }, action: 'giveBlocks' };
  }
  if (!hasSuccessor || !isEmpty(left)) {
    return { state: { ...state, emptySinceMs: Number.POSITIVE_INFINITY }, action: 'none' };
  }
  const emptySinceMs = Math.min(state.emptySinceMs, nowMs);
  if (nowMs - emptySinceMs < SETTLED_MS) return { state: { ...state, emptySinceMs }, action: 'none' };
  return { state: { ...state, phase: 'over', emptySinceMs }, action: 'over' };
}

export function isEmpty({ blocks, entities, inTransit, sessions, imports }: DrainLeft): boolean {
  return blocks + entities + inTransit + sessions + imports === 0;
}
