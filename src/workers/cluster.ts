/**
 * The conductor's part in a cluster: what comes from the peer thread and what goes to it, once a tick.
 *
 *   intake    input ring ─▶ arrivals: activations, ghosts, inputs, events, …           takeArrivals
 *   settle    births and deaths are noted; entities in foreign land are released         born, dies, release, emit
 *   end       players at rest, checkpoints, ghosts for others, room, tick ─▶ peer bell   endTick
 *
 * Everything here runs on the conductor between phases, so it owns all rows.
 */
import type { CellIndex, SessionIndex, Slot } from '../base/brand.ts';
import type { CapacityError, RecordError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { readArrival } from '../memory/arrivals.ts';
import type {
  Activation,
  ArrivalVisitor,
  ArrivedEvent,
  ArrivedInput,
  ArrivedJoin,
  ArrivedRebind,
  ArrivedSessionState,
} from '../memory/arrivals.ts';
import { COMMAND, COMMAND_HEAD_BYTES, NO_EVENT } from '../memory/commands.ts';
import {
  writeDespawn,
  writeEmit,
  writeForwardedInput,
  writeForwardedLeave,
  writeGo,
  writePopulated,
  writeRoom,
  writeTick,
} from '../memory/departures.ts';
import { despawn } from '../memory/entities.ts';
import { writeU53 } from '../memory/passenger.ts';
import { SchemaRegistry } from '../memory/record.ts';
import type { SessionState } from '../memory/sessions.ts';
import { SESSION_STATE } from '../memory/sessions.ts';
import type { Store } from '../memory/store.ts';
import { parseSchema } from '../wire/schema.wire.ts';
import { Activator } from './activations.ts';
import { Checkpointer } from './checkpoints.ts';
import { GhostReceiver } from './ghosts-in.ts';
import { GhostPublisher } from './ghosts-out.ts';
import type { Intake } from './intake.ts';
import { Outbox } from './outbox.ts';
import { Passengers } from './passengers.ts';
import { RecordBuffer } from './record-buffer.ts';
import { Releaser } from './release.ts';
import { Territory } from './territory.ts';

/** Settings of a node in a cluster, the same in all its threads. */
export interface ClusterPhaseOptions {
  /** Metres that an entity may stand past the border before it is turned or stopped. */
  readonly overhang: number;
  /** How long an entity stays past the border before it is handed over; doubles with each bounce up to dwellMsMax. */
  readonly dwellMs: number;
  readonly dwellMsMax: number;
  /** Every owned entity is told to the journal within this time. */
  readonly checkpointMs: number;
  /** Publications that may wait for the sink on this node, in number and in bytes. */
  readonly outboxEventsMax: number;
  readonly outboxBytesMax: number;
}

export const CLUSTER_PHASE_DEFAULTS: ClusterPhaseOptions = {
  overhang: 32,
  dwellMs: 250,
  dwellMsMax: 2000,
  checkpointMs: 1000,
  outboxEventsMax: 100_000,
  outboxBytesMax: 64 * 2 ** 20,
};

export interface ClusterOptions {
  readonly store: Store;
  readonly world: World;
  readonly intake: Intake;
  readonly cluster: ClusterPhaseOptions;
  readonly tickHz: number;
  readonly aoiRadius: number;
  readonly aoiHysteresis: number;
  readonly onError: (error: CapacityError | RecordError) => void;
  /** Runs the world's `start` for a cell, between ticks. */
  readonly populate: (cell: CellIndex) => void;
}

const CONDUCTOR = 0;
const TARGET_BYTES = 8;
const FRAMES_MAX = 65_536;
const FORWARDED_WAITING_MAX = 16_384;
const DURABLES_MAX = 65_536;

interface Durable {
  readonly entity: number;
  readonly event: number;
  readonly payload: Uint8Array;
}

export class Cluster implements ArrivalVisitor {
  readonly #options: ClusterOptions;
  readonly #store: Store;
  readonly #intake: Intake;
  readonly #territory: Territory;
  readonly #registry: SchemaRegistry;
  readonly #passengers: Passengers;
  readonly #activator: Activator;
  readonly #releaser: Releaser;
  readonly #checkpointer: Checkpointer;
  readonly #receiver: GhostReceiver;
  readonly #publisher: GhostPublisher;
  readonly #outbox: Outbox;
  readonly #forwarded: Outbox;
  readonly #eventsView: DataView<SharedArrayBuffer>;
  #eventsEnd = 0;
  #leaving: { readonly slot: Slot; readonly id: number }[] = [];
  readonly #durables = new Map<number, Durable>();
  #durableNumber = 0;
  #tick = 0;

  constructor(options: ClusterOptions) {
    this.#options = options;
    const { store, intake, world, cluster, tickHz, aoiRadius, aoiHysteresis, onError } = options;
    this.#store = store;
    this.#intake = intake;
    const registry = new SchemaRegistry(store.schema, world.declaration.migrations);
    this.#registry = registry;
    const records = new RecordBuffer(store);
    const reach = aoiRadius + aoiHysteresis + cluster.overhang;
    this.#territory = new Territory({
      grid: store.grid,
      owners: store.cellOwner,
      reach: Math.max(reach, cluster.overhang * 2),
    });
    this.#passengers = new Passengers(store);
    this.#outbox = new Outbox(store.departures);
    this.#forwarded = new Outbox(store.departures, FORWARDED_WAITING_MAX);
    this.#eventsView = new DataView(
      store.arrivedEvents.buffer,
      store.arrivedEvents.byteOffset,
      store.arrivedEvents.length,
    );
    const parts = { store, territory: this.#territory, passengers: this.#passengers, records };
    const share = 1000 / (tickHz * cluster.checkpointMs);
    this.#checkpointer = new Checkpointer(parts, { share: Math.min(1, share) });
    this.#receiver = new GhostReceiver({ store, registry, tickHz, onCapacity: onError });
    this.#publisher = new GhostPublisher({ ...parts, tickHz, reach });
    this.#activator = new Activator({
      ...parts,
      registry,
      intake,
      outbox: this.#outbox,
      activated: (slot, wasHere) => this.#activated(slot, wasHere),
      leaves: (slot) => this.#leave(slot),
      onError,
    });
    this.#releaser = new Releaser(
      {
        ...parts,
        takePending: (session) => intake.takePending(session),
        unbind: (session) => this.#sendAfter(session),
        released: (slot, tick) => this.#released(slot, tick),
        publicationsOf: (slot) => this.#checkpointer.publicationsOf(slot),
        stays: (slot) => this.#leaving.some((leaving) => leaving.slot === slot),
      },
      { ...cluster, tickHz, atLimit: world.declaration.overhang ?? 'turn' },
    );
    intake.joinCluster(this);
  }

  // Intake.

  takeArrivals(tick: number): void {
    const { arrivals } = this.#store;
    this.#tick = tick;
    this.#eventsEnd = 0;
    this.#activator.retry();
    this.#receiver.sweep(tick);
    // As many as were there when we began: the peer thread goes on writing.
    let left = FRAMES_MAX;
    while (left-- > 0 && !this.#activator.isFull) {
      if (arrivals.drain((at) => readArrival(arrivals, at, this), 1) === 0) return;
    }
  }

  /** A player has joined here. */
  joined(slot: number, account: string): void {
    this.born(slot);
    this.#passengers.setAccount(slot, account);
  }

  /** The client of this entity is gone: a player with an account rests in the journal, another is gone. */
  #leave(slot: Slot): void {
    const { columns } = this.#store;
    if (columns.session[slot] !== 0) this.#activator.unbind((columns.session[slot]! - 1) as SessionIndex);
    columns.session[slot] = 0;
    if (this.#passengers.account(slot) === '') this.#despawn(slot);
    else this.#leaving.push({ slot, id: columns.id[slot]! });
  }

  playerLeaves(slot: Slot): void {
    this.#leave(slot);
  }

  /** A session whose player is at another node. */
  forwardInput(input: ArrivedInput): void {
    const copy = { ...input, payload: input.payload.slice() };
    const taken = this.#forwarded.offer((ring) => writeForwardedInput(ring, copy));
    if (!taken) this.#store.stats.add(CONDUCTOR, 'inputsDropped', 1);
  }

  forwardLeave(session: number): void {
    this.#forwarded.offer((ring) => writeForwardedLeave(ring, { session }));
  }

  // Settle.

  /** A new entity of this node. */
  born(slot: number): void {
    this.#passengers.drop(slot);
    this.#checkpointer.forget(slot);
    this.#checkpointer.want(slot);
  }

  /** Before an entity of this node is despawned. */
  dies(slot: number): void {
    const { columns } = this.#store;
    const id = columns.id[slot]!;
    const session = columns.session[slot]!;
    if (session !== 0) this.#activator.unbind((session - 1) as SessionIndex);
    this.#passengers.drop(slot);
    const publications = this.#checkpointer.publicationsOf(slot);
    this.#checkpointer.published(slot);
    const isKnown = this.#checkpointer.forget(slot);
    if (isKnown || publications.length > 0) this.#outbox.offer((ring) => writeDespawn(ring, { id, publications }));
  }

  /**
   * After this tick's commands: whoever goes, goes. Where no message follows that could tell of a change in one of them, they
   * are on their way to the disk while the tick goes on.
   */
  release(tick: number, hasEvents: boolean): void {
    const { departures, control } = this.#store;
    this.#outbox.flush();
    this.#forwarded.flush();
    this.#releaser.run(tick);
    if (!hasEvents && this.#releaser.released > 0 && writeGo(departures)) control.ringPeerBell();
  }

  /** An event for an entity that is not owned here. */
  emit(entity: number, event: number, payload: Uint8Array): boolean {
    const { idMap, columns, departures } = this.#store;
    const slot = idMap.get(entity);
    const hint = slot < 0 ? 0 : columns.ghostOf[slot]!;
    return writeEmit(departures, { entity, event, payload, hint });
  }

  /** World code wants this entity on disk, and then perhaps an event. */
  durable(slot: number, event: number, payload: Uint8Array): void {
    const { columns, stats } = this.#store;
    if (columns.id[slot] === 0 || columns.ghostOf[slot] !== 0) return;
    if (event === NO_EVENT) return this.#checkpointer.want(slot);
    if (this.#durables.size >= DURABLES_MAX) {
      stats.add(CONDUCTOR, 'eventsLost', 1);
      return;
    }
    const number = ++this.#durableNumber;
    this.#durables.set(number, { entity: columns.id[slot]!, event, payload: payload.slice() });
    this.#checkpointer.wish(slot, number);
  }

  /** World code tells the outside of this entity. */
  publish(slot: number, publication: number, payload: Uint8Array): void {
    const { columns } = this.#store;
    if (columns.id[slot] === 0 || columns.ghostOf[slot] !== 0) return;
    this.#checkpointer.publish(slot, { publication, payload: payload.slice() });
  }

  // Conductor.

  get hasSubscribers(): boolean {
    return this.#publisher.hasSubscribers;
  }

  /** Marks the cells in which changes must be stamped for other nodes. */
  flagCells(flags: Uint8Array, flag: number): void {
    this.#publisher.flag(flags, flag);
  }

  endTick(tick: number): void {
    const { store } = this.#options;
    const { departures, options, stats } = store;
    this.#outbox.flush();
    this.#forwarded.flush();
    this.#rest();
    this.#checkpointer.run();
    this.#publisher.run(tick);
    const slots = options.entitiesMax - store.entityCount + store.ghostCount - this.#activator.waitingCount;
    writeRoom(departures, { slots: Math.max(0, slots) });
    writeTick(departures, { tick });
    store.control.ringPeerBell();
    stats.setGauge('publicationsHeld', this.#checkpointer.heldPublications);
    stats.setGauge('ghosts', store.ghostCount);
    stats.setGauge('overhanging', this.#releaser.overhanging);
    stats.setGauge('activationsWaiting', this.#activator.waitingCount);
  }

  // ArrivalVisitor

  activate(activation: Activation): void {
    this.#activator.take(activation);
  }

  ghosts(node: number, bytes: Uint8Array): void {
    this.#receiver.take(node, bytes, this.#tick);
  }

  subscribe(node: number, cells: Uint32Array): void {
    this.#publisher.subscribe(node, cells);
  }

  ownership(owners: Uint8Array): void {
    this.#store.cellOwner.set(owners.subarray(0, this.#store.cellOwner.length));
    this.#territory.ownersChanged();
    this.#releaser.ownersChanged();
    this.#publisher.ownersChanged();
  }

  arrivedInput(input: ArrivedInput): void {
    const row = this.#rowOf(input.session);
    const orphan = this.#passengers.slotOfOrphan(input.session);
    const floored = { sequence: input.sequence, payload: input.payload, floor: input.sequence - input.back };
    if (row >= 0 && this.#store.sessions.slotPlusOne(row as SessionIndex) !== 0)
      this.#intake.push(row as SessionIndex, floored);
    else if (orphan >= 0) this.#activator.bindOrphan(orphan as Slot, [floored]);
    else if (!this.#activator.inputWaiting(input.session, floored)) this.forwardInput(input);
  }

  sessionState({ session, state, backlogBytes, viewReset }: ArrivedSessionState): void {
    const row = this.#activator.remoteRow(session);
    if (row < 0) return;
    const { sessions } = this.#store;
    const index = row as SessionIndex;
    if (state === SESSION_STATE.attached || state === SESSION_STATE.detached)
      sessions.setState(index, state as SessionState);
    sessions.setBacklogBytes(index, backlogBytes);
    if (viewReset) sessions.requestViewReset(index);
  }

  rebind(rebind: ArrivedRebind): void {
    const slot = this.#activator.rebind(rebind);
    if (slot >= 0) this.#checkpointer.want(slot);
  }

  sessionLeave(session: number): void {
    const { sessions } = this.#store;
    const row = this.#rowOf(session);
    const slot = row < 0 ? -1 : sessions.slotPlusOne(row as SessionIndex) - 1;
    const orphan = slot >= 0 ? slot : this.#passengers.slotOfOrphan(session);
    if (orphan >= 0) this.#leave(orphan as Slot);
    else if (!this.#activator.leaveWaiting(session)) this.forwardLeave(session);
  }

  arrivedEvent({ issuer, number, entity, event, payload }: ArrivedEvent): void {
    const { idMap, columns, stats } = this.#store;
    const slot = idMap.get(entity);
    // Not here (any more): its sender says it again, to whoever has it then.
    if (slot < 0 || columns.ghostOf[slot] !== 0) return;
    if (this.#passengers.mark(slot, issuer) >= number) {
      stats.add(CONDUCTOR, 'eventsRepeated', 1);
      this.#checkpointer.want(slot);
      return;
    }
    if (event >= this.#store.schema.events.length || !this.#deliver(slot, event, payload)) return;
    this.#passengers.raiseMark(slot, issuer, number);
    this.#checkpointer.want(slot);
    stats.add(CONDUCTOR, 'eventsArrived', 1);
  }

  durableDone(number: number): void {
    const durable = this.#durables.get(number);
    if (durable === undefined) return;
    this.#durables.delete(number);
    const { idMap, columns, stats } = this.#store;
    const slot = idMap.get(durable.entity);
    const isHere = slot >= 0 && columns.ghostOf[slot] === 0;
    const done = isHere
      ? this.#deliver(slot, durable.event, durable.payload)
      : this.emit(durable.entity, durable.event, durable.payload);
    if (!done) stats.add(CONDUCTOR, 'eventsLost', 1);
  }

  populate(cells: Uint32Array): void {
    for (const cell of cells) if (cell < this.#store.grid.cellCount) this.#options.populate(cell as CellIndex);
    this.#outbox.offer((ring) => writePopulated(ring, { cells }));
  }

  arrivedJoin({ row, generation, name, account }: ArrivedJoin): void {
    this.#intake.join(row, generation, { name, account });
  }

  schema(text: string): void {
    this.#registry.add(parseSchema(text));
  }

  // Below: small steps.

  /** Puts an event into this tick's inbox of the entity's cell; false when it cannot act now. */
  #deliver(slot: number, event: number, payload: Uint8Array): boolean {
    const { arrivedEvents, inbox, columns, pausedCells, options } = this.#store;
    const cell = columns.cell[slot]!;
    const at = this.#eventsEnd;
    const payloadBytes = TARGET_BYTES + payload.length;
    const end = at + COMMAND_HEAD_BYTES + ((payloadBytes + 3) & ~3);
    if (pausedCells[cell] === 1 || end > arrivedEvents.length) return false;
    if (!inbox.addEvent(cell, { slot, worker: options.workers, at })) return false;
    arrivedEvents[at] = COMMAND.emit;
    arrivedEvents[at + 1] = event;
    this.#eventsView.setUint16(at + 2, payloadBytes, true);
    writeU53(this.#eventsView, at + COMMAND_HEAD_BYTES, columns.id[slot]!);
    arrivedEvents.set(payload, at + COMMAND_HEAD_BYTES + TARGET_BYTES);
    this.#eventsEnd = end;
    return true;
  }

  #rowOf(session: number): SessionIndex | -1 {
    const remote = this.#activator.remoteRow(session);
    return remote >= 0 ? remote : this.#store.sessions.findBySessionId(session);
  }

  #activated(slot: number, wasHere: boolean): void {
    this.#checkpointer.known(slot);
    if (wasHere) this.#releaser.cameBack(slot, this.#tick);
  }

  #released(slot: number, tick: number): void {
    this.#checkpointer.published(slot);
    this.#checkpointer.forget(slot);
    this.#receiver.released(slot, tick);
  }

  /** The session's player has gone to another node: its inputs go after it. */
  #sendAfter(session: SessionIndex): void {
    this.#intake.sendAfter(session);
    this.#activator.unbind(session);
  }

  #despawn(slot: Slot): void {
    this.dies(slot);
    despawn(this.#store, slot);
    this.#store.stats.add(CONDUCTOR, 'entitiesDespawned', 1);
  }

  /** Players with an account who have left: out of the store as soon as the journal has been told. */
  #rest(): void {
    const { columns } = this.#store;
    let done = 0;
    for (const { slot, id } of this.#leaving) {
      const isHere = columns.id[slot] === id && columns.ghostOf[slot] === 0;
      if (isHere && !this.#checkpointer.writeAtRest(slot)) break;
      if (isHere) {
        this.#checkpointer.forget(slot);
        this.#passengers.drop(slot);
        despawn(this.#store, slot);
        this.#store.stats.add(CONDUCTOR, 'entitiesDespawned', 1);
      }
      done++;
    }
    if (done > 0) this.#leaving = this.#leaving.slice(done);
  }
}
