/**
 * The session table: one row per client presence, shared by the gateway, the conductor and the workers that observe.
 *
 *   word  name           writer      readers
 *   0     state          opener      observe            0 free · 1 attached (has a connection) · 2 detached · 3 being opened
 *   1     generation     gateway     conductor, observe +1 each time the row is used for a new session
 *   2     backlogBytes   gateway     observe            unsent bytes of its socket: over a limit, no snapshot is made
 *   3     viewReset      gateway     observe            +1 asks for a fresh view (keyframe): attach, resume
 *   4     viewResetDone  observe     observe            the last reset obeyed
 *   5     slotPlusOne    conductor   observe            1 + slot of its entity, 0 before it is in the world
 *   6     inputSequence  workers     observe            the last input applied
 *   7     viewCount      observe     gateway            entities in its view
 *   8     lastSnapshotTick observe   observe
 *   9     pendingCount   conductor   workers            inputs that act in this tick
 *  10     skipped        observe     gateway            snapshots not made because of backlog or a full ring
 *  11     refusal        conductor   gateway            1 + index in REFUSALS when the world took no player, else 0
 *  12     route          peer thread gateway            0: its entity is owned here; else the NodeNumber of its owner
 *  13     gateway        opener      observe, peer      0: the client's socket is here; else the NodeNumber of its gateway
 *  14, 15 sessionId      opener      all                low and high word of the SessionId, 0 when free
 *  19    resyncTick     gateway     observe            with a reset: the tick of the view that the client still has, or 0
 *
 * A row with another gateway is a *remote* one: opened by the conductor when a player arrives, freed by it when it leaves.
 * `open` claims a row by compare-and-swap of its state, because gateway and conductor both do it.
 *
 * The input window: an input waits in the place of its sequence modulo INPUT_WINDOW until all before it have acted.
 *
 *   sequence u32 (0: empty) · size u16 · 0 u16 · the packed input
 *
 * What each client was told of whom is in `views` (views.ts).
 */
import { assert } from '../base/assert.ts';
import { COUNTER_RANGE } from '../base/brand.ts';
import type { SessionIndex } from '../base/brand.ts';
import { INPUT_BYTES_MAX } from '../base/schema.ts';
import { INPUT_WINDOW } from '../wire/messages.ts';
import { Views } from './views.ts';

const STATE = 0;
const GENERATION = 1;
const BACKLOG_BYTES = 2;
const VIEW_RESET = 3;
const VIEW_RESET_DONE = 4;
const SLOT_PLUS_ONE = 5;
const INPUT_SEQUENCE = 6;
const VIEW_COUNT = 7;
const LAST_SNAPSHOT_TICK = 8;
const PENDING_COUNT = 9;
const SKIPPED = 10;
const REFUSAL = 11;
const ROUTE = 12;
const GATEWAY = 13;
const SESSION_ID_LOW = 14;
const SESSION_ID_HIGH = 15;
const PENDING_FIRST = 16;
const INPUT_FLOOR = 17;
const DURABLE_INPUT = 18;
const RESYNC_TICK = 19;
const ROW_WORDS = 20;

export const SESSION_STATE = { free: 0, attached: 1, detached: 2, opening: 3 } as const;
export type SessionState = (typeof SESSION_STATE)[keyof typeof SESSION_STATE];

/** Why a join did not lead to an entity. */
export const REFUSALS = ['entities', 'heap', 'threw'] as const;
export type Refusal = (typeof REFUSALS)[number];

/** Inputs of one session that act in one tick; the rest waits for the next. */
export const INPUTS_PER_TICK_MAX = 8;
const WINDOW_HEAD_BYTES = 8;
const WINDOW_ENTRY_BYTES = WINDOW_HEAD_BYTES + INPUT_BYTES_MAX;

export class Sessions {
  readonly capacity: number;
  readonly #rows: Int32Array<SharedArrayBuffer>;
  readonly views: Views;
  readonly #windowBytes: Uint8Array<SharedArrayBuffer>;
  readonly #windowView: DataView<SharedArrayBuffer>;

  static sizeBytes(capacity: number): number {
    return capacity * ROW_WORDS * 4 + Views.sizeBytes(capacity) + capacity * INPUT_WINDOW * WINDOW_ENTRY_BYTES;
  }

