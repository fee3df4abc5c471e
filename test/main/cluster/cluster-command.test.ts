/** `worldmesh cluster` with real nodes. */
import test from 'ava';
import { RunningCommand, temporaryFolder, worldmesh } from '../command-line.ts';

const GONE_MS_MAX = 10_000;
const QUIET = ['--port', '0', '--no-viewer', '--workers', '1', '--log-format', 'json'];

interface ClusterReady {
  readonly nodes: readonly { readonly name: string; readonly pid: number; readonly url: string }[];
}

async function clusterReady(command: RunningCommand): Promise<ClusterReady> {
  const [line] = await command.waitFor(/\{[^\n]*"msg":"cluster ready"\}/);
  return JSON.parse(line) as ClusterReady;
}

async function gone(pid: number): Promise<void> {
  const deadlineMs = performance.now() + GONE_MS_MAX;
  while (isThere(pid)) {
    if (performance.now() > deadlineMs) throw new Error(`process ${pid} is still there`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

test.serial('two nodes are started, one dies and comes back, and SIGTERM ends all with 0', async (t) => {
  await using command = new RunningCommand(['cluster', '--nodes', '2', ...QUIET], { folder: temporaryFolder() });
  const { nodes } = await clusterReady(command);
  t.deepEqual(
    nodes.map(({ name }) => name),
    ['a', 'b'],
  );
  for (const { url } of nodes) t.is((await fetch(`${url}healthz`)).status, 200);
  await command.waitFor(/\{"node":"b",[^\n]*"msg":"ready"\}/);
  process.kill(nodes[1]!.pid, 'SIGKILL');
  await command.waitFor(/b was ended by SIGKILL; it starts again at once/);
  const [line] = await command.waitFor(/\{[^\n]*"msg":"b is ready again"\}/);
  t.is((JSON.parse(line) as { url: string }).url, nodes[1]!.url);
  command.kill('SIGTERM');
  const { code, stderr } = await command.ended;
  t.is(code, 0, stderr);
});

test.serial('nodes stop when their supervisor is killed, and the next one waits for them', async (t) => {
  const folder = temporaryFolder();
  await using first = new RunningCommand(['cluster', '--nodes', '2', ...QUIET], { folder });
  const { nodes } = await clusterReady(first);
  first.kill('SIGKILL');
  await using second = new RunningCommand(['cluster', '--nodes', '2', ...QUIET], { folder });
  const again = await clusterReady(second);
  // A node lets go of its ledger a moment before its process is over.
  for (const { pid } of nodes) await gone(pid);
  t.deepEqual(
    again.nodes.map(({ name }) => name),
    ['a', 'b'],
  );
  second.kill('SIGTERM');
  const { code, stdout, stderr } = await second.ended;
  t.is(code, 0, `${stdout}${stderr}`);
});

test.serial('what no node could start with is said once, and exits with its code', async (t) => {
  const module = await worldmesh(['cluster', 'missing.ts', '--nodes', '2', ...QUIET]);
  t.is(module.code, 1);
  t.regex(module.stdout, /missing\.ts: there is no such file/);
  t.regex(module.stdout, /cannot start \(exit code 1\): the cluster stops/);
  const ports = await worldmesh(['cluster', '--port', '65535']);
  t.is(ports.code, 2);
  t.regex(ports.stderr, /port is 65535 \(flag --port\)[\s\S]*2 more above it[\s\S]*lower it to 65533/);
  const setting = await worldmesh(['cluster', '--tick-hz', '0']);
  t.is(setting.code, 2);
  t.is(setting.stderr.match(/tickHz is "0"/g)?.length, 1);
  t.is((await worldmesh(['cluster', '--nodes', '64'])).code, 2);
  t.is((await worldmesh(['cluster', '--restart', 'maybe'])).code, 2);
});
