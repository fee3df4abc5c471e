/**
 * Durable messages: an effect on an entity of another node (loot, trade, a hit on a ghost) that acts exactly once.
 *
 *   emit ──journal──▶ queue of (issuer, entity) ──first row──▶ owner ──deliver──▶ simulation ──row with its mark, stable──▶
 *            stable         ▲    │                                                                                   │
 *                           └────┘ timer, linkUp, moved, found          messageDone, next row  ◀── eventDone ◀────────┘
 *
 * The entity's state remembers the last number of each issuer that acted, so a repeat does nothing, whatever way it
 * took. That asks for order: of one issuer, at most one message to one entity is on its way.
 */
import type { EntityId } from '../base/brand.ts';
import { markOf, noteDelivery } from './handover-marks.core.ts';
import { correctPointer, notePointer, pointerTo } from './handover-pointers.core.ts';
import { withJitter } from './handover-flow.core.ts';
import { awaitStable } from './handover-stable.core.ts';
import { holderOf, send, sessionOf, write } from './handover-state.core.ts';
import type { Delivery, HandoverState, HintedMessage, MessageQueue } from './handover-state.core.ts';
import { HOPS_MAX } from './protocol.ts';
import type { CoreEffect, CoreEvent, Ledger, MessageRow, NodeNumber, PeerIdentity, PeerMessage } from './protocol.ts';

/** Between two looks at the queues. */
const CHECK_MS = 25;
const RESEND_MS_MIN = 250;
const RESEND_MS_MAX = 2_000;
/** After a hint, or a question for one. */
const HINT_MS = 50;

export function emit(state: HandoverState, { messages }: Extract<CoreEvent, { kind: 'emit' }>): void {
  const rows: HintedMessage[] = [];
  for (const { entity, event, payload, hint } of messages) {
    state.messageNumber += 1;
    const row: MessageRow = { number: state.messageNumber, issuer: state.me.ledger, entity, event, payload };
    write(state, { kind: 'message', row });
    rows.push({ row, hint });
  }
  if (rows.length > 0) awaitStable(state, { kind: 'emitted', position: state.position + 1, rows });
}

/** The rows are stable: they may be named (R0). */
export function queueMessages(state: HandoverState, effects: CoreEffect[], rows: readonly HintedMessage[]): void {
  for (const { row, hint } of rows) {
    const queue = queueOf(state, row);
    queue.rows.push(row);
    mapOf(state.messageOf, row.issuer).set(row.number, queue);
    if (hint !== 0) queue.hint = hint;
    if (queue.rows.length === 1) sendFirst(state, effects, queue);
  }
}

export function checkMessages(state: HandoverState, effects: CoreEffect[]): void {
  if (state.nowMs < state.messagesCheckAtMs) return;
  state.messagesCheckAtMs = state.nowMs + CHECK_MS;
  for (const queues of state.messages.values()) {
    for (const queue of queues.values()) if (state.nowMs >= queue.dueMs) sendFirst(state, effects, queue);
  }
}

/** A session began: what waits may have a way now. */
export function hurryMessages(state: HandoverState, node: NodeNumber): void {
  for (const queues of state.messages.values()) {
    for (const queue of queues.values()) {
      const owner = pointerTo(state, queue.entity) || queue.hint;
      if (owner === node || owner === 0) queue.dueMs = state.nowMs;
    }
  }
}

function sendFirst(state: HandoverState, effects: CoreEffect[], queue: MessageQueue): void {
  const row = queue.rows[0];
  if (row === undefined) return;
  queue.dueMs = state.nowMs + withJitter(state, Math.min(RESEND_MS_MIN * 2 ** queue.attempts, RESEND_MS_MAX));
  queue.attempts += 1;
  if (isHere(state, queue.entity)) {
    take(state, effects, row);
    return;
  }
  const link = state.links.get(pointerTo(state, queue.entity) || queue.hint);
  // The second try asks around as well: a hint that is wrong may point at a node that is silent.
  if (link === undefined || queue.attempts > 1) locate(state, effects, queue.entity);
  if (link !== undefined) send(state, effects, link, { kind: 'event', row, hops: 0 });
}

function locate(state: HandoverState, effects: CoreEffect[], entity: EntityId): void {
  for (const link of state.links.values()) send(state, effects, link, { kind: 'locate', entity });
}

/** A message arrived: acts here, or is passed on to where the entity went. */
export function onEvent(
  state: HandoverState,
  effects: CoreEffect[],
  { row, hops }: Extract<PeerMessage, { kind: 'event' }>,
): void {
  if (isHere(state, row.entity)) {
    take(state, effects, row);
    return;
  }
  const node = pointerTo(state, row.entity);
  const link = state.links.get(node);
  const outgoing = state.outgoing.get(row.entity);
  // Frozen, and undecided or not sent: the sender's timer brings the message again, behind the COMMIT.
  if (outgoing !== undefined && (node === 0 || outgoing.sentTo === 0)) return;
  if (link !== undefined && hops < HOPS_MAX) {
    send(state, effects, link, { kind: 'event', row, hops: hops + 1 });
    return;
  }
  const issuer = sessionOf(state, holderOf(state, row.issuer));
  if (issuer === undefined) return;
  const seq = outgoing?.row.seq ?? state.pointers.get(row.entity)?.seq ?? 0;
  send(state, effects, issuer, { kind: 'moved', entity: row.entity, seq, hint: node });
}

