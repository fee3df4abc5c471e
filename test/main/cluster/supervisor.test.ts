/** The supervisor with real processes, which stand in for nodes: test/fixtures/cluster-node.ts. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { ClusterLog } from '../../../src/main/cluster/cluster-log.ts';
import type { NodePlan } from '../../../src/main/cluster/node-plan.core.ts';
import { Supervisor } from '../../../src/main/cluster/supervisor.ts';
import type { RunningNode } from '../../../src/main/cluster/supervisor.ts';

const STAND_IN = fileURLToPath(new URL('../../fixtures/cluster-node.ts', import.meta.url));
const SUPERVISOR = fileURLToPath(new URL('../../fixtures/cluster-supervisor.ts', import.meta.url));
const DEADLINE_MS = 30_000;

type Line = Readonly<Record<string, unknown>>;

interface ClusterOptions {
  readonly behaviour: string;
  readonly names?: readonly string[];
  readonly restarts?: boolean;
  readonly stopMs?: number;
}

/** A cluster whose log is read here. */
class TestCluster implements AsyncDisposable {
  readonly supervisor: Supervisor;
  readonly ready: Promise<readonly RunningNode[]>;
  readonly lines: Line[] = [];
  readonly #looks = new Set<() => void>();

  constructor({ behaviour, names = ['a', 'b'], restarts = true, stopMs = 10_000 }: ClusterOptions) {
    const { promise, resolve } = Promise.withResolvers<readonly RunningNode[]>();
    this.ready = promise;
    const log = new ClusterLog({
      pretty: false,
      nodes: names,
      write: (text) => {
        this.lines.push(JSON.parse(text) as Line);
        for (const look of this.#looks) look();
      },
      now: () => 0,
      stream: process.stdout,
    });
    const nodes: NodePlan[] = names.map((name) => ({ name, port: 0, args: [`--node=${name}`] }));
    const options = { nodes, program: STAND_IN, command: [behaviour], environment: process.env, restarts, log, stopMs };
    this.supervisor = Supervisor.start({ ...options, onAllReady: resolve });
  }

  /** Resolves with the first line, from number `from` on, that is so. */
  async waitFor(isWanted: (line: Line) => boolean, { from = 0 } = {}): Promise<Line> {
    const { promise, resolve, reject } = Promise.withResolvers<Line>();
    const look = (): void => {
      const line = this.lines.slice(from).find(isWanted);
      if (line) resolve(line);
    };
    const timer = setTimeout(() => reject(new Error(`no such line in ${JSON.stringify(this.lines)}`)), DEADLINE_MS);
    this.#looks.add(look);
    look();
    return await promise.finally(() => {
      clearTimeout(timer);
      this.#looks.delete(look);
    });
  }

  says(pattern: RegExp): (line: Line) => boolean {
    return ({ msg }) => typeof msg === 'string' && pattern.test(msg);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.supervisor.kill();
    await this.supervisor.ended;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // Gone.
  }
}

test.serial('all are started, told apart in one log, and stopped', async (t) => {
  await using cluster = new TestCluster({ behaviour: 'steady', names: ['a', 'b', 'c'] });
  const nodes = await cluster.ready;
  t.deepEqual(
    nodes.map(({ name, ready }) => [name, ready.url, ready.world]),
    [
      ['a', 'http://127.0.0.1:40097/', 'test'],
      ['b', 'http://127.0.0.1:40098/', 'test'],
      ['c', 'http://127.0.0.1:40099/', 'test'],
    ],
  );
  for (const node of ['a', 'b', 'c']) {
    const own = (line: Line): boolean => line['node'] === node;
    t.deepEqual(await cluster.waitFor((line) => own(line) && line['msg'] === 'hello'), {
      node,
      level: 30,
      msg: 'hello',
      args: [`--node=${node}`, '--port', '0'],
      supervised: true,
    });
    await cluster.waitFor((line) => own(line) && line['msg'] === 'half a line, and its end' && line['level'] === 30);
    await cluster.waitFor((line) => own(line) && line['msg'] === '{ no json');
    await cluster.waitFor((line) => own(line) && line['msg'] === 'a complaint' && line['level'] === 50);
  }
  cluster.supervisor.stop();
  t.is(await cluster.supervisor.ended, 0);
  t.is(cluster.lines.filter(cluster.says(/^goodbye$/)).length, 3);
  t.true(nodes.every(({ pid }) => !isAlive(pid)));
});

test.serial('a node that dies is started again at its port, and it is said', async (t) => {
  await using cluster = new TestCluster({ behaviour: 'steady' });
  const nodes = await cluster.ready;
  const victim = nodes.find(({ name }) => name === 'b')!;
  const from = cluster.lines.length;
  process.kill(victim.pid, 'SIGKILL');
  const told = await cluster.waitFor(cluster.says(/^b was ended by SIGKILL; it starts again at once$/), { from });
  t.like(told, { node: 'b', level: 40, signal: 'SIGKILL' });
  const again = await cluster.waitFor((line) => line['node'] === 'b' && line['msg'] === 'hello', { from });
  t.deepEqual(again['args'], ['--node=b', '--port', '40098']);
  await cluster.waitFor(cluster.says(/^b is ready again$/), { from });
  t.true(isAlive(nodes[0]!.pid));
  cluster.supervisor.stop();
  t.is(await cluster.supervisor.ended, 0);
});

test.serial(
  'a node that keeps dying is started after longer and longer pauses; a stop does not wait for them',
  async (t) => {
    await using cluster = new TestCluster({ behaviour: 'brittle', names: ['a'] });
    await cluster.waitFor(cluster.says(/^a ended with exit code 4; it starts again at once$/));
    await cluster.waitFor(cluster.says(/^a ended with exit code 4; it starts again in 250 ms$/));
    await cluster.waitFor(cluster.says(/starts again in 500 ms$/));
    cluster.supervisor.stop();
    t.is(await cluster.supervisor.ended, 0);
  },
);

test.serial('a node that cannot start stops the cluster with its exit code', async (t) => {
  await using cluster = new TestCluster({ behaviour: 'faulty' });
  t.is(await cluster.supervisor.ended, 3);
  t.is(cluster.lines.filter(cluster.says(/ERR_TEST/)).length >= 1, true);
  t.true(cluster.lines.some(cluster.says(/cannot start \(exit code 3\): the cluster stops/)));
});

test.serial('without restarts who died stays down, and others go on', async (t) => {
  await using cluster = new TestCluster({ behaviour: 'steady', restarts: false });
  const [a, b] = await cluster.ready;
  process.kill(a!.pid, 'SIGKILL');
  await cluster.waitFor(cluster.says(/^a was ended by SIGKILL; restarts are switched off: it stays down$/));
  t.true(isAlive(b!.pid));
  // Who is stopped on purpose ends well; with it all are down.
  process.kill(b!.pid, 'SIGTERM');
  await cluster.waitFor(cluster.says(/^b was stopped; it is not started again$/));
  t.is(await cluster.supervisor.ended, 1);
});

test.serial('who does not stop in time is killed', async (t) => {
  await using cluster = new TestCluster({ behaviour: 'deaf', stopMs: 200 });
  const nodes = await cluster.ready;
  cluster.supervisor.stop();
  t.is(await cluster.supervisor.ended, 1);
  t.true(cluster.lines.some(cluster.says(/^a, b did not stop within 200 ms: killed$/)));
  t.true(nodes.every(({ pid }) => !isAlive(pid)));
});

test.serial('a stop that ends with an error is told', async (t) => {
  await using cluster = new TestCluster({ behaviour: 'grumpy' });
  await cluster.ready;
  cluster.supervisor.stop();
  t.is(await cluster.supervisor.ended, 1);
  t.is(cluster.lines.filter(cluster.says(/ended with exit code 5 while stopping$/)).length, 2);
});

test.serial('nodes stop when their supervisor is killed', async (t) => {
  const supervisor = spawn(process.execPath, [SUPERVISOR], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(supervisor, 'exit');
  const [text] = (await once(supervisor.stdout, 'data')) as [Buffer];
  const pids = JSON.parse(text.toString()) as number[];
  t.is(pids.length, 2);
  t.true(pids.every(isAlive));
  supervisor.kill('SIGKILL');
  await closed;
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (pids.some(isAlive) && performance.now() < deadlineMs) {
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  const left = pids.filter(isAlive);
  for (const pid of left) process.kill(pid, 'SIGKILL');
  t.deepEqual(left, []);
});
