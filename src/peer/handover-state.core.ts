/**
 * What the handover core remembers, and the two ways in which it changes the world: `write` and `send`.
 *
 *   targets    per ledger that we release to    ─▶ channels, one per issuer ─▶ outbox rows by transferSeq
 *   incoming   per ledger that releases to us   ─▶ inbox rows, watermark, refusals of this incarnation
 *   owned      what this node's simulation acts on (latest record in the log is OWNED, and it was activated)
 *   outgoing   entity ─▶ its outbox rows, the youngest first
 *   waiting    what happens when a position of the journal is stable, in the order of the journal
 *
 * Invariant: an entity is in `owned`, or its youngest row is in `outgoing`, or it is not here.
 * Invariant: all writes of one step are one batch, at `position + 1` until the step ends.
 */
import type { EntityId } from '../base/brand.ts';
import { assert } from '../base/assert.ts';
import type { Random } from '../base/random.ts';
import type {
  CoreEffect,
  EntityRow,
  ImportRow,
  InboxRow,
  JournalContent,
  JournalWrite,
  LeaseView,
  Ledger,
  Mark,
  MessageRow,
  Mutation,
  PublicationRow,
  NodeNumber,
  OutboxRow,
  PeerIdentity,
  PeerMessage,
  PendingInput,
  RejectReason,
} from './protocol.ts';

/** One outbox row, from RELEASING until its removal is stable. */
export interface Outgoing {
  readonly row: OutboxRow;
  readonly channel: Channel;
  readonly tick: number;
  /** Not journalled: they are the client's to repeat after a crash. */
  readonly pendingInputs: readonly PendingInput[];
  /** It was refused elsewhere with this target as hint. */
  readonly isRetargeted: boolean;
  /** `removing` and `reclaiming`: decided, and written, but not stable yet. */
  state: 'releasing' | 'released' | 'removing' | 'reclaiming';
  /** True once something that names it may have left, in this incarnation or in an earlier one. */
  mayHaveLeft: boolean;
  /** Incarnation of the target that the last COMMIT addressed; 0 is none. */
  sentTo: number;
  sentAtMs: number;
  readonly bornAtMs: number;
  isResent: boolean;
  /** The target simulates it; it may not have it on disk yet. */
  isAccepted: boolean;
  /** The same entity's row before this one. */
  older: Outgoing | undefined;
}

/** Transfers from one issuer's ledger to one target's ledger. */
export interface Channel {
  readonly issuer: Ledger;
  readonly target: Target;
  /** Last transferSeq given out. */
  last: number;
  /** Everything at or below is resolved, stably. */
  low: number;
  /** The low watermark that this session of the target has been told; -1 is none. */
  lowSaid: number;
  /** All rows above `low` whose removal is not stable, in order. */
  readonly rows: Map<number, Outgoing>;
}

export interface Breaker {
  state: 'closed' | 'open' | 'halfOpen';
  failures: number;
  openUntilMs: number;
  openForMs: number;
}

/** A ledger that we release to. */
export interface Target {
  readonly ledger: Ledger;
  /** Last known node of it. */
  node: NodeNumber;
  /** The session, or undefined while the link is down. */
  peer: PeerIdentity | undefined;
  readonly channels: Map<Ledger, Channel>;
  /** Rows that the target has not answered yet. */
  unanswered: number;
  granted: number;
  creditsSaid: number;
  readonly breaker: Breaker;
  smoothedRttMs: number;
  rttVarianceMs: number;
  /** CANCELs in a row that brought nothing. */
  attempts: number;
  checkAtMs: number;
  collectAtMs: number;
}

/** A transfer that was accepted here and is above the watermark. */
export interface Accepted {
  readonly row: InboxRow;
  isStable: boolean;
}

/** A ledger that releases to us. */
export interface Incoming {
  readonly ledger: Ledger;
  watermark: number;
  readonly rows: Map<number, Accepted>;
  /** REFUSED: holds for this incarnation. */
  readonly refused: Map<number, { readonly reason: RejectReason; readonly hint: NodeNumber }>;
}

/** The frozen answers of a ledger that was taken over. */
export interface Import {
  readonly row: ImportRow;
  readonly watermarks: ReadonlyMap<Ledger, number>;
  readonly accepted: ReadonlyMap<Ledger, ReadonlySet<number>>;
  isStable: boolean;
  /** No live ledger will ask any more: only the tombstone is left. */
  isDone: boolean;
  /** Ledgers that said that they will not ask. */
  readonly unneededBy: Set<Ledger>;
  askAtMs: number;
}

