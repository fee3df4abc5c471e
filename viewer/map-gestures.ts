/** Pointer and wheel on the map: drag to pan, wheel or pinch to zoom, click to select. */
import type { Point } from './camera.ts';

/** A pointer that moved less than this between down and up was a click. */
const CLICK_PIXELS = 5;
const WHEEL_ZOOM_PER_PIXEL = 0.0016;
const WHEEL_LINE_PIXELS = 16;
const WHEEL_STEP_PIXELS_MAX = 240;

export interface GestureListener {
  onPan(delta: Point): void;
  onZoom(point: Point, factor: number): void;
  onClick(point: Point): void;
}

export class MapGestures {
  readonly #element: HTMLElement;
  readonly #listener: GestureListener;
  readonly #pointers = new Map<number, Point>();
  #travelled = 0;

  /** Listens as long as the page lives. */
  static listen(element: HTMLElement, listener: GestureListener): MapGestures {
    return new MapGestures(element, listener);
  }

  private constructor(element: HTMLElement, listener: GestureListener) {
    this.#element = element;
    this.#listener = listener;
    element.addEventListener('pointerdown', (event) => this.#down(event));
    element.addEventListener('pointermove', (event) => this.#move(event));
    element.addEventListener('pointerup', (event) => this.#up(event, true));
    element.addEventListener('pointercancel', (event) => this.#up(event, false));
    element.addEventListener('wheel', (event) => this.#wheel(event), { passive: false });
  }

  #down(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.#element.setPointerCapture(event.pointerId);
    if (this.#pointers.size === 0) this.#travelled = 0;
    this.#pointers.set(event.pointerId, this.#point(event));
  }

  #move(event: PointerEvent): void {
    const before = this.#pointers.get(event.pointerId);
    if (before === undefined) return;
    const point = this.#point(event);
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.#pointers.set(event.pointerId, point);
    const delta = { x: point.x - before.x, y: point.y - before.y };
    this.#travelled += Math.hypot(delta.x, delta.y);
    if (this.#travelled > CLICK_PIXELS) this.#element.classList.add('dragging');
    if (other === undefined) {
      this.#listener.onPan(delta);
      return;
    }
    // Two fingers: each moves the middle by half of its way, and their distance is the zoom.
    const spreadBefore = Math.hypot(before.x - other.x, before.y - other.y);
    const spread = Math.hypot(point.x - other.x, point.y - other.y);
    this.#listener.onPan({ x: delta.x / 2, y: delta.y / 2 });
    if (spreadBefore > 1 && spread > 1) {
      this.#listener.onZoom({ x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 }, spread / spreadBefore);
    }
  }

  #up(event: PointerEvent, isComplete: boolean): void {
    const isKnown = this.#pointers.delete(event.pointerId);
    if (this.#pointers.size === 0) this.#element.classList.remove('dragging');
    if (isKnown && isComplete && this.#pointers.size === 0 && this.#travelled <= CLICK_PIXELS) {
      this.#listener.onClick(this.#point(event));
    }
  }

  #wheel(event: WheelEvent): void {
    event.preventDefault();
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? WHEEL_LINE_PIXELS : 1;
    const pixels = Math.max(-WHEEL_STEP_PIXELS_MAX, Math.min(WHEEL_STEP_PIXELS_MAX, event.deltaY * unit));
    this.#listener.onZoom(this.#point(event), Math.exp(-pixels * WHEEL_ZOOM_PER_PIXEL));
  }

  #point(event: MouseEvent): Point {
    const box = this.#element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }
}
