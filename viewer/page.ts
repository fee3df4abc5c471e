/** The page: owns the feeds, the playground, the camera and the scene, and draws a frame whenever the browser can. */
import { scaleBar, screenToWorld, visibleBounds, type Place, type Point } from './camera.ts';
import { Charts } from './charts.ts';
import { ConnectionView } from './connection-view.ts';
import { ClusterView } from './cluster-view.ts';
import { formatCount, formatMetres } from './format.ts';
import { FrameMeter } from './frame-meter.ts';
import { History } from './history.ts';
import { JoinView } from './join-view.ts';
import { Keyboard } from './keyboard.ts';
import { Joystick } from './joystick.ts';
import { showLegend } from './legend.ts';
import { MapGestures } from './map-gestures.ts';
import { DecisionsView } from './decisions-view.ts';
import { LinksView } from './links-view.ts';
import { NodeLegend } from './node-legend.ts';
import type { NodeView, NodeViewListener } from './node-view.ts';
import type { EntityMessage, NodesMessage, StatsMessage, TraceMessage, WorldMessage } from './overview-text.wire.ts';
import type { HandoversFrame, PeerHandoversFrame } from './overview.wire.ts';
import { element, setText } from './page-elements.ts';
import { Panel } from './panel.ts';
import { PeerTraffic } from './peer-traffic.ts';
import { clientColour } from './palette.ts';
import type { Player } from './player.ts';
import { Playground } from './playground.ts';
import type { ClientMark, DrawnEntity, Scene } from './scene/scene.ts';
import { cellText } from './selection.ts';
import { ViewCamera } from './view-camera.ts';
import type { Direction } from './walk-keys.ts';

const ZOOM_STEP = 1.5;
const PAN_STEP_PIXELS = 80;
const PICK_PIXELS = 14;
const SCALE_BAR_PIXELS_MAX = 120;
/** The server is asked for a little more than the screen, so that panning does not show an empty rim. */
const VIEWPORT_MARGIN_PIXELS = 160;
/** A view this full may have left the farthest entities out: the overview then shows them. */
const VIEW_FULL_COUNT = 250;

export class Page implements NodeViewListener {
  readonly cluster: ClusterView;
  readonly meter = new FrameMeter();
  readonly playground: Playground;
  readonly connection: ConnectionView;
  readonly view: ViewCamera;
  world: WorldMessage | undefined;
  stats: StatsMessage | undefined;
  malformedCount = 0;
  readonly #scene: Scene;
  readonly traffic: PeerTraffic;
  readonly #nodeLegend = new NodeLegend(element('nodes', HTMLElement));
  readonly #decisions = new DecisionsView(element('decisions', HTMLElement));
  readonly #links = new LinksView(element('links', HTMLElement), (entity) => this.#lookInto(entity));
  readonly #history = new History();
  readonly #charts = new Charts(element('charts', HTMLElement));
  readonly #panel: Panel;
  readonly #join: JoinView;
  readonly #canvas = element('map', HTMLCanvasElement);
  readonly #app = element('app', HTMLElement);
  readonly #joystick = element('joystick', HTMLElement);
  readonly #follow = element('follow', HTMLButtonElement);
  readonly #scaleBar = element('scale-bar', HTMLElement);
  readonly #scaleText = element('scale-text', HTMLElement);
  readonly #blends = new Map<object, number>();
  #frameMs = 0;
  /** The camera follows it since it was seen in the world. */
  #followed: Player | undefined;

