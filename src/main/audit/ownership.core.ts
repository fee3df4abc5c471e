/** Every entity owned exactly once: the checks over one instant, over both passes, and over what was sought. */
import type {
  ClusterEvidence,
  ClusterPass,
  JournalHistory,
  JournalView,
  PendingMessage,
  TakenRow,
} from './evidence.ts';
import { idText, shortLedger } from './finding.ts';
import type { Findings } from './finding.ts';
import { RELEASE_STAGE } from './history.core.ts';
import { copiesOf, instantBetween, transferKey, unfencedLives, validJournals } from './instant.core.ts';
import type { Active, InTransit, Instant, Owned } from './instant.core.ts';

export function checkOwnership(evidence: ClusterEvidence, findings: Findings): void {
  const instant = instantBetween(evidence.passes);
  const [first, second] = evidence.passes;
  for (const id of new Set([...instant.owned.keys(), ...instant.transit.keys(), ...instant.active.keys()])) {
    checkCopies(id, { instant, pass: second, findings });
  }
  checkAccounts(instant, second, findings);
  checkLedgers(second, findings);
  checkTransfers({ first, second, findings });
  checkSequencesGrow(evidence, findings);
  checkRecords(second, findings);
  for (const [id, looks] of evidence.sought) {
    const text = `${idText(id)} is in no journal, no outbox and no store; looked for it ${looks} times`;
    findings.add('LOST', { entity: id, text, copies: copiesOf(id, second) });
  }
}

interface CopiesContext {
  readonly instant: Instant;
  readonly pass: ClusterPass;
  readonly findings: Findings;
}

function checkCopies(id: number, { instant, pass, findings }: CopiesContext): void {
  const owned = instant.owned.get(id) ?? [];
  const transit = instant.transit.get(id) ?? [];
  const active = instant.active.get(id) ?? [];
  const doubled = ownedTwice(owned) ?? activeTwice(active) ?? activeAgainstRows({ active, owned, transit });
  if (doubled !== undefined) {
    findings.add('DOUBLED', { entity: id, text: `${idText(id)} ${doubled}`, copies: copiesOf(id, pass) });
  }
  const twice = sequenceTwice({ owned, transit });
  if (twice !== undefined) {
    findings.add('SEQ_TWICE', { entity: id, text: `${idText(id)} ${twice}`, copies: copiesOf(id, pass) });
  }
}

function ownedTwice(owned: readonly Owned[]): string | undefined {
  if (owned.length < 2) return undefined;
  return `is owned in ${owned.map(({ journal, row }) => `${journal.name} with seq ${row.seq}`).join(' and ')}`;
}

function activeTwice(active: readonly Active[]): string | undefined {
  if (active.length < 2) return undefined;
  return `is simulated by ${active.map(({ live, copy }) => `${live.name} with seq ${copy.seq}`).join(' and ')}`;
}

interface Copies {
  readonly active: readonly Active[];
  readonly owned: readonly Owned[];
  readonly transit: readonly InTransit[];
}

/**
 * A copy may be active only with the newest sequence that anybody has written down: at the moment of a release the
 * entity's row is gone, and whoever acts on a transit copy acts with its sequence or a later one.
 */
function activeAgainstRows({ active, owned, transit }: Copies): string | undefined {
  for (const { live, copy } of active) {
    const other = owned.find(({ journal, row }) => journal.name !== live.name || row.seq !== copy.seq);
    if (other !== undefined) {
      return `is simulated by ${live.name} with seq ${copy.seq} and owned in ${other.journal.name} with seq ${other.row.seq}`;
    }
    const later = transit.find(({ row }) => row.seq > copy.seq);
    if (later !== undefined) {
      return `is simulated by ${live.name} with seq ${copy.seq} after ${later.journal.name} released it with seq ${later.row.seq}`;
    }
  }
  for (const { journal, row } of owned) {
    const later = transit.find((sent) => sent.row.seq > row.seq);
    if (later !== undefined) {
      return `is owned in ${journal.name} with seq ${row.seq} beside its release by ${later.journal.name} with seq ${later.row.seq}`;
    }
  }
  return undefined;
}

