/**
 * Handovers between nodes as the viewer is told of them: each that ended since the last frame, once; and those whose
 * outcome is not known, in every frame until it is. Where they are shown is where the entity's row is.
 */
import { PEER_LOG_KIND, PEER_LOG_ROWS } from '../memory/peer-log.ts';
import type { PeerLogKind } from '../memory/peer-log.ts';
import type { Store } from '../memory/store.ts';

/** Younger ones are just on their way: they end before anybody could see them. */
const DOUBT_MS_MIN = 200;
/** Shown at once, of either sort. */
export const PEER_HANDOVERS_MAX = 1024;
/** Past it one is stuck: see stuck-handovers.ts of the peer thread, which logs them. */
const STUCK_MS_MIN = 5000;
/** Told at once. */
const STUCK_MAX = 64;
/** Followed at once; more are not shown. */
const FOLLOWED_MAX = 16_384;

export interface PeerHandoverView {
  readonly kind: number;
  /** NodeNumber of the other side. */
  readonly node: number;
  readonly x: number;
  readonly z: number;
  /** Since the release; 0 when that is not known. */
  readonly ageMs: number;
}

export interface StuckHandover {
  readonly entity: number;
  /** NodeNumber of the target. */
  readonly node: number;
  readonly seconds: number;
}

export class PeerHandovers {
  readonly #store: Store;
  readonly #released = new Map<number, { readonly node: number; readonly sinceMs: number }>();
  #cursor: number;

  /** Begins with what the log still has, so that what is in doubt already is seen, too. */
  constructor(store: Store, nowMs: number) {
    this.#store = store;
    this.#cursor = Math.max(0, store.peerLog.written - PEER_LOG_ROWS);
    this.read(nowMs);
  }

  read(nowMs: number): readonly PeerHandoverView[] {
    const views: PeerHandoverView[] = [];
    const { peerLog, peerStats } = this.#store;
    this.#cursor = peerLog.readSince(this.#cursor, ({ kind, node, id }) => {
      const released = this.#released.get(id);
      this.#released.delete(id);
      if (kind !== 'released') this.#show(views, { kind, node, id, ageMs: ageOf(released, nowMs) });
      else if (this.#released.size < FOLLOWED_MAX) this.#released.set(id, { node, sinceMs: nowMs });
    });
    // The log may have overwritten how one ended.
    if (peerStats.gauge('handoversInDoubt') === 0 && peerStats.gauge('handoversInFlight') === 0) this.#released.clear();
    for (const [id, released] of this.#released) {
      const ageMs = ageOf(released, nowMs);
      if (ageMs < DOUBT_MS_MIN) continue;
      if (!this.#show(views, { kind: 'released', node: released.node, id, ageMs })) this.#released.delete(id);
    }
    return views;
  }

  /** Those in doubt for too long, the oldest first. Their age counts from when this gateway heard of them, at most. */
  stuck(nowMs: number): readonly StuckHandover[] {
    const stuck: StuckHandover[] = [];
    // In the order of their release.
    for (const [entity, { node, sinceMs }] of this.#released) {
      if (nowMs - sinceMs < STUCK_MS_MIN || stuck.length === STUCK_MAX) break;
      stuck.push({ entity, node, seconds: Math.round((nowMs - sinceMs) / 1000) });
    }
    return stuck;
  }

  /** False when the entity has no row here (any more). */
  #show(
    views: PeerHandoverView[],
    { kind, node, id, ageMs }: { kind: PeerLogKind; node: number; id: number; ageMs: number },
  ): boolean {
    const { columns, idMap } = this.#store;
    const slot = idMap.get(id);
    if (slot < 0 || columns.id[slot] !== id) return false;
    if (views.length < PEER_HANDOVERS_MAX) {
      views.push({ kind: PEER_LOG_KIND[kind], node, x: columns.x[slot]!, z: columns.z[slot]!, ageMs });
    }
    return true;
  }
}

function ageOf(released: { readonly sinceMs: number } | undefined, nowMs: number): number {
  return released === undefined ? 0 : Math.round(nowMs - released.sinceMs);
}
