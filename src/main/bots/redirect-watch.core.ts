/**
 * One client's redirects in direct mode: what was offered, what came of it, and how long the player went without a
 * snapshot meanwhile.
 *
 *   idle ──HANDOVERSTART──▶ offered ──first snapshot there──▶ switched ──3 more snapshots──▶ done
 *                              │
 *                              ├──validMs over, or another offer──▶ fallback: the tunnel went on
 *                              └──the connection was lost──▶ lost
 *
 * The gap of a redirect is the longest time between two snapshots from the offer until three snapshots after the switch.
 */
export interface RedirectCounts {
  offered: number;
  done: number;
  fallbacks: number;
  lost: number;
}

export function newRedirectCounts(): RedirectCounts {
  return { offered: 0, done: 0, fallbacks: 0, lost: 0 };
}

export function addRedirects(target: RedirectCounts, source: Readonly<RedirectCounts>): void {
  target.offered += source.offered;
  target.done += source.done;
  target.fallbacks += source.fallbacks;
  target.lost += source.lost;
}

/** After a fallback the connection goes on: later than this, a switch is not of that offer. */
const SWITCH_MS_MAX = 5000;
const SNAPSHOTS_AFTER = 3;

export class RedirectWatch {
  readonly #gap: (gapMs: number) => void;
  #state: 'idle' | 'offered' | 'switched' = 'idle';
  #deadlineMs = 0;
  #gapMs = 0;
  #left = 0;
  /** Where the last offer is counted, whenever it is known what came of it. */
  #counts: RedirectCounts = newRedirectCounts();

  /** @param gap is told the gap of each redirect that was done. */
  constructor(gap: (gapMs: number) => void) {
    this.#gap = gap;
  }

  /** @param counts is added to, now and when it is known what came of it. */
  offer({ nowMs, validMs, counts }: { nowMs: number; validMs: number; counts: RedirectCounts }): void {
    this.#settle();
    this.#counts = counts;
    counts.offered++;
    this.#state = 'offered';
    this.#deadlineMs = nowMs + Math.min(validMs, SWITCH_MS_MAX);
    this.#gapMs = 0;
  }

  /** A snapshot was taken. @param isSwitch whether it is the first of another connection, while the last one was there. */
  snapshot({ intervalMs, nowMs, isSwitch }: { intervalMs: number; nowMs: number; isSwitch: boolean }): void {
    if (this.#state === 'idle') return;
    this.#gapMs = Math.max(this.#gapMs, intervalMs);
    if (this.#state === 'offered') {
      if (isSwitch) {
        this.#counts.done++;
        this.#state = 'switched';
        this.#left = SNAPSHOTS_AFTER;
      } else if (nowMs > this.#deadlineMs) this.#settle();
      return;
    }
    if (--this.#left === 0) this.#settle();
  }

  /** The connection over which snapshots came was lost. */
  lost(): void {
    if (this.#state === 'offered') this.#counts.lost++;
    else this.#settle();
    this.#state = 'idle';
  }

  #settle(): void {
    if (this.#state === 'offered') this.#counts.fallbacks++;
    if (this.#state === 'switched') this.#gap(this.#gapMs);
    this.#state = 'idle';
  }
}
