/**
 * What each client was last told, so that the next snapshot need only say what is different. Each array has one entry
 * for each session and one-byte alias 1 … 255, at session × 255 + alias - 1:
 *
 *   slotPlusOne u32   who has the alias, 0 nobody        generation u32   of that slot
 *   x, z i32          place in centimetres …             vx, vz i16       velocity in VELOCITY_UNITS …
 *   motionTick u32    … as told at this tick             sentTick u32     component changes up to this tick were told
 *   enterTick u32     when it entered                    waiting u16      snapshots that had no room for what there is to tell
 *
 * and one for each session:
 *
 *   own f32 × 4       x, z, vx, vz of its own entity as the client has them     ownTick u32   at this tick; 0: not at all
 *   ownToldTick u32   when they were last told, not reckoned
 *   ownAlias u32      as the client has it
 *   budget f32        bytes that it may be sent now; below 0: sent in advance
 *   turn u32          snapshots made                    keyframeTick u32   of the last keyframe
 *
 * Only the worker that observes a session in this phase touches its part, and the conductor between phases.
 */
import type { SessionIndex } from '../base/brand.ts';

/** Aliases are one byte and 0 is never used. */
export const VIEW_ENTITIES_MAX = 255;
const OWN_WORDS = 4;
/** Bytes of each alias: seven words, two velocities and the waiting. */
const ALIAS_WORDS = 7;
const ALIAS_HALVES = 3;
/** own, and a word each for ownTick, ownToldTick, ownAlias, budget, turn and keyframeTick. */
const SESSION_WORDS = OWN_WORDS + 6;

export class Views {
  readonly slotPlusOne: Uint32Array<SharedArrayBuffer>;
  readonly generation: Uint32Array<SharedArrayBuffer>;
  readonly x: Int32Array<SharedArrayBuffer>;
  readonly z: Int32Array<SharedArrayBuffer>;
  readonly motionTick: Uint32Array<SharedArrayBuffer>;
  readonly sentTick: Uint32Array<SharedArrayBuffer>;
  readonly enterTick: Uint32Array<SharedArrayBuffer>;
  readonly vx: Int16Array<SharedArrayBuffer>;
  readonly vz: Int16Array<SharedArrayBuffer>;
  readonly waiting: Uint16Array<SharedArrayBuffer>;
  /** x, z, vx, vz at session × 4. */
  readonly own: Float32Array<SharedArrayBuffer>;
  readonly ownTick: Uint32Array<SharedArrayBuffer>;
  readonly ownToldTick: Uint32Array<SharedArrayBuffer>;
  readonly ownAlias: Uint32Array<SharedArrayBuffer>;
  readonly budget: Float32Array<SharedArrayBuffer>;
  readonly turn: Uint32Array<SharedArrayBuffer>;
  readonly keyframeTick: Uint32Array<SharedArrayBuffer>;

  static sizeBytes(capacity: number): number {
    const aliasBytes = ALIAS_WORDS * 4 + ALIAS_HALVES * 2;
    // The halves of an odd number of aliases end in the middle of a word.
    return capacity * SESSION_WORDS * 4 + Math.ceil((capacity * VIEW_ENTITIES_MAX * aliasBytes) / 4) * 4;
  }

  constructor(buffer: SharedArrayBuffer, offsetBytes: number, capacity: number) {
    const aliases = capacity * VIEW_ENTITIES_MAX;
    let at = offsetBytes;
    const take = (sizeBytes: number): number => {
      const first = at;
      at += sizeBytes;
      return first;
    };
    this.own = new Float32Array(buffer, take(capacity * OWN_WORDS * 4), capacity * OWN_WORDS);
    this.ownTick = new Uint32Array(buffer, take(capacity * 4), capacity);
    this.ownToldTick = new Uint32Array(buffer, take(capacity * 4), capacity);
    this.ownAlias = new Uint32Array(buffer, take(capacity * 4), capacity);
    this.budget = new Float32Array(buffer, take(capacity * 4), capacity);
    this.turn = new Uint32Array(buffer, take(capacity * 4), capacity);
    this.keyframeTick = new Uint32Array(buffer, take(capacity * 4), capacity);
    this.slotPlusOne = new Uint32Array(buffer, take(aliases * 4), aliases);
    this.generation = new Uint32Array(buffer, take(aliases * 4), aliases);
    this.x = new Int32Array(buffer, take(aliases * 4), aliases);
    this.z = new Int32Array(buffer, take(aliases * 4), aliases);
    this.motionTick = new Uint32Array(buffer, take(aliases * 4), aliases);
    this.sentTick = new Uint32Array(buffer, take(aliases * 4), aliases);
    this.enterTick = new Uint32Array(buffer, take(aliases * 4), aliases);
    this.vx = new Int16Array(buffer, take(aliases * 2), aliases);
    this.vz = new Int16Array(buffer, take(aliases * 2), aliases);
    this.waiting = new Uint16Array(buffer, take(aliases * 2), aliases);
  }

  /** The client has nobody in view. */
  clear(session: SessionIndex): void {
    const first = session * VIEW_ENTITIES_MAX;
    this.slotPlusOne.fill(0, first, first + VIEW_ENTITIES_MAX);
    this.ownTick[session] = 0;
  }

  /** What the client of one row was told, that of another knows. */
  copy(from: SessionIndex, to: SessionIndex): void {
    const { slotPlusOne, generation, x, z, vx, vz, motionTick, sentTick, enterTick, waiting } = this;
    for (const view of [slotPlusOne, generation, x, z, vx, vz, motionTick, sentTick, enterTick, waiting])
      view.copyWithin(to * VIEW_ENTITIES_MAX, from * VIEW_ENTITIES_MAX, (from + 1) * VIEW_ENTITIES_MAX);
    this.own.copyWithin(to * OWN_WORDS, from * OWN_WORDS, (from + 1) * OWN_WORDS);
    const { ownTick, ownToldTick, ownAlias, budget, turn, keyframeTick } = this;
    for (const row of [ownTick, ownToldTick, ownAlias, budget, turn, keyframeTick]) row[to] = row[from]!;
  }
}
