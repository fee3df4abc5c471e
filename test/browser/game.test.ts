/** The game of examples/game in a real browser, as `worldmesh serve --page` serves it: two players, pieces, the nest, a robbery. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from './chromium.ts';
import { join, nearest, readGame, steer, untilGame } from './game-page.ts';
import { ServerProcess } from './server-process.ts';

const OUTPUT = path.join(import.meta.dirname, 'output');

interface Scope {
  readonly browser: Browser;
  readonly server: ServerProcess;
  readonly ada: Page;
  readonly bob: Page;
  readonly errors: string[];
}

let scope: Scope | undefined;
let dataDirectory = '';

test.before(async () => {
  await mkdir(OUTPUT, { recursive: true });
  dataDirectory = await mkdtemp(path.join(tmpdir(), 'worldmesh-game-'));
  const server = await ServerProcess.start({
    module: 'examples/game/world.ts',
    port: 0,
    dataDirectory,
    flags: ['--page', 'examples/game/index.html'],
  });
  const browser = await launchChromium();
  const errors: string[] = [];
  const open = async (): Promise<Page> => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text());
    });
    page.on('pageerror', (error) => errors.push(error.stack ?? error.message));
    // The folder without its slash is what people type.
    await page.goto(`${server.url}play`);
    return page;
  };
  scope = { browser, server, errors, ada: await open(), bob: await open() };
});

test.after.always(async () => {
  await scope?.browser.close();
  await scope?.server.kill();
  await rm(dataDirectory, { recursive: true, force: true });
});

test.serial('two players see each other, by name', async (t) => {
  const { ada, bob } = scope!;
  t.true(await ada.locator('#join').isVisible());
  await join(ada, 'Ada');
  await join(bob, 'Bob');
  for (const [page, other] of [
    [ada, 'Bob'],
    [bob, 'Ada'],
  ] as const) {
    const state = await untilGame(t, page, {
      what: `${other} is seen, and glitter`,
      isReached: ({ self, others }) =>
        self !== undefined &&
        others.some(({ name }) => name === other) &&
        others.some(({ kind }) => kind === 'glitter'),
    });
    t.regex(state.shownScores, new RegExp(`0 {2}${other}`));
    t.is(state.shownStatus, '');
    t.false(await page.locator('#join').isVisible());
  }
});

test.serial('pieces are found, and brought to the nest they are points for all to see', async (t) => {
  const { ada, bob } = scope!;
  for (let pieces = 1; pieces <= 3; pieces++) {
    await steer(t, ada, {
      what: `piece ${pieces} is found`,
      target: (state) => nearest(state, 'glitter'),
      isReached: ({ self }) => (self?.carried ?? 0) + (self?.score ?? 0) >= pieces,
    });
  }
  await steer(t, ada, {
    what: 'the nest is near',
    target: () => ({ x: 0, z: 0 }),
    isReached: ({ self }) => Math.hypot(self!.x, self!.z) < 9,
  });
  await ada.screenshot({ path: path.join(OUTPUT, 'game.png') });
  await steer(t, ada, {
    what: 'the nest is reached',
    target: () => ({ x: 0, z: 0 }),
    isReached: ({ self }) => self?.carried === 0 && self.score >= 2,
  });
  await untilGame(t, ada, {
    what: 'the score is shown',
    isReached: ({ shownScores }) => /^[2-9]\d* {2}Ada/.test(shownScores),
  });
  const { shownScores } = await untilGame(t, bob, {
    what: 'Bob sees it, too',
    isReached: ({ others }) => others.some(({ name, score }) => name === 'Ada' && score >= 2),
  });
  t.regex(shownScores, /^\d+ {2}Ada\n0 {2}Bob/);
});

test.serial('who carries less robs who carries more, and nothing is lost by it', async (t) => {
  const { ada, bob, errors } = scope!;
  const rich = await steer(t, ada, {
    what: 'Ada carries four',
    target: (state) => nearest(state, 'glitter'),
    isReached: ({ self }) => (self?.carried ?? 0) >= 4,
  });
  t.is((await readGame(bob)).self?.carried, 0);
  await steer(t, bob, {
    what: 'Bob comes near',
    target: ({ others }) => others.find(({ name }) => name === 'Ada'),
    isReached: ({ self, others }) =>
      others.some(({ name, x, z }) => name === 'Ada' && Math.hypot(x - self!.x, z - self!.z) < 9),
  });
  await bob.screenshot({ path: path.join(OUTPUT, 'game-robbery.png') });
  await steer(t, bob, {
    what: 'Bob touches Ada',
    target: ({ others }) => others.find(({ name }) => name === 'Ada'),
    isReached: ({ self }) => (self?.carried ?? 0) >= 1,
  });
  const robbed = await untilGame(t, ada, { what: 'Ada has less', isReached: ({ self }) => (self?.carried ?? 9) < 4 });
  t.is(robbed.self?.score, rich.self?.score);
  t.regex((await ada.locator('#notice').textContent()) ?? '', /Robbed/);
  t.deepEqual(errors, []);
});

test.serial('a server that goes away is told of', async (t) => {
  const { ada, server } = scope!;
  await server.kill();
  const { shownStatus } = await untilGame(t, ada, {
    what: 'the page says so',
    isReached: (state) => state.status === 'reconnecting' && state.shownStatus !== '',
  });
  t.regex(shownStatus, /connection is lost/);
});
