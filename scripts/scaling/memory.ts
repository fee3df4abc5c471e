/** Memory of a node, empty and with 10,000 entities and more. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readStatus } from '../../src/main/audit/live-reader.ts';
import { lineChart } from '../chart/line-chart.ts';
import { freePorts } from '../cluster/process-cluster.ts';
import { ProcessNode } from '../cluster/process-node.ts';
import { promise, target } from './scenario.ts';
import type { Outcome, Scenario } from './scenario.ts';

const WORLD = fileURLToPath(new URL('../cluster/counting-world.ts', import.meta.url));
const ENTITIES_MAX = 65_536;
/** The world's 512 m in cells of 256 m. */
const CELLS = 4;
/** Code is compiled, the first garbage is collected. */
const SETTLE_MS = 5000;
const MIB = 2 ** 20;

export const memory: Scenario = {
  name: 'memory',
  title: 'Memory at 10,000 entities',
  async run({ isQuick, tell }): Promise<Outcome> {
    const counts = isQuick ? [0, 10_000] : [0, 1000, 10_000, 30_000, 60_000];
    const measured: { entities: number; bytes: number; missing: number }[] = [];
    // The very first start compiles the code, and keeps it for the others.
    await residentWith(0, { settleMs: 0 });
    for (const entities of counts) {
      measured.push({ entities, ...(await residentWith(entities, { settleMs: isQuick ? SETTLE_MS / 5 : SETTLE_MS })) });
      tell(`${entities} entities: ${((measured.at(-1)?.bytes ?? 0) / MIB).toFixed(1)} MiB`);
    }
    const of = (entities: number): number => measured.find((one) => one.entities === entities)?.bytes ?? Number.NaN;
    const each = (of(10_000) - of(0)) / 10_000;
    return {
      done: `\`worldmesh serve\` of a node with room for ${ENTITIES_MAX} entities, one simulation worker, no players; its resident memory ${SETTLE_MS / 1000} s after it is ready. All memory of entities is reserved at the start, and counts once it is touched.`,
      rules: [
        promise(
          'entities that are missing',
          measured.reduce((sum, { missing }) => sum + missing, 0),
        ),
        target('idle', of(0) / MIB, { max: 110, unit: 'MiB' }),
        target('an entity of 10,000', each, { max: 2048, unit: 'bytes' }),
      ],
      rows: measured.map(({ entities, bytes }) => [`${entities} entities, MiB`, (bytes / MIB).toFixed(1)]),
      pictures: [
        {
          name: 'memory',
          svg: lineChart({
            title: 'Resident memory of a node by entities',
            xLabel: 'entities',
            yLabel: 'MiB',
            lines: [{ name: 'node', points: measured.map(({ entities, bytes }) => ({ x: entities, y: bytes / MIB })) }],
            limit: { y: 110, text: 'target when idle' },
          }),
        },
      ],
    };
  },
};

async function residentWith(
  entities: number,
  { settleMs }: { settleMs: number },
): Promise<{ bytes: number; missing: number }> {
  const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-memory-'));
  const [port = 0] = await freePorts(1);
  const settings = {
    port,
    'entities-max': ENTITIES_MAX,
    workers: 1,
    'log-level': 'warn',
    'data-dir': folder,
    param: `wanderersPerCell=${entities / CELLS}`,
  };
  const flags = Object.entries(settings).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
  await using node = new ProcessNode({
    name: 'memory',
    port,
    peerPort: 0,
    args: ['serve', WORLD, '--no-viewer', ...flags],
    environment: {},
  });
  try {
    node.start();
    if (!(await node.ready())) throw new Error(`the node did not get ready:\n${node.output.join('\n')}`);
    await wait(settleMs);
    const status = await readStatus(node.url);
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${node.pid}/status`, 'utf8'))?.[1];
    return { bytes: Number(kib) * 1024, missing: entities - Number(status['entities']) };
  } finally {
    await node.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
