/** The round trip of a link, smoothed, and the timeout that follows from it: RFC 6298, sections 2 and 3. */
export interface RoundTripState {
  /** Undefined before the first sample. */
  smoothedMs: number | undefined;
  variationMs: number;
}

/** RFC 6298 has 1 s for the Internet; nodes of a cluster are near each other. */
export const TIMEOUT_MS_MIN = 10;
export const TIMEOUT_MS_MAX = 10_000;
/** Before the first sample. */
export const TIMEOUT_MS_FIRST = 1000;
const SMOOTHED_SHARE = 1 / 8;
const VARIATION_SHARE = 1 / 4;

export function createRoundTrip(): RoundTripState {
  return { smoothedMs: undefined, variationMs: 0 };
}

export function addRoundTrip(state: RoundTripState, sampleMs: number): void {
  if (state.smoothedMs === undefined) {
    state.smoothedMs = sampleMs;
    state.variationMs = sampleMs / 2;
    return;
  }
  // In this order: the variation is measured against the mean before the sample.
  state.variationMs += VARIATION_SHARE * (Math.abs(state.smoothedMs - sampleMs) - state.variationMs);
  state.smoothedMs += SMOOTHED_SHARE * (sampleMs - state.smoothedMs);
}

/** How long to wait for an answer before it counts as missing. */
export function answerTimeoutMs(state: RoundTripState): number {
  if (state.smoothedMs === undefined) return TIMEOUT_MS_FIRST;
  return Math.min(TIMEOUT_MS_MAX, Math.max(TIMEOUT_MS_MIN, state.smoothedMs + 4 * state.variationMs));
}