/** Decided here: owned, or known to have ended. */
function isHere(state: HandoverState, entity: EntityId): boolean {
  return state.owned.has(entity) || state.ended.has(entity);
}

function take(state: HandoverState, effects: CoreEffect[], row: MessageRow): void {
  const { issuer, number, entity } = row;
  const known = state.marks.get(entity);
  const hasActed = known !== undefined && markOf(known.marks, issuer) >= number;
  if (hasActed || !state.owned.has(entity)) {
    // Of an end that is not stable the last batch tells at the latest.
    const position = known?.position ?? state.position;
    awaitStable(state, { kind: 'acted', position: Math.max(position, lastAwaited(state)), done: [{ issuer, number }] });
    return;
  }
  noteDelivery(state, entity, { issuer, number });
  effects.push({ kind: 'deliver', row });
}

/** What is queued must stay in order of position. */
function lastAwaited({ waiting: { others } }: HandoverState): number {
  return others.items.at(-1)?.position ?? 0;
}

/** It acted, stably: its issuer may forget it. */
export function onActed(state: HandoverState, effects: CoreEffect[], done: readonly Delivery[]): void {
  const numbers = new Map<Ledger, number[]>();
  for (const { issuer, number } of done) {
    const list = numbers.get(issuer);
    if (list === undefined) numbers.set(issuer, [number]);
    else list.push(number);
  }
  for (const [issuer, list] of numbers) {
    const holder = holderOf(state, issuer);
    if (holder === state.me.ledger) {
      onEventDone(state, effects, { kind: 'eventDone', issuer, numbers: list });
      continue;
    }
    const link = sessionOf(state, holder);
    // Without a session the issuer sends it again, and is told then.
    if (link !== undefined) send(state, effects, link, { kind: 'eventDone', issuer, numbers: list });
  }
}

export function onEventDone(
  state: HandoverState,
  effects: CoreEffect[],
  { issuer, numbers }: Extract<PeerMessage, { kind: 'eventDone' }>,
): void {
  const queues = state.messageOf.get(issuer);
  for (const number of numbers) {
    const queue = queues?.get(number);
    // Only the first is on its way; anything else is a repeat of what is done.
    if (queue === undefined || queue.rows[0]?.number !== number) continue;
    queues?.delete(number);
    queue.rows.shift();
    queue.attempts = 0;
    write(state, { kind: 'messageDone', issuer, number });
    if (queue.rows.length === 0) state.messages.get(issuer)?.delete(queue.entity);
    else sendFirst(state, effects, queue);
  }
}

/** The node that was asked does not have it, and may know who does. */
export function onMoved(
  state: HandoverState,
  from: PeerIdentity,
  { entity, seq, hint }: Extract<PeerMessage, { kind: 'moved' }>,
): void {
  const known = state.pointers.get(entity);
  if (hint === 0 || hint === state.me.node) {
    if (known?.node === from.node) state.pointers.delete(entity);
    forgetHint(state, entity, from.node);
    return;
  }
  learn(state, entity, { node: hint, seq });
}

export function onFound(state: HandoverState, { entity, node, seq }: Extract<PeerMessage, { kind: 'found' }>): void {
  if (node === state.me.node) return;
  correctPointer(state, entity, { node, seq });
  hint(state, entity, node);
}

/** Asked around: only the owner answers, and who knows where it went. */
export function onLocate(state: HandoverState, effects: CoreEffect[], from: PeerIdentity, entity: EntityId): void {
  const seq = state.owned.get(entity);
  const { node, incarnation } = state.me;
  if (seq !== undefined) {
    send(state, effects, from, { kind: 'found', entity, node, seq, incarnation });
    return;
  }
  // An end is told by eventDone: let the sender send it here.
  if (state.ended.has(entity)) send(state, effects, from, { kind: 'moved', entity, seq: 0, hint: node });
}

function learn(
  state: HandoverState,
  entity: EntityId,
  owner: { readonly node: NodeNumber; readonly seq: number },
): void {
  notePointer(state, entity, owner);
  hint(state, entity, owner.node);
}

function hint(state: HandoverState, entity: EntityId, node: NodeNumber): void {
  for (const queues of state.messages.values()) {
    const queue = queues.get(entity);
    if (queue === undefined) continue;
    queue.hint = node;
    queue.dueMs = Math.min(queue.dueMs, state.nowMs + HINT_MS);
  }
}

function forgetHint(state: HandoverState, entity: EntityId, node: NodeNumber): void {
  for (const queues of state.messages.values()) {
    const queue = queues.get(entity);
    if (queue === undefined || queue.hint !== node) continue;
    queue.hint = 0;
    queue.dueMs = Math.min(queue.dueMs, state.nowMs + HINT_MS);
  }
}

function queueOf(state: HandoverState, { issuer, entity }: MessageRow): MessageQueue {
  const queues = mapOf(state.messages, issuer);
  let queue = queues.get(entity);
  if (queue === undefined) {
    queue = { issuer, entity, rows: [], hint: 0, attempts: 0, dueMs: 0 };
    queues.set(entity, queue);
  }
  return queue;
}

function mapOf<Key, Value>(maps: Map<Ledger, Map<Key, Value>>, ledger: Ledger): Map<Key, Value> {
  let map = maps.get(ledger);
  if (map === undefined) {
    map = new Map();
    maps.set(ledger, map);
  }
  return map;
}
