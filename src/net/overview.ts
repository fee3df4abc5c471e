/**
 * The feed of the viewer: the whole world as seen from above, ten times a second, and its statistics, four times. It is
 * for people who run the world, not for players, and it may fall behind: a viewer that does not keep up misses frames.
 */
import { WebSocket } from 'ws';
import { COUNTERS, GAUGES } from '../memory/stats.ts';
import type { TickSample } from '../memory/stats.ts';
import { CLOSE_CODE } from '../wire/messages.ts';
import { CellLoads } from './cell-loads.ts';
import type { GatewayContext } from './context.ts';
import { linkViews } from './link-views.ts';
import type { GatewayLoad } from './metrics.ts';
import { idInSlot, readEntity } from './overview-entity.ts';
import { OverviewFrames } from './overview-frames.wire.ts';
import type { Viewport } from './overview-frames.wire.ts';
import { PeerHandovers } from './overview-peers.ts';
import { readRequest } from './overview-requests.wire.ts';
import type { OverviewRequest, TraceSubject } from './overview-requests.wire.ts';
import { NOTHING_TRACED, TraceReader } from './overview-trace.ts';
import type { BalancerDecision, ClusterNode, PausedCell } from './settings.ts';
import { fullBucket, takeToken } from './token-bucket.core.ts';
import type { Bucket } from './token-bucket.core.ts';

const FRAMES_PERIOD_MS = 100;
/** Statistics go with every so many frames: four times a second, on average. */
const STATS_PERIOD_MS = 250;
const ENTITIES_MAX = 50_000;
/** Above it a viewer is sent nothing until it has caught up. */
const BACKLOG_BYTES_MAX = 1024 * 1024;
const MESSAGE_LIMIT = { perSecond: 30, burst: 60 };
/** Of one viewer; over it the answer says so. */
const TRACE_LIMIT = { perSecond: 1, burst: 3 };

interface Viewer {
  readonly webSocket: WebSocket;
  readonly bucket: Bucket;
  readonly traceBucket: Bucket;
  viewport: Viewport;
  /** Id of the entity that it looks into; 0 for none. */
  inspected: number;
  /** What it was told of that entity last: said again only when it differs. */
  told: string;
  heardAtMs: number;
  pinged: boolean;
}

export class Overview {
  readonly #context: GatewayContext;
  readonly #viewers = new Set<Viewer>();
  readonly #frames = new OverviewFrames(ENTITIES_MAX);
  readonly #hello: string;
  readonly #load: () => GatewayLoad;
  readonly #traces: TraceReader;
  #pausedCells: readonly PausedCell[] = [];
  #nodes: readonly ClusterNode[] = [];
  #decisions: readonly BalancerDecision[] = [];
  readonly #cellLoads: CellLoads;
  #peers: PeerHandovers | undefined;
  /** The last frame told of some; one without any must follow. */
  #hadPeerHandovers = false;
  #timer: NodeJS.Timeout | undefined;
  #handoverCursor = 0;
  #nextTick = 0;
  #statsDueMs = 0;

  constructor(
    context: GatewayContext,
    options: { shownSettings: Readonly<Record<string, unknown>>; load: () => GatewayLoad },
  ) {
    this.#context = context;
    this.#load = options.load;
    this.#cellLoads = new CellLoads(context.store);
    this.#traces = new TraceReader(context.settings.cluster);
    this.#hello = describeWorld(context, options.shownSettings);
  }

  get count(): number {
    return this.#viewers.size;
  }

  setPausedCells(cells: readonly PausedCell[]): void {
    this.#pausedCells = cells;
  }

  /** The members of the cluster: told to every viewer, which then looks at all of them. */
  setNodes(nodes: readonly ClusterNode[]): void {
    this.#nodes = nodes;
    this.#tellNodes();
  }

  /** What the balancer of the cluster decided last. */
  setDecisions(decisions: readonly BalancerDecision[]): void {
    this.#decisions = decisions;
    this.#tellNodes();
  }

  #tellNodes(): void {
    const text = this.#describeNodes();
    for (const viewer of this.#viewers) if (this.#hasRoom(viewer)) viewer.webSocket.send(text);
  }

