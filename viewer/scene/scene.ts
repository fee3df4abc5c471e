/**
 * Everything that is drawn on the map, from back to front: ground, interest circle, entities of the overview,
 * entities of the player's own view, handover pulses, marks, labels. Positions are screen pixels, computed each frame
 * from the camera; only the points carry world positions.
 */
import { Container, Graphics, WebGLRenderer, type BitmapText } from 'pixi.js';
import 'pixi.js/unsafe-eval';
import { worldToScreen, type Camera, type Place, type Viewport } from '../camera.ts';
import { CROWD_FLOATS } from '../crowd.ts';
import type { Territory } from '../cluster-view.ts';
import type { KindInfo, PausedCell, WorldMessage } from '../overview-text.wire.ts';
import type { HandoversFrame } from '../overview.wire.ts';
import { COLOUR } from '../palette.ts';
import type { InDoubt, TrafficScene } from '../peer-traffic.ts';
import { GridLayer, makeLabel } from './grid-layer.ts';
import { groundLoad } from '../ground-load.core.ts';
import { GroundLayer } from './ground-layer.ts';
import { PeerHandoversLayer } from './peer-handovers-layer.ts';
import { PointsLayer } from './points-layer.ts';
import { Pool } from './pool.ts';
import { PulsesLayer } from './pulses-layer.ts';

/** A screen of more pixels per CSS pixel is drawn at this ratio: sharper is not seen, and costs fill rate. */
const PIXEL_RATIO_MAX = 2;
const SPRITE_TEXTURES = 3;
/** As many as a client can have in view, and some. */
const VIEW_ENTITIES_MAX = 512;
const NAMES_MAX = 80;
/** Names stay away until the map is close enough for them not to cover each other. */
const NAME_SCALE_MIN = 1.1;

/** An entity in the player's own view. */
export interface DrawnEntity {
  readonly x: number;
  readonly z: number;
  /** m/s: where its nose points. */
  readonly vx: number;
  readonly vz: number;
  readonly kind: number;
  readonly name: string | undefined;
}

/** A client of this page. */
export interface ClientMark {
  readonly x: number;
  readonly z: number;
  readonly name: string;
  readonly colour: number;
  /** The one that is followed. */
  readonly isActive: boolean;
}

export interface Frame {
  readonly camera: Camera;
  readonly nowSeconds: number;
  /** By node: how far its entities are between their two places. */
  readonly blends: ReadonlyMap<object, number>;
  readonly entities: readonly DrawnEntity[];
  readonly self:
    | { readonly x: number; readonly z: number; readonly name: string; readonly aoiRadius: number }
    | undefined;
  /** Inside it the overview's entities give way to those of the player's view; 0 for none. */
  readonly viewRadius: number;
  readonly clients: readonly ClientMark[];
  readonly selected: Place | undefined;
}

export class Scene implements TrafficScene {
  readonly #renderer: WebGLRenderer;
  readonly #stage = new Container({ eventMode: 'none' });
  readonly #ground: GroundLayer;
  readonly #grid: GridLayer;
  readonly #overviewParent: Container;
  /** Of each node, by whatever names it. */
  readonly #overviews = new Map<object, PointsLayer>();
  #kinds: readonly KindInfo[] = [];
  readonly #view: PointsLayer;
  readonly #viewRows = new Float32Array(VIEW_ENTITIES_MAX * CROWD_FLOATS).fill(-1);
  readonly #pulses: PulsesLayer;
  readonly #peerHandovers: PeerHandoversLayer;
  readonly #marks: Pool<Graphics>;
  readonly #selection = new Graphics();
  readonly #names: Pool<BitmapText>;
  readonly #clientNames: Pool<BitmapText>;
  #viewport: Viewport = { width: 1, height: 1 };

  /** Rejects when the browser gives no WebGL. */
  static async open(canvas: HTMLCanvasElement, options: { isStill: boolean }): Promise<Scene> {
    const renderer = new WebGLRenderer();
    await renderer.init({
      canvas,
      width: 1,
      height: 1,
      background: COLOUR.background,
      antialias: false,
      autoDensity: true,
      resolution: Math.min(PIXEL_RATIO_MAX, globalThis.devicePixelRatio || 1),
      powerPreference: 'high-performance',
    });
    // The sprite shader branches over its textures; this page has three, and few branches draw faster in software.
    renderer.limits.maxBatchableTextures = SPRITE_TEXTURES;
    return new Scene(renderer, options);
  }

  private constructor(renderer: WebGLRenderer, { isStill }: { isStill: boolean }) {
    this.#renderer = renderer;
    const layer = (): Container => this.#stage.addChild(new Container());
    this.#ground = new GroundLayer(layer());
    const grid = layer();
    const overview = layer();
    const view = layer();
    const pulses = layer();
    const marks = layer();
    this.#stage.addChild(this.#selection);
    const labels = layer();
    this.#grid = new GridLayer(grid, labels);
    this.#overviewParent = overview;
    this.#view = new PointsLayer(view);
    this.#pulses = new PulsesLayer(pulses, { isStill });
    this.#peerHandovers = new PeerHandoversLayer(pulses, { isStill });
    this.#names = new Pool(labels, () => makeCentredLabel(COLOUR.text));
    this.#clientNames = new Pool(labels, () => makeCentredLabel(COLOUR.self));
    this.#marks = new Pool(marks, () => new Graphics().circle(0, 0, 12).stroke({ width: 2, color: COLOUR.self }));
    this.#selection.circle(0, 0, 13).stroke({ width: 2, color: COLOUR.select });
  }

