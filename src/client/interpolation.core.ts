/**
 * Where one entity is drawn: between the positions it was sent at, a little in the past; ahead of the last one for a
 * short time when snapshots are late. A ring of samples, so nothing is allocated while it runs.
 */
const SAMPLES = 8;
/** A sample is its tick, x and z, side by side: one line of the processor's cache holds two. */
const SAMPLE_NUMBERS = 3;
const X = 1;
const Z = 2;
/** A change of place further than this between two samples is a teleport, not a way. */
const TELEPORT_METRES = 20;

export interface Drawn {
  renderX: number;
  renderZ: number;
}

export interface Moment {
  /** The tick to draw, with its fraction. */
  readonly tick: number;
  /** The tick of the last snapshot: up to it, an entity without a sample did not move. */
  readonly latestTick: number;
  readonly extrapolationTicksMax: number;
}

export class Track {
  readonly #samples = new Float64Array(SAMPLES * SAMPLE_NUMBERS);
  /** Samples ever pushed. */
  #count = 0;
  #oldest = 0;

  /** The entity is here at this tick, and where it was before does not matter. */
  reset(tick: number, x: number, z: number): void {
    this.#oldest = this.#count;
    this.#push(tick, x, z);
  }

  /** @param previousTick of the snapshot before this one: whoever was not pushed then stood there until then. */
  push(tick: number, x: number, z: number, previousTick: number): void {
    const last = placeOf(this.#count - 1);
    const lastTick = this.#samples[last] ?? 0;
    const lastX = this.#samples[last + X] ?? 0;
    const lastZ = this.#samples[last + Z] ?? 0;
    const isFirst = this.#count === this.#oldest;
    if (isFirst || tick <= lastTick || distanceSquared(x - lastX, z - lastZ) > TELEPORT_METRES ** 2)
      return this.reset(tick, x, z);
    if (previousTick > lastTick && previousTick < tick) this.#push(previousTick, lastX, lastZ);
    this.#push(tick, x, z);
  }

  /** Metres per tick between the last two samples. */
  velocityX(): number {
    return this.#velocity(X);
  }

  velocityZ(): number {
    return this.#velocity(Z);
  }

  draw(moment: Moment, target: Drawn): void {
    const { tick } = moment;
    const samples = this.#samples;
    let newer = this.#count - 1;
    if (tick >= (samples[placeOf(newer)] ?? 0)) return this.#drawAhead(moment, target);
    while (newer > this.#oldest && (samples[placeOf(newer - 1)] ?? 0) > tick) newer--;
    const to = placeOf(newer);
    const from = newer > this.#oldest ? placeOf(newer - 1) : to;
    const fromTick = samples[from] ?? 0;
    const spanTicks = (samples[to] ?? 0) - fromTick;
    const share = spanTicks > 0 ? (tick - fromTick) / spanTicks : 1;
    target.renderX = mix(samples[from + X] ?? 0, samples[to + X] ?? 0, share);
    target.renderZ = mix(samples[from + Z] ?? 0, samples[to + Z] ?? 0, share);
  }

  #drawAhead({ tick, latestTick, extrapolationTicksMax }: Moment, target: Drawn): void {
    const last = placeOf(this.#count - 1);
    const lastTick = this.#samples[last] ?? 0;
    // Only who moved in the last snapshot goes on; later snapshots that say nothing mean that it stands.
    const aheadTicks = latestTick > lastTick ? 0 : Math.min(tick - lastTick, extrapolationTicksMax);
    target.renderX = (this.#samples[last + X] ?? 0) + this.velocityX() * aheadTicks;
    target.renderZ = (this.#samples[last + Z] ?? 0) + this.velocityZ() * aheadTicks;
  }

  #push(tick: number, x: number, z: number): void {
    const at = placeOf(this.#count);
    this.#samples[at] = tick;
    this.#samples[at + X] = x;
    this.#samples[at + Z] = z;
    this.#count++;
    this.#oldest = Math.max(this.#oldest, this.#count - SAMPLES);
  }

  #velocity(axis: number): number {
    if (this.#count - this.#oldest < 2) return 0;
    const last = placeOf(this.#count - 1);
    const before = placeOf(this.#count - 2);
    const spanTicks = (this.#samples[last] ?? 0) - (this.#samples[before] ?? 0);
    const way = (this.#samples[last + axis] ?? 0) - (this.#samples[before + axis] ?? 0);
    return spanTicks > 0 ? way / spanTicks : 0;
  }
}

/** Where the sample of this number lies in the ring. */
function placeOf(sample: number): number {
  return (sample % SAMPLES) * SAMPLE_NUMBERS;
}

function distanceSquared(x: number, z: number): number {
  return x * x + z * z;
}

function mix(from: number, to: number, share: number): number {
  return from + (to - from) * share;
}