  add(webSocket: WebSocket): void {
    const nowMs = this.#context.nowMs();
    const { minX, minZ, maxX, maxZ } = this.#context.store.grid;
    const viewer: Viewer = {
      webSocket,
      bucket: fullBucket(MESSAGE_LIMIT, nowMs),
      traceBucket: fullBucket(TRACE_LIMIT, nowMs),
      viewport: { minX, minZ, maxX, maxZ, entitiesMax: ENTITIES_MAX },
      inspected: 0,
      told: '',
      heardAtMs: nowMs,
      pinged: false,
    };
    webSocket.on('message', (data: Buffer, isBinary) => this.#receive(viewer, isBinary ? '' : data.toString('utf8')));
    webSocket.on('ping', (data) => {
      if (this.#hear(viewer)) webSocket.pong(data);
    });
    webSocket.on('pong', () => this.#hear(viewer));
    webSocket.on('close', () => this.#remove(viewer));
    // `ws` closes by itself after an error; the close event is what we go by.
    webSocket.on('error', () => {});
    webSocket.send(this.#hello);
    if (this.#context.settings.cluster !== undefined) webSocket.send(this.#describeNodes());
    this.#viewers.add(viewer);
    if (this.#timer === undefined) this.#start();
  }

  /** Cuts viewers that show no sign of life. */
  sweep(nowMs: number, idleTimeoutMs: number): void {
    for (const viewer of this.#viewers) {
      const silentMs = nowMs - viewer.heardAtMs;
      if (silentMs >= idleTimeoutMs) {
        viewer.webSocket.terminate();
      } else if (silentMs >= idleTimeoutMs / 2 && !viewer.pinged) {
        viewer.pinged = true;
        viewer.webSocket.ping();
      }
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#traces.stop();
    for (const { webSocket } of this.#viewers) webSocket.close(CLOSE_CODE.restart, 'ERR_SERVER_STOPPING');
  }

  terminate(): void {
    for (const { webSocket } of this.#viewers) webSocket.terminate();
  }

  #start(): void {
    const { control, handoverLog } = this.#context.store;
    this.#handoverCursor = handoverLog.written;
    this.#nextTick = control.tick;
    this.#statsDueMs = 0;
    const { store, settings, nowMs } = this.#context;
    this.#peers = settings.cluster === undefined ? undefined : new PeerHandovers(store, nowMs());
    this.#timer = setInterval(() => this.#sendFrames(), FRAMES_PERIOD_MS);
  }

  #remove(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #hear(viewer: Viewer): boolean {
    viewer.heardAtMs = this.#context.nowMs();
    viewer.pinged = false;
    if (takeToken(viewer.bucket, MESSAGE_LIMIT, viewer.heardAtMs)) return true;
    viewer.webSocket.close(CLOSE_CODE.rate, 'ERR_LIMIT_RATE');
    return false;
  }

  #receive(viewer: Viewer, text: string): void {
    if (!this.#hear(viewer)) return;
    const request = readRequest(text, ENTITIES_MAX);
    if (request === undefined) viewer.webSocket.close(CLOSE_CODE.malformed, 'ERR_PROTOCOL_MALFORMED');
    else this.#obey(viewer, request);
  }

  #obey(viewer: Viewer, request: OverviewRequest): void {
    switch (request.type) {
      case 'viewport':
        viewer.viewport = request.viewport;
        return;
      case 'inspect':
        // Who is in the slot is followed by its id: the slot may be somebody else's soon.
        viewer.inspected = request.by === 'id' ? request.value : idInSlot(this.#context.store, request.value);
        viewer.told = '';
        return this.#tellInspected(viewer);
      case 'inspectNone':
        viewer.inspected = 0;
        return;
      case 'trace':
        void this.#trace(viewer, request.subject);
    }
  }

  /** With each frame, when it changed. */
  #tellInspected(viewer: Viewer): void {
    if (viewer.inspected === 0 || !this.#hasRoom(viewer)) return;
    const { inspected: id } = viewer;
    const view = readEntity(this.#context.store, id) ?? { id, isHere: false };
    const text = JSON.stringify({ type: 'entity', ...view });
    if (text === viewer.told) return;
    viewer.told = text;
    viewer.webSocket.send(text);
  }

  async #trace(viewer: Viewer, subject: TraceSubject): Promise<void> {
    const isAllowed = takeToken(viewer.traceBucket, TRACE_LIMIT, this.#context.nowMs());
    const found = isAllowed
      ? await this.#traces.read(subject)
      : { ...NOTHING_TRACED, problem: 'too many traces at once; ask again' };
    const node = this.#context.settings.cluster?.node ?? '';
    if (this.#hasRoom(viewer)) viewer.webSocket.send(JSON.stringify({ type: 'trace', node, subject, ...found }));
  }

  #sendFrames(): void {
    const { store } = this.#context;
    const { tick } = store.control;
    const { frame, cursor } = this.#frames.handovers(store.handoverLog, this.#handoverCursor, tick);
    this.#handoverCursor = cursor;
    const nowMs = this.#context.nowMs();
    const stats = nowMs >= this.#statsDueMs ? this.#describeStats() : undefined;
    const between = this.#betweenNodes(nowMs, tick);
    if (stats !== undefined) this.#statsDueMs = nowMs + STATS_PERIOD_MS - FRAMES_PERIOD_MS / 2;
    for (const viewer of this.#viewers) {
      if (!this.#hasRoom(viewer)) continue;
      const { slotsHigh, columns } = store;
      viewer.webSocket.send(this.#frames.entities(columns, viewer.viewport, { tick, slotsHigh }));
      if (frame !== undefined) viewer.webSocket.send(frame);
      if (between !== undefined) viewer.webSocket.send(between);
      if (stats !== undefined) viewer.webSocket.send(stats);
      this.#tellInspected(viewer);
      this.#context.counters.overviewFrames++;
    }
  }

  #betweenNodes(nowMs: number, tick: number): Uint8Array | undefined {
    const views = this.#peers?.read(nowMs) ?? [];
    if (views.length === 0 && !this.#hadPeerHandovers) return undefined;
    this.#hadPeerHandovers = views.length > 0;
    return this.#frames.peerHandovers(views, tick);
  }

  #describeNodes(): string {
    const { settings, store } = this.#context;
    const name = settings.cluster?.node ?? '';
    const node = store.peerTable.self || (this.#nodes.find((known) => known.name === name)?.node ?? 0);
    return JSON.stringify({ type: 'nodes', self: { node, name }, nodes: this.#nodes, decisions: this.#decisions });
  }

  #hasRoom({ webSocket }: Viewer): boolean {
    if (webSocket.readyState !== WebSocket.OPEN) return false;
    if (webSocket.bufferedAmount <= BACKLOG_BYTES_MAX) return true;
    this.#context.counters.overviewFramesSkipped++;
    return false;
  }

  #describeStats(): string {
    const { store, counters } = this.#context;
    const { connections, sessions } = this.#load();
    const { bytesOut, bytesIn, messagesOut, messagesIn } = counters;
    return JSON.stringify({
      type: 'stats',
      tick: store.control.tick,
      ticks: this.#newTicks(),
      counters: Object.fromEntries(COUNTERS.map((name) => [name, store.stats.counter(name)])),
      gauges: Object.fromEntries(GAUGES.map((name) => [name, store.stats.gauge(name)])),
      gateway: { clients: connections, sessions, bytesOut, bytesIn, messagesOut, messagesIn },
      cells: Array.from({ length: store.grid.cellCount }, (_, cell) => store.lists.cellCountOf(cell)),
      costs: this.#cellLoads.read(),
      pausedCells: this.#pausedCells,
      ...this.#describeOwners(),
      ...this.#describeLinks(),
    });
  }

  /** In a cluster: by cell, 0 for this node's own, else the NodeNumber of the owner. */
  #describeOwners(): { owners?: number[]; ghosts?: number } {
    const { store, settings } = this.#context;
    return settings.cluster === undefined ? {} : { owners: [...store.cellOwner], ghosts: store.ghostCount };
  }

  /** In a cluster: the links of this node, and its handovers that are stuck. */
  #describeLinks(): object {
    const { store, settings, nowMs } = this.#context;
    if (settings.cluster === undefined) return {};
    return { links: linkViews(store, this.#nodes), stuck: this.#peers?.stuck(nowMs()) ?? [] };
  }

  /** At most a second's worth: the timer may have been held up. */
  #newTicks(): TickSample[] {
    const { control, stats } = this.#context.store;
    const end = control.tick + 1;
    const samples: TickSample[] = [];
    for (let tick = Math.max(this.#nextTick, end - this.#context.settings.tickHz); tick < end; tick++) {
      const sample = stats.tickSample(tick);
      if (sample === undefined) continue;
      samples.push(sample);
      this.#nextTick = tick + 1;
    }
    return samples;
  }
}

function describeWorld({ store, settings }: GatewayContext, shownSettings: Readonly<Record<string, unknown>>): string {
  const { cellSize, minX, minZ, maxX, maxZ, firstCellX, firstCellZ, width, depth } = store.grid;
  return JSON.stringify({
    type: 'world',
    name: store.schema.name,
    schema: store.schema,
    grid: { cellSize, minX, minZ, maxX, maxZ, firstCellX, firstCellZ, width, depth },
    tickHz: settings.tickHz,
    snapshotHz: settings.snapshotHz,
    aoiRadius: settings.aoiRadius,
    settings: shownSettings,
  });
}
