/**
 * The player's own entity, ahead of the server. The server applies all inputs that wait at a tick, in order, then
 * moves: x = fround(x + fround(vx · dt)), bounced or stopped at the edge; velocity holds until the next input. The same is done
 * here from the last snapshot (tick T, inputs up to its sequence) to the tick at which an input sent now will be
 * applied. The number of steps comes from time; each input acts once, at the tick it is expected to arrive for.
 *
 * A correction is not shown at once: what is drawn keeps its place and slides to the new one, in about 100 ms, or, if that is far, no faster
 * than 20 m/s or one and a half times the entity's speed. An input that the server did not apply is corrected alike. What
 * late inputs and late snapshots cannot explain is a teleport and snaps: more than 5 m, and more than
 *
 *   2 · speed · (round trip + silence before the snapshot),     both together as ticks, at most SILENT_TICKS_MAX
 *
 * which is how far apart two can get that go into opposite directions all that time.
 */
import type { Values } from '../base/pack.ts';
import type { Acknowledgement, InputWindow } from './inputs.core.ts';

/** Never further ahead than this of the last snapshot: the connection is gone then. */
export const PREDICTED_TICKS_MAX = 40;
const SNAP_METRES = 5;
const SILENT_TICKS_MAX = 2 * PREDICTED_TICKS_MAX;
/** A snapshot that comes so much before its time is drawn where it came from, on a straight line. */
const EARLY_TICKS_MAX = 5;
/** A small error shrinks to a twentieth in three of these. */
const SMOOTHING_MS = 33;
/** An error is slid away at this speed at most, in m/s, or at so many times that of the entity. */
const SLIDE_SPEED = 20;
const SLIDE_SPEED_SHARE = 1.5;
/** As in the server: exactly the greatest speed, along a diagonal, exceeds it by rounding. */
const SPEED_TOLERANCE = 1.000_01;

export interface Motion {
  x: number;
  z: number;
  vx: number;
  vz: number;
}

export interface PredictionWorld {
  readonly tickHz: number;
  readonly minX: number;
  readonly minZ: number;
  readonly maxX: number;
  readonly maxZ: number;
  readonly edge: 'bounce' | 'stop';
}

export interface Authoritative extends Readonly<Motion>, Acknowledgement {
  readonly tick: number;
  /** m/s, 0 for no limit. */
  readonly speedMax: number;
  /** Everything else that `apply` may read; it may write to it, too. */
  readonly rest: object;
}

/** @param self has x, z, vx, vz and what else was given as `rest`. */
export type ApplyInput = (self: Motion, input: Values) => void;

export class Prediction {
  readonly #world: PredictionWorld;
  #apply: ApplyInput | undefined;
  readonly #dt: number;
  readonly #minX: number;
  readonly #minZ: number;
  readonly #insideX: number;
  readonly #insideZ: number;
  readonly #inputs: InputWindow;
  #base: Authoritative | undefined;
  #self: Motion = { x: 0, z: 0, vx: 0, vz: 0 };
  #tick = 0;
  /** Index in the window of the next input to apply. */
  #inputIndex = 0;
  #previousX = 0;
  #previousZ = 0;
  #errorX = 0;
  #errorZ = 0;
  #errorMs = 0;
  #smoothingMs = SMOOTHING_MS;
  /** Teleports. */
  snapCount = 0;
  /** Metres by which the last snapshot put the prediction right. */
  lastCorrection = 0;

  /** @param apply without it, nothing is predicted. */
  constructor(world: PredictionWorld, apply: ApplyInput | undefined, inputs: InputWindow) {
    this.#world = world;
    this.#inputs = inputs;
    this.#apply = apply;
    this.#dt = Math.fround(1 / world.tickHz);
    this.#minX = Math.fround(world.minX);
    this.#minZ = Math.fround(world.minZ);
    this.#insideX = below(world.maxX);
    this.#insideZ = below(world.maxZ);
  }

  /** Whether there is anything to predict with. */
  get isWanted(): boolean {
    return this.#apply !== undefined;
  }

  get isActive(): boolean {
    return this.#base !== undefined && this.#apply !== undefined;
  }

  /** The predicted state after `tick`. */
  get tick(): number {
    return this.#tick;
  }

  get motion(): Readonly<Motion> {
    return this.#self;
  }

  /** An input is on its way. @param at the moment of sending: local time, and the tick with its fraction as in `draw`. */
  record({ input, tick }: { input: Values; tick: number }, at: { nowMs: number; tick: number }): void {
    this.#replaceSmoothly(at, () => this.#inputs.add(input, { tick, nowMs: at.nowMs }));
  }

