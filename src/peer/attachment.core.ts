/**
 * How a client takes up its player again at another connection, of this gateway or any other.
 *
 * Each connection has a session of its own, and a player belongs to one session: its *current* one. A gateway to which a client
 * comes with a token of session S opens S', and asks everybody who may own the player:
 *
 *   gateway                                    whoever is asked
 *   attach S → S' ───────────────────────────▶ owns the player of S: it is the player of S' from now on
 *      every ASK_AGAIN_MS, until answered        that is in the journal, stably ──▶ attached
 *                                              had it a moment ago, or may have it in a moment ──▶ maybe
 *                                              owns it, and has heard the client of another session ──▶ spent
 *                                              knows nothing ──▶ no
 *
 *   asking ── attached ──▶ done: attached
 *     │ └─ spent ─────────▶ done: refused
 *     ├─ everybody who lives said no, and no again when asked after that, and nobody is missing ──▶ done: refused
 *     └─ GIVE_UP_MS over ──▶ done: unknown. The client comes again with its token, until the player's grace is over as well
 *
 * A token works once: when S' is the current one, S is spent. But the welcome to S' may be lost, and then its client has nothing but
 * the token of S: so S stays good until the client of S' was *heard*. Two remember that: the owner that made S' of S, and the gateway
 * of S', which tells all when its client speaks. Whoever of the two is asked for S, and does not own the player, answers `renamed`
 * to S'; the asker asks for S' then, and the owner agrees as long as the client of S' was not heard.
 *
 * A client that gave up a connection comes back with the same token over another, and both gateways may ask, in any order. So the
 * tokens of all sessions are good that were made since a client was heard: whoever is there speaks up, and then the others are spent.
 *
 * Invariant: the player has one current session at each owner, and an owner answers `attached` only for the current one, when
 * that is stable. Nothing here makes or moves an entity.
 */
import type { EntityId } from '../base/brand.ts';
import type { NodeNumber, SessionId } from './protocol.ts';

export const ASK_AGAIN_MS = 200;
/** Longer than a neighbour takes to take over a journal. */
export const GIVE_UP_MS = 5000;
/** After a fence its successor may not know yet that it has a journal to take: so long it counts as missing. */
export const FENCED_MS = 1000;
/**
 * How often everybody has to say no, to a question that was asked when all had said so before: what was under way between two nodes
 * has arrived meanwhile. A late answer to an older question says nothing: the player may have come since.
 */
export const DENIALS_MIN = 2;
/** How long a former owner remembers what became of a session. */
export const RENAMED_MS = 10_000;
/** A client that loses so many welcomes in a row begins anew; and names never lead in a ring. */
export const RENAMES_MAX = 4;
/** Sessions of one player whose tokens are good at once; the oldest is spent first. */
export const UNHEARD_MAX = 8;

export const ATTACH_ANSWERS = ['no', 'maybe', 'spent', 'renamed', 'attached'] as const;
export type AttachAnswer = (typeof ATTACH_ANSWERS)[number];

// The gateway that asks.

export interface Attempt {
  /** The session that is looked for: that of the token, or what became of it. */
  from: SessionId;
  /** How often `from` has changed: if it is not the token's own, its client must not have been heard. */
  renames: number;
  readonly to: SessionId;
  readonly startedMs: number;
  dueMs: number;
  /** Of the last question: they are numbered from 1. */
  round: number;
  /** The first question to which a no counts. */
  countedFrom: number;
  /** How often everybody has said no since somebody was missing or in doubt, and who has said so since then. */
  unanimities: number;
  readonly denials: Set<NodeNumber>;
}

export type AttemptEvent =
  | {
      readonly kind: 'time';
      readonly nowMs: number;
      /** All who must say no, this node included. */
      readonly nodes: readonly NodeNumber[];
      /** Somebody who may have the player cannot be asked: starting, dead and not replaced, just replaced (FENCED_MS), or stopped. */
      readonly isSomebodyMissing: boolean;
    }
  | {
      readonly kind: 'answer';
      readonly from: NodeNumber;
      readonly answer: 'no' | 'maybe' | 'spent';
      readonly round: number;
    }
  | { readonly kind: 'renamed'; readonly to: SessionId; readonly nowMs: number };

export function startAttempt(sessions: { from: SessionId; to: SessionId }, nowMs: number): Attempt {
  return {
    ...sessions,
    renames: 0,
    startedMs: nowMs,
    dueMs: nowMs,
    round: 0,
    countedFrom: 1,
    unanimities: 0,
    denials: new Set(),
  };
}

