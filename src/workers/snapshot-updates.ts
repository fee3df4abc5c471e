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
/** VELOCITY_UNITS is 2 to the power of this. */
const VELOCITY_SHIFT = 6;
const ALIASES = 256;
const MOTION = 1;
const CHANGE = 2;
const EXACT = 4;
/** Centimetres, squared: the tolerance of the nearest. */
const ERROR_SQUARED_MIN = TOLERANCE_SQUARED * TOLERANCE_METRES_MIN ** 2;

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
  readonly #dueAliases = new Uint8Array(ALIASES);
  #dueCount = 0;
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
    this.#findDue();
    if (this.#dueCount === 0) return 0;
    this.#choose();
    return this.#writeMotion() | this.#writeChanges();
  }

  /**
   * Lists who is due, by growing alias. The loop that most of observing is: everybody in view of everybody, and few of them
   * are due.
   */
  #findDue(): void {
    const { views } = this.#store.sessions;
    const { published } = this.#store;
    const { slotPlusOne, motionTick, sentTick, x: viewX, z: viewZ, vx: viewVx, vz: viewVz } = views;
    const { x, z, vx: velocityX, vz: velocityZ, lastChangeTick } = published;
    const { tick, viewFirst, viewHigh, selfSlot, isResync } = this.#scene;
    const rowEnd = viewFirst + viewHigh;
    this.#dueCount = 0;
    for (let row = viewFirst; row < rowEnd; row++) {
      const slot = slotPlusOne[row]! - 1;
      if (slot < 0) continue;
      const isChanged = lastChangeTick[slot]! > sentTick[row]!;
      const vx = viewVx[row]!;
      const vz = viewVz[row]!;
      const ticks = tick - motionTick[row]!;
      // As reckonCm has it: within the world a shift is a division, and rounds downwards as well.
      const dx = x[slot]! - viewX[row]! - ((vx * ticks + VELOCITY_UNITS / 2) >> VELOCITY_SHIFT);
      const dz = z[slot]! - viewZ[row]! - ((vz * ticks + VELOCITY_UNITS / 2) >> VELOCITY_SHIFT);
      const isMoving = (velocityX[slot]! | velocityZ[slot]!) !== 0;
      const wasMoving = (vx | vz) !== 0;
      const errorSquared = dx * dx + dz * dz;
      // Who stands is told exactly, and everybody that it begins to move or stands.
      const isSteady = isMoving && wasMoving;
      const isOff = isSteady ? errorSquared > ERROR_SQUARED_MIN : errorSquared > 0 || isMoving !== wasMoving;
      if (isOff && slot !== selfSlot) {
        this.#judge(row, errorSquared, (isSteady ? 0 : EXACT) | (isChanged ? CHANGE : 0));
      } else if (isChanged || isResync) this.#judge(row, 0, isChanged ? CHANGE : 0);
    }
  }

  /** @param what EXACT when any error is to be told, CHANGE when a component has changed. */
  #judge(row: number, errorSquared: number, what: number): void {
    const { views } = this.#store.sessions;
    const { tick, viewFirst, turn } = this.#scene;
    const alias = row - viewFirst + 1;
    // A resync says of all who were in view before where they are: who is not jumped to is gone.
    const isResync = this.#scene.isResync && views.enterTick[row] !== tick;
    const distanceSquared = this.#selection.distanceSquared(alias);
    const tolerance = TOLERANCE_SQUARED * Math.max(distanceSquared, TOLERANCE_METRES_MIN ** 2);
    const isChanged = (what & CHANGE) !== 0;
    let error = 0;
    if (errorSquared > tolerance) error = errorSquared / tolerance;
    else if ((what & EXACT) !== 0) error = 1;
    if (error === 0 && !isChanged && !isResync) return;
    if (distanceSquared > this.#halfSquared && error <= GROSS_ERROR_SQUARED && !isResync) {
      const shift = this.#store.control.shedLevel >= SHED_FAR_LEVEL ? 1 : 0;
      const mask = distanceSquared > this.#farthestSquared ? FARTHEST_MASK : FAR_MASK;
      // Who was passed over is due until it is told.
      if (((turn + alias) & ((mask << shift) | shift)) !== 0 && views.waiting[row] === 0) return;
    }
    this.#due[alias] = (error > 0 || isResync ? MOTION : 0) | (isChanged ? CHANGE : 0);
    this.#urgency[alias] = isChanged ? Math.max(error, this.#changeUrgency(distanceSquared)) : error;
    this.#isChosen[alias] = 1;
    this.#dueAliases[this.#dueCount++] = alias;
  }

  #changeUrgency(distanceSquared: number): number {
    return Math.max(1, CHANGE_URGENCY_NEAR * (1 - distanceSquared * this.#perRadiusSquared));
  }

  /** Leaves chosen for whom there is room: all, or the most urgent. The others wait. */
  #choose(): void {
    const { views } = this.#store.sessions;
    const { viewFirst, roomBytes, isResync } = this.#scene;
    let neededBytes = 0;
    for (let index = 0; index < this.#dueCount; index++) neededBytes += this.#expectedBytes(this.#dueAliases[index]!);
    if (neededBytes > roomBytes && !isResync) this.#chooseUrgent();
    for (let index = 0; index < this.#dueCount; index++) {
      const alias = this.#dueAliases[index]!;
      const row = viewFirst + alias - 1;
      views.waiting[row] = this.#isChosen[alias] === 1 ? 0 : Math.min(views.waiting[row]! + 1, WAITING_MAX);
    }
  }

  #chooseUrgent(): void {
    const { views } = this.#store.sessions;
    const queue = this.#queue;
    queue.start();
    for (let index = 0; index < this.#dueCount; index++) {
      const alias = this.#dueAliases[index]!;
      this.#isChosen[alias] = 0;
      queue.add(alias, this.#urgency[alias]!, views.waiting[this.#scene.viewFirst + alias - 1]!);
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
    const encoder = this.#encoder;
    this.#jumpCount = 0;
    this.#turnCount = 0;
    const movesAt = encoder.startPart();
    let moves = 0;
    for (let index = 0; index < this.#dueCount; index++) {
      const alias = this.#dueAliases[index]!;
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
    const { tick, viewFirst } = this.#scene;
    const countAt = this.#encoder.startPart();
    let count = 0;
    for (let index = 0; index < this.#dueCount; index++) {
      const alias = this.#dueAliases[index]!;
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
