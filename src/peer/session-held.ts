/** What came for players who are not here: the COMMIT that brings them may still be on its way, and so waits a moment. Bounded. */
import type { SessionId } from './protocol.ts';
import type { SessionMessage } from './session-message.wire.ts';

export type HeldMessage = Extract<SessionMessage, { kind: 'input' | 'leave' | 'state' | 'heard' }>;

interface Held {
  readonly untilMs: number;
  readonly message: HeldMessage;
}

const HELD_MS = 2000;
const HELD_PER_SESSION_MAX = 128;
const HELD_SESSIONS_MAX = 4096;

export class HeldMessages {
  readonly #held = new Map<SessionId, Held[]>();

  /** False when too much waits already. */
  hold(message: HeldMessage, nowMs: number): boolean {
    let held = this.#held.get(message.session);
    if (held === undefined) {
      if (this.#held.size >= HELD_SESSIONS_MAX) return false;
      held = [];
      this.#held.set(message.session, held);
    }
    if (held.length >= HELD_PER_SESSION_MAX) return false;
    held.push({ untilMs: nowMs + HELD_MS, message });
    return true;
  }

  /** In the order in which they came. */
  take(session: SessionId): HeldMessage[] {
    const held = this.#held.get(session) ?? [];
    this.#held.delete(session);
    return held.map(({ message }) => message);
  }

  expire(nowMs: number): void {
    for (const [session, held] of this.#held) {
      if ((held[0]?.untilMs ?? 0) <= nowMs) this.#held.delete(session);
    }
  }
}
