/**
 * The clock by which the page plays the overview feed: a little behind the newest frame, so that there is always a
 * frame on either side of the moment that is drawn, and movement is even although frames arrive unevenly.
 */
import type { EntitiesFrame } from './overview.wire.ts';

/** Frames that wait to be played; at 10 Hz this is most of a second. Past it the oldest are dropped. */
const FRAMES_MAX = 8;
/** How far behind the newest frame the page plays, in intervals between frames. */
const DELAY_INTERVALS = 1.6;
const INTERVAL_MS_INITIAL = 100;
const INTERVAL_MS_MAX = 1000;
/** The share by which one arrival moves the estimates of clock and interval: 20 ms of jitter move the clock by 1 ms. */
const CLOCK_SMOOTHING = 0.05;
const INTERVAL_SMOOTHING = 0.02;
/** A frame this far from where the clock expects it means that the server paused or restarted: start anew. */
const JUMP_MS = 1500;

export interface Sample {
  readonly from: EntitiesFrame;
  readonly to: EntitiesFrame;
  /** 0 at `from`, 1 at `to`. */
  readonly blend: number;
}

export class Timeline {
  readonly #tickMs: number;
  readonly #frames: EntitiesFrame[] = [];
  /** Local time at which tick 0 would have arrived. */
  #originMs = 0;
  #intervalMs = INTERVAL_MS_INITIAL;
  #arrivedMs = 0;

  constructor(tickHz: number) {
    this.#tickMs = 1000 / tickHz;
  }

  get newest(): EntitiesFrame | undefined {
    return this.#frames.at(-1);
  }

  /** How long after its arrival the newest frame is drawn. */
  get delayMs(): number {
    return DELAY_INTERVALS * this.#intervalMs;
  }

  push(frame: EntitiesFrame, nowMs: number): void {
    const originMs = nowMs - frame.tick * this.#tickMs;
    const newest = this.newest;
    const isJump = newest !== undefined && (frame.tick < newest.tick || Math.abs(originMs - this.#originMs) > JUMP_MS);
    if (newest === undefined || isJump) {
      this.#frames.length = 0;
      this.#originMs = originMs;
    } else {
      if (frame.tick === newest.tick) return;
      this.#originMs += (originMs - this.#originMs) * CLOCK_SMOOTHING;
      const intervalMs = Math.min(INTERVAL_MS_MAX, nowMs - this.#arrivedMs);
      this.#intervalMs += (intervalMs - this.#intervalMs) * INTERVAL_SMOOTHING;
    }
    this.#arrivedMs = nowMs;
    this.#frames.push(frame);
    if (this.#frames.length > FRAMES_MAX) this.#frames.shift();
  }

  /** The two frames around the moment to draw. Past the newest frame the entities stand still. */
  sample(nowMs: number): Sample | undefined {
    const first = this.#frames[0];
    if (first === undefined) return undefined;
    const tick = (nowMs - this.#originMs - this.delayMs) / this.#tickMs;
    while (this.#frames.length > 2 && this.#frames[1]!.tick <= tick) this.#frames.shift();
    const from = this.#frames[0]!;
    const to = this.#frames[1] ?? from;
    const blend = to.tick === from.tick ? 1 : (tick - from.tick) / (to.tick - from.tick);
    return { from, to, blend: Math.min(1, Math.max(0, blend)) };
  }
}
