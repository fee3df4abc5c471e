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
import type { IntakeInput, IntakeVisitor } from '../memory/intake.ts';
import { packRow, rowBytesMax } from '../memory/row.ts';
import type { StartValues } from '../memory/row.ts';
import { INPUTS_PER_TICK_MAX } from '../memory/sessions.ts';
import type { ArrivedInput } from '../memory/arrivals.ts';
import { PASSENGER_INPUTS_MAX } from '../memory/passenger.ts';
import type { PassengerInput } from '../memory/passenger.ts';
import type { Store } from '../memory/store.ts';
import { INPUT_WINDOW } from '../wire/messages.ts';

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

export interface FlooredInput extends PassengerInput {
  /** The oldest input that the client may send again; 0 when that is not known. */
  readonly floor: number;
}

/** The part of a cluster's conductor that intake tells of sessions, see cluster.ts. */
export interface IntakeCluster {
  /** After the input ring, before inputs are delivered. */
  takeArrivals(tick: number): void;
  joined(slot: number, account: string): void;
  /** The client is gone; its session row holds the entity no more. */
  playerLeaves(slot: Slot): void;
  forwardInput(input: ArrivedInput): void;
  forwardLeave(session: number): void;
}

export class Intake implements IntakeVisitor {
  readonly #options: IntakeOptions;
  readonly #random = new Random(0);
  readonly #packed: Uint8Array;
  /** Generation of the session that a row's entity was made for; owned by the conductor. */
  readonly #generations: Uint32Array;
  /** Rows of sessions of which an input may act, a flag for each, and those of this tick in order. */
  readonly #pending: Uint32Array;
  readonly #isPending: Uint8Array;
  readonly #due: Uint32Array;
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
    this.#isPending = new Uint8Array(store.options.sessionsMax);
    this.#due = new Uint32Array(store.options.sessionsMax);
    this.#sessionIds = new Float64Array(store.options.sessionsMax);
    this.#isAway = new Uint8Array(store.options.sessionsMax);
    this.#source = store.inputRing;
    this.#adopt();
  }

  /** Takes the frames of one tick from the input ring. */
  run(tick: number): void {
    const { store, keepsFrames } = this.#options;
    this.#tick = tick;
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
    this.#tick = tick;
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
    sessions.startInputs(session, lastInput);
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
    const last = sessions.inputSequence(session);
    const inputs: PassengerInput[] = [];
    for (let sequence = last + 1; sequence <= last + INPUT_WINDOW && inputs.length < PASSENGER_INPUTS_MAX; sequence++) {
      if (!sessions.holdsInput(session, sequence)) continue;
      inputs.push({ sequence, payload: sessions.inputPayload(session, sequence) });
    }
    sessions.startInputs(session, last);
    return inputs;
  }

  /** An input that did not come by the input ring. */
  push(session: SessionIndex, input: FlooredInput): void {
    this.#add(session, input);
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
    store.sessions.startInputs(row, 0);
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

  input(session: number, generation: number, { sequence, back, at, sizeBytes }: IntakeInput): void {
    if (this.#generations[session] !== generation) return;
    const payload = this.#source.bytes.subarray(at, at + sizeBytes);
    if (this.#options.store.sessions.slotPlusOne(session as SessionIndex) !== 0)
      this.#add(session as SessionIndex, { sequence, payload, floor: sequence - back });
    else if (this.#isAway[session] === 1)
      this.#cluster?.forwardInput({ session: this.#sessionIds[session]!, sequence, back, payload });
  }

  /** Into the window; it acts when all before it have acted, or are older than the floor. */
  #add(row: SessionIndex, { sequence, payload, floor }: FlooredInput): void {
    const { sessions } = this.#options.store;
    const last = sessions.inputSequence(row);
    if (floor > sessions.inputFloor(row)) {
      sessions.setInputFloor(row, floor);
      // What waited behind a gap that is given up now.
      this.#await(row);
    }
    // A client that resumed, or has a new owner, sends again what may have acted before, or waits here already.
    if (sequence <= last || sessions.holdsInput(row, sequence)) return;
    // Further ahead than any client may be: its place is somebody else's.
    if (sequence > Math.max(last, sessions.inputFloor(row) - 1) + INPUT_WINDOW) return;
    sessions.holdInput(row, sequence, payload);
    this.#await(row);
  }

  /** Something of this session may act. */
  #await(row: SessionIndex): void {
    if (this.#isPending[row] === 1) return;
    this.#isPending[row] = 1;
    this.#pending[this.#pendingCount++] = row;
  }

  /** Puts the sessions with inputs into the inboxes of their cells, in the order of session rows. */
  #deliver(): void {
    const due = this.#due.subarray(0, this.#pendingCount);
    due.set(this.#pending.subarray(0, this.#pendingCount));
    due.sort();
    this.#pendingCount = 0;
    for (const session of due) {
      this.#isPending[session] = 0;
      this.#deliverOf(session as SessionIndex);
    }
  }

  #deliverOf(row: SessionIndex): void {
    const { store } = this.#options;
    const { sessions } = store;
    const slot = sessions.slotPlusOne(row) - 1;
    if (slot < 0) return;
    const first = this.#firstReady(row);
    let count = 0;
    while (count < INPUTS_PER_TICK_MAX && sessions.holdsInput(row, first + count)) count++;
    // What is missing comes again, or is given up by its client; either way another input will tell.
    if (count === 0) return;
    const cell = store.columns.cell[slot]!;
    const isDelivered = store.pausedCells[cell] === 0 && store.inbox.addInput(cell, { slot, session: row });
    sessions.setPending(row, first, isDelivered ? count : 0);
    // What is jumped over was given up by its client.
    if (isDelivered) store.stats.add(CONDUCTOR, 'inputsDropped', first - sessions.inputSequence(row) - 1);
    if (!isDelivered || sessions.holdsInput(row, first + count)) this.#await(row);
  }

  /** The next input in order, or, when its client has given that up, the first that is there. */
  #firstReady(row: SessionIndex): number {
    const { sessions } = this.#options.store;
    const next = sessions.inputSequence(row) + 1;
    const floor = sessions.inputFloor(row);
    if (next >= floor) return next;
    let first = Math.max(next, floor - INPUT_WINDOW);
    while (first < floor && !sessions.holdsInput(row, first)) first++;
    return first;
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

  /** Takes over the sessions of a store that was in use before (development mode). */
  #adopt(): void {
    const { sessions } = this.#options.store;
    for (let session = 0; session < sessions.capacity; session++) {
      sessions.setPending(session as SessionIndex, 0, 0);
      if (sessions.slotPlusOne(session as SessionIndex) === 0) continue;
      this.#generations[session] = sessions.generation(session as SessionIndex);
    }
  }
}
