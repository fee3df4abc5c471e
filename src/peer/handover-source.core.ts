/**
 * The sending half: what leaves this node. The source alone commits a handover, by RELEASED becoming stable.
 *
 *   OWNED ──release──▶ releasing ──stable──▶ released ──confirmed──▶ removing ──stable──▶ – (DONE)
 *                                    │          │ ▲ │
 *                    never sent, and │   linkUp │ │ │ rejected by the incarnation addressed last,
 *                    no session      │          └─┘ │ or NOT_FOUND at the successor
 *                                    ▼              ▼
 *                                  reclaiming ──stable──▶ OWNED(seq + 1)          a refusal that names another owner:
 *                                                                                 removing, and releasing(seq + 1) to it
 * R0, R1: COMMIT and CANCEL leave only from `released`. R2: a row leaves only by confirmed, a successor's word, or a
 * higher seq of the entity. R3: the low watermark counts a row until its removal is stable. R5: timers only ask.
 * R6: a refusal counts only from the incarnation that the last COMMIT addressed. R7: nothing acts before `stable`.
 */
import { assert } from '../base/assert.ts';
import { measureRoundTrip, noteFailure, noteSuccess } from './handover-flow.core.ts';
import { sendCancel, sendCommits, stage } from './handover-commit.core.ts';
import { awaitStable } from './handover-stable.core.ts';
import {
  channelOf,
  enterOutgoing,
  isFenced,
  isOpen,
  leaveChannel,
  leaveOutgoing,
  targetOf,
  write,
} from './handover-state.core.ts';
import type { Channel, HandoverState, Outgoing, Waiting } from './handover-state.core.ts';
import { notePointer } from './handover-pointers.core.ts';
import { noteMarks } from './handover-marks.core.ts';
import { notePublished, publish, withPublished } from './handover-publications.core.ts';
import type {
  CoreEffect,
  CoreEvent,
  EntityRow,
  NodeNumber,
  OutboxRow,
  Passenger,
  PeerIdentity,
  PeerMessage,
  PendingInput,
  RejectReason,
} from './protocol.ts';

/** Refusals that are about this entity or its cell, and say nothing of the target's health. */
const ENTITY_REASONS: ReadonlySet<RejectReason> = new Set(['notOwner', 'schema', 'corrupt']);

type Ack = Extract<PeerMessage, { kind: 'ack' }>;
type Release = Extract<CoreEvent, { kind: 'release' }>;

/** The simulation froze these. They leave when their rows are stable. */
export function release(state: HandoverState, effects: CoreEffect[], event: Release): void {
  const target = targetOf(state, event.target.ledger, event.target.node);
  // What it took, it counted: see `credits` in protocol.ts.
  target.creditsSaid = Math.max(0, target.creditsSaid - event.items.length);
  state.creditsChanged.add(target);
  if (target.peer === undefined || isFenced(state, target.ledger)) {
    for (const item of event.items) giveBack(state, item);
    return;
  }
  const channel = channelOf(target, state.me.ledger);
  const rows = event.items.map((item): Outgoing => {
    const owned = state.owned.get(item.id);
    assert(
      owned === undefined || owned + 1 === item.seq,
      `entity ${item.id} leaves with seq ${item.seq}, owned ${owned}`,
    );
    assert(owned !== undefined || !state.outgoing.has(item.id), `entity ${item.id} is already on its way`);
    const row: OutboxRow = {
      issuer: state.me.ledger,
      target: target.ledger,
      transferSeq: channel.last + 1,
      targetNode: target.node,
      targetCell: item.targetCell,
      id: item.id,
      seq: item.seq,
      record: item.record,
      passenger: told(state, item),
    };
    return beginRelease(state, effects, channel, row, {
      tick: event.tick,
      pendingInputs: item.pendingInputs,
      isRetargeted: false,
    });
  });
  awaitStable(state, { kind: 'released', position: state.position + 1, rows });
  if (state.mutations.has('commitBeforeReleased')) sendCommits(state, effects, rows);
  if (state.mutations.has('cancelBeforeReleased')) sendCancel(state, effects, channel, rows);
}

