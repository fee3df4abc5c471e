/** The page in a real browser against a real server: look, join, walk, lose the server, find it again. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Browser } from 'playwright-core';
import type { DebugState } from '../../viewer/debug-state.ts';
import { launchChromium } from './chromium.ts';
import { ServerProcess } from './server-process.ts';
import { openPage, readState, untilState } from './viewer-page.ts';
import type { WatchedPage } from './viewer-page.ts';

const OUTPUT = path.join(import.meta.dirname, 'output');
/** 64 cells of these make 10,240 entities. */
const FLAGS = ['--param', 'botsPerCell=160'];
const ENTITIES_MIN = 8000;
/** A page that stands still: on two quiet cores without a graphics card it reaches ten times this. */
const FPS_MIN = 3;

interface Scope extends WatchedPage {
  readonly browser: Browser;
}

let scope: Scope | undefined;
let server: ServerProcess | undefined;
let dataDirectory = '';

test.before(async () => {
  await mkdir(OUTPUT, { recursive: true });
  dataDirectory = await mkdtemp(path.join(tmpdir(), 'worldmesh-browser-'));
  server = await ServerProcess.start({ port: 0, dataDirectory, flags: FLAGS });
  const browser = await launchChromium();
  const { page, errors } = await openPage(browser, { width: 1280, height: 800 });
  scope = { browser, page, errors };
  await page.goto(server.url);
});

test.after.always(async () => {
  await scope?.browser.close();
  await server?.kill();
  await rm(dataDirectory, { recursive: true, force: true });
});

test('the world shows, moves, and runs smoothly with 10,000 entities', async (t) => {
  const { page, errors } = scope!;
  await untilState(scope!, t, 'the overview arrives', (state) => state.entities >= ENTITIES_MIN);
  const before = await readState(page);
  await untilState(
    scope!,
    t,
    'entities move',
    (state) => movedCount(before.overview, state.overview, ({ slot }) => slot) >= 10,
  );
  await page.evaluate(() => (globalThis as unknown as { worldmesh: { resetFps(): void } }).worldmesh.resetFps());
  const startTick = (await readState(page)).tick;
  await untilState(scope!, t, 'five seconds pass', (state) => state.tick >= startTick + 100);
  const { fps, longestFrameMs } = await readState(page);
  t.log(
    `${fps.toFixed(1)} frames a second with ${before.entities} entities, longest frame ${longestFrameMs.toFixed(0)} ms`,
  );
  t.true(fps >= FPS_MIN, `${fps} frames a second`);
  await page.screenshot({ path: path.join(OUTPUT, 'world.png') });
  t.deepEqual(errors, []);
});

test('the charts and figures are filled', async (t) => {
  const { page } = scope!;
  await page.locator('.chart .keys-row', { hasText: /p99 [\d.]+ ms/ }).waitFor();
  t.is(await page.locator('#charts .chart canvas').count(), 5);
  t.regex((await page.locator('#figures').textContent()) ?? '', /Tick[\d,]+Rate[\d.]+ Hz/);
});

test('zoom, select and the keyboard', async (t) => {
  const { page } = scope!;
  const before = (await readState(page)).camera.scale;
  await page.click('#zoom-in');
  await untilState(scope!, t, 'the map zooms in', (state) => state.camera.scale > before * 1.4);
  await page.locator('#map').focus();
  await page.keyboard.press('ArrowRight');
  await untilState(scope!, t, 'the map moves', (state) => state.camera.centreX > 10);
  await page.keyboard.press('0');
  await untilState(scope!, t, 'the world fits', (state) => Math.abs(state.camera.scale - before) < before * 0.01);
  await page.mouse.click(450, 400);
  await page.locator('#inspector').waitFor({ state: 'visible' });
  // Its id and what no client is told come from the node's store.
  await page.locator('#inspector [data-component="wander"]', { hasText: /turnTick\d+/ }).waitFor();
  t.regex((await page.locator('#inspector').textContent()) ?? '', /id\d+ \(\d+:\d+\)slot\d+kindbot.*position/);
  await page.keyboard.press('p');
  t.false(await page.locator('#panel').isVisible());
  await page.keyboard.press('p');
  t.true(await page.locator('#panel').isVisible());
});

