/**
 * The handover core: one node's part in moving entities between nodes so that each has exactly one active copy,
 * whatever crashes. Pure: docs/HANDOVER.md is the protocol, protocol.ts the contract, the shell a loop that obeys.
 *
 *   release ─┐                                                    ┌─▶ journal (one batch a step, last)
 *   checkpoint, despawn, emit                                     ├─▶ send
 *   message ─┼─▶ step ─▶ handler ─▶ what became stable, in order ─┼─▶ activate, moved, deliver
 *   fsynced ─┤                                                    ├─▶ credits
 *   linkUp, linkDown, directory, takeover, room, time             └─▶ protect, unprotect, copy, stage, stop
 *
 * Rooms: -source and -commit (leaving), -target (arriving), -takeover and -resolve (fenced ledgers), -buddy (stable
 * beyond this machine), -messages and -marks (durable messages), -publications (to the outside), -flow and -timers (liveness), -recovery (start).
 *
 * Rules R0–R9 hold; the fast path R10 (INTENT) is left out: every COMMIT waits for RELEASED.
 */
import { assert, unreachable } from '../base/assert.ts';
import type { EntityId } from '../base/brand.ts';
import { Random } from '../base/random.ts';
import {
  onCopied,
  onJournalRead,
  onProtectRefused,
  onStream,
  onStreamReset,
  onStreamed,
  streamBatch,
} from './handover-buddy.core.ts';
import { checkAll, hearDirectory, linkDown, linkUp, runIfSafe } from './handover-cluster.core.ts';
import { sayCredits } from './handover-flow.core.ts';
import { endMarks, noteMarks } from './handover-marks.core.ts';
import {
  emit,
  onActed,
  onEvent,
  onEventDone,
  onFound,
  onLocate,
  onMoved,
  queueMessages,
} from './handover-messages.core.ts';
import { noteEnd } from './handover-pointers.core.ts';
import {
  offerPublications,
  onPublicationsAsked,
  onPublicationsSettled,
  onSinkAnswer,
  publish,
  queuePublications,
  withPublished,
} from './handover-publications.core.ts';
import { start } from './handover-recovery.core.ts';
import { onImportNeeded, onImportUnneeded, onResolve, onResolved } from './handover-resolve.core.ts';
import { onAck, onReclaimed, onReleased, onRemoved, onReturned, release } from './handover-source.core.ts';
import { takeStable } from './handover-stable.core.ts';
import { holderOf, incomingOf, isBlocked, write } from './handover-state.core.ts';
import type { HandoverState, MessageBetweenRunning, Waiting } from './handover-state.core.ts';
import { onImported, takeOver } from './handover-takeover.core.ts';
import { onAcceptedStable, onCancel, onCommit, onRoom, raiseWatermark } from './handover-target.core.ts';
import { CREDITS_DEFAULT, NO_MUTATIONS } from './protocol.ts';
import type { CheckpointRow, CoreEffect, CoreEvent, Ledger, Mutation, PeerIdentity, PeerMessage } from './protocol.ts';

export { describe } from './handover-describe.core.ts';
export { ledgersToTake } from './handover-takeover.core.ts';
export type { HandoverState } from './handover-state.core.ts';

/** Messages that wait while this process recovers; what is beyond is said again by timers, later. */
const HELD_MESSAGES_MAX = 4_096;

export interface HandoverOptions {
  /** Rules left out, in tests. */
  readonly mutations?: ReadonlySet<Mutation>;
  /** Of the jitter of timers. */
  readonly seed?: number;
  /** Ask for a buddy whenever there is none. Without it, protection is only what the directory says. */
  readonly wantsBuddy?: boolean;
  /** To and from one node: handovers under way at once. */
  readonly handoversMax?: number;
}

export function createHandover({
  mutations = NO_MUTATIONS,
  seed = 1,
  wantsBuddy = false,
  handoversMax = CREDITS_DEFAULT,
}: HandoverOptions = {}): HandoverState {
  return {
    mutations,
    random: new Random(seed),
    wantsBuddy,
    handoversMax,
    phase: 'new',
    me: { node: 0, ledger: '', incarnation: 0 },
    nowMs: 0,
    position: 0,
    fsynced: 0,
    writes: [],
    waiting: { releases: { items: [], head: 0 }, accepts: { items: [], head: 0 }, others: { items: [], head: 0 } },
    owned: new Map(),
    outgoing: new Map(),
    returning: new Set(),
    targets: new Map(),
    links: new Map(),
    creditsChanged: new Set(),
    incoming: new Map(),
    imports: new Map(),
    heldMessages: [],
    heldTakeovers: [],
    isImporting: false,
    resolveAtMs: 0,
    leases: new Map(),
    stream: {
      buddy: 0,
      incarnation: 0,
      mode: 'off',
      acked: 0,
      isArmed: false,
      armedAt: 0,
      isProtectAsked: false,
      unacked: [],
      content: undefined,
      owesSinceMs: -1,
      retryAtMs: 0,
    },
    copies: new Map(),
    messageNumber: 0,
    messages: new Map(),
    messageOf: new Map(),
    messagesCheckAtMs: 0,
    deliveries: new Map(),
    marks: new Map(),
    published: new Map(),
    publications: new Map(),
    publicationsReady: new Set(),
    publicationsBlocked: new Set(),
    publicationsOffered: 0,
    publicationsAskAtMs: 0,
    publicationCounts: { rows: 0, sizeBytes: 0, parked: 0 },
    pointers: new Map(),
    ended: new Map(),
    room: CREDITS_DEFAULT,
    isDraining: false,
    grantsSaid: new Map(),
    recovered: [],
    recoveredMessages: [],
    recoveredPublications: [],
    violationCount: 0,
  };
}

