/**
 * Sessions whose player may be owned at another node than the one with the client's socket.
 *
 *   gateway ──input, state, leave──▶ this thread ──link──▶ owner: gate ──arrivals ring──▶ conductor
 *   client ◀── gateway ◀──snapshot── this thread ◀──link── owner: tunnel rings ◀── observe
 *
 *   a player becomes owned here ──▶ ROUTE to its gateway, until answered; the gateway answers `leave` for a session it has not
 *   a player leaves this node   ──▶ a pointer stays, for what comes late
 *
 * Nothing here is durable. What arrives for a player who is neither here nor known to be elsewhere waits a moment: the
 * COMMIT that brings the player may still be on its way.
 */
import { COUNTER_RANGE } from '../base/brand.ts';
import type { EntityId, SessionIndex } from '../base/brand.ts';
import type { ArrivedInput } from '../memory/arrivals.ts';
import { NO_SESSION_ROW } from '../memory/departures.ts';
import type { BoundSession, Release } from '../memory/departures.ts';
import type { IntakeInput } from '../memory/intake.ts';
import { OUTBOUND_HEAD_BYTES } from '../memory/outbound.ts';
import { SESSION_STATE } from '../memory/sessions.ts';
import type { Store } from '../memory/store.ts';
import { readGatewayFrame, writeTunnelEnded, writeTunnelRoute, writeTunnelSnapshot } from '../memory/tunnel.ts';
import type { EndedReason, GatewayFrameVisitor, TunnelHead, TunnelResume, TunnelState } from '../memory/tunnel.ts';
import type { ArrivalQueue } from './arrival-queue.ts';
import { Attachments } from './attachments.ts';
import type { AttachmentsOptions } from './attachments.ts';
import type { EntityRow, NodeNumber, PeerIdentity, SessionId } from './protocol.ts';
import type { HandoverTracer } from './handover-tracer.ts';
import { expirePointers, mayHop, nextNode, POINTER_MS, setPointer, takeRoute } from './routing.core.ts';
import type { Pointer, Route } from './routing.core.ts';
import { ENDED_REASON } from './session-message.wire.ts';
import type { SessionMessage } from './session-message.wire.ts';
import { HeldMessages } from './session-held.ts';
import type { HeldMessage } from './session-held.ts';
import { newPlayer, SessionPlayers } from './session-players.ts';
import { SessionRows } from './session-rows.ts';
import type { Player } from './session-players.ts';

export interface SessionRouterOptions {
  readonly store: Store;
  readonly me: PeerIdentity;
  readonly arrivals: ArrivalQueue;
  /** False when it could not be taken: the link is down or busy. */
  readonly send: (node: NodeNumber, message: SessionMessage) => boolean;
  readonly nodeName: (node: NodeNumber) => string;
  readonly neighbours: AttachmentsOptions['neighbours'];
  /** The player of this session may come, or come back, to this node, or is on its way to another. */
  readonly isInDoubt: (session: SessionId) => boolean;
  /** Whether a process with this incarnation may still come and ask for its sessions. */
  readonly isLive: (incarnation: number) => boolean;
  readonly login: (head: TunnelHead, player: { name: string; account: string }) => void;
  readonly nowMs: () => number;
  /** How long a player waits for a client whose gateway is gone. */
  readonly graceMs: number;
  readonly tracer: HandoverTracer;
}

const ROUTE_AGAIN_MS = 250;
const ROUTE_REFRESH_MS = 10_000;
const HOUSEKEEPING_MS = 100;

const ENDINGS: ReadonlyMap<number, EndedReason> = new Map([
  [ENDED_REASON.replaced, 'replaced'],
  [ENDED_REASON.refused, 'refused'],
  [ENDED_REASON.moved, 'moved'],
]);

export class SessionRouter implements GatewayFrameVisitor {
  readonly #options: SessionRouterOptions;
  readonly #store: Store;
  readonly #routes = new Map<SessionId, Route>();
  readonly #players = new SessionPlayers();
  readonly #rows: SessionRows;
  readonly #attachments: Attachments;
  readonly #pointers = new Map<SessionId, Pointer>();
  readonly #held = new HeldMessages();
  #housekeepingDueMs = 0;
  readonly #toGateway: (() => boolean)[] = [];

