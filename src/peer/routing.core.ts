/**
 * Who has the player of a session, as a node knows it.
 *
 *   route     at the session's gateway: node, and the (seq, incarnation) it was told with. Only a larger one replaces it, so
 *             that what an old owner says late changes nothing.
 *   pointer   at a former owner: where the player went. Kept for a while, for what is still on its way.
 *
 * A hint that is wrong costs a hop: safety never rests on it.
 */
import type { EntityId } from '../base/brand.ts';
import { HOPS_MAX } from './protocol.ts';
import type { NodeNumber, SessionId } from './protocol.ts';

export interface Route {
  readonly entity: EntityId;
  readonly node: NodeNumber;
  readonly seq: number;
  readonly incarnation: number;
}

export interface Pointer {
  readonly node: NodeNumber;
  readonly seq: number;
  readonly untilMs: number;
}

export const POINTER_MS = 10_000;
/** Beyond it the oldest go: a pointer only saves a question. */
export const POINTERS_MAX = 65_536;

/** True if the offer is newer than what is known. */
export function isNewer(
  offer: Pick<Route, 'seq' | 'incarnation'>,
  known: Pick<Route, 'seq' | 'incarnation'> | undefined,
): boolean {
  if (known === undefined) return true;
  return offer.seq !== known.seq ? offer.seq > known.seq : offer.incarnation > known.incarnation;
}

/** Takes a ROUTE; false when it is stale. */
export function takeRoute(routes: Map<SessionId, Route>, session: SessionId, offer: Route): boolean {
  const known = routes.get(session);
  if (known !== undefined && known.entity === offer.entity && !isNewer(offer, known)) return false;
  routes.set(session, offer);
  return true;
}

export function setPointer<Key>(pointers: Map<Key, Pointer>, key: Key, pointer: Pointer): void {
  const known = pointers.get(key);
  if (known !== undefined && known.seq > pointer.seq) return;
  // Deleted first, so that insertion order is the order of age.
  pointers.delete(key);
  pointers.set(key, pointer);
  if (pointers.size <= POINTERS_MAX) return;
  const [oldest] = pointers.keys();
  if (oldest !== undefined) pointers.delete(oldest);
}

/** Drops what is over; the rest is younger. */
export function expirePointers<Key>(pointers: Map<Key, Pointer>, nowMs: number): void {
  for (const [key, { untilMs }] of pointers) {
    if (untilMs > nowMs) return;
    pointers.delete(key);
  }
}

/** Where the player is, by the newer of what a former owner and a gateway know: a pointer may lead to a node that is gone since. */
export function nextNode(pointer: Pointer | undefined, route: Route | undefined): NodeNumber | undefined {
  if (pointer === undefined || route === undefined) return pointer?.node ?? route?.node;
  return pointer.seq > route.seq ? pointer.node : route.node;
}

/** May what has come this far be sent on? */
export function mayHop(hops: number): boolean {
  return hops < HOPS_MAX;
}
