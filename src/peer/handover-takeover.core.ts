/**
 * A ledger whose process is fenced, and whose successor this node is, becomes part of this node's ledger in one
 * transaction (R8):
 *
 *   entities          OWNED here with seq + 1, active when the import is stable
 *   outbox rows       sent on as that ledger; those towards us are resolved at once: in our inbox, or reclaimed
 *   our rows to it    resolved by its inbox: there, or reclaimed
 *   inbox, watermark  frozen: the answers to RESOLVE, given once the import is stable
 *   messages          sent on as that ledger
 *   publications      delivered from here
 *
 * Cut-off: from the takeover on nothing of the dead node's sessions is heard (isBlocked), and its numbers towards us
 * are closed; a COMMIT that it sent in its last moment must not meet an entity that was reclaimed.
 */
import { assert } from '../base/assert.ts';
import type { EntityId } from '../base/brand.ts';
import { noteMarks } from './handover-marks.core.ts';
import { queueMessages } from './handover-messages.core.ts';
import { enterRows, importFrom } from './handover-recovery.core.ts';
import { hurryPublications, notePublished, recoverPublications } from './handover-publications.core.ts';
import { resend } from './handover-commit.core.ts';
import { raiseWatermark } from './handover-target.core.ts';
import { awaitRemoval, comeBack, finish, reclaim } from './handover-source.core.ts';
import { answerOf } from './handover-resolve.core.ts';
import { awaitStable } from './handover-stable.core.ts';
import { holderOf, incomingOf, isOpen, write } from './handover-state.core.ts';
import type { HandoverState, Outgoing, Waiting } from './handover-state.core.ts';
import type { CoreEffect, EntityRow, JournalContent, Ledger, OutboxRow } from './protocol.ts';

export function takeOver(state: HandoverState, effects: CoreEffect[], content: JournalContent): void {
  state.heldTakeovers.push(content);
  takeNext(state, effects);
}

/** One import at a time: what a later one finds here must be stable. */
export function takeNext(state: HandoverState, effects: CoreEffect[]): void {
  while (state.phase === 'running' && !state.isImporting) {
    const index = state.heldTakeovers.findIndex(({ ledger }) => isNextInChain(state, ledger));
    if (index < 0) return;
    const [content] = state.heldTakeovers.splice(index, 1);
    assert(content !== undefined, 'a held takeover');
    // Its journal may be offered twice: after a restart, or after a chain of takeovers. Its tombstone knows.
    if (!state.imports.has(content.ledger)) importLedger(state, effects, content);
  }
}

/**
 * In a chain of takeovers the last successor comes first: its ledger may hold what it imported already, and then the
 * older file must not be imported once more.
 */
function isNextInChain(state: HandoverState, ledger: Ledger): boolean {
  const successor = state.leases.get(ledger)?.successorLedger ?? '';
  return successor === '' || successor === state.me.ledger || state.imports.has(successor);
}

/**
 * Ledgers that are fenced, whose last successor is this node, and whose content was not offered to this process: the
 * shell reads each and says `takeover`. After a restart too, because an import that was not stable is gone.
 */
export function ledgersToTake(state: HandoverState): Ledger[] {
  if (state.phase !== 'running') return [];
  const isHeld = (ledger: Ledger): boolean => state.heldTakeovers.some((content) => content.ledger === ledger);
  return [...state.leases.values()]
    .filter(({ state: leaseState }) => leaseState === 'fenced')
    .map(({ ledger }) => ledger)
    .filter((ledger) => holderOf(state, ledger) === state.me.ledger && isNextInChain(state, ledger))
    .filter((ledger) => !state.imports.has(ledger) && !isHeld(ledger));
}

function importLedger(state: HandoverState, effects: CoreEffect[], content: JournalContent): void {
  state.isImporting = true;
  const frozen = { ledger: content.ledger, inbox: content.inbox, watermarks: content.watermarks };
  const inherited = content.imports.filter(({ ledger }) => !state.imports.has(ledger));
  for (const row of [...inherited, frozen]) state.imports.set(row.ledger, importFrom(row, false));
  const entities = new Map<EntityId, EntityRow>();
  for (const row of content.entities) claim(state, entities, { ...row, seq: row.seq + 1 });
  const outbox = content.outbox.filter((row) => !resolveHere(state, entities, row));
  cutOff(state, content);
  const ledgers = [content.ledger, ...inherited.map(({ ledger }) => ledger)];
  resolveOwn(state, effects, ledgers, entities);
  const rows = [...entities.values()];
  const { messages, publications, transferSeqs } = content;
  const position = write(state, {
    kind: 'import',
    frozen,
    entities: rows,
    outbox,
    messages,
    publications,
    imports: inherited,
    transferSeqs,
  });
  for (const { id, passenger } of rows) {
    if (passenger.marks.length > 0) noteMarks(state, { id, marks: passenger.marks, position, isLeaving: false });
  }
  awaitStable(state, {
    kind: 'imported',
    position,
    ledgers,
    entities: rows,
    outbox,
    transferSeqs,
    messages,
    publications,
  });
}

