/**
 * What entities of this node carry besides their record, and the players with an account: who is in the world, who rests in
 * this ledger, and how one who logs in anywhere gets back to where it rests.
 *
 *   login at a gateway ─▶ rests or plays here? wake it
 *                      ─▶ the directory's name says another ledger: ask there (`login`) ─▶ wake it there, then ROUTE
 *                      ─▶ nobody knows the account: a new player is spawned here
 *
 * A player is woken where its journal is; when its position belongs to another node it leaves for there by an ordinary
 * handover. The newest session wins: a player who is in the world rests first. The directory's name is a hint. While the node
 * it names cannot be asked, a login is refused and not answered by a second player of the same account.
 */
import type { EntityId, SessionIndex } from '../base/brand.ts';
import type { Store } from '../memory/store.ts';
import { writeTunnelEnded } from '../memory/tunnel.ts';
import type { TunnelHead } from '../memory/tunnel.ts';
import type { ArrivalQueue } from './arrival-queue.ts';
import type { Directory } from './directory.ts';
import type { CoreEvent, EntityRow, Ledger, NodeNumber, Passenger, PeerIdentity, SessionId } from './protocol.ts';
import { mayHop } from './routing.core.ts';
import type { SessionRouter } from './session-router.ts';
import { ENDED_REASON } from './session-message.wire.ts';
import type { SessionMessage } from './session-message.wire.ts';

export interface PlayersOptions {
  readonly store: Store;
  readonly me: PeerIdentity;
  readonly directory: Directory;
  readonly router: SessionRouter;
  readonly arrivals: ArrivalQueue;
  readonly step: (event: CoreEvent) => void;
  readonly send: (node: NodeNumber, message: SessionMessage) => boolean;
  /** The node that stands for a ledger now, 0 for none. */
  readonly nodeOf: (ledger: Ledger) => NodeNumber;
  readonly nowMs: () => number;
}

/** A login that waits for an answer, or for its player to rest. */
interface Login {
  readonly session: SessionId;
  readonly account: string;
  readonly name: string;
  /** The node with the socket. */
  readonly gateway: NodeNumber;
  readonly untilMs: number;
}

const NOBODY: Passenger = { lastInput: 0, gateway: 0, session: 0, account: '', marks: [] };
const LOGIN_MS_MAX = 2000;
const LOGINS_MAX = 4096;
const NAME_PREFIX = 'player:';

export class Players {
  readonly #options: PlayersOptions;
  /** Only of entities that carry something. */
  readonly #passengers = new Map<EntityId, Passenger>();
  readonly #playing = new Map<string, EntityId>();
  readonly #resting = new Map<string, EntityRow>();
  readonly #named = new Map<string, EntityId>();
  readonly #logins = new Map<SessionId, Login>();
  /** By account: wakes as soon as the player rests. */
  readonly #wakes = new Map<string, Login>();

  constructor(options: PlayersOptions) {
    this.#options = options;
  }

  get restingCount(): number {
    return this.#resting.size;
  }

  /** An entity of this node, as it was written down last. */
  seen({ id, passenger, atRest }: EntityRow): void {
    const isEmpty = passenger.session === 0 && passenger.account === '' && passenger.marks.length === 0;
    if (isEmpty) {
      this.#passengers.delete(id);
      return;
    }
    this.#passengers.set(id, passenger);
    const { account } = passenger;
    if (account === '' || atRest) return;
    this.#playing.set(account, id);
    this.#resting.delete(account);
    this.#rememberHome(account, id);
  }

