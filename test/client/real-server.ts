/** A node in this process, on a port of its own, and waiting for what a client sees of it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { World } from '../../src/base/world.ts';
import { defaultSettings } from '../../src/main/config/settings.ts';
import type { Settings } from '../../src/main/config/settings.ts';
import { createLog } from '../../src/main/log.ts';
import { WorldNode } from '../../src/main/node.ts';
import { loadWorldModule } from '../../src/main/world-module.ts';

const DEADLINE_MS = 20_000;
const POLL_MS = 5;

/** A node that runs the example of this world's name. */
export async function openNode(
  { schema }: World,
  change: Partial<Settings> = {},
): Promise<{ node: WorldNode; url: string } & AsyncDisposable> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'worldmesh-'));
  const settings: Settings = {
    ...defaultSettings(),
    port: 0,
    workers: 1,
    viewer: false,
    dataDir,
    logLevel: 'silent',
    ...change,
  };
  const world = await loadWorldModule(new URL(`../../examples/${schema.name}.ts`, import.meta.url).href);
  const log = createLog(settings);
  const node = await WorldNode.start({ world, settings, development: false, recordFile: undefined, log });
  return {
    node,
    url: `ws://127.0.0.1:${node.port}/connect`,
    async [Symbol.asyncDispose]() {
      await node.stop();
      rmSync(dataDir, { recursive: true });
    },
  };
}

/** Polls, as conditions here have no event of their own; what is polled may draw a frame. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
  }
}
