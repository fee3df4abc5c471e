/** Who is there: sessions that begin and end, and what the directory says of ledgers. */
import { assert } from '../base/assert.ts';
import { beginBarrier, checkBuddy, onProtection, resumeStream } from './handover-buddy.core.ts';
import { resend } from './handover-commit.core.ts';
import { checkMessages, hurryMessages } from './handover-messages.core.ts';
import { expirePointers } from './handover-pointers.core.ts';
import { checkPublications } from './handover-publications.core.ts';
import { run } from './handover-recovery.core.ts';
import { checkResolves } from './handover-resolve.core.ts';
import { isBlocked, isFenced, targetOf } from './handover-state.core.ts';
import type { HandoverState } from './handover-state.core.ts';
import { takeNext } from './handover-takeover.core.ts';
import { checkTargets } from './handover-timers.core.ts';
import { CREDITS_DEFAULT } from './protocol.ts';
import type { CoreEffect, LeaseView, PeerIdentity } from './protocol.ts';

/** A session begins. It voids an older one with the same node. */
export function linkUp(state: HandoverState, effects: CoreEffect[], peer: PeerIdentity): void {
  assert(peer.node !== state.me.node, 'a link to this node itself');
  const before = state.links.get(peer.node);
  // An older process's link that was still on its way.
  if (before !== undefined && before.incarnation > peer.incarnation) return;
  if (isBlocked(state, peer.ledger)) return;
  if (before !== undefined) linkDown(state, before);
  state.links.set(peer.node, peer);
  const target = targetOf(state, peer.ledger, peer.node);
  target.node = peer.node;
  target.peer = peer;
  target.granted = CREDITS_DEFAULT;
  target.attempts = 0;
  target.checkAtMs = 0;
  state.grantsSaid.delete(peer.node);
  state.creditsChanged.add(target);
  state.resolveAtMs = state.nowMs;
  resumeStream(state, effects, peer);
  if (state.phase !== 'running') return;
  resend(state, effects, target);
  hurryMessages(state, peer.node);
  state.publicationsAskAtMs = state.nowMs;
}

export function linkDown(state: HandoverState, peer: PeerIdentity): void {
  const link = state.links.get(peer.node);
  if (link === undefined || link.incarnation !== peer.incarnation || link.ledger !== peer.ledger) return;
  state.links.delete(peer.node);
  const target = targetOf(state, peer.ledger, peer.node);
  target.peer = undefined;
  state.creditsChanged.add(target);
}

/** The directory as it is now, or was a moment ago. What is fenced stays fenced. */
export function hearDirectory(state: HandoverState, effects: CoreEffect[], leases: readonly LeaseView[]): void {
  for (const lease of leases) {
    const known = state.leases.get(lease.ledger);
    const isOlder = known !== undefined && known.incarnation >= lease.incarnation && known.version > lease.version;
    if (isOlder || (known?.state === 'fenced' && lease.state !== 'fenced')) continue;
    state.leases.set(lease.ledger, lease);
    if (lease.state === 'fenced' && known?.state !== 'fenced') fence(state, lease);
  }
  hearOwnLease(state, effects);
}

function fence(state: HandoverState, { ledger }: LeaseView): void {
  state.resolveAtMs = state.nowMs;
  const target = state.targets.get(ledger);
  if (target === undefined) return;
  state.creditsChanged.add(target);
  if (target.peer !== undefined && isBlocked(state, ledger)) linkDown(state, target.peer);
}

function hearOwnLease(state: HandoverState, effects: CoreEffect[]): void {
  const lease = state.leases.get(state.me.ledger);
  if (lease === undefined) return;
  if (isFenced(state, state.me.ledger) || lease.incarnation > state.me.incarnation) {
    state.phase = 'stopped';
    const reason = lease.state === 'fenced' ? `fenced; node ${lease.successor} took over` : 'the ledger runs elsewhere';
    effects.push({ kind: 'stop', reason });
    return;
  }
  // Before this process joined.
  if (lease.incarnation < state.me.incarnation) return;
  if (state.phase === 'starting' && lease.isProtected) {
    state.phase = 'barrier';
    beginBarrier(state, effects, lease.buddy);
  }
  onProtection(state, effects, lease);
  if (state.phase === 'starting' || state.phase === 'barrier') runIfSafe(state, effects);
}

/** R9: the buddy has what this log has, or the directory says that there is no buddy. */
export function runIfSafe(state: HandoverState, effects: CoreEffect[]): void {
  const lease = state.leases.get(state.me.ledger);
  if (lease === undefined || lease.incarnation !== state.me.incarnation) return;
  if (lease.isProtected && state.stream.mode !== 'streaming') return;
  if (!lease.isProtected) state.stream.content = undefined;
  run(state, effects);
  takeNext(state, effects);
}

/** Time has passed. */
export function checkAll(state: HandoverState, effects: CoreEffect[]): void {
  checkBuddy(state, effects);
  if (state.phase !== 'running') return;
  expirePointers(state);
  checkTargets(state, effects);
  checkResolves(state, effects);
  checkMessages(state, effects);
  checkPublications(state, effects);
}
