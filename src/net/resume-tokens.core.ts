/**
 * Which attachment of a session may be resumed, in a node alone; in a cluster the owner of the player decides
 * (peer/attachment.core.ts). Each welcome makes an attachment with a number of its own, which its token carries.
 *
 *   welcome ──▶ issue: the attachment in force becomes `previous`, the new one `current`
 *   hello   ──▶ find: by either; the caller issues anew at once, so a token works once
 *   first message after the welcome ──▶ confirm: `previous` is forgotten
 *
 * Why two: when a connection dies between the server's welcome and the client's receipt of it, the client holds only
 * the token that it just spent. It stays good until the client shows, by any message, that it has the next.
 *
 * Invariant: at most two attachments for each session, none for a session that was revoked.
 */
interface Held {
  current: number;
  /** 0 is none. */
  previous: number;
}

export class ResumeTokens {
  readonly #sessions = new Map<number, number>();
  readonly #held = new Map<number, Held>();

  get attachments(): number {
    return this.#sessions.size;
  }

  /** Puts an attachment in force. */
  issue(session: number, attachment: number): void {
    const held = this.#held.get(session);
    if (held !== undefined) this.#sessions.delete(held.previous);
    this.#held.set(session, { current: attachment, previous: held?.current ?? 0 });
    this.#sessions.set(attachment, session);
  }

  /** The session of an attachment, or -1. One of the `previous` place takes the unconfirmed one out of force. */
  find(attachment: number): number {
    const session = this.#sessions.get(attachment);
    if (session === undefined) return -1;
    const held = this.#held.get(session);
    if (held !== undefined && held.previous === attachment) {
      this.#sessions.delete(held.current);
      this.#held.set(session, { current: attachment, previous: 0 });
    }
    return session;
  }

  /** The client has shown that it holds the current token. */
  confirm(session: number): void {
    const held = this.#held.get(session);
    if (held === undefined || held.previous === 0) return;
    this.#sessions.delete(held.previous);
    held.previous = 0;
  }

  revoke(session: number): void {
    const held = this.#held.get(session);
    if (held === undefined) return;
    this.#sessions.delete(held.current);
    this.#sessions.delete(held.previous);
    this.#held.delete(session);
  }
}
