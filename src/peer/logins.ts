/**
 * Clients with an account who come to this gateway, and the directory's names of players.
 *
 *   login ─▶ plays, rests or was here a moment ago? ─▶ wake it here, or where it went
 *         ─▶ the directory names a ledger ─▶ ask the node that stands for it
 *         ─▶ it does not know, or it is this node ─▶ ask all others
 *         ─▶ nobody has the player, and everybody was asked ─▶ claim the name by compare-and-swap ─▶ spawn a new one
 *
 * A name is a hint. That there is only one player of an account rests on asking everybody who lives, and on the claim; while
 * one of them cannot be asked, the login is refused, and the client comes again.
 */
import type { EntityId } from '../base/brand.ts';
import type { TunnelHead } from '../memory/tunnel.ts';
import type { Store } from '../memory/store.ts';
import type { ArrivalQueue } from './arrival-queue.ts';
import type { Directory, NameEntry } from './directory.ts';
import type { Players, Wake } from './players.ts';
import type { Ledger, NodeNumber, PeerIdentity, SessionId } from './protocol.ts';
import { mayHop } from './routing.core.ts';
import type { SessionMessage } from './session-message.wire.ts';
import type { SessionRouter } from './session-router.ts';

export interface LoginsOptions {
  readonly store: Store;
  readonly me: PeerIdentity;
  readonly directory: Directory;
  readonly players: () => Players;
  readonly router: SessionRouter;
  readonly arrivals: ArrivalQueue;
  readonly send: (node: NodeNumber, message: SessionMessage) => boolean;
  /** The node that stands for a ledger now, 0 for none. */
  readonly heirOf: (ledger: Ledger) => NodeNumber;
  /** All nodes with a live lease but this one. */
  readonly others: () => readonly NodeNumber[];
  readonly nowMs: () => number;
}

interface Login {
  readonly session: SessionId;
  readonly account: string;
  readonly name: string;
  readonly untilMs: number;
  /** Whose answer is awaited; empty before anybody was asked. */
  readonly asked: Set<NodeNumber>;
  /** Of these: who could not be reached yet, as when all nodes have just been started. */
  readonly unreached: Set<NodeNumber>;
  /** The directory's entry that the claim compares. */
  entry: NameEntry | undefined;
  isAskingAll: boolean;
}

/** Some ten times what a thousand logins at once take; a node that does not answer for so long is gone, or hangs. */
const LOGIN_MS_MAX = 4000;
const LOGINS_MAX = 4096;
const NAME_ATTEMPTS_MAX = 3;
const NAME_PREFIX = 'player:';

export class Logins {
  readonly #options: LoginsOptions;
  readonly #logins = new Map<SessionId, Login>();
  /** By account: what the directory was last told, or is being told. */
  readonly #told = new Map<string, EntityId>();

  constructor(options: LoginsOptions) {
    this.#options = options;
  }

