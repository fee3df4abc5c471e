/** Drains under playing clients with real processes: of all nodes one by one for a new version, and with a kill in the middle. */
import { setTimeout as wait } from 'node:timers/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { drain } from '../../scripts/cluster/drain.ts';
import { PlayerRun } from '../../scripts/cluster/player-run.ts';
import type { ProcessNode } from '../../scripts/cluster/process-node.ts';
import { runRollingUpgrade } from '../../scripts/rolling-upgrade/rolling-upgrade-run.ts';
import { openDirectory } from '../../src/peer/directory-thread.ts';
import { placeBlocks } from '../../src/peer/placement.core.ts';

const TIMEOUT_MS = 300_000;
const DRAIN_SECONDS = 60;
const PLAYERS = 8;
const LOOK_MS = 10;

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

for (const [point, when] of [
  ['beforeHandIn', 'before it hands its journal in: it is taken over as after any crash'],
  ['afterHandIn', 'when it has just handed its journal in'],
] as const) {
  test.serial(`the draining node is killed ${when}`, async (t) => {
    t.timeout(TIMEOUT_MS);
    await using run = await start(t, { WORLDMESH_CRASH_POINT: point });
    const [drained] = run.cluster.nodes;
    await run.walk();
    t.log((await drain(run.cluster, drained!, { timeoutSeconds: DRAIN_SECONDS })).output);
    t.is(drained!.exitCode, undefined, 'it was killed');
    await goesOn(t, run);
  });
}

test.serial(
  'the successor is killed as soon as it has been named: whoever replaces it takes both journals',
  async (t) => {
    t.timeout(TIMEOUT_MS);
    await using run = await start(t, {});
    const { cluster } = run;
    const [drained] = cluster.nodes;
    const successor = cluster.node(await successorOf(cluster.directoryUrl, drained!));
    await run.walk();
    const draining = drain(cluster, drained!, { timeoutSeconds: DRAIN_SECONDS });
    await until(async () => (await stateOf(cluster.directoryUrl, drained!)) === 'fenced');
    await successor.kill();
    t.log((await draining).output);
    await goesOn(t, run);
  },
);

/** Only the node that hands its journal in passes such a point. */
function start(t: ExecutionContext, environment: Readonly<Record<string, string>>): Promise<PlayerRun> {
  const onProgress = telling(t);
  const cluster = { environment };
  return PlayerRun.start({ clients: PLAYERS, nodes: 3, seed: 1, mode: 'auto', ways: 'roam', cluster, onProgress });
}

async function goesOn(t: ExecutionContext, run: PlayerRun): Promise<void> {
  const { verdict } = await run.finish();
  t.deepEqual(verdict.wrong, []);
  t.is(verdict.sessionsLost, 0);
  t.is(verdict.online, PLAYERS);
  t.is(verdict.verdict, 'proven');
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + DRAIN_SECONDS * 1000;
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${DRAIN_SECONDS} s`);
    await wait(LOOK_MS);
  }
}

/** Of the node's first lease. */
async function stateOf(directoryUrl: string, { name }: ProcessNode): Promise<string | undefined> {
  await using directory = await openDirectory(directoryUrl, { facts: undefined });
  return (await directory.members()).find((member) => member.name === name)?.state;
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
