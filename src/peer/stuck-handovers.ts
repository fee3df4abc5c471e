/** Handovers that are under way for longer than any should be: each is told once, with what to look for it by. */
import type { Outgoing } from './handover-state.core.ts';

/** Past it a handover is slow, whatever the reason: its target hangs, is cut off, or died and is not replaced yet. */
const STUCK_MS = 5000;
/** More are stuck for the same reason: the metrics have their number. */
const TOLD_MAX = 64;

export type NoteStuck = (level: 'warn' | 'info', message: string, details: Readonly<Record<string, unknown>>) => void;

export class StuckHandovers {
  readonly #note: NoteStuck;
  readonly #told = new Map<Outgoing, number>();

  constructor(note: NoteStuck) {
    this.#note = note;
  }

  look(outgoing: Iterable<Outgoing>, nowMs: number): void {
    const still = new Set<Outgoing>();
    for (const each of outgoing) {
      // What is decided waits for the disk only.
      const isOpen = each.state === 'releasing' || each.state === 'released';
      if (!isOpen || nowMs - each.bornAtMs < STUCK_MS) continue;
      if (this.#told.has(each)) still.add(each);
      else if (this.#told.size < TOLD_MAX) {
        still.add(each);
        this.#told.set(each, nowMs);
        this.#note('warn', 'a handover is stuck', { ...fieldsOf(each), seconds: secondsSince(each, nowMs) });
      }
    }
    for (const each of this.#told.keys()) {
      if (still.has(each)) continue;
      this.#told.delete(each);
      this.#note('info', 'a handover that was stuck is over', {
        ...fieldsOf(each),
        seconds: secondsSince(each, nowMs),
      });
    }
  }
}

function fieldsOf({ row, channel, state }: Outgoing): Readonly<Record<string, unknown>> {
  const { id: entity, seq, passenger, transferSeq } = row;
  return { entity, seq, session: passenger.session, target: channel.target.node, transferSeq, state };
}

function secondsSince({ bornAtMs }: Outgoing, nowMs: number): number {
  return Math.round((nowMs - bornAtMs) / 100) / 10;
}
