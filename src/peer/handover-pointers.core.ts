/** Where entities that left went: volatile hints, kept for a while. A wrong one costs a message `moved`. */
import type { EntityId } from '../base/brand.ts';
import type { HandoverState } from './handover-state.core.ts';
import type { NodeNumber } from './protocol.ts';

const POINTER_MS = 10_000;
/** Entities that ended are remembered longer: a sender asks for as long as it has a message. */
const ENDED_MS = 600_000;
const ENDED_MAX = 100_000;

/** Remembers the node unless a newer owner is known. */
export function notePointer(
  state: HandoverState,
  id: EntityId,
  { node, seq }: { readonly node: NodeNumber; readonly seq: number },
): void {
  const known = state.pointers.get(id);
  if (known !== undefined && known.seq > seq) return;
  // Behind all others, so that the order of the map is the order of their ends.
  if (known !== undefined) state.pointers.delete(id);
  state.pointers.set(id, { node, seq, untilMs: state.nowMs + POINTER_MS });
}

/** Who says that it owns the entity is right about that, whatever was thought before. */
export function correctPointer(
  state: HandoverState,
  id: EntityId,
  owner: { readonly node: NodeNumber; readonly seq: number },
): void {
  state.pointers.delete(id);
  notePointer(state, id, owner);
}

/** The node that had the entity last as far as is known here, or 0. */
export function pointerTo(state: HandoverState, id: EntityId): NodeNumber {
  const outgoing = state.outgoing.get(id);
  if (outgoing === undefined) return state.pointers.get(id)?.node ?? 0;
  // R0: before it is stable nobody may hear of it; and what comes back has not gone anywhere.
  return outgoing.state === 'released' || outgoing.state === 'removing' ? outgoing.row.targetNode : 0;
}

export function noteEnd(state: HandoverState, id: EntityId): void {
  if (state.ended.size >= ENDED_MAX) {
    const oldest = state.ended.keys().next();
    if (oldest.done !== true) state.ended.delete(oldest.value);
  }
  state.ended.set(id, state.nowMs + ENDED_MS);
}

export function expirePointers(state: HandoverState): void {
  for (const [id, { untilMs }] of state.pointers) {
    if (untilMs > state.nowMs) break;
    state.pointers.delete(id);
  }
  for (const [id, untilMs] of state.ended) {
    if (untilMs > state.nowMs) break;
    state.ended.delete(id);
  }
}
