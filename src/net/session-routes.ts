/**
 * Sessions of a cluster: where the player of each is, and what its owner must be told when that is another node.
 *
 *   owner          inputs             leave, attach, detach, backlog, heard
 *   this node      input ring         the session's row
 *   another node   tunnel             the session's row, and frames in the tunnel (memory/tunnel.ts)
 *   not known yet  tunnel (a login,   frames in the tunnel
 *                  or an attach)
 *
 * Whichever way inputs take, whoever owns the player puts them into order. What a full ring did not take is owed, and
 * written as soon as it does.
 */
import { writeInput, writeLeave } from '../memory/intake.ts';
import { SESSION_STATE } from '../memory/sessions.ts';
import {
  writeTunnelHeard,
  writeTunnelInput,
  writeTunnelLeave,
  writeTunnelLogin,
  writeTunnelResume,
  writeTunnelState,
} from '../memory/tunnel.ts';
import type { TunnelHead, TunnelInput, TunnelResume, TunnelResumed, TunnelRoute } from '../memory/tunnel.ts';
import type { GatewayContext } from './context.ts';
import type { OwnerChange } from './owner-spans.ts';
import type { Redirects } from './redirects.ts';
import type { Session } from './session-table.ts';

/** The owner of a slow client is told of its backlog this often, and at once when it crosses the limit. */
const BACKLOG_PERIOD_MS = 100;
/** How long to wait for a keyframe before it is asked for again. */
const RESET_PERIOD_MS = 250;

/** Of one session, in a cluster. */
export interface SessionRoute {
  /** SessionId. */
  readonly id: number;
  /** NodeNumber of the owner, as last told; 0: this node, or nobody yet. */
  node: number;
  nodeName: string;
  /** The player's ownershipSeq there. */
  seq: number;
  /** A HANDOVER is out, and its answer is not here. */
  isUnanswered: boolean;
  /** Inputs go through the tunnel. */
  isTunnelled: boolean;
  /** The client has said something. */
  isHeard: boolean;
  owesHeard: boolean;
  owesState: boolean;
  owesReset: boolean;
  resetAskedMs: number;
  backlogBytes: number;
  backlogToldMs: number;
  /** The seq for which the client was last sent to the owner, and until when it may go there; 0: not, or no more. */
  redirectSeq: number;
  redirectEndsMs: number;
  /** Of a gateway that leaves: how often the client was sent away, and when it is again. */
  sentAway: number;
  sentAwayDueMs: number;
  /** The last change of the owner, if it is traced. */
  traced: OwnerChange | undefined;
}

export class SessionRoutes {
  readonly #context: GatewayContext;
  readonly #redirects: Redirects;
  /** Sessions with something owed. */
  readonly #debtors = new Set<Session>();

  constructor(context: GatewayContext, redirects: Redirects) {
    this.#context = context;
    this.#redirects = redirects;
  }

  /** This gateway is to send its clients away. */
  get isLeaving(): boolean {
    return this.#redirects.isLeaving;
  }

  /** The route of a new session, whose player is looked for (`isLogin`), or joins here. */
  open(id: number, { isLogin }: { readonly isLogin: boolean }): SessionRoute {
    return {
      id,
      node: 0,
      nodeName: '',
      seq: 0,
      isUnanswered: false,
      isTunnelled: isLogin,
      isHeard: false,
      owesHeard: false,
      owesState: false,
      owesReset: false,
      resetAskedMs: 0,
      backlogBytes: 0,
      backlogToldMs: 0,
      redirectSeq: 0,
      redirectEndsMs: 0,
      sentAway: 0,
      sentAwayDueMs: 0,
      traced: undefined,
    };
  }

  /** False when the ring is full. */
  writeLogin(head: TunnelHead, player: { readonly name: string; readonly account: string }): boolean {
    const { store, counters } = this.#context;
    if (!writeTunnelLogin(store.gatewayToPeer, { ...head, ...player })) return false;
    store.control.ringPeerBell();
    counters.loginsAsked++;
    return true;
  }

  /** False when the ring is full. */
  writeResume(head: TunnelHead, resume: TunnelResume): boolean {
    const { store } = this.#context;
    if (!writeTunnelResume(store.gatewayToPeer, { ...head, ...resume })) return false;
    store.control.ringPeerBell();
    return true;
  }

