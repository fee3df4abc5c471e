/**
 * Where the sessions of this gateway are in the table of sessions, remembered: a snapshot that comes through the tunnel is
 * not to look at all rows. What is remembered is looked at before it is believed, since rows are used again.
 */
import type { SessionIndex } from '../base/brand.ts';
import { SESSION_STATE } from '../memory/sessions.ts';
import type { Sessions } from '../memory/sessions.ts';
import type { SessionId } from './protocol.ts';

export class SessionRows {
  readonly #sessions: Sessions;
  readonly #rows = new Map<SessionId, SessionIndex>();

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  /** The row in use by this session, or -1. */
  find(session: SessionId): SessionIndex | -1 {
    const known = this.#rows.get(session);
    if (known !== undefined && this.#isOf(known, session)) return known;
    const row = this.#sessions.findBySessionId(session);
    if (row === -1) this.#rows.delete(session);
    else this.#remember(session, row);
    return row;
  }

  #isOf(row: SessionIndex, session: SessionId): boolean {
    const state = this.#sessions.state(row);
    return state !== SESSION_STATE.free && state !== SESSION_STATE.opening && this.#sessions.sessionId(row) === session;
  }

  #remember(session: SessionId, row: SessionIndex): void {
    // Most of so many are over: those that are not are found again.
    if (this.#rows.size >= 2 * this.#sessions.capacity) this.#rows.clear();
    this.#rows.set(session, row);
  }
}
