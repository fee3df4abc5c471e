/** What `worldmesh new` writes, in a real browser: the page draws, the arrow keys move, coins are picked up, and two players see each other. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import type { Page } from 'playwright-core';
import type { Client } from '../../src/client/index.ts';
import type world from '../../templates/game/world.ts';
import { launchChromium } from './chromium.ts';
import { ServerProcess } from './server-process.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const OUTPUT = path.join(import.meta.dirname, 'output');
const WITHIN_MS = 60_000;
const STEER_MS = 50;
const COINS = 3;
/** Closer than this on one axis, no key of that axis is held. */
const DEAD_METRES = 0.5;

interface Game {
  readonly coins: number;
  readonly players: readonly string[];
  /** From the own entity to the nearest coin; undefined when there is none in view. */
  readonly way: { readonly x: number; readonly z: number } | undefined;
  readonly shownCoins: string;
}

async function readGame(page: Page): Promise<Game> {
  return page.evaluate(() => {
    const scope = globalThis as unknown as {
      client: Client<typeof world>;
      document: { getElementById(id: string): { textContent: string } };
    };
    const { client, document } = scope;
    const entities = [...client.entities.values()];
    const { self } = client;
    const ways = entities
      .filter(({ kind }) => kind === 'coin')
      .map(({ x, z }) => ({ x: x - (self?.x ?? 0), z: z - (self?.z ?? 0) }))
      .sort((one, other) => Math.hypot(one.x, one.z) - Math.hypot(other.x, other.z));
    return {
      coins: self?.kind === 'player' ? self.components.purse.coins : 0,
      players: entities.flatMap((entity) => (entity.kind === 'player' ? [entity.components.look.name] : [])),
      way: ways[0],
      shownCoins: document.getElementById('coins').textContent,
    };
  });
}

/** How many colours the canvas shows. */
async function countColours(page: Page): Promise<number> {
  return page.evaluate(() => {
    interface Canvas {
      readonly width: number;
      readonly height: number;
      getContext(kind: '2d'): { getImageData(...box: number[]): { data: Uint8Array } };
    }
    const { document } = globalThis as unknown as { document: { getElementById(id: string): Canvas } };
    const canvas = document.getElementById('field');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer, data.byteOffset, data.byteLength >> 2)).size;
  });
}

/** Holds the keys that lead to the nearest coin until so many are in the purse. */
async function collect(page: Page, coins: number): Promise<Game> {
  const deadlineMs = Date.now() + WITHIN_MS;
  for (;;) {
    const game = await readGame(page);
    if (game.coins >= coins && game.shownCoins === `${game.coins} coins`) return game;
    if (Date.now() > deadlineMs) throw new Error(`no ${coins} coins in time: ${JSON.stringify(game)}`);
    const { x, z } = game.way ?? { x: 0, z: 0 };
    await hold(page, 'ArrowLeft', x < -DEAD_METRES);
    await hold(page, 'ArrowRight', x > DEAD_METRES);
    await hold(page, 'ArrowUp', z < -DEAD_METRES);
    await hold(page, 'ArrowDown', z > DEAD_METRES);
    await page.waitForTimeout(STEER_MS);
  }
}

function hold(page: Page, key: string, isHeld: boolean): Promise<void> {
  return isHeld ? page.keyboard.down(key) : page.keyboard.up(key);
}

test('a new game is played in the browser', async (t) => {
  await mkdir(OUTPUT, { recursive: true });
  const folder = await mkdtemp(path.join(tmpdir(), 'worldmesh-new-'));
  const program = path.join(ROOT, 'bin', 'worldmesh.cjs');
  await promisify(execFile)(process.execPath, [program, 'new', 'coin-field', '--no-install'], { cwd: folder });
  const game = path.join(folder, 'coin-field');
  const server = await ServerProcess.start({
    module: path.join(game, 'world.ts'),
    port: 0,
    dataDirectory: path.join(folder, 'data'),
    flags: ['--page', path.join(game, 'page', 'index.html')],
  });
  const browser = await launchChromium();
  const errors: string[] = [];
  try {
    const open = async (name: string): Promise<Page> => {
      const page = await (await browser.newContext({ viewport: { width: 900, height: 600 } })).newPage();
      page.on('console', (message) => {
        if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text());
      });
      page.on('pageerror', (error) => errors.push(error.stack ?? error.message));
      await page.goto(`${server.url}play/?name=${name}`);
      return page;
    };
    const [ada, bob] = [await open('Ada'), await open('Bob')];
    t.is(await ada.title(), 'coin-field');
    const played = await collect(ada, COINS);
    t.deepEqual([...played.players].sort(), ['Ada', 'Bob']);
    t.true((await countColours(ada)) > 4);
    t.is((await readGame(bob)).coins, 0);
    await ada.screenshot({ path: path.join(OUTPUT, 'new-game.png') });
    t.deepEqual(errors, []);
  } finally {
    await browser.close();
    await server.kill();
    await rm(folder, { recursive: true, force: true });
  }
});
