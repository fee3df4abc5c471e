/**
 * Publications: what world code tells the outside of an entity, delivered at least once, in order per entity.
 *
 *   publish ──same batch as the entity's row──▶ queue of the entity ──offer──▶ sink ──taken──▶ publicationDone
 *                                     stable         ▲      │                   └──refused──▶ parked ──replay──┐
 *                                                    │      └ behind another ledger: ask, wait                 │
 *                                                    └──────────────────────────────────────────────────────────┘
 *
 * Numbers are dense per entity. The last one and the ledger that gave it travel with the entity (`Passenger.published`), so whoever
 * publishes next knows whom its number stands behind. A row lies where it was written until the sink has it; only a takeover moves it.
 *
 * Invariant: number n is offered only when n - 1 was offered before it by this process, or is known to be delivered or parked. By
 * induction all before it are: in its own ledger by looking, in another's by asking the ledger's holder.
 *
 * A crash between a delivery and `publicationDone` on disk offers the row again, with the same id. What is parked lets those behind it pass;
 * what is replayed comes late, and its number says where it belonged.
 */
import type { EntityId } from '../base/brand.ts';
import { awaitStable } from './handover-stable.core.ts';
import { holderOf, send, sessionOf, write } from './handover-state.core.ts';
import type { HandoverState, PublicationQueue } from './handover-state.core.ts';
import type {
  CoreEffect,
  CoreEvent,
  EntityRow,
  Ledger,
  NewPublication,
  Passenger,
  PeerIdentity,
  PeerMessage,
  PublicationId,
  PublicationRow,
} from './protocol.ts';

/** Offered and not answered, of one node; the others wait in the journal. */
export const OFFERED_MAX = 1024;
/** Between two questions after publications of other ledgers. */
const ASK_MS = 200;
/** Entities that one message asks after; the others come next time. */
const ASKED_MAX = 1024;
/** Of a row, beside its body. */
const ROW_BYTES = 64;

/** Numbers and writes what the simulation published. Call it before the entity's row of the same batch is written. */
export function publish(state: HandoverState, entity: EntityId, news: readonly NewPublication[] | undefined): void {
  if (news === undefined || news.length === 0) return;
  const rows = news.map((publication): PublicationRow => {
    const last = state.published.get(entity);
    const number = (last?.number ?? 0) + 1;
    state.published.set(entity, { sender: state.me.ledger, number });
    const { name, body, publishedMs } = publication;
    return { entity, number, behind: last?.sender ?? '', name, body, publishedMs, isParked: false };
  });
  for (const row of rows) {
    write(state, { kind: 'publication', row });
    count(state, row, 1);
  }
  if (state.mutations.has('publishBeforeStable')) queuePublications(state, rows);
  else awaitStable(state, { kind: 'published', position: state.position + 1, rows });
}

/** The passenger with what the core alone knows: the simulation does not number. */
export function withPublished(state: HandoverState, id: EntityId, passenger: Passenger): Passenger {
  const published = state.published.get(id);
  if (published === undefined) return passenger;
  return { ...passenger, published };
}

/** The entity of this row is owned here now. */
export function notePublished(state: HandoverState, { id, passenger }: Pick<EntityRow, 'id' | 'passenger'>): void {
  if (passenger.published !== undefined) state.published.set(id, passenger.published);
}

/** From the journal, or from a ledger that was taken over: stable. */
export function recoverPublications(state: HandoverState, rows: readonly PublicationRow[]): void {
  for (const row of rows) count(state, row, 1);
  queuePublications(state, rows);
}

/** The rows are stable: they may be delivered. `offerPublications` does it, at the end of the step. */
export function queuePublications(state: HandoverState, rows: readonly PublicationRow[]): void {
  for (const row of rows) {
    const queue = queueOf(state, row.entity);
    if (row.isParked) {
      queue.parked.set(row.number, row);
      continue;
    }
    enqueue(queue, row);
    state.publicationsReady.add(queue);
  }
}

/** Offers what may go, as far as the window is open. */
export function offerPublications(state: HandoverState, effects: CoreEffect[]): void {
  if (state.publicationsReady.size === 0 || state.phase !== 'running') return;
  const rows: PublicationRow[] = [];
  for (const queue of state.publicationsReady) {
    if (state.publicationsOffered >= OFFERED_MAX) break;
    offerQueue(state, queue, rows);
  }
  if (rows.length > 0) effects.push({ kind: 'offer', rows });
}