  get viewport(): Viewport {
    return this.#viewport;
  }

  resize(viewport: Viewport): void {
    this.#viewport = viewport;
    this.#renderer.resize(viewport.width, viewport.height);
  }

  setWorld(world: WorldMessage): void {
    this.#ground.setGrid(world.grid);
    this.#grid.setGrid(world.grid);
    this.#kinds = world.kinds;
    for (const layer of this.#overviews.values()) layer.setKinds(world.kinds);
    this.#view.setKinds(world.kinds);
  }

  setTerritory({ cells, costs, colours }: Territory, pausedCells: readonly PausedCell[]): void {
    this.#ground.setCells(groundLoad(cells, costs), colours);
    this.#grid.setCells(cells, pausedCells);
  }

  /** The entities of a node; each has its own clock, and so a layer of its own. */
  uploadOverview(node: object, rows: Float32Array): void {
    let layer = this.#overviews.get(node);
    if (layer === undefined) {
      layer = new PointsLayer(this.#overviewParent);
      layer.setKinds(this.#kinds);
      this.#overviews.set(node, layer);
    }
    layer.upload(rows);
  }

  /** The node is not there any more. */
  removeOverview(node: object): void {
    this.#overviews.get(node)?.destroy();
    this.#overviews.delete(node);
  }

  /** `atSeconds`: when the entities are drawn where they crossed. */
  addHandovers(frame: HandoversFrame, atSeconds: number): void {
    for (let index = 0; index < frame.count; index++) {
      this.#pulses.add(frame.x[index]!, frame.z[index]!, atSeconds);
      this.#grid.flash(frame.sourceCell[index]!, frame.targetCell[index]!, atSeconds);
    }
  }

  flashPeerHandover(place: Place, style: { colour: number; atSeconds: number }): void {
    this.#peerHandovers.flash(place.x, place.z, style);
  }

  setInDoubt(all: readonly InDoubt[]): void {
    this.#peerHandovers.setInDoubt(all);
  }

  draw(frame: Frame): void {
    const { camera, nowSeconds, self } = frame;
    const viewport = this.#viewport;
    const pixelRatio = this.#renderer.resolution;
    this.#ground.draw({ camera, viewport, pixelRatio }, self);
    this.#grid.draw(camera, viewport, nowSeconds);
    const hole = self === undefined ? ([0, 0, 0] as const) : ([self.x, self.z, frame.viewRadius] as const);
    for (const [node, layer] of this.#overviews) {
      layer.draw({ camera, viewport, pixelRatio, blend: frame.blends.get(node) ?? 1, hole });
    }
    this.#drawView(frame, pixelRatio);
    this.#pulses.draw({ camera, viewport, pixelRatio, nowSeconds });
    this.#peerHandovers.draw({ camera, viewport, pixelRatio, nowSeconds });
    this.#drawClients(frame);
    this.#drawNames(frame);
    this.#selection.visible = frame.selected !== undefined;
    if (frame.selected !== undefined) {
      const point = worldToScreen(camera, viewport, frame.selected);
      this.#selection.position.set(point.x, point.y);
    }
    this.#renderer.render(this.#stage);
  }

  #drawView({ camera, entities, self }: Frame, pixelRatio: number): void {
    const rows = this.#viewRows;
    const count = Math.min(entities.length, VIEW_ENTITIES_MAX);
    for (let index = 0; index < VIEW_ENTITIES_MAX; index++) {
      const row = index * CROWD_FLOATS;
      const entity = index < count ? entities[index] : undefined;
      if (entity === undefined) {
        rows[row + 4] = -1;
        continue;
      }
      // Drawn at its second position; the first only tells where it comes from.
      rows[row] = entity.x - entity.vx;
      rows[row + 1] = entity.z - entity.vz;
      rows[row + 2] = entity.x;
      rows[row + 3] = entity.z;
      rows[row + 4] = entity.kind;
    }
    if (self !== undefined || count > 0) this.#view.upload(rows);
    this.#view.draw({ camera, viewport: this.#viewport, pixelRatio, blend: 1, hole: [0, 0, 0] });
  }

  #drawClients({ camera, clients }: Frame): void {
    this.#marks.begin();
    this.#clientNames.begin();
    for (const client of clients) {
      const point = worldToScreen(camera, this.#viewport, client);
      const size = Math.min(24, Math.max(8, 1.8 * camera.scale + 4)) / 12;
      const mark = this.#marks.take();
      mark.tint = client.isActive ? COLOUR.self : client.colour;
      mark.position.set(point.x, point.y);
      mark.scale.set(size);
      const label = this.#clientNames.take();
      label.text = client.name;
      label.tint = client.isActive ? COLOUR.self : client.colour;
      label.position.set(Math.round(point.x), Math.round(point.y - 12 * size - 12));
    }
    this.#marks.end();
    this.#clientNames.end();
  }

  #drawNames({ camera, entities }: Frame): void {
    this.#names.begin();
    let shown = 0;
    if (camera.scale >= NAME_SCALE_MIN) {
      for (const entity of entities) {
        if (entity.name === undefined || entity.name === '' || shown >= NAMES_MAX) continue;
        const point = worldToScreen(camera, this.#viewport, entity);
        const label = this.#names.take();
        label.text = entity.name;
        label.position.set(Math.round(point.x), Math.round(point.y - Math.min(23, 1.8 * camera.scale) - 11));
        shown++;
      }
    }
    this.#names.end();
  }
}

function makeCentredLabel(tint: number): BitmapText {
  const label = makeLabel(tint);
  label.anchor.set(0.5, 0.5);
  return label;
}
