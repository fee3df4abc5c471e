/**
 * Reads what a tick left in the departures ring and brings it to the core in the order in which it happened, neighbouring
 * frames of one kind as one event.
 */
import type { BoundSession, Checkpoint, DepartureVisitor, EmittedEvent, Release } from '../memory/departures.ts';
import { readDeparture } from '../memory/departures.ts';
import type { Store } from '../memory/store.ts';
import type { EntityId } from '../base/brand.ts';
import type { CoreEvent, EntityRow, NodeNumber, PeerIdentity } from './protocol.ts';

export interface DepartureSink {
  step(event: CoreEvent): void;
  releaseSeen(node: NodeNumber, count: number): void;
  /** Who the neighbour is now; undefined when nobody has that number. */
  identityOf(node: NodeNumber): PeerIdentity | undefined;
  released(release: Release): void;
  checkpointed(row: EntityRow): void;
  despawned(id: EntityId): void;
  ghosts(node: NodeNumber, bytes: Uint8Array): void;
  forwardInput(input: { session: number; sequence: number; payload: Uint8Array }): void;
  forwardLeave(session: number): void;
  bound(bound: BoundSession): void;
  /** Answer with this number when everything until now is on disk. */
  durable(number: number): void;
  room(slots: number): void;
}

type ReleaseItem = Extract<CoreEvent, { kind: 'release' }>['items'][number];

const ROWS_PER_EVENT_MAX = 1024;

export class DepartureReader implements DepartureVisitor {
  readonly #store: Store;
  readonly #sink: DepartureSink;
  #rows: EntityRow[] = [];
  #releases: ReleaseItem[] = [];
  #releaseNode: NodeNumber = 0;
  #despawns: EntityId[] = [];
  #emits: { entity: EntityId; event: number; payload: Uint8Array; hint: NodeNumber }[] = [];
  #tick = 0;

  constructor(store: Store, sink: DepartureSink) {
    this.#store = store;
    this.#sink = sink;
  }

  /** Reads everything that is there. Returns the number of frames. */
  read(): number {
    const { departures } = this.#store;
    const frames = departures.drain((at) => readDeparture(departures, at, this));
    this.#flush();
    return frames;
  }

  // DepartureVisitor

  release(release: Release): void {
    if (this.#releaseNode !== release.targetNode || this.#releases.length === 0) {
      this.#flush();
      this.#releaseNode = release.targetNode;
    }
    const { id, seq, targetCell, record, passenger, pendingInputs } = release;
    this.#releases.push({ id: id as EntityId, seq, targetCell, record, passenger, pendingInputs });
    this.#sink.released(release);
  }

  checkpoint({ id, seq, record, passenger, atRest }: Checkpoint): void {
    if (this.#rows.length === 0 || this.#rows.length >= ROWS_PER_EVENT_MAX) this.#flush();
    const row = { id: id as EntityId, seq, record, passenger, atRest };
    this.#rows.push(row);
    this.#sink.checkpointed(row);
  }

  despawn(id: number): void {
    if (this.#despawns.length === 0) this.#flush();
    this.#despawns.push(id as EntityId);
    this.#sink.despawned(id as EntityId);
  }

  emit({ entity, event, payload, hint }: EmittedEvent): void {
    if (this.#emits.length === 0) this.#flush();
    this.#emits.push({ entity: entity as EntityId, event, payload, hint });
  }

  ghosts(node: number, bytes: Uint8Array): void {
    this.#sink.ghosts(node, bytes);
  }

  input(input: { readonly session: number; readonly sequence: number; readonly payload: Uint8Array }): void {
    // Behind the release of its player, if that is in this batch.
    this.#flush();
    this.#sink.forwardInput(input);
  }

  sessionLeave(session: number): void {
    this.#flush();
    this.#sink.forwardLeave(session);
  }

  session(bound: BoundSession): void {
    this.#flush();
    this.#sink.bound(bound);
  }

  durable({ number }: { readonly number: number }): void {
    this.#flush();
    this.#sink.durable(number);
  }

  room(slots: number): void {
    this.#flush();
    this.#sink.room(slots);
  }

  tick(tick: number): void {
    this.#flush();
    this.#tick = tick;
  }

  mark(): void {
    // Inputs are put into order where they act (input-gate.core.ts), whichever way they took.
  }

  populated(): void {
    // The directory was told before: a world is populated at most once, also when this process dies in the middle.
  }

  #flush(): void {
    if (this.#releases.length > 0) this.#flushReleases();
    if (this.#rows.length > 0) {
      const rows = this.#rows;
      this.#rows = [];
      this.#sink.step({ kind: 'checkpoint', rows });
    }
    if (this.#despawns.length > 0) {
      const ids = this.#despawns;
      this.#despawns = [];
      this.#sink.step({ kind: 'despawn', ids });
    }
    if (this.#emits.length > 0) {
      const messages = this.#emits;
      this.#emits = [];
      this.#sink.step({ kind: 'emit', messages });
    }
  }

  #flushReleases(): void {
    const items = this.#releases;
    const node = this.#releaseNode;
    this.#releases = [];
    this.#sink.releaseSeen(node, items.length);
    const target = this.#sink.identityOf(node);
    // The simulation releases to nodes with credits only, and credits come from a link: its node is known.
    if (target === undefined)
      throw new RangeError(`${items.length} entities were released to node ${node}, which nobody is`);
    this.#sink.step({ kind: 'release', tick: this.#tick, target, items });
  }
}
