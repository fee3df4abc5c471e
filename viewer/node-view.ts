/** One node as the page sees it: its feed, the entities that it owns, and what it says of itself and of others. */
import type { Bounds } from './camera.ts';
import { Crowd } from './crowd.ts';
import { OverviewFeed, type FeedListener, type FeedState, type InspectRequest } from './overview-feed.ts';
import type {
  EntityMessage,
  NodesMessage,
  StatsMessage,
  TraceMessage,
  TraceSubject,
  WorldMessage,
} from './overview-text.wire.ts';
import type { EntitiesFrame, HandoversFrame, PeerHandoversFrame } from './overview.wire.ts';
import { Timeline, type Sample } from './timeline.ts';

const TICK_HZ_BEFORE_WORLD = 20;

/** Times are of `performance.now()`, in milliseconds. */
export interface NodeViewListener {
  onState(view: NodeView): void;
  onWorld(view: NodeView, world: WorldMessage): void;
  onStats(view: NodeView, stats: StatsMessage): void;
  onNodes(view: NodeView, nodes: NodesMessage): void;
  onEntity(view: NodeView, entity: EntityMessage): void;
  onTrace(view: NodeView, trace: TraceMessage): void;
  /** `shownMs`: when its entities are drawn as they are at that tick. */
  onHandovers(view: NodeView, frame: HandoversFrame, shownMs: number): void;
  onPeerHandovers(view: NodeView, frame: PeerHandoversFrame, shownMs: number): void;
  onMalformed(reason: string): void;
}

export class NodeView implements FeedListener {
  readonly crowd = new Crowd();
  readonly url: string;
  /** Empty until it says it, and outside of a cluster. */
  name: string;
  /** Number in the cluster; 0 until it says it. */
  node: number;
  world: WorldMessage | undefined;
  stats: StatsMessage | undefined;
  /** What it said last of the cluster. */
  cluster: NodesMessage | undefined;
  readonly #listener: NodeViewListener;
  readonly #feed: OverviewFeed;
  #timeline = new Timeline(TICK_HZ_BEFORE_WORLD);
  #sample: Sample | undefined;
  /** The feed tells its first state while it is being made: nobody knows this view yet. */
  #isMade = false;

  constructor({ url, name, node }: { url: string; name: string; node: number }, listener: NodeViewListener) {
    this.url = url;
    this.name = name;
    this.node = node;
    this.#listener = listener;
    this.#feed = new OverviewFeed(url, this);
    this.#isMade = true;
  }

  get state(): FeedState {
    return this.#feed.state;
  }

  get isLive(): boolean {
    return this.#feed.state.name === 'live';
  }

  /** Between the two frames that `crowd` joins. */
  get blend(): number {
    return this.#sample?.blend ?? 1;
  }

  /** Entities that it owns, in the whole world. */
  get entityCount(): number {
    return this.stats?.cells.reduce((sum, count) => sum + count, 0) ?? 0;
  }

  setViewport(bounds: Bounds, nowMs: number): void {
    this.#feed.setViewport(bounds, nowMs);
  }

  /** What it then says goes to `onEntity`. */
  inspect(request: InspectRequest | undefined): void {
    this.#feed.inspect(request);
  }

  /** What it then says goes to `onTrace`. False when it could not be asked. */
  trace(subject: TraceSubject): boolean {
    return this.#feed.trace(subject);
  }

  retryNow(): void {
    this.#feed.retryNow();
  }

  close(): void {
    this.#feed.close();
    this.crowd.clear();
  }

  /** Once a frame. True when the rows of `crowd` changed. */
  play(nowMs: number): boolean {
    const before = this.#sample;
    this.#sample = this.#timeline.sample(nowMs);
    const sample = this.#sample;
    if (sample === undefined || (before?.from === sample.from && before.to === sample.to)) return false;
    const seconds = (sample.to.tick - sample.from.tick) / (this.world?.tickHz ?? TICK_HZ_BEFORE_WORLD);
    this.crowd.join(sample.from, sample.to, seconds);
    return true;
  }

  // FeedListener

  onState(): void {
    if (this.#isMade) this.#listener.onState(this);
  }

  onWorld(world: WorldMessage): void {
    this.world = world;
    this.#timeline = new Timeline(world.tickHz);
    this.#sample = undefined;
    this.crowd.clear();
    this.#listener.onWorld(this, world);
  }

  onStats(stats: StatsMessage): void {
    if (this.world === undefined) return;
    this.stats = stats;
    this.#listener.onStats(this, stats);
  }

  onNodes(nodes: NodesMessage): void {
    this.cluster = nodes;
    this.name = nodes.self.name;
    this.node = nodes.self.node;
    this.#listener.onNodes(this, nodes);
  }

  onEntity(entity: EntityMessage): void {
    this.#listener.onEntity(this, entity);
  }

  onTrace(trace: TraceMessage): void {
    this.#listener.onTrace(this, trace);
  }

  onEntities(frame: EntitiesFrame): void {
    this.#timeline.push(frame, performance.now());
  }

  onHandovers(frame: HandoversFrame): void {
    this.#listener.onHandovers(this, frame, performance.now() + this.#timeline.delayMs);
  }

  onPeerHandovers(frame: PeerHandoversFrame): void {
    this.#listener.onPeerHandovers(this, frame, performance.now() + this.#timeline.delayMs);
  }

  onMalformed(reason: string): void {
    this.#listener.onMalformed(reason);
  }
}
