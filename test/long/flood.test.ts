/**
 * One client floods a real server, in each way that there is; the others' snapshots come as before. Server, flood and
 * players are processes of their own. The measure is a ratio within one run: the 99th percentile of the players' snapshot
 * intervals with the flood, to that without it just before.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import test from 'ava';
import { WebSocket } from 'ws';
import { encodeClientMessage } from '../../src/wire/client.wire.ts';
import { MESSAGE } from '../../src/wire/messages.ts';
import { RunningCommand } from '../main/command-line.ts';
import { HELLO, until } from '../net/fixture.ts';

const PLAYERS = 20;
const SNAPSHOT_HZ = 20;
/** Of each player in each window: 6 s. */
const INTERVALS = 6 * SNAPSHOT_HZ;
/** A machine that others use as well is late by itself, now more, now less. */
const RATIO_MAX = 3;

const EXAMPLE = new URL('../../examples/meadow.ts', import.meta.url).pathname;
/** Loopback is limited here as other addresses are by default, with room for the players. */
const SERVER = [
  ['--port', '0', '--log-format', 'json', '--no-viewer', '--snapshot-hz', String(SNAPSHOT_HZ)],
  ['--connections-per-minute-loopback', '60', '--connections-per-address-loopback', '64'],
  ['--headers-timeout-ms', '1000', '--hello-timeout-ms', '1000', '--requests-per-second', '1'],
  ['--backlog-ms-max', '1000', '--backlog-bytes-max', '65536', '--backlog-bytes-skip', '16384'],
].flat();

interface Players {
  readonly intervalsMs: number[];
  readonly sockets: readonly WebSocket[];
}

async function join(url: string): Promise<Players> {
  const intervalsMs: number[] = [];
  const sockets: WebSocket[] = [];
  for (let player = 0; player < PLAYERS; player++) {
    const webSocket = new WebSocket(`${url.replace('http', 'ws')}connect`, { perMessageDeflate: false });
    let lastMs = 0;
    webSocket.on('message', (data: Buffer) => {
      if (data[0] !== MESSAGE.snapshot) return;
      const nowMs = performance.now();
      if (lastMs > 0) intervalsMs.push(nowMs - lastMs);
      lastMs = nowMs;
    });
    await once(webSocket, 'open');
    webSocket.send(encodeClientMessage({ ...HELLO, schemaHash: 0 }, undefined));
    sockets.push(webSocket);
  }
  return { intervalsMs, sockets };
}

interface FloodProcess extends AsyncDisposable {
  readonly seen: { tries: number; ends: number };
}

function startFlood(port: string, kind: string): FloodProcess {
  const script = new URL('flood-client.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, port, kind], { stdio: ['ignore', 'pipe', 'inherit'] });
  // It stands for another machine: what it computes must not be taken from the players.
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  const seen = { tries: 0, ends: 0 };
  createInterface({ input: child.stdout }).on('line', (line) => Object.assign(seen, JSON.parse(line)));
  return {
    seen,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** What the gateway counted against the flood, from its metrics. */
async function counted(url: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${url}metrics`)).text();
  const lines = text.matchAll(
    /^worldmesh_gateway_(errors_total|closes_total|connections_cut_total|connections_held_off_total|requests_refused_total)(?:\{code="([^"]*)"\})? (\d+)$/gm,
  );
  return new Map([...lines].map(([, name = '', code = '', value]) => [code === '' ? name : code, Number(value)]));
}

/**
 * By which answer each kind of flood is known to have been noticed. Half a request is answered by the end of its
 * connection; and of somebody who does not read, nothing is noticed as long as the kernel takes what he is sent.
 */
const ANSWERS: readonly (readonly [kind: string, answers: readonly string[]])[] = [
  ['messages', ['ERR_LIMIT_RATE', 'connections_held_off_total']],
  ['giants', ['1009', 'connections_held_off_total']],
  ['storm', ['connections_held_off_total', 'connections_cut_total']],
  ['slowloris', ['ends']],
  ['deaf', ['tries']],
  ['requests', ['requests_refused_total', 'connections_cut_total']],
];

for (const [kind, answers] of ANSWERS) {
  test.serial(`a flood of ${kind} does not move the others' snapshots`, async (t) => {
    t.timeout(180_000);
    await using command = new RunningCommand(['serve', EXAMPLE, ...SERVER]);
    const [line] = await command.waitFor(/\{[^\n]*"msg":"ready"\}/);
    const { url } = JSON.parse(line) as { url: string };
    const { intervalsMs, sockets } = await join(url);
    const window = async (what: string): Promise<number[]> => {
      intervalsMs.length = 0;
      await until(() => intervalsMs.length >= PLAYERS * INTERVALS, what);
      return intervalsMs.splice(0);
    };
    await window('the players are served');
    const quiet = await window('the players are served without a flood');
    await using flood = startFlood(new URL(url).port, kind);
    await until(() => flood.seen.tries > 0, 'the flood is under way');
    const flooded = await window('the players are served in the flood');
    const answered = new Map([...(await counted(url)), ...Object.entries(flood.seen)]);
    const [before, during] = [percentile(quiet, 0.99), percentile(flooded, 0.99)];
    const ratio = during / before;
    t.log(
      `${kind}: snapshot interval p99 ${before.toFixed(1)} ms without, ${during.toFixed(1)} ms with the flood, ratio ${ratio.toFixed(2)};`,
      `p50 ${percentile(quiet, 0.5).toFixed(1)} and ${percentile(flooded, 0.5).toFixed(1)} ms;`,
      Object.fromEntries(answered),
    );
    t.true(ratio < RATIO_MAX, `${ratio}`);
    t.true(sockets.every(({ readyState }) => readyState === WebSocket.OPEN));
    t.true(
      answers.some((answer) => (answered.get(answer) ?? 0) > 0),
      'the flood was noticed',
    );
    for (const webSocket of sockets) webSocket.terminate();
  });
}
