/**
 * The words of the handover protocol: what nodes say to each other, what they write down, and what the core hears and
 * asks for. docs/HANDOVER.md tells the protocol; handover.core.ts decides by it; peer-message.wire.ts gives it bytes.
 *
 *   event ──▶ step(state, event, effects) ──▶ effects, to be carried out in order
 *
 * A `send` is only ever asked for when what it says may be said: the core itself waits for `stable`. So the shell may carry
 * out every effect at once, in order, and needs no rules of its own.
 */
import type { EntityId } from '../base/brand.ts';

declare const brand: unique symbol;

/** A node's small number, 1 … NODES_MAX, given out once for its name by the directory. 0 means none, or this node. */
export type NodeNumber = number & { readonly [brand]?: 'NodeNumber' };
/** Identity of a journal: 128 random bits as 32 lower-case hex digits, made with the file. */
export type Ledger = string & { readonly [brand]?: 'Ledger' };
/** `gatewayIncarnation * 2^32 + counter`, like an EntityId: never repeats in a cluster. 0 is no session. */
export type SessionId = number & { readonly [brand]?: 'SessionId' };

export const NODES_MAX = 63;
export const LEDGER_BYTES = 16;
/** Items in one COMMIT; the rest of a tick's batch goes in further ones. */
export const COMMIT_ITEMS_MAX = 1024;
/** Bytes of records in one COMMIT, unless a single record is larger. */
export const COMMIT_BYTES_MAX = 1 << 20;
/** Credits a target is taken to grant on a new link, until it says otherwise: items that may be unconfirmed. */
export const CREDITS_DEFAULT = 1024;
export const RECORD_BYTES_MAX = 1 << 20;
/** Ledgers that have sent durable messages to one entity and are remembered in its state. */
export const MARKS_MAX = 64;
/** Inputs that travel with an entity because they reached the source after the freeze. */
export const PENDING_INPUTS_MAX = 16;
export const HOPS_MAX = 4;

/** The last durable message of a sender that has acted on an entity; part of the entity's state. */
export interface Mark {
  readonly sender: Ledger;
  readonly number: number;
}

/** What an entity carries besides its record. */
export interface Passenger {
  /** Number of the last input that acted. */
  readonly lastInput: number;
  /** The node that holds the client's connection; 0 without a session. */
  readonly gateway: NodeNumber;
  readonly session: SessionId;
  /** Empty for what is no player, and for players without an account. */
  readonly account: string;
  readonly marks: readonly Mark[];
  /** The last number given to a publication of the entity, and the ledger that gave it. Without one it has published nothing. */
  readonly published?: Mark;
}

/** One entity as its owner's journal has it. `record` is the record codec's, whole. */
export interface EntityRow {
  readonly id: EntityId;
  readonly seq: number;
  readonly record: Uint8Array;
  readonly passenger: Passenger;
  /** A player who has left: owned, and not simulated. */
  readonly atRest: boolean;
}

/** A copy in transit: in the outbox of the source from RELEASED to DONE. */
export interface OutboxRow {
  /** The ledger that allocated `transferSeq`; another than the holder's own after a takeover. */
  readonly issuer: Ledger;
  readonly target: Ledger;
  readonly transferSeq: number;
  readonly targetNode: NodeNumber;
  readonly targetCell: number;
  readonly id: EntityId;
  readonly seq: number;
  readonly record: Uint8Array;
  readonly passenger: Passenger;
}

/** A transfer that was taken: kept until the source's low watermark passes it. */
export interface InboxRow {
  readonly source: Ledger;
  readonly transferSeq: number;
  readonly id: EntityId;
  readonly seq: number;
}

/** A durable message to an entity, in its sender's journal until it has acted stably. */
export interface MessageRow {
  /** Of the sender's ledger, dense, never reused. */
  readonly number: number;
  /** The ledger that issued the number; another than the holder's own after a takeover. */
  readonly issuer: Ledger;
  readonly entity: EntityId;
  /** Index of the event in the world's schema. */
  readonly event: number;
  readonly payload: Uint8Array;
}

