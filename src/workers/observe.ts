/**
 * The observe phase for one session: who is in view, what of it the client has not been told, and its snapshot into
 * this worker's outbound ring; for a player whose socket is at another node, into its tunnel ring.
 *
 * In view are: everybody within `aoiRadius` (inclusive), and those in view before who are still within
 * `aoiRadius + aoiHysteresis`, so that nobody flickers at the rim; of these the nearest `viewEntitiesMax`, those in view before with
 * an advantage. Hidden kinds never are.
 *
 * The connection is reliable and ordered, so what was written to the ring is what the client has. When the ring is
 * full or the client too slow, no snapshot is made, and the next one covers the difference.
 */
import type { SessionIndex } from '../base/brand.ts';
import { MESSAGE } from '../wire/messages.ts';
import {
  DURABLE_LAG_MAX,
  SNAPSHOT_ENTER_BYTES,
  SNAPSHOT_ENTRIES_MAX,
  SNAPSHOT_FLAG,
  SNAPSHOT_JUMP_BYTES,
} from '../wire/snapshot.wire.ts';
import { OUTBOUND_HEAD_BYTES } from '../memory/outbound.ts';
import type { Ring } from '../memory/ring.ts';
import { SESSION_STATE, VIEW_ENTITIES_MAX } from '../memory/sessions.ts';
import type { Found } from '../memory/spatial.ts';
import type { Store } from '../memory/store.ts';
import { CANDIDATES_MAX, ViewSelection } from './view-selection.ts';
import { SnapshotEncoder, finite } from './snapshot-encoder.ts';

/** Enters in one snapshot; a client that arrives in a crowd gets it over a few. */
const ENTERS_MAX = 96;
const MOVE_CENTIMETRES_MAX = 127;
const SNAPSHOT_PARTS_ALL = 127;
/** From this shed level on, entities beyond half the radius are updated in every second snapshot. */
const SHED_FAR_LEVEL = 1;

export interface ObserveOptions {
  readonly store: Store;
  readonly worker: number;
  readonly aoiRadius: number;
  readonly aoiHysteresis: number;
  readonly viewEntitiesMax: number;
  readonly backlogBytesSkip: number;
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
  /** Aliases whose moves do not fit a byte, and whose components may have changed. */
  readonly #jumps = new Uint8Array(SNAPSHOT_ENTRIES_MAX);
  readonly #changed = new Uint8Array(SNAPSHOT_ENTRIES_MAX);
  #changedCount = 0;
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
    sessions.setViewCount(session, this.#viewHigh);
    sessions.setLastSnapshotTick(session, tick);
    stats.add(worker, 'snapshots', 1);
    stats.add(worker, 'snapshotBytes', sizeBytes);
  }

