/**
 * What one client is told of those it has in view already: moves, jumps, turns and changes of a snapshot.
 *
 * Who is *due*: whoever the client does not see right. Of motion, that is whose place is further from where the client
 * reckons it than TOLERANCE of the distance; who began to move, or stands and is not exactly there. Of components, whoever has
 * changed. Within half the radius that is looked at in every snapshot, beyond in every second, beyond three quarters in
 * every fourth, by turns of alias so that each snapshot has its share; but a place that is off by GROSS_ERROR tolerances is
 * told at once everywhere.
 *
 * If there is not room for all that are due, the most urgent are told (view-priority.core.ts), at least one.
 */
import type { Store } from '../memory/store.ts';
import { reckonCm, VELOCITY_UNITS } from '../wire/motion.core.ts';
import { SNAPSHOT_ENTRIES_MAX, SNAPSHOT_PART, SNAPSHOT_TURN_BYTES } from '../wire/snapshot.wire.ts';
import type { ComponentChange, SnapshotEncoder } from './snapshot-encoder.ts';
import { UpdateQueue } from './view-priority.core.ts';
import type { ViewSelection } from './view-selection.ts';

/** Of the distance: who is 50 m away may be drawn 10 cm off. Some two pixels of a wide screen. */
export const TOLERANCE = 1 / 500;
/** Nearer than this, everybody is as far: places are whole centimetres. */
const TOLERANCE_METRES_MIN = 5;
/** Centimetres off, squared, for each square metre of distance. */
const TOLERANCE_SQUARED = (TOLERANCE * 100) ** 2;
/** In tolerances, squared. */
export const GROSS_ERROR = 4;
const GROSS_ERROR_SQUARED = GROSS_ERROR ** 2;
/** Urgency of a changed component, from beside the player to the rim: as much as being off by four tolerances to one. */
const CHANGE_URGENCY_NEAR = 16;
/** Snapshots between looks, less one, by distance; under overload twice as many. */
const FAR_MASK = 1;
const FARTHEST_MASK = 3;
/** From this shed level on, entities beyond half the radius are looked at half as often. */
const SHED_FAR_LEVEL = 1;
const MOVE_CENTIMETRES_MAX = 127;
/** What a changed component is expected to take, when it might be long. */
const CHANGE_BYTES_TYPICAL = 32;
const WAITING_MAX = 0xffff;
const ALIASES = 256;
const MOTION = 1;
const CHANGE = 2;

/** Of the snapshot in work; mutable and reused. */
export interface UpdateScene {
  tick: number;
  /** Of the session: index of alias 1 in the views, and one past the highest alias in use. */
  viewFirst: number;
  viewHigh: number;
  selfSlot: number;
  /** Counts the session's snapshots. */
  turn: number;
  /** Bytes that there are for updates; may be none. */
  roomBytes: number;
  /** Tell all that are due, and the place of everybody. */
  isResync: boolean;
}

export class SnapshotUpdates {
  readonly #store: Store;
  readonly #encoder: SnapshotEncoder;
  readonly #selection: ViewSelection;
  readonly #queue = new UpdateQueue();
  readonly #halfSquared: number;
  readonly #farthestSquared: number;
  readonly #perRadiusSquared: number;
  readonly #sentToAll: readonly (readonly number[])[];
  readonly #sentToOwner: readonly (readonly number[])[];
  /** By alias: MOTION and CHANGE bits of who is due, and how urgently; whether it is told in this snapshot. */
  readonly #due = new Uint8Array(ALIASES);
  readonly #urgency = new Float32Array(ALIASES);
  readonly #isChosen = new Uint8Array(ALIASES);
  readonly #jumps = new Uint8Array(ALIASES);
  readonly #turns = new Uint8Array(ALIASES);
  /** By place in `#turns`. */
  readonly #turnDx = new Int8Array(ALIASES);
  readonly #turnDz = new Int8Array(ALIASES);
  readonly #change: ComponentChange = { slot: 0, sentTick: 0, fieldTick: [] };
  #jumpCount = 0;
  #turnCount = 0;
  #isComplete = true;
  readonly #worker: number;
  #scene!: UpdateScene;