/** What world code told the outside of an entity, and the sink has not taken yet. */
export interface PublicationRow {
  readonly entity: EntityId;
  /** Of the entity, dense, from 1; with it the publication's id. */
  readonly number: number;
  /** The ledger that gave the number before, and so knows when all before this one are delivered; empty for the first. */
  readonly behind: Ledger;
  readonly name: string;
  /** JSON: it needs no schema to be read, whoever delivers it. */
  readonly body: string;
  /** UTC, for people. */
  readonly publishedMs: number;
  /** The sink refused it too often: it waits for a command. */
  readonly isParked: boolean;
}

export interface PublicationId {
  readonly entity: EntityId;
  readonly number: number;
}

/** What the simulation published: the core numbers it. */
export type NewPublication = Pick<PublicationRow, 'name' | 'body' | 'publishedMs'>;

/** The frozen answers of a ledger that was taken over. */
export interface ImportRow {
  readonly ledger: Ledger;
  readonly inbox: readonly InboxRow[];
  /** Per source ledger: everything at or below is known to have been resolved. */
  readonly watermarks: readonly (readonly [source: Ledger, value: number])[];
}

/** Everything in a journal, as recovery or a takeover finds it. */
export interface JournalContent {
  readonly ledger: Ledger;
  /** The incarnation that wrote last. */
  readonly incarnation: number;
  /** Position of the last batch. */
  readonly position: number;
  readonly entities: readonly EntityRow[];
  readonly outbox: readonly OutboxRow[];
  readonly inbox: readonly InboxRow[];
  readonly watermarks: readonly (readonly [source: Ledger, value: number])[];
  readonly messages: readonly MessageRow[];
  readonly publications: readonly PublicationRow[];
  readonly imports: readonly ImportRow[];
  /** Last transferSeq given out per (issuer, target); never given out again. */
  readonly transferSeqs: readonly (readonly [issuer: Ledger, target: Ledger, last: number])[];
  /** Last number given to a durable message. */
  readonly messageNumber: number;
}

/** One change of the journal. All writes of one `journal` effect are one transaction. */
export type JournalWrite =
  /** Inserts or replaces: birth, checkpoint, rest. */
  | { readonly kind: 'entity'; readonly row: EntityRow }
  | { readonly kind: 'despawn'; readonly id: EntityId }
  /** Deletes the entity and inserts the outbox row; raises the last transferSeq of (issuer, target). */
  | { readonly kind: 'release'; readonly row: OutboxRow }
  /** Inserts entity and inbox row, deletes outbox rows of the entity with a lower seq. */
  | { readonly kind: 'accept'; readonly row: EntityRow; readonly from: InboxRow }
  /** Deletes the outbox row: the target's record is stable. */
  | { readonly kind: 'done'; readonly issuer: Ledger; readonly target: Ledger; readonly transferSeq: number }
  /** Deletes the outbox row and inserts the entity, with its seq raised. */
  | {
      readonly kind: 'reclaim';
      readonly issuer: Ledger;
      readonly target: Ledger;
      readonly transferSeq: number;
      readonly row: EntityRow;
    }
  /** Raises the watermark of a source and deletes its inbox rows at or below. */
  | { readonly kind: 'watermark'; readonly source: Ledger; readonly value: number }
  /** A whole ledger taken over. Entities come with their seq raised. */
  | {
      readonly kind: 'import';
      readonly frozen: ImportRow;
      readonly entities: readonly EntityRow[];
      readonly outbox: readonly OutboxRow[];
      readonly messages: readonly MessageRow[];
      readonly publications: readonly PublicationRow[];
      readonly imports: readonly ImportRow[];
      readonly transferSeqs: JournalContent['transferSeqs'];
    }
  /** Empties the frozen answers of an import. Its row stays (a tombstone): no ledger is ever imported twice. */
  | { readonly kind: 'importDone'; readonly ledger: Ledger }
  | { readonly kind: 'message'; readonly row: MessageRow }
  | { readonly kind: 'messageDone'; readonly issuer: Ledger; readonly number: number }
  /** Inserts or replaces, in the batch of the entity's row. */
  | { readonly kind: 'publication'; readonly row: PublicationRow }
  /** The sink has it. */
  | { readonly kind: 'publicationDone'; readonly entity: EntityId; readonly number: number }
  /** History for `worldmesh trace`, written by the shell beside what it tells of; the oldest rows are dropped. */
  | { readonly kind: 'trace'; readonly row: TraceRow };