function offerQueue(state: HandoverState, queue: PublicationQueue, rows: PublicationRow[]): void {
  for (let index = 0; index < queue.rows.length; index++) {
    const row = queue.rows[index];
    if (row === undefined || queue.offered.has(row.number)) continue;
    if (state.publicationsOffered >= OFFERED_MAX) return;
    if (!mayOffer(state, queue, index)) {
      state.publicationsReady.delete(queue);
      state.publicationsBlocked.add(queue);
      return;
    }
    queue.offered.add(row.number);
    state.publicationsOffered += 1;
    rows.push(row);
  }
  state.publicationsReady.delete(queue);
  state.publicationsBlocked.delete(queue);
}

function mayOffer(state: HandoverState, queue: PublicationQueue, index: number): boolean {
  const row = queue.rows[index];
  if (row === undefined) return false;
  if (state.mutations.has('publishOutOfOrder')) return true;
  if (row.number <= queue.settled + 1 || row.behind === '' || queue.replayed.has(row.number)) return true;
  // The one before was offered by this process, and the sink is given them in this order.
  if (queue.rows[index - 1]?.number === row.number - 1) return true;
  // It lay here, and is here no more.
  return isHere(state, row.behind);
}

/** Whether what this ledger wrote is in this journal, stably. */
function isHere(state: HandoverState, ledger: Ledger): boolean {
  return ledger === state.me.ledger || state.imports.get(ledger)?.isStable === true;
}

type SinkAnswer = Extract<CoreEvent, { kind: 'publicationsTaken' | 'publicationsRefused' | 'publicationsReplayed' }>;

/** What became of what was offered, or what an operator asks for. */
export function onSinkAnswer(state: HandoverState, answer: SinkAnswer): void {
  if (answer.kind === 'publicationsTaken') onTaken(state, answer);
  else if (answer.kind === 'publicationsRefused') onRefused(state, answer);
  else onReplayed(state, answer);
}

/** The sink has these. */
function onTaken(state: HandoverState, { ids }: Extract<CoreEvent, { kind: 'publicationsTaken' }>): void {
  for (const id of ids) {
    const row = leave(state, id);
    if (row === undefined) continue;
    write(state, { kind: 'publicationDone', entity: row.entity, number: row.number });
    count(state, row, -1);
  }
}

/** The sink would not have these. */
function onRefused(state: HandoverState, { ids }: Extract<CoreEvent, { kind: 'publicationsRefused' }>): void {
  for (const id of ids) {
    const row = leave(state, id);
    if (row === undefined) continue;
    const parked = { ...row, isParked: true };
    queueOf(state, row.entity).parked.set(row.number, parked);
    state.publicationCounts.parked += 1;
    write(state, { kind: 'publication', row: parked });
  }
}

/** A command: once more, with five tries. */
function onReplayed(state: HandoverState, { ids }: Extract<CoreEvent, { kind: 'publicationsReplayed' }>): void {
  for (const { entity, number } of ids ?? allParked(state)) {
    const queue = state.publications.get(entity);
    const parked = queue?.parked.get(number);
    if (queue === undefined || parked === undefined) continue;
    queue.parked.delete(number);
    state.publicationCounts.parked -= 1;
    const row = { ...parked, isParked: false };
    write(state, { kind: 'publication', row });
    queue.replayed.add(number);
    enqueue(queue, row);
    state.publicationsReady.add(queue);
  }
}

function allParked(state: HandoverState): PublicationId[] {
  return [...state.publications.values()].flatMap(({ entity, parked }) =>
    [...parked.keys()].map((number) => ({ entity, number })),
  );
}