  /** False when a ring on its way is full: the client may send it again. */
  writeInput(session: Session, input: TunnelInput): boolean {
    const { store, counters } = this.#context;
    const { index, generation, route } = session;
    if (route?.isTunnelled === true) this.#tryDirect(session, route);
    if (route?.isTunnelled !== true) return writeInput(store.inputRing, { session: index, generation, ...input });
    if (!writeTunnelInput(store.gatewayToPeer, { ...headOf(session, route), ...input })) return false;
    counters.inputsTunnelled++;
    store.control.ringPeerBell();
    return true;
  }

  /** False when the ring is full. */
  writeLeave(session: Session): boolean {
    const { store } = this.#context;
    const { index, generation, route } = session;
    if (route?.isTunnelled !== true) return writeLeave(store.inputRing, { session: index, generation });
    if (!writeTunnelLeave(store.gatewayToPeer, headOf(session, route))) return false;
    store.control.ringPeerBell();
    return true;
  }

  /** The peer thread says who has the player. */
  changeOwner(session: Session, { node, seq, entity, name }: TunnelRoute): void {
    const { route, connection } = session;
    if (route === undefined || (route.node === node && route.seq === seq)) return;
    // Whoever takes over has told the client nothing; a login that finds its player here is no change.
    const isHandover = node !== 0 || route.node !== 0;
    setOwner(route, { node, seq, name });
    if (isHandover && connection !== undefined) {
      connection.awaitsKeyframe = true;
      route.resetAskedMs = Number.NEGATIVE_INFINITY;
      const by = node === 0 ? this.#context.store.peerTable.self : node;
      route.traced = this.#context.ownerSpans.begin({ entity, seq, session: route.id, node: by });
      this.tell(session);
      // The world's first snapshot was in its ring before this word came, and was dropped as not the owner's.
      if (node === 0) this.askKeyframe(session);
    }
    // The owner begins with a view of its own, and with what it was told of the client's state on the way: it may be old.
    if (node !== 0) this.#owe(session, route, { reset: false });
    route.owesHeard = route.isHeard;
    this.#pay(session, route);
  }

  /** The player of a session that was opened for it is there; the client is told with its welcome. */
  attached({ route }: Session, { node, seq, name }: TunnelResumed): void {
    if (route !== undefined) setOwner(route, { node, seq, name });
  }

  /** Tells the client who has its player, if that is not where it joined, and perhaps to go there. */
  tell(session: Session): void {
    const { route, connection } = session;
    if (route === undefined || connection === undefined || route.nodeName === '') return;
    route.isUnanswered = true;
    this.#context.counters.handoversTold++;
    connection.send({ type: 'handover', seq: route.seq, node: route.nodeName });
    this.#redirects.offer(session);
  }

  /** The client's answer. */
  answered({ route }: Session, seq: number): void {
    if (route === undefined || !route.isUnanswered || route.seq !== seq) return;
    route.isUnanswered = false;
    this.#context.counters.handoversAnswered++;
    if (route.traced?.seq === seq) this.#context.ownerSpans.answered(route.traced);
  }

  /** The client has said something; its owner wants to know the first time, and each owner anew. */
  heard(session: Session): void {
    const { route } = session;
    if (route === undefined || route.isHeard) return;
    route.isHeard = true;
    route.owesHeard = true;
    this.#pay(session, route);
  }

  /** The client has gone to the gateway that it was sent to. */
  moved({ route }: Session): void {
    if (route === undefined) return;
    const { counters } = this.#context;
    counters.sessionsMoved++;
    if (route.redirectEndsMs !== 0) counters.redirectsAttached++;
    route.redirectEndsMs = 0;
  }

  /** A connection came or went: `reset` asks for a keyframe. */
  changeState(session: Session, { reset }: { readonly reset: boolean }): void {
    const { route } = session;
    if (route === undefined || (route.node === 0 && !route.isTunnelled)) return;
    if (reset) route.resetAskedMs = this.#context.nowMs();
    this.#owe(session, route, { reset });
    this.#pay(session, route);
  }

