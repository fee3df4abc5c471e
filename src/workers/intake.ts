/**
 * Intake: at the start of a tick the conductor takes what came from clients. A frame of a session whose row has been
 * given to somebody else since is dropped by its generation.
 */
import type { SessionIndex, Slot } from '../base/brand.ts';
import { CapacityError } from '../base/errors.ts';
import { Random, mixSeed } from '../base/random.ts';
import type { World } from '../base/world.ts';
import { despawn, spawn } from '../memory/entities.ts';
import { readIntake } from '../memory/intake.ts';
import type { IntakeVisitor } from '../memory/intake.ts';
import { packRow, rowBytesMax } from '../memory/row.ts';
import type { StartValues } from '../memory/row.ts';
import { PENDING_INPUTS_MAX, PENDING_INPUT_BYTES } from '../memory/sessions.ts';
import type { PassengerInput } from '../memory/passenger.ts';
import type { Store } from '../memory/store.ts';

const CONDUCTOR = 0;
/** Frames taken in one tick; the rest wait in the ring. */
const FRAMES_MAX = 65_536;
const LENGTH_BYTES = 4;

export interface IntakeOptions {
  readonly store: Store;
  readonly world: World;
  readonly seed: number;
  readonly params: Readonly<Record<string, number>>;
  /** World code's `join` threw, or a capacity ran out: reported, and the client is refused. */
  readonly onRefused: (error: unknown) => void;
  /** For a recording: keep what was taken until `takenFrames`. */
  readonly keepsFrames: boolean;
}

/** The part of a cluster's conductor that intake tells of sessions, see cluster.ts. */
export interface IntakeCluster {
  /** After the input ring, before inputs are delivered. */
  takeArrivals(tick: number): void;
  joined(slot: number, account: string): void;
  /** The client is gone; its session row holds the entity no more. */
  playerLeaves(slot: Slot): void;
  forwardInput(session: number, sequence: number, payload: Uint8Array): void;
  forwardLeave(session: number): void;
  forwardMark(session: number, generation: number): void;
}

export class Intake implements IntakeVisitor {
  readonly #options: IntakeOptions;
  readonly #random = new Random(0);
  readonly #packed: Uint8Array;
  /** Generation of the session that a row's entity was made for; owned by the conductor. */
  readonly #generations: Uint32Array;
  /** Sessions with inputs to apply in this tick. */
  readonly #pending: Uint32Array;
  #pendingCount = 0;
  /** Per row: the SessionId of the session that joined, and whether its player is at another node. */
  readonly #sessionIds: Float64Array;
  readonly #isAway: Uint8Array;
  #cluster: IntakeCluster | undefined;
  #tick = 0;
  #kept = new Uint8Array(4096);
  #keptBytes = 0;
  #source: { bytes: Uint8Array; view: DataView };

  constructor(options: IntakeOptions) {
    this.#options = options;
    const { store } = options;
    const sizes = store.schema.kinds.map((kind) => rowBytesMax(store.schema, kind));
    this.#packed = new Uint8Array(Math.max(...sizes));
    this.#generations = new Uint32Array(store.options.sessionsMax);
    this.#pending = new Uint32Array(store.options.sessionsMax);
    this.#sessionIds = new Float64Array(store.options.sessionsMax);
    this.#isAway = new Uint8Array(store.options.sessionsMax);
    this.#source = store.inputRing;
    this.#adopt();
  }

