/**
 * All nodes of the cluster as one world. The node that the page came from says who the others are; if it dies, any other
 * does. Outside of a cluster there is that one node, and nothing here shows.
 */
import type { Bounds } from './camera.ts';
import type { FeedState } from './overview-feed.ts';
import type { NodeInfo, StatsMessage } from './overview-text.wire.ts';
import { NodeView, type NodeViewListener } from './node-view.ts';
import { mergeCells, mergeOwners, overviewUrl } from './ownership.core.ts';
import { linkRows, stuckRows } from './links.core.ts';
import type { LinkRow, NodeReport, StuckRow } from './links.core.ts';
import { DOWN_COLOUR, nodeColour } from './palette.ts';

/** A line of the legend. */
export interface NodeRow {
  readonly name: string;
  readonly node: number;
  readonly colour: number;
  readonly isUp: boolean;
  /** The page came from it. */
  readonly isHome: boolean;
  readonly entities: number;
  readonly cells: number;
  readonly sessions: number;
  /** Mean of the last ticks, in milliseconds. */
  readonly tickMs: number;
}

/** What the ground shows. */
export interface Territory {
  readonly cells: readonly number[];
  /** Microseconds of a tick; empty when no node says. */
  readonly costs: readonly number[];
  /** By cell the colour of its owner; undefined outside of a cluster. */
  readonly colours: readonly number[] | undefined;
}

const STATES_AWAY = new Set(['gone', 'fenced']);

export class ClusterView {
  readonly home: NodeView;
  readonly #others = new Map<string, NodeView>();
  readonly #listener: NodeViewListener;
  readonly #pageHost: string;
  #nodes: readonly NodeInfo[] = [];
  #owners = new Uint8Array(0);

  constructor({ origin, pageHost }: { origin: string; pageHost: string }, listener: NodeViewListener) {
    this.#listener = listener;
    this.#pageHost = pageHost;
    this.home = new NodeView({ url: `${origin}/overview`, name: '', node: 0 }, listener);
  }

  get isCluster(): boolean {
    return this.#nodes.length > 1;
  }

  /** Members by name; empty outside of a cluster. */
  get nodes(): readonly NodeInfo[] {
    return this.#nodes;
  }

  get views(): readonly NodeView[] {
    return [this.home, ...this.#others.values()];
  }

  /** Live while any node answers: what is missing is grey on the map, not lost. */
  get state(): FeedState {
    return this.views.find(({ isLive }) => isLive)?.state ?? this.home.state;
  }

  get entityCount(): number {
    if (!this.isCluster) return this.home.stats?.gauges.entities ?? 0;
    return this.views.reduce((sum, view) => sum + (view.isLive ? view.entityCount : 0), 0);
  }

  setViewport(bounds: Bounds, nowMs: number): void {
    for (const view of this.views) view.setViewport(bounds, nowMs);
  }

  retryNow(): void {
    for (const view of this.views) view.retryNow();
  }

  /** Takes the word of the node that the page came from, while it answers; else of whoever does. */
  takeNodes(from: NodeView, nodes: readonly NodeInfo[]): void {
    if (from !== this.home && this.home.isLive) return;
    // A node that has just started may not have heard of anybody yet, not even of itself.
    if (!nodes.some(({ name }) => name === from.name)) return;
    this.#nodes = nodes.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const wanted = new Map<string, { readonly url: string; readonly info: NodeInfo }>();
    for (const info of nodes) {
      const url = overviewUrl(info.clientUrl, this.#pageHost);
      if (url !== undefined && info.name !== this.home.name) wanted.set(info.name, { url, info });
    }
    for (const [name, view] of this.#others) {
      // A node that has started again may listen elsewhere.
      if (wanted.get(name)?.url === view.url) continue;
      view.close();
      this.#others.delete(name);
      this.#listener.onState(view);
    }
    for (const [name, { url, info }] of wanted) {
      if (!this.#others.has(name)) {
        this.#others.set(name, new NodeView({ url, name, node: info.node }, this.#listener));
      }
    }
  }

  /** Call it after any node's statistics. */
  territory(stats: StatsMessage): Territory {
    const cellCount = stats.cells.length;
    if (!this.isCluster) return { cells: stats.cells, costs: stats.costs, colours: undefined };
    const views = this.views;
    const cells = mergeCells(
      views.map(({ isLive, stats: said }) => (isLive ? (said?.cells ?? []) : [])),
      cellCount,
    );
    const costs = mergeCells(
      views.map(({ isLive, stats: said }) => (isLive ? (said?.costs ?? []) : [])),
      views.some(({ stats: said }) => (said?.costs.length ?? 0) > 0) ? cellCount : 0,
    );
    this.#owners = mergeOwners(
      views.map(({ node, isLive, stats: said }) => ({ node, isLive, owners: said?.owners ?? [] })),
      cellCount,
    ) as Uint8Array<ArrayBuffer>;
    const colours = new Map(this.rows().map(({ node, isUp, colour }) => [node, isUp ? colour : DOWN_COLOUR]));
    return { cells, costs, colours: Array.from(this.#owners, (owner) => colours.get(owner) ?? DOWN_COLOUR) };
  }

  /** Of the nodes that are there, or still have cells. Empty outside of a cluster. */
  rows(): readonly NodeRow[] {
    if (!this.isCluster) return [];
    const owned = new Map<number, number>();
    for (const owner of this.#owners) owned.set(owner, (owned.get(owner) ?? 0) + 1);
    return this.#nodes.flatMap((info, order) => {
      const view = this.viewOf(info.node);
      const isUp = view?.isLive === true && !STATES_AWAY.has(info.state);
      const cells = owned.get(info.node) ?? 0;
      if (info.state === 'gone' && !isUp && cells === 0) return [];
      return [
        {
          name: info.name,
          node: info.node,
          colour: nodeColour(order),
          isUp,
          isHome: info.name === this.home.name,
          entities: isUp ? (view?.entityCount ?? 0) : 0,
          cells,
          sessions: isUp ? (view?.stats?.gateway['sessions'] ?? 0) : 0,
          tickMs: isUp ? meanTickMs(view?.stats) : 0,
        },
      ];
    });
  }

  /** Between all nodes that answer. */
  links(): readonly LinkRow[] {
    return this.isCluster ? linkRows(this.#reports(), (node) => this.#nameOf(node)) : [];
  }

  stuck(): readonly StuckRow[] {
    return this.isCluster ? stuckRows(this.#reports(), (node) => this.#nameOf(node)) : [];
  }

  #reports(): NodeReport[] {
    return this.views.map(({ node, isLive, stats }) => {
      return { node, isLive, links: stats?.links ?? [], stuck: stats?.stuck ?? [] };
    });
  }

  #nameOf(node: number): string {
    return this.#nodes.find((info) => info.node === node)?.name ?? `node ${node}`;
  }

  viewOf(node: number): NodeView | undefined {
    return this.views.find((view) => view.node === node);
  }

  colourOf(node: number): number {
    const order = this.#nodes.findIndex((info) => info.node === node);
    return order < 0 ? DOWN_COLOUR : nodeColour(order);
  }
}

function meanTickMs(stats: StatsMessage | undefined): number {
  if (stats === undefined || stats.ticks.length === 0) return 0;
  return stats.ticks.reduce((sum, { totalMs }) => sum + totalMs, 0) / stats.ticks.length;
}