/** Hears one event and appends what is to be done, in order. The state is changed in place. */
export function step(state: HandoverState, event: CoreEvent, effects: CoreEffect[]): void {
  stepTogether(state, [event], effects);
}

/**
 * Hears what the simulation did in one tick as one: a single batch, so that a giver's purse and the message about the gift
 * are on disk together, and at the buddy together, or neither is.
 */
export function stepTogether(state: HandoverState, events: readonly CoreEvent[], effects: CoreEffect[]): void {
  if (state.phase === 'stopped') return;
  for (const event of events) handle(state, event, effects);
  if (state.phase === 'running' && state.heldMessages.length > 0) hearHeld(state, effects);
  for (let item = takeStable(state); item !== undefined; item = takeStable(state)) onStable(state, item, effects);
  offerPublications(state, effects);
  flush(state, effects);
  if (state.creditsChanged.size > 0) sayCredits(state, effects);
}

/** Whether the simulation may run: its departures are heard from then on. */
export function isRunning(state: HandoverState): boolean {
  return state.phase === 'running';
}

function flush(state: HandoverState, effects: CoreEffect[]): void {
  if (state.writes.length === 0) return;
  const { writes } = state;
  state.writes = [];
  state.position += 1;
  effects.push({ kind: 'journal', position: state.position, writes });
  streamBatch(state, effects, state.position, writes);
}

function handle(state: HandoverState, event: CoreEvent, effects: CoreEffect[]): void {
  if (event.kind === 'start') {
    start(state, event);
    return;
  }
  assert(state.phase !== 'new', `${event.kind} before start`);
  switch (event.kind) {
    case 'release':
      assertRunning(state, event.kind);
      release(state, effects, event);
      return;
    case 'checkpoint':
      assertRunning(state, event.kind);
      checkpoint(state, event);
      return;
    case 'despawn':
      assertRunning(state, event.kind);
      despawn(state, event);
      return;
    case 'emit':
      assertRunning(state, event.kind);
      emit(state, event);
      return;
    case 'publicationsTaken':
    case 'publicationsRefused':
    case 'publicationsReplayed':
      onSinkAnswer(state, event);
      return;
    case 'fsynced':
      assert(event.position <= state.position, `position ${event.position} was never written`);
      state.fsynced = Math.max(state.fsynced, event.position);
      return;
    case 'linkUp':
      linkUp(state, effects, event.peer);
      return;
    case 'linkDown':
      linkDown(state, event.peer);
      return;
    case 'message':
      if (isAddressed(state, event)) hear(state, effects, event.from, event.message);
      return;
    case 'directory':
      hearDirectory(state, effects, event.leases);
      return;
    case 'takeover':
      takeOver(state, effects, event.content);
      return;
    case 'copied':
      onCopied(state, effects, event);
      return;
    case 'journalRead':
      onJournalRead(state, effects, event.content);
      return;
    case 'protectRefused':
      onProtectRefused(state);
      return;
    case 'room':
      onRoom(state, effects, event.entities, event.isDraining);
      return;
    case 'time':
      // The first time there is: what began before begins now.
      if (state.nowMs === 0 && state.stream.owesSinceMs === 0) state.stream.owesSinceMs = event.nowMs;
      state.nowMs = Math.max(state.nowMs, event.nowMs);
      checkAll(state, effects);
      return;
    default:
      unreachable(event);
  }
}

/** The simulation has nothing to act on before; a shell that passes its words on too early would lose them. */
function assertRunning(state: HandoverState, kind: string): void {
  assert(state.phase === 'running', `${kind} while ${state.phase}`);
}

/** R6: between two processes, on the session that is up. R8: nothing from a fenced one. */
function isAddressed(state: HandoverState, { from, toIncarnation }: Extract<CoreEvent, { kind: 'message' }>): boolean {
  if (isBlocked(state, from.ledger)) return false;
  if (state.mutations.has('unboundMessages')) return true;
  if (toIncarnation !== undefined && toIncarnation !== state.me.incarnation) return false;
  const link = state.links.get(from.node);
  return link !== undefined && link.incarnation === from.incarnation && link.ledger === from.ledger;
}