  constructor(buffer: SharedArrayBuffer, offsetBytes: number, capacity: number) {
    this.capacity = capacity;
    let at = offsetBytes;
    this.#rows = new Int32Array(buffer, at, capacity * ROW_WORDS);
    at += this.#rows.byteLength;
    this.views = new Views(buffer, at, capacity);
    at += Views.sizeBytes(capacity);
    const windowSizeBytes = capacity * INPUT_WINDOW * WINDOW_ENTRY_BYTES;
    this.#windowBytes = new Uint8Array(buffer, at, windowSizeBytes);
    this.#windowView = new DataView(buffer, at, windowSizeBytes);
    assert(at + windowSizeBytes - offsetBytes === Sessions.sizeBytes(capacity), 'the session table fills its region');
  }

  // Gateway; open and setState also the conductor, for remote rows.

  /**
   * Gives a free row to a new session, in state detached, or returns -1 when all are taken.
   * @param sessionId SessionId, unique in the cluster; 0 outside of one.
   * @param gateway NodeNumber of the node with the client's socket; 0 is this one.
   */
  open({ sessionId = 0, gateway = 0 }: { sessionId?: number; gateway?: number } = {}): SessionIndex | -1 {
    for (let session = 0; session < this.capacity; session++) {
      const row = session * ROW_WORDS;
      if (Atomics.load(this.#rows, row + STATE) !== SESSION_STATE.free) continue;
      // A row whose entity has not left the world yet is not free, whatever its state says.
      if (Atomics.load(this.#rows, row + SLOT_PLUS_ONE) !== 0) continue;
      const { free, opening } = SESSION_STATE;
      if (Atomics.compareExchange(this.#rows, row + STATE, free, opening) !== free) continue;
      Atomics.add(this.#rows, row + GENERATION, 1);
      Atomics.store(this.#rows, row + BACKLOG_BYTES, 0);
      Atomics.store(this.#rows, row + INPUT_SEQUENCE, 0);
      Atomics.store(this.#rows, row + DURABLE_INPUT, 0);
      Atomics.store(this.#rows, row + SKIPPED, 0);
      Atomics.store(this.#rows, row + REFUSAL, 0);
      Atomics.store(this.#rows, row + ROUTE, 0);
      Atomics.store(this.#rows, row + GATEWAY, gateway);
      Atomics.store(this.#rows, row + SESSION_ID_LOW, (sessionId % COUNTER_RANGE) | 0);
      Atomics.store(this.#rows, row + SESSION_ID_HIGH, Math.floor(sessionId / COUNTER_RANGE));
      Atomics.add(this.#rows, row + VIEW_RESET, 1);
      Atomics.store(this.#rows, row + STATE, SESSION_STATE.detached);
      return session as SessionIndex;
    }
    return -1;
  }

  /** Conductor, of a remote row: another client, perhaps at another gateway, has what this one had. */
  rename(session: SessionIndex, { sessionId, gateway }: { sessionId: number; gateway: number }): void {
    const row = session * ROW_WORDS;
    Atomics.store(this.#rows, row + GATEWAY, gateway);
    Atomics.store(this.#rows, row + SESSION_ID_LOW, (sessionId % COUNTER_RANGE) | 0);
    Atomics.store(this.#rows, row + SESSION_ID_HIGH, Math.floor(sessionId / COUNTER_RANGE));
    Atomics.store(this.#rows, row + BACKLOG_BYTES, 0);
  }

  /** Conductor: what the client of one row was sent, another goes on with. Nothing is asked anew then. */
  copyView(from: SessionIndex, to: SessionIndex): void {
    this.views.copy(from, to);
    const hadView = this.hasView(from);
    for (const word of [VIEW_COUNT, LAST_SNAPSHOT_TICK])
      this.#rows[to * ROW_WORDS + word] = this.#rows[from * ROW_WORDS + word]!;
    const wanted = Atomics.load(this.#rows, to * ROW_WORDS + VIEW_RESET);
    this.#rows[to * ROW_WORDS + VIEW_RESET_DONE] = hadView ? wanted : wanted - 1;
  }

  /** Whether the next snapshot would go on from the last: no reset is asked for. */
  hasView(session: SessionIndex): boolean {
    const wanted = Atomics.load(this.#rows, session * ROW_WORDS + VIEW_RESET);
    return Atomics.load(this.#rows, session * ROW_WORDS + VIEW_RESET_DONE) === wanted;
  }

  /** 0: the session's entity is owned here (or nowhere yet); else the NodeNumber of its owner. */
  route(session: SessionIndex): number {
    return Atomics.load(this.#rows, session * ROW_WORDS + ROUTE);
  }

  setRoute(session: SessionIndex, node: number): void {
    Atomics.store(this.#rows, session * ROW_WORDS + ROUTE, node);
  }

  /** 0: the client's socket is at this node; else the NodeNumber of its gateway. */
  gateway(session: SessionIndex): number {
    return Atomics.load(this.#rows, session * ROW_WORDS + GATEWAY);
  }

  sessionId(session: SessionIndex): number {
    const row = session * ROW_WORDS;
    const low = Atomics.load(this.#rows, row + SESSION_ID_LOW) >>> 0;
    return Atomics.load(this.#rows, row + SESSION_ID_HIGH) * COUNTER_RANGE + low;
  }

  /** The row in use by a session of this id, or -1. Looks at all rows: not for each frame. */
  findBySessionId(sessionId: number): SessionIndex | -1 {
    if (sessionId === 0) return -1;
    for (let session = 0; session < this.capacity; session++) {
      const index = session as SessionIndex;
      const state = this.state(index);
      if (state === SESSION_STATE.free || state === SESSION_STATE.opening) continue;
      if (this.sessionId(index) === sessionId) return index;
    }
    return -1;
  }

  setState(session: SessionIndex, state: SessionState): void {
    Atomics.store(this.#rows, session * ROW_WORDS + STATE, state);
  }

  state(session: SessionIndex): SessionState {
    return Atomics.load(this.#rows, session * ROW_WORDS + STATE) as SessionState;
  }

  generation(session: SessionIndex): number {
    return Atomics.load(this.#rows, session * ROW_WORDS + GENERATION) >>> 0;
  }

  setBacklogBytes(session: SessionIndex, backlogBytes: number): void {
    Atomics.store(this.#rows, session * ROW_WORDS + BACKLOG_BYTES, Math.min(backlogBytes, 0x7fff_ffff));
  }

  backlogBytes(session: SessionIndex): number {
    return Atomics.load(this.#rows, session * ROW_WORDS + BACKLOG_BYTES);
  }

  /** Gateway: the client has nothing (any more); the next snapshot enters everything anew. */
  requestViewReset(session: SessionIndex): void {
    Atomics.add(this.#rows, session * ROW_WORDS + VIEW_RESET, 1);
  }

  /**
   * Gateway: the client still has its view as of `lastKnownTick`; the next snapshot is a delta against that, or a keyframe
   * if it is not known what the client has.
   */
  requestResync(session: SessionIndex, lastKnownTick: number): void {
    Atomics.store(this.#rows, session * ROW_WORDS + RESYNC_TICK, lastKnownTick | 0);
    Atomics.add(this.#rows, session * ROW_WORDS + VIEW_RESET, 1);
  }

  viewCount(session: SessionIndex): number {
    return Atomics.load(this.#rows, session * ROW_WORDS + VIEW_COUNT);
  }

  skipped(session: SessionIndex): number {
    return Atomics.load(this.#rows, session * ROW_WORDS + SKIPPED);
  }

  /** Why the world took no player for this session, or undefined. */
  refusal(session: SessionIndex): Refusal | undefined {
    const refusal = Atomics.load(this.#rows, session * ROW_WORDS + REFUSAL);
    return refusal === 0 ? undefined : REFUSALS[refusal - 1];
  }

  // Conductor.

  setRefusal(session: SessionIndex, refusal: Refusal): void {
    Atomics.store(this.#rows, session * ROW_WORDS + REFUSAL, 1 + REFUSALS.indexOf(refusal));
  }

  slotPlusOne(session: SessionIndex): number {
    return Atomics.load(this.#rows, session * ROW_WORDS + SLOT_PLUS_ONE);
  }

  setSlotPlusOne(session: SessionIndex, slotPlusOne: number): void {
    Atomics.store(this.#rows, session * ROW_WORDS + SLOT_PLUS_ONE, slotPlusOne);
  }

  pendingCount(session: SessionIndex): number {
    return this.#rows[session * ROW_WORDS + PENDING_COUNT]!;
  }

  /** Of the first input that acts in this tick. */
  pendingFirst(session: SessionIndex): number {
    return this.#rows[session * ROW_WORDS + PENDING_FIRST]! >>> 0;
  }

  /** The inputs from `first` on act in this tick. */
  setPending(session: SessionIndex, first: number, count: number): void {
    this.#rows[session * ROW_WORDS + PENDING_FIRST] = first | 0;
    this.#rows[session * ROW_WORDS + PENDING_COUNT] = count;
  }

  /** A player begins: what has acted, and nothing waits. */
  startInputs(session: SessionIndex, lastSequence: number): void {
    this.setInputSequence(session, lastSequence);
    this.setPending(session, 0, 0);
    this.#rows[session * ROW_WORDS + INPUT_FLOOR] = 0;
    for (let place = 0; place < INPUT_WINDOW; place++) {
      this.#windowView.setUint32((session * INPUT_WINDOW + place) * WINDOW_ENTRY_BYTES, 0, true);
    }
  }

  inputFloor(session: SessionIndex): number {
    return this.#rows[session * ROW_WORDS + INPUT_FLOOR]! >>> 0;
  }

  setInputFloor(session: SessionIndex, sequence: number): void {
    this.#rows[session * ROW_WORDS + INPUT_FLOOR] = sequence | 0;
  }

  /** Whether this input waits in the window. */
  holdsInput(session: SessionIndex, sequence: number): boolean {
    return sequence !== 0 && this.#windowView.getUint32(windowOffsetBytes(session, sequence), true) === sequence;
  }

  /** Puts an input into its place, over whatever was there. */
  holdInput(session: SessionIndex, sequence: number, payload: Uint8Array): void {
    const at = windowOffsetBytes(session, sequence);
    this.#windowView.setUint32(at, sequence, true);
    this.#windowView.setUint16(at + 4, payload.length, true);
    this.#windowBytes.set(payload, at + WINDOW_HEAD_BYTES);
  }

  /** A copy of the packed input that waits. */
  inputPayload(session: SessionIndex, sequence: number): Uint8Array {
    const at = windowOffsetBytes(session, sequence);
    const first = at + WINDOW_HEAD_BYTES;
    return this.#windowBytes.slice(first, first + this.#windowView.getUint16(at + 4, true));
  }

  // Workers.

  inputSequence(session: SessionIndex): number {
    return Atomics.load(this.#rows, session * ROW_WORDS + INPUT_SEQUENCE) >>> 0;
  }

  setInputSequence(session: SessionIndex, sequence: number): void {
    Atomics.store(this.#rows, session * ROW_WORDS + INPUT_SEQUENCE, sequence | 0);
  }

  durableInput(session: SessionIndex): number {
    return Atomics.load(this.#rows, session * ROW_WORDS + DURABLE_INPUT) >>> 0;
  }

  /** Peer thread: the effects of all inputs up to this one survive a crash. */
  setDurableInput(session: SessionIndex, sequence: number): void {
    Atomics.store(this.#rows, session * ROW_WORDS + DURABLE_INPUT, sequence | 0);
  }

  /** Observe: true once after requests for a reset or a resync. */
  takeViewReset(session: SessionIndex): boolean {
    const row = session * ROW_WORDS;
    const wanted = Atomics.load(this.#rows, row + VIEW_RESET);
    const done = this.#rows[row + VIEW_RESET_DONE]!;
    if (done === wanted) return false;
    this.#rows[row + VIEW_RESET_DONE] = wanted;
    // A reset beside a resync means that this row does not know what the client has.
    if (((wanted - done) | 0) !== 1) Atomics.store(this.#rows, row + RESYNC_TICK, 0);
    return true;
  }

  /** Observe, after `takeViewReset`: the tick of the view that the client still has; 0: it has none that this row knows. */
  takeResyncTick(session: SessionIndex): number {
    const tick = Atomics.exchange(this.#rows, session * ROW_WORDS + RESYNC_TICK, 0) >>> 0;
    return tick <= this.lastSnapshotTick(session) ? tick : 0;
  }

  setViewCount(session: SessionIndex, count: number): void {
    Atomics.store(this.#rows, session * ROW_WORDS + VIEW_COUNT, count);
  }

  lastSnapshotTick(session: SessionIndex): number {
    return this.#rows[session * ROW_WORDS + LAST_SNAPSHOT_TICK]! >>> 0;
  }

  setLastSnapshotTick(session: SessionIndex, tick: number): void {
    this.#rows[session * ROW_WORDS + LAST_SNAPSHOT_TICK] = tick | 0;
  }

  countSkipped(session: SessionIndex): void {
    Atomics.add(this.#rows, session * ROW_WORDS + SKIPPED, 1);
  }
}

function windowOffsetBytes(session: SessionIndex, sequence: number): number {
  return (session * INPUT_WINDOW + (sequence % INPUT_WINDOW)) * WINDOW_ENTRY_BYTES;
}
