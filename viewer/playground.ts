/** What people do with the world through this page: clients that join, the entity that is looked into, its trace. */
import type { Place } from './camera.ts';
import { ClientsView } from './clients/clients-view.ts';
import type { GatewayChoice } from './clients/join-form.ts';
import type { ClusterView } from './cluster-view.ts';
import { EntityView } from './entity-view.ts';
import { EntityWatch } from './entity-watch.ts';
import type { NodeView } from './node-view.ts';
import type { EntityMessage, NodeInfo, TraceMessage, WorldMessage } from './overview-text.wire.ts';
import { gatewayUrl } from './ownership.core.ts';
import { element } from './page-elements.ts';
import type { JoinOptions, Player } from './player.ts';
import { Roster } from './roster.ts';
import { Selection } from './selection.ts';
import { Tabs } from './tabs.ts';
import { TraceBoard } from './trace-board.core.ts';

/** Texts for people are brought up to date this often. */
const SHOW_INTERVAL_MS = 100;

export interface PlaygroundListener {
  /** A client joined, or another is followed. */
  onFollowed(): void;
  /** The map is to show this place. */
  onShow(place: Place): void;
  onTab(): void;
}

export class Playground {
  readonly roster = new Roster();
  readonly selection: Selection;
  readonly tabs: Tabs;
  readonly board = new TraceBoard();
  readonly #cluster: () => ClusterView;
  readonly #watch: EntityWatch;
  readonly #clientsView: ClientsView;
  readonly #entityView: EntityView;
  readonly #listener: PlaygroundListener;
  readonly #origin: string;
  readonly #pageHost: string;
  #tracedId = 0;
  #shownMs = 0;

  constructor(
    parts: { cluster: () => ClusterView; origin: string; pageHost: string; isStill: boolean },
    listener: PlaygroundListener,
  ) {
    this.#cluster = parts.cluster;
    this.#origin = parts.origin;
    this.#pageHost = parts.pageHost;
    this.#listener = listener;
    const views = (): readonly NodeView[] => this.#cluster().views;
    this.#watch = new EntityWatch(views);
    this.selection = new Selection({ views, roster: this.roster, watch: this.#watch });
    this.tabs = new Tabs(() => {
      this.#shownMs = 0;
      listener.onTab();
    });
    this.#clientsView = new ClientsView(element('clients', HTMLElement), this.roster, {
      onJoin: (options) => this.#join(options),
      onChoose: (player) => this.follow(player),
      onLeave: (player) => this.roster.leave(player),
      onInspect: (player) => this.#inspect(player),
      selectedId: () => this.selection.id,
    });
    this.#entityView = new EntityView(
      { inspector: element('inspector', HTMLElement), empty: element('inspector-empty', HTMLElement) },
      {
        onDeselect: () => this.selection.clear(),
        onFollow: () => {
          if (this.selection.place !== undefined) listener.onShow(this.selection.place);
        },
        onTrace: () => this.#trace(this.selection.id),
        isStill: parts.isStill,
      },
    );
    this.tabs.show('world');
  }

  get active(): Player | undefined {
    return this.roster.active;
  }

  /** With the settings that stand in the panel's form. */
  joinAs(name: string): void {
    this.#join(this.#clientsView.form.options(name));
  }

  follow(player: Player): void {
    this.roster.activate(player);
    this.#listener.onFollowed();
    this.#shownMs = 0;
  }

  /** The n-th of the list, from 1. */
  followNumber(number: number): void {
    const player = this.roster.players[number - 1];
    if (player !== undefined) this.follow(player);
  }

  pick(place: Place, { reach, nowMs }: { reach: number; nowMs: number }): void {
    if (this.selection.pick(place, { reach, nowMs })) this.tabs.show('entity');
    this.#shownMs = 0;
  }

  onEntity(view: NodeView, entity: EntityMessage): void {
    this.#watch.take(view, entity, performance.now());
  }

  onTrace(trace: TraceMessage): void {
    if (this.board.take(trace)) this.#entityView.showTrace(this.board);
  }

  /** Once a frame; `isShown`: somebody can see the panel. */
  show(world: WorldMessage, { nowMs, isShown }: { nowMs: number; isShown: boolean }): void {
    const inspected = this.selection.update(world, nowMs);
    this.#forgetTrace();
    if (nowMs - this.#shownMs < SHOW_INTERVAL_MS) return;
    this.#shownMs = nowMs;
    // Hidden tabs are brought up to date when they are shown; the inspector says by itself that nothing is selected.
    if (isShown && this.tabs.shown === 'clients')
      this.#clientsView.show(this.roster, { choices: this.#gateways(), nowMs });
    this.#entityView.show(inspected);
  }

  /** Of the node through which a client reaches the world. */
  gatewayName({ gateway }: Player): string {
    const { home, nodes } = this.#cluster();
    const isAt = ({ clientUrl }: NodeInfo): boolean =>
      // As the page reaches it, or as the server told the client.
      [gatewayUrl(clientUrl, this.#pageHost), gatewayUrl(clientUrl, '')].includes(gateway);
    return nodes.find(isAt)?.name ?? home.name;
  }

  /** The page's own node first, then the others by name. */
  #gateways(): readonly GatewayChoice[] {
    const cluster = this.#cluster();
    const home = { url: this.#origin, name: cluster.home.name === '' ? 'this node' : `node ${cluster.home.name}` };
    const others = cluster.nodes.flatMap(({ name, clientUrl, state }) => {
      const url = gatewayUrl(clientUrl, this.#pageHost);
      if (url === undefined || name === cluster.home.name || state !== 'active') return [];
      return [{ url, name: `node ${name}` }];
    });
    return [home, ...others];
  }

  #join(options: JoinOptions): void {
    const gateway = options.gateway === '' ? this.#origin : options.gateway;
    if (this.roster.join({ ...options, gateway }) === undefined) return;
    this.tabs.show('clients');
    this.#listener.onFollowed();
  }

  #inspect(player: Player): void {
    if (player.self === undefined) return;
    this.selection.select(player.self.id, performance.now());
    this.tabs.show('entity');
    this.#trace(player.self.id);
  }

  #trace(id: number): void {
    if (id === 0) return;
    const subject = { kind: 'entity', id } as const;
    const asked = this.#cluster().views.filter((view) => view.trace(subject));
    this.#tracedId = id;
    this.board.begin(
      subject,
      asked.map(({ name }) => name),
    );
    this.#entityView.showTrace(this.board);
  }

  /** A trace is of the entity that is selected, or of none. */
  #forgetTrace(): void {
    if (this.#tracedId === 0 || this.#tracedId === this.selection.id) return;
    this.#tracedId = 0;
    this.board.clear();
    this.#entityView.showTrace(this.board);
  }
}
