/** The way of one entity, session or transfer through all journals: histories in the order of time, and what stands now. */
import { AuditError } from './audit-error.ts';
import { idText, shortLedger } from './finding.ts';
import { readHistoryWhere, readStanding } from './journal-reader.ts';
import type { JournalPlace } from './journal-reader.ts';
import { reasonOf } from './live-reader.ts';

export type TraceSubject =
  | { readonly kind: 'entity'; readonly id: number }
  | { readonly kind: 'session'; readonly id: number }
  /** Ledgers by their first digits. */
  | { readonly kind: 'transfer'; readonly source: string; readonly target: string; readonly transferSeq: number };

export interface TimelineLine {
  /** UTC milliseconds by the clock of the node that wrote it. */
  readonly atMs: number;
  readonly node: string;
  readonly ledger: string;
  readonly stage: string;
  readonly entity: number;
  readonly seq: number;
  readonly session: number;
  /** Name of the other node where it is known, else its ledger; empty without one. */
  readonly peer: string;
  readonly transferSeq: number;
}

/** A row that is there now. */
export interface Standing {
  readonly node: string;
  readonly table: 'entity' | 'outbox' | 'inbox' | 'message';
  readonly entity: number;
  readonly seq: number;
  readonly session: number;
  readonly text: string;
}

export interface Timeline {
  readonly subject: TraceSubject;
  readonly lines: readonly TimelineLine[];
  readonly standing: readonly Standing[];
  /** Journals whose history does not reach back to its beginning. */
  readonly cut: readonly string[];
  /** Journals that at some time had more to tell than they may: lines are missing. */
  readonly dropped: readonly string[];
  readonly unread: readonly { readonly name: string; readonly reason: string }[];
}

/** A line without an entity that says so. */
const DROPPED_STAGE = 'dropped';
const LEDGER_PREFIX = /^[0-9a-f]{4,32}$/;

/**
 * `incarnation:counter` or a whole number for an entity; the same after `session:` for a session;
 * `ledger>ledger:transferSeq` for a transfer. @throws AuditError ERR_AUDIT_ID
 */
export function parseSubject(text: string): TraceSubject {
  const transfer = /^([0-9a-f]+)>([0-9a-f]+):(\d+)$/i.exec(text);
  if (transfer !== null) {
    const [source = '', target = ''] = [transfer[1], transfer[2]].map((ledger) => ledger?.toLowerCase());
    if (LEDGER_PREFIX.test(source) && LEDGER_PREFIX.test(target)) {
      return { kind: 'transfer', source, target, transferSeq: Number(transfer[3]) };
    }
  }
  const isSession = text.startsWith('session:');
  const id = parseId(isSession ? text.slice('session:'.length) : text);
  if (id !== undefined) return { kind: isSession ? 'session' : 'entity', id };
  throw new AuditError(
    'ERR_AUDIT_ID',
    `"${text}" names nothing; write an entity as 4294967297 or 1:1, a session as session:1:7, a transfer as ledger>ledger:number`,
  );
}

function parseId(text: string): number | undefined {
  const parts = /^(?:(\d{1,7}):)?(\d{1,16})$/.exec(text);
  if (parts === null) return undefined;
  const [, incarnation, counter] = parts;
  if (incarnation !== undefined && Number(counter) >= 2 ** 32) return undefined;
  const id = Number(incarnation ?? 0) * 2 ** 32 + Number(counter);
  return Number.isSafeInteger(id) && id > 0 ? id : undefined;
}

export function readTimeline(places: readonly JournalPlace[], subject: TraceSubject): Timeline {
  const lines: TimelineLine[] = [];
  const standing: Standing[] = [];
  const cut: string[] = [];
  const dropped = new Set<string>();
  const unread: { name: string; reason: string }[] = [];
  const names = new Map<string, string>();
  for (const place of places) {
    try {
      const { ledger, isWhole, rows } = readHistoryWhere(place, orDropped(condition(subject)));
      names.set(ledger, place.name);
      if (!isWhole) cut.push(place.name);
      const node = place.name;
      for (const { atMs, stage, id, seq, session, peer, transferSeq } of rows) {
        if (stage === DROPPED_STAGE) dropped.add(node);
        else lines.push({ atMs, node, ledger, stage, entity: id, seq, session, peer, transferSeq });
      }
      standing.push(...readStanding(place, subject));
    } catch (error) {
      unread.push({ name: place.name, reason: reasonOf(error) });
    }
  }
  const ofTransfer = lines.filter((line) => isOfTransfer(line, subject));
  const named = ofTransfer.map((line) => ({ ...line, peer: names.get(line.peer) ?? shortLedger(line.peer) }));
  return { subject, lines: ordered(named), standing, cut, dropped: [...dropped], unread };
}

export function subjectText(subject: TraceSubject): string {
  if (subject.kind === 'transfer') return `transfer ${subject.source}>${subject.target}:${subject.transferSeq}`;
  return `${subject.kind} ${idText(subject.id)}`;
}

interface Condition {
  readonly where: string;
  readonly values: readonly unknown[];
}

/** A line that is missing may have been one of these. */
function orDropped({ where, values }: Condition): Condition {
  return { where: `(${where}) OR stage = '${DROPPED_STAGE}'`, values };
}

function condition(subject: TraceSubject): Condition {
  if (subject.kind === 'entity') return { where: 'id = ?', values: [subject.id] };
  if (subject.kind === 'session') return { where: 'session = ?', values: [subject.id] };
  return { where: 'transfer_seq = ?', values: [subject.transferSeq] };
}

/** Both sides tell of a transfer, each with the other as its peer; the number belongs to the source. */
function isOfTransfer({ ledger, peer }: TimelineLine, subject: TraceSubject): boolean {
  if (subject.kind !== 'transfer') return true;
  const { source, target } = subject;
  return (
    (ledger.startsWith(source) && peer.startsWith(target)) || (ledger.startsWith(target) && peer.startsWith(source))
  );
}

/**
 * By sequence first, because clocks of nodes differ and sequences do not; lines of one sequence by time. Lines without
 * a sequence stay where their time puts them.
 */
function ordered(lines: readonly TimelineLine[]): TimelineLine[] {
  const entities = new Set(lines.map(({ entity }) => entity));
  const bySeq = entities.size <= 1 && lines.every(({ seq }) => seq > 0);
  return lines.toSorted((left, right) =>
    bySeq && left.seq !== right.seq ? left.seq - right.seq : left.atMs - right.atMs,
  );
}
