/**
 * What to do when a node's process has ended. Pure.
 *
 *   ended by a stop, or with 0 ─────────────────────────▶ stopped: somebody wanted it
 *   drained, and to come back ──────────────────────────▶ again, at once, and its failures are forgotten
 *   ended with an error before any node of that name was ever ready ─▶ fatal: it would end so each time, and so would the others
 *   died ──▶ again, at once; then 250 ms, 500 ms, … 10 s later ──▶ gave up, after FAILURES_MAX without a stable run between
 */

/** A node that was ready for so long has recovered: its next death is counted as the first. */
export const STABLE_MS = 30_000;
export const FAILURES_MAX = 8;
const DELAY_MS_MIN = 250;
const DELAY_MS_MAX = 10_000;

export interface NodeExit {
  /** Null when a signal ended it. */
  readonly code: number | null;
  /** For how long it had been ready; undefined when it never was this time. */
  readonly readyMs: number | undefined;
  /** It left its cluster and is to come back (worldmesh drain --restart). */
  readonly comesBack: boolean;
  /** The whole cluster is being stopped. */
  readonly isStopping: boolean;
}

export interface RestartHistory {
  /** Deaths without a stable run between them. */
  readonly failures: number;
  /** In any of its runs. */
  readonly wasReady: boolean;
}

export type RestartDecision =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'fatal'; readonly code: number }
  | { readonly kind: 'restart'; readonly delayMs: number; readonly failures: number }
  | { readonly kind: 'gaveUp'; readonly failures: number }
  /** Restarts are switched off. */
  | { readonly kind: 'down' };

export const NO_HISTORY: RestartHistory = { failures: 0, wasReady: false };

export function decideAfterExit(
  history: RestartHistory,
  { code, readyMs, isStopping, comesBack }: NodeExit,
  { restarts }: { readonly restarts: boolean },
): RestartDecision {
  if (!isStopping && code === 0 && comesBack) return { kind: 'restart', delayMs: 0, failures: 0 };
  if (isStopping || code === 0) return { kind: 'stopped' };
  const wasReady = history.wasReady || readyMs !== undefined;
  if (!wasReady && code !== null) return { kind: 'fatal', code };
  if (!restarts) return { kind: 'down' };
  const failures = readyMs !== undefined && readyMs >= STABLE_MS ? 1 : history.failures + 1;
  if (failures > FAILURES_MAX) return { kind: 'gaveUp', failures };
  const delayMs = failures === 1 ? 0 : Math.min(DELAY_MS_MAX, DELAY_MS_MIN * 2 ** (failures - 2));
  return { kind: 'restart', delayMs, failures };
}
