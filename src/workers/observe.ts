/**
 * The observe phase for one session: who is in view, what of it the client has not been told, and its snapshot into
 * this worker's outbound ring; for a player whose socket is at another node, into its tunnel ring.
 *
 * In view are: everybody within `aoiRadius` (inclusive), and those in view before who are still within
 * `aoiRadius + aoiHysteresis`, so that nobody flickers at the rim; of these the nearest `viewEntitiesMax`, those in view before with
 * an advantage. Hidden kinds never are.
 *
 * A client is sent `snapshotBytesPerSecond`, counted by ticks: first what cannot wait (head, own entity, leaves), then enters, then
 * updates (snapshot-updates.ts), then events. At least one enter and one update go into each snapshot, whatever they take. What
 * was sent beyond the budget is missing later.
 *
 * The connection is reliable and ordered, so what was written to the ring is what the client has. When the ring is
 * full or the client too slow, no snapshot is made, and the next one covers the difference.
 */
import type { SessionIndex } from '../base/brand.ts';
import { MESSAGE } from '../wire/messages.ts';
import { OWN_TICKS_MAX, reckonOwn } from '../wire/motion.core.ts';
import {
  DURABLE_LAG_MAX,
  SNAPSHOT_ENTER_BYTES,
  SNAPSHOT_ENTRIES_MAX,
  SNAPSHOT_FLAG,
  SNAPSHOT_JUMP_BYTES,
  SNAPSHOT_PART,
  SNAPSHOT_PARTS_OFFSET_BYTES,
  SNAPSHOT_TURN_BYTES,
} from '../wire/snapshot.wire.ts';
import { OUTBOUND_HEAD_BYTES } from '../memory/outbound.ts';
import type { Ring } from '../memory/ring.ts';
import { SESSION_STATE } from '../memory/sessions.ts';
import type { Found } from '../memory/spatial.ts';
import type { Store } from '../memory/store.ts';
import { VIEW_ENTITIES_MAX } from '../memory/views.ts';
import { CANDIDATES_MAX, ViewSelection } from './view-selection.ts';
import { SnapshotEncoder, finite } from './snapshot-encoder.ts';
import { SnapshotUpdates } from './snapshot-updates.ts';
import type { UpdateScene } from './snapshot-updates.ts';

/** Enters in one snapshot; a client that arrives in a crowd gets it over a few. */
const ENTERS_MAX = 96;
/** More enters than this are put in order, the nearest first: not all may have room. */
const ENTERS_UNSORTED_MAX = 8;
/** Of what may be sent, the share that enters may take: whoever is in view is told of beside a crowd that comes. */
const ENTERS_SHARE = 3 / 4;
/** What may be sent at once after a quiet time, and what may be sent in advance at most; in seconds of the budget. */
const BUDGET_SECONDS_MAX = 1;
/** A keyframe sooner after the last one than this has to do with what is left of the budget. */
const KEYFRAME_SECONDS_MIN = 1;
/** What updates of motion take in one snapshot at the most. */
const MOTION_BYTES_MAX = SNAPSHOT_ENTRIES_MAX * (1 + SNAPSHOT_JUMP_BYTES + SNAPSHOT_TURN_BYTES);

export interface ObserveOptions {
  readonly store: Store;
  readonly worker: number;
  readonly aoiRadius: number;
  readonly aoiHysteresis: number;
  readonly viewEntitiesMax: number;
  readonly backlogBytesSkip: number;
  readonly tickHz: number;
  readonly snapshotBytesPerSecond: number;
}

