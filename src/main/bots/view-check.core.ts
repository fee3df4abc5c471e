/**
 * What one bot has in view, as far as it takes to check that the server's snapshots are right: aliases are used and freed
 * in order, nobody is there twice, nobody is seen from too far away, time and acknowledgements go forward.
 *
 * It reads the bytes beside the SDK and shares no code with its view: who checks does not share the mistakes of who is
 * checked.
 */
import type { EntityId } from '../../base/brand.ts';
import type { EnterEntry, TurnEntry } from '../../wire/messages.ts';
import { OWN_TICKS_MAX, reckonOwn } from '../../wire/motion.core.ts';
import { DURABLE_LAG_MAX } from '../../wire/snapshot.wire.ts';
import type { SnapshotHead, SnapshotVisitor } from '../../wire/snapshot.wire.ts';

export const VIOLATIONS = [
  'firstNotKeyframe',
  'tickBackwards',
  'acknowledgedUnsent',
  'acknowledgedBackwards',
  'durableBackwards',
  'leaveOfUnknown',
  'enterOfUsedAlias',
  'enterTwice',
  'enterBeyondRadius',
  'moveOfUnknown',
  'changeOfUnknown',
  'eventOfUnknown',
  'selfNotInView',
  'selfNotGiven',
] as const;
export type Violation = (typeof VIOLATIONS)[number];

/** Why somebody is not in view any more, as far as the last snapshot tells. */
export type LeaveCause = 'a leave' | 'a keyframe without it' | 'a resync without it' | 'no word of its new owner';

const ALIASES = 256;
/** Positions of others are sent in whole centimetres. */
const ROUNDING_METRES = 0.02;

export class ViewCheck implements SnapshotVisitor {
  /** Of the last snapshot; -1 before the first. */
  tick = -1;
  inputSequence = 0;
  /** The last input of which a snapshot said that it survives a crash of the owner. */
  durableSequence = 0;
  /** The greatest that was sent. */
  sentSequence = 0;
  /** Own alias and place, reckoned on while a snapshot does not give them. */
  selfAlias = 0;
  selfX = 0;
  selfZ = 0;
  tickHz = 0;
  aoiRadius = Number.POSITIVE_INFINITY;
  readonly #ids: (EntityId | 0)[] = Array.from({ length: ALIASES }, () => 0 as const);
  readonly #inView = new Set<EntityId>();
  readonly #violation: (violation: Violation) => void;
  /** The next snapshot comes from somebody else. */
  #isNew = true;
  #isFresh = false;
  /** What its hello said that it has; 0 is nothing. */
  #knownTick = 0;
  /** Aliases that a resync has told of; used only while one is read. */
  readonly #told = new Set<number>();
  #isResync = false;
  #isKeyframe = false;
  /** Whom the last snapshot let go by a leave. */
  readonly #let = new Set<EntityId>();
  #isSelfDue = false;
  /** As it was given last. */
  readonly #own = { tick: 0, x: 0, z: 0, vx: 0, vz: 0 };

  constructor(violation: (violation: Violation) => void) {
    this.#violation = violation;
  }

