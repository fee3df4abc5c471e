/**
 * The sessions of this gateway: obeys session.core.ts and keeps the shared rows (memory/sessions.ts) in step.
 *
 * Invariant: a session is here from its JOIN until its LEAVE is in the input ring.
 */
import { assert } from '../base/assert.ts';
import { entityIdFrom } from '../base/brand.ts';
import type { SessionIndex } from '../base/brand.ts';
import { writeJoin } from '../memory/intake.ts';
import { SESSION_STATE } from '../memory/sessions.ts';
import type { EndedReason, ResumedOutcome, TunnelResumed } from '../memory/tunnel.ts';
import { AddressCount } from './address-count.core.ts';
import type { Connection, FatalErrorCode } from './connection.ts';
import type { GatewayContext } from './context.ts';
import type { Redirects } from './redirects.ts';
import { ResumeTokens } from './resume-tokens.core.ts';
import { stepSession } from './session.core.ts';
import type { SessionEffect, SessionEvent, SessionLife } from './session.core.ts';
import { SessionRoutes } from './session-routes.ts';
import type { SessionRoute } from './session-routes.ts';
import type { SessionClaims } from './session-token.ts';

/** A login that nobody answers for this long is given up: the peer thread, or all who may have the player, are gone. */
const LOGIN_MS_MAX = 10_000;
/** The peer thread answers sooner (peer/attachment.core.ts), unless it stands still. */
const ATTACH_MS_MAX = 7000;
/** What a client is told when the owner of its player ends the session. */
const ENDINGS: Readonly<Record<EndedReason, readonly [code: FatalErrorCode, message: string]>> = {
  replaced: ['ERR_SESSION_REPLACED', 'a newer session has this player'],
  refused: ['ERR_LIMIT_SESSIONS', 'the world has no room for another player; try later'],
  overloaded: ['ERR_SERVER_OVERLOADED', 'the player cannot be brought now; try later'],
  gone: ['ERR_SERVER_STOPPING', 'the node of this player is gone; come back'],
  stopping: ['ERR_SERVER_STOPPING', 'the node of this player stops; come back'],
  moved: ['ERR_SESSION_MOVED', 'the session goes on over another connection'],
};
const NOT_FOUND: TunnelResumed = { outcome: 'unknown', view: 'reset', node: 0, seq: 0, entity: 0, name: '' };

export interface Session {
  readonly index: SessionIndex;
  readonly generation: number;
  readonly account: string;
  readonly address: string;
  life: SessionLife;
  /** While attached. */
  connection: Connection | undefined;
  /** The last input that came of it. */
  inputSequence: number;
  /** The player's entity, as far as tokens name it; 0 is not known. */
  entity: number;
  /** In a cluster. */
  readonly route: SessionRoute | undefined;
}

/** A client that has shown a good token. */
export interface Returning {
  readonly claims: SessionClaims;
  readonly lastKnownTick: number;
  /** Its player is there, or is not to be had. Not called when the session ends before that. */
  readonly done: (outcome: ResumedOutcome) => void;
}

interface Attaching {
  readonly endsMs: number;
  readonly done: (outcome: ResumedOutcome) => void;
}

export class SessionTable {
  readonly tokens = new ResumeTokens();
  readonly byAddress = new AddressCount();
  /** Sessions of players who have an account. */
  readonly byAccount = new AddressCount();
  readonly routes: SessionRoutes;
  readonly #context: GatewayContext;
  readonly #sessions: (Session | undefined)[];
  readonly #live = new Set<Session>();
  /** Joined, and neither in the world nor refused yet. */
  readonly #entering = new Set<Session>();
  /** When the login of each that entered with one is given up. */
  readonly #loginEndsMs = new Map<Session, number>();
  /** Sessions whose player is looked for. */
  readonly #attaching = new Map<Session, Attaching>();
  readonly #effects: SessionEffect[] = [];
  #nextId = 1;
  #ending: EndedReason = 'gone';
  #lastKnownTick = 0;

  constructor(context: GatewayContext, redirects: Redirects) {
    this.#context = context;
    this.routes = new SessionRoutes(context, redirects);
    this.#sessions = Array.from({ length: context.store.sessions.capacity });
  }

  get count(): number {
    return this.#live.size;
  }

  at(index: number): Session | undefined {
    return this.#sessions[index];
  }