/** Enters an entity of the dead ledger, unless this node has a younger right to it. */
function claim(state: HandoverState, entities: Map<EntityId, EntityRow>, row: EntityRow): void {
  const here = Math.max(state.owned.get(row.id) ?? -1, state.outgoing.get(row.id)?.row.seq ?? -1);
  // seq - 1 is what the ledger had: our outbox row of that very seq is how it came there.
  if (here >= row.seq) state.violationCount += 1;
  else if ((entities.get(row.id)?.seq ?? -1) < row.seq) entities.set(row.id, row);
}

/** True if a transfer that the dead ledger had on its way ends with this import. */
function resolveHere(state: HandoverState, entities: Map<EntityId, EntityRow>, row: OutboxRow): boolean {
  const youngest = Math.max(
    state.owned.get(row.id) ?? -1,
    state.outgoing.get(row.id)?.row.seq ?? -1,
    entities.get(row.id)?.seq ?? -1,
  );
  const isSuperseded = youngest > row.seq;
  if (row.target === state.me.ledger) {
    const incoming = incomingOf(state, row.issuer);
    const isTaken = row.transferSeq <= incoming.watermark || incoming.rows.has(row.transferSeq);
    if (!isTaken && !isSuperseded) claim(state, entities, comeBack(row));
    return true;
  }
  if (isSuperseded) return true;
  const answer = answerOf(state, row.issuer, row.target, row.transferSeq);
  if (answer === 'notFound') claim(state, entities, comeBack(row));
  return answer !== undefined;
}

/** Closes the numbers that the dead ledger gave out towards us. */
function cutOff(state: HandoverState, content: JournalContent): void {
  if (state.mutations.has('noCutOff')) return;
  for (const [issuer, target, last] of content.transferSeqs) {
    if (target === state.me.ledger) raiseWatermark(state, incomingOf(state, issuer), last);
  }
}

/** Our own transfers towards the ledgers that this import answers for; and those that it proves to be over. */
function resolveOwn(
  state: HandoverState,
  effects: CoreEffect[],
  ledgers: readonly Ledger[],
  entities: ReadonlyMap<EntityId, EntityRow>,
): void {
  const removed: Outgoing[] = [];
  for (const ledger of ledgers) {
    for (const channel of state.targets.get(ledger)?.channels.values() ?? []) {
      for (const outgoing of channel.rows.values()) {
        if (!isOpen(outgoing)) continue;
        if (answerOf(state, channel.issuer, ledger, outgoing.row.transferSeq) === 'notFound') {
          if (!isSuperseded(entities, outgoing)) {
            reclaim(state, outgoing);
            continue;
          }
        }
        finish(state, effects, outgoing);
        removed.push(outgoing);
      }
    }
  }
  for (const { id } of entities.values()) {
    for (let outgoing = state.outgoing.get(id); outgoing !== undefined; outgoing = outgoing.older) {
      if (!isOpen(outgoing) || !isSuperseded(entities, outgoing)) continue;
      finish(state, effects, outgoing);
      removed.push(outgoing);
    }
  }
  awaitRemoval(state, removed);
}

function isSuperseded(entities: ReadonlyMap<EntityId, EntityRow>, { row }: Outgoing): boolean {
  return (entities.get(row.id)?.seq ?? -1) > row.seq;
}

export function onImported(
  state: HandoverState,
  effects: CoreEffect[],
  { ledgers, entities, outbox, transferSeqs, messages, publications }: Extract<Waiting, { kind: 'imported' }>,
): void {
  state.isImporting = false;
  for (const ledger of ledgers) {
    const entry = state.imports.get(ledger);
    if (entry !== undefined) entry.isStable = true;
  }
  for (const row of entities) {
    state.owned.set(row.id, row.seq);
    notePublished(state, row);
    effects.push({ kind: 'activate', cause: 'takeover', row, targetCell: -1, pendingInputs: [] });
  }
  enterRows(state, outbox, transferSeqs);
  const removed: Outgoing[] = [];
  for (const { issuer, target, transferSeq } of outbox) {
    const outgoing = state.targets.get(target)?.channels.get(issuer)?.rows.get(transferSeq);
    if (outgoing === undefined) continue;
    const youngest = Math.max(
      state.owned.get(outgoing.row.id) ?? -1,
      state.outgoing.get(outgoing.row.id)?.row.seq ?? -1,
    );
    if (youngest <= outgoing.row.seq) continue;
    // A higher seq of it came while the import was on its way to the disk.
    finish(state, effects, outgoing);
    removed.push(outgoing);
  }
  awaitRemoval(state, removed);
  for (const target of new Set(transferSeqs.map((entry) => entry[1]))) {
    const known = state.targets.get(target);
    if (known !== undefined) resend(state, effects, known);
  }
  queueMessages(
    state,
    effects,
    messages.toSorted((a, b) => a.number - b.number).map((row) => ({ row, hint: 0 })),
  );
  recoverPublications(state, publications);
  hurryPublications(state);
  state.resolveAtMs = state.nowMs;
  takeNext(state, effects);
}
