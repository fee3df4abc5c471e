/** What the auditor may find. docs/AUDIT.md says of each code what it means and what to do. */

/** A disproof is certain: no order of events without a fault leads to what was seen. */
export const DISPROOFS = [
  'DOUBLED',
  'LOST',
  'SEQ_TWICE',
  'SEQ_GAP',
  'SEQ_BACK',
  'ACTIVATION_TWICE',
  'ACCOUNT_TWICE',
  'TRANSFER_AHEAD',
  'OUTBOX_COLLECTED',
  'OUTBOX_STALE',
  'OUTBOX_LEFT',
  'INBOX_LEFT',
  'MESSAGE_LEFT',
  'NOT_ACTIVE',
  'UNRECORDED',
  'INPUT_TWICE',
  'INPUT_UNSENT',
  'INPUT_BACK',
  'INPUT_LOST',
  'MARK_AHEAD',
  'MARK_BACK',
  'RECORD_CORRUPT',
  'RECORD_MISMATCH',
  'LEDGER_TWICE',
] as const;

/** A doubt says what could not be judged, and why. */
export const DOUBTS = [
  'UNREAD',
  'QUARANTINED',
  'HISTORY_CUT',
  'HISTORY_TORN',
  'NODE_DOWN',
  'IMPORT_LEFT',
  'NOT_SETTLED',
] as const;

export type FindingCode = (typeof DISPROOFS)[number] | (typeof DOUBTS)[number];

export interface Finding {
  readonly code: FindingCode;
  /** 0 when it is about no single entity. */
  readonly entity: number;
  readonly text: string;
  /** Where copies of the entity are, as the second pass saw them. */
  readonly copies: readonly string[];
}

const CERTAIN: ReadonlySet<string> = new Set(DISPROOFS);

export function isDisproof({ code }: Pick<Finding, 'code'>): boolean {
  return CERTAIN.has(code);
}

/** Entities that one reason makes fail in great number are named up to here; the rest is counted. */
export const FINDINGS_PER_CODE_MAX = 50;

/** Findings, of which each code keeps the first few and counts all. */
export class Findings {
  readonly #kept: Finding[] = [];
  readonly #counts = new Map<FindingCode, number>();

  add(code: FindingCode, finding: { entity?: number; text: string; copies?: readonly string[] }): void {
    const count = (this.#counts.get(code) ?? 0) + 1;
    this.#counts.set(code, count);
    if (count > FINDINGS_PER_CODE_MAX) return;
    this.#kept.push({ code, entity: finding.entity ?? 0, text: finding.text, copies: finding.copies ?? [] });
  }

  get all(): readonly Finding[] {
    return this.#kept;
  }

  get counts(): ReadonlyMap<FindingCode, number> {
    return this.#counts;
  }
}

/** `incarnation:counter`, as logs and the viewer write an entity or session. */
export function idText(id: number): string {
  return `${Math.floor(id / 2 ** 32)}:${id % 2 ** 32}`;
}

/** The first digits of a ledger, enough to tell ledgers of one cluster apart. */
export function shortLedger(ledger: string): string {
  return ledger.slice(0, 8);
}
