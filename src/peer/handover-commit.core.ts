/**
 * What the source says to a target: COMMIT, CANCEL and what it may forget. All of it can be said again at any time.
 *
 * Invariant: one COMMIT holds rows of one channel and one tick, in order of transferSeq.
 */
import { assert } from '../base/assert.ts';
import { send } from './handover-state.core.ts';
import type { Channel, HandoverState, Outgoing, Target } from './handover-state.core.ts';
import { COMMIT_BYTES_MAX, COMMIT_ITEMS_MAX } from './protocol.ts';
import type { CommitItem, CoreEffect } from './protocol.ts';

export type Stage = Extract<CoreEffect, { kind: 'stage' }>['stage'];

/** Sends rows of one channel, in order. Those that this incarnation has sent to the same one already are not repeated. */
export function sendCommits(state: HandoverState, effects: CoreEffect[], rows: readonly Outgoing[]): void {
  let items: CommitItem[] = [];
  let bytes = 0;
  let first: Outgoing | undefined;
  for (const outgoing of rows) {
    const { peer } = outgoing.channel.target;
    if (peer === undefined || outgoing.sentTo === peer.incarnation) continue;
    const isFull = items.length === COMMIT_ITEMS_MAX || bytes + outgoing.row.record.byteLength > COMMIT_BYTES_MAX;
    if (first !== undefined && (isFull || first.tick !== outgoing.tick)) {
      sendCommit(state, effects, first, items);
      items = [];
      bytes = 0;
      first = undefined;
    }
    first ??= outgoing;
    items.push(itemOf(outgoing));
    bytes += outgoing.row.record.byteLength;
    outgoing.isResent = outgoing.mayHaveLeft;
    outgoing.mayHaveLeft = true;
    outgoing.sentTo = peer.incarnation;
    outgoing.sentAtMs = state.nowMs;
    stage(effects, 'sent', outgoing);
  }
  if (first !== undefined) sendCommit(state, effects, first, items);
}

function sendCommit(state: HandoverState, effects: CoreEffect[], first: Outgoing, items: readonly CommitItem[]): void {
  const { channel, tick } = first;
  const { peer } = channel.target;
  assert(peer !== undefined, 'COMMIT without a session');
  channel.lowSaid = channel.low;
  send(state, effects, peer, { kind: 'commit', ledger: channel.issuer, tick, lowWatermark: channel.low, items });
}

function itemOf({ row, pendingInputs }: Outgoing): CommitItem {
  const { transferSeq, id, seq, targetCell, record, passenger } = row;
  return { transferSeq, id, seq, targetCell, record, passenger, pendingInputs };
}

/** A session begins: everything released for that ledger is said again, in order; and what it may forget. */
export function resend(state: HandoverState, effects: CoreEffect[], target: Target): void {
  if (target.peer === undefined) return;
  for (const channel of target.channels.values()) {
    channel.lowSaid = -1;
    const rows: Outgoing[] = [];
    for (const outgoing of channel.rows.values()) {
      if (outgoing.state !== 'released') continue;
      // Accepted or not: the new session's answer is what counts. The same incarnation knows it from its inbox.
      outgoing.sentTo = 0;
      rows.push(outgoing);
    }
    sendCommits(state, effects, rows);
    sayCollect(state, effects, channel);
  }
}

/** What the target may forget, when no COMMIT has said it. */
export function sayCollect(state: HandoverState, effects: CoreEffect[], channel: Channel): void {
  const { peer } = channel.target;
  if (peer === undefined || channel.low === 0 || channel.low === channel.lowSaid) return;
  channel.lowSaid = channel.low;
  send(state, effects, peer, { kind: 'collect', ledger: channel.issuer, lowWatermark: channel.low });
}

export function sendCancel(
  state: HandoverState,
  effects: CoreEffect[],
  channel: Channel,
  rows: readonly Outgoing[],
): void {
  const { peer } = channel.target;
  if (peer === undefined || rows.length === 0) return;
  const transferSeqs = rows.map(({ row }) => row.transferSeq);
  send(state, effects, peer, { kind: 'cancel', ledger: channel.issuer, transferSeqs });
}

export function stage(effects: CoreEffect[], name: Stage, { row, channel }: Outgoing): void {
  const { id, seq, transferSeq } = row;
  effects.push({ kind: 'stage', side: 'source', stage: name, id, seq, peer: channel.target.ledger, transferSeq });
}
