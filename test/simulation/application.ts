/**
 * The world code and the simulation workers of one process: entities that wander between cells, trade, take inputs, rest.
 * What it does in a tick goes to the core as the conductor would send it.
 */
import type { EntityId } from '../../src/base/brand.ts';
import { entityIdFrom, incarnationOf } from '../../src/base/brand.ts';
import type { Random } from '../../src/base/random.ts';
import { UNHEARD_MAX } from '../../src/peer/attachment.core.ts';
import type {
  CheckpointRow,
  CoreEffect,
  CoreEvent,
  EntityRow,
  Mark,
  MessageRow,
  NewPublication,
  NodeNumber,
  PeerIdentity,
  SessionId,
} from '../../src/peer/protocol.ts';
import type { Checkers, Witness } from './checkers.ts';
import type { InputFrame } from './frame.ts';
import type { State } from './record.ts';
import { addInput, decodeRecord, encodeRecord, hasInput } from './record.ts';

export interface Entity {
  readonly id: EntityId;
  seq: number;
  state: State;
  lastInput: number;
  gateway: NodeNumber;
  session: SessionId;
  marks: readonly Mark[];
  isAtRest: boolean;
  /** To be journalled with this tick. */
  isDirty: boolean;
  /** Since when it stands in another's cell. */
  overSinceMs: number;
  /** As in attachment.core.ts. */
  before: readonly SessionId[];
  isHeard: boolean;
  isStable: boolean;
  /** Published in this tick. */
  drafts: NewPublication[];
}

/** What the application finds around it. */
export interface Surroundings {
  readonly random: Random;
  readonly checkers: Checkers;
  readonly witness: Witness;
  readonly settings: ApplicationSettings;
  readonly nowMs: () => number;
  /** Owner of a cell, as this node knows it. */
  readonly ownerOf: (cell: number) => NodeNumber;
  /** Whom a release may go to now: linked, leased. */
  readonly peerAt: (node: NodeNumber) => PeerIdentity | undefined;
  readonly randomEntity: () => EntityId;
  readonly left: (id: EntityId, to: { node: NodeNumber; seq: number }) => void;
  readonly note: (text: string, id: EntityId) => void;
}

export interface ApplicationSettings {
  readonly cells: number;
  /** Chance per entity and tick. */
  moveChance: number;
  tradeChance: number;
  birthChance: number;
  despawnChance: number;
  restChance: number;
  publishChance: number;
  /** How long an entity stays over the border before it is released. */
  readonly dwellMs: number;
  readonly checkpointMs: number;
}

export interface Acknowledgement {
  readonly id: EntityId;
  readonly number: number;
  readonly session: SessionId;
  readonly gateway: NodeNumber;
  readonly isDone: boolean;
}

/** What waits for this tick's part of the journal to be stable. */
export interface TickOutcome {
  readonly acknowledgements: readonly Acknowledgement[];
  readonly born: readonly EntityId[];
  readonly ended: readonly EntityId[];
  /** Players who are written with a session that was not stable before. */
  readonly rebound: readonly { readonly id: EntityId; readonly session: SessionId }[];
}

type Activation = Extract<CoreEffect, { kind: 'activate' }>;
type Release = Extract<CoreEvent, { kind: 'release' }>;

