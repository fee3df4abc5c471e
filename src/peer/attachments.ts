/**
 * Clients that take up their player at another connection: asks for them as their gateway, and answers for players of this node.
 * What is decided is decided by attachment.core.ts.
 *
 *   tunnel `resume` ─▶ attempt ─ attach ─▶ every node, this one too ─▶ arrivals `rebind` ─▶ conductor ─▶ checkpoint ─▶ stable
 *   tunnel `resumed` ◀── attachDone ◀──────────────────────────────────────────────────────────────────────────┘
 *                         `ended` ─▶ the gateway of the session before
 */
import type { EntityId, SessionIndex } from '../base/brand.ts';
import { NO_SESSION_ROW } from '../memory/departures.ts';
import type { Store } from '../memory/store.ts';
import { writeTunnelResumed } from '../memory/tunnel.ts';
import type { ResumedView, TunnelHead, TunnelResume } from '../memory/tunnel.ts';
import type { ArrivalQueue } from './arrival-queue.ts';
import { decideAttach, RENAMED_MS, startAttempt, stepAttempt, UNHEARD_MAX } from './attachment.core.ts';
import type { Attachable, AttachAnswer, Attempt, Knowledge } from './attachment.core.ts';
import type { NodeNumber, PeerIdentity, SessionId } from './protocol.ts';
import type { Route } from './routing.core.ts';
import { ENDED_REASON } from './session-message.wire.ts';
import type { SessionMessage } from './session-message.wire.ts';
import type { Player, SessionPlayers } from './session-players.ts';

export type Attach = Extract<SessionMessage, { kind: 'attach' }>;
export type AttachDone = Extract<SessionMessage, { kind: 'attachDone' }>;

export interface AttachmentsOptions {
  readonly store: Store;
  readonly me: PeerIdentity;
  readonly arrivals: ArrivalQueue;
  readonly players: SessionPlayers;
  readonly send: (node: NodeNumber, message: SessionMessage) => boolean;
  /** Other nodes that can be asked, and whether somebody who may have a player cannot. */
  readonly neighbours: () => { readonly nodes: readonly NodeNumber[]; readonly isSomebodyMissing: boolean };
  readonly isInDoubt: (session: SessionId) => boolean;
  /** The player of a session of this gateway is there. */
  readonly adopt: (session: SessionId, route: Route) => void;
  /** Ends a session at its gateway, this one or another. */
  readonly end: (session: SessionId, gateway: NodeNumber, reason: number) => void;
  readonly sendRoute: (player: Player) => void;
  readonly nodeName: (node: NodeNumber) => string;
  /** In order, when there is room. */
  readonly tellGateway: (write: () => boolean) => void;
  readonly nowMs: () => number;
  /** How long a player waits for its client. */
  readonly graceMs: number;
}

interface Asking {
  readonly attempt: Attempt;
  readonly head: TunnelHead;
  readonly resume: TunnelResume;
}

/** A session that another has replaced. */
interface Superseded {
  readonly to: SessionId;
  readonly gateway: NodeNumber;
  readonly reason: number;
  readonly untilMs: number;
}

/** What its gateway is to be told when a rebinding is stable. */
interface Rebinding {
  readonly lastKnownTick: number;
  readonly ended: readonly { readonly session: SessionId; readonly gateway: NodeNumber }[];
  readonly reason: number;
}

/** A gateway has no more clients than session rows. */
const ATTEMPTS_MAX = 65_536;
/** Beyond it the oldest are forgotten: their clients are told later, by their silence. */
const SUPERSEDED_MAX = 65_536;
/**
 * The view of a session goes on only where it has gone on for so long: ticks of two owners may have the same number, but not
 * after this time.
 */
const VIEW_AGE_MS_MIN = 1000;

export class Attachments implements Knowledge {
  readonly #options: AttachmentsOptions;
  readonly #asking = new Map<SessionId, Asking>();
  /** By session of a token: since when it could not be found out who has its player; in order. */
  readonly #firstUnknownMs = new Map<SessionId, number>();
  readonly #rebindings = new Map<SessionId, Rebinding>();
  readonly #superseded = new Map<SessionId, Superseded>();
  /** By session: what it became, while that one's client was not heard as far as this gateway knows; and the way back. */
  readonly #successors = new Map<SessionId, { readonly to: SessionId; readonly untilMs: number }>();
  readonly #predecessors = new Map<SessionId, SessionId>();
  /** When the row of a player here was bound. */
  readonly #boundMs = new Map<SessionId, number>();

