/** Ten thousand connections that come and do nothing: the limits hold, and players do not notice. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import test from 'ava';
import { startRig, TestClient, until } from '../net/fixture.ts';
import type { Rig } from '../net/fixture.ts';

const CONNECTIONS = 10_000;
const PLAYERS = 50;
const SNAPSHOT_PERIOD_MS = 100;
/** What a shared machine of two cores may hold up a snapshot by while it accepts thousands of connections. */
const LATE_P99_MS = 100;

interface Crowd {
  readonly child: ChildProcess;
  opened: boolean;
  open: number;
}

function sendCrowd(port: number): Crowd {
  const script = new URL('idle-clients.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, String(port), String(CONNECTIONS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const crowd: Crowd = { child, opened: false, open: Number.NaN };
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const report = JSON.parse(line) as { opened?: number; open?: number };
    if (report.opened !== undefined) crowd.opened = true;
    if (report.open !== undefined) crowd.open = report.open;
  });
  return crowd;
}

/** Players that are sent a snapshot every 100 ms; `latenessMs` is how far each came after the one before, less that. */
async function startPlayers(rig: Rig): Promise<{ latenessMs: number[]; stop(): void; clients: TestClient[] }> {
  const latenessMs: number[] = [];
  const clients: TestClient[] = [];
  const sessions: number[] = [];
  for (let player = 0; player < PLAYERS; player++) {
    const { client, welcome } = await TestClient.join(rig.url);
    let lastMs = 0;
    client.webSocket.on('message', () => {
      client.messages.length = 0;
      const nowMs = performance.now();
      if (lastMs > 0) latenessMs.push(Math.abs(nowMs - lastMs - SNAPSHOT_PERIOD_MS));
      lastMs = nowMs;
    });
    clients.push(client);
    sessions.push(welcome.session);
  }
  const timer = setInterval(() => {
    for (const session of sessions) rig.world.sendSnapshot(session, {});
  }, SNAPSHOT_PERIOD_MS);
  return { latenessMs, clients, stop: () => clearInterval(timer) };
}

function percentile(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

test.serial('over the limits: what is too much is cut or refused, players go on', async (t) => {
  t.timeout(180_000);
  const rig = await startRig(
    { connectionsMax: 1000, connectionsPerAddressLoopback: 2000, headersTimeoutMs: 3000, helloTimeoutMs: 3000 },
    { sessionsMax: 64 },
  );
  t.teardown(() => rig.dispose());
  const players = await startPlayers(rig);
  t.teardown(() => players.stop());
  await until(() => players.latenessMs.length > PLAYERS * 20, 'players are served');
  const before = percentile(players.latenessMs.splice(0), 0.99);
  const crowd = sendCrowd(rig.gateway.port);
  t.teardown(() => crowd.child.kill());
  let most = 0;
  await until(async () => {
    most = Math.max(most, (await rig.gateway.report()).connections);
    return crowd.opened;
  }, 'the crowd has come');
  await until(() => crowd.opened && crowd.open === 0, 'the crowd was shown out');
  const during = percentile(players.latenessMs, 0.99);
  const report = await rig.gateway.report();
  t.log(`at most ${most} connections, ${report.connectionsCut} cut`, report.errors);
  t.log(`snapshot interval p99 off by ${before.toFixed(1)} ms before, ${during.toFixed(1)} ms during`);
  t.true(report.connectionsCut > 0);
  t.true(most <= 1000 + 256);
  t.true(during < LATE_P99_MS, `${during} ms`);
  t.true(players.clients.every(({ closed }) => closed === undefined));
});

test.serial('all ten thousand held at once, then shown out in time', async (t) => {
  t.timeout(180_000);
  const rig = await startRig(
    {
      connectionsMax: CONNECTIONS + 500,
      connectionsPerAddressLoopback: CONNECTIONS + 500,
      headersTimeoutMs: 8000,
      helloTimeoutMs: 8000,
    },
    { sessionsMax: 64 },
  );
  t.teardown(() => rig.dispose());
  const players = await startPlayers(rig);
  t.teardown(() => players.stop());
  await until(() => players.latenessMs.length > PLAYERS * 20, 'players are served');
  const before = percentile(players.latenessMs.splice(0), 0.99);
  const rssBefore = process.memoryUsage.rss();
  const crowd = sendCrowd(rig.gateway.port);
  t.teardown(() => crowd.child.kill());
  let most = 0;
  let rssMost = 0;
  await until(() => {
    most = Math.max(most, crowd.open || 0);
    rssMost = Math.max(rssMost, process.memoryUsage.rss());
    return most > CONNECTIONS * 0.95;
  }, 'the crowd is there');
  // Somebody new is still let in.
  const { client } = await TestClient.join(rig.url);
  await until(() => crowd.open === 0, 'the crowd was shown out');
  const during = percentile(players.latenessMs, 0.99);
  const report = await rig.gateway.report();
  t.log(`at most ${most} open, ${((rssMost - rssBefore) / most / 1024).toFixed(1)} KiB of memory each`, report.errors);
  t.log(`snapshot interval p99 off by ${before.toFixed(1)} ms before, ${during.toFixed(1)} ms during`);
  t.true(during < LATE_P99_MS, `${during} ms`);
  t.true(report.errors['ERR_PROTOCOL_HELLO_TIMEOUT']! >= Math.floor(CONNECTIONS / 3) * 0.95);
  t.true([client, ...players.clients].every(({ closed }) => closed === undefined));
  await until(async () => (await rig.gateway.report()).connections === PLAYERS + 1, 'only players are left');
});