/** Time has passed: who is blocked asks, and asks again. */
export function checkPublications(state: HandoverState, effects: CoreEffect[]): void {
  if (state.nowMs < state.publicationsAskAtMs) return;
  state.publicationsAskAtMs = state.nowMs + ASK_MS;
  if (state.publicationsBlocked.size === 0) return;
  const asked = new Map<PeerIdentity, (PublicationId & { ledger: Ledger })[]>();
  let left = ASKED_MAX;
  const blocked = [...state.publicationsBlocked];
  for (const queue of blocked) {
    if (left-- <= 0) break;
    // To the end: whoever is not asked after now is in front next time.
    state.publicationsBlocked.delete(queue);
    state.publicationsBlocked.add(queue);
    const row = queue.rows.find(({ number }) => !queue.offered.has(number));
    if (row === undefined) continue;
    for (const peer of holdersOf(state, row.behind)) {
      const list = asked.get(peer) ?? [];
      asked.set(peer, list);
      list.push({ ledger: row.behind, entity: queue.entity, number: row.number - 1 });
    }
  }
  for (const [peer, list] of asked) send(state, effects, peer, { kind: 'publicationsAsked', asked: list });
}

/** Who may know of a ledger's publications: its holder, or, when that one is not known, anybody. */
function holdersOf(state: HandoverState, ledger: Ledger): Iterable<PeerIdentity> {
  const holder = sessionOf(state, holderOf(state, ledger));
  return holder === undefined ? state.links.values() : [holder];
}

export function onPublicationsAsked(
  state: HandoverState,
  effects: CoreEffect[],
  from: PeerIdentity,
  { asked }: Extract<PeerMessage, { kind: 'publicationsAsked' }>,
): void {
  const settled = asked.filter(({ ledger, entity, number }) => {
    if (!isHere(state, ledger)) return false;
    const first = state.publications.get(entity)?.rows.find((row) => !isReplayed(state, row));
    return first === undefined || first.number > number;
  });
  if (settled.length === 0) return;
  const answer = settled.map(({ entity, number }) => ({ entity, number }));
  send(state, effects, from, { kind: 'publicationsSettled', settled: answer });
}

function isReplayed(state: HandoverState, { entity, number }: PublicationId): boolean {
  return state.publications.get(entity)?.replayed.has(number) === true;
}

export function onPublicationsSettled(
  state: HandoverState,
  { settled }: Extract<PeerMessage, { kind: 'publicationsSettled' }>,
): void {
  for (const { entity, number } of settled) {
    const queue = state.publications.get(entity);
    if (queue === undefined || number <= queue.settled) continue;
    queue.settled = number;
    hurry(state, queue);
  }
}

/** An import is stable: what stood behind its ledger may stand behind nothing now. */
export function hurryPublications(state: HandoverState): void {
  for (const queue of state.publicationsBlocked) hurry(state, queue);
}

function hurry(state: HandoverState, queue: PublicationQueue): void {
  if (state.publicationsBlocked.delete(queue)) state.publicationsReady.add(queue);
}

function queueOf(state: HandoverState, entity: EntityId): PublicationQueue {
  let queue = state.publications.get(entity);
  if (queue === undefined) {
    queue = { entity, rows: [], offered: new Set(), parked: new Map(), replayed: new Set(), settled: 0 };
    state.publications.set(entity, queue);
  }
  return queue;
}

/** In order of number: an import may bring what comes before. */
function enqueue({ rows }: PublicationQueue, row: PublicationRow): void {
  let at = rows.length;
  while (at > 0 && (rows[at - 1]?.number ?? 0) > row.number) at -= 1;
  rows.splice(at, 0, row);
}

/** Takes a row that the sink has answered for out of its queue. */
function leave(state: HandoverState, { entity, number }: PublicationId): PublicationRow | undefined {
  const queue = state.publications.get(entity);
  const index = queue?.rows.findIndex((row) => row.number === number) ?? -1;
  if (queue === undefined || index < 0) return undefined;
  const [row] = queue.rows.splice(index, 1);
  if (queue.offered.delete(number)) state.publicationsOffered -= 1;
  if (!queue.replayed.delete(number)) queue.settled = Math.max(queue.settled, number);
  if (queue.rows.length === 0 && queue.parked.size === 0) {
    state.publications.delete(entity);
    state.publicationsReady.delete(queue);
    state.publicationsBlocked.delete(queue);
  } else if (queue.rows.length > 0) state.publicationsReady.add(queue);
  return row;
}

function count(state: HandoverState, row: PublicationRow, change: 1 | -1): void {
  const { publicationCounts } = state;
  publicationCounts.rows += change;
  publicationCounts.sizeBytes += change * (ROW_BYTES + row.name.length + row.body.length);
  if (row.isParked) publicationCounts.parked += change;
}
