/**
 * The connection to `/overview`: reconnects by itself, and notices a server that is connected but silent.
 *
 *   connecting ──open──▶ live ──silence──▶ silent ──longer──▶ waiting ──delay──▶ connecting
 *        └───────close───────┴──────close──────┴──────────────▶ waiting
 */
import { WorldmeshError } from '../src/base/errors.ts';
import { retryDelayMs } from './backoff.ts';
import type { Bounds } from './camera.ts';
import {
  decodeText,
  type EntityMessage,
  type NodesMessage,
  type StatsMessage,
  type TraceMessage,
  type TraceSubject,
  type WorldMessage,
} from './overview-text.wire.ts';
import { decodeFrame, type EntitiesFrame, type HandoversFrame, type PeerHandoversFrame } from './overview.wire.ts';

const SILENT_AFTER_MS = 2500;
const LOST_AFTER_MS = 8000;
const WATCH_INTERVAL_MS = 250;
/** The camera moves every frame; the server needs to know five times a second. */
const VIEWPORT_INTERVAL_MS = 200;
const ENTITIES_MAX = 50_000;

export type FeedState =
  | { readonly name: 'connecting' }
  | { readonly name: 'live' }
  | { readonly name: 'silent' }
  | { readonly name: 'waiting'; readonly retryAtMs: number; readonly attempt: number };

/** An entity, by the slot in which it was seen at this node, or by its id. */
export type InspectRequest = { readonly slot: number } | { readonly id: number };

export interface FeedListener {
  onState(state: FeedState): void;
  onWorld(world: WorldMessage): void;
  onStats(stats: StatsMessage): void;
  /** Who is in the cluster; never outside of one. */
  onNodes(nodes: NodesMessage): void;
  /** Of the entity that was asked for, whenever it changed. */
  onEntity(entity: EntityMessage): void;
  onTrace(trace: TraceMessage): void;
  onEntities(frame: EntitiesFrame): void;
  onHandovers(frame: HandoversFrame): void;
  onPeerHandovers(frame: PeerHandoversFrame): void;
  /** A message that does not follow the format: it was skipped. */
  onMalformed(reason: string): void;
}

export class OverviewFeed {
  readonly #url: string;
  readonly #listener: FeedListener;
  readonly #watch: ReturnType<typeof setInterval>;
  #socket: WebSocket | undefined;
  #state: FeedState = { name: 'connecting' };
  #attempt = 0;
  #heardMs = 0;
  #viewport: Bounds | undefined;
  #viewportSentMs = 0;
  #viewportSent = '';
  #inspected: InspectRequest | undefined;

  constructor(url: string, listener: FeedListener) {
    this.#url = url;
    this.#listener = listener;
    this.#watch = setInterval(() => this.#check(performance.now()), WATCH_INTERVAL_MS);
    this.#connect();
  }

  get state(): FeedState {
    return this.#state;
  }

  /** What the screen shows; the server sends no entities outside it. */
  setViewport(bounds: Bounds, nowMs: number): void {
    this.#viewport = bounds;
    this.#sendViewport(nowMs);
  }

  /** To be told of this entity, live, until another or none is asked for; asked again after a reconnect. */
  inspect(request: InspectRequest | undefined): void {
    if (JSON.stringify(request) === JSON.stringify(this.#inspected)) return;
    this.#inspected = request;
    this.#say({ type: 'inspect', ...request });
  }

  /** False when nobody could be asked. */
  trace({ kind, id }: TraceSubject): boolean {
    return this.#say({ type: 'trace', [kind]: id });
  }

  retryNow(): void {
    if (this.#state.name === 'waiting') this.#connect();
  }

  close(): void {
    clearInterval(this.#watch);
    this.#drop();
  }

  #say(request: object): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(request));
    return true;
  }

  #connect(): void {
    this.#drop();
    this.#setState({ name: 'connecting' });
    this.#heardMs = performance.now();
    this.#viewportSent = '';
    const socket = new WebSocket(this.#url);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = (event: { readonly data: string | ArrayBuffer }) => this.#receive(event.data);
    socket.onclose = () => {
      if (socket === this.#socket) this.#wait();
    };
    socket.onopen = () => {
      if (this.#inspected !== undefined) this.#say({ type: 'inspect', ...this.#inspected });
    };
    this.#socket = socket;
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }

  #wait(): void {
    this.#drop();
    const delayMs = retryDelayMs(this.#attempt, Math.random());
    this.#setState({ name: 'waiting', retryAtMs: performance.now() + delayMs, attempt: this.#attempt });
    this.#attempt++;
  }

  #check(nowMs: number): void {
    switch (this.#state.name) {
      case 'waiting':
        if (nowMs >= this.#state.retryAtMs) this.#connect();
        return;
      case 'live':
        if (nowMs - this.#heardMs > SILENT_AFTER_MS) this.#setState({ name: 'silent' });
        this.#sendViewport(nowMs);
        return;
      case 'connecting':
      case 'silent':
        if (nowMs - this.#heardMs > LOST_AFTER_MS) this.#wait();
        return;
    }
  }

  #receive(data: string | ArrayBuffer): void {
    this.#heardMs = performance.now();
    try {
      if (typeof data === 'string') this.#receiveText(data);
      else this.#receiveFrame(data);
    } catch (error) {
      // The feed is for looking at: one bad message is reported and skipped. Anything else is our bug.
      if (!(error instanceof WorldmeshError)) throw error;
      this.#listener.onMalformed(`${error.code}: ${error.message}`);
    }
    if (this.#state.name !== 'live') {
      this.#attempt = 0;
      this.#setState({ name: 'live' });
    }
  }

  #receiveText(text: string): void {
    const message = decodeText(text);
    if (message?.type === 'world') this.#listener.onWorld(message);
    else if (message?.type === 'stats') this.#listener.onStats(message);
    else if (message?.type === 'nodes') this.#listener.onNodes(message);
    else if (message?.type === 'entity') this.#listener.onEntity(message);
    else if (message?.type === 'trace') this.#listener.onTrace(message);
  }

  #receiveFrame(bytes: ArrayBuffer): void {
    const frame = decodeFrame(bytes);
    if (frame.type === 'entities') this.#listener.onEntities(frame);
    else if (frame.type === 'handovers') this.#listener.onHandovers(frame);
    else this.#listener.onPeerHandovers(frame);
  }

  #sendViewport(nowMs: number): void {
    if (this.#viewport === undefined || this.#socket?.readyState !== WebSocket.OPEN) return;
    if (nowMs - this.#viewportSentMs < VIEWPORT_INTERVAL_MS) return;
    const { minX, minZ, maxX, maxZ } = this.#viewport;
    const text = JSON.stringify({ type: 'viewport', minX, minZ, maxX, maxZ, entitiesMax: ENTITIES_MAX });
    if (text === this.#viewportSent) return;
    this.#viewportSent = text;
    this.#viewportSentMs = nowMs;
    this.#socket.send(text);
  }

  #setState(state: FeedState): void {
    this.#state = state;
    this.#listener.onState(state);
  }
}