  constructor(scene: Scene, { origin, pageHost, isStill }: { origin: string; pageHost: string; isStill: boolean }) {
    this.#scene = scene;
    this.view = new ViewCamera({ isStill });
    this.connection = new ConnectionView(() => this.cluster.retryNow());
    this.#panel = new Panel({ figures: element('figures', HTMLElement), paused: element('paused', HTMLElement) });
    const views = { cluster: () => this.cluster, origin, pageHost, isStill };
    this.playground = new Playground(views, {
      onFollowed: () => this.#followAgain(),
      onShow: (place) => this.view.goTo(place),
      onTab: () => this.#charts.update(this.#history),
    });
    this.#join = new JoinView({ onJoin: (name) => this.#startPlaying(name), onLeave: () => this.#leave() });
    this.#listen();
    this.cluster = new ClusterView({ origin, pageHost }, this);
    this.traffic = new PeerTraffic(this.cluster, scene);
    requestAnimationFrame((nowMs) => this.#draw(nowMs));
  }

  get feedState(): string {
    return this.cluster.state.name;
  }

  /** Shown by the next frame. */
  onState(view: NodeView): void {
    if (view === this.cluster.home) this.#history.pause();
    const isMember = this.cluster.views.includes(view);
    if (!isMember || !view.isLive) this.traffic.forget(view);
    if (!isMember) this.#scene.removeOverview(view);
    else if (view !== this.cluster.home && !view.isLive) this.#hide(view);
    this.#showTerritory();
  }

  /** Where a node's entities are is not known while it does not answer; another may own them by now. */
  #hide(view: NodeView): void {
    view.crowd.clear();
    this.#scene.uploadOverview(view, view.crowd.rows);
  }

  onWorld(view: NodeView, world: WorldMessage): void {
    this.#scene.uploadOverview(view, view.crowd.rows);
    // All nodes have the same world; the one that the page came from is asked first.
    if (view !== this.cluster.home) return;
    // The same world after a reconnect keeps its camera and charts.
    const isSame = this.world !== undefined && JSON.stringify(this.world) === JSON.stringify(world);
    this.world = world;
    if (isSame) return;
    this.#history.clear();
    this.playground.selection.clear();
    this.#scene.setWorld(world);
    this.view.setBounds(world.grid);
    document.title = `${world.name} · Worldmesh`;
    setText(element('world-name', HTMLElement), world.name);
    showLegend(element('legend', HTMLElement), world.kinds);
  }

  onStats(view: NodeView, stats: StatsMessage): void {
    if (view !== this.cluster.home) return this.#showTerritory();
    if (this.world === undefined) return;
    this.stats = stats;
    this.#showTerritory();
    const isNewRow = this.#history.push(stats, performance.now());
    this.#panel.setStats(stats, this.#history.newest, this.world);
    if (isNewRow && !this.#app.classList.contains('no-panel')) this.#charts.update(this.#history);
  }

  onNodes(view: NodeView, { nodes, decisions }: NodesMessage): void {
    this.cluster.takeNodes(view, nodes);
    // All nodes say the same of it; whoever is heard last has the newest.
    this.#decisions.show(decisions);
    this.#showTerritory();
  }

  onEntity(view: NodeView, entity: EntityMessage): void {
    this.playground.onEntity(view, entity);
  }

  onTrace(_view: NodeView, trace: TraceMessage): void {
    this.playground.onTrace(trace);
  }

  onHandovers(_view: NodeView, frame: HandoversFrame, shownMs: number): void {
    // Shown when the entities are drawn there, which is as late as the page plays the feed.
    this.#scene.addHandovers(frame, shownMs / 1000);
  }

  onPeerHandovers(view: NodeView, frame: PeerHandoversFrame, shownMs: number): void {
    this.traffic.take(view, frame, shownMs);
  }

  #showTerritory(): void {
    if (this.stats === undefined) return;
    this.#scene.setTerritory(this.cluster.territory(this.stats), this.stats.pausedCells);
    this.#nodeLegend.show(this.cluster.rows());
    this.#links.show(this.cluster.links(), this.cluster.stuck());
  }

