/**
 * When has a durable message acted for good: the entity's journalled state carries a mark at or above its number, and
 * that state is stable.
 */
import type { EntityId } from '../base/brand.ts';
import { awaitStable } from './handover-stable.core.ts';
import type { Delivery, HandoverState } from './handover-state.core.ts';
import type { Ledger, Mark } from './protocol.ts';

export function markOf(marks: readonly Mark[], sender: Ledger): number {
  for (const mark of marks) if (mark.sender === sender) return mark.number;
  return 0;
}

/** A row of an entity goes into the journal at `position`. */
export function noteMarks(
  state: HandoverState,
  {
    id,
    marks,
    position,
    isLeaving,
  }: { readonly id: EntityId; readonly marks: readonly Mark[]; readonly position: number; readonly isLeaving: boolean },
): void {
  if (isLeaving || marks.length === 0) state.marks.delete(id);
  else state.marks.set(id, { marks, position });
  const deliveries = state.deliveries.get(id);
  if (deliveries === undefined) return;
  const done = deliveries.filter(({ issuer, number }) => number <= markOf(marks, issuer));
  if (done.length > 0) awaitStable(state, { kind: 'acted', position, done });
  // What left before it acted is the sender's to send again, to the new owner.
  if (isLeaving || done.length === deliveries.length) state.deliveries.delete(id);
  else
    state.deliveries.set(
      id,
      deliveries.filter((delivery) => !done.includes(delivery)),
    );
}

/** The entity is gone for good: whatever was sent to it is done with it. */
export function endMarks(state: HandoverState, id: EntityId, position: number): void {
  state.marks.delete(id);
  const done = state.deliveries.get(id);
  if (done === undefined) return;
  state.deliveries.delete(id);
  awaitStable(state, { kind: 'acted', position, done });
}

/** Remembers that a message is with the simulation. */
export function noteDelivery(state: HandoverState, id: EntityId, delivery: Delivery): void {
  const deliveries = state.deliveries.get(id);
  if (deliveries === undefined) state.deliveries.set(id, [delivery]);
  else if (!deliveries.some(({ issuer, number }) => issuer === delivery.issuer && number === delivery.number)) {
    deliveries.push(delivery);
  }
}
