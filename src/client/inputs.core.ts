/**
 * The inputs of one session, numbered from 1 without gaps, and kept until they survive a crash of the player's owner.
 *
 *   sent ──▶ applied (in a snapshot) ──▶ durable (durableLag behind it) ──▶ forgotten
 *
 * Prediction uses those that are not applied. What a crash takes back becomes "not applied" again, as the snapshots of the
 * new owner say, and is sent again. A full window takes no new ones until it has stood still for STALL_MS_MAX; only then the
 * oldest is given up for each, and `back` tells the owner not to wait for it.
 */
import type { Values } from '../base/pack.ts';
import { INPUT_WINDOW } from '../wire/messages.ts';

/** Without progress for this long at least, what is not applied is sent again; each time without, for twice as long. */
const REPEAT_MS_MIN = 500;
const REPEAT_MS_MAX = 4000;
/** What is sent again at once and in each second: with all that is new and the pings, a gateway takes it. */
const REPEATS_AT_ONCE_MAX = 2 * INPUT_WINDOW;
const REPEATS_PER_SECOND = 20;
/** A takeover that takes no longer costs no input. */
export const STALL_MS_MAX = 5000;

export interface KeptInput {
  readonly sequence: number;
  readonly input: Values;
  /** The tick at which it is expected to be applied. */
  readonly tick: number;
}

export interface Acknowledgement {
  readonly inputSequence: number;
  readonly durableLag: number;
}

export class InputWindow {
  /** Inputs that were pushed out before they were durable. */
  givenUpCount = 0;
  #kept: KeptInput[] = [];
  #last = 0;
  #applied = 0;
  /** False after a resume of what another client began: the first snapshot tells where it was. */
  #isNumbered = false;
  #progressMs = 0;
  #repeats = 0;
  /** An owner begins earlier than the last one was, or after a silence: what was sent to that one may be lost. */
  #isTakenBack = false;
  #repeatedMs = Number.NEGATIVE_INFINITY;
  /** When the last snapshot came. */
  #heardMs = Number.NaN;
  #repeatsLeft = REPEATS_AT_ONCE_MAX;
  #repeatsMs = 0;
  /** Since when a full window stands still: nothing was forgotten as durable, and nobody else was asked. */
  #freedMs = 0;

  /** Not durable yet, oldest first. */
  get kept(): readonly KeptInput[] {
    return this.#kept;
  }

  /** Index in `kept` of the first that is not applied. */
  get unappliedIndex(): number {
    let index = this.#kept.length;
    while (index > 0 && (this.#kept[index - 1]?.sequence ?? 0) > this.#applied) index--;
    return index;
  }

  get unappliedCount(): number {
    return this.#kept.length - this.unappliedIndex;
  }

  /** Whether an input may be numbered. */
  get isNumbered(): boolean {
    return this.#isNumbered;
  }

  get nextSequence(): number {
    return this.#last + 1;
  }

  /** Whether a new one has to wait. */
  isFull(nowMs: number): boolean {
    return this.#kept.length >= INPUT_WINDOW && nowMs - this.#freedMs < STALL_MS_MAX;
  }

  /** A new session, which has seen none of these and waits for none. */
  restart(): void {
    this.#kept = [];
    this.#last = 0;
    this.#applied = 0;
    this.#isNumbered = true;
    this.#repeats = 0;
    this.#isTakenBack = false;
    this.#heardMs = Number.NaN;
  }

  add(input: Values, { tick, nowMs }: { tick: number; nowMs: number }): KeptInput {
    if (this.unappliedCount === 0) this.#progress(nowMs);
    if (this.#kept.length === 0) this.#freedMs = nowMs;
    const kept = { sequence: ++this.#last, input, tick };
    this.#kept.push(kept);
    if (this.#kept.length > INPUT_WINDOW) {
      this.#kept.shift();
      this.givenUpCount++;
    }
    return kept;
  }

  /** How far behind this input the oldest is that may be sent again. */
  backOf({ sequence }: KeptInput): number {
    return sequence - (this.#kept[0]?.sequence ?? sequence);
  }

  /** What a snapshot says. */
  acknowledge({ inputSequence, durableLag }: Acknowledgement, nowMs: number): void {
    if (inputSequence !== this.#applied) this.#progress(nowMs);
    if (inputSequence < this.#applied) this.#isTakenBack = true;
    this.#applied = inputSequence;
    this.#last = Math.max(this.#last, inputSequence);
    this.#isNumbered = true;
    const durable = inputSequence - durableLag;
    let count = 0;
    while (count < this.#kept.length && (this.#kept[count]?.sequence ?? 0) <= durable) count++;
    if (count === 0) return;
    this.#kept.splice(0, count);
    this.#freedMs = nowMs;
  }

  /** Another owner or connection: how many of those that are kept, oldest first, are to be sent again at once. */
  takeAll(nowMs: number): number {
    this.#progress(nowMs);
    this.#freedMs = nowMs;
    return this.#takeRepeats(this.#kept.length, nowMs);
  }

  /** A connection that counts anew. */
  allowRepeats(): void {
    this.#repeatsLeft = REPEATS_AT_ONCE_MAX;
  }

  /**
   * To be asked at each snapshot, and only then: in a silence the connection keeps what was sent. How many of those that are not applied,
   * oldest first, are to be sent again now: each time without progress the next time is twice as far, and after a silence, or
   * when the owner has gone back, it is at once.
   */
  takeRepeat(nowMs: number, { rttMs, intervalMs }: { rttMs: number; intervalMs: number }): number {
    const shortestMs = Math.max(REPEAT_MS_MIN, 2 * rttMs + 2 * intervalMs);
    if (nowMs - this.#heardMs >= shortestMs) this.#isTakenBack = true;
    this.#heardMs = nowMs;
    const isTakenBack = this.#isTakenBack;
    this.#isTakenBack = false;
    const { unappliedCount } = this;
    if (unappliedCount === 0) return 0;
    if (isTakenBack) this.#repeats = 0;
    const waitMs = Math.min(shortestMs * 2 ** Math.min(this.#repeats, 10), Math.max(REPEAT_MS_MAX, shortestMs));
    // What was sent again a moment ago is on its way.
    if (nowMs - (isTakenBack ? this.#repeatedMs : this.#progressMs) < waitMs) return 0;
    this.#progressMs = nowMs;
    if (!isTakenBack) this.#repeats++;
    return this.#takeRepeats(unappliedCount, nowMs);
  }

  #takeRepeats(wanted: number, nowMs: number): number {
    const refill = (Math.max(0, nowMs - this.#repeatsMs) * REPEATS_PER_SECOND) / 1000;
    this.#repeatsLeft = Math.min(REPEATS_AT_ONCE_MAX, this.#repeatsLeft + refill);
    this.#repeatsMs = nowMs;
    this.#repeatedMs = nowMs;
    const count = Math.min(wanted, Math.floor(this.#repeatsLeft));
    this.#repeatsLeft -= count;
    return count;
  }

  #progress(nowMs: number): void {
    this.#progressMs = nowMs;
    this.#repeats = 0;
  }
}