  /** Takes the frames of one tick from the input ring. */
  run(tick: number): void {
    const { store, keepsFrames } = this.#options;
    this.#begin(tick);
    this.#source = store.inputRing;
    store.inputRing.drain((at, sizeBytes) => {
      if (keepsFrames) this.#keep(at, sizeBytes);
      readIntake(this.#source, at, this);
    }, FRAMES_MAX);
    this.#cluster?.takeArrivals(tick);
    this.#deliver();
  }

  /** Takes the frames of one tick from a recording: each behind its length, u32. */
  replay(tick: number, intake: Uint8Array): void {
    this.#begin(tick);
    const view = new DataView(intake.buffer, intake.byteOffset, intake.byteLength);
    this.#source = { bytes: intake, view };
    for (let at = 0; at < intake.length; at += LENGTH_BYTES + view.getUint32(at, true)) {
      readIntake(this.#source, at + LENGTH_BYTES, this);
    }
    this.#deliver();
  }

  // For a node of a cluster.

  joinCluster(cluster: IntakeCluster): void {
    this.#cluster = cluster;
  }

  /** The session's player is owned here from now on; its client has what another node sent it. */
  bind(session: SessionIndex, slot: number, lastInput: number): void {
    const { sessions } = this.#options.store;
    this.#generations[session] = sessions.generation(session);
    this.#sessionIds[session] = sessions.sessionId(session);
    this.#isAway[session] = 0;
    sessions.setPendingCount(session, 0);
    sessions.setInputSequence(session, lastInput);
    sessions.requestViewReset(session);
    sessions.setSlotPlusOne(session, slot + 1);
  }

  /** The session's player is owned by another node from now on: its inputs go there. */
  sendAfter(session: SessionIndex): void {
    this.#isAway[session] = this.#options.store.sessions.gateway(session) === 0 ? 1 : 0;
  }

  /** Inputs that wait for a tick; they wait no longer. */
  takePending(session: SessionIndex): PassengerInput[] {
    const { sessions } = this.#options.store;
    const inputs = Array.from({ length: sessions.pendingCount(session) }, (_, index) => {
      const at = sessions.pendingOffsetBytes(session, index);
      const sizeBytes = sessions.pendingView.getUint16(at + 4, true);
      return {
        sequence: sessions.pendingView.getUint32(at, true),
        payload: sessions.pendingBytes.slice(at + 8, at + 8 + sizeBytes),
      };
    });
    sessions.setPendingCount(session, 0);
    return inputs;
  }

  /** An input for this tick that did not come by the input ring. */
  push(session: SessionIndex, { sequence, payload }: PassengerInput): void {
    this.#add(session, sequence, payload);
  }

  /** The frames of the last tick, in the form that `replay` takes. */
  takenFrames(): Uint8Array {
    const taken = this.#kept.slice(0, this.#keptBytes);
    this.#keptBytes = 0;
    return taken;
  }

  #keep(at: number, sizeBytes: number): void {
    const end = this.#keptBytes + LENGTH_BYTES + sizeBytes;
    if (end > this.#kept.length) {
      const larger = new Uint8Array(end * 2);
      larger.set(this.#kept);
      this.#kept = larger;
    }
    new DataView(this.#kept.buffer).setUint32(this.#keptBytes, sizeBytes, true);
    this.#kept.set(this.#source.bytes.subarray(at, at + sizeBytes), this.#keptBytes + LENGTH_BYTES);
    this.#keptBytes = end;
  }

  // IntakeVisitor

  join(session: number, generation: number, player: { name: string; account: string }): void {
    const { store, onRefused } = this.#options;
    const row = session as SessionIndex;
    this.#removeEntity(row);
    this.#generations[session] = generation;
    this.#isAway[session] = 0;
    // A row that was closed and opened again meanwhile is another session's.
    const isSame = store.sessions.generation(row) === generation;
    this.#sessionIds[session] = isSame ? store.sessions.sessionId(row) : 0;
    store.sessions.setPendingCount(row, 0);
    store.sessions.setInputSequence(row, 0);
    try {
      const slot = this.#spawnPlayer(session, player);
      store.columns.session[slot] = session + 1;
      store.sessions.setSlotPlusOne(row, slot + 1);
      this.#cluster?.joined(slot, player.account);
    } catch (error) {
      const heapIsFull = error instanceof CapacityError && error.code === 'ERR_CAPACITY_HEAP';
      store.sessions.setRefusal(row, heapIsFull ? 'heap' : error instanceof CapacityError ? 'entities' : 'threw');
      store.stats.add(CONDUCTOR, 'spawnsRefused', 1);
      onRefused(error);
    }
  }

  leave(session: number, generation: number): void {
    if (this.#generations[session] !== generation) return;
    if (this.#isAway[session] === 1) this.#cluster?.forwardLeave(this.#sessionIds[session]!);
    else this.#removeEntity(session as SessionIndex);
    this.#isAway[session] = 0;
    this.#generations[session] = 0;
  }

  input(session: number, generation: number, input: { sequence: number; at: number; sizeBytes: number }): void {
    if (this.#generations[session] !== generation) return;
    const payload = this.#source.bytes.subarray(input.at, input.at + input.sizeBytes);
    if (this.#options.store.sessions.slotPlusOne(session as SessionIndex) !== 0)
      this.#add(session as SessionIndex, input.sequence, payload);
    else if (this.#isAway[session] === 1)
      this.#cluster?.forwardInput(this.#sessionIds[session]!, input.sequence, payload);
  }

  mark(session: number, generation: number): void {
    this.#cluster?.forwardMark(session, generation);
  }

  #add(row: SessionIndex, sequence: number, payload: Uint8Array): void {
    const { sessions, stats } = this.#options.store;
    const count = sessions.pendingCount(row);
    // A client that resumed, or has a new owner, may send again what was applied before, or waits here already.
    if (sequence <= this.#lastSequence(row, count)) return;
    if (count === 0) this.#pending[this.#pendingCount++] = row;
    if (count === PENDING_INPUTS_MAX) this.#dropOldest(row);
    const at = sessions.pendingOffsetBytes(row, Math.min(count, PENDING_INPUTS_MAX - 1));
    sessions.pendingView.setUint32(at, sequence, true);
    sessions.pendingView.setUint16(at + 4, payload.length, true);
    sessions.pendingBytes.set(payload, at + 8);
    sessions.setPendingCount(row, Math.min(count + 1, PENDING_INPUTS_MAX));
    if (count === PENDING_INPUTS_MAX) stats.add(CONDUCTOR, 'inputsDropped', 1);
  }

  /** Of the inputs that wait, else of those applied. */
  #lastSequence(session: SessionIndex, count: number): number {
    const { sessions } = this.#options.store;
    if (count === 0) return sessions.inputSequence(session);
    return sessions.pendingView.getUint32(sessions.pendingOffsetBytes(session, count - 1), true);
  }

  #begin(tick: number): void {
    this.#tick = tick;
    this.#pendingCount = 0;
  }

  /** Puts the sessions with inputs into the inboxes of their cells, in the order of session rows. */
  #deliver(): void {
    const { store } = this.#options;
    const pending = this.#pending.subarray(0, this.#pendingCount).sort();
    for (const session of pending) {
      const row = session as SessionIndex;
      const slot = store.sessions.slotPlusOne(row) - 1;
      const cell = slot < 0 ? 0 : store.columns.cell[slot]!;
      const isDelivered = slot >= 0 && store.pausedCells[cell] === 0 && store.inbox.addInput(cell, { slot, session });
      if (!isDelivered) store.sessions.setPendingCount(row, 0);
    }
  }

  #spawnPlayer(session: number, { name, account }: { name: string; account: string }): Slot {
    const { store, world, seed, params } = this.#options;
    const { minX, minZ, maxX, maxZ } = store.grid;
    this.#random.reseed(mixSeed(seed, this.#tick, session + 1));
    const random = () => this.#random.next();
    const tick = this.#tick;
    const init = world.declaration.join({ name, account, tick, params, minX, minZ, maxX, maxZ, random });
    const kind = store.schema.kinds.find((candidate) => candidate.name === init.kind);
    if (kind === undefined)
      throw new RangeError(`join returned the kind "${String(init.kind)}", which is not declared`);
    const sizeBytes = packRow({ schema: store.schema, kind, init: init as StartValues }, this.#packed);
    const slot = spawn(store, kind.index, this.#packed.slice(0, sizeBytes));
    store.stats.add(CONDUCTOR, 'entitiesSpawned', 1);
    return slot;
  }

  #removeEntity(session: SessionIndex): void {
    const { store } = this.#options;
    const slot = store.sessions.slotPlusOne(session) - 1;
    store.sessions.setSlotPlusOne(session, 0);
    if (slot < 0) return;
    if (this.#cluster !== undefined) return this.#cluster.playerLeaves(slot as Slot);
    despawn(store, slot as Slot);
    store.stats.add(CONDUCTOR, 'entitiesDespawned', 1);
  }

  #dropOldest(session: SessionIndex): void {
    const { sessions } = this.#options.store;
    const first = sessions.pendingOffsetBytes(session, 0);
    sessions.pendingBytes.copyWithin(
      first,
      first + PENDING_INPUT_BYTES,
      first + PENDING_INPUTS_MAX * PENDING_INPUT_BYTES,
    );
  }

  /** Takes over the sessions of a store that was in use before (development mode). */
  #adopt(): void {
    const { sessions } = this.#options.store;
    for (let session = 0; session < sessions.capacity; session++) {
      sessions.setPendingCount(session as SessionIndex, 0);
      if (sessions.slotPlusOne(session as SessionIndex) === 0) continue;
      this.#generations[session] = sessions.generation(session as SessionIndex);
    }
  }
}
