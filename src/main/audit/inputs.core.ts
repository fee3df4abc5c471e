/** Every input and durable message acted once: what states say has acted, against what clients and senders know. */
import type { ClientLog, ClusterEvidence, ClusterPass, MessageMark, OwnedRow } from './evidence.ts';
import { idText, shortLedger } from './finding.ts';
import type { Findings } from './finding.ts';
import { copiesOf, unfencedLives, validJournals } from './instant.core.ts';

export function checkInputs(evidence: ClusterEvidence, findings: Findings): void {
  const [first, second] = evidence.passes;
  const before = ownedRows(first);
  const now = ownedRows(second);
  for (const [id, row] of now) {
    const earlier = before.get(id);
    if (earlier !== undefined) checkNeverBack(id, { earlier, row, pass: second, findings });
    checkMarksIssued(id, { row: earlier ?? row, pass: second, findings });
  }
  for (const { id, session, lastInput } of evidence.census) {
    const row = now.get(id);
    if (row === undefined || session === 0 || row.session !== session || row.lastInput >= lastInput) continue;
    const text = `${idText(id)} had applied input ${lastInput} durably before, and ${row.lastInput} now`;
    findings.add('INPUT_BACK', { entity: id, text, copies: copiesOf(id, second) });
  }
  for (const client of evidence.clients) checkClient(client, { evidence, row: now.get(client.entity), findings });
}

function ownedRows(pass: ClusterPass): Map<number, OwnedRow> {
  const rows = new Map<number, OwnedRow>();
  for (const journal of validJournals(pass)) {
    for (const row of journal.entities.values()) {
      if ((rows.get(row.id)?.seq ?? -1) < row.seq) rows.set(row.id, row);
    }
  }
  return rows;
}

interface RowContext {
  readonly row: OwnedRow;
  readonly pass: ClusterPass;
  readonly findings: Findings;
}

/** What a journal says has acted stays acted, whoever owns the entity now. */
function checkNeverBack(
  id: number,
  { earlier, row, pass, findings }: RowContext & { readonly earlier: OwnedRow },
): void {
  if (earlier.seq > row.seq) return;
  if (earlier.session !== 0 && earlier.session === row.session && row.lastInput < earlier.lastInput) {
    const text = `${idText(id)} had applied input ${earlier.lastInput} with seq ${earlier.seq}, and ${row.lastInput} with seq ${row.seq}`;
    findings.add('INPUT_BACK', { entity: id, text, copies: copiesOf(id, pass) });
  }
  for (const { sender, number } of earlier.marks) {
    const later = numberOf(row.marks, sender);
    // A sender whose mark was dropped to make room is another matter: its messages are long resolved.
    if (later === undefined || later >= number) continue;
    const text = `message ${number} of ${shortLedger(sender)} had acted on ${idText(id)}, and its mark is ${later} now`;
    findings.add('MARK_BACK', { entity: id, text, copies: copiesOf(id, pass) });
  }
}

/** A message acts only after its number stands in its sender's journal. */
function checkMarksIssued(id: number, { row, pass, findings }: RowContext): void {
  for (const { sender, number } of row.marks) {
    const issuer = pass.journals.find(({ ledger }) => ledger === sender);
    if (issuer === undefined || number <= issuer.messageNumber) continue;
    const text = `message ${number} of ${issuer.name} acted on ${idText(id)}, and ${issuer.name} has issued ${issuer.messageNumber} only`;
    findings.add('MARK_AHEAD', { entity: id, text, copies: copiesOf(id, pass) });
  }
}

function checkClient(
  client: ClientLog,
  { evidence, row, findings }: { evidence: ClusterEvidence; row: OwnedRow | undefined; findings: Findings },
): void {
  const { entity, session, sent, acknowledged, repeats } = client;
  const [, second] = evidence.passes;
  const add = (code: 'INPUT_TWICE' | 'INPUT_UNSENT' | 'INPUT_LOST', text: string): void =>
    findings.add(code, { entity, text: `${idText(entity)} ${text}`, copies: copiesOf(entity, second) });
  if (repeats > 0) add('INPUT_TWICE', `applied ${repeats} inputs a second time, by the world's own count`);
  // Of another session than the log's, nothing can be said.
  const isSame = session === 0 || row === undefined || row.session === 0 || row.session === session;
  if (!isSame) return;
  const stored = row?.lastInput ?? 0;
  const live = unfencedLives(second).map(({ active }) => active.get(entity)?.lastInput ?? Number.NaN);
  const applied = Math.max(stored, ...live.filter((value) => !Number.isNaN(value)));
  if (applied > sent) add('INPUT_UNSENT', `has applied input ${applied}, and its client has sent ${sent} only`);
  if (evidence.settle !== undefined && row !== undefined && applied < acknowledged) {
    add('INPUT_LOST', `told its client that input ${acknowledged} had been applied, and has applied ${applied}`);
  }
}

function numberOf(marks: readonly MessageMark[], sender: string): number | undefined {
  return marks.find((mark) => mark.sender === sender)?.number;
}
