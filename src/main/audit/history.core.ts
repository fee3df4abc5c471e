/**
 * Sequences without gaps and activations that are unique, from the histories of all journals together. A history drops its
 * oldest rows; what happened before the youngest of those beginnings is not judged.
 */
import type { ClusterEvidence, ClusterPass, HistoryRow, JournalHistory } from './evidence.ts';
import { idText } from './finding.ts';
import { Findings } from './finding.ts';
import { copiesOf, validJournals } from './instant.core.ts';

export const RELEASE_STAGE = 'source released';
/** By these a ledger says that it is the owner from now on; each with a sequence of its own. */
const ACTIVATION_STAGES: ReadonlySet<string> = new Set(['birth', 'target accepted', 'takeover']);
/** Named by the sequence that came back; the owner acts with the next one. */
const BIRTH_STAGE = 'birth';
const DESPAWN_STAGE = 'despawn';
/** A line without an entity: a journal that was taken over, and whose history ended then, has been removed. */
const REMOVED_STAGE = 'removed';
/**
 * A line of history is written with the next batch after what it tells of: a process that was killed may have taken its
 * last lines with it, and so has one that had more to tell than it may. Around these a gap is a doubt and no disproof.
 */
const TORN_STAGES: ReadonlySet<string> = new Set(['recovery', 'takeover', 'dropped']);

interface Step {
  readonly ledger: string;
  readonly name: string;
  readonly row: HistoryRow;
}

export function checkHistory(evidence: ClusterEvidence, findings: Findings): void {
  const { histories } = evidence;
  const [, second] = evidence.passes;
  const cut = histories.filter((history) => wholeFromMs(history) > 0);
  if (cut.length > 0) {
    findings.add('HISTORY_CUT', {
      text: `the history of ${cut.map(({ name }) => name).join(', ')} does not reach back to its beginning; older sequences are not judged`,
    });
  }
  const judgedFromMs = allWholeFromMs(histories);
  const tornMs = tornTimes(histories);
  const later = stepsByEntity(evidence.laterHistories);
  for (const [id, steps] of stepsByEntity(histories)) {
    checkGaps(id, { steps, later: later.get(id) ?? [], judgedFromMs, tornMs, pass: second, findings });
    checkActivations(id, { steps, pass: second, findings });
  }
}

/** Whether a sequence is missing that no crash explains. */
export function hasGaps(evidence: ClusterEvidence): boolean {
  const findings = new Findings();
  checkHistory(evidence, findings);
  return findings.counts.has('SEQ_GAP');
}

/** UTC milliseconds from which on nothing is missing in any history; 0 when nothing is missing at all. */
export function allWholeFromMs(histories: readonly JournalHistory[]): number {
  return histories.reduce((fromMs, history) => Math.max(fromMs, wholeFromMs(history)), 0);
}

/** Of one journal and those that were removed beside it. */
function wholeFromMs({ isWhole, rows }: JournalHistory): number {
  let fromMs = isWhole ? 0 : (rows[0]?.atMs ?? 0);
  for (const { stage, atMs } of rows) if (stage === REMOVED_STAGE) fromMs = Math.max(fromMs, atMs);
  return fromMs;
}

/** UTC milliseconds, ascending, at which some process began again or dropped lines. */
function tornTimes(histories: readonly JournalHistory[]): number[] {
  const times = new Set<number>();
  for (const { rows } of histories) for (const { stage, atMs } of rows) if (TORN_STAGES.has(stage)) times.add(atMs);
  return [...times].sort((left, right) => left - right);
}

/** Entities whose end is on record; they are not missed. */
export function despawned(histories: readonly JournalHistory[]): Set<number> {
  const ended = new Set<number>();
  for (const { rows } of histories) for (const { stage, id } of rows) if (stage === DESPAWN_STAGE) ended.add(id);
  return ended;
}