  changeBacklog(session: Session, bytes: number): void {
    const { route } = session;
    if (route === undefined || route.node === 0 || bytes === route.backlogBytes) return;
    const { backlogBytesSkip } = this.#context.settings;
    const isCrossing = bytes > backlogBytesSkip !== route.backlogBytes > backlogBytesSkip;
    const nowMs = this.#context.nowMs();
    if (!isCrossing && nowMs - route.backlogToldMs < BACKLOG_PERIOD_MS) return;
    this.#owe(session, route, { reset: false });
    this.#pay(session, route);
  }

  /** A snapshot came that continues what the client never got: its owner is asked for a keyframe. */
  askKeyframe(session: Session): void {
    const { route } = session;
    if (route === undefined) return;
    const nowMs = this.#context.nowMs();
    if (nowMs - route.resetAskedMs < RESET_PERIOD_MS) return;
    route.resetAskedMs = nowMs;
    if (route.node === 0) return this.#context.store.sessions.requestViewReset(session.index);
    this.#owe(session, route, { reset: true });
    this.#pay(session, route);
  }

  /** Writes what is owed, as far as the rings take it. */
  payAll(): void {
    for (const session of this.#debtors) {
      if (session.route === undefined || !this.#pay(session, session.route)) return;
    }
  }

  /** Sends who has not been sent yet, and counts who did not go in time. */
  sweep(session: Session, { nowMs, isLeaving }: { readonly nowMs: number; readonly isLeaving: boolean }): void {
    const { route } = session;
    if (route === undefined) return;
    if (route.redirectEndsMs !== 0 && nowMs >= route.redirectEndsMs) this.#endRedirect(route);
    if (isLeaving) this.#redirects.sendAway(session, nowMs);
    else if (route.node !== 0) this.#redirects.offer(session);
  }

  forget(session: Session): void {
    this.#debtors.delete(session);
    if (session.route !== undefined) this.#endRedirect(session.route);
  }

  #endRedirect(route: SessionRoute): void {
    if (route.redirectEndsMs !== 0) this.#context.counters.redirectsUnused++;
    route.redirectEndsMs = 0;
  }

  #tryDirect(session: Session, route: SessionRoute): void {
    const { sessions } = this.#context.store;
    if (route.node !== 0 || sessions.route(session.index) !== 0) return;
    if (sessions.slotPlusOne(session.index) !== 0) route.isTunnelled = false;
  }

  #owe(session: Session, route: SessionRoute, { reset }: { readonly reset: boolean }): void {
    route.owesState = true;
    route.owesReset ||= reset;
    this.#debtors.add(session);
  }

  /** True when nothing is owed any more. */
  #pay(session: Session, route: SessionRoute): boolean {
    const isPaid =
      (!route.owesHeard || this.#writeHeard(session, route)) && (!route.owesState || this.#writeState(session, route));
    if (isPaid) this.#debtors.delete(session);
    else this.#debtors.add(session);
    return isPaid;
  }

  #writeHeard(session: Session, route: SessionRoute): boolean {
    const { store } = this.#context;
    if (!writeTunnelHeard(store.gatewayToPeer, headOf(session, route))) return false;
    route.owesHeard = false;
    store.control.ringPeerBell();
    return true;
  }

  #writeState(session: Session, route: SessionRoute): boolean {
    const { store } = this.#context;
    const isAttached = session.life.kind === 'attached';
    const state = isAttached ? SESSION_STATE.attached : SESSION_STATE.detached;
    const backlogBytes = session.connection?.backlogBytes ?? 0;
    const frame = { ...headOf(session, route), state, backlogBytes, viewReset: route.owesReset };
    if (!writeTunnelState(store.gatewayToPeer, frame)) return false;
    route.owesState = false;
    route.owesReset = false;
    route.backlogBytes = backlogBytes;
    route.backlogToldMs = this.#context.nowMs();
    store.control.ringPeerBell();
    return true;
  }
}

function setOwner(route: SessionRoute, { node, seq, name }: { node: number; seq: number; name: string }): void {
  if (node !== 0) route.isTunnelled = true;
  route.node = node;
  route.seq = seq;
  route.nodeName = name;
}

function headOf({ index, generation }: Session, { id }: SessionRoute): TunnelHead {
  return { row: index, generation, session: id };
}