  constructor(options: AttachmentsOptions) {
    this.#options = options;
  }

  // As the gateway.

  /** A client of this gateway has shown a token. */
  begin(head: TunnelHead, resume: TunnelResume): void {
    const to = head.session as SessionId;
    const from = resume.from as SessionId;
    if (this.#asking.size >= ATTEMPTS_MAX) return this.#refuse(head, 'unknown');
    const attempt = startAttempt({ from, to }, this.#options.nowMs());
    this.#asking.set(to, { attempt, head, resume });
    this.#step(to);
  }

  /** The client has gone: it comes back with the same token, and must not be overtaken by this. */
  cancel(session: SessionId): void {
    this.#asking.delete(session);
  }

  answered(from: NodeNumber, message: AttachDone): void {
    const { session, answer } = message;
    const asking = this.#asking.get(session);
    if (asking === undefined) return;
    const nowMs = this.#options.nowMs();
    if (answer === 'attached') {
      const { entity, seq, incarnation, view } = message;
      return this.found(session, { entity: entity as EntityId, node: from, seq, incarnation }, view);
    }
    const next =
      answer === 'renamed'
        ? stepAttempt(asking.attempt, { kind: 'renamed', to: message.successor as SessionId, nowMs })
        : stepAttempt(asking.attempt, { kind: 'answer', from, answer, round: message.round });
    this.#obey(asking, next);
  }

  /** The player of a session that was asked for is there. */
  found(session: SessionId, route: Route, view: ResumedView): void {
    const asking = this.#asking.get(session);
    if (asking === undefined) return;
    this.#asking.delete(session);
    const { head, resume, attempt } = asking;
    const { me, store, nowMs, adopt, nodeName, tellGateway } = this.#options;
    store.peerStats.observe('attach', (nowMs() - attempt.startedMs) / 1000);
    this.#remember(resume.from as SessionId, session);
    adopt(session, route);
    const node = route.node === me.node ? 0 : route.node;
    const { entity, seq } = route;
    const { row, generation } = head;
    const name = node === 0 ? '' : nodeName(node);
    tellGateway(() =>
      writeTunnelResumed(store.peerToGateway, { row, generation, outcome: 'found', view, node, seq, entity, name }),
    );
  }

  /** A client of this gateway has said something. Who made its session of another may not have the player any more. */
  spoke(session: SessionId): void {
    if (!this.#predecessors.has(session)) return;
    const { send, neighbours } = this.#options;
    for (const node of neighbours().nodes) send(node, { kind: 'heard', session });
  }

  /** The client of this session has said something: the token with which it came is spent. */
  heard(session: SessionId): void {
    const from = this.#predecessors.get(session);
    this.#predecessors.delete(session);
    if (from !== undefined && this.#successors.get(from)?.to === session) this.#successors.delete(from);
  }

  // As the owner.

  receive(from: NodeNumber, request: Attach): void {
    const { session, round } = request;
    const decision = decideAttach({ ...request, to: session }, this);
    switch (decision.kind) {
      case 'rebind':
        return this.#rebind(decision.player as Player, { ...request, gateway: from });
      case 'wait': {
        // A repeat does no harm; the first may have found the player on its way into the world.
        const { gateway } = decision.player as Player;
        const ended = this.#rebindings.get(session)?.ended[0]?.session;
        if (ended !== undefined) this.#options.arrivals.rebind({ from: ended, to: session, gateway });
        return;
      }
      case 'attached':
        return this.#confirm(decision.player as Player, from, request.lastKnownTick);
      case 'renamed':
        return this.#answer(from, { ...NOTHING, session, round, answer: 'renamed', successor: decision.to });
      default:
        return this.#answer(from, { ...NOTHING, session, round, answer: decision.kind });
    }
  }

  /** The row of a player is bound. */
  bound(session: SessionId): void {
    if (!this.#boundMs.has(session)) this.#boundMs.set(session, this.#options.nowMs());
  }

  /**
   * The player has left this node, or the world, with that session. If it is not the one that it was to have, the rebinding came too
   * late, and whoever has the player now does it.
   */
  gone({ session }: Player, taken: SessionId): void {
    this.#boundMs.delete(session);
    const rebinding = this.#rebindings.get(session);
    this.#rebindings.delete(session);
    if (taken === session) return;
    for (const ended of rebinding?.ended ?? []) {
      this.#superseded.delete(ended.session);
      this.#successors.delete(ended.session);
    }
    this.#predecessors.delete(session);
  }

  /** The journal has the player with this session. */
  stable(session: SessionId): void {
    const player = this.#options.players.get(session);
    if (player === undefined || player.isStable) return;
    player.isStable = true;
    const { sendRoute, end } = this.#options;
    const rebinding = this.#rebindings.get(session);
    this.#rebindings.delete(session);
    for (const ended of rebinding?.ended ?? []) end(ended.session, ended.gateway, rebinding?.reason ?? 0);
    this.#confirm(player, player.gateway, rebinding?.lastKnownTick ?? 0);
    sendRoute(player);
  }

  /** Something of a session that was replaced: its gateway has not heard of that. False when it was not. */
  refusesLate(session: SessionId): boolean {
    const superseded = this.#superseded.get(session);
    if (superseded === undefined) return false;
    if (this.#options.players.get(superseded.to)?.isStable !== false)
      this.#options.end(session, superseded.gateway, superseded.reason);
    return true;
  }

  time(nowMs: number): void {
    for (const [to, { head }] of this.#asking) {
      if (this.#options.store.sessions.generation(head.row as SessionIndex) !== head.generation)
        this.#asking.delete(to);
      else this.#step(to);
    }
    for (const [session, firstMs] of this.#firstUnknownMs) {
      if (nowMs - firstMs <= 2 * this.#options.graceMs && this.#firstUnknownMs.size <= ATTEMPTS_MAX) break;
      this.#firstUnknownMs.delete(session);
    }
    for (const [session, { untilMs }] of this.#superseded) {
      if (untilMs > nowMs) break;
      this.#superseded.delete(session);
    }
    for (const [session, { to, untilMs }] of this.#successors) {
      if (untilMs > nowMs) break;
      this.#successors.delete(session);
      this.#predecessors.delete(to);
    }
  }

  // Knowledge.

  playerOf(session: SessionId): Attachable | undefined {
    return this.#options.players.find(session);
  }

  playerWithId(id: EntityId): Attachable | undefined {
    return this.#options.players.withId(id);
  }

  successorOf(session: SessionId): SessionId | undefined {
    return this.#successors.get(session)?.to;
  }

  isInDoubt(session: SessionId): boolean {
    return this.#options.isInDoubt(session);
  }

  // Below: small steps.

  #step(to: SessionId): void {
    const asking = this.#asking.get(to);
    if (asking === undefined) return;
    const { me, neighbours, nowMs } = this.#options;
    const { nodes, isSomebodyMissing } = neighbours();
    const event = { kind: 'time', nowMs: nowMs(), nodes: [me.node, ...nodes], isSomebodyMissing } as const;
    this.#obey(asking, stepAttempt(asking.attempt, event));
  }

  #obey(asking: Asking, next: ReturnType<typeof stepAttempt>): void {
    if (next === 'refused' || next === 'unknown') {
      this.#asking.delete(asking.attempt.to);
      this.#refuse(asking.head, next === 'unknown' && this.#mayAskAgain(asking.resume) ? 'unknown' : 'over');
    }
    if (next !== 'ask') return;
    const { attempt, resume } = asking;
    const { entity, lastKnownTick, isRedirect } = resume;
    const { from, to, renames, round } = attempt;
    const { me, send, neighbours } = this.#options;
    const message: Attach = {
      kind: 'attach',
      session: to,
      from,
      isRenamed: renames > 0,
      isRedirect,
      entity: entity as EntityId | 0,
      lastKnownTick,
      round,
    };
    for (const node of neighbours().nodes) send(node, message);
    this.receive(me.node, message);
  }

  /** The token of a player who waits for its client no longer than that is not asked for for ever, either. */
  #mayAskAgain({ from }: TunnelResume): boolean {
    const { nowMs, graceMs } = this.#options;
    const firstMs = this.#firstUnknownMs.get(from) ?? nowMs();
    this.#firstUnknownMs.set(from, firstMs);
    return nowMs() - firstMs <= graceMs && this.#firstUnknownMs.size <= ATTEMPTS_MAX;
  }

  #refuse({ row, generation }: TunnelHead, outcome: 'over' | 'unknown'): void {
    const { store, tellGateway } = this.#options;
    const nothing = { view: 'reset', node: 0, seq: 0, entity: 0, name: '' } as const;
    tellGateway(() => writeTunnelResumed(store.peerToGateway, { row, generation, outcome, ...nothing }));
  }

  #rebind(player: Player, request: Attach & { readonly gateway: NodeNumber }): void {
    const { players, arrivals, store, nowMs } = this.#options;
    const { session: to, from, gateway } = request;
    const { session: before } = player;
    // A client that was not heard may be the one that is there: it comes back, or is not.
    const isHeard = player.isHeard || player.before.length === 0;
    const reason = request.isRedirect ? ENDED_REASON.moved : isHeard ? ENDED_REASON.replaced : ENDED_REASON.gone;
    const untilMs = nowMs() + RENAMED_MS;
    // One that was not stable yet has ended others that have not been told.
    const untold = this.#rebindings.get(before)?.ended ?? [];
    this.#rebindings.delete(before);
    this.#rebindings.set(to, {
      lastKnownTick: request.lastKnownTick,
      ended: [{ session: before, gateway: player.gateway }, ...untold],
      reason,
    });
    const boundMs = this.#boundMs.get(before);
    this.#boundMs.delete(before);
    if (boundMs !== undefined) this.#boundMs.set(to, boundMs);
    // Who was heard here has spent what was before it.
    const earlier = player.before.filter((session) => session !== to);
    const unheard = player.isHeard ? [before] : [before, ...earlier].slice(0, UNHEARD_MAX);
    this.#superseded.delete(to);
    players.set({
      ...player,
      session: to,
      before: unheard,
      gateway,
      isHeard: false,
      isStable: false,
      orphanSinceMs: 0,
    });
    this.#superseded.set(before, { to, gateway: player.gateway, reason, untilMs });
    if (this.#superseded.size > SUPERSEDED_MAX) {
      const [oldest] = this.#superseded.keys();
      if (oldest !== undefined) this.#superseded.delete(oldest);
    }
    this.#remember(from, to);
    if (before !== from) this.#remember(before, to);
    store.peerStats.add('sessionsRebound', 1);
    arrivals.rebind({ from: before, to, gateway });
  }

  #remember(from: SessionId, to: SessionId): void {
    const known = this.#successors.get(from);
    if (known !== undefined) this.#predecessors.delete(known.to);
    this.#successors.delete(from);
    this.#successors.delete(to);
    this.#successors.set(from, { to, untilMs: this.#options.nowMs() + RENAMED_MS });
    this.#predecessors.set(to, from);
  }