  #lookInto(entity: number): void {
    this.playground.selection.select(entity, performance.now());
    this.playground.tabs.show('entity');
  }

  onMalformed(reason: string): void {
    this.malformedCount++;
    console.warn(`overview feed: skipped a message: ${reason}`);
  }

  #listen(): void {
    const resize = (): void => {
      const viewport = {
        width: this.#canvas.parentElement!.clientWidth,
        height: this.#canvas.parentElement!.clientHeight,
      };
      if (viewport.width === 0 || viewport.height === 0) return;
      this.#scene.resize(viewport);
      this.view.setViewport(viewport);
    };
    new ResizeObserver(resize).observe(this.#canvas.parentElement!);
    resize();
    MapGestures.listen(this.#canvas, {
      onPan: (delta) => this.view.pan(delta),
      onZoom: (point, factor) => this.view.zoom(point, factor, false),
      onClick: (point) => this.#click(point),
    });
    const walk = (direction: Direction): void => this.player?.setDirection(direction);
    Joystick.listen(this.#joystick, walk);
    const actions = {
      zoomIn: () => this.view.zoom(undefined, ZOOM_STEP, true),
      zoomOut: () => this.view.zoom(undefined, 1 / ZOOM_STEP, true),
      fit: () => this.view.fit(),
      follow: () => this.#toggleFollow(),
      panel: () => this.#togglePanel(),
      deselect: () => this.playground.selection.clear(),
      followNumber: (number: number) => this.playground.followNumber(number),
      pan: ({ moveX, moveZ }: Direction) => this.view.pan({ x: -moveX * PAN_STEP_PIXELS, y: -moveZ * PAN_STEP_PIXELS }),
      walk,
    };
    Keyboard.listen(actions, () => this.#isPlaying);
    element('zoom-in', HTMLButtonElement).addEventListener('click', actions.zoomIn);
    element('zoom-out', HTMLButtonElement).addEventListener('click', actions.zoomOut);
    element('fit', HTMLButtonElement).addEventListener('click', actions.fit);
    this.#follow.addEventListener('click', actions.follow);
    element('panel-toggle', HTMLButtonElement).addEventListener('click', actions.panel);
    this.#setPanel(globalThis.matchMedia('(width > 820px)').matches);
  }

  /** The client that is followed. */
  get player(): Player | undefined {
    return this.playground.active;
  }

  get #isPlaying(): boolean {
    return this.player?.isInWorld === true;
  }

  #startPlaying(name: string): void {
    // One that could not join, or was sent away, makes room for the next try.
    if (this.player?.state.name === 'away') this.playground.roster.leave(this.player);
    this.playground.joinAs(name);
    this.#canvas.focus();
  }

  #leave(): void {
    if (this.player !== undefined) this.playground.roster.leave(this.player);
  }

  #followAgain(): void {
    this.#followed = undefined;
  }

  #click(point: Point): void {
    this.#canvas.focus();
    const { camera } = this.view;
    const place = screenToWorld(camera, this.#scene.viewport, point);
    this.playground.pick(place, { reach: PICK_PIXELS / camera.scale, nowMs: performance.now() });
  }

  #toggleFollow(): void {
    if (this.view.isFollowing) this.view.isFollowing = false;
    else if (this.player?.self !== undefined) this.view.follow(this.player.self);
  }

  #togglePanel(): void {
    this.#setPanel(this.#app.classList.contains('no-panel'));
  }

  #setPanel(isShown: boolean): void {
    this.#app.classList.toggle('no-panel', !isShown);
    element('panel-toggle', HTMLButtonElement).setAttribute('aria-expanded', String(isShown));
    if (isShown) this.#charts.update(this.#history);
  }

  #draw(nowMs: number): void {
    requestAnimationFrame((laterMs) => this.#draw(laterMs));
    const elapsedMs = Math.min(250, nowMs - this.#frameMs);
    this.#frameMs = nowMs;
    this.meter.frame(nowMs);
    this.playground.roster.update(nowMs);
    this.#noticeJoining();
    const { player } = this;
    const self = player?.self;
    this.view.update(elapsedMs, self);
    this.#playOverview(nowMs);
    const { camera } = this.view;
    // Before the world is known the camera looks at nothing: asking for that would empty the first frames.
    if (this.world !== undefined) {
      this.cluster.setViewport(visibleBounds(camera, this.#scene.viewport, VIEWPORT_MARGIN_PIXELS), nowMs);
    }
    this.#showTexts(nowMs);
    this.#scene.draw({
      camera,
      nowSeconds: nowMs / 1000,
      blends: this.#blends,
      entities: this.#drawnEntities(),
      self: self && { x: self.x, z: self.z, name: player!.name, aoiRadius: player!.aoiRadius },
      viewRadius: self === undefined ? 0 : this.#viewRadius(player!, self),
      clients: this.#marks(),
      selected: this.playground.selection.place,
    });
  }

  /**
   * What the followed client has in view; the page's clients are named by their marks. Whom it keeps in view a little beyond
   * its radius is drawn by the overview, and would be seen twice.
   */
  #drawnEntities(): readonly DrawnEntity[] {
    const { player } = this;
    const self = player?.self;
    if (player === undefined || self === undefined) return player?.others ?? [];
    const own = new Set(this.playground.roster.players.map((client) => client.self?.id));
    const radius = this.#viewRadius(player, self);
    const near = player.others.filter(({ x, z }) => Math.hypot(x - self.x, z - self.z) <= radius);
    return [...near, self].map((entity) => (own.has(entity.id) ? { ...entity, name: undefined } : entity));
  }

  /** Every client of this page that is in the world. */
  #marks(): readonly ClientMark[] {
    return this.playground.roster.players.flatMap((player) => {
      const { self } = player;
      if (self === undefined) return [];
      const isActive = player === this.player;
      return [{ x: self.x, z: self.z, name: player.name, colour: clientColour(player.number), isActive }];
    });
  }

  #playOverview(nowMs: number): void {
    this.#blends.clear();
    for (const view of this.cluster.views) {
      // The home node's entities stay where they were last, behind the banner; another's are hidden.
      const isShown = view.isLive || view === this.cluster.home;
      if (isShown && view.play(nowMs)) this.#scene.uploadOverview(view, view.crowd.rows);
      this.#blends.set(view, view.blend);
    }
  }

  #viewRadius({ others, aoiRadius }: Player, self: Place): number {
    if (others.length < VIEW_FULL_COUNT) return aoiRadius;
    return others.reduce((farthest, other) => Math.max(farthest, Math.hypot(other.x - self.x, other.z - self.z)), 0);
  }

  /** The camera comes to a client when it is chosen, and when it appears in the world. */
  #noticeJoining(): void {
    const { player } = this;
    const self = this.#isPlaying ? player?.self : undefined;
    if (self === undefined) {
      if (!this.#isPlaying && this.view.isFollowing) this.view.isFollowing = false;
      this.#followed = undefined;
    } else if (player !== this.#followed) {
      this.view.follow(self);
      this.#followed = player;
    }
  }

  #showTexts(nowMs: number): void {
    const { world, player } = this;
    this.connection.show(this.cluster.state, nowMs, this.#liveText());
    const self = player?.self;
    const node =
      player && this.cluster.isCluster ? (player.ownerName ?? this.playground.gatewayName(player)) : undefined;
    const place = self && world && { cell: cellText(world, self), node, x: self.x, z: self.z };
    const canWalk = ['moveX', 'moveZ'].every((name) => world?.inputFields.includes(name));
    this.#join.show(player, { isLive: this.cluster.home.isLive, canWalk, place });
    this.#joystick.hidden = !(this.#isPlaying && canWalk && globalThis.matchMedia('(pointer: coarse)').matches);
    this.#follow.disabled = self === undefined;
    this.#follow.setAttribute('aria-pressed', String(this.view.isFollowing));
    const bar = scaleBar(this.view.camera.scale, SCALE_BAR_PIXELS_MAX);
    this.#scaleBar.style.width = `${bar.pixels.toFixed(1)}px`;
    setText(this.#scaleText, formatMetres(bar.metres));
    if (world === undefined) return;
    this.playground.show(world, { nowMs, isShown: !this.#app.classList.contains('no-panel') });
  }

  #liveText(): string {
    if (this.stats === undefined) return 'Live';
    const entities = `Live · ${formatCount(this.cluster.entityCount)} entities`;
    const up = this.cluster.rows().filter(({ isUp }) => isUp).length;
    return this.cluster.isCluster ? `${entities} · ${up} ${up === 1 ? 'node' : 'nodes'}` : entities;
  }
}
