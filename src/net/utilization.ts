/**
 * How much of its time this thread uses, for all who give it something to do: of its event loop, so time in which it waits
 * for a core that others have counts as used.
 */
import type { Control } from '../memory/control.ts';

const PERIOD_MS = 500;
/** A thread that has just started is busy with that. */
const WARM_UP_MS = 3000;

export class Utilization {
  readonly #control: Control;
  readonly #startedMs: number;
  #measuredMs: number;
  #last = performance.eventLoopUtilization();

  constructor(control: Control, nowMs: number) {
    this.#control = control;
    this.#startedMs = nowMs;
    this.#measuredMs = nowMs;
  }

  /** To be called several times a second. */
  sweep(nowMs: number): void {
    if (nowMs - this.#measuredMs < PERIOD_MS) return;
    const { utilization } = performance.eventLoopUtilization(this.#last);
    this.#last = performance.eventLoopUtilization();
    this.#measuredMs = nowMs;
    this.#control.setGatewayLoad(nowMs - this.#startedMs < WARM_UP_MS ? 0 : utilization);
  }
}
