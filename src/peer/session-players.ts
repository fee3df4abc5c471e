/** The players who are owned here and have a session, found by it or by their entity. */
import type { EntityId } from '../base/brand.ts';
import { NO_SESSION_ROW } from '../memory/departures.ts';
import type { Attachable } from './attachment.core.ts';
import type { NodeNumber, SessionId } from './protocol.ts';

export interface Player extends Attachable {
  readonly seq: number;
  /** The node with the socket; this one's own number, too. */
  readonly gateway: NodeNumber;
  /** Sessions that it had since a client was heard, the newest first: their tokens are good. */
  before: readonly SessionId[];
  isHeard: boolean;
  isStable: boolean;
  /** Its session row, NO_SESSION_ROW before it has one. */
  row: number;
  lastInput: number;
  /** The last input whose effect is on disk. */
  durableInput: number;
  /** When ROUTE was sent first; 0 once it was answered. */
  routeSinceMs: number;
  routeDueMs: number;
  /** When its gateway was first seen to be gone; 0 while it is there. */
  orphanSinceMs: number;
}

/** A player as it comes: its gateway is to be told. */
export function newPlayer(who: Pick<Player, 'id' | 'seq' | 'session' | 'gateway' | 'lastInput'>): Player {
  return {
    ...who,
    before: [],
    isHeard: false,
    isStable: true,
    row: NO_SESSION_ROW,
    durableInput: 0,
    routeSinceMs: 0,
    routeDueMs: 0,
    orphanSinceMs: 0,
  };
}

export class SessionPlayers implements Iterable<Player> {
  readonly #bySession = new Map<SessionId, Player>();
  readonly #byId = new Map<EntityId, Player>();
  /** Sessions before the current one whose token is still good. */
  readonly #before = new Map<SessionId, Player>();

  get count(): number {
    return this.#bySession.size;
  }

  /** By its current session. */
  get(session: SessionId): Player | undefined {
    return this.#bySession.get(session);
  }

  /** By its current session, or one before whose token is good. */
  find(session: SessionId): Player | undefined {
    return this.#bySession.get(session) ?? this.#before.get(session);
  }

  withId(id: EntityId): Player | undefined {
    return this.#byId.get(id);
  }

  /** Takes the place of what was known of that entity. */
  set(player: Player): void {
    this.delete(this.#byId.get(player.id));
    this.delete(this.#bySession.get(player.session));
    this.#bySession.set(player.session, player);
    this.#byId.set(player.id, player);
    for (const session of player.before) this.#before.set(session, player);
  }

  delete(player: Player | undefined): void {
    if (player === undefined) return;
    this.#bySession.delete(player.session);
    for (const session of player.before) this.#before.delete(session);
    this.#byId.delete(player.id);
  }

  /** The client of the current session was heard: those before are spent. */
  heard(session: SessionId): void {
    const player = this.#bySession.get(session);
    if (player === undefined) return;
    player.isHeard = true;
    for (const before of player.before) this.#before.delete(before);
    player.before = [];
  }

  [Symbol.iterator](): Iterator<Player> {
    return this.#bySession.values();
  }
}