  #confirm({ id, seq, session, row }: Player, gateway: NodeNumber, lastKnownTick: number): void {
    const { incarnation } = this.#options.me;
    const view = this.#viewOf(session, row, lastKnownTick);
    this.#answer(gateway, { ...NOTHING, session, answer: 'attached', entity: id, seq, incarnation, view });
  }

  /** What the client may go on with; the row sends nothing until its gateway says that the client is there. */
  #viewOf(session: SessionId, row: number, lastKnownTick: number): ResumedView {
    const { sessions } = this.#options.store;
    const index = row as SessionIndex;
    const isOld = this.#options.nowMs() - (this.#boundMs.get(session) ?? Infinity) >= VIEW_AGE_MS_MIN;
    if (row === NO_SESSION_ROW || lastKnownTick === 0 || !isOld || sessions.sessionId(index) !== session)
      return 'reset';
    if (!sessions.hasView(index) || lastKnownTick > sessions.lastSnapshotTick(index)) return 'reset';
    if (lastKnownTick === sessions.lastSnapshotTick(index)) return 'continued';
    sessions.requestResync(index, lastKnownTick);
    return 'resync';
  }

  #answer(gateway: NodeNumber, message: AttachDone): void {
    if (gateway === this.#options.me.node) this.answered(gateway, message);
    else this.#options.send(gateway, message);
  }
}

const NOTHING: Omit<AttachDone, 'session' | 'answer'> & { readonly answer: AttachAnswer } = {
  kind: 'attachDone',
  answer: 'no',
  round: 0,
  successor: 0 as SessionId,
  entity: 0 as EntityId,
  seq: 0,
  incarnation: 0,
  view: 'reset',
};