  constructor(options: {
    readonly store: Store;
    readonly worker: number;
    readonly encoder: SnapshotEncoder;
    readonly selection: ViewSelection;
    readonly aoiRadius: number;
    /** Components sent to everybody, by kind; and to the owner. */
    readonly sentToAll: readonly (readonly number[])[];
    readonly sentToOwner: readonly (readonly number[])[];
  }) {
    const radiusSquared = options.aoiRadius ** 2;
    this.#store = options.store;
    this.#worker = options.worker;
    this.#encoder = options.encoder;
    this.#selection = options.selection;
    this.#sentToAll = options.sentToAll;
    this.#sentToOwner = options.sentToOwner;
    this.#halfSquared = radiusSquared / 4;
    this.#farthestSquared = (radiusSquared * 9) / 16;
    this.#perRadiusSquared = 1 / radiusSquared;
  }

  /** Writes the parts and returns their bits. */
  write(scene: UpdateScene): number {
    this.#scene = scene;
    const dueCount = this.#findDue();
    if (dueCount === 0 && !scene.isResync) return 0;
    this.#choose();
    return this.#writeMotion() | this.#writeChanges();
  }

  /** Notes who is due, and chooses all of them for now. Returns how many they are. */
  #findDue(): number {
    const { views } = this.#store.sessions;
    const { published, control } = this.#store;
    const { tick, viewFirst, viewHigh, selfSlot, turn } = this.#scene;
    const shedShift = control.shedLevel >= SHED_FAR_LEVEL ? 1 : 0;
    const due = this.#due;
    let dueCount = 0;
    for (let index = 0; index < viewHigh; index++) {
      const row = viewFirst + index;
      const slot = views.slotPlusOne[row]! - 1;
      const alias = index + 1;
      due[alias] = 0;
      this.#isChosen[alias] = 0;
      if (slot < 0) continue;
      // A resync says of all who were in view before where they are: who is not jumped to is gone.
      const isResync = this.#scene.isResync && views.enterTick[row] !== tick;
      const distanceSquared = this.#selection.distanceSquared(alias);
      const isChanged = published.lastChangeTick[slot]! > views.sentTick[row]!;
      const error = slot === selfSlot ? 0 : this.#motionError(row, slot, distanceSquared);
      if (error === 0 && !isChanged && !isResync) continue;
      if (distanceSquared > this.#halfSquared && error <= GROSS_ERROR_SQUARED && !isResync) {
        const mask = distanceSquared > this.#farthestSquared ? FARTHEST_MASK : FAR_MASK;
        // Who was passed over is due until it is told.
        if (((turn + alias) & ((mask << shedShift) | shedShift)) !== 0 && views.waiting[row] === 0) continue;
      }
      due[alias] = (error > 0 || isResync ? MOTION : 0) | (isChanged ? CHANGE : 0);
      this.#urgency[alias] = isChanged ? Math.max(error, this.#changeUrgency(distanceSquared)) : error;
      this.#isChosen[alias] = 1;
      dueCount++;
    }
    return dueCount;
  }

  /** How far the client's picture is off, in tolerances squared; 0 when there is nothing to tell, else at least 1. */
  #motionError(row: number, slot: number, distanceSquared: number): number {
    const { views } = this.#store.sessions;
    const { published } = this.#store;
    const vx = views.vx[row]!;
    const vz = views.vz[row]!;
    const ticks = this.#scene.tick - views.motionTick[row]!;
    // As reckonCm has it: within the world a shift is a division, and rounds downwards as well.
    const dx = published.x[slot]! - views.x[row]! - ((vx * ticks + VELOCITY_UNITS / 2) >> 6);
    const dz = published.z[slot]! - views.z[row]! - ((vz * ticks + VELOCITY_UNITS / 2) >> 6);
    const error = dx * dx + dz * dz;
    const isMoving = published.vx[slot] !== 0 || published.vz[slot] !== 0;
    const wasMoving = vx !== 0 || vz !== 0;
    if (error === 0 && isMoving === wasMoving) return 0;
    const tolerance = TOLERANCE_SQUARED * Math.max(distanceSquared, TOLERANCE_METRES_MIN ** 2);
    if (error > tolerance) return error / tolerance;
    // Who stands is told exactly, and everybody that it begins to move or stands.
    return isMoving !== wasMoving || !isMoving ? 1 : 0;
  }

  #changeUrgency(distanceSquared: number): number {
    return Math.max(1, CHANGE_URGENCY_NEAR * (1 - distanceSquared * this.#perRadiusSquared));
  }

  /** Leaves chosen for whom there is room: all, or the most urgent. The others wait. */
  #choose(): void {
    const { views } = this.#store.sessions;
    const { viewFirst, viewHigh, roomBytes, isResync } = this.#scene;
    let neededBytes = 0;
    for (let alias = 1; alias <= viewHigh; alias++) neededBytes += this.#expectedBytes(alias);
    const hasRoom = neededBytes <= roomBytes || isResync;
    if (!hasRoom) this.#chooseUrgent();
    for (let index = 0; index < viewHigh; index++) {
      const row = viewFirst + index;
      const isWaiting = this.#due[index + 1] !== 0 && this.#isChosen[index + 1] === 0;
      if (isWaiting) views.waiting[row] = Math.min(views.waiting[row]! + 1, WAITING_MAX);
      else if (views.waiting[row] !== 0) views.waiting[row] = 0;
    }
  }

  #chooseUrgent(): void {
    const { views } = this.#store.sessions;
    const { viewFirst, viewHigh } = this.#scene;
    const queue = this.#queue;
    queue.start();
    for (let alias = 1; alias <= viewHigh; alias++) {
      if (this.#due[alias] === 0) continue;
      this.#isChosen[alias] = 0;
      queue.add(alias, this.#urgency[alias]!, views.waiting[viewFirst + alias - 1]!);
    }
    let roomBytes = this.#scene.roomBytes;
    // The first is told whatever it takes, so that there is always progress.
    for (let alias = queue.take(); alias !== 0; alias = queue.take()) {
      this.#isChosen[alias] = 1;
      roomBytes -= this.#expectedBytes(alias);
      if (roomBytes <= 0) return;
    }
  }

  #expectedBytes(alias: number): number {
    const due = this.#due[alias]!;
    if (due === 0) return 0;
    const motionBytes = (due & MOTION) === 0 ? 0 : SNAPSHOT_TURN_BYTES;
    if ((due & CHANGE) === 0) return motionBytes;
    const { columns, published, sessions } = this.#store;
    const row = this.#scene.viewFirst + alias - 1;
    const slot = sessions.views.slotPlusOne[row]! - 1;
    let sizeBytes = motionBytes;
    for (const component of this.#componentsOf(slot, columns.kind[slot]!)) {
      if (published.changedTick[component]![slot]! <= sessions.views.sentTick[row]!) continue;
      sizeBytes += Math.min(this.#encoder.changeBytesMax(component), CHANGE_BYTES_TYPICAL);
    }
    return sizeBytes;
  }

  #componentsOf(slot: number, kind: number): readonly number[] {
    return slot === this.#scene.selfSlot ? this.#sentToOwner[kind]! : this.#sentToAll[kind]!;
  }

  /** Room for a jump and a turn of everybody is left by whoever wrote before. */
  #writeMotion(): number {
    const { viewHigh } = this.#scene;
    const encoder = this.#encoder;
    this.#jumpCount = 0;
    this.#turnCount = 0;
    const movesAt = encoder.startPart();
    let moves = 0;
    for (let alias = 1; alias <= viewHigh; alias++) {
      if (this.#isChosen[alias] === 1 && (this.#due[alias]! & MOTION) !== 0) moves += this.#placeOne(alias);
    }
    const parts = encoder.endPart(movesAt, moves, SNAPSHOT_PART.moves) | this.#writeJumps() | this.#writeTurns();
    this.#store.stats.add(this.#worker, 'viewUpdates', moves + this.#jumpCount + this.#turnCount);
    return parts;
  }

  /** Writes a move, or notes a jump or a turn, and that the client knows. Returns how many moves it wrote. */
  #placeOne(alias: number): number {
    const { views } = this.#store.sessions;
    const { published } = this.#store;
    const { tick, viewFirst, selfSlot } = this.#scene;
    const row = viewFirst + alias - 1;
    const slot = views.slotPlusOne[row]! - 1;
    const isResync = this.#scene.isResync && views.enterTick[row] !== tick;
    const ticks = tick - views.motionTick[row]!;
    const dx = published.x[slot]! - reckonCm(views.x[row]!, views.vx[row]!, ticks);
    const dz = published.z[slot]! - reckonCm(views.z[row]!, views.vz[row]!, ticks);
    // The way of the own entity is told exactly elsewhere.
    const vx = slot === selfSlot ? 0 : published.vx[slot]!;
    const vz = slot === selfSlot ? 0 : published.vz[slot]!;
    views.x[row] = published.x[slot]!;
    views.z[row] = published.z[slot]!;
    views.vx[row] = vx;
    views.vz[row] = vz;
    views.motionTick[row] = tick;
    const isMoving = vx !== 0 || vz !== 0;
    if (isResync || !isStep(dx) || !isStep(dz)) {
      this.#jumps[this.#jumpCount++] = alias;
      if (isMoving) this.#noteTurn(alias, 0, 0);
      return 0;
    }
    if (isMoving) {
      this.#noteTurn(alias, dx, dz);
      return 0;
    }
    this.#encoder.u8(alias);
    this.#encoder.i8(dx);
    this.#encoder.i8(dz);
    return 1;
  }

  #noteTurn(alias: number, dx: number, dz: number): void {
    this.#turnDx[this.#turnCount] = dx;
    this.#turnDz[this.#turnCount] = dz;
    this.#turns[this.#turnCount++] = alias;
  }

  #writeJumps(): number {
    const { views } = this.#store.sessions;
    const encoder = this.#encoder;
    const countAt = encoder.startPart();
    for (let jump = 0; jump < this.#jumpCount; jump++) {
      const row = this.#scene.viewFirst + this.#jumps[jump]! - 1;
      encoder.u8(this.#jumps[jump]!);
      encoder.i32(views.x[row]!);
      encoder.i32(views.z[row]!);
    }
    return encoder.endPart(countAt, this.#jumpCount, SNAPSHOT_PART.jumps);
  }

  #writeTurns(): number {
    const { views } = this.#store.sessions;
    const encoder = this.#encoder;
    const countAt = encoder.startPart();
    for (let turn = 0; turn < this.#turnCount; turn++) {
      const row = this.#scene.viewFirst + this.#turns[turn]! - 1;
      encoder.u8(this.#turns[turn]!);
      encoder.i8(this.#turnDx[turn]!);
      encoder.i8(this.#turnDz[turn]!);
      encoder.i16(views.vx[row]!);
      encoder.i16(views.vz[row]!);
    }
    return encoder.endPart(countAt, this.#turnCount, SNAPSHOT_PART.turns);
  }

  #writeChanges(): number {
    const { views } = this.#store.sessions;
    const { tick, viewFirst, viewHigh } = this.#scene;
    const countAt = this.#encoder.startPart();
    let count = 0;
    for (let alias = 1; alias <= viewHigh; alias++) {
      if (this.#isChosen[alias] === 0 || (this.#due[alias]! & CHANGE) === 0) continue;
      this.#isComplete = true;
      count += this.#writeChangesOf(alias, SNAPSHOT_ENTRIES_MAX - count);
      // What there was no room for comes again, with what went already.
      if (this.#isComplete) views.sentTick[viewFirst + alias - 1] = tick;
    }
    return this.#encoder.endPart(countAt, count, SNAPSHOT_PART.changes);
  }

  /** Returns how many entries it wrote. */
  #writeChangesOf(alias: number, entriesMax: number): number {
    const { columns, sessions, published } = this.#store;
    const encoder = this.#encoder;
    const change = this.#change;
    const row = this.#scene.viewFirst + alias - 1;
    const slot = sessions.views.slotPlusOne[row]! - 1;
    change.slot = slot;
    change.sentTick = sessions.views.sentTick[row]!;
    let count = 0;
    for (const component of this.#componentsOf(slot, columns.kind[slot]!)) {
      if (published.changedTick[component]![slot]! <= change.sentTick) continue;
      if (count === entriesMax || !encoder.hasRoom(encoder.changeBytesMax(component))) {
        this.#isComplete = false;
        break;
      }
      change.fieldTick = published.fieldTick[component]!;
      encoder.change(alias, component, change);
      count++;
    }
    return count;
  }
}

function isStep(centimetres: number): boolean {
  return centimetres >= -MOVE_CENTIMETRES_MAX && centimetres <= MOVE_CENTIMETRES_MAX;
}