  /** Opens a session and tells the world; or says what is full. */
  open(connection: Connection, player: { name: string; account: string }): Session | 'sessions' | 'ring' {
    const { store, settings, nowMs } = this.#context;
    const { sessions } = store;
    const id = settings.cluster === undefined ? 0 : entityIdFrom(store.incarnation, this.#nextId++);
    const index = sessions.open({ sessionId: id });
    if (index === -1) return 'sessions';
    assert(this.#sessions[index] === undefined, 'a free row has no session');
    const generation = sessions.generation(index);
    // Who has an account may rest anywhere in the cluster, or play already.
    const isLogin = id !== 0 && player.account !== '';
    const isTaken = isLogin
      ? this.routes.writeLogin({ row: index, generation, session: id }, player)
      : writeJoin(store.inputRing, { session: index, generation, ...player });
    if (!isTaken) {
      sessions.setState(index, SESSION_STATE.free);
      return 'ring';
    }
    const route = id === 0 ? undefined : this.routes.open(id, { isLogin });
    const session = this.#add(connection, { index, account: player.account, entity: 0, route });
    this.#entering.add(session);
    if (isLogin) this.#loginEndsMs.set(session, nowMs() + LOGIN_MS_MAX);
    sessions.setState(index, SESSION_STATE.attached);
    this.#context.counters.sessionsOpened++;
    return session;
  }

  #add(connection: Connection, given: Pick<Session, 'index' | 'account' | 'entity' | 'route'>): Session {
    const { index, account } = given;
    const session: Session = {
      ...given,
      generation: this.#context.store.sessions.generation(index),
      address: connection.address,
      life: { kind: 'attached', connection: connection.number },
      connection,
      inputSequence: 0,
    };
    this.#sessions[index] = session;
    this.#live.add(session);
    this.byAddress.add(session.address);
    if (account !== '') this.byAccount.add(account);
    return session;
  }

  /**
   * In a cluster: opens a session for a client that has shown a token of another one, whose player is then looked for; or says what
   * is full. Nothing is sent to the client before `done`.
   */
  attach(connection: Connection, { claims, lastKnownTick, done }: Returning): 'sessions' | 'ring' | 'asked' {
    const { store, nowMs } = this.#context;
    const { sessions } = store;
    const id = entityIdFrom(store.incarnation, this.#nextId++);
    const index = sessions.open({ sessionId: id });
    if (index === -1) return 'sessions';
    const { session: from, entity, account, purpose } = claims;
    const head = { row: index, generation: sessions.generation(index), session: id };
    if (!this.routes.writeResume(head, { from, entity, isRedirect: purpose === 'redirect', lastKnownTick })) {
      sessions.setState(index, SESSION_STATE.free);
      return 'ring';
    }
    const session = this.#add(connection, { index, account, entity, route: this.routes.open(id, { isLogin: true }) });
    connection.session = session;
    this.#attaching.set(session, { endsMs: nowMs() + ATTACH_MS_MAX, done });
    return 'asked';
  }

  /** The peer thread says what became of an `attach`. */
  resumed(session: Session, resumed: TunnelResumed): void {
    const attaching = this.#attaching.get(session);
    if (attaching === undefined) return;
    this.#attaching.delete(session);
    const { connection } = session;
    if (resumed.outcome !== 'found') {
      this.#step(session, { kind: 'denied' });
      if (connection !== undefined) connection.session = undefined;
      return attaching.done(resumed.outcome);
    }
    const { store, counters } = this.#context;
    const needsReset = resumed.view === 'reset';
    session.entity = resumed.entity;
    this.routes.attached(session, resumed);
    counters.sessionsResumed++;
    counters.resumesAttached++;
    // The client went while its player was looked for: it may come back, with the same token.
    if (connection === undefined) return this.routes.changeState(session, { reset: false });
    connection.awaitsKeyframe = resumed.view !== 'continued';
    attaching.done('found');
    if (needsReset) store.sessions.requestViewReset(session.index);
    store.sessions.setState(session.index, SESSION_STATE.attached);
    this.routes.changeState(session, { reset: needsReset });
  }

  /** Of a node alone. `lastKnownTick`: of the view that the client still has; 0 is none. */
  resume(session: Session, connection: Connection, lastKnownTick: number): void {
    this.#lastKnownTick = lastKnownTick;
    const { counters } = this.#context;
    counters.sessionsResumed++;
    counters.resumesLocal++;
    const replaced = session.connection;
    session.connection = connection;
    this.#step(session, { kind: 'resume', connection: connection.number }, replaced);
  }

  /** What the next token of this session stands for. */
  nextAttachment(session: Session): number {
    if (session.route !== undefined) return session.route.id;
    const attachment = entityIdFrom(this.#context.store.incarnation, this.#nextId++);
    this.tokens.issue(session.index, attachment);
    return attachment;
  }

  /** The client has said something: the token with which it came is spent. */
  heard(session: Session): void {
    if (session.route === undefined) this.tokens.confirm(session.index);
    else this.routes.heard(session);
  }

  /** The connection is gone, for whatever reason. */
  lost(connection: Connection, nowMs: number): void {
    const { session } = connection;
    if (session === undefined) return;
    this.#step(session, { kind: 'lost', connection: connection.number, nowMs });
  }

  bye(session: Session): void {
    this.#context.counters.countSessionEnd('left');
    this.#step(session, { kind: 'bye' });
  }

  /** The owner of its player, another node, has ended it. */
  end(session: Session, reason: EndedReason): void {
    this.#ending = reason;
    const { kind } = session.life;
    if (kind === 'attached' || kind === 'detached') this.#context.counters.countSessionEnd(reason);
    if (reason === 'moved') this.routes.moved(session);
    this.#step(session, { kind: 'taken' });
  }

  /** Ends what is past its grace, and repeats what the full ring did not take. */
  sweep(nowMs: number): void {
    for (const [session, endsMs] of this.#loginEndsMs) {
      if (nowMs >= endsMs) this.end(session, 'overloaded');
    }
    for (const [session, { endsMs }] of this.#attaching) {
      if (nowMs < endsMs) continue;
      // Whose client has gone may have its player by now, and waits for its grace.
      if (session.connection === undefined) this.#attaching.delete(session);
      else this.resumed(session, NOT_FOUND);
    }
    const graceMs = this.#context.settings.resumeGraceMs;
    const { isLeaving } = this.routes;
    for (const session of this.#live) {
      const before = session.life.kind;
      this.routes.sweep(session, { nowMs, isLeaving });
      if (before === 'attached') continue;
      this.#step(session, { kind: 'time', nowMs, graceMs });
      if (before !== 'detached' || session.life.kind === 'detached') continue;
      this.#context.counters.sessionsExpired++;
      this.#context.counters.countSessionEnd('expired');
    }
  }

  /** Learns what the world said to the joins since the last call. */
  checkEntering(): void {
    const { sessions } = this.#context.store;
    for (const session of this.#entering) {
      if (sessions.refusal(session.index) !== undefined) {
        this.#entered(session);
        this.#context.counters.countSessionEnd('refused');
        this.#step(session, { kind: 'refused' });
      } else if (sessions.slotPlusOne(session.index) !== 0 || sessions.route(session.index) !== 0) {
        // It is in the world, here or at another node.
        this.#entered(session);
      }
    }
  }

  #entered(session: Session): void {
    this.#entering.delete(session);
    this.#loginEndsMs.delete(session);
  }

  #step(session: Session, event: SessionEvent, replaced = session.connection): void {
    const effects = this.#effects;
    assert(effects.length === 0, 'effects are obeyed before the next event');
    session.life = stepSession(session.life, event, effects);
    const due = effects.splice(0);
    for (const effect of due) this.#obey(session, effect, replaced);
  }

  #obey(session: Session, effect: SessionEffect, connection: Connection | undefined): void {
    const { sessions } = this.#context.store;
    switch (effect.kind) {
      case 'replace':
        assert(connection?.number === effect.connection, 'the replaced connection is the one that was attached');
        connection.fail('ERR_SESSION_REPLACED', 'a newer connection resumed this session');
        return;
      case 'refuse':
        assert(connection?.number === effect.connection, 'the refused connection is the one that is attached');
        connection.fail('ERR_LIMIT_SESSIONS', 'the world has no room for another player; try later');
        return;
      case 'tellTaken':
        assert(connection?.number === effect.connection, 'the connection that is told is the one that is attached');
        if (this.#ending === 'moved') connection.move();
        else connection.fail(...ENDINGS[this.#ending]);
        return;
      case 'attach':
        sessions.setBacklogBytes(session.index, 0);
        if (this.#lastKnownTick !== 0 && sessions.hasView(session.index))
          sessions.requestResync(session.index, this.#lastKnownTick);
        else sessions.requestViewReset(session.index);
        sessions.setState(session.index, SESSION_STATE.attached);
        this.routes.changeState(session, { reset: true });
        return;
      case 'detach':
        session.connection = undefined;
        sessions.setState(session.index, SESSION_STATE.detached);
        this.routes.changeState(session, { reset: false });
        return;
      case 'revoke':
        this.tokens.revoke(session.index);
        return;
      case 'writeLeave':
        if (!this.routes.writeLeave(session)) return;
        return this.#step(session, { kind: 'leaveWritten' });
      case 'free':
        session.connection = undefined;
        this.#sessions[session.index] = undefined;
        this.#live.delete(session);
        this.#entered(session);
        this.#attaching.delete(session);
        this.routes.forget(session);
        this.byAddress.remove(session.address);
        this.byAccount.remove(session.account);
        sessions.setState(session.index, SESSION_STATE.free);
        return;
    }
  }
}
