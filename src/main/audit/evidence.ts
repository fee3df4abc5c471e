/**
 * What the auditor has seen of a cluster, as plain values. Two passes over all journals and live stores:
 *
 *   live stores 1 ─▶ journals 1 ──────▶ instant ──────▶ journals 2 ─▶ live stores 2
 *
 * A sequence is never used twice, so a row that both passes saw was there all the time between them, and all such rows
 * were there together at the instant in the middle. That is what lets a moving cluster be judged.
 */

/** An entity row of a journal. Sequences are the journal's column; the record's own are beside them. */
export interface OwnedRow {
  readonly id: number;
  readonly seq: number;
  readonly recordId: number;
  readonly recordSeq: number;
  readonly lastInput: number;
  /** 0 without a session. */
  readonly session: number;
  readonly account: string;
  readonly atRest: boolean;
  readonly marks: readonly MessageMark[];
}

/** The last durable message of a sender that acted on an entity. */
export interface MessageMark {
  /** A ledger, 32 hex digits. */
  readonly sender: string;
  readonly number: number;
}

/** A copy on its way: a row of an outbox. */
export interface TransitRow {
  readonly issuer: string;
  readonly target: string;
  readonly transferSeq: number;
  readonly id: number;
  readonly seq: number;
  readonly recordId: number;
  readonly recordSeq: number;
  readonly lastInput: number;
  readonly session: number;
}

export interface TakenRow {
  readonly source: string;
  readonly transferSeq: number;
  readonly id: number;
  readonly seq: number;
}

export interface PendingMessage {
  readonly issuer: string;
  readonly number: number;
  readonly entity: number;
}

export interface LastTransfer {
  readonly issuer: string;
  readonly target: string;
  readonly last: number;
}

/** One line of history, of the journal that it stands in. */
export interface HistoryRow {
  readonly number: number;
  readonly atMs: number;
  readonly stage: string;
  readonly id: number;
  readonly seq: number;
  readonly session: number;
  readonly peer: string;
  readonly transferSeq: number;
}

/** One consistent read of one journal: everything in it at one moment. */
export interface JournalView {
  readonly name: string;
  readonly folder: string;
  readonly ledger: string;
  readonly incarnation: number;
  /** Somebody took this ledger over; what stands in it counts no more. */
  readonly isTaken: boolean;
  readonly messageNumber: number;
  readonly entities: ReadonlyMap<number, OwnedRow>;
  readonly outbox: readonly TransitRow[];
  readonly inbox: readonly TakenRow[];
  readonly watermarks: ReadonlyMap<string, number>;
  /** Ledgers whose frozen answers this journal keeps. */
  readonly imports: readonly string[];
  readonly messages: readonly PendingMessage[];
  readonly transferSeqs: readonly LastTransfer[];
  /** Entities whose row a recovery could not read and moved aside; 0 for an id that cannot be told. */
  readonly quarantined: readonly number[];
  /** Rows whose record is no record; named `table id`. */
  readonly corrupt: readonly { readonly table: string; readonly id: number; readonly reason: string }[];
}

/** An entity that a node simulates. */
export interface ActiveCopy {
  readonly id: number;
  readonly seq: number;
  /** NaN when the node does not say. */
  readonly lastInput: number;
}

/** What one node's store held, as it answered. */
export interface LiveView {
  readonly name: string;
  readonly incarnation: number;
  readonly active: ReadonlyMap<number, ActiveCopy>;
}

/** One lease as the directory has it. A node whose journal was taken has several: fenced ones, and at most one other. */
export interface MemberView {
  readonly node: number;
  readonly name: string;
  readonly ledger: string;
  readonly incarnation: number;
  readonly state: string;
  readonly folder: string;
  /** Empty when the node said none. */
  readonly clientUrl: string;
  readonly pid: number;
  readonly successor: number;
  /** UTC milliseconds by the node's clock. */
  readonly renewedAtMs: number;
}

export interface ClusterPass {
  /** Monotonic milliseconds at its begin and end. */
  readonly startMs: number;
  readonly endMs: number;
  /** UTC at its begin, to compare with what histories say. */
  readonly atMs: number;
  readonly members: readonly MemberView[];
  readonly journals: readonly JournalView[];
  readonly lives: readonly LiveView[];
  /** What could not be read, in words. */
  readonly unread: readonly { readonly name: string; readonly what: string; readonly reason: string }[];
}

/** History of one journal, and whether its beginning has been dropped. */
export interface JournalHistory {
  readonly name: string;
  readonly ledger: string;
  readonly isWhole: boolean;
  readonly rows: readonly HistoryRow[];
}

/** What an earlier audit saw: each entity's place in its line of owners. */
export interface CensusEntry {
  readonly id: number;
  readonly seq: number;
  readonly session: number;
  readonly lastInput: number;
}

/** What a client knows of its inputs. The last line of a log for an entity counts. */
export interface ClientLog {
  readonly entity: number;
  /** 0 when the client was not told. */
  readonly session: number;
  /** Number of the last input that it sent. */
  readonly sent: number;
  /** Number of the last input that a snapshot has acknowledged. */
  readonly acknowledged: number;
  /** Inputs that the world saw a second time or out of order, by its own count. */
  readonly repeats: number;
}

export interface ClusterEvidence {
  readonly passes: readonly [ClusterPass, ClusterPass];
  readonly histories: readonly JournalHistory[];
  /** The same, read again while a sequence was missing in them, else none: what moved between their readings is in the next one. */
  readonly laterHistories: readonly JournalHistory[];
  readonly census: readonly CensusEntry[];
  readonly clients: readonly ClientLog[];
  /** Entities that neither the second pass nor further looks found, and how many looks there were. */
  readonly sought: ReadonlyMap<number, number>;
  /** Undefined for a cluster that moves. */
  readonly settle: Settle | undefined;
  readonly outboxAgeMsMax: number;
}

/** How a cluster was found that ought to be quiet. */
export interface Settle {
  /** The first look; what it saw in transit and is there still has not been resolved. */
  readonly earliest: ClusterPass;
  /** Some look saw nothing in transit and nothing to collect. */
  readonly isQuiet: boolean;
}