export class Application {
  readonly owned = new Map<EntityId, Entity>();
  readonly credits = new Map<NodeNumber, number>();
  tick = 0;
  #births = 0;
  #acknowledgements: Acknowledgement[] = [];
  #emitted: { entity: EntityId; event: number; payload: Uint8Array; hint: NodeNumber }[] = [];
  readonly #around: Surroundings;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  activate(activation: Activation): Entity {
    const { row } = activation;
    const state = decodeRecord(row.record);
    const { lastInput, gateway, session, marks } = row.passenger;
    const { id, seq, atRest } = row;
    this.#around.checkers.activated(this.#around.witness, activation, state);
    const entity: Entity = {
      id,
      seq,
      state,
      lastInput,
      gateway,
      session,
      marks,
      isAtRest: atRest,
      isDirty: false,
      overSinceMs: -1,
      before: [],
      isHeard: false,
      isStable: true,
      drafts: [],
    };
    this.owned.set(id, entity);
    for (const { sequence } of activation.pendingInputs) this.#applyInput(entity, sequence);
    return entity;
  }

  /** The process ends. */
  end(): void {
    for (const id of this.owned.keys()) this.#around.checkers.deactivated(this.#around.witness, id);
    this.owned.clear();
  }

  /** An input for an entity that is owned here. */
  input(entity: Entity, frame: InputFrame): void {
    // What an older session still says is not heard: its client has another.
    if (frame.session < entity.session) return;
    this.#around.checkers.speaks(this.#around.witness, entity.id, frame.session);
    this.#begin(entity, frame.session, frame.gateway);
    this.heard(frame);
    if (frame.number > entity.lastInput && !entity.isAtRest) this.#applyInput(entity, frame.number);
    else entity.isDirty = true;
    if (frame.number > entity.lastInput) return;
    const { id, number, session, gateway } = frame;
    const isDone = hasInput(entity.state.applied, number);
    this.#acknowledgements.push({ id, number, session, gateway, isDone });
  }

  /** The client of this session was heard: the tokens of those before are spent. */
  heard({ id, session }: { readonly id: EntityId; readonly session: SessionId }): void {
    const entity = this.owned.get(id);
    if (entity?.session !== session) return;
    entity.isHeard = true;
    entity.before = [];
  }

  #applyInput(entity: Entity, number: number): void {
    if (number <= entity.lastInput) return;
    this.#around.checkers.inputActs(entity.id, entity.state, number, entity.lastInput);
    addInput(entity.state.applied, number);
    entity.state.counter++;
    entity.lastInput = number;
    entity.isDirty = true;
  }

  login(entity: Entity, session: SessionId, gateway: NodeNumber): void {
    this.#begin(entity, session, gateway);
    if (!entity.isAtRest) return;
    entity.isAtRest = false;
    entity.isDirty = true;
  }

  /** A login: the newest session wins. */
  #begin(entity: Entity, session: SessionId, gateway: NodeNumber): void {
    if (session <= entity.session) return;
    entity.session = session;
    entity.gateway = gateway;
    entity.isDirty = true;
    entity.isHeard = false;
    entity.before = [];
  }

  /** The client of `from` goes on with another session; the journal is told in the next tick. */
  rebind(entity: Entity, { to, gateway }: { to: SessionId; gateway: NodeNumber }): void {
    const { session } = entity;
    entity.session = to;
    entity.gateway = gateway;
    entity.before = entity.isHeard
      ? [session]
      : [session, ...entity.before.filter((before) => before !== to)].slice(0, UNHEARD_MAX);
    entity.isHeard = false;
    entity.isStable = false;
    entity.isDirty = true;
    this.#around.note(`is of session ${to}, which was ${session}`, entity.id);
  }

  /** A durable message: acts once, by the entity's marks. */
  deliver(row: MessageRow): void {
    const entity = this.owned.get(row.entity);
    if (entity === undefined) return;
    const mark = entity.marks.find(({ sender }) => sender === row.issuer);
    entity.isDirty = true;
    if (mark !== undefined && mark.number >= row.number) return;
    entity.marks = [...entity.marks.filter((other) => other !== mark), { sender: row.issuer, number: row.number }];
    entity.state.gold += goldIn(row.payload);
    this.#around.note(`gets message ${row.number}`, row.entity);
  }

  /** One tick: fills `events` with what the core is to hear. */
  simulate(events: CoreEvent[]): TickOutcome {
    this.tick++;
    const { settings, random } = this.#around;
    const nowMs = this.#around.nowMs();
    const rows: CheckpointRow[] = [];
    const lastWords = new Map<EntityId, readonly NewPublication[]>();
    const releases = new Map<NodeNumber, Release>();
    const despawned: EntityId[] = [];
    const rebound: { id: EntityId; session: SessionId }[] = [];
    const born = random.next() < settings.birthChance ? [this.#birth()] : [];
    for (const entity of this.owned.values()) this.#wander(entity);
    for (const entity of this.owned.values()) this.#maybeTrade(entity);
    for (const entity of this.owned.values()) this.#maybePublish(entity, nowMs);
    for (const entity of this.owned.values()) {
      if (settings.despawnChance > 0 && this.#mayEnd(entity) && random.next() < settings.despawnChance) {
        despawned.push(entity.id);
        lastWords.set(entity.id, entity.drafts);
        this.#around.checkers.lastPublished.set(entity.id, entity.state.published);
        continue;
      }
      if (this.#maybeRelease(entity, releases)) continue;
      if (!entity.isDirty && nowMs - entity.state.stampMs < settings.checkpointMs) continue;
      entity.isDirty = false;
      entity.state.stampMs = nowMs;
      rows.push({ ...rowOf(entity), publications: entity.drafts });
      entity.drafts = [];
      if (!entity.isStable) rebound.push({ id: entity.id, session: entity.session });
    }
    for (const id of despawned) {
      this.#around.checkers.ending.add(id);
      this.#remove(id);
    }
    if (rows.length > 0) events.push({ kind: 'checkpoint', rows });
    if (despawned.length > 0) events.push({ kind: 'despawn', ids: despawned, publications: lastWords });
    if (this.#emitted.length > 0) events.push({ kind: 'emit', messages: this.#emitted });
    for (const release of releases.values()) events.push(release);
    const outcome = { acknowledgements: this.#acknowledgements, born, ended: despawned, rebound };
    this.#emitted = [];
    this.#acknowledgements = [];
    return outcome;
  }

  #wander(entity: Entity): void {
    const { random, settings } = this.#around;
    if (entity.isAtRest) return;
    if (settings.restChance > 0 && entity.session !== 0 && random.next() < settings.restChance) {
      entity.isAtRest = true;
      entity.isDirty = true;
      return;
    }
    if (random.next() >= settings.moveChance) return;
    entity.state.cell = random.below(settings.cells);
    entity.overSinceMs = -1;
  }

  #maybeTrade(entity: Entity): void {
    const { random, settings, randomEntity } = this.#around;
    if (settings.tradeChance === 0 || entity.isAtRest || entity.state.gold < 1) return;
    if (random.next() >= settings.tradeChance) return;
    const partner = randomEntity();
    if (partner === entity.id || partner === 0) return;
    const amount = 1 + random.below(Math.min(entity.state.gold, 5));
    entity.state.gold -= amount;
    entity.isDirty = true;
    const here = this.owned.get(partner);
    this.#around.note(`gives ${amount} to ${partner}`, entity.id);
    if (here !== undefined) {
      here.state.gold += amount;
      here.isDirty = true;
      return;
    }
    this.#emitted.push({ entity: partner, event: 1, payload: new Uint8Array([amount]), hint: 0 });
  }

  #maybePublish(entity: Entity, nowMs: number): void {
    const { random, settings } = this.#around;
    if (settings.publishChance === 0 || entity.isAtRest || random.next() >= settings.publishChance) return;
    entity.state.published++;
    entity.isDirty = true;
    // What is rolled back and published once more is told apart.
    const body = JSON.stringify({ count: entity.state.published, chance: random.nextUint32() });
    entity.drafts.push({ name: 'counted', body, publishedMs: Math.trunc(nowMs) });
  }

  /** Only what was born: the others are traded with, and a message to what has ended would be for nobody. */
  #mayEnd(entity: Entity): boolean {
    return incarnationOf(entity.id) > 0;
  }

  #birth(): EntityId {
    const { witness, settings, random, nowMs } = this.#around;
    const id = entityIdFrom(witness.incarnation, 1000 + this.#births++);
    const state: State = {
      cell: random.below(settings.cells),
      gold: 0,
      counter: 0,
      applied: new Uint32Array(4),
      published: 0,
      stampMs: nowMs(),
    };
    const entity: Entity = {
      id,
      seq: 1,
      state,
      lastInput: 0,
      gateway: 0,
      session: 0,
      marks: [],
      isAtRest: false,
      isDirty: true,
      overSinceMs: -1,
      before: [],
      isHeard: false,
      isStable: true,
      drafts: [],
    };
    this.owned.set(id, entity);
    this.#around.checkers.active.set(id, [witness]);
    return id;
  }

  #maybeRelease(entity: Entity, releases: Map<NodeNumber, Release>): boolean {
    const { cell } = entity.state;
    const node = this.#around.ownerOf(cell);
    if (node === 0 || entity.isAtRest) return false;
    const nowMs = this.#around.nowMs();
    if (entity.overSinceMs < 0) entity.overSinceMs = nowMs;
    if (nowMs - entity.overSinceMs < this.#around.settings.dwellMs) return false;
    const target = this.#around.peerAt(node);
    const credits = this.credits.get(node) ?? 0;
    // Do not freeze what cannot leave: it overhangs.
    if (target === undefined || credits <= 0) return false;
    this.credits.set(node, credits - 1);
    let release = releases.get(node);
    if (release === undefined) {
      release = { kind: 'release', tick: this.tick, target, items: [] };
      releases.set(node, release);
    }
    this.#remove(entity.id);
    const { id, record, passenger } = rowOf(entity);
    const publications = entity.drafts;
    const item = { id, seq: entity.seq + 1, targetCell: cell, record, passenger, pendingInputs: [], publications };
    (release.items as (typeof item)[]).push(item);
    this.#around.left(id, { node, seq: item.seq });
    this.#around.note(`frozen as seq ${item.seq} for node ${node}`, id);
    return true;
  }

  #remove(id: EntityId): void {
    this.owned.delete(id);
    this.#around.checkers.deactivated(this.#around.witness, id);
  }
}

export function rowOf(entity: Entity): EntityRow {
  const { id, seq, lastInput, gateway, session, marks } = entity;
  return {
    id,
    seq,
    record: encodeRecord(entity.state),
    passenger: { lastInput, gateway, session, account: '', marks },
    atRest: entity.isAtRest,
  };
}

export function goldIn(payload: Uint8Array): number {
  return payload[0] ?? 0;
}