/** Durable messages of one issuer to one entity; only the first is on its way. */
export interface MessageQueue {
  readonly issuer: Ledger;
  readonly entity: EntityId;
  /** Stable and unacknowledged, in order of number. */
  readonly rows: MessageRow[];
  hint: NodeNumber;
  attempts: number;
  /** When to send the first row (again). */
  dueMs: number;
}

export interface Delivery {
  readonly issuer: Ledger;
  readonly number: number;
}

/** Publications of one entity that lie in this journal, stably. */
export interface PublicationQueue {
  readonly entity: EntityId;
  /** Not parked, in order of number. */
  readonly rows: PublicationRow[];
  /** Numbers that the sink is given, and has not answered for. */
  readonly offered: Set<number>;
  readonly parked: Map<number, PublicationRow>;
  /** Numbers that were parked once: they come late, whatever stands before them. */
  readonly replayed: Set<number>;
  /** All up to this number are known to be delivered or parked, wherever they lay. */
  settled: number;
}

export interface Pointer {
  readonly node: NodeNumber;
  readonly seq: number;
  readonly untilMs: number;
}

/** What happens once everything up to `position` is stable. */
export type Waiting =
  | { readonly kind: 'released'; readonly position: number; readonly rows: readonly Outgoing[] }
  | { readonly kind: 'removed'; readonly position: number; readonly rows: readonly Outgoing[] }
  | { readonly kind: 'reclaimed'; readonly position: number; readonly old: Outgoing; readonly row: EntityRow }
  | {
      readonly kind: 'returned';
      readonly position: number;
      readonly row: EntityRow;
      readonly targetCell: number;
      readonly pendingInputs: readonly PendingInput[];
    }
  | {
      readonly kind: 'accepted';
      readonly position: number;
      readonly from: PeerIdentity;
      readonly ledger: Ledger;
      readonly rows: readonly Accepted[];
    }
  | {
      readonly kind: 'imported';
      readonly position: number;
      readonly ledgers: readonly Ledger[];
      readonly entities: readonly EntityRow[];
      readonly outbox: readonly OutboxRow[];
      readonly transferSeqs: JournalContent['transferSeqs'];
      readonly messages: readonly MessageRow[];
      readonly publications: readonly PublicationRow[];
    }
  | { readonly kind: 'emitted'; readonly position: number; readonly rows: readonly HintedMessage[] }
  | { readonly kind: 'published'; readonly position: number; readonly rows: readonly PublicationRow[] }
  | { readonly kind: 'acted'; readonly position: number; readonly done: readonly Delivery[] };

export interface HintedMessage {
  readonly row: MessageRow;
  readonly hint: NodeNumber;
}

/** A first-in first-out list that gives its room back. */
export interface WaitingList {
  items: Waiting[];
  head: number;
}

/** What this node's buddy has of this node's journal. */
export interface StreamToBuddy {
  buddy: NodeNumber;
  /** The process of the buddy that has the copy in hand. */
  incarnation: number;
  /**
   * off: no buddy. reading: the journal is being read. copying: the buddy makes its copy. streaming: the copy is whole
   * and follows. lost: the buddy fell silent, and only the directory can end the protection.
   */
  mode: 'off' | 'reading' | 'copying' | 'streaming' | 'lost';
  /** The buddy has everything up to here on disk. */
  acked: number;
  /** Nothing is stable without the buddy any more, though the directory does not say so yet. */
  isArmed: boolean;
  /** What counted as stable when the stream was armed: the buddy must have it before `protect` is asked for. */
  armedAt: number;
  /** `protect` was asked for, and the directory has neither shown nor refused it. */
  isProtectAsked: boolean;
  /** What the buddy has not acknowledged, in order; kept to be sent again on the next session. */
  unacked: { readonly position: number; readonly writes: readonly JournalWrite[] }[];
  /** What the copy is made from; kept until the buddy has it. */
  content: JournalContent | undefined;
  /** Since when the buddy owes an answer; -1 while it owes none. */
  owesSinceMs: number;
  retryAtMs: number;
}

/** As buddy: how far the copy of another ledger is. */
export interface CopyAtBuddy {
  readonly incarnation: number;
  /** Up to where it was asked for. */
  position: number;
}

