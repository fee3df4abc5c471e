/**
 * The inputs of one session, numbered from 1 without gaps, and kept until they survive a crash of the player's owner.
 *
 *   sent ──▶ applied (in a snapshot) ──▶ durable (durableLag behind it) ──▶ forgotten
 *
 * Prediction uses those that are not applied. What a crash takes back becomes "not applied" again, as the snapshots of the
 * new owner say, and is sent again. Beyond INPUT_WINDOW the oldest is given up; `back` tells the owner not to wait for it.
 */
import type { Values } from '../base/pack.ts';
import { INPUT_WINDOW } from '../wire/messages.ts';

/** Without progress for this long at least, what is not applied is sent again; each time without, for twice as long. */
const REPEAT_MS_MIN = 500;
/** With 64 inputs each time this stays below 60 messages a second by far. */
const REPEAT_MS_MAX = 16_000;

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

  /** A new session, which has seen none of these and waits for none. */
  restart(): void {
    this.#kept = [];
    this.#last = 0;
    this.#applied = 0;
    this.#isNumbered = true;
    this.#repeats = 0;
  }

  add(input: Values, { tick, nowMs }: { tick: number; nowMs: number }): KeptInput {
    if (this.unappliedCount === 0) this.#progress(nowMs);
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
    this.#applied = inputSequence;
    this.#last = Math.max(this.#last, inputSequence);
    this.#isNumbered = true;
    const durable = inputSequence - durableLag;
    let count = 0;
    while (count < this.#kept.length && (this.#kept[count]?.sequence ?? 0) <= durable) count++;
    if (count > 0) this.#kept.splice(0, count);
  }

  /** Everything that is kept was sent again. */
  repeated(nowMs: number): void {
    this.#progressMs = nowMs;
  }

  /** True when it is time to send again what is not applied; the next time is then twice as far. */
  takeRepeat(nowMs: number, { rttMs, intervalMs }: { rttMs: number; intervalMs: number }): boolean {
    if (this.unappliedCount === 0) return false;
    const waitMs = Math.max(REPEAT_MS_MIN, 2 * rttMs + 2 * intervalMs) * 2 ** Math.min(this.#repeats, 10);
    if (nowMs - this.#progressMs < Math.min(waitMs, REPEAT_MS_MAX)) return false;
    this.#progressMs = nowMs;
    this.#repeats++;
    return true;
  }

  #progress(nowMs: number): void {
    this.#progressMs = nowMs;
    this.#repeats = 0;
  }
}
