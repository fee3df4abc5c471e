/**
 * Direct mode: sends a client to the gateway of the node that owns its player, with a token that opens one connection there.
 *
 *   route to another node ──▶ HANDOVERSTART, once per session and ownership seq ──▶ the client comes there, or stays
 *
 * Who asked for `direct` is always sent, who asked for `auto` when this gateway has too much to carry and the client keeps up
 * with what it is sent: a client on a bad line has nothing of another connection.
 *
 * A gateway that is to leave the cluster sends everybody away, whatever was asked for: to the owner in direct mode, else to the others
 * by turns. Who does not go, after some offers, is told to come back, and resumes elsewhere.
 */
import { GATEWAYS_MAX, URL_BYTES_MAX } from '../wire/client.wire.ts';
import type { GatewayContext } from './context.ts';
import type { Connection } from './connection.ts';
import type { SessionRoute } from './session-routes.ts';
import type { Session } from './session-table.ts';
import { REDIRECT_LIFETIME_MS } from './session-token.ts';
import type { ClusterNode } from './settings.ts';

/** Load is measured over this time. */
const LOAD_PERIOD_MS = 1000;
/** Of the thread's time: with more to do than that, what is sent begins to be late. */
const LOAD_MAX = 0.85;
/**
 * Of a gateway that drains, at one time: each of them is an attach and a keyframe at the owner. So the others' time for them
 * sets the pace, and a cluster that has much to do is not given more.
 */
const SENT_AWAY_AT_ONCE_MAX = 24;
/** An SDK that went has done so by then, or has given that gateway up (client/link.core.ts). */
const SENT_AWAY_AGAIN_MS = 5000;
const SENT_AWAY_TRIES_MAX = 5;
/** Of the clients in auto mode, in one sweep: a crowd is not sent all at once. */
const OFFERS_PER_SWEEP_MAX = 16;

export class Redirects {
  readonly #context: GatewayContext;
  #nodes: readonly ClusterNode[] = [];
  #isDraining = false;
  #sentAwayLeft = 0;
  /** Clients that have been sent away and are still here, counted in this sweep. */
  #underWay = 0;
  #isLoaded = false;
  #offersLeft = 0;
  #measuredMs: number;
  #measuredBytes = 0;

  constructor(context: GatewayContext) {
    this.#context = context;
    this.#measuredMs = context.nowMs();
  }

  /** The members of the cluster, whenever they change. */
  setNodes(nodes: readonly ClusterNode[]): void {
    this.#nodes = nodes.filter(({ state }) => state === 'active');
    const { peerTable, incarnation } = this.#context.store;
    const own = nodes.find((node) => node.node === peerTable.self && node.incarnation === incarnation);
    this.#isDraining = own?.state === 'draining';
  }

  /** This node is to leave the cluster. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Its clients go elsewhere, and new ones shall; where there is no other gateway they stay. */
  get isLeaving(): boolean {
    return this.#isDraining && this.otherUrls().length > 0;
  }

  /** Where else the world can be joined, for a client whose gateway is gone. */
  otherUrls(): string[] {
    const self = this.#context.store.peerTable.self;
    return this.#nodes
      .filter(({ node }) => node !== self)
      .flatMap(({ clientUrl }) => connectUrl(clientUrl) ?? [])
      .slice(0, GATEWAYS_MAX);
  }