export class Observer {
  readonly #store: Store;
  readonly #options: ObserveOptions;
  readonly #outboundRing: Ring;
  readonly #tunnelRing: Ring;
  readonly #encoder: SnapshotEncoder;
  readonly #selection: ViewSelection;
  readonly #found: Found;
  readonly #query = { x: 0, z: 0, radius: 0, tick: 0 };
  /** Components sent to everybody, by kind; and to the owner. */
  readonly #sentToAll: readonly (readonly number[])[];
  readonly #sentToOwner: readonly (readonly number[])[];
  readonly #enterBytesMax: readonly number[];
  readonly #isHidden: readonly boolean[];
  readonly #updates: SnapshotUpdates;
  readonly #scene: UpdateScene = {
    tick: 0,
    viewFirst: 0,
    viewHigh: 0,
    selfSlot: 0,
    turn: 0,
    roomBytes: 0,
    isResync: false,
  };
  /** Ticks since the own entity was known, and their length as f32; mutable and reused. */
  readonly #ownStep: { ticks: number; dt: number };
  /** Bytes that may be sent now, and the most that this can be. */
  #budget = 0;
  readonly #budgetMax: number;
  #session = 0 as SessionIndex;
  #viewFirst = 0;
  #viewHigh = 0;
  #selfSlot = 0;
  #tick = 0;

  constructor(options: ObserveOptions) {
    const { store } = options;
    const { schema } = store;
    this.#store = store;
    this.#options = options;
    this.#outboundRing = store.outboundRings[options.worker]!;
    this.#tunnelRing = store.tunnelRings[options.worker]!;
    this.#encoder = new SnapshotEncoder(schema, store.columns);
    this.#selection = new ViewSelection(
      store.options.entitiesMax,
      Math.min(options.viewEntitiesMax, VIEW_ENTITIES_MAX),
    );
    this.#found = {
      slots: new Uint32Array(CANDIDATES_MAX),
      x: new Float32Array(CANDIDATES_MAX),
      z: new Float32Array(CANDIDATES_MAX),
    };
    const visible = (component: number) => schema.components[component]!.visible;
    this.#sentToAll = schema.kinds.map((kind) => kind.components.filter((component) => visible(component) === 'all'));
    this.#sentToOwner = schema.kinds.map((kind) =>
      kind.components.filter((component) => visible(component) !== 'none'),
    );
    this.#enterBytesMax = this.#sentToOwner.map(
      (components) =>
        SNAPSHOT_ENTER_BYTES +
        components.reduce((sum, component) => sum + this.#encoder.componentBytesMax(component), 0),
    );
    this.#budgetMax = options.snapshotBytesPerSecond * BUDGET_SECONDS_MAX;
    this.#ownStep = { ticks: 0, dt: Math.fround(1 / options.tickHz) };
    this.#updates = new SnapshotUpdates({
      store,
      worker: options.worker,
      encoder: this.#encoder,
      selection: this.#selection,
      aoiRadius: options.aoiRadius,
      sentToAll: this.#sentToAll,
      sentToOwner: this.#sentToOwner,
    });
    this.#isHidden = schema.kinds.map((kind) => kind.hidden);
  }

  observe(session: SessionIndex, tick: number): void {
    const { sessions, columns, stats } = this.#store;
    const { worker, backlogBytesSkip } = this.#options;
    const slot = sessions.slotPlusOne(session) - 1;
    if (slot < 0 || sessions.state(session) !== SESSION_STATE.attached) return;
    if (sessions.backlogBytes(session) > backlogBytesSkip) {
      sessions.countSkipped(session);
      stats.add(worker, 'snapshotsSkipped', 1);
      return;
    }
    this.#session = session;
    this.#viewFirst = session * VIEW_ENTITIES_MAX;
    this.#viewHigh = sessions.viewCount(session);
    this.#selfSlot = slot;
    this.#tick = tick;
    const generation = sessions.generation(session);
    // What may be lost to a full ring is looked up before anything of the view is changed.
    const ring = sessions.gateway(session) === 0 ? this.#outboundRing : this.#tunnelRing;
    const payload = ring.reserve(OUTBOUND_HEAD_BYTES + this.#encoder.bytes.length);
    if (payload < 0) {
      sessions.countSkipped(session);
      stats.add(worker, 'snapshotsSkipped', 1);
      return;
    }
    const sizeBytes = this.#encode(columns.x[slot]!, columns.z[slot]!);
    ring.view.setUint32(payload, session, true);
    ring.view.setUint32(payload + 4, generation, true);
    ring.bytes.set(this.#encoder.bytes.subarray(0, sizeBytes), payload + OUTBOUND_HEAD_BYTES);
    ring.commit(OUTBOUND_HEAD_BYTES + sizeBytes);
    sessions.views.budget[session] = Math.max(-this.#budgetMax, this.#budget - sizeBytes);
    sessions.views.turn[session]!++;
    sessions.setViewCount(session, this.#viewHigh);
    sessions.setLastSnapshotTick(session, tick);
    stats.add(worker, 'snapshots', 1);
    stats.add(worker, 'snapshotBytes', sizeBytes);
  }

  #encode(x: number, z: number): number {
    const { sessions } = this.#store;
    const session = this.#session;
    const isReset = sessions.takeViewReset(session);
    const resyncTick = isReset ? sessions.takeResyncTick(session) : 0;
    const isKeyframe = isReset && resyncTick === 0;
    if (isKeyframe) this.#clearView();
    else if (isReset) this.#returnTo(resyncTick);
    const lastTick = sessions.lastSnapshotTick(session);
    this.#fillBudget(lastTick, isKeyframe);
    this.#select(x, z);
    const encoder = this.#encoder;
    encoder.at = 0;
    encoder.u8(MESSAGE.snapshot);
    const isSelfTold = isReset || !this.#isOwnReckoned();
    const sort = isKeyframe ? SNAPSHOT_FLAG.keyframe : isReset ? SNAPSHOT_FLAG.resync : 0;
    encoder.u8(sort | (isSelfTold ? SNAPSHOT_FLAG.self : 0));
    encoder.u32(this.#tick);
    const inputSequence = sessions.inputSequence(session);
    encoder.u32(inputSequence);
    encoder.u8(this.#durableLag(inputSequence));
    encoder.u8(0);
    const selfAliasAt = encoder.at;
    if (isSelfTold) this.#writeSelf();
    let parts = this.#writeLeaves(isReset) | this.#writeEnters();
    const selfAlias = this.#aliasOf(this.#selfSlot);
    sessions.views.ownAlias[session] = selfAlias;
    if (isSelfTold) encoder.bytes[selfAliasAt] = selfAlias;
    parts |= this.#writeUpdates(isReset && !isKeyframe);
    parts |= this.#writeEvents(isKeyframe ? this.#tick : isReset ? resyncTick : lastTick);
    encoder.bytes[SNAPSHOT_PARTS_OFFSET_BYTES] = parts;
    return encoder.at;
  }

  /**
   * What may be sent now: what was left, and what the time since the last snapshot brought. All of it for a keyframe, but
   * not for one soon after another: who asks for keyframes again and again gets no more by it.
   */
  #fillBudget(lastTick: number, isKeyframe: boolean): void {
    const { tickHz, snapshotBytesPerSecond } = this.#options;
    const { budget, keyframeTick } = this.#store.sessions.views;
    const brought = (Math.max(0, this.#tick - lastTick) * snapshotBytesPerSecond) / tickHz;
    this.#budget = Math.min(this.#budgetMax, budget[this.#session]! + brought);
    if (!isKeyframe) return;
    const last = keyframeTick[this.#session]!;
    keyframeTick[this.#session] = this.#tick;
    if (last === 0 || Math.abs(this.#tick - last) > tickHz * KEYFRAME_SECONDS_MIN) this.#budget = this.#budgetMax;
  }

  #writeUpdates(isResync: boolean): number {
    const scene = this.#scene;
    scene.tick = this.#tick;
    scene.viewFirst = this.#viewFirst;
    scene.viewHigh = this.#viewHigh;
    scene.selfSlot = this.#selfSlot;
    scene.turn = this.#store.sessions.views.turn[this.#session]!;
    scene.roomBytes = this.#budget - this.#encoder.at;
    scene.isResync = isResync;
    return this.#updates.write(scene);
  }

  /** The client has what it had at that tick: who came later is not in its view, and later changes are news. */
  #returnTo(tick: number): void {
    const { views } = this.#store.sessions;
    const end = this.#viewFirst + this.#viewHigh;
    for (let row = this.#viewFirst; row < end; row++) {
      if (views.enterTick[row]! > tick) views.slotPlusOne[row] = 0;
      views.sentTick[row] = Math.min(views.sentTick[row]!, tick);
    }
  }

  /** Whether the client, told nothing, has the own entity exactly where and as it is. */
  #isOwnReckoned(): boolean {
    const { columns, sessions } = this.#store;
    const { own, ownTick, ownToldTick, ownAlias } = sessions.views;
    const step = this.#ownStep;
    const slot = this.#selfSlot;
    const first = this.#session * 4;
    step.ticks = this.#tick - ownTick[this.#session]!;
    if (ownTick[this.#session] === 0 || this.#tick - ownToldTick[this.#session]! > OWN_TICKS_MAX) return false;
    // An entity that enters or leaves the view, or is another one, must be told.
    const alias = this.#selection.aliasOf(slot);
    if (alias === 0 || alias !== ownAlias[this.#session]) return false;
    const vx = own[first + 2]!;
    const vz = own[first + 3]!;
    if (vx !== columns.vx[slot] || vz !== columns.vz[slot]) return false;
    own[first] = reckonOwn(own[first]!, vx, step);
    own[first + 1] = reckonOwn(own[first + 1]!, vz, step);
    ownTick[this.#session] = this.#tick;
    return own[first] === columns.x[slot] && own[first + 1] === columns.z[slot];
  }

  /** How many of the last inputs a crash of this node would take back. Without a journal nothing comes back anyway. */
  #durableLag(inputSequence: number): number {
    const { peerTable, sessions } = this.#store;
    if (peerTable.self === 0) return 0;
    const lag = inputSequence - sessions.durableInput(this.#session);
    return Math.max(0, Math.min(lag, DURABLE_LAG_MAX));
  }

  #clearView(): void {
    this.#store.sessions.views.clear(this.#session);
    this.#viewHigh = 0;
  }

  /** Decides who is in view: fills the selection's `kept` (by alias) and `entering` (slots). */
  #select(x: number, z: number): void {
    const { columns, spatial } = this.#store;
    const { views } = this.#store.sessions;
    const { aoiRadius, aoiHysteresis } = this.#options;
    const selection = this.#selection;
    selection.start();
    for (let index = 0; index < this.#viewHigh; index++) {
      const slotPlusOne = views.slotPlusOne[this.#viewFirst + index]!;
      if (slotPlusOne === 0) continue;
      const isSame = columns.generation[slotPlusOne - 1] === views.generation[this.#viewFirst + index];
      if (isSame) selection.markKnown(slotPlusOne - 1, index + 1);
    }
    const query = this.#query;
    query.x = x;
    query.z = z;
    query.radius = aoiRadius + aoiHysteresis;
    query.tick = this.#tick;
    const count = spatial.query(query, this.#found);
    const { slots, x: foundX, z: foundZ } = this.#found;
    for (let index = 0; index < count; index++) {
      const slot = slots[index]!;
      if (this.#isHidden[columns.kind[slot]!]! && slot !== this.#selfSlot) continue;
      const dx = foundX[index]! - x;
      const dz = foundZ[index]! - z;
      selection.offer(slot, slot === this.#selfSlot ? -1 : dx * dx + dz * dz);
    }
    selection.finish(aoiRadius * aoiRadius, ENTERS_UNSORTED_MAX);
  }

  #writeSelf(): void {
    const { columns, sessions } = this.#store;
    const { own, ownTick, ownToldTick } = sessions.views;
    const slot = this.#selfSlot;
    const encoder = this.#encoder;
    const first = this.#session * 4;
    own[first] = finite(columns.x[slot]!);
    own[first + 1] = finite(columns.z[slot]!);
    own[first + 2] = finite(columns.vx[slot]!);
    own[first + 3] = finite(columns.vz[slot]!);
    ownTick[this.#session] = this.#tick;
    ownToldTick[this.#session] = this.#tick;
    encoder.u8(0);
    for (let word = first; word < first + 4; word++) encoder.f32(own[word]!);
  }

  /** @param isReset the client knows by itself who is gone. */
  #writeLeaves(isReset: boolean): number {
    const { sessions, stats } = this.#store;
    const { views } = sessions;
    const encoder = this.#encoder;
    const countAt = encoder.startPart();
    let count = 0;
    for (let index = 0; index < this.#viewHigh; index++) {
      if (views.slotPlusOne[this.#viewFirst + index] === 0 || this.#selection.isKept(index + 1)) continue;
      views.slotPlusOne[this.#viewFirst + index] = 0;
      if (!isReset) encoder.u8(index + 1);
      count++;
    }
    while (this.#viewHigh > 0 && views.slotPlusOne[this.#viewFirst + this.#viewHigh - 1] === 0) this.#viewHigh--;
    stats.add(this.#options.worker, 'viewLeaves', count);
    return encoder.endPart(countAt, isReset ? 0 : count, SNAPSHOT_PART.leaves);
  }

  /** The own entity first, then, when there are many, the nearest. */
  #writeEnters(): number {
    const { sessions, stats, columns } = this.#store;
    const { views } = sessions;
    const { entering, enteringCount } = this.#selection;
    if (enteringCount === 0) return 0;
    const encoder = this.#encoder;
    const countAt = encoder.startPart();
    const endBytes = encoder.at + (this.#budget - encoder.at) * ENTERS_SHARE;
    let count = 0;
    let index = 0;
    if (this.#selection.aliasOf(this.#selfSlot) === 0) this.#selection.putFirst(this.#selfSlot);
    for (let next = 0; next < enteringCount && count < ENTERS_MAX; next++) {
      const slot = entering[next]!;
      if (count > 0 && encoder.at >= endBytes) break;
      if (!encoder.hasRoom(this.#enterBytesMax[columns.kind[slot]!]! + MOTION_BYTES_MAX)) break;
      while (views.slotPlusOne[this.#viewFirst + index] !== 0 && index < VIEW_ENTITIES_MAX) index++;
      if (index === VIEW_ENTITIES_MAX) break;
      this.#enter(slot, index);
      count++;
    }
    stats.add(this.#options.worker, 'viewEnters', count);
    return encoder.endPart(countAt, count, SNAPSHOT_PART.enters);
  }

  /** Who enters stands, for the client; if it moves, a turn of the same snapshot says so. */
  #enter(slot: number, index: number): void {
    const { columns, published } = this.#store;
    const { views } = this.#store.sessions;
    const encoder = this.#encoder;
    const id = columns.id[slot]!;
    const kind = columns.kind[slot]!;
    encoder.u8(index + 1);
    encoder.u32(id % 2 ** 32);
    encoder.u32(Math.floor(id / 2 ** 32));
    encoder.u8(kind);
    encoder.i32(published.x[slot]!);
    encoder.i32(published.z[slot]!);
    const components = slot === this.#selfSlot ? this.#sentToOwner[kind]! : this.#sentToAll[kind]!;
    for (let at = 0; at < components.length; at++) encoder.component(components[at]!, slot);
    const row = this.#viewFirst + index;
    views.slotPlusOne[row] = slot + 1;
    views.generation[row] = columns.generation[slot]!;
    views.x[row] = published.x[slot]!;
    views.z[row] = published.z[slot]!;
    views.vx[row] = 0;
    views.vz[row] = 0;
    views.motionTick[row] = this.#tick;
    views.sentTick[row] = this.#tick;
    views.enterTick[row] = this.#tick;
    views.waiting[row] = 0;
    this.#selection.markKnown(slot, index + 1);
    this.#viewHigh = Math.max(this.#viewHigh, index + 1);
  }

  #writeEvents(afterTick: number): number {
    const { announcements, columns } = this.#store;
    const encoder = this.#encoder;
    const countAt = encoder.startPart();
    let count = 0;
    for (let row = announcements.firstAfter(afterTick); row < announcements.end; row++) {
      const slot = announcements.slot(row);
      const alias = this.#aliasOf(slot);
      if (alias === 0 || columns.generation[slot] !== announcements.generation(row)) continue;
      const payloadBytes = announcements.payloadBytes(row);
      if (count === SNAPSHOT_ENTRIES_MAX || !encoder.hasRoom(payloadBytes + 2)) break;
      encoder.u8(alias);
      encoder.u8(announcements.event(row));
      const first = announcements.payloadOffsetBytes(row);
      for (let at = 0; at < payloadBytes; at++) encoder.u8(announcements.bytes[first + at]!);
      count++;
    }
    return encoder.endPart(countAt, count, SNAPSHOT_PART.events);
  }

  /** The alias of a slot in this view, or 0. */
  #aliasOf(slot: number): number {
    const alias = this.#selection.aliasOf(slot);
    if (alias === 0) return 0;
    return this.#store.sessions.views.slotPlusOne[this.#viewFirst + alias - 1] === slot + 1 ? alias : 0;
  }
}
