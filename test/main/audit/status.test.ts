/** The table of nodes, with one that answers and one that does not. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { clusterStatus } from '../../../src/main/status/status.core.ts';
import type { ClusterStatus, StatusSample } from '../../../src/main/status/status.core.ts';
import { RunningCommand, worldmesh } from '../command-line.ts';
import { ledgerOf, writeDirectory } from './cluster-files.ts';

const NODE = 1;

function sampleAt(atMs: number, handoversOut: number): StatusSample {
  const member = {
    node: NODE,
    name: 'a',
    ledger: ledgerOf('a'),
    incarnation: 4,
    state: 'active',
    folder: '',
    clientUrl: '',
    pid: 9,
    successor: 0,
    renewedAtMs: atMs - 40,
  };
  const old = { ...member, ledger: ledgerOf('b'), incarnation: 2, state: 'fenced' };
  return {
    atMs,
    directory: {
      members: [old, member],
      blocks: new Map([
        [0, 1],
        [NODE, 3],
      ]),
      names: 0,
      facts: new Map([['world', 'meadow']]),
      settings: new Map(),
    },
    answers: new Map([
      [
        4,
        {
          ok: true,
          atMs,
          answer: { entities: 70, counters: { handoversOut }, gauges: { oldestInDoubtSeconds: 0.25 } },
        },
      ],
    ]),
  };
}

test('a fenced lease gives way to the live one; rates come from two looks; what is not said is not a number', (t) => {
  const status = clusterStatus(sampleAt(2000, 30), sampleAt(1500, 10));
  t.is(status.nodes.length, 1);
  t.like(status.nodes[0], {
    incarnation: 4,
    leaseAgeMs: 40,
    blocks: 3,
    entities: 70,
    handoversOutHz: 40,
    oldestInDoubtMs: 250,
  });
  t.is(status.nodes[0]?.ghosts, Number.NaN);
  t.like(status, { fenced: 1, blocksUnowned: 1, world: 'meadow' });
  t.is(clusterStatus(sampleAt(2000, 30), undefined).nodes[0]?.handoversOutHz, Number.NaN);
});

test('the command shows nodes that are down beside those that answer', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-status-'));
  const server = createServer((request, response) => {
    const answer = {
      entities: 1234,
      sessions: { held: 5 },
      tick: 7,
      links: [
        { node: 2, name: 'b', state: 'up', rttMs: 0.4, breaker: 'closed' },
        { node: 3, name: 'c', state: 'down', rttMs: null, breaker: 'open' },
      ],
    };
    response.end(request.url === '/status' ? JSON.stringify(answer) : 'nothing');
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const directory = writeDirectory(folder, [
      { name: 'a', node: 1, ledger: ledgerOf('a'), folder, clientUrl: `ws://127.0.0.1:${port}/connect` },
      { name: 'b', node: 2, ledger: ledgerOf('b'), folder, clientUrl: 'http://127.0.0.1:1/' },
    ]);
    const shown = await worldmesh(['status', '--directory', directory]);
    t.is(shown.code, 1, shown.stderr);
    t.regex(shown.stdout, /^meadow {2}2 nodes, 1,234 entities, 5 sessions/);
    t.regex(shown.stdout, /^a 1 +active .* 1,234 .*b up 0\.40 ms, c down breaker open$/m);
    t.regex(shown.stdout, /^b 2 +active, no answer/m);
    const json = await worldmesh(['status', '--directory', directory, '--json']);
    t.is((JSON.parse(json.stdout) as ClusterStatus).nodes[0]?.entities, 1234);
    await using watching = new RunningCommand(['status', '--directory', directory, '--watch', '0.05', '--json']);
    await watching.waitFor(/"nodes".*\n.*"nodes"/);
    watching.kill('SIGTERM');
    t.is((await watching.ended).code, 0);
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  }
});

test('a directory that cannot be read is an error with a code', async (t) => {
  const { code, stderr } = await worldmesh(['status', '--directory', 'sqlite:/nowhere/directory.sqlite']);
  t.is(code, 1);
  t.regex(stderr, /ERR_AUDIT_DIRECTORY/);
});