/** A sequence names one transfer: it may stand in one outbox, and be owned only where that one sent it. */
function sequenceTwice({ owned, transit }: Omit<Copies, 'active'>): string | undefined {
  const bySeq = new Map<number, InTransit>();
  for (const sent of transit) {
    const other = bySeq.get(sent.row.seq);
    if (other !== undefined) {
      return `left ${other.journal.name} and ${sent.journal.name} with the same seq ${sent.row.seq}`;
    }
    bySeq.set(sent.row.seq, sent);
  }
  for (const { journal, row } of owned) {
    const sent = bySeq.get(row.seq);
    if (sent !== undefined && sent.row.target !== journal.ledger) {
      return `was sent to ${shortLedger(sent.row.target)} with seq ${row.seq}, and is owned with it in ${journal.name}`;
    }
  }
  return undefined;
}

/** A player is one entity, wherever and however often somebody logs in. */
function checkAccounts({ owned }: Instant, pass: ClusterPass, findings: Findings): void {
  const byAccount = new Map<string, Owned>();
  for (const each of [...owned.values()].flat()) {
    const { account, id } = each.row;
    if (account === '') continue;
    const other = byAccount.get(account);
    if (other === undefined) byAccount.set(account, each);
    else if (other.row.id !== id) {
      const text = `account "${account}" has two entities: ${idText(other.row.id)} in ${other.journal.name} and ${idText(id)} in ${each.journal.name}`;
      findings.add('ACCOUNT_TWICE', {
        entity: id,
        text,
        copies: [...copiesOf(other.row.id, pass), ...copiesOf(id, pass)],
      });
    }
  }
}

function checkLedgers({ journals }: ClusterPass, findings: Findings): void {
  const byLedger = new Map<string, JournalView>();
  for (const journal of journals) {
    const other = byLedger.get(journal.ledger);
    if (other !== undefined) {
      findings.add('LEDGER_TWICE', {
        text: `${other.folder} and ${journal.folder} are the same ledger ${shortLedger(journal.ledger)}: one is a copy`,
      });
    }
    byLedger.set(journal.ledger, journal);
  }
}

interface PassPair {
  readonly first: ClusterPass;
  readonly second: ClusterPass;
  readonly findings: Findings;
}

/** Numbers of transfers: given out before they are used, and collected only after they are resolved. */
function checkTransfers({ first, second, findings }: PassPair): void {
  const targets = new Map(first.journals.map((journal) => [journal.ledger, journal]));
  const lastOf = new Map<string, number>();
  for (const journal of second.journals) {
    for (const { issuer, target, last } of journal.transferSeqs) {
      const key = `${issuer}>${target}`;
      lastOf.set(key, Math.max(last, lastOf.get(key) ?? 0));
    }
  }
  for (const journal of validJournals(second)) {
    for (const row of journal.outbox) {
      const collected = targets.get(row.target)?.watermarks.get(row.issuer) ?? 0;
      if (collected >= row.transferSeq) {
        const text = `transfer ${row.transferSeq} of ${idText(row.id)} stands in the outbox of ${journal.name}, though ${shortLedger(row.target)} was told that all up to ${collected} are resolved`;
        findings.add('OUTBOX_COLLECTED', { entity: row.id, text, copies: copiesOf(row.id, second) });
      }
      const last = lastOf.get(`${row.issuer}>${row.target}`) ?? 0;
      if (row.transferSeq > last) {
        const text = `transfer ${row.transferSeq} of ${idText(row.id)} is in the outbox of ${journal.name}, where the last number given out is ${last}`;
        findings.add('TRANSFER_AHEAD', { entity: row.id, text, copies: copiesOf(row.id, second) });
      }
    }
  }
  const known = new Set(second.journals.map((journal) => journal.ledger));
  for (const journal of first.journals) {
    for (const row of journal.inbox) {
      if (!known.has(row.source)) continue;
      const last = lastOf.get(`${row.source}>${journal.ledger}`) ?? 0;
      if (row.transferSeq <= last) continue;
      const text = `${journal.name} took ${idText(row.id)} as transfer ${row.transferSeq} of ${shortLedger(row.source)}, which has given out ${last} only`;
      findings.add('TRANSFER_AHEAD', { entity: row.id, text, copies: copiesOf(row.id, second) });
    }
  }
}

