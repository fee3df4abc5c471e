/**
 * A player in a real browser loses the network, sleeps, or outlives its server, and plays on: the same entity, in the same place, without
 * a reload of the page. Everything the browser sends and gets goes through a proxy that can be cut.
 *
 * Distances are between where the entity is expected and the first position that the server says afterwards. Who stands is expected where it
 * stood once its last input was on disk, where there is a disk; who walked straight on is expected where its last known speed brings it in the ticks between.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { TcpProxy } from '../fixtures/tcp-proxy.ts';
import { launchChromium } from './chromium.ts';
import { join, readGame, steer, untilGame } from './game-page.ts';
import type { GameState } from './game-page.ts';
import { ServerProcess } from './server-process.ts';

/** A cut of 40 s, the 30 s in which a gateway may not notice it, and some. */
const GRACE_MS = 120_000;
const FLAGS = ['--page', 'examples/game/index.html', '--resume-grace-ms', String(GRACE_MS)];
const TICK_HZ = 20;
const DISTANCE_METRES_MAX = 1;
/** The longest pause between two tries is 30 s, and a try into nothing may take 10 s. */
const BACK_WITHIN_MS = 60_000;
const SHORT_CUT_MS = 5000;
const LONG_CUT_MS = 40_000;
const SLEEP_MS = 20_000;
/** Of the page's own timers; the sleep of the page begins and ends a moment after that of the test. */
const SLEPT_MS_MIN = 18_000;

interface Game extends AsyncDisposable {
  readonly page: Page;
  readonly proxy: TcpProxy;
  server: ServerProcess;
  readonly start: (port: number) => Promise<ServerProcess>;
}

let browser: Browser | undefined;

test.before(async () => {
  browser = await launchChromium();
});

test.after.always(async () => {
  await browser?.close();
});

