/**
 * Notices that a peer is silent. Every frame proves that it lives; heartbeats, which come at an even pace, tell how much their
 * arrival varies here and today, and with it how long a silence may be:
 *
 *   allowed silence = max(silenceMsMin, 2 · mean + 4 · deviation), at most silenceMsMax
 *
 * with mean and deviation of the time between heartbeats estimated as RFC 6298 does for round trips. Silence that this process
 * could not have noticed, because its own thread did not run, is not counted. The state outlives a link: a silence that ended a
 * link and was followed by a heartbeat of the same peer is one more sample, so a busy machine does not flap twice.
 */
export interface DetectorOptions {
  /** Pace of heartbeats, as sent by both sides. */
  readonly heartbeatMs: number;
  readonly silenceMsMin: number;
  readonly silenceMsMax: number;
}

export const DETECTOR_DEFAULT: DetectorOptions = { heartbeatMs: 100, silenceMsMin: 300, silenceMsMax: 5000 };

export interface DetectorState {
  meanMs: number;
  deviationMs: number;
  /** Of the last frame, heartbeat or not; moved forward by pauses of this thread. */
  lastHeardMs: number;
  lastHeartbeatMs: number | undefined;
  lastLookMs: number;
}

/** A longer pause between heartbeats (a cut, say) counts as this many: it says little about the pace of the next ones. */
const SAMPLE_HEARTBEATS_MAX = 10;
const MEAN_SHARE = 1 / 8;
const DEVIATION_SHARE = 1 / 4;

export function createDetector(options: DetectorOptions, nowMs: number): DetectorState {
  return {
    meanMs: options.heartbeatMs,
    deviationMs: 0,
    lastHeardMs: nowMs,
    lastHeartbeatMs: undefined,
    lastLookMs: nowMs,
  };
}

/** A new link to the same peer: it was heard of just now, and what was learnt about its pace stays. */
export function resumeDetector(state: DetectorState, nowMs: number): void {
  state.lastHeardMs = nowMs;
  state.lastLookMs = nowMs;
}

export function heard(state: DetectorState, nowMs: number): void {
  if (nowMs > state.lastHeardMs) state.lastHeardMs = nowMs;
}

export function heardHeartbeat(state: DetectorState, options: DetectorOptions, nowMs: number): void {
  heard(state, nowMs);
  const previousMs = state.lastHeartbeatMs;
  state.lastHeartbeatMs = nowMs;
  if (previousMs === undefined) return;
  const intervalMs = Math.min(nowMs - previousMs, SAMPLE_HEARTBEATS_MAX * options.heartbeatMs);
  const errorMs = intervalMs - state.meanMs;
  state.deviationMs += DEVIATION_SHARE * (Math.abs(errorMs) - state.deviationMs);
  state.meanMs += MEAN_SHARE * errorMs;
}

export function allowedSilenceMs(state: DetectorState, options: DetectorOptions): number {
  const expectedMs = 2 * state.meanMs + 4 * state.deviationMs;
  return Math.min(options.silenceMsMax, Math.max(options.silenceMsMin, expectedMs));
}

/** To be asked at least once per `heartbeatMs`, also when nothing is heard. */
export function isSilent(state: DetectorState, options: DetectorOptions, nowMs: number): boolean {
  const sinceLookMs = nowMs - state.lastLookMs;
  state.lastLookMs = nowMs;
  // Looking later than a heartbeat means that this thread did not run: frames may wait in the socket unread.
  if (sinceLookMs > options.heartbeatMs) state.lastHeardMs = Math.min(nowMs, state.lastHeardMs + sinceLookMs);
  return nowMs - state.lastHeardMs > allowedSilenceMs(state, options);
}
