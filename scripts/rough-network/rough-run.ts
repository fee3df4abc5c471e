/** A real server, a player with a wrong clock, and between them a network as bad as wanted. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { decodeServerMessage, encodeClientMessage } from '../../src/wire/client.wire.ts';
import { PROTOCOL_VERSION } from '../../src/wire/messages.ts';
import { ServerProcess } from '../../test/browser/server-process.ts';
import { setBadNetwork } from '../../test/fixtures/bad-network.ts';
import type { BadNetwork, BadNetworkCount } from '../../test/fixtures/bad-network.ts';
import world from '../../test/fixtures/input-count-world.ts';
import { TcpProxy } from '../../test/fixtures/tcp-proxy.ts';
import type { WalkOrder, WalkReport } from './walker.ts';

export interface RoughOrder {
  readonly seconds: number;
  readonly network: BadNetwork;
  readonly aheadMs: number;
  readonly driftPpm: number;
}

export interface RoughReport extends WalkReport {
  readonly segments: BadNetworkCount;
  /** What the gateway answers to a client that says the wrong time as it is. */
  readonly refusal: string;
  /** What the gateway has counted about clocks, as its metrics say it. */
  readonly skewMetrics: readonly string[];
}

const WALKER = path.join(import.meta.dirname, 'walker.ts');

export async function roughRun({ seconds, network, aheadMs, driftPpm }: RoughOrder): Promise<RoughReport> {
  const dataDirectory = await mkdtemp(path.join(tmpdir(), 'worldmesh-rough-'));
  const server = await ServerProcess.start({
    module: 'test/fixtures/input-count-world.ts',
    port: 0,
    dataDirectory,
    flags: ['--no-viewer', '--workers', '1', '--log-level', 'info'],
  });
  try {
    const refusal = await refusalOf(`ws://127.0.0.1:${server.port}/connect`, Date.now() + aheadMs);
    await using proxy = await TcpProxy.open({ host: '127.0.0.1', port: server.port });
    const segments = setBadNetwork(proxy, network);
    const url = `ws://${proxy.host}:${proxy.port}/connect`;
    const report = await walk({ url, seconds, seed: network.seed, aheadMs, driftPpm });
    const metrics = await (await fetch(`${server.url}metrics`)).text();
    const skewMetrics = metrics.split('\n').filter((line) => /clock|skew/i.test(line) && !line.startsWith('#'));
    return { ...report, segments, refusal, skewMetrics };
  } finally {
    await server.kill();
    await rm(dataDirectory, { recursive: true, force: true });
  }
}

/** The walker's answer; what it complains about goes to stderr. @throws Error when it fails. */
async function walk(order: WalkOrder): Promise<WalkReport> {
  const child = spawn(process.execPath, [WALKER, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let answer = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (answer += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`the walker ended with ${code}: ${answer}`);
  return JSON.parse(answer) as WalkReport;
}

/** Says hello as a client would that does not know better, and reads what comes of it. */
async function refusalOf(url: string, clientTimeMs: number): Promise<string> {
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  const closed = once(socket, 'close') as Promise<[CloseEvent]>;
  let answer = 'a welcome';
  socket.addEventListener('message', ({ data }) => {
    const message = decodeServerMessage(new Uint8Array(data as ArrayBuffer), world.schema);
    if (message.type === 'error') answer = `${message.code}: ${message.message}`;
    else if (message.type === 'welcome') socket.close(1000);
  });
  await once(socket, 'open');
  const hello = {
    type: 'hello',
    protocolVersion: PROTOCOL_VERSION,
    schemaHash: world.schema.hash,
    name: 'wrong',
    token: '',
    resumeToken: '',
    mode: 'tunnel',
    clientTimeMs,
    lastKnownTick: 0,
  } as const;
  socket.send(encodeClientMessage(hello, world.schema));
  const [{ code }] = await closed;
  return `${answer} (close code ${code})`;
}
