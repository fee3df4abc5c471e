/** The page as a playground: two clients, an input by the form, an entity live, a network that is cut and comes back. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from './chromium.ts';
import { ServerProcess } from './server-process.ts';
import { openPage, readState, untilState } from './viewer-page.ts';
import type { WatchedPage } from './viewer-page.ts';

const OUTPUT = path.join(import.meta.dirname, 'output');
const FLAGS = ['--param', 'botsPerCell=40', '--param', 'joinSpread=60'];
const WITHIN_MS = 30_000;
/** A round trip over the slow line takes four times this at least. */
const LATENCY_MS = 120;

interface Scope extends WatchedPage {
  readonly browser: Browser;
}

let scope: Scope | undefined;
let server: ServerProcess | undefined;
let dataDirectory = '';

test.before(async () => {
  await mkdir(OUTPUT, { recursive: true });
  dataDirectory = await mkdtemp(path.join(tmpdir(), 'worldmesh-playground-'));
  server = await ServerProcess.start({ port: 0, dataDirectory, flags: FLAGS });
  const browser = await launchChromium();
  const { page, errors } = await openPage(browser, { width: 1360, height: 860, hears: ['console'] });
  scope = { browser, page, errors };
  await page.goto(server.url);
});

test.after.always(async () => {
  await scope?.browser.close();
  await server?.kill();
  await rm(dataDirectory, { recursive: true, force: true });
});

test.serial(
  'two clients join, one from the map and one from the panel, and the list switches between them',
  async (t) => {
    const { page } = scope!;
    await page.fill('#name', 'Ada');
    await page.click('#join-button');
    await untilState(
      scope!,
      t,
      'Ada is in the world',
      ({ clients }) => clients[0]?.state === 'playing' && clients[0].x !== undefined,
    );
    await page.fill('.add-client input[aria-label="Name"]', 'Bob');
    await page.click('.add-client .primary');
    await untilState(scope!, t, 'both are in the world', ({ clients }) => {
      return clients.length === 2 && clients.every(({ state, x }) => state === 'playing' && x !== undefined);
    });
    t.is(await page.locator('#hud-name').textContent(), 'Bob');
    await page.click('.roster [data-client="1"] .choose');
    await page.locator('#hud-name', { hasText: 'Ada' }).waitFor();
    await untilState(scope!, t, 'the camera comes to Ada', ({ camera, clients }) => {
      return Math.hypot(camera.centreX - clients[0]!.x!, camera.centreZ - clients[0]!.z!) < 1;
    });
    await page.locator('#map').focus();
    await page.keyboard.press('2');
    await page.locator('#hud-name', { hasText: 'Bob' }).waitFor();
    t.deepEqual(
      (await readState(page)).clients.map(({ name }) => name),
      ['Ada', 'Bob'],
    );
  },
);

test.serial(
  'an input by the form moves the client whose form it is; wrong values are told at their field',
  async (t) => {
    const { page } = scope!;
    const field = page.locator('.input-form input[type="text"][data-field="moveX"]');
    await field.fill('7');
    await page.click('.input-form .primary');
    await page.locator('.input-form em', { hasText: 'from -1 to 1' }).waitFor();
    t.is((await readState(page)).clients[1]!.inputsSent, 0);
    await field.fill('0.5');
    const before = (await readState(page)).clients;
    await page.click('.input-form .primary');
    await untilState(scope!, t, 'Bob walks', ({ clients }) => clients[1]!.x! - before[1]!.x! > 1);
    const { clients } = await readState(page);
    t.is(clients[1]!.inputsSent, 1);
    t.is(clients[0]!.inputsSent, 0);
    t.is(clients[0]!.x, before[0]!.x);
    await page.click('.input-form .hold');
    await untilState(scope!, t, 'it is sent again and again', (state) => state.clients[1]!.inputsSent >= 5);
    await page.click('.input-form .hold');
    await page.locator('.input-form .hold', { hasText: 'Hold' }).waitFor();
  },
);

test.serial('the entity of a client is seen live, with its alias in both views', async (t) => {
  const { page } = scope!;
  await page.locator('.client-detail header button').click();
  const { clients } = await readState(page);
  const inspector = page.locator('#inspector');
  await inspector.locator('[data-value="id"]', { hasText: String(clients[1]!.id) }).waitFor();
  await inspector.locator('[data-component="look"] [data-value="name"]', { hasText: '“Bob”' }).waitFor();
  await inspector.locator('[data-value="velocity"]', { hasText: /^3\.00, 0\.00 m\/s$/ }).waitFor();
  const position = inspector.locator('[data-value="position"]');
  const was = await position.textContent();
  await changed(page, '#inspector [data-value="position"]', was);
  t.is(await inspector.locator('.chips span').count(), 2);
  t.is(await inspector.locator('.chips b.absent').count(), 0);
  await inspector.locator('.hint', { hasText: 'a node alone keeps no journal' }).waitFor();
  t.regex((await inspector.locator('code').textContent()) ?? '', /^worldmesh trace \d+:\d+$/);
  // What the form says now is seen in the inspector: the server's own row of it.
  await page.click('#tab-clients');
  await page.locator('.input-form input[type="text"][data-field="moveX"]').fill('0');
  await page.click('.input-form .primary');
  await page.click('#tab-entity');
  await inspector.locator('[data-value="velocity"]', { hasText: /^0\.00, 0\.00 m\/s$/ }).waitFor();
  t.is((await readState(page)).selectedId, clients[1]!.id!);
});

