/**
 * Reads what a tick leaves in the departures ring and brings it to the core in the order in which it happened, neighbouring
 * frames of one kind as one event.
 *
 *   release … go ──▶ at once: nothing else of this tick depends on it
 *   everything else ──▶ with the `tick` that ends it, as one turn: what a tick changed and what it told others about that are
 *                       written together, however the ring was read in between
 */
import { assert } from '../base/assert.ts';
import type { EntityId } from '../base/brand.ts';
import { unpackFields } from '../base/pack.ts';
import type { EventSchema } from '../base/schema.ts';
import type { ArrivedInput } from '../memory/arrivals.ts';
import type {
  BoundSession,
  Checkpoint,
  DepartureVisitor,
  EmittedEvent,
  PublicationDraft,
  Release,
} from '../memory/departures.ts';
import { readDeparture } from '../memory/departures.ts';
import type { Store } from '../memory/store.ts';
import { valuesToJson } from '../wire/json-values.wire.ts';
import type { CheckpointRow, CoreEvent, EntityRow, NewPublication, NodeNumber, PeerIdentity } from './protocol.ts';

export interface DepartureSink {
  step(event: CoreEvent): void;
  startTurn(): void;
  endTurn(): void;
  releaseSeen(node: NodeNumber, count: number): void;
  /** Who the neighbour is now, or was last; undefined when nobody has ever had that number. */
  identityOf(node: NodeNumber): PeerIdentity | undefined;
  released(release: Release): void;
  checkpointed(row: EntityRow): void;
  despawned(id: EntityId): void;
  ghosts(node: NodeNumber, bytes: Uint8Array): void;
  forwardInput(input: ArrivedInput): void;
  forwardLeave(session: number): void;
  bound(bound: BoundSession): void;
  /** Answer with this number when everything until now is on disk. */
  durable(number: number): void;
  room(slots: number): void;
  /** UTC. */
  utcMs(): number;
}

type Emitted = Extract<CoreEvent, { kind: 'emit' }>['messages'][number];

const NO_NEWS: readonly NewPublication[] = [];
const ROWS_PER_EVENT_MAX = 1024;
/** Durable messages that have not acted yet; more are refused and counted. */
const MESSAGES_WAITING_MAX = 65_536;

export class DepartureReader implements DepartureVisitor {
  readonly #store: Store;
  readonly #sink: DepartureSink;
  readonly #publications: readonly EventSchema[];
  /** What the tick that is being read asks for, but for its releases. */
  #steps: (() => void)[] = [];
  #rows: CheckpointRow[] = [];
  #despawns: EntityId[] = [];
  #lastWords = new Map<EntityId, readonly NewPublication[]>();
  #emits: Emitted[] = [];
  #releases: Release[] = [];
  #tick = 0;

  /** @param publications What the world may publish. */
  constructor(store: Store, sink: DepartureSink, publications: readonly EventSchema[]) {
    this.#store = store;
    this.#publications = publications;
    this.#sink = sink;
  }

  /** Reads everything that is there. */
  read(): void {
    const { departures } = this.#store;
    departures.drain((at) => readDeparture(departures, at, this));
  }

  /** Reads the rest after the simulation has ended, as if its last tick had. */
  readToEnd(): void {
    this.read();
    this.#endTick();
  }

  // DepartureVisitor

  release(release: Release): void {
    this.#releases.push(release);
    // What follows for its session goes there, also before it is written down.
    this.#sink.released(release);
  }