  /** Handed over, or gone. */
  left(id: number): void {
    const passenger = this.#passengers.get(id as EntityId);
    if (passenger === undefined) return;
    this.#passengers.delete(id as EntityId);
    if (this.#playing.get(passenger.account) === id) this.#playing.delete(passenger.account);
    if (this.#named.get(passenger.account) === id) this.#named.delete(passenger.account);
  }

  /** A player who is not in the world, and whom this ledger keeps. */
  rests(row: EntityRow): void {
    const { account } = row.passenger;
    this.#passengers.delete(row.id);
    this.#playing.delete(account);
    if (account === '') return;
    this.#resting.set(account, row);
    this.#rememberHome(account, row.id);
  }

  /** For the last checkpoint: what the entity in that slot carries now. */
  passengerOf(slot: number): Passenger {
    const { columns, sessions } = this.#options.store;
    const passenger = this.#passengers.get((columns.id[slot] ?? 0) as EntityId) ?? NOBODY;
    const session = (columns.session[slot] ?? 0) - 1;
    if (session < 0) return passenger;
    return { ...passenger, lastInput: sessions.inputSequence(session as SessionIndex) };
  }

  /** A client with an account has come to this gateway. */
  login({ session }: TunnelHead, { name, account }: { name: string; account: string }): void {
    const { me, nowMs } = this.#options;
    if (this.#logins.size >= LOGINS_MAX) return this.#refuse(session);
    const login: Login = { session, account, name, gateway: me.node, untilMs: nowMs() + LOGIN_MS_MAX };
    if (this.#comeBack(login)) return;
    this.#logins.set(session, login);
    void this.#lookUp(login);
  }

  receive(from: NodeNumber, message: Extract<SessionMessage, { kind: 'login' | 'loginDone' }>): void {
    if (message.kind === 'login') {
      const { session, name, account } = message;
      const login: Login = { session, account, name, gateway: from, untilMs: this.#options.nowMs() + LOGIN_MS_MAX };
      const found = mayHop(message.hops) && this.#comeBack(login);
      this.#options.send(from, { kind: 'loginDone', session, found });
      return;
    }
    const login = this.#logins.get(message.session);
    if (login === undefined) return;
    this.#logins.delete(message.session);
    // Found: the ROUTE follows.
    if (!message.found) this.#spawn(login);
  }

  time(nowMs: number): void {
    for (const [session, login] of this.#logins) {
      if (nowMs < login.untilMs) continue;
      this.#logins.delete(session);
      this.#refuse(session);
    }
    for (const [account, login] of this.#wakes) {
      const row = this.#resting.get(account);
      if (row === undefined && nowMs < login.untilMs) continue;
      this.#wakes.delete(account);
      if (row !== undefined) this.#wake(row, login);
    }
  }

  /** True if the player of this account is of this node: it wakes, now or as soon as its older session has ended. */
  #comeBack(login: Login): boolean {
    const { account } = login;
    const resting = this.#resting.get(account);
    if (resting !== undefined) {
      this.#wake(resting, login);
      return true;
    }
    const playing = this.#playing.get(account);
    const before = playing === undefined ? undefined : this.#passengers.get(playing);
    if (before === undefined) return false;
    this.#wakes.set(account, login);
    this.#end(before);
    return true;
  }

  #wake(row: EntityRow, { session, gateway, account }: Login): void {
    this.#options.store.peerStats.add('logins', 1);
    this.#resting.delete(account);
    const passenger: Passenger = { ...row.passenger, session, gateway, lastInput: 0 };
    const awake: EntityRow = { ...row, passenger, atRest: false };
    this.#options.step({ kind: 'checkpoint', rows: [awake] });
    this.#options.arrivals.activate({ cause: 'recovery', row: awake, targetCell: 0, pendingInputs: [] });
    this.seen(awake);
    this.#options.router.activated(awake, { pendingInputs: [], isExact: true });
  }

  /** Ends the session that a newer one replaces; its player rests then. */
  #end({ session, gateway }: Passenger): void {
    const { me, send, arrivals } = this.#options;
    if (gateway === me.node) this.#tellEnded(session, 'replaced');
    else send(gateway, { kind: 'ended', session, reason: ENDED_REASON.replaced });
    arrivals.sessionLeave(session);
  }

  async #lookUp(login: Login): Promise<void> {
    const { directory, nodeOf, me, send } = this.#options;
    const { session, name, account } = login;
    const home = await directory.getName(NAME_PREFIX + account).catch(() => 'unknown' as const);
    if (this.#logins.get(session) !== login) return;
    const node = home === undefined || home === 'unknown' ? 0 : nodeOf(home.ledger);
    if (home === undefined || node === me.node) {
      this.#logins.delete(session);
      this.#spawn(login);
      return;
    }
    // Without an answer in time the login is refused.
    if (node !== 0) send(node, { kind: 'login', session, hops: 0, name, account });
  }

  #spawn({ session, name, account }: Login): void {
    const { sessions } = this.#options.store;
    const row = sessions.findBySessionId(session);
    if (row === -1) return;
    this.#options.arrivals.join({ row, generation: sessions.generation(row), name, account });
  }

  #refuse(session: SessionId): void {
    this.#tellEnded(session, 'refused');
  }

  #tellEnded(session: SessionId, reason: 'replaced' | 'refused'): void {
    const { sessions, peerToGateway } = this.#options.store;
    const row = sessions.findBySessionId(session);
    if (row !== -1) writeTunnelEnded(peerToGateway, { row, generation: sessions.generation(row), reason });
  }

  /** The directory learns where an account is. A hint that could not be written costs a refused login. */
  #rememberHome(account: string, entity: EntityId): void {
    if (this.#named.get(account) === entity) return;
    this.#named.set(account, entity);
    void this.#putName(account, entity).catch(() => this.#named.delete(account));
  }

  async #putName(account: string, entity: EntityId): Promise<void> {
    const { directory, me } = this.#options;
    const key = NAME_PREFIX + account;
    for (let attempt = 0; attempt < 3; attempt++) {
      const expectedVersion = (await directory.getName(key))?.version ?? 0;
      if (await directory.putName(key, { ledger: me.ledger, entity }, { expectedVersion })) return;
    }
    this.#named.delete(account);
  }
}
