/** Integers that must not mix carry a brand; the brand exists for the compiler only. */
declare const brand: unique symbol;
type Brand<Value, Name extends string> = Value & { readonly [brand]: Name };

/** Globally unique, stable for the entity's life: `incarnation * 2^32 + counter`, below 2^53. Zero is no entity. */
export type EntityId = Brand<number, 'EntityId'>;
/** The row of an entity in this node's store. */
export type Slot = Brand<number, 'Slot'>;
/** `cellZ * width + cellX`, counted from the grid's lower corner. */
export type CellIndex = Brand<number, 'CellIndex'>;
/** A row in the session table. */
export type SessionIndex = Brand<number, 'SessionIndex'>;

/** The counter fills the low 32 bits of an EntityId, the incarnation of the node that made it the high 21. */
export const COUNTER_RANGE = 2 ** 32;
export const INCARNATION_MAX = 2 ** 21 - 1;

export function entityIdFrom(incarnation: number, counter: number): EntityId {
  return (incarnation * COUNTER_RANGE + counter) as EntityId;
}

export function incarnationOf(id: EntityId): number {
  return Math.floor(id / COUNTER_RANGE);
}

export function counterOf(id: EntityId): number {
  return id % COUNTER_RANGE;
}
