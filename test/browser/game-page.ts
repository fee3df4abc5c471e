/** The page of examples/game as a test drives it: joins, steers by the keyboard, and reads what the SDK knows. */
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import type { Client } from '../../src/client/index.ts';
import type world from '../../examples/game/world.ts';

export interface Seen {
  readonly id: number;
  readonly kind: string;
  readonly x: number;
  readonly z: number;
  readonly renderX: number;
  readonly renderZ: number;
  readonly vx: number;
  readonly vz: number;
  readonly name: string;
  readonly carried: number;
  readonly score: number;
}

export interface GameState {
  readonly status: string;
  readonly resumed: boolean;
  readonly self: Seen | undefined;
  readonly others: readonly Seen[];
  /** Of the last snapshot. */
  readonly tick: number;
  /** Sent, and not known to survive a crash of the server yet. */
  readonly inputsKept: number;
  /** What the page shows. */
  readonly shownStatus: string;
  readonly shownScores: string;
  /** Made when the page was loaded; a reload makes another. */
  readonly loadMark: number;
}

const WITHIN_MS = 30_000;
const STEER_MS = 60;
const KEYS = ['KeyW', 'KeyA', 'KeyS', 'KeyD'] as const;
/** Closer than this on one axis, no key of that axis is held. */
const DEAD_METRES = 0.4;

export async function join(page: Page, name: string): Promise<void> {
  await page.fill('#name', name);
  await page.click('#join button');
}

export async function readGame(page: Page): Promise<GameState> {
  return page.evaluate(() => {
    const scope = globalThis as unknown as {
      client: Client<typeof world>;
      document: { getElementById(id: string): { textContent: string | null } | null };
    };
    const { client } = scope;
    const seen = [...client.entities.values()].map((entity) => {
      const { id, kind, x, z, renderX, renderZ, vx, vz } = entity;
      const own = entity.kind === 'magpie' ? entity.components : undefined;
      return {
        id,
        kind,
        x,
        z,
        renderX,
        renderZ,
        vx,
        vz,
        name: own?.look.name ?? '',
        carried: own?.beak.carried ?? 0,
        score: own?.nest.score ?? 0,
      };
    });
    return {
      status: client.status.kind,
      resumed: client.status.kind === 'online' && client.status.resumed,
      self: seen.find(({ id }) => id === client.self?.id),
      others: seen.filter(({ id }) => id !== client.self?.id),
      tick: client.statistics.tick,
      inputsKept: client.statistics.inputsUndurable,
      shownStatus: scope.document.getElementById('status')?.textContent ?? '',
      shownScores: scope.document.getElementById('scores')?.textContent ?? '',
      loadMark: performance.timeOrigin,
    };
  });
}

/** Polls the page until its state is as wanted; a failure shows the last state. */
export async function untilGame(
  t: ExecutionContext,
  page: Page,
  {
    what,
    isReached,
    withinMs = WITHIN_MS,
  }: { what: string; isReached: (state: GameState) => boolean; withinMs?: number },
): Promise<GameState> {
  const deadlineMs = performance.now() + withinMs;
  await page.waitForFunction(() => 'client' in globalThis);
  for (;;) {
    const state = await readGame(page);
    if (isReached(state)) return state;
    if (performance.now() > deadlineMs) {
      const shown = JSON.stringify({ ...state, others: state.others.slice(0, 3) });
      throw t.fail(`not within ${withinMs} ms: ${what}; state ${shown}`) as never;
    }
    // Paces the polling; the condition above decides.
    await page.waitForTimeout(50);
  }
}

/** Holds keys towards what `target` chooses until the state is as wanted, then lets go of them. */
export async function steer(
  t: ExecutionContext,
  page: Page,
  course: {
    what: string;
    target: (state: GameState) => { readonly x: number; readonly z: number } | undefined;
    isReached: (state: GameState) => boolean;
  },
): Promise<GameState> {
  const deadlineMs = performance.now() + WITHIN_MS;
  let state = await readGame(page);
  while (!course.isReached(state)) {
    if (performance.now() > deadlineMs) throw t.fail(`not within ${WITHIN_MS} ms: ${course.what}`) as never;
    const target = course.target(state) ?? { x: 0, z: 0 };
    const { renderX = 0, renderZ = 0 } = state.self ?? {};
    await hold(page, { x: target.x - renderX, z: target.z - renderZ });
    await page.waitForTimeout(STEER_MS);
    state = await readGame(page);
  }
  await hold(page, { x: 0, z: 0 });
  return state;
}

async function hold(page: Page, way: { readonly x: number; readonly z: number }): Promise<void> {
  const isHeld = {
    KeyW: way.z < -DEAD_METRES,
    KeyS: way.z > DEAD_METRES,
    KeyA: way.x < -DEAD_METRES,
    KeyD: way.x > DEAD_METRES,
  };
  for (const key of KEYS) await (isHeld[key] ? page.keyboard.down(key) : page.keyboard.up(key));
}

export function nearest(state: GameState, kind: string): Seen | undefined {
  const { renderX = 0, renderZ = 0 } = state.self ?? {};
  const distance = ({ x, z }: Seen): number => Math.hypot(x - renderX, z - renderZ);
  return state.others.filter((seen) => seen.kind === kind).sort((one, other) => distance(one) - distance(other))[0];
}
