/** A page of ours in the browser: what goes wrong in it is noted, and tests wait for what it shows. */
import type { ExecutionContext } from 'ava';
import type { Browser, Page } from 'playwright-core';
import type { DebugState } from '../../viewer/debug-state.ts';

/** The driver's remark on taking a screenshot of software WebGL. */
const SOFTWARE_GL = /GPU stall due to ReadPixels/;
const POLL_MS = 100;
const WITHIN_MS = 40_000;
const ENTITIES_SHOWN = 3;

/** A page, and what it complained of since it was opened. */
export interface WatchedPage {
  readonly page: Page;
  readonly errors: string[];
}

/** @param hears `console`: warnings and errors of scripts and driver; `responses`: answers of 400 and above. */
export async function openPage(
  browser: Browser,
  { hears = ['console', 'responses'], ...viewport }: PageOptions,
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.stack ?? error.message));
  if (hears.includes('console')) {
    page.on('console', (message) => {
      const isWorse = message.type() === 'error' || message.type() === 'warning';
      if (isWorse && !SOFTWARE_GL.test(message.text())) errors.push(message.text());
    });
  }
  if (hears.includes('responses')) {
    page.on('response', (response) => {
      if (response.status() >= 400) errors.push(`${response.status()} ${response.url()}`);
    });
  }
  return { page, errors };
}

export interface PageOptions {
  readonly width: number;
  readonly height: number;
  readonly hears?: readonly ('console' | 'responses')[];
}

/** What the viewer says of itself. */
export async function readState(page: Page): Promise<DebugState> {
  return page.evaluate(() => (globalThis as unknown as { worldmesh: { state: DebugState } }).worldmesh.state);
}

/** Polls the viewer until its state is as wanted; a failure shows the last state. */
export async function untilState(
  { page, errors }: WatchedPage,
  t: ExecutionContext,
  what: string,
  isReached: (state: DebugState) => boolean,
): Promise<DebugState> {
  const deadline = Date.now() + WITHIN_MS;
  await page.waitForFunction(() => 'worldmesh' in globalThis);
  for (;;) {
    const state = await readState(page);
    if (isReached(state)) return state;
    if (Date.now() > deadline) {
      const { overview, player } = state;
      const others = { player: { ...player, others: [] }, overview: overview.slice(0, ENTITIES_SHOWN) };
      const shown = JSON.stringify({ ...state, ...others });
      throw t.fail(`not within ${WITHIN_MS} ms: ${what}; state ${shown}; errors ${errors.join('\n')}`) as never;
    }
    // Paces the polling; the condition above decides.
    await page.waitForTimeout(POLL_MS);
  }
}
