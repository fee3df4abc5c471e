/**
 * Sessions of a cluster: where the player of each is, and what its owner must be told when that is another node.
 *
 *   owner          inputs                                 leave, attach, detach, backlog
 *   this node      input ring                             the session's row
 *   another node   tunnel, behind a mark in the input ring  the session's row, and frames in the tunnel (memory/tunnel.ts)
 *   not known yet  tunnel (a login)                         frames in the tunnel
 *
 * When a player comes back, its inputs go on through the tunnel until the world has applied all that went there: what is
 * on its way cannot be overtaken. What a full ring did not take is owed, and written as soon as it does.
 */
import { writeInput, writeLeave, writeMark } from '../memory/intake.ts';
import { SESSION_STATE } from '../memory/sessions.ts';
import {
  writeTunnelHandedOver,
  writeTunnelInput,
  writeTunnelLeave,
  writeTunnelLogin,
  writeTunnelState,
} from '../memory/tunnel.ts';
import type { TunnelHead, TunnelInput } from '../memory/tunnel.ts';
import type { GatewayContext } from './context.ts';
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
  /** The last input that went there. */
  tunnelledSequence: number;
  marksOwed: number;
  owesState: boolean;
  owesReset: boolean;
  resetAskedMs: number;
  backlogBytes: number;
  backlogToldMs: number;
}

export class SessionRoutes {
  readonly #context: GatewayContext;
  /** Sessions with something owed. */
  readonly #debtors = new Set<Session>();

  constructor(context: GatewayContext) {
    this.#context = context;
  }

  /** The route of a new session, whose player is looked for with a `login`, or joins here. */
  open(id: number, { isLogin }: { readonly isLogin: boolean }): SessionRoute {
    return {
      id,
      node: 0,
      nodeName: '',
      seq: 0,
      isUnanswered: false,
      isTunnelled: isLogin,
      tunnelledSequence: 0,
      marksOwed: 0,
      owesState: false,
      owesReset: false,
      resetAskedMs: 0,
      backlogBytes: 0,
      backlogToldMs: 0,
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

  /** False when a ring on its way is full: the client may send it again. */
  writeInput(session: Session, input: TunnelInput): boolean {
    const { store, counters } = this.#context;
    const { index, generation, route } = session;
    if (route?.isTunnelled === true) this.#tryDirect(session, route);
    if (route?.isTunnelled !== true) return writeInput(store.inputRing, { session: index, generation, ...input });
    if (route.marksOwed > 0 && !this.#pay(session, route)) return false;
    if (!writeTunnelInput(store.gatewayToPeer, { ...headOf(session, route), ...input })) return false;
    route.tunnelledSequence = Math.max(route.tunnelledSequence, input.sequence);
    counters.inputsTunnelled++;
    store.control.ringPeerBell();
    return true;
  }

  /** False when the ring is full. */
  writeLeave(session: Session): boolean {
    const { store } = this.#context;
    const { index, generation, route } = session;
    if (route?.isTunnelled !== true) return writeLeave(store.inputRing, { session: index, generation });
    if (route.marksOwed > 0 && !this.#pay(session, route)) return false;
    if (!writeTunnelLeave(store.gatewayToPeer, headOf(session, route))) return false;
    store.control.ringPeerBell();
    return true;
  }

  /** The peer thread says who has the player. */
  changeOwner(session: Session, { node, seq, name }: { node: number; seq: number; name: string }): void {
    const { route, connection } = session;
    if (route === undefined || (route.node === node && route.seq === seq)) return;
    // Whoever takes over has told the client nothing; a login that finds its player here is no change.
    const isHandover = node !== 0 || route.node !== 0;
    if (node !== 0 && route.node === 0) route.marksOwed++;
    if (node !== 0) route.isTunnelled = true;
    route.node = node;
    route.seq = seq;
    route.nodeName = name;
    if (isHandover && connection !== undefined) {
      connection.awaitsKeyframe = true;
      route.resetAskedMs = Number.NEGATIVE_INFINITY;
      this.tell(session);
      // The world's first snapshot was in its ring before this word came, and was dropped as not the owner's.
      if (node === 0) this.askKeyframe(session);
    }
    // The owner begins with a view of its own, and with what it was told of the client's state on the way: it may be old.
    if (node !== 0) this.#owe(session, route, { reset: false });
    this.#pay(session, route);
  }

  /** Tells the client who has its player, if that is not where it joined. */
  tell({ route, connection }: Session): void {
    if (route === undefined || connection === undefined || route.nodeName === '') return;
    route.isUnanswered = true;
    this.#context.counters.handoversTold++;
    connection.send({ type: 'handover', seq: route.seq, node: route.nodeName });
  }

  /** The client's answer. It sends again what was not acknowledged; the owner drops what it has. */
  answered(session: Session, seq: number): void {
    const { store, counters } = this.#context;
    const { route } = session;
    if (route === undefined || !route.isUnanswered || route.seq !== seq) return;
    route.isUnanswered = false;
    counters.handoversAnswered++;
    // It is for statistics: a full ring loses nothing else.
    if (writeTunnelHandedOver(store.gatewayToPeer, { ...headOf(session, route), seq })) store.control.ringPeerBell();
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

  forget(session: Session): void {
    this.#debtors.delete(session);
  }

  #tryDirect(session: Session, route: SessionRoute): void {
    const { sessions } = this.#context.store;
    if (route.node !== 0 || route.marksOwed > 0 || sessions.route(session.index) !== 0) return;
    if (sessions.slotPlusOne(session.index) === 0) return;
    if (sessions.inputSequence(session.index) < route.tunnelledSequence) return;
    route.isTunnelled = false;
    route.tunnelledSequence = 0;
  }

  #owe(session: Session, route: SessionRoute, { reset }: { readonly reset: boolean }): void {
    route.owesState = true;
    route.owesReset ||= reset;
    this.#debtors.add(session);
  }

  /** True when nothing is owed any more. */
  #pay(session: Session, route: SessionRoute): boolean {
    const { store } = this.#context;
    const { index, generation } = session;
    while (route.marksOwed > 0) {
      if (!writeMark(store.inputRing, { session: index, generation })) {
        this.#debtors.add(session);
        return false;
      }
      route.marksOwed--;
    }
    if (route.owesState && !this.#writeState(session, route)) return false;
    this.#debtors.delete(session);
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

function headOf({ index, generation }: Session, { id }: SessionRoute): TunnelHead {
  return { row: index, generation, session: id };
}
