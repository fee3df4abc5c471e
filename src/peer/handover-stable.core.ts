/**
 * When is a position of the journal stable, and what waits for it.
 *
 *   stable = fsynced ∧ (unprotected ∨ acknowledged by the buddy)
 *
 * Invariant: what waits is taken in the order of the journal, so nothing happens before what stands in front of it.
 */
import type { HandoverState, Waiting, WaitingList } from './handover-state.core.ts';

/** Taken items in front of a list before it is packed. */
const PACK_AFTER = 1024;

/** Protection is a fact of the directory (R9): until it shows the end of it, nothing counts without the buddy. */
export function isProtected(state: HandoverState): boolean {
  const { stream } = state;
  if (state.mutations.has('protectionChangedLocally') && stream.mode === 'lost') return false;
  // While `protect` is under way the directory may already say so.
  return stream.isArmed || state.leases.get(state.me.ledger)?.isProtected === true;
}

export function stablePosition(state: HandoverState): number {
  return isProtected(state) ? Math.min(state.fsynced, state.stream.acked) : state.fsynced;
}

/** Runs `item` through the switch of handover.core.ts when its position is stable. */
export function awaitStable(state: HandoverState, item: Waiting): void {
  const list = listOf(state, item);
  list.items.push(item);
}

/** The next thing that has become possible, or undefined. */
export function takeStable(state: HandoverState): Waiting | undefined {
  const stable = stablePosition(state);
  const { releases, accepts, others } = state.waiting;
  return (
    take(others, stable) ??
    take(accepts, state.mutations.has('confirmedNotAtBuddy') ? state.fsynced : stable) ??
    take(releases, state.mutations.has('releasedNotAtBuddy') ? state.fsynced : stable)
  );
}

export function waitingCount(list: WaitingList): number {
  return list.items.length - list.head;
}

function listOf({ waiting }: HandoverState, item: Waiting): WaitingList {
  if (item.kind === 'released') return waiting.releases;
  return item.kind === 'accepted' ? waiting.accepts : waiting.others;
}

function take(list: WaitingList, stable: number): Waiting | undefined {
  const item = list.items[list.head];
  if (item === undefined || item.position > stable) return undefined;
  list.head += 1;
  if (list.head === list.items.length || list.head >= PACK_AFTER) {
    list.items = list.items.slice(list.head);
    list.head = 0;
  }
  return item;
}
