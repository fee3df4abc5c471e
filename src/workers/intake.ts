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

export class Intake implements IntakeVisitor {
  readonly #options: IntakeOptions;
  readonly #random = new Random(0);
  readonly #packed: Uint8Array;
  /** Generation of the session that a row's entity was made for; owned by the conductor. */
  readonly #generations: Uint32Array;
  /** Sessions with inputs to apply in this tick. */
  readonly #pending: Uint32Array;
  #pendingCount = 0;
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
    store.sessions.setPendingCount(row, 0);
    store.sessions.setInputSequence(row, 0);
    try {
      const slot = this.#spawnPlayer(session, player);
      store.columns.session[slot] = session + 1;
      store.sessions.setSlotPlusOne(row, slot + 1);
    } catch (error) {
      const heapIsFull = error instanceof CapacityError && error.code === 'ERR_CAPACITY_HEAP';
      store.sessions.setRefusal(row, heapIsFull ? 'heap' : error instanceof CapacityError ? 'entities' : 'threw');
      store.stats.add(CONDUCTOR, 'spawnsRefused', 1);
      onRefused(error);
    }
  }

  leave(session: number, generation: number): void {
    if (this.#generations[session] !== generation) return;
    this.#removeEntity(session as SessionIndex);
    this.#generations[session] = 0;
  }

  input(session: number, generation: number, input: { sequence: number; at: number; sizeBytes: number }): void {
    const { sessions, stats } = this.#options.store;
    const row = session as SessionIndex;
    if (this.#generations[session] !== generation || sessions.slotPlusOne(row) === 0) return;
    const count = sessions.pendingCount(row);
    // A client that resumed, or has a new owner, may send again what was applied before, or waits here already.
    if (input.sequence <= this.#lastSequence(row, count)) return;
    if (count === 0) this.#pending[this.#pendingCount++] = session;
    if (count === PENDING_INPUTS_MAX) this.#dropOldest(row);
    const at = sessions.pendingOffsetBytes(row, Math.min(count, PENDING_INPUTS_MAX - 1));
    sessions.pendingView.setUint32(at, input.sequence, true);
    sessions.pendingView.setUint16(at + 4, input.sizeBytes, true);
    sessions.pendingBytes.set(this.#source.bytes.subarray(input.at, input.at + input.sizeBytes), at + 8);
    sessions.setPendingCount(row, Math.min(count + 1, PENDING_INPUTS_MAX));
    if (count === PENDING_INPUTS_MAX) stats.add(CONDUCTOR, 'inputsDropped', 1);
  }

  mark(): void {
    // Only a node of a cluster passes it on.
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