test.serial('a component that no client is told changes before the eyes of whoever runs the world', async (t) => {
  const { page } = scope!;
  await page.click('#tab-world');
  const { clients, camera } = await readState(page);
  const bot = (await readState(page)).player.others.find(({ id }) => clients.every((client) => client.id !== id))!;
  t.truthy(bot, 'a bot is in view');
  await page.keyboard.press('Escape');
  const box = (await page.locator('#map').boundingBox())!;
  await page.mouse.click(
    box.x + box.width / 2 + (bot.x - camera.centreX) * camera.scale,
    box.y + box.height / 2 + (bot.z - camera.centreZ) * camera.scale,
  );
  const turnTick = page.locator('#inspector [data-component="wander"] [data-value="turnTick"]');
  await turnTick.waitFor();
  t.regex((await page.locator('#inspector .components').textContent()) ?? '', /wanderhidden from clients/);
  const was = await turnTick.textContent();
  await changed(page, '#inspector [data-component="wander"] [data-value="turnTick"]', was);
  t.regex((await turnTick.textContent()) ?? '', /^\d+$/);
});

test.serial('a slow network is felt by one client only', async (t) => {
  const { page } = scope!;
  await page.click('#tab-clients');
  await page.locator('[data-condition="latencyMs"]').fill(String(LATENCY_MS));
  // A busy machine adds to both round trips.
  await untilState(scope!, t, 'Bob’s round trip grows, and not that of Ada', ({ clients }) => {
    return clients[1]!.pingMs >= 2 * LATENCY_MS && clients[1]!.pingMs - clients[0]!.pingMs >= LATENCY_MS;
  });
  await page.screenshot({ path: path.join(OUTPUT, 'playground.png') });
  await page.click('.segments button:has-text("Perfect")');
  await page.locator('.segments [aria-pressed="true"]:has-text("Perfect")').waitFor();
  t.is(await page.locator('.sliders output').first().textContent(), '0 ms');
});

test.serial('a network that is cut silently goes on where it was', async (t) => {
  const { page, errors } = scope!;
  const before = (await readState(page)).clients;
  await page.click('[data-cut="2"]');
  await untilState(scope!, t, 'Bob is cut off', ({ clients }) => clients[1]!.isCut);
  await page.locator('.roster [data-client="2"][data-state="cut"]').waitFor();
  const bytes = (await readState(page)).clients[1]!.bytesIn;
  await untilState(scope!, t, 'Ada is not', ({ clients }) => clients[0]!.bytesIn > before[0]!.bytesIn + 2000);
  await untilState(scope!, t, 'the cut ends', ({ clients }) => !clients[1]!.isCut && clients[1]!.bytesIn > bytes);
  const after = (await readState(page)).clients;
  t.is(after[1]!.state, 'playing');
  t.is(after[1]!.id, before[1]!.id);
  t.deepEqual(errors, []);
});

test.serial('a connection that is reset is lost, and comes back with the same entity', async (t) => {
  const { page, errors } = scope!;
  const before = (await readState(page)).clients;
  await page.check('input[name="cut-kind"][value="reset"]');
  await page.click('[data-cut="2"]');
  await untilState(scope!, t, 'Bob is lost', ({ clients }) => clients[1]!.state === 'reconnecting');
  t.is((await readState(page)).clients[0]!.state, 'playing');
  await untilState(
    scope!,
    t,
    'Bob is back',
    ({ clients }) => clients[1]!.state === 'playing' && clients[1]!.x !== undefined,
  );
  const after = (await readState(page)).clients;
  t.is(after[1]!.id, before[1]!.id);
  t.true(Math.hypot(after[1]!.x! - before[1]!.x!, after[1]!.z! - before[1]!.z!) < 1);
  await page.locator('.log .good', { hasText: 'online, session resumed' }).waitFor();
  await page.click('.roster [data-client="2"] .leave');
  await untilState(scope!, t, 'Bob has left', ({ clients }) => clients.length === 1);
  t.is(await page.locator('#hud-name').textContent(), 'Ada');
  t.deepEqual(errors, []);
});

/** Waits until the element says something else. */
async function changed(page: Page, selector: string, was: string | null): Promise<void> {
  const text = `document.querySelector(${JSON.stringify(selector)})?.textContent`;
  await page.waitForFunction(`${text} !== ${JSON.stringify(was ?? '')}`, undefined, { timeout: WITHIN_MS });
}
