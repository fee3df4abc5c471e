/**
 * The receiving half. It acts on a COMMIT the moment it has it: RELEASED is stable at the source, so the right is here.
 *
 *     – ──COMMIT──▶ ACTIVE (in memory, simulating; ACK accepted) ──stable──▶ OWNED (ACK confirmed) ──≤ watermark──▶ –
 *     – ──COMMIT that does not fit, CANCEL──▶ REFUSED (volatile; ACK rejected, to each repeat) ──≤ watermark──▶ –
 *
 * A repeat is known by the inbox, below that by the watermark, which is kept for ever (R3). A refusal holds for this
 * incarnation and dies with it, together with every COMMIT addressed to it (R6). A COMMIT with a higher seq than a row
 * of our own outbox proves that the row arrived: it is superseded (A→B→A needs no waiting).
 */
import { awaitRemoval, decide } from './handover-source.core.ts';
import { noteMarks } from './handover-marks.core.ts';
import { notePublished } from './handover-publications.core.ts';
import { awaitStable } from './handover-stable.core.ts';
import { incomingOf, isOpen, send, write } from './handover-state.core.ts';
import type { Accepted, HandoverState, Incoming, Outgoing, Waiting } from './handover-state.core.ts';
import { CREDITS_DEFAULT } from './protocol.ts';
import type {
  CommitItem,
  CoreEffect,
  EntityRow,
  InboxRow,
  Ledger,
  NodeNumber,
  PeerIdentity,
  PeerMessage,
  RejectReason,
} from './protocol.ts';

interface Answer {
  readonly accepted: number[];
  readonly confirmed: number[];
  readonly rejected: { transferSeq: number; reason: RejectReason; hint: NodeNumber }[];
}

export function onCommit(
  state: HandoverState,
  effects: CoreEffect[],
  from: PeerIdentity,
  message: Extract<PeerMessage, { kind: 'commit' }>,
): void {
  const incoming = incomingOf(state, message.ledger);
  raiseWatermark(state, incoming, message.lowWatermark);
  const answer: Answer = { accepted: [], confirmed: [], rejected: [] };
  const fresh: Accepted[] = [];
  for (const item of message.items) {
    if (answerKnown(state, incoming, item.transferSeq, answer)) continue;
    const verdict = judge(state, item);
    if (verdict === 'accept') {
      const accepted = accept(state, effects, incoming, item);
      answer.accepted.push(item.transferSeq);
      fresh.push(accepted);
    } else if (verdict === 'passed') answer.confirmed.push(item.transferSeq);
    else refuse(incoming, item.transferSeq, verdict, answer);
  }
  if (fresh.length > 0) {
    awaitStable(state, {
      kind: 'accepted',
      position: state.position + 1,
      from,
      ledger: incoming.ledger,
      rows: fresh,
    });
  }
  if (state.mutations.has('confirmBeforeOwned')) answer.confirmed.push(...answer.accepted);
  sendAck(state, effects, from, incoming.ledger, answer);
}

/** A request for an answer: what is not here yet will not be taken by this incarnation. */
export function onCancel(
  state: HandoverState,
  effects: CoreEffect[],
  from: PeerIdentity,
  { ledger, transferSeqs }: Extract<PeerMessage, { kind: 'cancel' }>,
): void {
  const incoming = incomingOf(state, ledger);
  const answer: Answer = { accepted: [], confirmed: [], rejected: [] };
  for (const transferSeq of transferSeqs) {
    if (!answerKnown(state, incoming, transferSeq, answer)) refuse(incoming, transferSeq, 'cancelled', answer);
  }
  sendAck(state, effects, from, ledger, answer);
}

/** What the source has resolved durably will not be asked again. */
export function raiseWatermark(state: HandoverState, incoming: Incoming, value: number): void {
  if (value <= incoming.watermark) return;
  // A step per number, unless a peer skips more than there is.
  if (value - incoming.watermark <= incoming.rows.size + incoming.refused.size + 1) {
    for (let transferSeq = incoming.watermark + 1; transferSeq <= value; transferSeq += 1) {
      incoming.rows.delete(transferSeq);
      incoming.refused.delete(transferSeq);
    }
  } else {
    for (const transferSeq of incoming.rows.keys()) if (transferSeq <= value) incoming.rows.delete(transferSeq);
    for (const transferSeq of incoming.refused.keys()) if (transferSeq <= value) incoming.refused.delete(transferSeq);
  }
  incoming.watermark = value;
  write(state, { kind: 'watermark', source: incoming.ledger, value });
}

/** OWNED is stable: the source may forget. */
export function onAcceptedStable(
  state: HandoverState,
  effects: CoreEffect[],
  { from, ledger, rows }: Extract<Waiting, { kind: 'accepted' }>,
): void {
  const confirmed: number[] = [];
  for (const accepted of rows) {
    accepted.isStable = true;
    confirmed.push(accepted.row.transferSeq);
    stage(effects, 'confirmed', accepted.row);
  }
  sendAck(state, effects, from, ledger, { accepted: [], confirmed, rejected: [] });
}

