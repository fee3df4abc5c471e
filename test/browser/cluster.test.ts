/** The page of a cluster in a real browser: three processes, who owns what, handovers between them, a death. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import type { Browser } from 'playwright-core';
import type { DebugState } from '../../viewer/debug-state.ts';
import { launchChromium } from './chromium.ts';
import { openPage, readState, untilState } from './viewer-page.ts';
import type { WatchedPage } from './viewer-page.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const OUTPUT = path.join(import.meta.dirname, 'output');
const READY_WITHIN_MS = 60_000;
const NODES = ['a', 'b', 'c'];
/** Small blocks make many borders, and a dead node shall not come back while the page is looked at. */
const FLAGS = ['--nodes', '3', '--port', '0', '--block-cells', '1', '--restart', 'false', '--param', 'botsPerCell=40'];

interface RunningNode {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
}

interface Scope extends WatchedPage {
  readonly browser: Browser;
  readonly cluster: ChildProcess;
  readonly nodes: readonly RunningNode[];
  readonly dataDirectory: string;
}

let scope: Scope | undefined;
let cluster: ChildProcess | undefined;
let dataDirectory = '';

test.before(async () => {
  await mkdir(OUTPUT, { recursive: true });
  dataDirectory = await mkdtemp(path.join(tmpdir(), 'worldmesh-cluster-'));
  const command = ['bin/worldmesh.cjs', 'cluster', 'examples/meadow.ts', ...FLAGS];
  cluster = spawn(process.execPath, [...command, '--data-dir', dataDirectory, '--log-format', 'json'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const nodes = await readyNodes(cluster);
  const browser = await launchChromium();
  const { page, errors } = await openPage(browser, { width: 1280, height: 800, hears: ['responses'] });
  scope = { browser, page, errors, cluster, nodes, dataDirectory };
  await page.goto(nodes[0]!.url);
});

test.after.always(async () => {
  await scope?.browser.close();
  if (cluster !== undefined && cluster.exitCode === null && cluster.signalCode === null) {
    cluster.kill('SIGTERM');
    await once(cluster, 'exit');
  }
  await rm(dataDirectory, { recursive: true, force: true });
});

test.serial('three nodes are one world, each with a colour and a line of the legend', async (t) => {
  const { page, errors } = scope!;
  const state = await untilState(
    scope!,
    t,
    'all nodes show',
    ({ nodes }) => nodes.length === 3 && nodes.every(isAtWork),
  );
  t.deepEqual(
    state.nodes.map(({ name }) => name),
    NODES,
  );
  t.is(new Set(state.nodes.map(({ colour }) => colour)).size, 3);
  t.is(
    state.nodes.reduce((sum, { cells }) => sum + cells, 0),
    64,
  );
  for (const name of NODES) {
    const line = page.locator(`#nodes .node[data-node="${name}"][data-state="up"]`);
    await line.waitFor();
    t.regex((await line.textContent()) ?? '', /^[abc][\d,]+ entities · [\d,]+ sessions? · [\d.]+ ms$/);
  }
  t.regex((await page.locator('#connection').textContent()) ?? '', /3 nodes/);
  // Each entity is drawn once: its owner's word counts, not its ghosts.
  const drawn = await untilState(scope!, t, 'every entity is drawn', ({ entities, nodes }) => {
    const owned = nodes.reduce((sum, node) => sum + node.entities, 0);
    return Math.abs(entities - owned) <= owned * 0.02;
  });
  t.log(`${drawn.entities} entities on ${state.nodes.length} nodes, ${drawn.fps.toFixed(1)} frames a second`);
  t.deepEqual(errors, []);
});

test.serial('handovers between nodes are drawn as they happen', async (t) => {
  const { page, errors } = scope!;
  await untilState(scope!, t, 'entities are handed over', ({ peerHandovers }) => peerHandovers >= 3);
  await page.fill('#name', 'Ada');
  await page.click('#join-button');
  await untilState(scope!, t, 'the player is in the world', ({ player }) => player.x !== undefined);
  t.regex((await page.locator('#hud-place').textContent()) ?? '', /^cell -?\d+, -?\d+ · node [abc] · /);
  await page.screenshot({ path: path.join(OUTPUT, 'cluster-walking.png') });
  await page.click('#leave');
  await page.locator('#join').waitFor();
  await page.click('#fit');
  await untilState(scope!, t, 'the world fits again', ({ entities }) => entities > 2000);
  await page.screenshot({ path: path.join(OUTPUT, 'cluster.png') });
  t.deepEqual(errors, []);
});

test.serial('a node dies: it greys out, and its cells change colour when they are taken over', async (t) => {
  const { page, nodes } = scope!;
  const dead = nodes.find(({ name }) => name === 'c')!;
  const before = (await readState(page)).entities;
  process.kill(dead.pid, 'SIGKILL');
  await untilState(scope!, t, 'it is down', (state) => state.nodes.some(({ name, isUp }) => name === 'c' && !isUp));
  await untilState(scope!, t, 'its cells are taken over', (state) => {
    const living = state.nodes.filter(({ name }) => name !== 'c');
    return living.reduce((sum, { cells }) => sum + cells, 0) === 64;
  });
  await untilState(scope!, t, 'its entities are back', ({ entities }) => entities >= before * 0.98);
  t.regex((await page.locator('#connection').textContent()) ?? '', /2 nodes/);
  await page.screenshot({ path: path.join(OUTPUT, 'cluster-taken-over.png') });
  t.is((await readState(page)).malformedCount, 0);
});

function isAtWork({ isUp, cells, entities }: DebugState['nodes'][number]): boolean {
  return isUp && cells > 0 && entities > 0;
}

/** The supervisor tells once that all nodes are ready. */
async function readyNodes(child: ChildProcess): Promise<readonly RunningNode[]> {
  const lines = createInterface({ input: child.stdout! });
  const timer = setTimeout(() => child.kill('SIGTERM'), READY_WITHIN_MS);
  const seen: string[] = [];
  try {
    for await (const line of lines) {
      seen.push(line);
      const entry = JSON.parse(line) as { nodes?: readonly RunningNode[] };
      if (entry.nodes !== undefined) return entry.nodes;
    }
  } finally {
    clearTimeout(timer);
    // Nobody reads on: a full pipe must not stop the cluster.
    child.stdout!.resume();
  }
  throw new Error(`the cluster did not become ready; it printed: ${seen.join('\n')}`);
}
