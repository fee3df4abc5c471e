/**
 * One entity as all nodes have it: asked for by the slot in which it was seen, then followed by its id wherever it goes. Its
 * owner's row counts; of several that say so, as in a handover, that of the highest ownership seq.
 */
import type { NodeView } from './node-view.ts';
import type { EntityMessage, EntityRow } from './overview-text.wire.ts';

/** A row that nobody has for so long is gone; for shorter it may be on its way from one node to another. */
const GONE_AFTER_MS = 1500;

export interface WatchedRow {
  readonly view: NodeView;
  readonly row: EntityRow;
}

export class EntityWatch {
  readonly #views: () => readonly NodeView[];
  readonly #rows = new Map<NodeView, EntityRow>();
  #id = 0;
  #lastSeenMs = 0;

  constructor(views: () => readonly NodeView[]) {
    this.#views = views;
  }

  /** 0 while it is not known. */
  get id(): number {
    return this.#id;
  }

  watchSlot(view: NodeView, slot: number, nowMs: number): void {
    this.clear();
    this.#lastSeenMs = nowMs;
    view.inspect({ slot });
  }

  watchId(id: number, nowMs: number): void {
    this.clear();
    this.#id = id;
    this.#lastSeenMs = nowMs;
    this.refresh();
  }

  clear(): void {
    this.#id = 0;
    this.#rows.clear();
    for (const view of this.#views()) view.inspect(undefined);
  }

  /** Asks nodes that have joined since; cheap when there are none. */
  refresh(): void {
    if (this.#id === 0) return;
    for (const view of this.#views()) view.inspect({ id: this.#id });
  }

  take(view: NodeView, { id, row }: EntityMessage, nowMs: number): void {
    if (this.#id === 0 && row !== undefined) {
      this.#id = id;
      this.refresh();
    }
    if (id !== this.#id) return;
    if (row === undefined) this.#rows.delete(view);
    else this.#rows.set(view, row);
    if (this.#rows.size > 0) this.#lastSeenMs = nowMs;
  }

  /** The owner's row, else a ghost's, else none. */
  newest(): WatchedRow | undefined {
    let best: WatchedRow | undefined;
    for (const [view, row] of this.#rows) {
      if (!view.isLive) continue;
      if (best === undefined || rank(row) > rank(best.row)) best = { view, row };
    }
    return best;
  }

  /** Nodes that have a copy of it to look at. */
  ghostNodes(): readonly string[] {
    return [...this.#rows].filter(([view, { ghostOf }]) => view.isLive && ghostOf !== 0).map(([{ name }]) => name);
  }

  isGone(nowMs: number): boolean {
    return this.newest() === undefined && nowMs - this.#lastSeenMs > GONE_AFTER_MS;
  }
}

/** Owners before ghosts, then by ownership seq, which is below 2^32. */
function rank({ ghostOf, seq }: EntityRow): number {
  return (ghostOf === 0 ? 2 ** 32 : 0) + seq;
}