/** How much fits. Sources that wait for room are told when there is some. */
export function onRoom(state: HandoverState, effects: CoreEffect[], room: number, isDraining: boolean): void {
  state.room = room;
  state.isDraining = isDraining;
  if (state.phase !== 'running') return;
  for (const link of state.links.values()) {
    const said = state.grantsSaid.get(link.node) ?? CREDITS_DEFAULT;
    const grant = grantFor(state);
    if (grant > said / 2 && grant <= said * 2 && (said === 0) === (grant === 0)) continue;
    if (grant === said) continue;
    sendCredits(state, effects, link, link.ledger, { accepted: [], confirmed: [], rejected: [] });
  }
}

/** True if the transfer is known, and answered. */
function answerKnown(state: HandoverState, incoming: Incoming, transferSeq: number, answer: Answer): boolean {
  if (transferSeq <= incoming.watermark && !state.mutations.has('dedupWithoutWatermark')) {
    // The source has no row of it any more, so the answer moves nothing.
    answer.confirmed.push(transferSeq);
    return true;
  }
  const accepted = incoming.rows.get(transferSeq);
  if (accepted !== undefined) {
    const isConfirmed = accepted.isStable || state.mutations.has('confirmBeforeOwned');
    (isConfirmed ? answer.confirmed : answer.accepted).push(transferSeq);
    return true;
  }
  const refused = incoming.refused.get(transferSeq);
  if (refused === undefined) return false;
  answer.rejected.push({ transferSeq, ...refused });
  return true;
}

function judge(state: HandoverState, item: CommitItem): 'accept' | 'passed' | RejectReason {
  const owned = state.owned.get(item.id);
  const outgoing = state.outgoing.get(item.id);
  const known = owned ?? outgoing?.row.seq;
  // It went through here already and was forgotten as a transfer: no correct source asks that.
  if (known !== undefined && known >= item.seq) {
    state.violationCount += 1;
    return 'passed';
  }
  // Two rights to one entity.
  if (owned !== undefined || outgoing?.state === 'reclaiming' || state.returning.has(item.id)) {
    state.violationCount += 1;
    return 'corrupt';
  }
  if (item.unreadable !== undefined) return item.unreadable;
  if (state.isDraining) return 'draining';
  return state.room > 0 ? 'accept' : 'capacity';
}

function accept(state: HandoverState, effects: CoreEffect[], incoming: Incoming, item: CommitItem): Accepted {
  const { id, seq, record, passenger, transferSeq, targetCell, pendingInputs } = item;
  const row: EntityRow = { id, seq, record, passenger, atRest: false };
  const from: InboxRow = { source: incoming.ledger, transferSeq, id, seq };
  const accepted: Accepted = { row: from, isStable: false };
  incoming.rows.set(transferSeq, accepted);
  supersede(state, item);
  const position = write(state, { kind: 'accept', row, from });
  noteMarks(state, { id, marks: passenger.marks, position, isLeaving: false });
  state.owned.set(id, seq);
  notePublished(state, row);
  state.room -= 1;
  effects.push({ kind: 'activate', cause: 'handover', row, targetCell, pendingInputs });
  stage(effects, 'accepted', from);
  return accepted;
}

/** Our rows of it arrived, or the higher seq could not be: the accept deletes them. */
function supersede(state: HandoverState, { id, seq }: CommitItem): void {
  const rows: Outgoing[] = [];
  for (let outgoing = state.outgoing.get(id); outgoing !== undefined; outgoing = outgoing.older) {
    if (!isOpen(outgoing) || outgoing.row.seq >= seq) continue;
    decide(state, outgoing, 'removing');
    rows.push(outgoing);
  }
  awaitRemoval(state, rows);
}

function refuse(incoming: Incoming, transferSeq: number, reason: RejectReason, answer: Answer): void {
  incoming.refused.set(transferSeq, { reason, hint: 0 });
  answer.rejected.push({ transferSeq, reason, hint: 0 });
}

/** An even share of the room, so that all sources together do not overrun it. */
function grantFor(state: HandoverState): number {
  if (state.isDraining) return 0;
  return Math.min(state.handoversMax, Math.floor(Math.max(0, state.room) / Math.max(1, state.links.size)));
}

function sendAck(state: HandoverState, effects: CoreEffect[], to: PeerIdentity, ledger: Ledger, answer: Answer): void {
  if (answer.accepted.length + answer.confirmed.length + answer.rejected.length === 0) return;
  sendCredits(state, effects, to, ledger, answer);
}

function sendCredits(
  state: HandoverState,
  effects: CoreEffect[],
  to: PeerIdentity,
  ledger: Ledger,
  answer: Answer,
): void {
  const credits = grantFor(state);
  state.grantsSaid.set(to.node, credits);
  send(state, effects, to, { kind: 'ack', ledger, ...answer, credits });
}

function stage(
  effects: CoreEffect[],
  name: 'accepted' | 'confirmed',
  { source, transferSeq, id, seq }: InboxRow,
): void {
  effects.push({ kind: 'stage', side: 'target', stage: name, id, seq, peer: source, transferSeq });
}
