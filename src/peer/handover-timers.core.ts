/**
 * What time does: it asks again. A target that is slow is asked by CANCEL (it answers accepted, confirmed or cancelled),
 * a target may forget what is resolved, a breaker lets a probe through. Time never decides a handover (R5).
 */
import { cancelAfterMs, noteFailure, probeBreaker, withJitter } from './handover-flow.core.ts';
import { sayCollect, sendCancel } from './handover-commit.core.ts';
import { awaitRemoval, finish, reclaim } from './handover-source.core.ts';
import { isFenced } from './handover-state.core.ts';
import type { Channel, HandoverState, Outgoing, Target } from './handover-state.core.ts';
import { COMMIT_ITEMS_MAX } from './protocol.ts';
import type { CoreEffect } from './protocol.ts';

/** Between two looks at the rows of a target. */
const CHECK_MS = 50;
/** A low watermark that no COMMIT has carried is said on its own after this long. */
const COLLECT_MS = 100;

export function checkTargets(state: HandoverState, effects: CoreEffect[]): void {
  for (const target of state.targets.values()) {
    if (target.peer === undefined || isFenced(state, target.ledger)) continue;
    probeBreaker(state, target);
    if (state.nowMs >= target.checkAtMs) checkRows(state, effects, target);
    if (state.nowMs >= target.collectAtMs) {
      target.collectAtMs = state.nowMs + COLLECT_MS;
      for (const channel of target.channels.values()) sayCollect(state, effects, channel);
    }
  }
}

function checkRows(state: HandoverState, effects: CoreEffect[], target: Target): void {
  const overdueAtMs = state.nowMs - cancelAfterMs(target);
  let overdueCount = 0;
  for (const channel of target.channels.values()) {
    const rows = overdueRows(channel, overdueAtMs, COMMIT_ITEMS_MAX - overdueCount);
    if (rows.length === 0) continue;
    overdueCount += rows.length;
    if (state.mutations.has('reclaimOnTimer')) for (const row of rows) reclaim(state, row);
    else if (state.mutations.has('cleanUpOnTimer')) cleanUp(state, effects, rows);
    else sendCancel(state, effects, channel, rows);
  }
  target.checkAtMs = state.nowMs + CHECK_MS;
  if (overdueCount === 0) return;
  target.attempts += 1;
  target.checkAtMs = state.nowMs + withJitter(state, cancelAfterMs(target));
  noteFailure(state, target);
}

/** Rows were sent in order, so the overdue ones stand in front. */
function overdueRows(channel: Channel, overdueAtMs: number, countMax: number): Outgoing[] {
  const rows: Outgoing[] = [];
  for (const outgoing of channel.rows.values()) {
    if (outgoing.state !== 'released' || outgoing.sentTo === 0) continue;
    if (outgoing.sentAtMs > overdueAtMs || rows.length === countMax) break;
    rows.push(outgoing);
  }
  return rows;
}

function cleanUp(state: HandoverState, effects: CoreEffect[], rows: readonly Outgoing[]): void {
  for (const outgoing of rows) finish(state, effects, outgoing);
  awaitRemoval(state, rows);
}
