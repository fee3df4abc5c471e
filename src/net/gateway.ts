/**
 * The gateway of a node: everything between its clients and the shared store. Runs on a thread of its own.
 *
 *   Listener ──▶ PlayerMessages ──▶ Admission ──▶ SessionTable ──▶ input ring
 *      │    └──▶ Overview                             │
 *      └──▶ HTTP              outbound rings ──▶ Delivery ──▶ Connection ──▶ socket
 */
import { randomBytes } from 'node:crypto';
import { Store } from '../memory/store.ts';
import { CLOSE_CODE } from '../wire/messages.ts';
import { Admission } from './admission.ts';
import type { Authentication } from './authentication.ts';
import { openAuthentication } from './authentication-modes.ts';
import { Connection, MOVED_MS } from './connection.ts';
import type { GatewayContext } from './context.ts';
import { GatewayCounters } from './counters.ts';
import { Delivery } from './delivery.ts';
import { GatewayLog } from './gateway-log.ts';
import type { GatewayEvent } from './gateway-log.ts';
import { handleHttp } from './http-routes.ts';
import { Inspection } from './inspection.ts';
import { Lateness } from './lateness.core.ts';
import { Listener } from './listener.ts';
import type { Arrival } from './listener.ts';
import type { GatewayLoad, Metrics } from './metrics.ts';
import { Overview } from './overview.ts';
import { OwnerSpans } from './owner-spans.ts';
import { PlayerMessages } from './player-messages.ts';
import { Redirects } from './redirects.ts';
import { SessionTable } from './session-table.ts';
import { SessionTokens, TOKEN_SEED_BYTES } from './session-token.ts';
import { Utilization } from './utilization.ts';
import type {
  BalancerDecision,
  ClusterNode,
  GatewayOptions,
  GatewaySettings,
  PausedCell,
  SpanCounts,
} from './settings.ts';

const SWEEP_PERIOD_MS = 100;
/** Closing costs some 50 µs; thousands that came together must not hold up everybody's snapshots when they go. */
const CLOSES_PER_SWEEP_MAX = 100;
const TICKS_PERIOD_MS = 5000;
const STOP_POLL_MS = 5;

/** What the gateway has done since its start and holds now, for logs and benches. */
export interface GatewayReport
  extends
    GatewayLoad,
    Omit<GatewayCounters, 'errors' | 'closes' | 'sessionEnds' | 'snapshotLateness' | `count${string}`> {
  /** By error code. */
  readonly errors: Readonly<Record<string, number>>;
  /** By WebSocket close code. */
  readonly closes: Readonly<Record<string, number>>;
}

export class Gateway {
  readonly #context: GatewayContext;
  readonly #connections = new Set<Connection>();
  readonly #table: SessionTable;
  readonly #tell: (event: GatewayEvent) => void;
  readonly #redirects: Redirects;
  readonly #authentication: Authentication | undefined;
  readonly #messages: PlayerMessages;
  readonly #delivery: Delivery;
  readonly #overview: Overview;
  readonly #inspection: Inspection;
  readonly #listener: Listener;
  readonly #utilization: Utilization;
  #metrics: Promise<Metrics> | undefined;
  #sweepTimer: NodeJS.Timeout | undefined;
  #ticksDueMs = 0;
  #delivering: Promise<void> | undefined;
  #isDraining = false;
  /** Other gateways have the shared port to themselves. */
  #isHidden = false;
  #nextConnection = 1;

  /**
   * Attaches to the store and listens; resolves with the port.
   * @throws the system's error when it cannot listen, AuthenticationError when nobody could log in.
   */
  static async open(
    options: GatewayOptions,
    tell: (event: GatewayEvent) => void = () => {},
  ): Promise<{ gateway: Gateway; port: number }> {
    const { settings } = options;
    const nowMs = () => performance.now();
    const context: GatewayContext = {
      store: Store.attach(options.store),
      settings,
      counters: new GatewayCounters(),
      lateness: new Lateness(SWEEP_PERIOD_MS),
      log: new GatewayLog((line) => tell({ type: 'log', ...line }), nowMs),
      ownerSpans: new OwnerSpans(settings.cluster?.traceShare ?? 0),
      sessionTokens: new SessionTokens(sessionSeed(settings)),
      nowMs,
      utcMs: () => performance.timeOrigin + performance.now(),
    };
    const authentication = await openAuthentication(context);
    const redirects = new Redirects(context);
    const table = new SessionTable(context, redirects);
    const admission = new Admission(context, { table, authentication, redirects });
    const { shownSettings } = options;
    const gateway = new Gateway(context, { table, admission, redirects, authentication, shownSettings, tell });
    const port = await gateway.#listener.listen();
    gateway.#start();
    return { gateway, port };
  }