/** @param flags beside those of every server here. */
async function openGame(flags: (dataDirectory: string) => readonly string[] = () => []): Promise<Game> {
  const dataDirectory = await mkdtemp(path.join(tmpdir(), 'worldmesh-resume-'));
  const start = (port: number): Promise<ServerProcess> =>
    ServerProcess.start({
      module: 'examples/game/world.ts',
      port,
      dataDirectory,
      flags: [...FLAGS, ...flags(dataDirectory)],
    });
  const server = await start(0);
  const proxy = await TcpProxy.open({ host: '127.0.0.1', port: server.port });
  const context: BrowserContext = await browser!.newContext();
  const page = await context.newPage();
  await page.goto(`http://${proxy.host}:${proxy.port}/play/`);
  const game: Game = {
    page,
    proxy,
    server,
    start,
    async [Symbol.asyncDispose]() {
      await context.close();
      await proxy[Symbol.asyncDispose]();
      await game.server.kill();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
  return game;
}

/** Joins and walks a bit, so that it stands where no new player would. */
async function standing(t: ExecutionContext, { page }: Game): Promise<GameState> {
  await join(page, 'Ada');
  await untilGame(t, page, { what: 'in the world', isReached: ({ self }) => self !== undefined });
  await steer(t, page, {
    what: 'at its place',
    target: () => ({ x: -40, z: 12 }),
    isReached: ({ self }) => self !== undefined && Math.hypot(self.x + 40, self.z - 12) < 3,
  });
  return untilGame(t, page, {
    what: 'it stands, and a crash would not change that',
    isReached: ({ self, inputsKept }) => self?.vx === 0 && self.vz === 0 && inputsKept === 0,
  });
}

/** The first state after a snapshot that came later than everything seen so far, and what is wrong with it. */
async function expectBack(
  t: ExecutionContext,
  { page }: Game,
  { before, lastTick, what }: { before: GameState; lastTick: number; what: string },
): Promise<GameState> {
  const startMs = performance.now();
  const after = await untilGame(t, page, {
    what: `${what}: back in the world`,
    isReached: ({ status, self, tick }) => status === 'online' && self !== undefined && tick > lastTick,
    withinMs: BACK_WITHIN_MS,
  });
  const seconds = (after.tick - before.tick) / TICK_HZ;
  const expected = {
    x: before.self!.x + before.self!.vx * seconds,
    z: before.self!.z + before.self!.vz * seconds,
  };
  const distance = Math.hypot(after.self!.x - expected.x, after.self!.z - expected.z);
  const waited = Math.round(performance.now() - startMs);
  t.log(`${what}: ${distance.toFixed(3)} m from where it should be, ${waited} ms after the end of it`);
  t.true(distance <= DISTANCE_METRES_MAX, `${distance} m`);
  t.is(after.self!.id, before.self!.id, 'the same entity');
  t.is(after.loadMark, before.loadMark, 'the page was not loaded again');
  return after;
}

/** Whether the page still is a game: a key moves the player. */
async function expectPlaying(t: ExecutionContext, { page }: Game, from: GameState): Promise<void> {
  await steer(t, page, {
    what: 'it walks on',
    target: () => ({ x: from.self!.x + 10, z: from.self!.z }),
    isReached: ({ self }) => self!.x > from.self!.x + 2,
  });
  await untilGame(t, page, {
    what: 'what it did has arrived',
    isReached: ({ inputsKept, self }) => inputsKept === 0 && self?.vx === 0,
  });
}

for (const cutMs of [SHORT_CUT_MS, LONG_CUT_MS]) {
  test.serial(`the network is cut for ${cutMs / 1000} s`, async (t) => {
    await using game = await openGame();
    const before = await standing(t, game);
    game.proxy.cut();
    await game.page.waitForTimeout(cutMs);
    const during = await readGame(game.page);
    t.log(`at the end of the cut the page says: ${during.status} (${during.shownStatus || 'nothing'})`);
    if (cutMs === LONG_CUT_MS) t.is(during.status, 'reconnecting');
    game.proxy.heal();
    const after = await expectBack(t, game, { before, lastTick: during.tick, what: `cut of ${cutMs / 1000} s` });
    await untilGame(t, game.page, {
      what: 'it says no more of it',
      isReached: ({ shownStatus }) => shownStatus === '',
    });
    await expectPlaying(t, game, after);
  });
}

test.serial('the network is cut for 5 s while the player walks', async (t) => {
  await using game = await openGame();
  await standing(t, game);
  await game.page.keyboard.down('KeyD');
  const before = await untilGame(t, game.page, {
    what: 'it walks, and the server knows',
    isReached: ({ self, inputsKept }) => self!.vx > 5 && inputsKept === 0,
  });
  game.proxy.cut();
  await game.page.waitForTimeout(SHORT_CUT_MS);
  const { tick } = await readGame(game.page);
  game.proxy.heal();
  await expectBack(t, game, { before, lastTick: tick, what: 'cut of 5 s while walking' });
  await game.page.keyboard.up('KeyD');
  await untilGame(t, game.page, { what: 'it stops', isReached: ({ self }) => self?.vx === 0 });
});

for (const isNetworkUp of [false, true]) {
  test.serial(`the browser sleeps for 20 s with the network ${isNetworkUp ? 'up' : 'down'}`, async (t) => {
    await using game = await openGame();
    const before = await standing(t, game);
    await game.page.evaluate(() => {
      const scope = globalThis as unknown as { pauseMs: number };
      let lastMs = Date.now();
      scope.pauseMs = 0;
      setInterval(() => {
        scope.pauseMs = Math.max(scope.pauseMs, Date.now() - lastMs);
        lastMs = Date.now();
      }, 100);
    });
    if (!isNetworkUp) game.proxy.cut();
    await sleepBrowser(SLEEP_MS);
    game.proxy.heal();
    // What came in while it slept is no news; what counts is the state after it.
    const lastTick = before.tick + (SLEEP_MS / 1000) * TICK_HZ;
    const after = await expectBack(t, game, {
      before,
      lastTick,
      what: `sleep, network ${isNetworkUp ? 'up' : 'down'}`,
    });
    const pauseMs = await game.page.evaluate(() => (globalThis as unknown as { pauseMs: number }).pauseMs);
    t.true(pauseMs >= SLEPT_MS_MIN, `the page's timers stood still for ${pauseMs} ms`);
    await expectPlaying(t, game, after);
  });
}

/** Stops every process of the browser, as a laptop does when its lid is closed, and lets them go on. */
async function sleepBrowser(sleepMs: number): Promise<void> {
  const protocol = await browser!.newBrowserCDPSession();
  const { processInfo } = await protocol.send('SystemInfo.getProcessInfo');
  await protocol.detach();
  const { promise: slept, resolve } = Promise.withResolvers<void>();
  for (const { id } of processInfo) process.kill(id, 'SIGSTOP');
  setTimeout(resolve, sleepMs);
  await slept;
  for (const { id } of processInfo) process.kill(id, 'SIGCONT');
}

test.serial('the page is loaded again', async (t) => {
  await using game = await openGame();
  const before = await standing(t, game);
  await game.page.reload();
  const after = await untilGame(t, game.page, {
    what: 'back in the world',
    isReached: ({ self, tick }) => self !== undefined && tick > before.tick,
  });
  t.not(after.loadMark, before.loadMark);
  t.true(after.resumed);
  t.is(after.self!.id, before.self!.id);
  t.is(Math.hypot(after.self!.x - before.self!.x, after.self!.z - before.self!.z), 0);
  await expectPlaying(t, game, after);
});

test.serial('the server is killed and started again', async (t) => {
  await using game = await openGame((dataDirectory) => [
    '--node',
    'a',
    '--cluster-size',
    '1',
    '--directory',
    `sqlite:${path.join(dataDirectory, 'directory.sqlite')}`,
  ]);
  const before = await standing(t, game);
  await game.server.kill();
  await untilGame(t, game.page, { what: 'the loss is seen', isReached: ({ status }) => status === 'reconnecting' });
  game.server = await game.start(game.server.port);
  const after = await expectBack(t, game, { before, lastTick: before.tick, what: 'kill -9 and restart' });
  t.true(after.resumed);
  await expectPlaying(t, game, after);
});