/** What to do now. `ask`: everybody; `refused`: it is over; `unknown`: not all could be asked in time. */
export function stepAttempt(attempt: Attempt, event: AttemptEvent): 'ask' | 'wait' | 'refused' | 'unknown' {
  switch (event.kind) {
    case 'answer':
      if (event.answer === 'spent') return 'refused';
      if (event.answer === 'maybe') doubt(attempt);
      else if (event.round >= attempt.countedFrom) attempt.denials.add(event.from);
      return 'wait';
    case 'renamed':
      // Said by all who know it.
      if (event.to === attempt.from || event.to === attempt.to || attempt.renames >= RENAMES_MAX) return 'wait';
      attempt.from = event.to;
      attempt.renames++;
      doubt(attempt);
      return ask(attempt, event.nowMs);
    case 'time':
      if (event.nowMs - attempt.startedMs >= GIVE_UP_MS) return 'unknown';
      if (event.isSomebodyMissing) doubt(attempt);
      if (event.nowMs < attempt.dueMs) return 'wait';
      if (event.nodes.every((node) => attempt.denials.has(node))) {
        if (attempt.unanimities + 1 >= DENIALS_MIN) return 'refused';
        countAnew(attempt, attempt.unanimities + 1);
      }
      return ask(attempt, event.nowMs);
  }
}

function ask(attempt: Attempt, nowMs: number): 'ask' {
  attempt.round++;
  attempt.dueMs = nowMs + ASK_AGAIN_MS;
  return 'ask';
}

function doubt(attempt: Attempt): void {
  countAnew(attempt, 0);
}

function countAnew(attempt: Attempt, unanimities: number): void {
  attempt.unanimities = unanimities;
  attempt.countedFrom = attempt.round + 1;
  attempt.denials.clear();
}

// Whoever is asked.

export interface AttachRequest {
  readonly from: SessionId;
  readonly to: SessionId;
  readonly isRenamed: boolean;
  /** The player, if the token names it; 0 if not. */
  readonly entity: EntityId | 0;
}

/** A player of the node that is asked. */
export interface Attachable {
  readonly id: EntityId;
  readonly session: SessionId;
  /** Its client was heard, here. */
  readonly isHeard: boolean;
  /** The journal has it with its current session. */
  readonly isStable: boolean;
}

export interface Knowledge {
  /** The player whose current session is `session`, or was since a client of its was heard. */
  playerOf(session: SessionId): Attachable | undefined;
  playerWithId(id: EntityId): Attachable | undefined;
  /** What became of a session whose successor was not heard, as far as this node knows. */
  successorOf(session: SessionId): SessionId | undefined;
  /** The player of this session is on its way to somebody, or a journal that may hold it is being taken over. */
  isInDoubt(session: SessionId): boolean;
}

/**
 * `rebind`: make `to` the player's session, and answer when that is stable. `wait`: that is under way.
 * `tell`: answer at once.
 */
export type AttachDecision =
  | { readonly kind: 'rebind'; readonly player: Attachable }
  | { readonly kind: 'wait'; readonly player: Attachable }
  | { readonly kind: 'attached'; readonly player: Attachable }
  | { readonly kind: 'renamed'; readonly to: SessionId }
  | { readonly kind: 'no' | 'maybe' | 'spent' };

export function decideAttach(request: AttachRequest, known: Knowledge): AttachDecision {
  const { from, to, entity, isRenamed } = request;
  const bound = known.playerOf(to);
  if (bound?.session === to) return { kind: bound.isStable ? 'attached' : 'wait', player: bound };
  // It had the player before another took it that was not heard, either.
  if (bound !== undefined) return { kind: 'rebind', player: bound };
  const player = known.playerOf(from);
  if (player !== undefined && (entity === 0 || player.id === entity)) {
    // Of a session before the token is good: that the client was not heard is why the owner remembers it.
    const isOpen = player.session !== from || !(isRenamed && player.isHeard);
    return isOpen ? { kind: 'rebind', player } : { kind: 'spent' };
  }
  const successor = known.successorOf(from);
  if (successor !== undefined && successor !== to) return { kind: 'renamed', to: successor };
  // With either session: it may have left after the first of these requests, before that was stable.
  if (known.isInDoubt(from) || known.isInDoubt(to)) return { kind: 'maybe' };
  const other = entity === 0 ? undefined : known.playerWithId(entity);
  // Of a session whose client was not heard here somebody else may know that it was made of this one.
  return { kind: other?.isHeard === true ? 'spent' : 'no' };
}
