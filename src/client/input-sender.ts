/** Sends inputs, at most one a tick, and again what may have been lost. */
import type { Values } from '../base/pack.ts';
import type { ClientMessage } from '../wire/messages.ts';
import type { InputWindow } from './inputs.core.ts';

export interface InputSenderOwner {
  /** Local milliseconds. */
  now(): number;
  /** False when there is no connection. */
  send(message: ClientMessage): boolean;
  /** Predicts with the input, and by that adds it to the window; may throw away the prediction, or there is none. */
  record(input: Values, nowMs: number): void;
  /** The tick, with its fraction, at which the server is when a message sent now arrives there. */
  arrivalTick(nowMs: number): number;
}

export class InputSender {
  readonly #inputs: InputWindow;
  readonly #owner: InputSenderOwner;
  #sentMs = Number.NEGATIVE_INFINITY;
  #waiting: Values | undefined;
  /** What waits is sent before anything that comes after it. */
  #isWaitingKept = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(inputs: InputWindow, owner: InputSenderOwner) {
    this.#inputs = inputs;
    this.#owner = owner;
  }

  /**
   * At once, or, if one was sent within this tick, at the next, when the latest counts; one that is kept is sent in any
   * case. While the window is full the latest waits for room.
   * @returns false when it is lost: it is to be kept and there is no room, or one that is kept waits.
   */
  offer(input: Values, { tickMs, isKept }: { tickMs: number; isKept: boolean }): boolean {
    if (this.#isWaitingKept) this.#sendWaiting();
    if (this.#isWaitingKept || (isKept && this.#inputs.isFull(this.#owner.now()))) return false;
    this.#waiting = input;
    this.#isWaitingKept = isKept;
    const waitMs = this.#sentMs + tickMs - this.#owner.now();
    if (waitMs <= 0) this.#sendWaiting();
    else this.#timer ??= setTimeout(() => this.#sendWaiting(), waitMs);
    return true;
  }

  /** The connection is lost: what waits is not sent, but what is to be kept is sent again with all others. */
  drop(): void {
    if (this.#isWaitingKept) this.#sendWaiting();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting = undefined;
    this.#isWaitingKept = false;
  }

  /** Everything that is kept: whoever owns the player drops by sequence what it has. */
  sendAgain({ isNewConnection }: { isNewConnection: boolean }): void {
    if (isNewConnection) this.#inputs.allowRepeats();
    this.#sendFrom(0, this.#inputs.takeAll(this.#owner.now()));
  }

  /** What should be in a snapshot by now and is not may be lost; and what waited for a number or for room may have it now. */
  sendOverdue(nowMs: number, timing: { rttMs: number; intervalMs: number }): void {
    const count = this.#inputs.takeRepeat(nowMs, timing);
    this.#sendFrom(this.#inputs.unappliedIndex, count);
    if (this.#waiting !== undefined && this.#timer === undefined) this.#sendWaiting();
  }

  #sendWaiting(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const input = this.#waiting;
    // After a resume of another client's session, the first snapshot tells how far that one had counted.
    if (input === undefined || !this.#inputs.isNumbered) return;
    const nowMs = this.#owner.now();
    if (this.#inputs.isFull(nowMs)) return;
    this.#waiting = undefined;
    this.#isWaitingKept = false;
    this.#sentMs = nowMs;
    const tick = Math.floor(this.#owner.arrivalTick(nowMs)) + 1;
    const { nextSequence } = this.#inputs;
    this.#owner.record(input, nowMs);
    if (this.#inputs.nextSequence === nextSequence) this.#inputs.add(input, { tick, nowMs });
    this.#sendFrom(this.#inputs.kept.length - 1, 1);
  }

  #sendFrom(firstIndex: number, count: number): void {
    const { kept } = this.#inputs;
    for (let index = firstIndex; index < firstIndex + count; index++) {
      const next = kept[index];
      if (next === undefined) return;
      const { sequence, input } = next;
      this.#owner.send({ type: 'input', sequence, back: this.#inputs.backOf(next), input });
    }
  }
}