  #encode(x: number, z: number): number {
    const { sessions } = this.#store;
    const isKeyframe = sessions.takeViewReset(this.#session);
    if (isKeyframe) this.#clearView();
    const eventsAfterTick = isKeyframe ? this.#tick : sessions.lastSnapshotTick(this.#session);
    this.#select(x, z);
    const encoder = this.#encoder;
    encoder.at = 0;
    encoder.u8(MESSAGE.snapshot);
    encoder.u8((isKeyframe ? SNAPSHOT_FLAG.keyframe : 0) | SNAPSHOT_FLAG.self);
    encoder.u32(this.#tick);
    const inputSequence = sessions.inputSequence(this.#session);
    encoder.u32(inputSequence);
    encoder.u8(this.#durableLag(inputSequence));
    encoder.u8(SNAPSHOT_PARTS_ALL);
    const selfAliasAt = encoder.at;
    this.#writeSelf();
    this.#writeLeaves();
    this.#writeEnters();
    encoder.bytes[selfAliasAt] = this.#aliasOf(this.#selfSlot);
    this.#writeMoves();
    this.#writeChanges();
    this.#writeEvents(eventsAfterTick);
    return encoder.at;
  }

  /** How many of the last inputs a crash of this node would take back. Without a journal nothing comes back anyway. */
  #durableLag(inputSequence: number): number {
    const { peerTable, sessions } = this.#store;
    if (peerTable.self === 0) return 0;
    const lag = inputSequence - sessions.durableInput(this.#session);
    return Math.max(0, Math.min(lag, DURABLE_LAG_MAX));
  }

  #clearView(): void {
    this.#store.sessions.viewSlotPlusOne.fill(0, this.#viewFirst, this.#viewFirst + VIEW_ENTITIES_MAX);
    this.#viewHigh = 0;
  }

  /** Decides who is in view: fills the selection's `kept` (by alias) and `entering` (slots). */
  #select(x: number, z: number): void {
    const { sessions, columns, spatial } = this.#store;
    const { aoiRadius, aoiHysteresis } = this.#options;
    const selection = this.#selection;
    selection.start();
    for (let index = 0; index < this.#viewHigh; index++) {
      const slotPlusOne = sessions.viewSlotPlusOne[this.#viewFirst + index]!;
      if (slotPlusOne === 0) continue;
      const isSame = columns.generation[slotPlusOne - 1] === sessions.viewGeneration[this.#viewFirst + index];
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
    selection.finish(aoiRadius * aoiRadius, ENTERS_MAX);
  }

  #writeSelf(): void {
    const { columns } = this.#store;
    const slot = this.#selfSlot;
    const encoder = this.#encoder;
    encoder.u8(0);
    encoder.f32(finite(columns.x[slot]!));
    encoder.f32(finite(columns.z[slot]!));
    encoder.f32(finite(columns.vx[slot]!));
    encoder.f32(finite(columns.vz[slot]!));
  }

  #writeLeaves(): void {
    const { sessions, stats } = this.#store;
    const encoder = this.#encoder;
    const countAt = encoder.at;
    let count = 0;
    encoder.u8(0);
    for (let index = 0; index < this.#viewHigh; index++) {
      if (sessions.viewSlotPlusOne[this.#viewFirst + index] === 0 || this.#selection.isKept(index + 1)) continue;
      sessions.viewSlotPlusOne[this.#viewFirst + index] = 0;
      encoder.u8(index + 1);
      count++;
    }
    encoder.bytes[countAt] = count;
    while (this.#viewHigh > 0 && sessions.viewSlotPlusOne[this.#viewFirst + this.#viewHigh - 1] === 0) this.#viewHigh--;
    stats.add(this.#options.worker, 'viewLeaves', count);
  }

  /** An entered entity stands where it was sent, so it has no move to write. */
  #writeEnters(): void {
    const { columns, sessions, published, stats } = this.#store;
    const { entering, enteringCount } = this.#selection;
    const encoder = this.#encoder;
    const countAt = encoder.at;
    let count = 0;
    let index = 0;
    encoder.u8(0);
    for (let next = 0; next < enteringCount && count < ENTERS_MAX; next++) {
      const slot = entering[next]!;
      const kind = columns.kind[slot]!;
      if (!encoder.hasRoom(this.#enterBytesMax[kind]! + SNAPSHOT_ENTRIES_MAX * (1 + SNAPSHOT_JUMP_BYTES))) break;
      while (sessions.viewSlotPlusOne[this.#viewFirst + index] !== 0 && index < VIEW_ENTITIES_MAX) index++;
      if (index === VIEW_ENTITIES_MAX) break;
      const id = columns.id[slot]!;
      encoder.u8(index + 1);
      encoder.u32(id % 2 ** 32);
      encoder.u32(Math.floor(id / 2 ** 32));
      encoder.u8(kind);
      encoder.i32(published.x[slot]!);
      encoder.i32(published.z[slot]!);
      const components = slot === this.#selfSlot ? this.#sentToOwner[kind]! : this.#sentToAll[kind]!;
      for (let at = 0; at < components.length; at++) encoder.component(components[at]!, slot);
      const row = this.#viewFirst + index;
      sessions.viewSlotPlusOne[row] = slot + 1;
      sessions.viewGeneration[row] = columns.generation[slot]!;
      sessions.viewX[row] = published.x[slot]!;
      sessions.viewZ[row] = published.z[slot]!;
      sessions.viewTick[row] = this.#tick;
      this.#selection.markKnown(slot, index + 1);
      this.#viewHigh = Math.max(this.#viewHigh, index + 1);
      count++;
    }
    encoder.bytes[countAt] = count;
    stats.add(this.#options.worker, 'viewEnters', count);
  }

  /** Moves and jumps: those whose position in centimetres differs from what was sent last. Notes changed components. */
  #writeMoves(): void {
    const { sessions, published, control, stats } = this.#store;
    const encoder = this.#encoder;
    const shedsFar = control.shedLevel >= SHED_FAR_LEVEL;
    const farSquared = (this.#options.aoiRadius / 2) ** 2;
    const countAt = encoder.at;
    let moves = 0;
    let jumps = 0;
    this.#changedCount = 0;
    encoder.u8(0);
    for (let index = 0; index < this.#viewHigh; index++) {
      const row = this.#viewFirst + index;
      const slot = sessions.viewSlotPlusOne[row]! - 1;
      if (slot < 0) continue;
      if (published.lastChangeTick[slot]! > sessions.viewTick[row]!) this.#changed[this.#changedCount++] = index + 1;
      const dx = published.x[slot]! - sessions.viewX[row]!;
      const dz = published.z[slot]! - sessions.viewZ[row]!;
      if (dx === 0 && dz === 0) continue;
      if (shedsFar && ((this.#tick + index) & 2) !== 0 && this.#selection.distanceSquared(index + 1) > farSquared)
        continue;
      const isNear =
        dx >= -MOVE_CENTIMETRES_MAX &&
        dx <= MOVE_CENTIMETRES_MAX &&
        dz >= -MOVE_CENTIMETRES_MAX &&
        dz <= MOVE_CENTIMETRES_MAX;
      if (!isNear) {
        this.#jumps[jumps++] = index + 1;
        continue;
      }
      encoder.u8(index + 1);
      encoder.u8(dx);
      encoder.u8(dz);
      sessions.viewX[row] = published.x[slot]!;
      sessions.viewZ[row] = published.z[slot]!;
      moves++;
    }
    encoder.bytes[countAt] = moves;
    encoder.u8(jumps);
    for (let jump = 0; jump < jumps; jump++) {
      const row = this.#viewFirst + this.#jumps[jump]! - 1;
      const slot = sessions.viewSlotPlusOne[row]! - 1;
      encoder.u8(this.#jumps[jump]!);
      encoder.i32(published.x[slot]!);
      encoder.i32(published.z[slot]!);
      sessions.viewX[row] = published.x[slot]!;
      sessions.viewZ[row] = published.z[slot]!;
    }
    stats.add(this.#options.worker, 'viewUpdates', moves + jumps);
  }

  #writeChanges(): void {
    const { columns, sessions, published } = this.#store;
    const encoder = this.#encoder;
    encoder.u8(0);
    const countAt = encoder.at;
    let count = 0;
    encoder.u8(0);
    for (let changed = 0; changed < this.#changedCount; changed++) {
      const alias = this.#changed[changed]!;
      const row = this.#viewFirst + alias - 1;
      const slot = sessions.viewSlotPlusOne[row]! - 1;
      const kind = columns.kind[slot]!;
      const components = slot === this.#selfSlot ? this.#sentToOwner[kind]! : this.#sentToAll[kind]!;
      const sentTick = sessions.viewTick[row]!;
      let isComplete = true;
      for (let at = 0; at < components.length; at++) {
        const component = components[at]!;
        if (published.changedTick[component]![slot]! <= sentTick) continue;
        if (count === SNAPSHOT_ENTRIES_MAX || !encoder.hasRoom(encoder.componentBytesMax(component) + 4)) {
          isComplete = false;
          break;
        }
        encoder.u8(alias);
        encoder.u8(component);
        encoder.component(component, slot);
        count++;
      }
      if (isComplete) sessions.viewTick[row] = this.#tick;
    }
    encoder.bytes[countAt] = count;
  }

  #writeEvents(afterTick: number): void {
    const { announcements, columns } = this.#store;
    const encoder = this.#encoder;
    const countAt = encoder.at;
    let count = 0;
    encoder.u8(0);
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
    encoder.bytes[countAt] = count;
  }

  /** The alias of a slot in this view, or 0. */
  #aliasOf(slot: number): number {
    const alias = this.#selection.aliasOf(slot);
    if (alias === 0) return 0;
    return this.#store.sessions.viewSlotPlusOne[this.#viewFirst + alias - 1] === slot + 1 ? alias : 0;
  }
}
