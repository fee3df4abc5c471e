/**
 * Who comes and goes in one player's view, as the SDK tells it: nobody flickers, and nobody is there twice.
 *
 * A flicker is an entity that leaves and is back within 2 s though it was near all the time: at both moments well within
 * the radius, where hysteresis, late positions and a full view explain nothing. Somebody is seen twice when two ids with one
 * identity (such as a player's name) are in view at once.
 */
import type { EntityId } from '../../base/brand.ts';

export const FLICKER_MS_MAX = 2000;
/** Of the radius. Beyond it, whoever left may have been on the way out. */
const NEAR_SHARE = 0.8;
/** More in view, and the nearest push each other out. */
const VIEW_FULL = 250;
/** Leaves to remember; more than a view that empties at once. */
const LEAVES_MAX = 1024;

export type PresenceFault = 'flickers' | 'seenTwice';

export class PresenceCheck {
  radius = Number.POSITIVE_INFINITY;
  readonly #found: (fault: PresenceFault, text: string) => void;
  /** When and why somebody near left; in order. */
  readonly #leaves = new Map<EntityId, { readonly leftMs: number; readonly cause: string }>();
  readonly #byIdentity = new Map<string, Set<EntityId>>();
  readonly #identities = new Map<EntityId, string>();

  constructor(found: (fault: PresenceFault, text: string) => void) {
    this.#found = found;
  }

  /** @param distance from the own entity, metres; NaN when there is none. */
  enter(id: EntityId, { identity, distance, nowMs }: { identity: string; distance: number; nowMs: number }): void {
    const left = this.#leaves.get(id);
    this.#leaves.delete(id);
    if (left !== undefined && nowMs - left.leftMs <= FLICKER_MS_MAX && this.#isNear(distance)) {
      const goneMs = Math.round(nowMs - left.leftMs);
      this.#found(
        'flickers',
        `entity ${id} was gone for ${goneMs} ms because of ${left.cause}, ${Math.round(distance)} m away`,
      );
    }
    if (identity === '') return;
    const ids = this.#byIdentity.get(identity) ?? new Set();
    ids.add(id);
    if (ids.size > 1) this.#found('seenTwice', `"${identity}" is ${[...ids].join(' and ')}`);
    this.#byIdentity.set(identity, ids);
    this.#identities.set(id, identity);
  }

  leave(
    id: EntityId,
    { distance, inViewCount, nowMs, cause }: { distance: number; inViewCount: number; nowMs: number; cause: string },
  ): void {
    const identity = this.#identities.get(id);
    if (identity !== undefined) {
      this.#identities.delete(id);
      const ids = this.#byIdentity.get(identity);
      ids?.delete(id);
      if (ids?.size === 0) this.#byIdentity.delete(identity);
    }
    if (!this.#isNear(distance) || inViewCount >= VIEW_FULL) return;
    this.#leaves.delete(id);
    this.#leaves.set(id, { leftMs: nowMs, cause });
    for (const [oldest, { leftMs }] of this.#leaves) {
      if (nowMs - leftMs <= FLICKER_MS_MAX && this.#leaves.size <= LEAVES_MAX) break;
      this.#leaves.delete(oldest);
    }
  }

  /** Another session begins: nobody of the last one's view is compared with its. */
  forget(): void {
    this.#leaves.clear();
    this.#byIdentity.clear();
    this.#identities.clear();
  }

  #isNear(distance: number): boolean {
    return distance <= this.radius * NEAR_SHARE;
  }
}
