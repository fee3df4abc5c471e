/**
 * How much may be on its way to a target, and when to ask what became of it. Nothing here decides a handover (R5).
 *
 *   credits = 0 while the link is down, the target is fenced or the breaker is open
 *           = what the target granted less what it has not answered
 *
 *   breaker   closed ──FAILURES_MAX in a row──▶ open ──openForMs──▶ halfOpen ──accepted──▶ closed
 *                                                 ▲                    │
 *                                                 └──── failure ───────┘  (openForMs doubles)
 */
import { isFenced } from './handover-state.core.ts';
import type { HandoverState, Target } from './handover-state.core.ts';
import type { CoreEffect } from './protocol.ts';

/** Refusals and timeouts in a row that open the breaker. */
export const FAILURES_MAX = 5;
const OPEN_MS_MIN = 500;
const OPEN_MS_MAX = 10_000;
const CANCEL_MS_MIN = 250;
const CANCEL_MS_MAX = 2_000;
/** Share of a timeout that is left to chance, so that nodes do not ask in step. */
const JITTER = 0.25;

/** After this long an answer is asked for by CANCEL. Doubles with each that brought nothing. */
export function cancelAfterMs(target: Target): number {
  const measured = target.smoothedRttMs < 0 ? 0 : 8 * target.smoothedRttMs + 4 * target.rttVarianceMs;
  const base = Math.max(CANCEL_MS_MIN, measured);
  return Math.max(base, Math.min(base * 2 ** target.attempts, CANCEL_MS_MAX));
}

export function withJitter(state: HandoverState, durationMs: number): number {
  return durationMs * (1 + JITTER * state.random.next());
}

/** One round trip from COMMIT to ACK accepted, smoothed as TCP does (RFC 6298). */
export function measureRoundTrip(target: Target, rttMs: number): void {
  if (target.smoothedRttMs < 0) {
    target.smoothedRttMs = rttMs;
    target.rttVarianceMs = rttMs / 2;
    return;
  }
  target.rttVarianceMs += (Math.abs(target.smoothedRttMs - rttMs) - target.rttVarianceMs) / 4;
  target.smoothedRttMs += (rttMs - target.smoothedRttMs) / 8;
}

export function noteFailure(state: HandoverState, target: Target): void {
  const { breaker } = target;
  breaker.failures += 1;
  if (breaker.state === 'open') return;
  if (breaker.state === 'closed' && breaker.failures < FAILURES_MAX) return;
  breaker.openForMs = breaker.state === 'closed' ? OPEN_MS_MIN : Math.min(breaker.openForMs * 2, OPEN_MS_MAX);
  breaker.state = 'open';
  breaker.openUntilMs = state.nowMs + withJitter(state, breaker.openForMs);
  state.creditsChanged.add(target);
}

export function noteSuccess(state: HandoverState, target: Target): void {
  target.attempts = 0;
  const { breaker } = target;
  breaker.failures = 0;
  if (breaker.state === 'closed') return;
  breaker.state = 'closed';
  state.creditsChanged.add(target);
}

/** An open breaker lets one transfer through after its time. */
export function probeBreaker(state: HandoverState, target: Target): void {
  const { breaker } = target;
  if (breaker.state !== 'open' || state.nowMs < breaker.openUntilMs) return;
  breaker.state = 'halfOpen';
  state.creditsChanged.add(target);
}

export function creditsOf(state: HandoverState, target: Target): number {
  if (state.phase !== 'running' || target.peer === undefined || isFenced(state, target.ledger)) return 0;
  if (target.breaker.state === 'open') return 0;
  const window = target.breaker.state === 'halfOpen' ? 1 : Math.min(target.granted, state.handoversMax);
  return Math.max(0, window - target.unanswered);
}

/** Tells the simulation what changed in this step. */
export function sayCredits(state: HandoverState, effects: CoreEffect[]): void {
  for (const target of state.creditsChanged) {
    const credits = creditsOf(state, target);
    if (credits === target.creditsSaid) continue;
    target.creditsSaid = credits;
    effects.push({ kind: 'credits', node: target.node, credits });
  }
  state.creditsChanged.clear();
}
