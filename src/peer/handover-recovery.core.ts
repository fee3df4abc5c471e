/**
 * A process begins with its journal.
 *
 *   new ──start──▶ starting ──own lease seen──▶ barrier (protected) ──buddy cut back, or unprotected──▶ running
 *                     │                                                                                  ▲
 *                     └──────────────────────── own lease seen, not protected ──────────────────────────┘
 *
 * R4, R9: before `running` nothing is accepted, sent or acted on, because the buddy's copy may hold what this log lost.
 */
import { assert } from '../base/assert.ts';
import { noteMarks } from './handover-marks.core.ts';
import { queueMessages } from './handover-messages.core.ts';
import { notePublished, recoverPublications } from './handover-publications.core.ts';
import { resend } from './handover-commit.core.ts';
import { channelOf, enterOutgoing, incomingOf, targetOf } from './handover-state.core.ts';
import type { HandoverState, Import } from './handover-state.core.ts';
import type { CoreEffect, CoreEvent, ImportRow, Ledger, OutboxRow } from './protocol.ts';

export function start(state: HandoverState, { me, content }: Extract<CoreEvent, { kind: 'start' }>): void {
  assert(state.phase === 'new', 'started twice');
  assert(content.ledger === me.ledger, `the journal is of ledger ${content.ledger}, not ${me.ledger}`);
  assert(content.incarnation <= me.incarnation, `incarnation ${me.incarnation} is older than the journal's`);
  state.phase = 'starting';
  state.me = me;
  state.position = content.position;
  state.fsynced = content.position;
  state.stream.content = content;
  state.recovered = content.entities;
  state.recoveredMessages = content.messages;
  state.recoveredPublications = content.publications;
  state.messageNumber = content.messageNumber;
  for (const row of content.imports) state.imports.set(row.ledger, importFrom(row, true));
  enterRows(state, content.outbox, content.transferSeqs);
  for (const [source, value] of content.watermarks) incomingOf(state, source).watermark = value;
  for (const row of content.inbox) {
    incomingOf(state, row.source).rows.set(row.transferSeq, { row, isStable: true });
  }
}

/** The own lease is seen, and the buddy has what this log has, or there is no buddy. */
export function run(state: HandoverState, effects: CoreEffect[]): void {
  assert(state.phase === 'starting' || state.phase === 'barrier', `cannot run from ${state.phase}`);
  state.phase = 'running';
  for (const row of state.recovered) {
    state.owned.set(row.id, row.seq);
    notePublished(state, row);
    const { marks } = row.passenger;
    if (marks.length > 0) noteMarks(state, { id: row.id, marks, position: state.position, isLeaving: false });
    effects.push({ kind: 'activate', cause: 'recovery', row, targetCell: -1, pendingInputs: [] });
  }
  state.recovered = [];
  const messages = state.recoveredMessages.toSorted((a, b) => a.number - b.number);
  state.recoveredMessages = [];
  recoverPublications(state, state.recoveredPublications);
  state.recoveredPublications = [];
  queueMessages(
    state,
    effects,
    messages.map((row) => ({ row, hint: 0 })),
  );
  for (const target of state.targets.values()) {
    state.creditsChanged.add(target);
    resend(state, effects, target);
  }
}

/** Outbox rows from a journal: RELEASED, and perhaps sent by an earlier process. */
export function enterRows(
  state: HandoverState,
  rows: readonly OutboxRow[],
  transferSeqs: readonly (readonly [issuer: Ledger, target: Ledger, last: number])[],
): void {
  for (const [issuer, target, last] of transferSeqs) {
    const channel = channelOf(targetOf(state, target, 0), issuer);
    channel.last = Math.max(channel.last, last);
  }
  for (const row of rows.toSorted((a, b) => a.transferSeq - b.transferSeq)) {
    const target = targetOf(state, row.target, row.targetNode);
    if (target.node === 0) target.node = row.targetNode;
    target.unanswered += 1;
    enterOutgoing(state, {
      row,
      channel: channelOf(target, row.issuer),
      tick: 0,
      pendingInputs: [],
      isRetargeted: false,
      state: 'released',
      mayHaveLeft: true,
      sentTo: 0,
      sentAtMs: 0,
      bornAtMs: state.nowMs,
      isResent: true,
      isAccepted: false,
      older: undefined,
    });
  }
  for (const [issuer, target] of transferSeqs) {
    const channel = channelOf(targetOf(state, target, 0), issuer);
    let first = channel.last + 1;
    for (const transferSeq of channel.rows.keys()) first = Math.min(first, transferSeq);
    channel.low = Math.max(channel.low, first - 1);
  }
}

export function importFrom(row: ImportRow, isStable: boolean): Import {
  const accepted = new Map<Ledger, Set<number>>();
  for (const { source, transferSeq } of row.inbox) {
    const numbers = accepted.get(source);
    if (numbers === undefined) accepted.set(source, new Set([transferSeq]));
    else numbers.add(transferSeq);
  }
  return {
    row,
    watermarks: new Map(row.watermarks),
    accepted,
    isStable,
    isDone: false,
    unneededBy: new Set(),
    askAtMs: 0,
  };
}