test('join, walk across a cell border, see others move', async (t) => {
  const { page, errors } = scope!;
  await page.fill('#name', 'Ada');
  await page.click('#join-button');
  await untilState(
    scope!,
    t,
    'the player is in the world',
    ({ player }) => player.state === 'playing' && player.x !== undefined,
  );
  const start = await readState(page);
  await untilState(
    scope!,
    t,
    'others in view move',
    ({ player }) => movedCount(start.player.others, player.others, ({ id }) => id) >= 3,
  );
  await inspectSelf(t, start);
  const key = keyToNearestBorder(start);
  await page.keyboard.down(key);
  await untilState(
    scope!,
    t,
    `the player crosses a border, holding ${key}`,
    ({ player }) => player.cellX !== start.player.cellX || player.cellZ !== start.player.cellZ,
  );
  await page.screenshot({ path: path.join(OUTPUT, 'walking.png') });
  await page.keyboard.up(key);
  const end = await readState(page);
  t.is(end.player.id, start.player.id);
  t.is(end.malformedCount, 0);
  t.deepEqual(errors, []);
});

test('a killed server: the page says so, and recovers with its player when the server is back', async (t) => {
  const { page, errors } = scope!;
  const { port } = server!;
  const before = await readState(page);
  await server!.kill();
  await untilState(scope!, t, 'the banner shows', (state) => state.isBannerShown);
  t.regex((await page.locator('#banner').textContent()) ?? '', /lost|not reachable/);
  await page.screenshot({ path: path.join(OUTPUT, 'disconnected.png') });
  server = await ServerProcess.start({ port, dataDirectory, flags: FLAGS });
  await untilState(
    scope!,
    t,
    'the world is back',
    (state) => !state.isBannerShown && state.feed === 'live' && state.entities > 0,
  );
  await untilState(
    scope!,
    t,
    'the player is back',
    ({ player }) => player.state === 'playing' && player.x !== undefined,
  );
  const after = await readState(page);
  t.not(after.player.id, before.player.id, 'a new world has a new player');
  const unexpected = errors.filter((error) => !/WebSocket connection|ERR_CONNECTION/.test(error));
  t.deepEqual(unexpected, []);
});

/** The map follows the player, so it stands in the middle; a click there shows its id and components. */
async function inspectSelf(t: ExecutionContext, { player }: DebugState): Promise<void> {
  const { page } = scope!;
  await untilState(
    scope!,
    t,
    'the map follows the player',
    ({ camera }) => Math.hypot(camera.centreX - player.x!, camera.centreZ - player.z!) < 0.5,
  );
  const box = await page.locator('#map').boundingBox();
  await page.mouse.click(box!.x + box!.width / 2, box!.y + box!.height / 2);
  await page.locator('#inspector', { hasText: `id${player.id}` }).waitFor();
  t.regex((await page.locator('#inspector').textContent()) ?? '', /^Ada.*kindplayer.*look.*name“Ada”/);
  await page.keyboard.press('Escape');
  await page.locator('#inspector').waitFor({ state: 'hidden' });
}

function movedCount<Row extends { readonly x: number; readonly z: number }>(
  before: readonly Row[],
  after: readonly Row[],
  key: (row: Row) => number,
): number {
  const places = new Map(before.map((row) => [key(row), row]));
  return after.filter((row) => {
    const place = places.get(key(row));
    return place !== undefined && Math.hypot(row.x - place.x, row.z - place.z) > 0.3;
  }).length;
}

/** The cells are 256 m; W is towards smaller z. */
function keyToNearestBorder({ player }: DebugState): string {
  const cellSize = 256;
  const inX = player.x! - player.cellX! * cellSize;
  const inZ = player.z! - player.cellZ! * cellSize;
  const distances: [string, number][] = [
    ['a', inX],
    ['d', cellSize - inX],
    ['w', inZ],
    ['s', cellSize - inZ],
  ];
  return distances.sort((one, other) => one[1] - other[1])[0]![0];
}
