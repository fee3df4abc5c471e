/**
 * `npm run crossings [-- --seconds 60 --rate 1000 --bots 20 --workers 1 --json]`: two real nodes, and so many entities a
 * second that walk from one to the other, in the middle of each world where it should be dull.
 *
 * Prints the latency of each stage of a handover, how many ticks it cost, what the disk and the loopback alone would have taken in
 * the same run, and whether the auditor finds every entity once. Exits with 1 when one was lost or doubled.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { blockGrid, placeBlocks } from '../../src/peer/placement.core.ts';
import { measureOtherWays } from './other-ways.ts';
import type { Way } from './other-ways.ts';

const BIN = path.join(import.meta.dirname, '../../bin/worldmesh.cjs');
const SHUTTLE = path.join(import.meta.dirname, 'shuttle.ts');
const REACH_METRES = 24;
const SPEED = 9.6;
const BLOCK_CELLS = 2;
const READY_MS_MAX = 30_000;
const WARM_UP_MS = 5000;
/** Of pino. */
const LOG_LEVEL_ERROR = 50;
const STAGES = ['capture', 'journal', 'wire', 'accept', 'confirm', 'route', 'total', 'commit'] as const;

interface StageSeconds {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

interface Status {
  readonly entities: number;
  readonly tickMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly seconds: Readonly<Record<(typeof STAGES)[number], StageSeconds>>;
  readonly counters: Readonly<Record<string, number>>;
}

interface RunningNode {
  readonly name: string;
  readonly process: ChildProcess;
  readonly url: string;
}

async function main(): Promise<number> {
  const options = readOptions();
  const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-crossings-'));
  const nodes: RunningNode[] = [];
  try {
    const names = namesWithBorder();
    const starts = await Promise.allSettled(names.map((name) => startNode(name, { folder, ...options })));
    for (const start of starts) if (start.status === 'fulfilled') nodes.push(start.value);
    for (const start of starts) if (start.status === 'rejected') throw start.reason;
    await delay(WARM_UP_MS);
    const before = await Promise.all(nodes.map(statusOf));
    const startMs = performance.now();
    const bots = await Promise.all(nodes.map(({ url }) => walkBots(url, options)));
    const after = await Promise.all(nodes.map(statusOf));
    const seconds = (performance.now() - startMs) / 1000;
    const audit = auditCluster(folder);
    const ways = await measureOtherWays({ sizeBytes: 400, count: options.quick ? 50 : 500 });
    const result = { seconds, before, after, audit: audit.text, isClean: audit.isClean, ways, bots };
    console.log(options.json ? JSON.stringify(result) : textOf(nodes, result));
    return audit.isClean ? 0 : 1;
  } finally {
    await Promise.all(nodes.map(stopNode));
    rmSync(folder, { recursive: true, force: true });
  }
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      rate: { type: 'string', default: '1000' },
      bots: { type: 'string', default: '20' },
      workers: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
    },
  });
  return {
    seconds: Number(values.seconds),
    rate: Number(values.rate),
    bots: Number(values.bots),
    workers: Number(values.workers),
    json: values.json,
    quick: values.quick,
  };
}

/** Two names between which placement puts the border of the world's four blocks exactly along x = 0. */
function namesWithBorder(): readonly [string, string] {
  const { blockCount } = blockGrid({ width: 4, depth: 4, blockCells: BLOCK_CELLS });
  const blocks = Array.from({ length: blockCount }, (_, block) => block);
  for (let number = 1; number < 10_000; number++) {
    const names = ['west', `east-${number}`] as const;
    const nodes = names.map((name, index) => ({ node: index + 1, name, capacity: 1 }));
    // Blocks are numbered row by row: 0 and 2 are west of x = 0.
    if (placeBlocks(blocks, nodes).join() === '1,2,1,2') return names;
  }
  throw new Error('no two names share out four blocks as wanted');
}

