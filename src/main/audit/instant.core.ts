/**
 * What was true at the instant between two passes. A row or an active copy that both passes saw, with the same sequence,
 * was there all the time in between: a sequence that has left never comes back. So rows of different nodes, though read
 * at different times, may be held against each other.
 */
import type { ActiveCopy, ClusterPass, JournalView, LiveView, OwnedRow, TransitRow } from './evidence.ts';
import { idText, shortLedger } from './finding.ts';

export interface Owned {
  readonly journal: JournalView;
  readonly row: OwnedRow;
}

export interface InTransit {
  readonly journal: JournalView;
  readonly row: TransitRow;
}

export interface Active {
  readonly live: LiveView;
  readonly copy: ActiveCopy;
}

export interface Instant {
  readonly owned: ReadonlyMap<number, readonly Owned[]>;
  readonly transit: ReadonlyMap<number, readonly InTransit[]>;
  readonly active: ReadonlyMap<number, readonly Active[]>;
}

export function instantBetween([first, second]: readonly [ClusterPass, ClusterPass]): Instant {
  const owned = new Map<number, Owned[]>();
  const transit = new Map<number, InTransit[]>();
  const active = new Map<number, Active[]>();
  const before = new Map(first.journals.map((journal) => [journal.ledger, journal]));
  for (const journal of validJournals(second)) {
    const earlier = before.get(journal.ledger);
    if (earlier === undefined) continue;
    for (const row of journal.entities.values()) {
      if (earlier.entities.get(row.id)?.seq === row.seq) push(owned, row.id, { journal, row });
    }
    const there = new Set(earlier.outbox.map(transferKey));
    for (const row of journal.outbox) if (there.has(transferKey(row))) push(transit, row.id, { journal, row });
  }
  const livesBefore = new Map(first.lives.map((live) => [live.name, live]));
  for (const live of unfencedLives(second)) {
    const earlier = livesBefore.get(live.name);
    if (earlier?.incarnation !== live.incarnation) continue;
    for (const copy of live.active.values()) {
      if (earlier.active.get(copy.id)?.seq === copy.seq) push(active, copy.id, { live, copy });
    }
  }
  return { owned, transit, active };
}

/** Journals whose rows count: those that nobody has taken over. */
export function validJournals({ journals }: ClusterPass): JournalView[] {
  const imported = new Set(journals.flatMap((journal) => journal.imports));
  return journals.filter((journal) => !journal.isTaken && !imported.has(journal.ledger));
}

/** Stores whose copies count: a fenced process may still answer, and nothing it says matters. */
export function unfencedLives({ lives, members }: ClusterPass): LiveView[] {
  return lives.filter(({ name, incarnation }) => {
    const member = members.find((candidate) => candidate.name === name && candidate.incarnation === incarnation);
    return member !== undefined && member.state !== 'fenced';
  });
}

/** Where the copies of an entity are, in words. */
export function copiesOf(id: number, pass: ClusterPass): string[] {
  const copies: string[] = [];
  const valid = new Set(validJournals(pass));
  for (const journal of pass.journals) {
    const where = `${journal.name} (${shortLedger(journal.ledger)}${valid.has(journal) ? '' : ', taken over'})`;
    const row = journal.entities.get(id);
    if (row !== undefined) copies.push(`${row.atRest ? 'at rest' : 'owned'} in ${where} with seq ${row.seq}`);
    for (const sent of journal.outbox) {
      if (sent.id !== id) continue;
      copies.push(
        `in transit from ${where} to ${shortLedger(sent.target)} with seq ${sent.seq}, transfer ${sent.transferSeq}`,
      );
    }
  }
  for (const live of pass.lives) {
    const copy = live.active.get(id);
    if (copy !== undefined)
      copies.push(`active at ${live.name} (incarnation ${live.incarnation}) with seq ${copy.seq}`);
  }
  return copies.length === 0 ? [`no copy of ${idText(id)} anywhere`] : copies;
}

export function transferKey({ issuer, target, transferSeq }: TransitRow): string {
  return `${issuer}>${target}:${transferSeq}`;
}

function push<Value>(lists: Map<number, Value[]>, id: number, value: Value): void {
  const list = lists.get(id);
  if (list === undefined) lists.set(id, [value]);
  else list.push(value);
}