  go(): void {
    // A birth that has waited for room comes first: it may be one of those who go.
    if (this.#steps.length === 0 && this.#rows.length === 0) this.#flushReleases();
  }

  checkpoint({ id, seq, record, passenger, atRest, publications }: Checkpoint): void {
    if (this.#rows.length === 0 || this.#rows.length >= ROWS_PER_EVENT_MAX) this.#gather();
    const row: EntityRow = { id: id as EntityId, seq, record, passenger, atRest };
    this.#rows.push(publications.length === 0 ? row : { ...row, publications: this.#news(publications) });
  }

  despawn(id: number, publications: readonly PublicationDraft[]): void {
    if (this.#despawns.length === 0) this.#gather();
    this.#despawns.push(id as EntityId);
    if (publications.length > 0) this.#lastWords.set(id as EntityId, this.#news(publications));
  }

  emit({ entity, event, payload, hint }: EmittedEvent): void {
    const { peerStats } = this.#store;
    if (peerStats.gauge('messagesWaiting') + this.#emits.length >= MESSAGES_WAITING_MAX) {
      peerStats.add('messagesRefused', 1);
      return;
    }
    if (this.#emits.length === 0) this.#gather();
    this.#emits.push({ entity: entity as EntityId, event, payload, hint });
  }

  durable({ number }: { readonly number: number }): void {
    this.#gather();
    this.#steps.push(() => this.#sink.durable(number));
  }

  ghosts(node: number, bytes: Uint8Array): void {
    this.#sink.ghosts(node, bytes);
  }

  input(input: ArrivedInput): void {
    this.#sink.forwardInput(input);
  }

  sessionLeave(session: number): void {
    this.#sink.forwardLeave(session);
  }

  session(bound: BoundSession): void {
    this.#sink.bound(bound);
  }

  room(slots: number): void {
    this.#sink.room(slots);
  }

  tick(tick: number): void {
    this.#tick = tick;
    this.#endTick();
  }

  populated(): void {
    // The directory was told before: a world is populated at most once, also when this process dies in the middle.
  }

  #endTick(): void {
    this.#gather();
    const steps = this.#steps;
    this.#steps = [];
    this.#sink.startTurn();
    // An entity that goes in the tick in which its birth is told was born in an earlier one.
    for (const step of steps) step();
    this.#flushReleases();
    this.#sink.endTurn();
  }

  /** Neighbouring frames of one kind become one step. */
  #gather(): void {
    if (this.#rows.length > 0) {
      const rows = this.#rows;
      this.#rows = [];
      this.#steps.push(() => {
        for (const row of rows) this.#sink.checkpointed(row);
        this.#sink.step({ kind: 'checkpoint', rows });
      });
    }
    if (this.#despawns.length > 0) {
      const ids = this.#despawns;
      const publications = this.#lastWords;
      this.#despawns = [];
      if (publications.size > 0) this.#lastWords = new Map();
      this.#steps.push(() => {
        for (const id of ids) this.#sink.despawned(id);
        this.#sink.step({ kind: 'despawn', ids, publications });
      });
    }
    if (this.#emits.length > 0) {
      const messages = this.#emits;
      this.#emits = [];
      this.#steps.push(() => this.#sink.step({ kind: 'emit', messages }));
    }
  }

  #flushReleases(): void {
    const releases = this.#releases;
    this.#releases = [];
    for (let first = 0, end = 0; first < releases.length; first = end) {
      const node = releases[first]?.targetNode ?? 0;
      while (end < releases.length && releases[end]?.targetNode === node) end++;
      this.#release(node, releases.slice(first, end));
    }
  }

  #release(node: NodeNumber, releases: readonly Release[]): void {
    this.#sink.releaseSeen(node, releases.length);
    const target = this.#sink.identityOf(node);
    // The simulation releases to nodes with credits only, and credits come from a link: its node is known.
    if (target === undefined) {
      throw new RangeError(`${releases.length} entities were released to node ${node}, which nobody is`);
    }
    const items = releases.map(({ id, seq, targetCell, record, passenger, pendingInputs, publications }) => {
      const news = this.#news(publications);
      return { id: id as EntityId, seq, targetCell, record, passenger, pendingInputs, publications: news };
    });
    this.#sink.step({ kind: 'release', tick: this.#tick, target, items });
  }

  /** As JSON: whoever delivers them needs no schema. */
  #news(drafts: readonly PublicationDraft[]): readonly NewPublication[] {
    if (drafts.length === 0) return NO_NEWS;
    const publishedMs = Math.trunc(this.#sink.utcMs());
    this.#store.peerStats.add('publicationsWritten', drafts.length);
    return drafts.map(({ publication, payload }) => {
      const schema = this.#publications[publication];
      assert(schema !== undefined, 'a publication is one of the world');
      const body = JSON.stringify(valuesToJson(unpackFields(schema.fields, payload)));
      return { name: schema.name, body, publishedMs };
    });
  }
}
