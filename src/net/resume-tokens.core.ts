/**
 * Which resume token opens which session. Only hashes are kept: who reads this memory cannot resume anybody.
 *
 *   welcome ──▶ issue: the token in force becomes `previous`, the new one `current`
 *   hello   ──▶ find: by either; the caller issues anew at once, so a token works once
 *   first message after the welcome ──▶ confirm: `previous` is forgotten
 *
 * Why two: when a connection dies between the server's welcome and the client's receipt of it, the client holds only
 * the token that it just spent. It stays good until the client shows, by any message, that it has the next.
 *
 * Invariant: at most two hashes for each session, none for a session that was revoked.
 */
interface Held {
  current: string;
  previous: string | undefined;
}

export class ResumeTokens {
  readonly #sessions = new Map<string, number>();
  readonly #held = new Map<number, Held>();

  get hashes(): number {
    return this.#sessions.size;
  }

  /** Puts a token in force by its hash. */
  issue(session: number, hash: string): void {
    const held = this.#held.get(session);
    if (held?.previous !== undefined) this.#sessions.delete(held.previous);
    this.#held.set(session, { current: hash, previous: held?.current });
    this.#sessions.set(hash, session);
  }

  /** The session that a token opens, or -1. A token of the `previous` place takes the unconfirmed one out of force. */
  find(hash: string): number {
    const session = this.#sessions.get(hash);
    if (session === undefined) return -1;
    const held = this.#held.get(session);
    if (held !== undefined && held.previous === hash) {
      this.#sessions.delete(held.current);
      this.#held.set(session, { current: hash, previous: undefined });
    }
    return session;
  }

  /** The client has shown that it holds the current token. */
  confirm(session: number): void {
    const held = this.#held.get(session);
    if (held?.previous === undefined) return;
    this.#sessions.delete(held.previous);
    held.previous = undefined;
  }

  revoke(session: number): void {
    const held = this.#held.get(session);
    if (held === undefined) return;
    this.#sessions.delete(held.current);
    if (held.previous !== undefined) this.#sessions.delete(held.previous);
    this.#held.delete(session);
  }
}