async function startNode(
  name: string,
  { folder, rate, workers }: { folder: string; rate: number; workers: number },
): Promise<RunningNode> {
  const shuttles = Math.round((rate * 2 * REACH_METRES) / SPEED);
  const flags = {
    '--node': name,
    '--directory': `sqlite:${path.join(folder, 'directory.sqlite')}`,
    '--data-dir': folder,
    '--cluster-size': 2,
    '--block-cells': BLOCK_CELLS,
    '--port': 0,
    '--workers': workers,
    '--log-format': 'json',
    // The machine is meant to be busy: a node that is late is not to be replaced.
    '--lease-ms': 5000,
    '--param': `shuttles=${shuttles}`,
  };
  const given = Object.entries(flags).flatMap(([flag, value]) => [flag, String(value)]);
  const child = spawn(process.execPath, [BIN, 'serve', SHUTTLE, ...given], { stdio: ['ignore', 'pipe', 'inherit'] });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const timer = setTimeout(() => reject(new Error(`${name} was not ready in ${READY_MS_MAX} ms`)), READY_MS_MAX);
  child.once('exit', (code) => reject(new Error(`${name} ended with ${code} before it was ready`)));
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { msg, url, level } = JSON.parse(line) as { msg: string; url?: string; level: number };
    if (level >= LOG_LEVEL_ERROR) console.error(`${name}: ${line}`);
    if (msg === 'ready' && url !== undefined) resolve(url);
  });
  const url = await promise.finally(() => clearTimeout(timer));
  return { name, process: child, url };
}

async function walkBots(url: string, { bots, seconds }: { bots: number; seconds: number }): Promise<unknown> {
  if (bots === 0) {
    await delay(seconds * 1000);
    return undefined;
  }
  const flags = ['--url', url.replace('http', 'ws'), '--count', String(bots), '--seconds', String(seconds), '--json'];
  const child = spawn(process.execPath, [BIN, 'bots', ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
  const parts: Buffer[] = [];
  child.stdout.on('data', (part: Buffer) => parts.push(part));
  const [code] = (await once(child, 'exit')) as [number];
  if (code !== 0) console.error(`bots at ${url} ended with ${code}`);
  return JSON.parse(Buffer.concat(parts).toString('utf8'));
}

async function statusOf({ url }: RunningNode): Promise<Status> {
  const response = await fetch(`${url}status`);
  return (await response.json()) as Status;
}

function auditCluster(folder: string): { readonly text: string; readonly isClean: boolean } {
  const directory = `sqlite:${path.join(folder, 'directory.sqlite')}`;
  const { stdout, stderr, status } = spawnSync(process.execPath, [BIN, 'audit', '--directory', directory], {
    encoding: 'utf8',
  });
  return { text: `${stdout}${stderr}`.trim(), isClean: status === 0 };
}

async function stopNode({ process: child }: RunningNode): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

interface Measured {
  readonly seconds: number;
  readonly before: readonly Status[];
  readonly after: readonly Status[];
  readonly audit: string;
  readonly ways: readonly Way[];
}

function textOf(nodes: readonly RunningNode[], { seconds, before, after, audit, ways }: Measured): string {
  const done = (counter: string) =>
    after.reduce(
      (sum, { counters }, index) => sum + (counters[counter] ?? 0) - (before[index]?.counters[counter] ?? 0),
      0,
    );
  const lines = [
    `${(done('handoversOut') / seconds).toFixed(0)} handovers per second for ${seconds.toFixed(0)} s, ` +
      `${done('handoversOut')} in all; rejected ${done('handoversRejected')}, reclaimed ${done('handoversReclaimed')}, ` +
      `sent again ${done('handoversRetried')}; ticks skipped ${done('ticksSkipped')}`,
  ];
  for (const [index, { name }] of nodes.entries()) {
    const status = after[index];
    if (status === undefined) continue;
    lines.push(
      '',
      `${name}: ${status.entities} entities, tick p50 ${ms(status.tickMs.p50)} p99 ${ms(status.tickMs.p99)} ms`,
    );
    lines.push(
      `  ${'stage, ms'.padEnd(12)}${['p50', 'p99', 'max', 'count'].map((head) => head.padStart(10)).join('')}`,
    );
    for (const stage of STAGES) {
      const { p50, p99, max, count } = status.seconds[stage];
      const figures = [p50, p99, max].map((value) => ms(value * 1000).padStart(10)).join('');
      if (count > 0) lines.push(`  ${stage.padEnd(12)}${figures}${String(count).padStart(10)}`);
    }
  }
  lines.push(
    '',
    'moving one player by other ways, one at a time, µs'.padEnd(64) + 'p50'.padStart(8) + 'p99'.padStart(8),
  );
  for (const { name, p50Us, p99Us } of ways) {
    lines.push(`  ${name.padEnd(62)}${p50Us.toFixed(0).padStart(8)}${p99Us.toFixed(0).padStart(8)}`);
  }
  return [...lines, '', audit].join('\n');
}

function ms(value: number): string {
  return value.toFixed(2);
}

process.exitCode = await main();