  constructor(options: SessionRouterOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#rows = new SessionRows(options.store.sessions);
    this.#attachments = new Attachments({
      ...options,
      players: this.#players,
      adopt: (session, route) => this.#adopt(session, route),
      end: (session, gateway, reason) => this.#endAt(session, gateway, reason),
      sendRoute: (player) => this.#sendRoute(player, options.nowMs()),
      tellGateway: (write) => this.#tellGateway(write),
    });
  }

  /** Players here whose gateway is gone. */
  get orphans(): number {
    let count = 0;
    for (const { orphanSinceMs } of this.#players) if (orphanSinceMs !== 0) count++;
    return count;
  }

  // What the simulation says.

  /** An entity with a session is about to become owned here: inputs may go to it from now on, behind it. */
  activated({ id, seq, passenger }: EntityRow): void {
    const { session, gateway, lastInput } = passenger;
    if (session === 0) return;
    this.#players.set(newPlayer({ session, id, seq, gateway, lastInput }));
    this.#pointers.delete(session);
    for (const message of this.#held.take(session)) this.receive(gateway, message);
  }

  /** The player is in the store: its gateway is told. */
  bound({ session, row, gateway, id, seq, lastInput }: BoundSession): void {
    const { me, nowMs } = this.#options;
    const isHere = gateway === 0 || gateway === me.node;
    this.#options.tracer.activated(id, seq, nowMs());
    if (row === NO_SESSION_ROW && !isHere) {
      this.#options.send(gateway, { kind: 'ended', session, reason: ENDED_REASON.refused });
    }
    const known = this.#players.withId(id as EntityId);
    // The conductor said so before it heard that the client goes on with another session.
    if (known !== undefined && known.session !== session && !known.isStable) return;
    const fresh = newPlayer({ session, id: id as EntityId, seq, gateway: isHere ? me.node : gateway, lastInput });
    const before = known?.session === session ? known : fresh;
    const player = { ...before, seq, row, lastInput, routeSinceMs: nowMs(), routeDueMs: 0 };
    this.#players.set(player);
    this.#attachments.bound(session);
    this.#tellDurable(player);
    if (player.isStable) this.#sendRoute(player, nowMs());
  }

  /** An entity of this node, as it is written down: who was born here has not been told of before. */
  seen({ id, seq, passenger }: EntityRow): void {
    const { session, gateway, lastInput } = passenger;
    if (session === 0 || this.#players.withId(id) !== undefined) return;
    // Born here: nobody says that it is bound.
    const row = this.#rows.find(session);
    const player = newPlayer({ session, id, seq, gateway, lastInput });
    this.#players.set(row === -1 ? player : { ...player, row });
  }

  released({ id, passenger, targetNode, seq }: Release): void {
    const { session } = passenger;
    this.#gone(id as EntityId, session);
    if (session !== 0) this.#setPointer(session, targetNode, seq);
  }

  /** The player is gone from the world, or rests. */
  left(id: EntityId): void {
    this.#gone(id, this.#players.withId(id)?.session ?? (0 as SessionId));
  }

  #gone(id: EntityId, session: SessionId): void {
    const player = this.#players.withId(id);
    if (player === undefined) return;
    this.#players.delete(player);
    this.#attachments.gone(player, session);
  }

  forwardInput(input: ArrivedInput): void {
    this.#options.store.peerStats.add('inputsForwarded', 1);
    this.#forward({ kind: 'input', ...input, hops: 0 });
  }

  /** The player is on disk with this session, and what its inputs up to `lastInput` have done. */
  durable(session: SessionId, lastInput: number): void {
    const player = this.#players.get(session);
    if (player === undefined) return;
    player.durableInput = lastInput;
    this.#tellDurable(player);
    this.#attachments.stable(session);
  }

  #tellDurable({ session, row, durableInput }: Player): void {
    const { sessions } = this.#store;
    const index = row as SessionIndex;
    if (row !== NO_SESSION_ROW && sessions.sessionId(index) === session) sessions.setDurableInput(index, durableInput);
  }

  forwardLeave(session: SessionId): void {
    this.#forward({ kind: 'leave', session, hops: 0 });
  }

  /** Takes what the gateway and the observers have for other nodes. */
  drain(): void {
    const { gatewayToPeer, tunnelRings } = this.#store;
    gatewayToPeer.drain((at) => readGatewayFrame(gatewayToPeer, at, this));
    for (const ring of tunnelRings) {
      ring.drain((at, sizeBytes) => {
        const payload = ring.bytes.subarray(at + OUTBOUND_HEAD_BYTES, at + sizeBytes);
        this.#sendSnapshot(ring.view.getUint32(at, true), ring.view.getUint32(at + 4, true), payload);
      });
    }
  }

  /** A snapshot for a player whose socket is elsewhere. */
  #sendSnapshot(row: number, generation: number, bytes: Uint8Array): void {
    const { sessions, peerStats } = this.#store;
    const index = row as SessionIndex;
    if (sessions.generation(index) !== generation) return;
    const gateway = sessions.gateway(index);
    const session = sessions.sessionId(index);
    if (gateway === 0 || session === 0) return;
    if (this.#options.send(gateway, { kind: 'snapshot', session, bytes })) {
      peerStats.add('snapshotsTunnelled', 1);
      return;
    }
    // What the client has is now unknown: the next one tells everything.
    peerStats.add('snapshotsDropped', 1);
    sessions.requestViewReset(index);
  }

  // What the gateway says (GatewayFrameVisitor).

  input({ session }: TunnelHead, { sequence, back, at, sizeBytes }: IntakeInput): void {
    const payload = this.#store.gatewayToPeer.bytes.slice(at, at + sizeBytes);
    this.#deliver({ kind: 'input', session, sequence, back, hops: 0, payload });
  }

  state({ session }: TunnelHead, { state, backlogBytes, viewReset }: TunnelState): void {
    if (state === SESSION_STATE.detached) this.#attachments.cancel(session);
    this.#deliver({ kind: 'state', session, state, viewReset, backlogBytes });
  }

  leave({ session }: TunnelHead): void {
    this.#deliver({ kind: 'leave', session, hops: 0 });
    this.#routes.delete(session);
  }

  login(head: TunnelHead, player: { name: string; account: string }): void {
    this.#options.login(head, player);
  }

  heard({ session }: TunnelHead): void {
    this.#attachments.spoke(session);
    this.#deliver({ kind: 'heard', session });
  }

  resume(head: TunnelHead, resume: TunnelResume): void {
    this.#attachments.begin(head, resume);
  }

  // What other nodes say.

  /** @param from The node that said it. */
  receive(from: NodeNumber, message: SessionMessage): void {
    switch (message.kind) {
      case 'input':
      case 'state':
      case 'leave':
      case 'heard':
        return this.#deliver(message);
      case 'attach':
        return this.#attachments.receive(from, message);
      case 'attachDone':
        return this.#attachments.answered(from, message);
      case 'snapshot':
        return this.#takeSnapshot(from, message);
      case 'route':
        return this.#takeRoute(from, message);
      case 'routeDone':
        return this.#routeDone(message);
      case 'ended':
        return this.#end(message);
      default:
        return;
    }
  }

  /** Everything that has to be said again, or has waited for too long. */
  time(nowMs: number): void {
    this.#flushGateway();
    this.#attachments.time(nowMs);
    if (nowMs < this.#housekeepingDueMs) return;
    this.#housekeepingDueMs = nowMs + HOUSEKEEPING_MS;
    expirePointers(this.#pointers, nowMs);
    this.#held.expire(nowMs);
    for (const player of this.#players) {
      if (nowMs >= player.routeDueMs && player.isStable) this.#sendRoute(player, nowMs);
      this.#watchGateway(player, nowMs);
    }
    for (const session of this.#routes.keys()) {
      if (this.#rows.find(session) === -1) this.#routes.delete(session);
    }
  }

  // Inputs, states and leaves: to the player here, or on to where it is.

  #deliver(message: HeldMessage): void {
    if (message.kind === 'heard') this.#attachments.heard(message.session);
    if (this.#players.get(message.session) === undefined) {
      if (!this.#attachments.refusesLate(message.session)) this.#forward(message);
      return;
    }
    const { arrivals } = this.#options;
    switch (message.kind) {
      case 'input':
        this.#store.peerStats.add('inputsReceived', 1);
        return arrivals.input(message);
      case 'state':
        return arrivals.sessionState(message);
      case 'heard':
        return this.#players.heard(message.session);
      case 'leave':
        return arrivals.sessionLeave(message.session);
    }
  }

  #forward(message: HeldMessage): void {
    const { session } = message;
    const node = nextNode(this.#pointers.get(session), this.#routes.get(session));
    if (node === undefined || node === this.#options.me.node) {
      this.#hold(message);
      return;
    }
    if (message.kind === 'state' || message.kind === 'heard') {
      this.#options.send(node, message);
      return;
    }
    if (!mayHop(message.hops)) return;
    if (!this.#options.send(node, { ...message, hops: message.hops + 1 })) this.#hold(message);
  }

  #hold(message: HeldMessage): void {
    if (this.#held.hold(message, this.#options.nowMs())) this.#store.peerStats.add('inputsHeld', 1);
  }

  #setPointer(session: SessionId, node: NodeNumber, seq: number): void {
    const untilMs = this.#options.nowMs() + POINTER_MS;
    setPointer(this.#pointers, session, { node, seq, untilMs });
    for (const message of this.#held.take(session)) this.#forward(message);
  }

  // Routes.

  #sendRoute(player: Player, nowMs: number): void {
    const { me, send } = this.#options;
    const { session, id: entity, seq, gateway, lastInput } = player;
    // Now and then also when it was answered: a gateway that has lost the session says so, if it was not heard before.
    player.routeDueMs = nowMs + (player.routeSinceMs === 0 ? ROUTE_REFRESH_MS : ROUTE_AGAIN_MS);
    const route = { entity, node: me.node, seq, incarnation: me.incarnation };
    if (gateway === me.node) {
      this.#adoptRoute(session, route);
      if (player.routeSinceMs !== 0) this.#options.tracer.routed(player, nowMs);
      player.routeSinceMs = 0;
      return;
    }
    if (!this.#hasGateway(player)) return;
    this.#store.peerStats.add('routesSent', 1);
    send(gateway, { kind: 'route', session, ...route, lastInput });
  }

  #takeRoute(from: NodeNumber, message: Extract<SessionMessage, { kind: 'route' }>): void {
    const { session, entity, node, seq, incarnation } = message;
    const { peerStats } = this.#store;
    // A node speaks for itself only.
    if (node !== from) return;
    peerStats.add('routesReceived', 1);
    if (this.#rows.find(session) === -1) {
      // One of a process that was here before may be taken up again, anywhere.
      const isOwn = Math.floor(session / COUNTER_RANGE) === this.#options.me.incarnation;
      if (isOwn) this.#options.send(from, { kind: 'leave', session, hops: 0 });
      return;
    }
    const route = { entity, node, seq, incarnation };
    this.#attachments.found(session, route, 'reset');
    const known = this.#routes.get(session);
    const isKnown = known?.node === node && known.seq === seq && known.incarnation === incarnation;
    if (!isKnown && !this.#adoptRoute(session, route)) peerStats.add('routesStale', 1);
    this.#options.send(from, { kind: 'routeDone', session, seq });
  }

  /** At the gateway of a session whose client has just come back to it. */
  #adopt(session: SessionId, route: Route): void {
    if (!takeRoute(this.#routes, session, route)) return;
    const row = this.#rows.find(session);
    if (row !== -1) this.#store.sessions.setRoute(row, route.node === this.#options.me.node ? 0 : route.node);
  }

  /** At the gateway of a session: its player is at that node now. False when that is old news. */
  #adoptRoute(session: SessionId, route: Route): boolean {
    const { sessions } = this.#store;
    const known = this.#routes.get(session);
    if (!takeRoute(this.#routes, session, route)) return false;
    const row = this.#rows.find(session);
    if (row === -1) return false;
    const node = route.node === this.#options.me.node ? 0 : route.node;
    const isFirst = known === undefined && node === 0;
    sessions.setRoute(row, node);
    // A player who was born here needs no word about it.
    if (!isFirst) {
      const { seq, entity } = route;
      const frame = { row, generation: sessions.generation(row), node, seq, entity };
      const name = this.#options.nodeName(route.node);
      this.#tellGateway(() => writeTunnelRoute(this.#store.peerToGateway, { ...frame, name }));
    }
    if (node !== 0) this.#tellState(row, node, session);
    return true;
  }

  /** The new owner takes a client for attached; if it is not, it has to know. */
  #tellState(row: SessionIndex, node: NodeNumber, session: SessionId): void {
    const { sessions } = this.#store;
    const state = sessions.state(row);
    if (state === SESSION_STATE.attached) return;
    this.#options.send(node, { kind: 'state', session, state, viewReset: false, backlogBytes: 0 });
  }

  #routeDone({ session, seq }: Extract<SessionMessage, { kind: 'routeDone' }>): void {
    const player = this.#players.get(session);
    if (player === undefined || player.seq !== seq || player.routeSinceMs === 0) return;
    this.#store.peerStats.observe('route', (this.#options.nowMs() - player.routeSinceMs) / 1000);
    this.#options.tracer.routed(player, this.#options.nowMs());
    player.routeSinceMs = 0;
  }

  /** A client whose gateway died may resume elsewhere for a while; then its player leaves. */
  #watchGateway(player: Player, nowMs: number): void {
    if (this.#hasGateway(player)) {
      player.orphanSinceMs = 0;
      return;
    }
    player.routeSinceMs = 0;
    if (player.orphanSinceMs === 0) player.orphanSinceMs = nowMs;
    if (nowMs - player.orphanSinceMs < this.#options.graceMs) return;
    player.orphanSinceMs = nowMs;
    this.#options.arrivals.sessionLeave(player.session);
  }

  /** Whether the process that made the session lives. */
  #hasGateway({ session }: Player): boolean {
    const incarnation = Math.floor(session / COUNTER_RANGE);
    return incarnation === this.#options.me.incarnation || this.#options.isLive(incarnation);
  }

  // To the gateway.

  #takeSnapshot(from: NodeNumber, { session, bytes }: Extract<SessionMessage, { kind: 'snapshot' }>): void {
    const { sessions, peerStats, peerToGateway } = this.#store;
    const row = this.#rows.find(session);
    // An old owner's last snapshots are older than the new owner's first.
    if (row === -1 || this.#routes.get(session)?.node !== from) {
      peerStats.add('snapshotsDropped', 1);
      return;
    }
    const generation = sessions.generation(row);
    if (writeTunnelSnapshot(peerToGateway, { row, generation, node: from, bytes })) {
      peerStats.add('snapshotsReceived', 1);
      return;
    }
    peerStats.add('snapshotsDropped', 1);
    const state = sessions.state(row);
    this.#options.send(from, { kind: 'state', session, state, viewReset: true, backlogBytes: 0 });
  }

  #endAt(session: SessionId, gateway: NodeNumber, reason: number): void {
    if (gateway === this.#options.me.node) this.#end({ session, reason });
    else this.#options.send(gateway, { kind: 'ended', session, reason });
  }

  #end({ session, reason }: { session: SessionId; reason: number }): void {
    this.endHere(session, ENDINGS.get(reason) ?? 'gone');
  }

  /** Closes the connection of a session of this gateway, with the reason. */
  endHere(session: SessionId, reason: EndedReason): void {
    const row = this.#rows.find(session);
    if (row === -1) return;
    const generation = this.#store.sessions.generation(row);
    this.#tellGateway(() => writeTunnelEnded(this.#store.peerToGateway, { row, generation, reason }));
  }

  #tellGateway(write: () => boolean): void {
    if (this.#toGateway.length > 0 || !write()) this.#toGateway.push(write);
  }

  #flushGateway(): void {
    let done = 0;
    while (done < this.#toGateway.length && this.#toGateway[done]?.() === true) done++;
    this.#toGateway.splice(0, done);
  }
}
