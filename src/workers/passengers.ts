/**
 * What the conductor knows of an owned entity besides its row: the account of a player, and per sender the last durable
 * message that acted on it. Together with the session this is the passenger that travels with its record.
 *
 * Kept by slot in maps, because few entities have any of it. Whoever frees a row or gives it away drops it here.
 */
import type { SessionIndex } from '../base/brand.ts';
import { MARKS_MAX } from '../memory/passenger.ts';
import type { EntityPassenger, PassengerMark } from '../memory/passenger.ts';
import type { Store } from '../memory/store.ts';

/** A session without a row, as it came. */
export interface Orphan {
  readonly session: number;
  readonly gateway: number;
  readonly lastInput: number;
}

const NO_MARKS: readonly PassengerMark[] = [];

export class Passengers {
  readonly #store: Store;
  readonly #accounts = new Map<number, string>();
  readonly #marks = new Map<number, Map<string, number>>();
  /** Entities whose session has no row here: their client is gone, or no row was left. By slot; and the slot by session. */
  readonly #orphans = new Map<number, Orphan>();
  readonly #slotOfSession = new Map<number, number>();

  constructor(store: Store) {
    this.#store = store;
  }

  account(slot: number): string {
    return this.#accounts.get(slot) ?? '';
  }

  setAccount(slot: number, account: string): void {
    if (account === '') this.#accounts.delete(slot);
    else this.#accounts.set(slot, account);
  }

  /** The number of the last message of this sender that acted, or 0. */
  mark(slot: number, sender: string): number {
    return this.#marks.get(slot)?.get(sender) ?? 0;
  }

  /** Of more senders than are remembered, the one that was silent the longest is forgotten. */
  raiseMark(slot: number, sender: string, number: number): void {
    let marks = this.#marks.get(slot);
    if (marks === undefined) this.#marks.set(slot, (marks = new Map()));
    marks.delete(sender);
    if (marks.size === MARKS_MAX) {
      for (const oldest of marks.keys()) {
        marks.delete(oldest);
        break;
      }
    }
    marks.set(sender, number);
  }

  /** Takes over what came with an entity; its session is bound by whoever knows the rows. */
  board(slot: number, { account, marks }: EntityPassenger): void {
    this.drop(slot);
    this.setAccount(slot, account);
    for (const { sender, number } of marks) this.raiseMark(slot, sender, number);
  }

  addOrphan(slot: number, orphan: Orphan): void {
    this.#orphans.set(slot, orphan);
    this.#slotOfSession.set(orphan.session, slot);
  }

  orphan(slot: number): Orphan | undefined {
    return this.#orphans.get(slot);
  }

  /** It has a row now. */
  dropOrphan(slot: number): void {
    const orphan = this.#orphans.get(slot);
    if (orphan === undefined) return;
    this.#orphans.delete(slot);
    if (this.#slotOfSession.get(orphan.session) === slot) this.#slotOfSession.delete(orphan.session);
  }

  /** The slot of the entity whose session has no row, or -1. */
  slotOfOrphan(session: number): number {
    return this.#slotOfSession.get(session) ?? -1;
  }

  drop(slot: number): void {
    this.#accounts.delete(slot);
    this.#marks.delete(slot);
    this.dropOrphan(slot);
  }

  /** As of now. `isLeaving`: without the session, which is over. */
  of(slot: number, { isLeaving = false }: { isLeaving?: boolean } = {}): EntityPassenger {
    const { columns, sessions, peerTable } = this.#store;
    const row = (columns.session[slot]! - 1) as SessionIndex | -1;
    const marks = this.#marks.get(slot);
    const hasRow = row >= 0;
    const orphan = isLeaving ? undefined : this.#orphans.get(slot);
    return {
      lastInput: hasRow ? sessions.inputSequence(row as SessionIndex) : (orphan?.lastInput ?? 0),
      gateway: isLeaving || !hasRow ? (orphan?.gateway ?? 0) : sessions.gateway(row as SessionIndex) || peerTable.self,
      session: isLeaving || !hasRow ? (orphan?.session ?? 0) : sessions.sessionId(row as SessionIndex),
      account: this.account(slot),
      marks: marks === undefined ? NO_MARKS : [...marks].map(([sender, number]) => ({ sender, number })),
    };
  }
}