/** Entities whose birth is on record, and whose end would be. */
export function born(histories: readonly JournalHistory[]): Set<number> {
  const ids = new Set<number>();
  const fromMs = allWholeFromMs(histories);
  for (const { rows } of histories) {
    for (const { stage, id, atMs } of rows) if (stage === BIRTH_STAGE && atMs >= fromMs) ids.add(id);
  }
  return ids;
}

function stepsByEntity(histories: readonly JournalHistory[]): Map<number, Step[]> {
  const byEntity = new Map<number, Step[]>();
  for (const { ledger, name, rows } of histories) {
    for (const row of rows) {
      // Lines without a sequence tell of something else than ownership.
      if (row.id === 0 || row.seq === 0) continue;
      const steps = byEntity.get(row.id);
      if (steps === undefined) byEntity.set(row.id, [{ ledger, name, row }]);
      else steps.push({ ledger, name, row });
    }
  }
  return byEntity;
}

interface StepsContext {
  readonly steps: readonly Step[];
  readonly pass: ClusterPass;
  readonly findings: Findings;
}

interface GapContext extends StepsContext {
  readonly later: readonly Step[];
  readonly judgedFromMs: number;
  readonly tornMs: readonly number[];
}

function checkGaps(id: number, { steps, later, judgedFromMs, tornMs, pass, findings }: GapContext): void {
  const times = new Map<number, { firstMs: number; lastMs: number }>();
  const see = (seq: number, atMs: number): void => {
    const seen = times.get(seq);
    if (seen === undefined) times.set(seq, { firstMs: atMs, lastMs: atMs });
    else times.set(seq, { firstMs: Math.min(seen.firstMs, atMs), lastMs: Math.max(seen.lastMs, atMs) });
  };
  for (const { row } of steps) {
    if (row.atMs < judgedFromMs) continue;
    see(row.seq, row.atMs);
  }
  for (const journal of validJournals(pass)) {
    const row = journal.entities.get(id);
    if (row !== undefined) see(row.seq, pass.atMs);
  }
  const sequences = [...times.keys()].sort((left, right) => left - right);
  for (const [index, seq] of sequences.entries()) {
    const next = sequences[index + 1];
    if (next === undefined || next === seq + 1 || areTraced(later, { after: seq, before: next })) continue;
    const missing = next === seq + 2 ? `${seq + 1}` : `${seq + 1} to ${next - 1}`;
    const text = `${idText(id)} went from seq ${seq} to ${next}; nobody has a trace of ${missing}`;
    const isTorn = isBetween(tornMs, { fromMs: times.get(seq)!.firstMs, toMs: times.get(next)!.lastMs + TORN_MS });
    findings.add(isTorn ? 'HISTORY_TORN' : 'SEQ_GAP', { entity: id, text, copies: copiesOf(id, pass) });
  }
}

function areTraced(steps: readonly Step[], { after, before }: { after: number; before: number }): boolean {
  const sequences = new Set(steps.map(({ row }) => row.seq).filter((seq) => seq > after && seq < before));
  return sequences.size === before - after - 1;
}

/** A process that was killed notes its recovery, or a neighbour its takeover, within this time. */
const TORN_MS = 30_000;

function isBetween(times: readonly number[], { fromMs, toMs }: { fromMs: number; toMs: number }): boolean {
  const after = times.find((atMs) => atMs >= fromMs);
  return after !== undefined && after <= toMs;
}

function checkActivations(id: number, { steps, pass, findings }: StepsContext): void {
  const owners = new Map<number, Step>();
  const releases = new Map<number, Step>();
  for (const step of steps) {
    const first =
      step.row.stage === RELEASE_STAGE ? releases : ACTIVATION_STAGES.has(step.row.stage) ? owners : undefined;
    if (first === undefined) continue;
    const other = first.get(step.row.seq);
    if (other === undefined) first.set(step.row.seq, step);
    else if (other.ledger !== step.ledger) {
      const text = `${idText(id)} was ${other.row.stage} in ${other.name} and ${step.row.stage} in ${step.name}, both with seq ${step.row.seq}`;
      findings.add('ACTIVATION_TWICE', { entity: id, text, copies: copiesOf(id, pass) });
    }
  }
}