  private constructor(
    context: GatewayContext,
    parts: {
      table: SessionTable;
      admission: Admission;
      redirects: Redirects;
      authentication: Authentication | undefined;
      shownSettings: GatewayOptions['shownSettings'];
      tell: (event: GatewayEvent) => void;
    },
  ) {
    this.#context = context;
    this.#table = parts.table;
    this.#tell = parts.tell;
    this.#redirects = parts.redirects;
    this.#authentication = parts.authentication;
    this.#messages = new PlayerMessages(context, parts);
    this.#delivery = new Delivery(context, parts.table);
    this.#utilization = new Utilization(context.store.control, context.nowMs());
    const load = () => this.load;
    this.#overview = new Overview(context, { shownSettings: parts.shownSettings, load });
    this.#inspection = new Inspection(context, { shownSettings: parts.shownSettings, load });
    this.#listener = new Listener(context, {
      isDraining: () => this.#isDraining,
      http: (request, response) => {
        const state = {
          isDraining: this.#isDraining || this.#redirects.isDraining,
          metrics: () => this.#loadMetrics(),
          inspection: this.#inspection,
        };
        // A browser that hangs up, or a file that vanishes while it is read, concerns this answer only.
        handleHttp(context, state, { request, response }).catch(() => response.destroy());
      },
      player: (arrival) => this.#addPlayer(arrival),
      viewer: (arrival) => this.#addViewer(arrival),
    });
  }

  get load(): GatewayLoad {
    return { connections: this.#connections.size, sessions: this.#table.count, viewers: this.#overview.count };
  }

  report(): GatewayReport {
    const { errors, closes, sessionEnds: _ends, snapshotLateness: _lateness, ...counters } = this.#context.counters;
    return {
      ...this.load,
      ...counters,
      errors: Object.fromEntries(errors),
      closes: Object.fromEntries(closes),
    };
  }

  /** Shows viewers which cells development mode has stopped. */
  setPausedCells(cells: readonly PausedCell[]): void {
    this.#overview.setPausedCells(cells);
  }

  /** What became of the spans of this node. */
  setSpanCounts({ exported, dropped, failures }: SpanCounts): void {
    const { counters } = this.#context;
    counters.spansExported = exported;
    counters.spansDropped = dropped;
    counters.spanExportsFailed = failures;
  }

  /** The members of the cluster, whenever they change: for clients, viewers and `/status`. */
  setNodes(nodes: readonly ClusterNode[]): void {
    this.#redirects.setNodes(nodes);
    this.#shareThePort();
    this.#inspection.setNodes(nodes);
    this.#overview.setNodes(nodes);
  }

  /** What the balancer of the cluster decided last, for viewers. */
  setDecisions(decisions: readonly BalancerDecision[]): void {
    this.#overview.setDecisions(decisions);
  }

  /**
   * Tells every client to reconnect (ERR_SERVER_STOPPING, close code 1012), waits at most `drainMs` for them to go,
   * and cuts the rest. Readiness fails from the start. Safe to call again.
   */
  async stop({ drainMs }: { readonly drainMs: number }): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#listener.stopListening();
    for (const connection of this.#connections) {
      // Its session goes on elsewhere, and it is closed as soon as its client sees that.
      if (connection.stage !== 'moved') connection.fail('ERR_SERVER_STOPPING', 'the server restarts');
    }
    this.#overview.stop();
    const deadlineMs = this.#context.nowMs() + drainMs;
    while (this.#connections.size + this.#overview.count > 0 && this.#context.nowMs() < deadlineMs) {
      await new Promise((resolve) => setTimeout(resolve, STOP_POLL_MS));
    }
    for (const { webSocket } of this.#connections) webSocket.terminate();
    this.#overview.terminate();
    this.#listener.terminate();
    this.#delivery.stop();
    // The wait for the doorbell does not keep a thread alive; the timer does until it is over.
    this.#context.store.control.ringDoorbell();
    await this.#delivering;
    clearInterval(this.#sweepTimer);
    this.#authentication?.dispose();
  }

  /** Of gateways behind one port, one that leaves is given no new connections; alone it goes on answering for itself. */
  #shareThePort(): void {
    if (!this.#context.settings.reusePort || this.#isDraining) return;
    const { isLeaving } = this.#redirects;
    if (isLeaving === this.#isHidden) return;
    this.#isHidden = isLeaving;
    if (isLeaving) return this.#listener.stopListening();
    this.#listener.listen().catch((error: unknown) => {
      this.#isHidden = true;
      this.#tell({
        type: 'log',
        level: 'warn',
        message: 'the port cannot be shared again',
        details: { error: String(error) },
      });
    });
  }

  #start(): void {
    this.#delivering = this.#delivery.run(this.#connections);
    this.#sweepTimer = setInterval(() => this.#sweep(), SWEEP_PERIOD_MS);
  }

  /** Loaded when first needed: the library takes longer to load than the rest of the gateway. */
  #loadMetrics(): Promise<Metrics> {
    this.#metrics ??= import('./metrics.ts').then(({ Metrics }) => new Metrics(this.#context, () => this.load));
    return this.#metrics;
  }

  #addPlayer({ webSocket, socket, address, from, isRefused, query }: Arrival): void {
    const json = new URLSearchParams(query).get('format') === 'json';
    const number = this.#nextConnection++;
    const connection = new Connection(this.#context, { webSocket, socket, address, from, json, number });
    this.#connections.add(connection);
    webSocket.on('message', (data: Buffer, isBinary) => this.#messages.receive(connection, data, isBinary));
    webSocket.on('ping', (data) => {
      if (connection.stage !== 'closed' && connection.hear(this.#context.nowMs())) webSocket.pong(data);
    });
    webSocket.on('pong', () => connection.hear(this.#context.nowMs()));
    webSocket.on('close', () => {
      connection.stage = 'closed';
      this.#connections.delete(connection);
      this.#table.lost(connection, this.#context.nowMs());
    });
    // `ws` closes by itself after an error; the close event is what we go by.
    webSocket.on('error', () => {});
    if (isRefused) connection.fail('ERR_LIMIT_CONNECTIONS', 'too many connections, in total or from this address');
  }

  #addViewer({ webSocket, isRefused }: Arrival): void {
    if (!isRefused && this.#overview.count < this.#context.settings.viewersMax) return this.#overview.add(webSocket);
    webSocket.on('error', () => {});
    webSocket.close(CLOSE_CODE.tooManyConnections, 'ERR_LIMIT_CONNECTIONS');
  }

  #sweep(): void {
    const nowMs = this.#context.nowMs();
    this.#context.lateness.beat(nowMs);
    this.#context.store.costs.gatewayBytes = this.#context.counters.bytesOut;
    let closes = 0;
    for (const connection of this.#connections) {
      if (closes < CLOSES_PER_SWEEP_MAX && this.#closeSilent(connection, nowMs)) closes++;
    }
    this.#overview.sweep(nowMs, this.#context.settings.idleTimeoutMs);
    this.#utilization.sweep(nowMs);
    this.#redirects.sweep(nowMs);
    this.#table.sweep(nowMs);
    this.#inspection.sweep(nowMs);
    const spans = this.#context.ownerSpans.take();
    if (spans !== undefined) this.#tell({ type: 'spans', ...spans });
    if (nowMs < this.#ticksDueMs) return;
    this.#ticksDueMs = nowMs + TICKS_PERIOD_MS;
    void this.#loadMetrics().then((metrics) => metrics.observeTicks());
  }

  #closeSilent(connection: Connection, nowMs: number): boolean {
    const { helloTimeoutMs, idleTimeoutMs } = this.#context.settings;
    if (connection.stage === 'hello' && nowMs - connection.openedAtMs >= helloTimeoutMs) {
      connection.fail('ERR_PROTOCOL_HELLO_TIMEOUT', `no hello within ${helloTimeoutMs} ms`);
      return true;
    }
    if (connection.stage === 'moved' && nowMs - connection.movedAtMs >= MOVED_MS) {
      connection.fail('ERR_SESSION_MOVED', 'the session goes on over another connection');
      return true;
    }
    const silentMs = nowMs - connection.heardAtMs;
    if (silentMs >= idleTimeoutMs) {
      this.#context.counters.connectionsIdle++;
      connection.webSocket.terminate();
      return true;
    }
    if (silentMs < idleTimeoutMs / 2 || connection.pinged) return false;
    connection.pinged = true;
    connection.webSocket.ping();
    return true;
  }
}

/** Without a cluster sessions end with their process, and so may what their tokens are signed with. */
function sessionSeed({ cluster }: GatewaySettings): Uint8Array {
  if (cluster?.sessionKey !== undefined) return Buffer.from(cluster.sessionKey, 'hex');
  return randomBytes(TOKEN_SEED_BYTES);
}
