/**
 * The life of one session at its gateway.
 *
 *              hello                    lost
 *   (row opened) ──▶ attached ────────────────────▶ detached ── denied ──▶ ended
 *                     │ ▲ └─ resume: newer wins     │ │
 *                     │ └────────── resume ─────────┘ │ grace over
 *              denied ┤                             │
 *              ▼      └ bye, refused, taken ▶ leaving ◀─┘
 *            ended
 *                                             └── leave written ──▶ ended
 *
 * `attached` holds the number of its connection, so that the loss of a replaced connection changes nothing.
 *
 * Invariant: a session ends, and its row is free, only after its LEAVE was written; also when the world refused it, so
 * that whatever the world made of the JOIN is gone. A session that was opened for a player of another session, and denied it,
 * has joined nothing.
 */
import { assert } from '../base/assert.ts';

export type SessionLife =
  | { readonly kind: 'attached'; readonly connection: number }
  | { readonly kind: 'detached'; readonly sinceMs: number }
  | { readonly kind: 'leaving' }
  | { readonly kind: 'ended' };

export type SessionEvent =
  | { readonly kind: 'lost'; readonly connection: number; readonly nowMs: number }
  | { readonly kind: 'resume'; readonly connection: number }
  | { readonly kind: 'bye' }
  | { readonly kind: 'refused' }
  /** Its owner, another node, has ended it. */
  | { readonly kind: 'taken' }
  /** The player that it was opened for is not to be had. */
  | { readonly kind: 'denied' }
  | { readonly kind: 'time'; readonly nowMs: number; readonly graceMs: number }
  | { readonly kind: 'leaveWritten' };

export type SessionEffect =
  /** Close this connection: a newer one took its session. */
  | { readonly kind: 'replace'; readonly connection: number }
  /** Close this connection: the world has no room for it. */
  | { readonly kind: 'refuse'; readonly connection: number }
  /** Close this connection: its owner says why. */
  | { readonly kind: 'tellTaken'; readonly connection: number }
  /** Row: a connection is there; the next snapshot is a keyframe. */
  | { readonly kind: 'attach' }
  /** Row: nobody to send to. */
  | { readonly kind: 'detach' }
  /** The resume token opens nothing any more. */
  | { readonly kind: 'revoke' }
  /** Tell the world; repeated with each `time` until it is answered by `leaveWritten`. */
  | { readonly kind: 'writeLeave' }
  | { readonly kind: 'free' };

export function stepSession(life: SessionLife, event: SessionEvent, effects: SessionEffect[]): SessionLife {
  switch (event.kind) {
    case 'lost':
      // A connection that was replaced, said bye or was refused is lost later: that is how it was closed.
      if (life.kind !== 'attached' || life.connection !== event.connection) return life;
      effects.push({ kind: 'detach' });
      return { kind: 'detached', sinceMs: event.nowMs };
    case 'resume':
      assert(life.kind === 'attached' || life.kind === 'detached', 'a revoked token resumes nothing');
      if (life.kind === 'attached') effects.push({ kind: 'replace', connection: life.connection });
      effects.push({ kind: 'attach' });
      return { kind: 'attached', connection: event.connection };
    case 'bye':
      assert(life.kind === 'attached', 'only an attached client says bye');
      return leave(effects);
    case 'refused':
      if (life.kind === 'leaving' || life.kind === 'ended') return life;
      if (life.kind === 'attached') effects.push({ kind: 'refuse', connection: life.connection });
      return leave(effects);
    case 'taken':
      if (life.kind === 'leaving' || life.kind === 'ended') return life;
      if (life.kind === 'attached') effects.push({ kind: 'tellTaken', connection: life.connection });
      return leave(effects);
    case 'denied':
      if (life.kind === 'leaving' || life.kind === 'ended') return life;
      effects.push({ kind: 'free' });
      return { kind: 'ended' };
    case 'time':
      if (life.kind === 'leaving') effects.push({ kind: 'writeLeave' });
      if (life.kind !== 'detached' || event.nowMs - life.sinceMs < event.graceMs) return life;
      return leave(effects);
    case 'leaveWritten':
      assert(life.kind === 'leaving', 'only a leaving session writes its leave');
      effects.push({ kind: 'free' });
      return { kind: 'ended' };
  }
}

function leave(effects: SessionEffect[]): SessionLife {
  effects.push({ kind: 'revoke' }, { kind: 'detach' }, { kind: 'writeLeave' });
  return { kind: 'leaving' };
}
