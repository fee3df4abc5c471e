/** Evidence in, verdict out; docs/AUDIT.md says what a verdict of each mode proves. */
import type { CensusEntry, ClusterEvidence, ClusterPass } from './evidence.ts';
import { Findings, isDisproof } from './finding.ts';
import type { Finding } from './finding.ts';
import { born, checkHistory, despawned } from './history.core.ts';
import { checkInputs } from './inputs.core.ts';
import { unfencedLives, validJournals } from './instant.core.ts';
import { checkOwnership, checkRemains } from './ownership.core.ts';

export interface Counts {
  readonly nodes: number;
  readonly journals: number;
  readonly stores: number;
  readonly entities: number;
  /** Distinct entities in journals, owned or in transit. */
  readonly present: number;
  readonly atRest: number;
  readonly inTransit: number;
  readonly active: number;
  readonly sessions: number;
  readonly messages: number;
  readonly historyRows: number;
  readonly expected: number;
}

export interface Verdict {
  /** `unproven`: nothing was disproved, and something that the proof needs could not be read. */
  readonly verdict: 'proven' | 'unproven' | 'disproved';
  /** What is proven in each mode stands in docs/AUDIT.md. */
  readonly mode: 'moving' | 'settled';
  readonly counts: Counts;
  readonly findings: readonly Finding[];
  /** How often each code was found; findings name only the first of them. */
  readonly findingCounts: Readonly<Record<string, number>>;
}

export function judge(evidence: ClusterEvidence): Verdict {
  const findings = new Findings();
  const [, second] = evidence.passes;
  checkOwnership(evidence, findings);
  checkRemains(evidence, findings);
  checkHistory(evidence, findings);
  checkInputs(evidence, findings);
  for (const { name, what, reason } of second.unread) {
    findings.add(what === 'store' ? 'NODE_DOWN' : 'UNREAD', {
      text: `the ${what} of ${name} cannot be read: ${reason}`,
    });
  }
  if (evidence.settle?.isQuiet === false) {
    findings.add('NOT_SETTLED', { text: 'the cluster was not quiet at any look; it is judged as one that moves' });
  }
  const found = findings.all;
  const isUnproven = found.some(({ code }) => code === 'UNREAD' || code === 'NOT_SETTLED');
  return {
    verdict: found.some(isDisproof) ? 'disproved' : isUnproven ? 'unproven' : 'proven',
    mode: evidence.settle === undefined ? 'moving' : 'settled',
    counts: countsOf(evidence),
    findings: found,
    findingCounts: Object.fromEntries(findings.counts),
  };
}

/** Entities that must be somewhere: those of the census, those born since, those of the first pass; less the ended. */
export function expectedEntities(evidence: Pick<ClusterEvidence, 'passes' | 'histories' | 'census'>): Set<number> {
  const expected = new Set(evidence.census.map(({ id }) => id));
  for (const id of born(evidence.histories)) expected.add(id);
  for (const journal of validJournals(evidence.passes[0])) {
    for (const id of journal.entities.keys()) expected.add(id);
    for (const { id } of journal.outbox) expected.add(id);
  }
  for (const id of despawned(evidence.histories)) expected.delete(id);
  return expected;
}

/** Expected entities of which a pass saw nothing. */
export function missingFrom(pass: ClusterPass, expected: ReadonlySet<number>): Set<number> {
  const missing = new Set(expected);
  for (const journal of validJournals(pass)) {
    for (const id of journal.entities.keys()) missing.delete(id);
    for (const { id } of journal.outbox) missing.delete(id);
  }
  for (const live of unfencedLives(pass)) for (const id of live.active.keys()) missing.delete(id);
  return missing;
}

/** What a later audit holds the cluster against. */
export function censusOf(pass: ClusterPass): CensusEntry[] {
  const entries = new Map<number, CensusEntry>();
  for (const journal of validJournals(pass)) {
    for (const { id, seq, session, lastInput } of [...journal.entities.values(), ...journal.outbox]) {
      if ((entries.get(id)?.seq ?? -1) < seq) entries.set(id, { id, seq, session, lastInput });
    }
  }
  return [...entries.values()].sort((left, right) => left.id - right.id);
}

function countsOf({ passes: [first, second], histories, census }: ClusterEvidence): Counts {
  const valid = validJournals(second);
  const rows = valid.flatMap((journal) => [...journal.entities.values()]);
  const lives = unfencedLives(second);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return {
    nodes: second.members.length,
    journals: second.journals.length,
    stores: lives.length,
    entities: rows.length,
    present: censusOf(second).length,
    atRest: rows.filter(({ atRest }) => atRest).length,
    inTransit: sum(valid.map(({ outbox }) => outbox.length)),
    active: sum(lives.map(({ active }) => active.size)),
    sessions: rows.filter(({ session, atRest }) => session !== 0 && !atRest).length,
    messages: sum(valid.map(({ messages }) => messages.length)),
    historyRows: sum(histories.map(({ rows: lines }) => lines.length)),
    expected: expectedEntities({ passes: [first, second], histories, census }).size,
  };
}
