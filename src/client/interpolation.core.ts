/**
 * Where one entity is drawn: between the positions it was sent at, a little in the past; ahead of the last one for a
 * short time when snapshots are late. A ring of samples, so nothing is allocated while it runs.
 */
const SAMPLES = 8;
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
  readonly #ticks = new Float64Array(SAMPLES);
  readonly #xs = new Float64Array(SAMPLES);
  readonly #zs = new Float64Array(SAMPLES);
  /** Samples ever pushed; the last one lies at `(#count - 1) % SAMPLES`. */
  #count = 0;
  #oldest = 0;

  /** The entity is here at this tick, and where it was before does not matter. */
  reset(tick: number, x: number, z: number): void {
    this.#oldest = this.#count;
    this.#push(tick, x, z);
  }

  /** @param previousTick of the snapshot before this one: whoever was not pushed then stood there until then. */
  push(tick: number, x: number, z: number, previousTick: number): void {
    const last = (this.#count - 1) % SAMPLES;
    const lastX = this.#xs[last] ?? 0;
    const lastZ = this.#zs[last] ?? 0;
    const isEarlier = tick <= (this.#ticks[last] ?? 0);
    if (isEarlier || this.#count === this.#oldest || Math.hypot(x - lastX, z - lastZ) > TELEPORT_METRES)
      return this.reset(tick, x, z);
    if (previousTick > (this.#ticks[last] ?? 0) && previousTick < tick) this.#push(previousTick, lastX, lastZ);
    this.#push(tick, x, z);
  }

  /** Metres per tick between the last two samples. */
  velocityX(): number {
    return this.#velocity(this.#xs);
  }

  velocityZ(): number {
    return this.#velocity(this.#zs);
  }

  draw(moment: Moment, target: Drawn): void {
    const { tick } = moment;
    let newer = this.#count - 1;
    const lastTick = this.#ticks[newer % SAMPLES] ?? 0;
    if (tick >= lastTick) return this.#drawAhead(moment, target);
    while (newer > this.#oldest && (this.#ticks[(newer - 1) % SAMPLES] ?? 0) > tick) newer--;
    const to = newer % SAMPLES;
    const from = newer > this.#oldest ? (newer - 1) % SAMPLES : to;
    const spanTicks = (this.#ticks[to] ?? 0) - (this.#ticks[from] ?? 0);
    const share = spanTicks > 0 ? (tick - (this.#ticks[from] ?? 0)) / spanTicks : 1;
    target.renderX = mix(this.#xs[from] ?? 0, this.#xs[to] ?? 0, share);
    target.renderZ = mix(this.#zs[from] ?? 0, this.#zs[to] ?? 0, share);
  }

  #drawAhead({ tick, latestTick, extrapolationTicksMax }: Moment, target: Drawn): void {
    const last = (this.#count - 1) % SAMPLES;
    const lastTick = this.#ticks[last] ?? 0;
    // Only who moved in the last snapshot goes on; later snapshots that say nothing mean that it stands.
    const aheadTicks = latestTick > lastTick ? 0 : Math.min(tick - lastTick, extrapolationTicksMax);
    target.renderX = (this.#xs[last] ?? 0) + this.velocityX() * aheadTicks;
    target.renderZ = (this.#zs[last] ?? 0) + this.velocityZ() * aheadTicks;
  }

  #push(tick: number, x: number, z: number): void {
    const at = this.#count % SAMPLES;
    this.#ticks[at] = tick;
    this.#xs[at] = x;
    this.#zs[at] = z;
    this.#count++;
    this.#oldest = Math.max(this.#oldest, this.#count - SAMPLES);
  }

  #velocity(values: Float64Array): number {
    if (this.#count - this.#oldest < 2) return 0;
    const last = (this.#count - 1) % SAMPLES;
    const before = (this.#count - 2) % SAMPLES;
    const spanTicks = (this.#ticks[last] ?? 0) - (this.#ticks[before] ?? 0);
    return spanTicks > 0 ? ((values[last] ?? 0) - (values[before] ?? 0)) / spanTicks : 0;
  }
}

function mix(from: number, to: number, share: number): number {
  return from + (to - from) * share;
}