/** One line of an entity's history. */
export interface TraceRow {
  /** UTC, for people; nothing decides by it. */
  readonly atMs: number;
  readonly stage: string;
  readonly id: EntityId;
  readonly seq: number;
  readonly session: SessionId;
  /** The other side, or empty. */
  readonly peer: Ledger;
  readonly transferSeq: number;
}

/** A process of the cluster, as a link or the directory knows it. */
export interface PeerIdentity {
  readonly node: NodeNumber;
  readonly ledger: Ledger;
  readonly incarnation: number;
}

export const REJECT_REASONS = ['capacity', 'notOwner', 'schema', 'corrupt', 'cancelled', 'draining'] as const;
export type RejectReason = (typeof REJECT_REASONS)[number];

export interface CommitItem {
  readonly transferSeq: number;
  readonly id: EntityId;
  readonly seq: number;
  readonly targetCell: number;
  readonly record: Uint8Array;
  readonly passenger: Passenger;
  /** Inputs that came after the freeze and before the COMMIT was cut. */
  readonly pendingInputs: readonly PendingInput[];
  /** Not on the wire: the target's shell could not read the record, and this is why the core refuses it. */
  readonly unreadable?: 'schema' | 'corrupt';
}

export interface PendingInput {
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** What goes over a link. Link frames carry source and target incarnation; see link-frame.wire.ts. */
export type PeerMessage =
  /** `ledger` issued the numbers. Leaves only when every row of it is stable. */
  | {
      readonly kind: 'commit';
      readonly ledger: Ledger;
      readonly tick: number;
      readonly lowWatermark: number;
      readonly items: readonly CommitItem[];
    }
  /** The answer to COMMIT, to repeats and to CANCEL; numbers are of `ledger`. */
  | {
      readonly kind: 'ack';
      readonly ledger: Ledger;
      readonly accepted: readonly number[];
      readonly confirmed: readonly number[];
      readonly rejected: readonly {
        readonly transferSeq: number;
        readonly reason: RejectReason;
        readonly hint: NodeNumber;
      }[];
      /** Items more that the sender of this ACK would take now. */
      readonly credits: number;
    }
  | { readonly kind: 'cancel'; readonly ledger: Ledger; readonly transferSeqs: readonly number[] }
  /** What `ledger` has resolved durably towards the receiver. */
  | { readonly kind: 'collect'; readonly ledger: Ledger; readonly lowWatermark: number }
  /** Asked of the successor of `target`. */
  | {
      readonly kind: 'resolve';
      readonly source: Ledger;
      readonly target: Ledger;
      readonly transferSeqs: readonly number[];
    }
  | {
      readonly kind: 'resolved';
      readonly source: Ledger;
      readonly target: Ledger;
      readonly accepted: readonly number[];
      readonly notFound: readonly number[];
    }
  /** Asked by the holder of an import: may anybody you speak for still ask what `ledger` took? */
  | { readonly kind: 'importNeeded'; readonly ledger: Ledger }
  /** Nothing of `speaksFor` is open towards `ledger`, durably, and nothing will be. */
  | { readonly kind: 'importUnneeded'; readonly ledger: Ledger; readonly speaksFor: readonly Ledger[] }
  /** A durable message; sent again until acknowledged. `hops` counts owners that did not have the entity. */
  | { readonly kind: 'event'; readonly row: MessageRow; readonly hops: number }
  | { readonly kind: 'eventDone'; readonly issuer: Ledger; readonly numbers: readonly number[] }
  /** Owner unknown here. */
  | { readonly kind: 'moved'; readonly entity: EntityId; readonly seq: number; readonly hint: NodeNumber }
  | { readonly kind: 'locate'; readonly entity: EntityId }
  | {
      readonly kind: 'found';
      readonly entity: EntityId;
      readonly node: NodeNumber;
      readonly seq: number;
      readonly incarnation: number;
    }
  /** Asked of the holder of `ledger`: are all publications of the entity up to `number` delivered (or parked)? */
  | { readonly kind: 'publicationsAsked'; readonly asked: readonly (PublicationId & { readonly ledger: Ledger })[] }
  | { readonly kind: 'publicationsSettled'; readonly settled: readonly PublicationId[] }
  /** The journal stream to a buddy: batches from position `from` on; and its acknowledgement. */
  | {
      readonly kind: 'stream';
      readonly ledger: Ledger;
      readonly from: number;
      readonly batches: readonly (readonly JournalWrite[])[];
    }
  | { readonly kind: 'streamed'; readonly ledger: Ledger; readonly position: number }
  /** The buddy barrier: cut your copy back to this content. */
  | { readonly kind: 'streamReset'; readonly content: JournalContent };

/** One lease as the directory has it. */
export interface LeaseView {
  readonly node: NodeNumber;
  readonly ledger: Ledger;
  readonly incarnation: number;
  /** Grows with each renewal; what compare-and-swap compares. */
  readonly version: number;
  readonly state: 'active' | 'fenced';
  readonly successor: NodeNumber;
  /** Of the successor's ledger when fenced, else empty. */
  readonly successorLedger: Ledger;
  readonly isProtected: boolean;
  readonly buddy: NodeNumber;
}

/** The state of an entity, and what it published since the last. */
export interface CheckpointRow extends EntityRow {
  readonly publications?: readonly NewPublication[];
}

/** What the core hears. */
export type CoreEvent =
  /** Recovery: first event. Entities of the content become active (unless in doubt), outbox rows are sent again. */
  | { readonly kind: 'start'; readonly me: PeerIdentity; readonly content: JournalContent }
  /** The simulation froze these for one target. Their records carry the new seq, `seq`. */
  | {
      readonly kind: 'release';
      readonly tick: number;
      readonly target: PeerIdentity;
      readonly items: readonly {
        readonly id: EntityId;
        readonly seq: number;
        readonly targetCell: number;
        readonly record: Uint8Array;
        readonly passenger: Passenger;
        readonly pendingInputs: readonly PendingInput[];
        readonly publications?: readonly NewPublication[];
      }[];
    }
  /** New or changed state of owned entities. A row of an entity that is not owned (any more) is ignored. */
  | { readonly kind: 'checkpoint'; readonly rows: readonly CheckpointRow[] }
  | {
      readonly kind: 'despawn';
      readonly ids: readonly EntityId[];
      /** Last words of some of them. */
      readonly publications?: ReadonlyMap<EntityId, readonly NewPublication[]>;
    }
  /** The sink has taken these; has refused these too often; or these are to be tried again (all that are parked, without ids). */
  | { readonly kind: 'publicationsTaken'; readonly ids: readonly PublicationId[] }
  | { readonly kind: 'publicationsRefused'; readonly ids: readonly PublicationId[] }
  | { readonly kind: 'publicationsReplayed'; readonly ids: readonly PublicationId[] | undefined }
  /** World code sends durable messages. */
  | {
      readonly kind: 'emit';
      readonly messages: readonly {
        readonly entity: EntityId;
        readonly event: number;
        readonly payload: Uint8Array;
        readonly hint: NodeNumber;
      }[];
    }
  /** Everything up to this position of the journal is fsynced. */
  | { readonly kind: 'fsynced'; readonly position: number }
  | { readonly kind: 'linkUp'; readonly peer: PeerIdentity }
  | { readonly kind: 'linkDown'; readonly peer: PeerIdentity }
  /** `toIncarnation`: whom the frame addressed; given, the core drops what was meant for an earlier process. */
  | {
      readonly kind: 'message';
      readonly from: PeerIdentity;
      readonly toIncarnation?: number;
      readonly message: PeerMessage;
    }
  | { readonly kind: 'directory'; readonly leases: readonly LeaseView[] }
  /** The journal of a fenced ledger whose successor this node is was read. */
  | { readonly kind: 'takeover'; readonly content: JournalContent }
  /** As buddy: what `copy` or `copyReset` asked for is fsynced up to this position. `incarnation` as they named it. */
  | { readonly kind: 'copied'; readonly ledger: Ledger; readonly incarnation: number; readonly position: number }
  /** The directory did not take `protect`, and will not. */
  | { readonly kind: 'protectRefused' }
  /** The answer to `readJournal`: the content after everything that was asked for until then. */
  | { readonly kind: 'journalRead'; readonly content: JournalContent }
  /** How many more entities fit: asked of the simulation once a tick. */
  | { readonly kind: 'room'; readonly entities: number; readonly isDraining: boolean }
  /** Monotonic milliseconds. */
  | { readonly kind: 'time'; readonly nowMs: number };

/** What the core asks for. */
export type CoreEffect =
  | { readonly kind: 'journal'; readonly position: number; readonly writes: readonly JournalWrite[] }
  | { readonly kind: 'send'; readonly to: PeerIdentity; readonly message: PeerMessage }
  /** The entity is this node's to simulate, from its next tick on. */
  | {
      readonly kind: 'activate';
      readonly cause: 'recovery' | 'handover' | 'reclaim' | 'takeover';
      readonly row: EntityRow;
      readonly targetCell: number;
      readonly pendingInputs: readonly PendingInput[];
    }
  /** The transfer is resolved; a pointer to the new owner may be kept for a while. */
  | { readonly kind: 'moved'; readonly id: EntityId; readonly seq: number; readonly node: NodeNumber }
  /** A durable message for an entity that this node owns. The simulation applies it once, by the entity's marks. */
  | { readonly kind: 'deliver'; readonly row: MessageRow }
  /** For the sink, in order per entity. Answered by `publicationsTaken` or `publicationsRefused`; a new process offers anew. */
  | { readonly kind: 'offer'; readonly rows: readonly PublicationRow[] }
  /**
   * How many the simulation may release towards this node, on top of the releases that the core has heard of. Said when
   * it changes by anything but a release, so a counter moves by the difference to the last said less what was released.
   */
  | { readonly kind: 'credits'; readonly node: NodeNumber; readonly credits: number }
  /** Become unprotected, by compare-and-swap on the own lease. */
  | { readonly kind: 'unprotect' }
  | { readonly kind: 'protect'; readonly buddy: NodeNumber }
  /** As buddy: append to the copy of that ledger, from this position on; `copied` tells when it is fsynced. */
  | {
      readonly kind: 'copy';
      readonly ledger: Ledger;
      /** Of the process that streams. */
      readonly incarnation: number;
      readonly from: number;
      readonly batches: readonly (readonly JournalWrite[])[];
    }
  /** As buddy: make or cut back the copy of that ledger to this content. */
  | { readonly kind: 'copyReset'; readonly incarnation: number; readonly content: JournalContent }
  /** Asks for `journalRead`: a buddy needs a copy of everything. */
  | { readonly kind: 'readJournal' }
  /** A stage of a handover, for metrics and traces. `peer` is the other side's ledger. */
  | {
      readonly kind: 'stage';
      readonly side: 'source' | 'target';
      readonly stage: 'released' | 'stable' | 'sent' | 'accepted' | 'confirmed' | 'done' | 'rejected' | 'reclaimed';
      readonly id: EntityId;
      readonly seq: number;
      readonly peer: Ledger;
      readonly transferSeq: number;
    }
  /** This process may not go on: it was fenced, or its journal failed. */
  | { readonly kind: 'stop'; readonly reason: string };

/** Rules that the simulation removes to see that it notices. Empty outside of tests. */
export const MUTATIONS = [
  'commitBeforeReleased',
  'confirmBeforeOwned',
  'watermarkBeforeRemoval',
  'dedupWithoutWatermark',
  'unboundMessages',
  'cancelBeforeReleased',
  'reclaimOnTimer',
  'cleanUpOnTimer',
  'releasedNotAtBuddy',
  'confirmedNotAtBuddy',
  'takeoverBeforeLeaseEnd',
  'noBuddyBarrier',
  'protectionChangedLocally',
  'noCutOff',
  'leaseFromReceipt',
  'fenceWithoutVersion',
  'observerTooEarly',
  'noReceiverFencing',
  'publishOutOfOrder',
  'publishBeforeStable',
  'goesOnAfterHandIn',
] as const;
export type Mutation = (typeof MUTATIONS)[number];
export const NO_MUTATIONS: ReadonlySet<Mutation> = new Set();