function beginRelease(
  state: HandoverState,
  effects: CoreEffect[],
  channel: Channel,
  row: OutboxRow,
  from: { readonly tick: number; readonly pendingInputs: readonly PendingInput[]; readonly isRetargeted: boolean },
): Outgoing {
  const outgoing: Outgoing = {
    row,
    channel,
    tick: from.tick,
    pendingInputs: from.pendingInputs,
    isRetargeted: from.isRetargeted,
    state: 'releasing',
    mayHaveLeft: false,
    sentTo: 0,
    sentAtMs: 0,
    bornAtMs: state.nowMs,
    isResent: false,
    isAccepted: false,
    older: undefined,
  };
  state.owned.delete(row.id);
  state.published.delete(row.id);
  enterOutgoing(state, outgoing);
  channel.target.unanswered += 1;
  const position = write(state, { kind: 'release', row });
  noteMarks(state, { id: row.id, marks: row.passenger.marks, position, isLeaving: true });
  stage(effects, 'released', outgoing);
  return outgoing;
}

/** Its last publications are written, and its passenger knows of them. */
function told(state: HandoverState, { id, passenger, publications }: Release['items'][number]): Passenger {
  publish(state, id, publications);
  return withPublished(state, id, passenger);
}

/** The target cannot be reached any more: nothing was named, so the entity stays, under the seq its record carries. */
function giveBack(state: HandoverState, item: Release['items'][number]): void {
  state.owned.delete(item.id);
  state.returning.add(item.id);
  const row: EntityRow = {
    id: item.id,
    seq: item.seq,
    record: item.record,
    passenger: told(state, item),
    atRest: false,
  };
  state.published.delete(item.id);
  const position = write(state, { kind: 'entity', row });
  noteMarks(state, { id: row.id, marks: row.passenger.marks, position, isLeaving: false });
  awaitStable(state, {
    kind: 'returned',
    position,
    row,
    targetCell: item.targetCell,
    pendingInputs: item.pendingInputs,
  });
}

/** RELEASED is stable. */
export function onReleased(state: HandoverState, effects: CoreEffect[], rows: readonly Outgoing[]): void {
  const ready: Outgoing[] = [];
  for (const outgoing of rows) {
    // Superseded, or resolved by a takeover, before it ever left.
    if (outgoing.state !== 'releasing') continue;
    outgoing.state = 'released';
    stage(effects, 'stable', outgoing);
    const { target } = outgoing.channel;
    if (target.peer === undefined && !outgoing.mayHaveLeft) reclaim(state, outgoing);
    else ready.push(outgoing);
  }
  sendCommits(state, effects, ready);
}

/** The target's answer. Late and repeated ones name rows that are gone, or decided. */
export function onAck(state: HandoverState, effects: CoreEffect[], from: PeerIdentity, ack: Ack): void {
  const target = state.targets.get(from.ledger);
  if (target === undefined) return;
  if (target.granted !== ack.credits) {
    target.granted = ack.credits;
    state.creditsChanged.add(target);
  }
  const channel = target.channels.get(ack.ledger);
  if (channel === undefined) return;
  for (const transferSeq of ack.accepted) onAcceptedByTarget(state, effects, channel.rows.get(transferSeq));
  const removed: Outgoing[] = [];
  for (const transferSeq of ack.confirmed) {
    const outgoing = channel.rows.get(transferSeq);
    if (outgoing === undefined || !isOpen(outgoing)) continue;
    onAcceptedByTarget(state, effects, outgoing);
    stage(effects, 'confirmed', outgoing);
    finish(state, effects, outgoing);
    removed.push(outgoing);
  }
  awaitRemoval(state, removed);
  for (const { transferSeq, reason, hint } of ack.rejected) {
    const outgoing = channel.rows.get(transferSeq);
    if (outgoing === undefined || !isOpen(outgoing)) continue;
    // A newer incarnation was addressed since: it does not know of this refusal, and may accept (R6).
    if (outgoing.sentTo !== from.incarnation && !state.mutations.has('unboundMessages')) continue;
    if (!ENTITY_REASONS.has(reason)) noteFailure(state, target);
    stage(effects, 'rejected', outgoing);
    if (reason !== 'notOwner' || !retarget(state, effects, outgoing, hint)) reclaim(state, outgoing);
  }
}

function onAcceptedByTarget(state: HandoverState, effects: CoreEffect[], outgoing: Outgoing | undefined): void {
  if (outgoing === undefined || !isOpen(outgoing) || outgoing.isAccepted) return;
  const { target } = outgoing.channel;
  answered(state, outgoing);
  outgoing.isAccepted = true;
  // A repeat's answer may belong to the first (Karn's rule).
  if (!outgoing.isResent) measureRoundTrip(target, state.nowMs - outgoing.sentAtMs);
  noteSuccess(state, target);
  stage(effects, 'accepted', outgoing);
}

