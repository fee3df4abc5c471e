/**
 * A client's way to its gateway, made worse on purpose. WebSockets run over TCP, so nothing is ever lost or out of order: what
 * a network loses comes later, and holds up all that is behind it.
 *
 *   send ──▶ waits for the line (bandwidth) ──▶ latency + jitter ──▶ not before what was sent before ──▶ arrives
 *                                                └─ lost: once more, after the sender has noticed
 */
export interface Conditions {
  /** One way: a round trip has it twice. */
  readonly latencyMs: number;
  /** On top of it, at most. */
  readonly jitterMs: number;
  /** Of a hundred messages, how many are lost on their first way. */
  readonly lossPercent: number;
  /** In each direction; 0: as much as there is. */
  readonly bytesPerSecond: number;
}

export const PERFECT: Conditions = { latencyMs: 0, jitterMs: 0, lossPercent: 0, bytesPerSecond: 0 };

/** What the page offers, from good to bad; typical figures of such lines, not of anybody's. */
export const PRESETS: readonly { readonly name: string; readonly conditions: Conditions }[] = [
  { name: 'Perfect', conditions: PERFECT },
  { name: 'Wi-Fi', conditions: { latencyMs: 10, jitterMs: 15, lossPercent: 0.5, bytesPerSecond: 0 } },
  { name: '4G', conditions: { latencyMs: 40, jitterMs: 30, lossPercent: 1, bytesPerSecond: 500_000 } },
  { name: '3G', conditions: { latencyMs: 120, jitterMs: 80, lossPercent: 2, bytesPerSecond: 50_000 } },
  { name: 'Train', conditions: { latencyMs: 150, jitterMs: 200, lossPercent: 8, bytesPerSecond: 20_000 } },
];

/** The greatest that the page offers. */
export const CONDITIONS_MAX: Conditions = {
  latencyMs: 1000,
  jitterMs: 1000,
  lossPercent: 30,
  bytesPerSecond: 500_000,
};

/** A sender notices a loss no sooner than this after a round trip: the least timer of common TCPs. */
const RETRANSMIT_MS_MIN = 200;

/** One direction of a line. */
export class Lane {
  #freeAtMs = 0;
  #lastArrivalMs = 0;

  /** When a message that is sent now arrives. @param random in [0, 1), asked twice. */
  arrivalMs(
    { nowMs, sizeBytes, random }: { nowMs: number; sizeBytes: number; random: () => number },
    { latencyMs, jitterMs, lossPercent, bytesPerSecond }: Conditions,
  ): number {
    const startMs = Math.max(nowMs, this.#freeAtMs);
    const endMs = bytesPerSecond > 0 ? startMs + (sizeBytes / bytesPerSecond) * 1000 : nowMs;
    this.#freeAtMs = bytesPerSecond > 0 ? endMs : 0;
    const isLost = random() * 100 < lossPercent;
    const againMs = isLost ? RETRANSMIT_MS_MIN + 2 * latencyMs : 0;
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, endMs + againMs + latencyMs + jitterMs * random());
    return this.#lastArrivalMs;
  }
}

export function isPerfect({ latencyMs, jitterMs, lossPercent, bytesPerSecond }: Conditions): boolean {
  return latencyMs === 0 && jitterMs === 0 && lossPercent === 0 && bytesPerSecond === 0;
}

/** The name of the preset with exactly these, or undefined. */
export function presetOf(conditions: Conditions): string | undefined {
  return PRESETS.find(({ conditions: preset }) =>
    (Object.keys(preset) as (keyof Conditions)[]).every((name) => preset[name] === conditions[name]),
  )?.name;
}