  /** A client with an account has come to this gateway. */
  login({ session }: TunnelHead, { name, account }: { name: string; account: string }): void {
    const { nowMs, router } = this.#options;
    if (this.#logins.size >= LOGINS_MAX) return router.endHere(session, 'overloaded');
    const untilMs = nowMs() + LOGIN_MS_MAX;
    const nobody = { asked: new Set<NodeNumber>(), unreached: new Set<NodeNumber>() };
    const login: Login = { session, account, name, untilMs, ...nobody, entry: undefined, isAskingAll: false };
    if (this.#bring({ session, account, gateway: this.#options.me.node, untilMs }, { name, hops: 0 })) return;
    this.#logins.set(session, login);
    void this.#lookUp(login);
  }

  receive(from: NodeNumber, message: Extract<SessionMessage, { kind: 'login' | 'loginDone' }>): void {
    if (message.kind === 'loginDone') return this.#answered(from, message);
    const { session, gateway, account, name, hops } = message;
    const wake: Wake = { session, account, gateway, untilMs: this.#options.nowMs() + LOGIN_MS_MAX };
    const found = this.#bring(wake, { name, hops });
    // Sent on by a node that the player has just left: it is on its way to here.
    if (!found && from !== gateway) this.#options.players().await(wake);
    if (from === gateway) this.#options.send(from, { kind: 'loginDone', session, found });
  }

  time(nowMs: number): void {
    for (const [session, login] of this.#logins) {
      if (nowMs < login.untilMs) {
        if (login.unreached.size > 0) this.#reach(login);
        continue;
      }
      this.#logins.delete(session);
      this.#options.router.endHere(session, 'overloaded');
    }
  }

  /** The directory learns where an account is, or that its player is no more. */
  homeChanged(account: string, entity: EntityId | undefined): void {
    if (entity !== undefined && this.#told.get(account) === entity) return;
    if (entity === undefined) this.#told.delete(account);
    else this.#told.set(account, entity);
    void this.#tell(account, entity).catch(() => this.#told.delete(account));
  }

  /** True if the player is here, or its way is known. */
  #bring(wake: Wake, { name, hops }: { name: string; hops: number }): boolean {
    const { session, account, gateway } = wake;
    const players = this.#options.players();
    if (players.comeBack(wake)) return true;
    const node = players.leftFor(account);
    if (node === 0 || !mayHop(hops)) return false;
    return this.#options.send(node, { kind: 'login', session, gateway, hops: hops + 1, name, account });
  }

  async #lookUp(login: Login): Promise<void> {
    const { directory, heirOf, me } = this.#options;
    try {
      login.entry = await directory.getName(NAME_PREFIX + login.account);
    } catch {
      // Refused when its time is over.
      return;
    }
    if (this.#logins.get(login.session) !== login) return;
    if (login.entry === undefined) return void this.#claim(login);
    const node = heirOf(login.entry.ledger);
    if (node === me.node || node === 0) this.#askAll(login);
    else this.#ask(login, [node]);
  }

  #answered(from: NodeNumber, { session, found }: Extract<SessionMessage, { kind: 'loginDone' }>): void {
    const login = this.#logins.get(session);
    if (login === undefined || !login.asked.delete(from)) return;
    // Found: the ROUTE follows.
    if (found) this.#logins.delete(session);
    else if (login.asked.size === 0 && login.isAskingAll) void this.#claim(login);
    else if (login.asked.size === 0) this.#askAll(login);
  }

  #askAll(login: Login): void {
    login.isAskingAll = true;
    const others = this.#options.others();
    if (others.length === 0) void this.#claim(login);
    else this.#ask(login, others);
  }

  #ask(login: Login, nodes: readonly NodeNumber[]): void {
    for (const node of nodes) {
      login.asked.add(node);
      login.unreached.add(node);
    }
    this.#reach(login);
  }

  /** Each is asked once. One who cannot be asked does not answer, and then the login is refused. */
  #reach({ session, name, account, unreached }: Login): void {
    const { me, send } = this.#options;
    for (const node of unreached) {
      if (send(node, { kind: 'login', session, gateway: me.node, hops: 0, name, account })) unreached.delete(node);
    }
  }

  /** Nobody has a player of this account: whoever writes the name spawns one. */
  async #claim(login: Login): Promise<void> {
    const { directory, me, store, arrivals } = this.#options;
    const { session, account, name } = login;
    const home = { ledger: me.ledger, entity: session as unknown as EntityId };
    const expectedVersion = login.entry?.version ?? 0;
    const claimed = await directory.putName(NAME_PREFIX + account, home, { expectedVersion }).catch(() => undefined);
    const row = store.sessions.findBySessionId(session);
    if (claimed === undefined || row === -1 || !this.#logins.delete(session)) return;
    arrivals.join({ row, generation: store.sessions.generation(row), name, account });
  }

  async #tell(account: string, entity: EntityId | undefined): Promise<void> {
    const { directory, me } = this.#options;
    const key = NAME_PREFIX + account;
    for (let attempt = 0; attempt < NAME_ATTEMPTS_MAX; attempt++) {
      const entry = await directory.getName(key);
      const expectedVersion = entry?.version ?? 0;
      if (entity === undefined) {
        if (entry?.ledger !== me.ledger || (await directory.deleteName(key, { expectedVersion }))) return;
        continue;
      }
      // It has gone on meanwhile.
      if (this.#told.get(account) !== entity) return;
      if (await directory.putName(key, { ledger: me.ledger, entity }, { expectedVersion })) return;
    }
    this.#told.delete(account);
  }
}