/** The entity is the target's, stably: the record may be forgotten. The caller awaits the removal. */
export function finish(state: HandoverState, effects: CoreEffect[], outgoing: Outgoing): void {
  const { row } = outgoing;
  decide(state, outgoing, 'removing');
  write(state, { kind: 'done', issuer: row.issuer, target: row.target, transferSeq: row.transferSeq });
  notePointer(state, row.id, { node: row.targetNode, seq: row.seq });
  effects.push({ kind: 'moved', id: row.id, seq: row.seq, node: row.targetNode });
}

/** Marks rows that the batch of this step removes: done, or superseded by the accept of a higher seq. */
export function awaitRemoval(state: HandoverState, rows: readonly Outgoing[]): void {
  if (rows.length === 0) return;
  awaitStable(state, { kind: 'removed', position: state.position + 1, rows });
  if (!state.mutations.has('watermarkBeforeRemoval')) return;
  for (const outgoing of rows) leaveChannel(outgoing);
}

export function onRemoved(state: HandoverState, effects: CoreEffect[], rows: readonly Outgoing[]): void {
  for (const outgoing of rows) {
    leaveOutgoing(state, outgoing);
    stage(effects, 'done', outgoing);
  }
}

/** A decision that ends a row. From here on nothing else decides it. */
export function decide(state: HandoverState, outgoing: Outgoing, decision: 'removing' | 'reclaiming'): void {
  assert(isOpen(outgoing), `transfer ${outgoing.row.transferSeq} is decided twice`);
  answered(state, outgoing);
  outgoing.state = decision;
}

function answered(state: HandoverState, outgoing: Outgoing): void {
  if (outgoing.isAccepted) return;
  outgoing.channel.target.unanswered -= 1;
  state.creditsChanged.add(outgoing.channel.target);
}

/** The entity comes back, with a new seq; it acts when that is stable. */
export function reclaim(state: HandoverState, outgoing: Outgoing): void {
  decide(state, outgoing, 'reclaiming');
  const { issuer, target, transferSeq } = outgoing.row;
  const row = comeBack(outgoing.row);
  const position = write(state, { kind: 'reclaim', issuer, target, transferSeq, row });
  noteMarks(state, { id: row.id, marks: row.passenger.marks, position, isLeaving: false });
  awaitStable(state, { kind: 'reclaimed', position, old: outgoing, row });
  if (state.mutations.has('watermarkBeforeRemoval')) leaveChannel(outgoing);
}

/** R7: the right to act again is a new one. */
export function comeBack({ id, seq, record, passenger }: OutboxRow): EntityRow {
  return { id, seq: seq + 1, record, passenger, atRest: false };
}

export function onReclaimed(state: HandoverState, effects: CoreEffect[], old: Outgoing, row: EntityRow): void {
  leaveOutgoing(state, old);
  state.owned.set(row.id, row.seq);
  notePublished(state, row);
  stage(effects, 'reclaimed', old);
  const { pendingInputs } = old;
  effects.push({ kind: 'activate', cause: 'reclaim', row, targetCell: old.row.targetCell, pendingInputs });
}

/** Releases anew to the owner that the refusal named, in one batch with the end of the old row. */
function retarget(state: HandoverState, effects: CoreEffect[], old: Outgoing, hint: NodeNumber): boolean {
  const peer = state.links.get(hint);
  // Once: two nodes that name each other must not pass an entity back and forth.
  if (peer === undefined || old.isRetargeted || peer.ledger === old.row.target) return false;
  const target = state.targets.get(peer.ledger);
  if (target?.peer === undefined || isFenced(state, target.ledger)) return false;
  decide(state, old, 'removing');
  const { issuer, target: oldTarget, transferSeq } = old.row;
  write(state, { kind: 'done', issuer, target: oldTarget, transferSeq });
  awaitRemoval(state, [old]);
  const channel = channelOf(target, state.me.ledger);
  const row: OutboxRow = {
    ...old.row,
    issuer: state.me.ledger,
    target: target.ledger,
    transferSeq: channel.last + 1,
    targetNode: target.node,
    seq: old.row.seq + 1,
  };
  const anew = beginRelease(state, effects, channel, row, { ...old, isRetargeted: true });
  awaitStable(state, { kind: 'released', position: state.position + 1, rows: [anew] });
  return true;
}

/** The frozen entities that could not be released are stable under their new seq. */
export function onReturned(
  state: HandoverState,
  effects: CoreEffect[],
  { row, targetCell, pendingInputs }: Extract<Waiting, { kind: 'returned' }>,
): void {
  state.returning.delete(row.id);
  state.owned.set(row.id, row.seq);
  notePublished(state, row);
  effects.push({ kind: 'activate', cause: 'reclaim', row, targetCell, pendingInputs });
}