  causeOfLeave(id: EntityId): LeaveCause {
    if (this.#let.has(id)) return 'a leave';
    if (this.#isKeyframe) return 'a keyframe without it';
    return this.#isResync ? 'a resync without it' : 'no word of its new owner';
  }

  get inViewCount(): number {
    return this.#inView.size;
  }

  /**
   * A new connection or another owner: the tick may be any, and inputs that were not durable may have been taken back. A
   * keyframe is due; or, where the client said which tick it knows, a resync, or a delta if that is what it was told last.
   */
  restart({ knownTick = 0 }: { readonly knownTick?: number } = {}): void {
    this.#isNew = true;
    this.#knownTick = knownTick;
  }

  /** A session that knows nothing of the last one's inputs, and was sent these; its player may know earlier ones. */
  forget(sentSequence: number): void {
    this.restart();
    this.#isFresh = true;
    this.inputSequence = 0;
    this.durableSequence = 0;
    this.sentSequence = sentSequence;
  }

  head({ keyframe, resync, tick, inputSequence, durableLag }: SnapshotHead): void {
    const isContinued = keyframe || (this.#knownTick > 0 && (resync || this.#knownTick === this.tick));
    if (this.#isNew && !isContinued) this.#violation('firstNotKeyframe');
    if (!this.#isNew && tick <= this.tick) this.#violation('tickBackwards');
    if (this.#isFresh) this.sentSequence = Math.max(this.sentSequence, inputSequence);
    if (inputSequence > this.sentSequence) this.#violation('acknowledgedUnsent');
    if (!this.#isNew && inputSequence < this.inputSequence) this.#violation('acknowledgedBackwards');
    if (inputSequence < this.durableSequence) this.#violation('durableBackwards');
    if (durableLag < DURABLE_LAG_MAX) {
      this.durableSequence = Math.max(this.durableSequence, inputSequence - durableLag);
    }
    this.#isNew = false;
    this.#isFresh = false;
    this.#isResync = resync;
    this.#isKeyframe = keyframe;
    this.#let.clear();
    this.tick = tick;
    this.inputSequence = inputSequence;
    if (resync) this.#told.clear();
    if (!keyframe) return this.#reckonSelf();
    this.selfAlias = 0;
    this.#ids.fill(0);
    this.#inView.clear();
  }

  self(alias: number, { x, z, vx, vz }: { x: number; z: number; vx: number; vz: number }): void {
    this.selfAlias = alias;
    this.selfX = x;
    this.selfZ = z;
    Object.assign(this.#own, { tick: this.tick, x, z, vx, vz });
  }

  leave(alias: number): void {
    const id = this.#ids[alias] ?? 0;
    if (id === 0) return this.#violation('leaveOfUnknown');
    this.#ids[alias] = 0;
    this.#inView.delete(id);
    this.#let.add(id);
  }

  enter({ alias, id, xCm, zCm }: EnterEntry): void {
    const former = this.#ids[alias] ?? 0;
    if (this.#isResync) {
      this.#told.add(alias);
      if (former !== 0) this.#inView.delete(former);
      this.#dropFormer(id);
    } else if (former !== 0) this.#violation('enterOfUsedAlias');
    if (this.#inView.has(id)) this.#violation('enterTwice');
    this.#ids[alias] = id;
    this.#inView.add(id);
    const distance = Math.hypot(xCm / 100 - this.selfX, zCm / 100 - this.selfZ);
    if (distance > this.aoiRadius + ROUNDING_METRES) this.#violation('enterBeyondRadius');
  }

  move(alias: number): void {
    if (this.#ids[alias] === 0) this.#violation('moveOfUnknown');
  }

  jump(alias: number): void {
    if (this.#ids[alias] === 0) return this.#violation('moveOfUnknown');
    if (this.#isResync) this.#told.add(alias);
  }

  turn({ alias }: TurnEntry): void {
    if (this.#ids[alias] === 0) this.#violation('moveOfUnknown');
  }

  change(alias: number): void {
    if (this.#ids[alias] === 0) this.#violation('changeOfUnknown');
  }

  event(alias: number): void {
    if (this.#ids[alias] === 0) this.#violation('eventOfUnknown');
  }

  /** After the whole snapshot was read. */
  end(): void {
    if (this.#isResync) this.#dropUntold();
    if (this.#isSelfDue && this.#own.tick !== this.tick) this.#violation('selfNotGiven');
    this.#isSelfDue = false;
    if (this.selfAlias !== 0 && this.#ids[this.selfAlias] === 0) this.#violation('selfNotInView');
  }

  #reckonSelf(): void {
    if (this.selfAlias === 0 || this.tickHz === 0) return;
    const own = this.#own;
    const ticks = this.tick - own.tick;
    const way = { ticks: Math.min(ticks, OWN_TICKS_MAX), dt: Math.fround(1 / this.tickHz) };
    this.selfX = reckonOwn(own.x, own.vx, way);
    this.selfZ = reckonOwn(own.z, own.vz, way);
    if (ticks > OWN_TICKS_MAX) this.#isSelfDue = true;
  }

  /** In a resync somebody may come under another alias: the one of before is gone if it is not told of. */
  #dropFormer(id: EntityId): void {
    if (!this.#inView.has(id)) return;
    const former = this.#ids.indexOf(id);
    if (this.#told.has(former)) return;
    this.#ids[former] = 0;
    this.#inView.delete(id);
  }

  /** Whom a resync neither enters nor jumps is gone. */
  #dropUntold(): void {
    for (let alias = 1; alias < ALIASES; alias++) {
      const id = this.#ids[alias] ?? 0;
      if (id === 0 || this.#told.has(alias)) continue;
      this.#ids[alias] = 0;
      this.#inView.delete(id);
    }
  }
}
