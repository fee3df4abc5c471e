import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { CapacityHook } from '../../src/peer/capacity-hook.ts';
import type { HookTimes, WantedCapacity } from '../../src/peer/capacity-hook.ts';
import { DEADLINE_MS, TemporaryFolder } from './directory-fixture.ts';

const WANTED: WantedCapacity = { nodes: 4, active: 3, reason: '3 nodes carry 82 % of what they can' };

function hookOf(hook: string, times: Partial<HookTimes> = {}) {
  const notes: string[] = [];
  const made = new CapacityHook({
    hook,
    cluster: 'c1',
    utcMs: () => 1_760_000_000_000,
    times: { steadyMs: 2000, betweenMs: 5000, ...times },
    note: (_level, message, details) => void notes.push(`${message} ${JSON.stringify(details)}`),
  });
  return { hook: made, notes };
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (!isTrue()) {
    if (performance.now() > deadlineMs) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('a command gets the count on its standard input, once it has been the same for a while', async (t) => {
  using folder = new TemporaryFolder();
  const file = folder.file('told');
  const { hook, notes } = hookOf(`cat >> '${file}'`);
  hook.want({ ...WANTED, nodes: 5 }, 0);
  hook.want(WANTED, 1000);
  hook.want(WANTED, 2500);
  t.deepEqual(notes, []);
  hook.want(WANTED, 3000);
  await until('told', () => notes.length === 1);
  t.regex(notes[0]!, /^the capacity hook was told/);
  hook.want(WANTED, 60_000);
  t.deepEqual(JSON.parse(readFileSync(file, 'utf8')), {
    wanted: 4,
    active: 3,
    reason: WANTED.reason,
    cluster: 'c1',
    atMs: 1_760_000_000_000,
  });
});

test('it is not called more often than its bound, and then with the newest count', async (t) => {
  using folder = new TemporaryFolder();
  const file = folder.file('told');
  const { hook, notes } = hookOf(`cat >> '${file}'`, { steadyMs: 0 });
  hook.want(WANTED, 0);
  await until('told', () => notes.length === 1);
  for (let nodes = 5; nodes <= 7; nodes++) hook.want({ ...WANTED, nodes }, nodes * 500);
  hook.want({ ...WANTED, nodes: 7 }, 5000);
  await until('told again', () => notes.length === 2);
  const told = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { wanted: number }).wanted);
  t.deepEqual(told, [4, 7]);
});

test('a command that fails, or hangs, is logged, ended and told again', async (t) => {
  const failing = hookOf('echo no such scaler >&2; exit 3', { steadyMs: 0 });
  failing.hook.want(WANTED, 0);
  await until('failed', () => failing.notes.length === 1);
  t.regex(failing.notes[0]!, /^the capacity hook failed.*it ended with 3 no such scaler/);
  failing.hook.want(WANTED, 4000);
  failing.hook.want(WANTED, 5000);
  await until('failed again', () => failing.notes.length === 2);
  const hanging = hookOf('sleep 600 & sleep 600', { steadyMs: 0, callMsMax: 50 });
  hanging.hook.want(WANTED, 0);
  await until('ended', () => hanging.notes.length === 1);
  t.regex(hanging.notes[0]!, /no answer within 50 ms/);
});

test('a URL gets it by POST; an answer that is no success is a failure', async (t) => {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      bodies.push(`${request.method} ${request.headers['content-type']} ${body}`);
      response.writeHead(bodies.length === 1 ? 503 : 204).end();
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    const { hook, notes } = hookOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}/scale`, { steadyMs: 0 });
    hook.want(WANTED, 0);
    await until('refused', () => notes.length === 1);
    t.regex(notes[0]!, /it answered 503/);
    hook.want(WANTED, 5000);
    await until('told', () => notes.length === 2);
    t.regex(bodies[1]!, /^POST application\/json \{"wanted":4,/);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test('without a hook nothing is told, and closing ends a call', async (t) => {
  const none = hookOf('', { steadyMs: 0 });
  none.hook.want(WANTED, 0);
  t.deepEqual(none.notes, []);
  const { hook, notes } = hookOf('sleep 600', { steadyMs: 0 });
  hook.want(WANTED, 0);
  hook.close();
  await until('ended', () => notes.length === 1);
  t.regex(notes[0]!, /failed/);
});