/** All but the talk of a buddy and its node, which is how a node comes to run. */
export type MessageBetweenRunning = Exclude<PeerMessage, { kind: 'stream' | 'streamReset' | 'streamed' }>;

export interface HandoverState {
  readonly mutations: ReadonlySet<Mutation>;
  readonly random: Random;
  /** Whether this node asks for a buddy when it has none. */
  readonly wantsBuddy: boolean;
  readonly handoversMax: number;
  /** Before `start`: new. Until the own lease was seen: starting. Until the buddy has the recovered log: barrier. */
  phase: 'new' | 'starting' | 'barrier' | 'running' | 'stopped';
  me: PeerIdentity;
  nowMs: number;
  /** Of the last batch asked for; of the last that is fsynced. */
  position: number;
  fsynced: number;
  writes: JournalWrite[];
  readonly waiting: { readonly releases: WaitingList; readonly accepts: WaitingList; readonly others: WaitingList };
  readonly owned: Map<EntityId, number>;
  readonly outgoing: Map<EntityId, Outgoing>;
  /** Frozen, not released after all, and not active before that is stable. */
  readonly returning: Set<EntityId>;
  readonly targets: Map<Ledger, Target>;
  /** Ledger and session of each linked node. */
  readonly links: Map<NodeNumber, PeerIdentity>;
  readonly creditsChanged: Set<Target>;
  readonly incoming: Map<Ledger, Incoming>;
  readonly imports: Map<Ledger, Import>;
  /** Takeovers wait for `running`, and for each other. */
  /** Heard before this process ran. */
  heldMessages: { readonly from: PeerIdentity; readonly message: MessageBetweenRunning }[];
  readonly heldTakeovers: JournalContent[];
  isImporting: boolean;
  /** When an open row towards a fenced ledger is asked for again. */
  resolveAtMs: number;
  readonly leases: Map<Ledger, LeaseView>;
  readonly stream: StreamToBuddy;
  readonly copies: Map<Ledger, CopyAtBuddy>;
  messageNumber: number;
  readonly messages: Map<Ledger, Map<EntityId, MessageQueue>>;
  readonly messageOf: Map<Ledger, Map<number, MessageQueue>>;
  messagesCheckAtMs: number;
  /** Handed to the simulation, not seen to have acted yet. */
  readonly deliveries: Map<EntityId, Delivery[]>;
  /** The marks in the last journalled row of an owned entity, and where that row is in the log. */
  readonly marks: Map<EntityId, { readonly marks: readonly Mark[]; readonly position: number }>;
  /** Of owned entities that have published: see Passenger. */
  readonly published: Map<EntityId, Mark>;
  readonly publications: Map<EntityId, PublicationQueue>;
  /** Queues with rows that may be offered; and those whose next row stands behind another ledger. */
  readonly publicationsReady: Set<PublicationQueue>;
  readonly publicationsBlocked: Set<PublicationQueue>;
  publicationsOffered: number;
  publicationsAskAtMs: number;
  /** Of this journal, parked ones too; written, perhaps not stable. */
  readonly publicationCounts: { rows: number; sizeBytes: number; parked: number };
  /** Where entities that left went, for a while. Volatile. */
  readonly pointers: Map<EntityId, Pointer>;
  /** Entities that ended here, for a while: what is sent to them is done. */
  readonly ended: Map<EntityId, number>;
  room: number;
  isDraining: boolean;
  /** What each linked node was last granted as target. */
  readonly grantsSaid: Map<NodeNumber, number>;
  /** Content to be activated once the phase is `running`. */
  recovered: readonly EntityRow[];
  recoveredMessages: readonly MessageRow[];
  recoveredPublications: readonly PublicationRow[];
  /** Messages that only a broken peer, or a broken rule, can send. */
  violationCount: number;
}

/** Asks for a change of the journal. Returns the position at which it will be. */
export function write(state: HandoverState, change: JournalWrite): number {
  state.writes.push(change);
  return state.position + 1;
}

/** Says it if the session is still the one that is up; else the other side hears it again after the next linkUp. */
export function send(state: HandoverState, effects: CoreEffect[], to: PeerIdentity, message: PeerMessage): void {
  const link = state.links.get(to.node);
  if (link === undefined || link.incarnation !== to.incarnation || link.ledger !== to.ledger) return;
  effects.push({ kind: 'send', to: link, message });
}

