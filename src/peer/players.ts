/**
 * What entities of this node carry besides their record, and the players with an account: who is in the world here, who
 * rests in this ledger, and who has just left for another node. logins.ts brings back those who log in.
 *
 * A player is woken where its journal is; when its position belongs to another node it leaves for there by an ordinary
 * handover. The newest session wins: a player who is in the world rests first.
 */
import type { EntityId, SessionIndex } from '../base/brand.ts';
import type { Store } from '../memory/store.ts';
import type { ArrivalQueue } from './arrival-queue.ts';
import type { CoreEvent, EntityRow, NodeNumber, Passenger, PeerIdentity, SessionId } from './protocol.ts';
import type { SessionRouter } from './session-router.ts';
import { ENDED_REASON } from './session-message.wire.ts';
import type { SessionMessage } from './session-message.wire.ts';

export interface PlayersOptions {
  readonly store: Store;
  readonly me: PeerIdentity;
  readonly router: SessionRouter;
  readonly arrivals: ArrivalQueue;
  readonly step: (event: CoreEvent) => void;
  readonly send: (node: NodeNumber, message: SessionMessage) => boolean;
  /** This node has the player of an account, or has it no more. */
  readonly homeChanged: (account: string, entity: EntityId | undefined) => void;
  readonly nowMs: () => number;
}

/** A login that has found the node of its player. */
export interface Wake {
  readonly session: SessionId;
  readonly account: string;
  /** The node with the socket. */
  readonly gateway: NodeNumber;
  readonly untilMs: number;
}

const NOBODY: Passenger = { lastInput: 0, gateway: 0, session: 0, account: '', marks: [] };
/** A player who left is looked for at its target for so long. */
const LEFT_MS = 10_000;
const LEFT_MAX = 65_536;
const WAKES_MAX = 4096;

export class Players {
  readonly #options: PlayersOptions;
  /** Only of entities that carry something. */
  readonly #passengers = new Map<EntityId, Passenger>();
  readonly #playing = new Map<string, EntityId>();
  readonly #resting = new Map<string, EntityRow>();
  readonly #left = new Map<string, { readonly node: NodeNumber; readonly untilMs: number }>();
  /** By account: wakes as soon as the player rests, or arrives. */
  readonly #wakes = new Map<string, Wake>();
  /** Sessions that newer ones replace, until their players rest. */
  readonly #ending = new Set<SessionId>();

  constructor(options: PlayersOptions) {
    this.#options = options;
  }

  get restingCount(): number {
    return this.#resting.size;
  }

  /** An entity of this node, as it was written down last. */
  seen({ id, passenger, atRest }: EntityRow): void {
    const { account } = passenger;
    if (passenger.session === 0 && account === '' && passenger.marks.length === 0) {
      this.#passengers.delete(id);
      return;
    }
    this.#passengers.set(id, passenger);
    if (account === '' || atRest || this.#playing.get(account) === id) return;
    this.#playing.set(account, id);
    this.#resting.delete(account);
    this.#left.delete(account);
    this.#options.homeChanged(account, id);
  }

  /** A player who is not in the world, and whom this ledger keeps. */
  rests(row: EntityRow): void {
    const { account } = row.passenger;
    this.#ending.delete(this.#passengers.get(row.id)?.session ?? 0);
    this.#passengers.delete(row.id);
    this.#playing.delete(account);
    if (account === '') return;
    this.#resting.set(account, row);
    this.#options.homeChanged(account, row.id);
  }

  /** Handed over: whoever asks for its player is sent there. */
  released(id: number, node: NodeNumber): void {
    const account = this.#forget(id);
    if (account === '') return;
    this.#left.delete(account);
    this.#left.set(account, { node, untilMs: this.#options.nowMs() + LEFT_MS });
    if (this.#left.size <= LEFT_MAX) return;
    const [oldest] = this.#left.keys();
    if (oldest !== undefined) this.#left.delete(oldest);
  }

  /** Gone from the world for good. */
  despawned(id: number): void {
    const account = this.#forget(id);
    if (account !== '') this.#options.homeChanged(account, undefined);
    this.#options.router.left(id as EntityId);
  }

  /** For the last checkpoint: what the entity in that slot carries now. */
  passengerOf(slot: number): Passenger {
    const { columns, sessions } = this.#options.store;
    const passenger = this.#passengers.get((columns.id[slot] ?? 0) as EntityId) ?? NOBODY;
    const session = (columns.session[slot] ?? 0) - 1;
    if (session < 0) return passenger;
    return { ...passenger, lastInput: sessions.inputSequence(session as SessionIndex) };
  }

  /** Where a player has gone who was here a moment ago; 0 when it was not, or is back. */
  leftFor(account: string): NodeNumber {
    return this.#left.get(account)?.node ?? 0;
  }

  /** True if the player of this account is of this node: it wakes now, or as soon as its older session has ended. */
  comeBack(wake: Wake): boolean {
    const { account } = wake;
    const resting = this.#resting.get(account);
    if (resting !== undefined) {
      this.#wake(resting, wake);
      return true;
    }
    const playing = this.#playing.get(account);
    const before = playing === undefined ? undefined : this.#passengers.get(playing);
    if (before === undefined) return false;
    this.await(wake);
    this.#end(before);
    return true;
  }

  /** The player is on its way to here. */
  await(wake: Wake): void {
    if (this.#wakes.size < WAKES_MAX) this.#wakes.set(wake.account, wake);
  }

  time(nowMs: number): void {
    for (const [account, wake] of this.#wakes) {
      const isHere = this.#resting.has(account);
      const hasArrived = !isHere && this.#isOfAnother(account, wake.session);
      if (!isHere && !hasArrived && nowMs < wake.untilMs) continue;
      this.#wakes.delete(account);
      if (isHere || hasArrived) this.comeBack(wake);
    }
    for (const [account, { untilMs }] of this.#left) {
      if (untilMs > nowMs) break;
      this.#left.delete(account);
    }
  }

  #isOfAnother(account: string, session: SessionId): boolean {
    const playing = this.#playing.get(account);
    const passenger = playing === undefined ? undefined : this.#passengers.get(playing);
    // One whose session is being ended is awaited, not ended again.
    return passenger !== undefined && passenger.session !== session && !this.#ending.has(passenger.session);
  }

  #wake(row: EntityRow, { session, gateway, account }: Wake): void {
    this.#options.store.peerStats.add('logins', 1);
    this.#resting.delete(account);
    const passenger: Passenger = { ...row.passenger, session, gateway, lastInput: 0 };
    const awake: EntityRow = { ...row, passenger, atRest: false };
    this.#options.step({ kind: 'checkpoint', rows: [awake] });
    this.#options.arrivals.activate({ cause: 'recovery', row: awake, targetCell: 0, pendingInputs: [] });
    this.seen(awake);
    this.#options.router.activated(awake);
  }

  /** Ends the session that a newer one replaces; its player rests then. */
  #end({ session, gateway }: Passenger): void {
    const { me, send, arrivals, router } = this.#options;
    this.#ending.add(session);
    if (gateway === me.node) router.endHere(session, 'replaced');
    else send(gateway, { kind: 'ended', session, reason: ENDED_REASON.replaced });
    arrivals.sessionLeave(session);
  }

  /** Returns the account of the player who was that entity, or ''. */
  #forget(id: number): string {
    const { account, session } = this.#passengers.get(id as EntityId) ?? NOBODY;
    this.#ending.delete(session);
    this.#passengers.delete(id as EntityId);
    if (account === '' || this.#playing.get(account) !== id) return '';
    this.#playing.delete(account);
    return account;
  }
}
