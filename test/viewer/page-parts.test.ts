import test from 'ava';
import { retryDelayMs } from '../../viewer/backoff.ts';
import { formatBytes, formatDuration, formatMetres, formatMs, formatShort } from '../../viewer/format.ts';
import { FrameMeter } from '../../viewer/frame-meter.ts';
import { PALETTE_SIZE, cssColour, isPlayerKind, kindColour, loadColour, LOAD_RAMP } from '../../viewer/palette.ts';
import { STANDING, directionOfKeys, directionOfStick, isWalkKey } from '../../viewer/walk-keys.ts';
import { ViewCamera } from '../../viewer/view-camera.ts';

test('retries come soon at first, at most 6.25 s apart, and not all at once', (t) => {
  t.is(retryDelayMs(0, 0.5), 500);
  t.is(retryDelayMs(50, 0.5), 5000);
  t.true(retryDelayMs(50, 1) <= 6250);
  t.not(retryDelayMs(3, 0.1), retryDelayMs(3, 0.9));
});

test('keys and stick give directions of length at most 1', (t) => {
  t.deepEqual(directionOfKeys(['KeyD']), { moveX: 1, moveZ: 0 });
  t.deepEqual(directionOfKeys(['KeyA', 'ArrowRight']), STANDING);
  const diagonal = directionOfKeys(['KeyW', 'ArrowUp', 'ArrowLeft']);
  t.true(Math.abs(Math.hypot(diagonal.moveX, diagonal.moveZ) - 1) < 1e-12);
  t.true(diagonal.moveX < 0 && diagonal.moveZ < 0);
  t.deepEqual(directionOfStick(0.1, -0.1), STANDING);
  t.deepEqual(directionOfStick(0, 3), { moveX: 0, moveZ: 1 });
  t.true(isWalkKey('KeyW'));
  t.false(isWalkKey('toString'));
});

test('numbers for people', (t) => {
  t.deepEqual([0, 999, 1000, 12_345, 123_456, 2_500_000].map(formatBytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '12.3 kB',
    '123 kB',
    '2.5 MB',
  ]);
  t.deepEqual([7, 1234, 56_789, 1_200_000].map(formatShort), ['7', '1.2k', '57k', '1.2M']);
  t.deepEqual([59, 61, 3700, 90_000].map(formatDuration), ['0:59', '1:01', '1:01:40', '1 d 1 h']);
  t.is(formatMs(2.345), '2.35 ms');
  t.is(formatMetres(2000), '2 km');
});

test('kinds have colours of their own, players the same everywhere', (t) => {
  const kinds = [
    { name: 'tree', sheddable: false },
    { name: 'player', sheddable: false },
    { name: 'bot', sheddable: true },
  ];
  t.deepEqual(
    kinds.map((_, index) => isPlayerKind(kinds, index)),
    [false, true, false],
  );
  t.is(new Set(kinds.map((_, index) => kindColour(kinds, index))).size, 3);
  t.true(isPlayerKind([{ name: 'hero', sheddable: false }], 0));
  for (let kind = 0; kind < PALETTE_SIZE; kind++) t.true(kindColour([], kind) > 0);
  t.is(loadColour(0), LOAD_RAMP[0] as number);
  t.is(loadColour(7), LOAD_RAMP[LOAD_RAMP.length - 1] as number);
  t.is(cssColour(0x0a0f14), '#0a0f14');
});

test('frames a second are those of the window', (t) => {
  const meter = new FrameMeter();
  t.is(meter.fps, 0);
  for (let frame = 0; frame <= 50; frame++) meter.frame(frame * 20);
  t.is(meter.fps, 50);
  meter.frame(1100);
  t.is(meter.longestMs, 100);
});

test('the camera fits the world until it is moved, and follows until it is dragged', (t) => {
  const view = new ViewCamera({ isStill: true });
  view.setBounds({ minX: -100, minZ: -100, maxX: 100, maxZ: 100 });
  view.setViewport({ width: 448, height: 648 });
  t.is(view.camera.scale, 2);
  view.follow({ x: 30, z: 40 });
  view.update(16, { x: 31, z: 41 });
  t.deepEqual(view.camera, { centreX: 31, centreZ: 41, scale: 3 });
  view.zoom({ x: 0, y: 0 }, 2, false);
  t.is(view.camera.centreX, 31);
  view.pan({ x: 60, y: 0 });
  t.false(view.isFollowing);
  view.setViewport({ width: 300, height: 300 });
  t.is(view.camera.scale, 6);
  view.fit();
  view.update(16, undefined);
  t.is(view.camera.centreX, 0);
});