export function targetOf(state: HandoverState, ledger: Ledger, node: NodeNumber): Target {
  let target = state.targets.get(ledger);
  if (target !== undefined) return target;
  target = {
    ledger,
    node,
    peer: undefined,
    channels: new Map(),
    unanswered: 0,
    granted: 0,
    creditsSaid: 0,
    breaker: { state: 'closed', failures: 0, openUntilMs: 0, openForMs: 0 },
    smoothedRttMs: -1,
    rttVarianceMs: 0,
    attempts: 0,
    checkAtMs: 0,
    collectAtMs: 0,
  };
  state.targets.set(ledger, target);
  return target;
}

export function channelOf(target: Target, issuer: Ledger): Channel {
  let channel = target.channels.get(issuer);
  if (channel === undefined) {
    channel = { issuer, target, last: 0, low: 0, lowSaid: -1, rows: new Map() };
    target.channels.set(issuer, channel);
  }
  return channel;
}

export function incomingOf(state: HandoverState, ledger: Ledger): Incoming {
  let incoming = state.incoming.get(ledger);
  if (incoming === undefined) {
    incoming = { ledger, watermark: 0, rows: new Map(), refused: new Map() };
    state.incoming.set(ledger, incoming);
  }
  return incoming;
}

/** The ledger that answers for `ledger` now: itself, or the last of its successors. */
export function holderOf(state: HandoverState, ledger: Ledger): Ledger {
  let holder = ledger;
  // A chain is as long as there were takeovers in a row; a circle would be the directory's fault.
  for (let hops = 0; hops <= state.leases.size; hops += 1) {
    const lease = state.leases.get(holder);
    if (lease?.state !== 'fenced' || lease.successorLedger === '') return holder;
    holder = lease.successorLedger;
  }
  assert(false, `successors of ledger ${ledger} go in a circle`);
}

export function isFenced(state: HandoverState, ledger: Ledger): boolean {
  return state.imports.has(ledger) || state.leases.get(ledger)?.state === 'fenced';
}

/** Receivers fence, because no lease stops a process that sleeps between a check and its effect. */
export function isBlocked(state: HandoverState, ledger: Ledger): boolean {
  if (!isFenced(state, ledger)) return false;
  // The cut-off of R8, and what everybody else does with a fenced process.
  const isTakenHere = state.imports.has(ledger) || holderOf(state, ledger) === state.me.ledger;
  return !state.mutations.has(isTakenHere ? 'noCutOff' : 'noReceiverFencing');
}

/** The session with whoever holds `ledger`, if it is up. */
export function sessionOf(state: HandoverState, ledger: Ledger): PeerIdentity | undefined {
  return state.targets.get(ledger)?.peer;
}

/** Enters a row as the youngest of its entity. */
export function enterOutgoing(state: HandoverState, outgoing: Outgoing): void {
  const { channel, row } = outgoing;
  assert(!channel.rows.has(row.transferSeq), `transfer ${row.transferSeq} is already in the outbox`);
  channel.rows.set(row.transferSeq, outgoing);
  channel.last = Math.max(channel.last, row.transferSeq);
  const youngest = state.outgoing.get(row.id);
  if (youngest === undefined || youngest.row.seq < row.seq) {
    outgoing.older = youngest;
    state.outgoing.set(row.id, outgoing);
    return;
  }
  let before = youngest;
  while (before.older !== undefined && before.older.row.seq > row.seq) before = before.older;
  outgoing.older = before.older;
  before.older = outgoing;
}

/** Raises the low watermark past what is resolved. */
export function leaveChannel({ channel, row }: Outgoing): void {
  channel.rows.delete(row.transferSeq);
  while (channel.low < channel.last && !channel.rows.has(channel.low + 1)) channel.low += 1;
}

/** Its removal is stable: forgets the row. */
export function leaveOutgoing(state: HandoverState, outgoing: Outgoing): void {
  leaveChannel(outgoing);
  const { row } = outgoing;
  const youngest = state.outgoing.get(row.id);
  if (youngest === outgoing) {
    if (outgoing.older === undefined) state.outgoing.delete(row.id);
    else state.outgoing.set(row.id, outgoing.older);
    return;
  }
  for (let before = youngest; before !== undefined; before = before.older) {
    if (before.older !== outgoing) continue;
    before.older = outgoing.older;
    return;
  }
}

/** Open: its outcome is not decided. */
export function isOpen(outgoing: Outgoing): boolean {
  return outgoing.state === 'released' || outgoing.state === 'releasing';
}