  /** A snapshot came: starts again from it. */
  reconcile(base: Authoritative, at: { nowMs: number; tick: number }): void {
    this.lastCorrection = this.#replaceSmoothly(at, () => {
      this.#inputs.acknowledge(base, at.nowMs);
      this.#base = base;
    });
  }

  /** There is no own entity now. */
  pause(): void {
    this.#base = undefined;
  }

  /** No prediction from now on. */
  disable(): void {
    this.#apply = undefined;
  }

  /** Where to draw the entity now. @param at.tick the tick, with its fraction, that the server is at when a message sent now arrives. */
  draw(at: { nowMs: number; tick: number }, target: { renderX: number; renderZ: number }): void {
    this.#place(at.tick, target);
    const left = this.#errorShare(at.nowMs);
    target.renderX += this.#errorX * left;
    target.renderZ += this.#errorZ * left;
  }

  /** Without what is left of errors. */
  #place(tick: number, target: { renderX: number; renderZ: number }): void {
    this.#advance(tick);
    const share = Math.min(1, Math.max(-EARLY_TICKS_MAX, tick - (this.#tick - 1)));
    target.renderX = this.#previousX + (this.#self.x - this.#previousX) * share;
    target.renderZ = this.#previousZ + (this.#self.z - this.#previousZ) * share;
  }

  #errorShare(nowMs: number): number {
    return Math.exp(-Math.max(0, nowMs - this.#errorMs) / this.#smoothingMs);
  }

  /** Changes what the prediction is made of, and makes it again. Returns by how many metres it was put right. */
  #replaceSmoothly(at: { nowMs: number; tick: number }, change: () => unknown): number {
    const before = { renderX: 0, renderZ: 0 };
    const wasShown = this.isActive;
    if (wasShown) this.#place(at.tick, before);
    const speedBefore = Math.hypot(this.#self.vx, this.#self.vz);
    const tickBefore = this.#base?.tick ?? 0;
    const left = wasShown ? this.#errorShare(at.nowMs) : 0;
    change();
    this.#errorX *= left;
    this.#errorZ *= left;
    this.#errorMs = at.nowMs;
    if (!this.isActive) return 0;
    this.#replay(at.tick);
    if (!wasShown) return 0;
    const after = { renderX: 0, renderZ: 0 };
    this.#place(at.tick, after);
    const jumpX = before.renderX - after.renderX;
    const jumpZ = before.renderZ - after.renderZ;
    const jump = Math.hypot(jumpX, jumpZ);
    const speed = this.#speedMax(speedBefore);
    const ticks = Math.min(SILENT_TICKS_MAX, Math.max(0, at.tick - tickBefore));
    if (jump > Math.max(SNAP_METRES, 2 * speed * ticks * this.#dt)) {
      this.snapCount++;
      this.#errorX = 0;
      this.#errorZ = 0;
      return jump;
    }
    this.#errorX += jumpX;
    this.#errorZ += jumpZ;
    const slideSpeed = Math.max(SLIDE_SPEED, SLIDE_SPEED_SHARE * speed);
    this.#smoothingMs = Math.max(SMOOTHING_MS, (1000 * Math.hypot(this.#errorX, this.#errorZ)) / slideSpeed);
    return jump;
  }

  /** The entity's limit; without one, the greatest speed that is known, here or before. */
  #speedMax(speedBefore: number): number {
    const base = this.#base;
    if (base === undefined) return speedBefore;
    const speed = Math.max(Math.hypot(base.vx, base.vz), Math.hypot(this.#self.vx, this.#self.vz), speedBefore);
    return Math.max(base.speedMax, speed);
  }

  #replay(tick: number): void {
    const base = this.#base;
    if (base === undefined || this.#apply === undefined) return;
    const { x, z, vx, vz, rest } = base;
    this.#self = Object.assign(structuredClone(rest), { x, z, vx, vz });
    // A snapshot that came earlier than most shows a tick that is not yet drawn: the way there was about this.
    this.#previousX = x - vx * this.#dt;
    this.#previousZ = z - vz * this.#dt;
    this.#tick = base.tick;
    this.#inputIndex = this.#inputs.unappliedIndex;
    this.#advance(tick);
  }

  /** Steps so that the state after floor(tick) + 1 is known: what is drawn lies between it and the one before. */
  #advance(tick: number): void {
    if (this.#base === undefined || this.#apply === undefined) return;
    const target = Math.min(Math.floor(tick) + 1, this.#base.tick + PREDICTED_TICKS_MAX);
    while (this.#tick < target) this.#step(this.#apply, this.#base.speedMax);
  }

  #step(apply: ApplyInput, speedMax: number): void {
    this.#tick++;
    const self = this.#self;
    const { kept } = this.#inputs;
    while (this.#inputIndex < kept.length) {
      const next = kept[this.#inputIndex];
      if (next === undefined || next.tick > this.#tick) break;
      apply(self, next.input);
      this.#inputIndex++;
      self.x = Math.fround(self.x);
      self.z = Math.fround(self.z);
      self.vx = Math.fround(self.vx);
      self.vz = Math.fround(self.vz);
      limitSpeed(self, speedMax);
    }
    this.#previousX = self.x;
    this.#previousZ = self.z;
    this.#move(self);
  }

  #move(self: Motion): void {
    const { edge } = this.#world;
    const minX = this.#minX;
    const minZ = this.#minZ;
    self.x = Math.fround(self.x + Math.fround(self.vx * this.#dt));
    self.z = Math.fround(self.z + Math.fround(self.vz * this.#dt));
    if (self.x < minX || self.x > this.#insideX) {
      self.x = self.x < minX ? minX : this.#insideX;
      self.vx = edge === 'bounce' ? -self.vx : 0;
    }
    if (self.z < minZ || self.z > this.#insideZ) {
      self.z = self.z < minZ ? minZ : this.#insideZ;
      self.vz = edge === 'bounce' ? -self.vz : 0;
    }
  }
}

function limitSpeed(self: Motion, speedMax: number): void {
  if (speedMax === 0) return;
  const speedSquared = self.vx * self.vx + self.vz * self.vz;
  if (speedSquared <= speedMax * speedMax * SPEED_TOLERANCE) return;
  const scale = Number.isFinite(speedSquared) ? speedMax / Math.sqrt(speedSquared) : 0;
  self.vx = scale === 0 ? 0 : Math.fround(self.vx * scale);
  self.vz = scale === 0 ? 0 : Math.fround(self.vz * scale);
}

/** The greatest f32 below a bound: positions are kept there, so that the bound itself is outside. */
function below(bound: number): number {
  const words = new Uint32Array(1);
  const floats = new Float32Array(words.buffer);
  floats[0] = bound;
  const word = words[0] ?? 0;
  if (floats[0] === 0) words[0] = 0x8000_0001;
  else words[0] = floats[0] > 0 ? word - 1 : word + 1;
  return floats[0];
}