function hear(state: HandoverState, effects: CoreEffect[], from: PeerIdentity, message: PeerMessage): void {
  // A buddy and its node bring each other up: the barrier is what they talk about before they run.
  switch (message.kind) {
    case 'stream':
      onStream(state, effects, from, message);
      return;
    case 'streamReset':
      onStreamReset(state, effects, from, message.content);
      return;
    case 'streamed':
      if (message.ledger !== state.me.ledger) return;
      onStreamed(state, effects, from, message.position);
      if (state.phase === 'barrier') runIfSafe(state, effects);
      return;
    default:
      // R4, R9: not before it runs. A session says most things once, so they wait.
      if (state.phase === 'running') hearRunning(state, effects, from, message);
      else if (state.heldMessages.length < HELD_MESSAGES_MAX) state.heldMessages.push({ from, message });
  }
}

/** What came before this process ran, on sessions that are still up. */
function hearHeld(state: HandoverState, effects: CoreEffect[]): void {
  const held = state.heldMessages;
  state.heldMessages = [];
  for (const { from, message } of held) {
    if (state.links.get(from.node)?.incarnation === from.incarnation) hearRunning(state, effects, from, message);
  }
}

function hearRunning(
  state: HandoverState,
  effects: CoreEffect[],
  from: PeerIdentity,
  message: MessageBetweenRunning,
): void {
  switch (message.kind) {
    case 'commit':
      if (speaksFor(state, from, message.ledger)) onCommit(state, effects, from, message);
      return;
    case 'cancel':
      if (speaksFor(state, from, message.ledger)) onCancel(state, effects, from, message);
      return;
    case 'collect':
      if (speaksFor(state, from, message.ledger)) {
        raiseWatermark(state, incomingOf(state, message.ledger), message.lowWatermark);
      }
      return;
    case 'ack':
      onAck(state, effects, from, message);
      return;
    case 'resolve':
      if (speaksFor(state, from, message.source)) onResolve(state, effects, from, message);
      return;
    case 'resolved':
      onResolved(state, effects, from, message);
      return;
    case 'importNeeded':
      onImportNeeded(state, effects, from, message.ledger);
      return;
    case 'importUnneeded':
      onImportUnneeded(state, from, message);
      return;
    case 'event':
      onEvent(state, effects, message);
      return;
    case 'eventDone':
      onEventDone(state, effects, message);
      return;
    case 'moved':
      onMoved(state, from, message);
      return;
    case 'locate':
      onLocate(state, effects, from, message.entity);
      return;
    case 'found':
      onFound(state, message);
      return;
    case 'publicationsAsked':
      onPublicationsAsked(state, effects, from, message);
      return;
    case 'publicationsSettled':
      onPublicationsSettled(state, message);
      return;
    default:
      unreachable(message);
  }
}

/** A peer speaks for its own ledger, and for those whose successor it is. This view may lag: it will say it again. */
function speaksFor(state: HandoverState, from: PeerIdentity, ledger: Ledger): boolean {
  return ledger === from.ledger || holderOf(state, ledger) === from.ledger;
}

function onStable(state: HandoverState, item: Waiting, effects: CoreEffect[]): void {
  switch (item.kind) {
    case 'released':
      onReleased(state, effects, item.rows);
      return;
    case 'removed':
      onRemoved(state, effects, item.rows);
      return;
    case 'reclaimed':
      onReclaimed(state, effects, item.old, item.row);
      return;
    case 'returned':
      onReturned(state, effects, item);
      return;
    case 'accepted':
      onAcceptedStable(state, effects, item);
      return;
    case 'imported':
      onImported(state, effects, item);
      return;
    case 'emitted':
      queueMessages(state, effects, item.rows);
      return;
    case 'published':
      queuePublications(state, item.rows);
      return;
    case 'acted':
      onActed(state, effects, item.done);
      return;
    default:
      unreachable(item);
  }
}

function checkpoint(state: HandoverState, { rows }: Extract<CoreEvent, { kind: 'checkpoint' }>): void {
  for (const row of rows) {
    const owned = state.owned.get(row.id);
    if (owned === undefined) {
      // It left, or ended, while the row was on its way. A row of what was never here is a birth.
      if (!isUnheardOf(state, row.id) || (state.pointers.get(row.id)?.seq ?? -1) >= row.seq) continue;
      state.owned.set(row.id, row.seq);
    } else if (owned !== row.seq) continue;
    writeState(state, row);
  }
}

function isUnheardOf(state: HandoverState, id: EntityId): boolean {
  return !state.outgoing.has(id) && !state.returning.has(id) && !state.ended.has(id);
}

/** The state and what was published of it, in this order of numbers and in one batch. */
function writeState(state: HandoverState, { id, seq, record, passenger, atRest, publications }: CheckpointRow): void {
  publish(state, id, publications);
  const row = { id, seq, record, passenger: withPublished(state, id, passenger), atRest };
  const position = write(state, { kind: 'entity', row });
  noteMarks(state, { id, marks: passenger.marks, position, isLeaving: false });
}

function despawn(state: HandoverState, { ids, publications }: Extract<CoreEvent, { kind: 'despawn' }>): void {
  for (const id of ids) {
    // Who was born and ended before the journal was told of it has last words, too.
    if (state.owned.has(id) || isUnheardOf(state, id)) publish(state, id, publications?.get(id));
    state.published.delete(id);
    if (!state.owned.delete(id)) continue;
    const position = write(state, { kind: 'despawn', id });
    noteEnd(state, id);
    endMarks(state, id, position);
  }
}