/** What is written down never falls behind what was written down before. */
function checkSequencesGrow({ passes: [first, second], census, sought }: ClusterEvidence, findings: Findings): void {
  const before = maximumSequences(first);
  for (const { id, seq } of census) before.set(id, Math.max(seq, before.get(id) ?? 0));
  const now = maximumSequences(second);
  for (const [id, seq] of before) {
    const later = now.get(id);
    if (later === undefined || later >= seq || sought.has(id)) continue;
    const text = `${idText(id)} had seq ${seq} in a journal before, and its newest is ${later} now`;
    findings.add('SEQ_BACK', { entity: id, text, copies: copiesOf(id, second) });
  }
}

/** Of entity and outbox rows; what only a store knows may be lost with its process. */
function maximumSequences(pass: ClusterPass): Map<number, number> {
  const sequences = new Map<number, number>();
  const raise = (id: number, seq: number): void => {
    sequences.set(id, Math.max(seq, sequences.get(id) ?? 0));
  };
  for (const journal of validJournals(pass)) {
    for (const { id, seq } of journal.entities.values()) raise(id, seq);
    for (const { id, seq } of journal.outbox) raise(id, seq);
  }
  return sequences;
}

function checkRecords(pass: ClusterPass, findings: Findings): void {
  for (const journal of validJournals(pass)) {
    for (const id of journal.quarantined) {
      const text = `a recovery of ${journal.name} found the row of ${idText(id)} damaged and moved it aside`;
      findings.add('QUARANTINED', { entity: id, text, copies: copiesOf(id, pass) });
    }
    for (const { table, id, reason } of journal.corrupt) {
      findings.add('RECORD_CORRUPT', {
        entity: id,
        text: `the record of ${idText(id)} in table ${table} of ${journal.name} is none: ${reason}`,
        copies: copiesOf(id, pass),
      });
    }
    for (const row of [...journal.entities.values(), ...journal.outbox]) {
      // A reclaim or takeover raises the row's sequence and leaves the record as it came.
      if (row.recordId === row.id && row.recordSeq <= row.seq) continue;
      findings.add('RECORD_MISMATCH', {
        entity: row.id,
        text: `the row of ${idText(row.id)} with seq ${row.seq} in ${journal.name} holds a record of ${idText(row.recordId)} with seq ${row.recordSeq}`,
        copies: copiesOf(row.id, pass),
      });
    }
  }
}

/** What may stand for a while in a moving cluster, and not at rest. */
export function checkRemains(evidence: ClusterEvidence, findings: Findings): void {
  checkOutboxAge(evidence, findings);
  if (evidence.settle === undefined) return;
  const [, second] = evidence.passes;
  checkLeft(second, { earliest: evidence.settle.earliest, findings });
  checkActive(evidence, findings);
}