  /** Whether this gateway carries more than it should. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** Sends the client to its owner, if it is to go there and was not sent before. */
  offer(session: Session): void {
    const { route, connection } = session;
    if (this.#isDraining || route === undefined || route.node === 0 || connection?.stage !== 'playing') return;
    const { mode } = connection;
    if (mode === 'tunnel' || route.redirectSeq === route.seq) return;
    if (mode === 'auto' && !(this.#isLoaded && this.#offersLeft > 0 && connection.backlog.sinceMs === -1)) return;
    const url = connectUrl(this.#nodes.find(({ node }) => node === route.node)?.clientUrl ?? '');
    if (url === undefined) return;
    if (mode === 'auto') this.#offersLeft--;
    this.#start(session, { route, connection, url, target: route.node });
  }

  /** Sends a client of this gateway, which is to leave, to another one; to be called in each sweep. */
  sendAway(session: Session, nowMs: number): void {
    const { route, connection } = session;
    if (route === undefined || connection?.stage !== 'playing') return;
    if (nowMs < route.sentAwayDueMs) {
      this.#underWay++;
      return;
    }
    if (this.#sentAwayLeft === 0) return;
    const target = this.#elsewhere(session, { route, connection });
    if (target === undefined) return;
    this.#sentAwayLeft--;
    if (route.sentAway === SENT_AWAY_TRIES_MAX) {
      return connection.fail('ERR_SERVER_STOPPING', 'this gateway leaves the cluster; come back at another one');
    }
    route.sentAway++;
    route.sentAwayDueMs = nowMs + SENT_AWAY_AGAIN_MS;
    this.#start(session, { route, connection, ...target });
  }

  #elsewhere(
    { index }: Session,
    { route, connection }: { route: SessionRoute; connection: Connection },
  ): { url: string; target: number } | undefined {
    const { self } = this.#context.store.peerTable;
    const others = this.#nodes.flatMap(({ node, clientUrl }) => {
      const url = node === self ? undefined : connectUrl(clientUrl);
      return url === undefined ? [] : [{ url, target: node }];
    });
    const owner = connection.mode === 'tunnel' ? undefined : others.find(({ target }) => target === route.node);
    const chosen = (route.sentAway === 0 ? owner : undefined) ?? others[(index + route.sentAway) % others.length];
    if (chosen === undefined) return undefined;
    // Behind one address the kernel or a balancer chooses.
    const isShared = others.some(({ url, target }) => url === chosen.url && target !== chosen.target);
    return isShared ? { url: chosen.url, target: 0 } : chosen;
  }

  #start(
    { entity, account }: Session,
    given: { route: SessionRoute; connection: Connection; url: string; target: number },
  ): void {
    const { route, connection, url, target } = given;
    const { sessionTokens, counters, utcMs, nowMs } = this.#context;
    const token = sessionTokens.issue(
      { purpose: 'redirect', session: route.id, entity, account, target },
      { issuedAtMs: utcMs(), lifetimeMs: REDIRECT_LIFETIME_MS },
    );
    if (route.redirectEndsMs !== 0) counters.redirectsUnused++;
    route.redirectSeq = route.seq;
    route.redirectEndsMs = nowMs() + REDIRECT_LIFETIME_MS;
    counters.redirectsStarted++;
    connection.send({ type: 'handoverStart', seq: route.seq, url, token, validMs: REDIRECT_LIFETIME_MS });
  }

  /** Measures the load; to be called several times a second. */
  sweep(nowMs: number): void {
    this.#offersLeft = OFFERS_PER_SWEEP_MAX;
    this.#sentAwayLeft = Math.max(0, SENT_AWAY_AT_ONCE_MAX - this.#underWay);
    this.#underWay = 0;
    const passedMs = nowMs - this.#measuredMs;
    if (passedMs < LOAD_PERIOD_MS) return;
    const { counters, settings, store } = this.#context;
    const bytesPerSecond = ((counters.bytesTunnelled - this.#measuredBytes) * 1000) / passedMs;
    this.#isLoaded = bytesPerSecond > settings.tunnelBytesPerSecondMax || store.control.gatewayLoad > LOAD_MAX;
    this.#measuredMs = nowMs;
    this.#measuredBytes = counters.bytesTunnelled;
  }
}

/** Undefined for what a client could not use. */
export function connectUrl(clientUrl: string): string | undefined {
  if (!URL.canParse(clientUrl)) return undefined;
  const url = new URL(clientUrl);
  const isSecure = url.protocol === 'https:' || url.protocol === 'wss:';
  const path = url.pathname.replace(/\/+$/, '');
  const text = `${isSecure ? 'wss' : 'ws'}://${url.host}${path.endsWith('/connect') ? path : `${path}/connect`}`;
  return text.length <= URL_BYTES_MAX ? text : undefined;
}
