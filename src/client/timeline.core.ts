/**
 * Ticks against local time, from the arrivals of snapshots: `tick = (local - offset) / tickMs`, so that tick T is now when
 * its snapshot typically arrives. The offset is the median over the last arrivals. What is read of it slides
 * towards a new estimate instead of jumping, so time never runs backwards on the screen.
 *
 * Where a new source of snapshots counts ticks otherwise, they are shifted, by whole ticks, to where the old one's would be
 * now: everything that is drawn goes on, and what is left of a difference, half a tick, is slid away.
 */
import { median } from './clock.core.ts';

const ARRIVALS_MAX = 25;
const JITTER_WEIGHT = 1 / 16;
/** A slide changes the flow of time by at most this share. */
const SLIDE_SHARE = 0.1;
/** Further off than this, a slide would take too long. */
const SLIDE_MS_MAX = 500;
/** What jitter may add to the delay: with ways that differ by 400 ms, late snapshots are 200 ms later than the median. */
const JITTER_DELAY_MS_MAX = 500;
/** Nodes of a cluster count alike: a snapshot that is at most this far off was under way for longer or shorter. */
const SAME_COUNT_MS = 500;

export class Timeline {
  readonly tickMs: number;
  readonly intervalMs: number;
  latestTick = -1;
  readonly #arrivalsMs: number[] = [];
  #jitterMs = 0;
  readonly #offset = new Slide();
  readonly #delay = new Slide();
  /** Added to the server's ticks. */
  #shiftTicks = 0;
  #isCountKnown = true;

  constructor({ tickHz, snapshotHz }: { tickHz: number; snapshotHz: number }) {
    this.tickMs = 1000 / tickHz;
    // Snapshots come with a tick, so never more often than ticks.
    this.intervalMs = Math.max(1000 / snapshotHz, this.tickMs);
    this.#delay.aim(this.intervalMs * 1.5);
  }

  get isReady(): boolean {
    return this.latestTick >= 0;
  }

  /** The next snapshot comes from another node, or over another connection. */
  changeSource(): void {
    this.#isCountKnown = false;
  }

  /**
   * The tick of a snapshot that arrives now, in the count that goes on over changes of source. Follow with `observe`.
   * @param isDelta whether it continues the last one, and so its count.
   */
  place(serverTick: number, arrivalMs: number, { isDelta = false }: { isDelta?: boolean } = {}): number {
    const isKnown = this.#isCountKnown || isDelta || !this.isReady;
    this.#isCountKnown = true;
    if (isKnown) return serverTick + this.#shiftTicks;
    const expected = this.tickAt(arrivalMs);
    const placed = serverTick + this.#shiftTicks;
    if (placed > this.latestTick && Math.abs(placed - expected) * this.tickMs <= SAME_COUNT_MS) return placed;
    this.#shiftTicks = Math.max(Math.round(expected), this.latestTick + 1) - serverTick;
    return serverTick + this.#shiftTicks;
  }

  observe(tick: number, arrivalMs: number): void {
    this.latestTick = tick;
    const arrival = arrivalMs - tick * this.tickMs;
    this.#arrivalsMs.push(arrival);
    if (this.#arrivalsMs.length > ARRIVALS_MAX) this.#arrivalsMs.shift();
    const offsetMs = median(this.#arrivalsMs);
    this.#jitterMs += (Math.abs(arrival - offsetMs) - this.#jitterMs) * JITTER_WEIGHT;
    this.#offset.aim(offsetMs);
    // Two snapshots and what jitter adds: one to interpolate to, and half of one for late ones.
    this.#delay.aim(this.intervalMs * 1.5 + Math.min(3 * this.#jitterMs, JITTER_DELAY_MS_MAX));
  }

  get jitterMs(): number {
    return this.#jitterMs;
  }

  /** The tick, with its fraction, whose snapshot typically arrives now. */
  tickAt(nowMs: number): number {
    return (nowMs - this.#offset.at(nowMs)) / this.tickMs;
  }

  /** The tick, with its fraction, at which others are to be drawn now. */
  renderTickAt(nowMs: number): number {
    return this.tickAt(nowMs) - this.#delay.at(nowMs) / this.tickMs;
  }

  get renderDelayMs(): number {
    return this.#delay.target;
  }
}

/** A number that slides to its target, by at most a share of the time that passes; 0 is none yet. */
export class Slide {
  target = 0;
  readonly #share: number;
  readonly #slideMsMax: number;
  #value = 0;
  #atMs = 0;
  #started = false;

  /** @param options.slideMsMax further off than this it jumps. */
  constructor({ share = SLIDE_SHARE, slideMsMax = SLIDE_MS_MAX }: { share?: number; slideMsMax?: number } = {}) {
    this.#share = share;
    this.#slideMsMax = slideMsMax;
  }

  aim(target: number): void {
    this.target = target;
  }

  at(nowMs: number): number {
    const restMs = this.target - this.#value;
    if (!this.#started || Math.abs(restMs) > this.#slideMsMax) {
      this.#started = this.target !== 0;
      this.#value = this.target;
    } else {
      const stepMs = Math.max(0, nowMs - this.#atMs) * this.#share;
      this.#value += Math.sign(restMs) * Math.min(stepMs, Math.abs(restMs));
    }
    this.#atMs = Math.max(this.#atMs, nowMs);
    return this.#value;
  }
}
