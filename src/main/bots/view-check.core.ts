/**
 * What one bot has in view, as far as it takes to check that the server's snapshots are right: aliases are used and freed
 * in order, nobody is there twice, nobody is seen from too far away, time and acknowledgements go forward.
 */
import type { EntityId } from '../../base/brand.ts';
import type { EnterEntry } from '../../wire/messages.ts';
import type { SnapshotVisitor } from '../../wire/snapshot.wire.ts';

export const VIOLATIONS = [
  'firstNotKeyframe',
  'tickBackwards',
  'acknowledgedUnsent',
  'acknowledgedBackwards',
  'leaveOfUnknown',
  'enterOfUsedAlias',
  'enterTwice',
  'enterBeyondRadius',
  'moveOfUnknown',
  'changeOfUnknown',
  'eventOfUnknown',
  'selfNotInView',
] as const;
export type Violation = (typeof VIOLATIONS)[number];

const ALIASES = 256;
/** Positions of others are sent in whole centimetres. */
const ROUNDING_METRES = 0.02;

export class ViewCheck implements SnapshotVisitor {
  /** Of the last snapshot; -1 before the first. */
  tick = -1;
  inputSequence = 0;
  /** The greatest that was sent. */
  sentSequence = 0;
  selfAlias = 0;
  selfX = 0;
  selfZ = 0;
  aoiRadius = Number.POSITIVE_INFINITY;
  readonly #ids: (EntityId | 0)[] = Array.from({ length: ALIASES }, () => 0 as const);
  readonly #inView = new Set<EntityId>();
  readonly #violation: (violation: Violation) => void;

  constructor(violation: (violation: Violation) => void) {
    this.#violation = violation;
  }

  get inViewCount(): number {
    return this.#inView.size;
  }

  /** A new connection: the tick may be any, and a keyframe is due. */
  restart(): void {
    this.tick = -1;
  }

  head({ keyframe, tick, inputSequence }: { keyframe: boolean; tick: number; inputSequence: number }): void {
    if (this.tick < 0 && !keyframe) this.#violation('firstNotKeyframe');
    if (tick <= this.tick) this.#violation('tickBackwards');
    if (inputSequence > this.sentSequence) this.#violation('acknowledgedUnsent');
    if (inputSequence < this.inputSequence) this.#violation('acknowledgedBackwards');
    this.tick = tick;
    this.inputSequence = inputSequence;
    this.selfAlias = 0;
    if (!keyframe) return;
    this.#ids.fill(0);
    this.#inView.clear();
  }

  self(alias: number, { x, z }: { x: number; z: number }): void {
    this.selfAlias = alias;
    this.selfX = x;
    this.selfZ = z;
  }

  leave(alias: number): void {
    const id = this.#ids[alias] ?? 0;
    if (id === 0) return this.#violation('leaveOfUnknown');
    this.#ids[alias] = 0;
    this.#inView.delete(id);
  }

  enter({ alias, id, xCm, zCm }: EnterEntry): void {
    if (this.#ids[alias] !== 0) this.#violation('enterOfUsedAlias');
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
    if (this.selfAlias !== 0 && this.#ids[this.selfAlias] === 0) this.#violation('selfNotInView');
  }
}
