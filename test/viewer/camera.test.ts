import test from 'ava';
import * as fc from 'fast-check';
import {
  SCALE_MAX,
  easeCamera,
  fitBounds,
  panBy,
  scaleBar,
  scaleMin,
  screenToWorld,
  visibleBounds,
  worldToScreen,
  zoomAt,
} from '../../viewer/camera.ts';

const VIEWPORT = { width: 932, height: 640 };
const BOUNDS = { minX: -700, minZ: -300, maxX: 1100, maxZ: 500 };
const camera = fc.record({
  centreX: fc.double({ min: -700, max: 1100, noNaN: true }),
  centreZ: fc.double({ min: -300, max: 500, noNaN: true }),
  scale: fc.double({ min: 0.3, max: SCALE_MAX, noNaN: true }),
});
const point = fc.record({
  x: fc.double({ min: 0, max: 932, noNaN: true }),
  y: fc.double({ min: 0, max: 640, noNaN: true }),
});

test('a point of the screen goes to the world and back', (t) => {
  fc.assert(
    fc.property(camera, point, (where, at) => {
      const back = worldToScreen(where, VIEWPORT, screenToWorld(where, VIEWPORT, at));
      return Math.abs(back.x - at.x) < 1e-6 && Math.abs(back.y - at.y) < 1e-6;
    }),
  );
  t.pass();
});

test('the whole world fits, with its margin, and touches it on one side', (t) => {
  const fitted = fitBounds(BOUNDS, VIEWPORT, 24);
  const low = worldToScreen(fitted, VIEWPORT, { x: BOUNDS.minX, z: BOUNDS.minZ });
  const high = worldToScreen(fitted, VIEWPORT, { x: BOUNDS.maxX, z: BOUNDS.maxZ });
  t.true(low.x >= 23.99 && low.y >= 23.99);
  t.true(high.x <= 932 - 23.99 && high.y <= 640 - 23.99);
  t.true(Math.abs(low.x - 24) < 0.01 || Math.abs(low.y - 24) < 0.01);
});

test('zooming keeps the world under the pointer, where the camera stays inside', (t) => {
  const before = { centreX: 200, centreZ: 100, scale: 2 };
  const at = { x: 700, y: 200 };
  const place = screenToWorld(before, VIEWPORT, at);
  const after = zoomAt(before, { viewport: VIEWPORT, bounds: BOUNDS, point: at, factor: 1.7 });
  const moved = worldToScreen(after, VIEWPORT, place);
  t.true(Math.abs(moved.x - at.x) < 1e-6 && Math.abs(moved.y - at.y) < 1e-6);
  t.is(after.scale, 3.4);
});

test('zoom has its limits, and the middle of the screen never leaves the world', (t) => {
  fc.assert(
    fc.property(camera, point, fc.double({ min: 1e-6, max: 1e6, noNaN: true }), (where, at, factor) => {
      const zoomed = zoomAt(where, { viewport: VIEWPORT, bounds: BOUNDS, point: at, factor });
      const panned = panBy(zoomed, BOUNDS, { x: (at.x - 400) * 50, y: (at.y - 300) * 50 });
      return [zoomed, panned].every(
        ({ centreX, centreZ, scale }) =>
          scale >= scaleMin(BOUNDS, VIEWPORT) &&
          scale <= SCALE_MAX &&
          centreX >= BOUNDS.minX &&
          centreX <= BOUNDS.maxX &&
          centreZ >= BOUNDS.minZ &&
          centreZ <= BOUNDS.maxZ,
      );
    }),
  );
  t.pass();
});

test('the visible bounds are those of the corners', (t) => {
  const where = { centreX: 10, centreZ: -20, scale: 4 };
  const seen = visibleBounds(where, VIEWPORT, 0);
  t.deepEqual(screenToWorld(where, VIEWPORT, { x: 0, y: 0 }), { x: seen.minX, z: seen.minZ });
  t.deepEqual(screenToWorld(where, VIEWPORT, { x: 932, y: 640 }), { x: seen.maxX, z: seen.maxZ });
});

test('easing does not depend on the frame rate', (t) => {
  const from = { centreX: 0, centreZ: 0, scale: 1 };
  const target = { centreX: 100, centreZ: -50, scale: 8 };
  const once = easeCamera(from, { target, elapsedMs: 100, halfLifeMs: 50 });
  let often = from;
  for (let step = 0; step < 10; step++) often = easeCamera(often, { target, elapsedMs: 10, halfLifeMs: 50 });
  t.true(Math.abs(once.centreX - 75) < 1e-9);
  t.true(Math.abs(often.centreX - once.centreX) < 1e-9);
  t.true(Math.abs(often.scale - once.scale) < 1e-9);
  t.deepEqual(easeCamera(from, { target, elapsedMs: 1, halfLifeMs: 0 }), target);
});

test('the scale bar is 1, 2 or 5 times a power of ten and fits', (t) => {
  t.deepEqual(scaleBar(0.2, 120), { metres: 500, pixels: 100 });
  t.deepEqual(scaleBar(2.6, 120), { metres: 20, pixels: 52 });
  fc.assert(
    fc.property(fc.double({ min: 0.001, max: 40, noNaN: true }), (scale) => {
      const { metres, pixels } = scaleBar(scale, 120);
      const digit = Number(metres.toExponential(6).split('e')[0]);
      return pixels <= 120.0001 && pixels >= 47.9 && [1, 2, 5].includes(digit);
    }),
  );
});
