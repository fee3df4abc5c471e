/**
 * The camera: which part of the plane the screen shows. World X runs to the right and Z down, in metres; screen
 * coordinates are CSS pixels from the upper left corner of the map.
 */
export interface Camera {
  /** The point of the world in the middle of the screen. */
  readonly centreX: number;
  readonly centreZ: number;
  /** Pixels per metre. */
  readonly scale: number;
}

export interface Viewport {
  readonly width: number;
  readonly height: number;
}

export interface Bounds {
  readonly minX: number;
  readonly minZ: number;
  readonly maxX: number;
  readonly maxZ: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Place {
  readonly x: number;
  readonly z: number;
}

/** At the closest, a metre is this many pixels. */
export const SCALE_MAX = 40;
/** At the farthest, the world fills this share of the screen. */
const WORLD_SHARE_MIN = 0.4;

export function worldToScreen(camera: Camera, viewport: Viewport, place: Place): Point {
  return {
    x: (place.x - camera.centreX) * camera.scale + viewport.width / 2,
    y: (place.z - camera.centreZ) * camera.scale + viewport.height / 2,
  };
}

export function screenToWorld(camera: Camera, viewport: Viewport, point: Point): Place {
  return {
    x: (point.x - viewport.width / 2) / camera.scale + camera.centreX,
    z: (point.y - viewport.height / 2) / camera.scale + camera.centreZ,
  };
}

/** The whole of the bounds, with `marginPixels` free on every side. */
export function fitBounds(bounds: Bounds, viewport: Viewport, marginPixels: number): Camera {
  const width = Math.max(1, viewport.width - 2 * marginPixels);
  const height = Math.max(1, viewport.height - 2 * marginPixels);
  return {
    centreX: (bounds.minX + bounds.maxX) / 2,
    centreZ: (bounds.minZ + bounds.maxZ) / 2,
    scale: Math.min(SCALE_MAX, width / (bounds.maxX - bounds.minX), height / (bounds.maxZ - bounds.minZ)),
  };
}

/** The scale below which zooming out stops. */
export function scaleMin(bounds: Bounds, viewport: Viewport): number {
  return Math.min(SCALE_MAX, fitBounds(bounds, viewport, 0).scale * WORLD_SHARE_MIN);
}

/** Zooms by a factor; the world under `point` stays there. */
export function zoomAt(
  camera: Camera,
  { viewport, bounds, point, factor }: { viewport: Viewport; bounds: Bounds; point: Point; factor: number },
): Camera {
  const scale = Math.min(SCALE_MAX, Math.max(scaleMin(bounds, viewport), camera.scale * factor));
  const anchor = screenToWorld(camera, viewport, point);
  const moved: Camera = {
    centreX: anchor.x - (point.x - viewport.width / 2) / scale,
    centreZ: anchor.z - (point.y - viewport.height / 2) / scale,
    scale,
  };
  return keepInside(moved, bounds);
}

export function panBy(camera: Camera, bounds: Bounds, delta: Point): Camera {
  const moved = {
    centreX: camera.centreX - delta.x / camera.scale,
    centreZ: camera.centreZ - delta.y / camera.scale,
    scale: camera.scale,
  };
  return keepInside(moved, bounds);
}

/** The middle of the screen never leaves the world, so that it cannot be lost. */
export function keepInside(camera: Camera, bounds: Bounds): Camera {
  return {
    centreX: Math.min(bounds.maxX, Math.max(bounds.minX, camera.centreX)),
    centreZ: Math.min(bounds.maxZ, Math.max(bounds.minZ, camera.centreZ)),
    scale: camera.scale,
  };
}

/** The part of the world on the screen, widened by `marginPixels`. */
export function visibleBounds(camera: Camera, viewport: Viewport, marginPixels: number): Bounds {
  const halfWidth = (viewport.width / 2 + marginPixels) / camera.scale;
  const halfDepth = (viewport.height / 2 + marginPixels) / camera.scale;
  return {
    minX: camera.centreX - halfWidth,
    minZ: camera.centreZ - halfDepth,
    maxX: camera.centreX + halfWidth,
    maxZ: camera.centreZ + halfDepth,
  };
}

/** Moves towards a target; half of the way in `halfLifeMs`, whatever the frame rate. */
export function easeCamera(
  camera: Camera,
  { target, elapsedMs, halfLifeMs }: { target: Camera; elapsedMs: number; halfLifeMs: number },
): Camera {
  const share = halfLifeMs <= 0 ? 1 : 1 - 2 ** (-elapsedMs / halfLifeMs);
  return {
    centreX: camera.centreX + (target.centreX - camera.centreX) * share,
    centreZ: camera.centreZ + (target.centreZ - camera.centreZ) * share,
    // Zoom is felt as a ratio: equal steps of the logarithm look even.
    scale: camera.scale * (target.scale / camera.scale) ** share,
  };
}

/** A round length for the scale bar: 1, 2 or 5 times a power of ten, at most `pixelsMax` long. */
export function scaleBar(scale: number, pixelsMax: number): { metres: number; pixels: number } {
  const metresMax = pixelsMax / scale;
  const power = 10 ** Math.floor(Math.log10(metresMax));
  const step = [5, 2, 1].find((candidate) => candidate * power <= metresMax) ?? 1;
  return { metres: step * power, pixels: step * power * scale };
}
