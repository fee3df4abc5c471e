/** Where the map looks: moved by hand, eased towards a target, or following the player. */
import {
  easeCamera,
  fitBounds,
  keepInside,
  panBy,
  zoomAt,
  type Bounds,
  type Camera,
  type Place,
  type Point,
  type Viewport,
} from './camera.ts';

const FIT_MARGIN_PIXELS = 24;
const EASE_HALF_LIFE_MS = 70;
const FOLLOW_HALF_LIFE_MS = 90;
/** On joining the map comes at least this close, in pixels per metre. */
const FOLLOW_SCALE = 3;
const SETTLED_SHARE = 0.002;

export class ViewCamera {
  #camera: Camera = { centreX: 0, centreZ: 0, scale: 1 };
  #target: Camera | undefined;
  #bounds: Bounds = { minX: -1, minZ: -1, maxX: 1, maxZ: 1 };
  #viewport: Viewport = { width: 1, height: 1 };
  #isFitted = true;
  readonly #isStill: boolean;
  isFollowing = false;

  /** `isStill`: the person asked for less motion, so the map jumps instead of gliding. */
  constructor({ isStill }: { isStill: boolean }) {
    this.#isStill = isStill;
  }

  get camera(): Camera {
    return this.#camera;
  }

  setBounds(bounds: Bounds): void {
    this.#bounds = bounds;
    this.#camera = fitBounds(bounds, this.#viewport, FIT_MARGIN_PIXELS);
    this.#target = undefined;
    this.#isFitted = true;
  }

  setViewport(viewport: Viewport): void {
    this.#viewport = viewport;
    if (!this.#isFitted) return;
    this.#camera = fitBounds(this.#bounds, viewport, FIT_MARGIN_PIXELS);
    this.#target = undefined;
  }

  pan(delta: Point): void {
    this.#take();
    this.isFollowing = false;
    this.#camera = panBy(this.#camera, this.#bounds, delta);
  }

  /** At a point of the screen, or at its middle while following: the player stays there. */
  zoom(point: Point | undefined, factor: number, isGradual: boolean): void {
    const from = isGradual ? (this.#target ?? this.#camera) : this.#camera;
    const middle = { x: this.#viewport.width / 2, y: this.#viewport.height / 2 };
    const zoomed = zoomAt(from, {
      viewport: this.#viewport,
      bounds: this.#bounds,
      point: this.isFollowing ? middle : (point ?? middle),
      factor,
    });
    this.#isFitted = false;
    if (isGradual) this.#target = zoomed;
    else {
      this.#target = undefined;
      this.#camera = zoomed;
    }
  }

  fit(): void {
    this.isFollowing = false;
    this.#target = fitBounds(this.#bounds, this.#viewport, FIT_MARGIN_PIXELS);
    this.#isFitted = true;
  }

  /** Glides to a place and stays there. */
  goTo(place: Place): void {
    this.isFollowing = false;
    this.#isFitted = false;
    this.#target = { centreX: place.x, centreZ: place.z, scale: Math.max(this.#camera.scale, FOLLOW_SCALE) };
  }

  follow(place: Place): void {
    this.isFollowing = true;
    this.#isFitted = false;
    const scale = Math.max(this.#camera.scale, FOLLOW_SCALE);
    this.#target = { centreX: place.x, centreZ: place.z, scale };
  }

  update(elapsedMs: number, self: Place | undefined): void {
    if (this.isFollowing && self !== undefined) {
      const scale = this.#target?.scale ?? this.#camera.scale;
      const target = { centreX: self.x, centreZ: self.z, scale };
      this.#ease(target, elapsedMs, FOLLOW_HALF_LIFE_MS);
      if (Math.abs(scale / this.#camera.scale - 1) < SETTLED_SHARE) this.#target = undefined;
      return;
    }
    if (this.#target === undefined) return;
    this.#ease(this.#target, elapsedMs, EASE_HALF_LIFE_MS);
    if (Math.abs(this.#target.scale / this.#camera.scale - 1) > SETTLED_SHARE) return;
    const distance = Math.hypot(
      this.#target.centreX - this.#camera.centreX,
      this.#target.centreZ - this.#camera.centreZ,
    );
    if (distance * this.#camera.scale > 0.5) return;
    this.#camera = this.#target;
    this.#target = undefined;
  }

  #ease(target: Camera, elapsedMs: number, halfLifeMs: number): void {
    const eased = easeCamera(this.#camera, { target, elapsedMs, halfLifeMs: this.#isStill ? 0 : halfLifeMs });
    this.#camera = keepInside(eased, this.#bounds);
  }

  #take(): void {
    this.#target = undefined;
    this.#isFitted = false;
  }
}