/** Rows that the first look saw, and that are there still. */
function checkLeft(
  second: ClusterPass,
  { earliest, findings }: { readonly earliest: ClusterPass; readonly findings: Findings },
): void {
  const before = earliest.journals;
  const transfers = new Set(before.flatMap(({ outbox }) => outbox.map(transferKey)));
  const taken = new Set(before.flatMap(({ ledger, inbox }) => inbox.map((row) => inboxKey(ledger, row))));
  const messages = new Set(before.flatMap((journal) => journal.messages.map(messageKey)));
  for (const { name, ledger, ...journal } of validJournals(second)) {
    for (const row of journal.outbox.filter((sent) => transfers.has(transferKey(sent)))) {
      const text = `${idText(row.id)} is still in the outbox of ${name}, transfer ${row.transferSeq} to ${shortLedger(row.target)}`;
      findings.add('OUTBOX_LEFT', { entity: row.id, text, copies: copiesOf(row.id, second) });
    }
    for (const row of journal.inbox) {
      if (row.transferSeq <= (journal.watermarks.get(row.source) ?? 0) || !taken.has(inboxKey(ledger, row))) continue;
      const text = `${name} still keeps its answer to transfer ${row.transferSeq} of ${shortLedger(row.source)} (${idText(row.id)})`;
      findings.add('INBOX_LEFT', { entity: row.id, text });
    }
    for (const { number, entity } of journal.messages.filter((message) => messages.has(messageKey(message)))) {
      const text = `message ${number} to ${idText(entity)} is still in ${name}`;
      findings.add('MESSAGE_LEFT', { entity, text, copies: copiesOf(entity, second) });
    }
    for (const imported of journal.imports) {
      findings.add('IMPORT_LEFT', { text: `${name} still keeps the answers of ${shortLedger(imported)}` });
    }
  }
}

function inboxKey(ledger: string, { source, transferSeq }: TakenRow): string {
  return `${source}>${ledger}:${transferSeq}`;
}

function messageKey({ issuer, number }: PendingMessage): string {
  return `${issuer}:${number}`;
}

/** Owned is simulated, and simulated is owned. */
function checkActive({ passes }: ClusterEvidence, findings: Findings): void {
  const [first, second] = passes;
  const { owned, active } = instantBetween(passes);
  const earlierActive = new Map(first.lives.map((live) => [live.name, live.active]));
  const lives = new Map(unfencedLives(second).map((live) => [live.name, live]));
  for (const [id, rows] of owned) {
    for (const { journal, row } of rows) {
      const live = lives.get(journal.name);
      if (row.atRest || live?.active.has(id) !== false || earlierActive.get(journal.name)?.has(id) !== false) continue;
      const text = `${journal.name} owns ${idText(id)} with seq ${row.seq} and does not simulate it`;
      findings.add('NOT_ACTIVE', { entity: id, text, copies: copiesOf(id, second) });
    }
  }
  const recorded = maximumSequences(second);
  for (const [id, [copy]] of active) {
    if (recorded.has(id) || copy === undefined) continue;
    const text = `${copy.live.name} simulates ${idText(id)}, and no journal has it`;
    findings.add('UNRECORDED', { entity: id, text, copies: copiesOf(id, second) });
  }
}

function checkOutboxAge(
  { passes: [first, second], histories, outboxAgeMsMax }: ClusterEvidence,
  findings: Findings,
): void {
  const watchedMs = second.startMs - first.endMs;
  const there = new Set(first.journals.flatMap((journal) => journal.outbox.map(transferKey)));
  for (const journal of validJournals(second)) {
    const releasedAtMs = releaseTimes(histories.find(({ ledger }) => ledger === journal.ledger));
    for (const row of journal.outbox) {
      const atMs = releasedAtMs.get(`${row.id}:${row.seq}`);
      const ageMs = Math.max(there.has(transferKey(row)) ? watchedMs : 0, atMs === undefined ? 0 : second.atMs - atMs);
      if (ageMs <= outboxAgeMsMax) continue;
      const text = `${idText(row.id)} has been in the outbox of ${journal.name} for ${(ageMs / 1000).toFixed(1)} s; allowed are ${outboxAgeMsMax / 1000} s`;
      findings.add('OUTBOX_STALE', { entity: row.id, text, copies: copiesOf(row.id, second) });
    }
  }
}

/** UTC milliseconds of releases, by `id:seq`. */
function releaseTimes(history: JournalHistory | undefined): Map<string, number> {
  const releases = (history?.rows ?? []).filter(({ stage }) => stage === RELEASE_STAGE);
  return new Map(releases.map(({ id, seq, atMs }) => [`${id}:${seq}`, atMs]));
}
