/** Drains under playing clients with real processes: of all nodes one by one for a new version, and with a kill in the middle. */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { drain } from '../../scripts/cluster/drain.ts';
import { PlayerRun } from '../../scripts/cluster/player-run.ts';
import type { ProcessNode } from '../../scripts/cluster/process-node.ts';
import { runRollingUpgrade } from '../../scripts/rolling-upgrade/rolling-upgrade-run.ts';
import type { CrashPoint } from '../../src/peer/crash-point.ts';
import { openDirectory } from '../../src/peer/directory-thread.ts';
import { placeBlocks } from '../../src/peer/placement.core.ts';

const TIMEOUT_MS = 300_000;
const DRAIN_SECONDS = 60;
const PLAYERS = 8;
const STARTS_MAX = 3;

function telling(t: ExecutionContext): (text: string) => void {
  return (text) => t.log(text);
}

test.serial('a cluster goes to the next version node by node, and no player notices', async (t) => {
  t.timeout(TIMEOUT_MS);
  const result = await runRollingUpgrade({
    clients: 30,
    nodes: 3,
    seed: 20_261_121,
    mode: 'tunnel',
    drainSecondsMax: DRAIN_SECONDS,
    onProgress: telling(t),
  });
  t.deepEqual(result.wrong, []);
  t.is(result.steps.length, 3);
  t.is(result.connectionsLost, 0);
  t.is(result.sessionsLost, 0);
  t.true(result.redirects.done >= 30, 'everybody had to change gateway at least once');
  t.is(result.verdict, 'proven');
});

test.serial('the draining node is killed before it hands its journal in: it is taken over as after any crash', (t) =>
  drainWithKill(t, { point: 'beforeHandIn', of: 'drained', seed: 1 }),
);

test.serial('the draining node is killed when it has just handed its journal in', (t) =>
  drainWithKill(t, { point: 'afterHandIn', of: 'drained', seed: 2 }),
);

test.serial('the successor is killed while it takes the journal over', (t) =>
  drainWithKill(t, { point: 'beforeImport', of: 'successor', seed: 3 }),
);

interface Kill {
  readonly point: CrashPoint;
  readonly of: 'drained' | 'successor';
  readonly seed: number;
}

async function drainWithKill(t: ExecutionContext, { point, of, seed }: Kill): Promise<void> {
  t.timeout(TIMEOUT_MS);
  const onProgress = telling(t);
  await using run = await PlayerRun.start({ clients: PLAYERS, nodes: 3, seed, mode: 'auto', ways: 'roam', onProgress });
  const { cluster } = run;
  const [drained] = cluster.nodes;
  const killed = of === 'drained' ? drained! : cluster.node(await successorOf(cluster.directoryUrl, drained!));
  // A clean stop: its players come back to whoever is there.
  await killed.stop();
  await startWith(killed, point);
  await run.walk();
  killed.expectEnd();
  const { wrong, output } = await drain(cluster, drained!, { timeoutSeconds: DRAIN_SECONDS });
  t.log(output, wrong);
  t.true(await killed.ended(DRAIN_SECONDS * 1000), `${killed.name} did not pass ${point}`);
  const { verdict } = await run.finish();
  t.deepEqual(verdict.wrong, []);
  t.is(verdict.sessionsLost, 0);
  t.is(verdict.online, PLAYERS);
  t.is(verdict.verdict, 'proven');
}

/** A module that loads too slowly on a busy machine is loaded again, as a supervisor would. */
async function startWith(node: ProcessNode, point: CrashPoint): Promise<void> {
  for (let attempt = 0; attempt < STARTS_MAX; attempt++) {
    node.start({ WORLDMESH_CRASH_POINT: point });
    node.expectEnd();
    if (await node.ready()) return;
  }
  throw new Error(`${node.name} does not start:\n${node.output.join('\n')}`);
}

/** As the node chooses it. */
async function successorOf(directoryUrl: string, { name }: ProcessNode): Promise<string> {
  await using directory = await openDirectory(directoryUrl, { facts: undefined });
  const members = (await directory.members()).filter(({ state }) => state === 'active');
  const own = members.find((member) => member.name === name)!;
  const [successor] = placeBlocks(
    [own.node],
    members.filter(({ node }) => node !== own.node),
  );
  return members.find(({ node }) => node === successor)!.name;
}
