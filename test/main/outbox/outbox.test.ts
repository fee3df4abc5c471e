/** Real processes, a real sink: nodes are killed while it is down, what it refuses is parked and replayed by command. */
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { runOutbox } from '../../../scripts/outbox/outbox-run.ts';
import { SinkServer } from '../../../scripts/outbox/sink-server.ts';
import { ProcessCluster } from '../../../scripts/cluster/process-cluster.ts';
import type { NodeOutbox } from '../../../src/main/outbox/outbox-list.ts';
import { worldmesh } from '../command-line.ts';

const WORLD = fileURLToPath(new URL('../../../scripts/outbox/publishing-world.ts', import.meta.url));
const UNTIL_MS_MAX = 60_000;

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + UNTIL_MS_MAX;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${UNTIL_MS_MAX} ms: ${what}`);
    await wait(50);
  }
}

test.serial(
  'nothing is lost, and no order broken, while the sink is down, nodes are killed and entities change node',
  async (t) => {
    t.timeout(240_000);
    const result = await runOutbox({
      seconds: 3,
      onProgress: (text) => t.log(text),
      signal: new AbortController().signal,
    });
    t.deepEqual(result.wrong, []);
    t.is(result.lost, 0);
    t.true(result.repeats > 0, 'what was taken and not answered for came again');
    t.true(result.entitiesOfSeveralNodes > 0);
    t.true(result.takeovers > 0);
    t.true(result.waitingMost > 0);
  },
);

test.serial(
  'what the sink refuses is parked after five tries, listed, and replayed by command; a crash behind a delivery repeats it',
  async (t) => {
    t.timeout(120_000);
    await using sink = await SinkServer.open();
    sink.refuses = ({ number }) => number === 2;
    await sink.setMood('choosy');
    await using cluster = await ProcessCluster.start({
      nodes: 1,
      takeoverAfterMs: 200,
      leaseMs: 2000,
      wanderersPerCell: 0,
      withDisk: false,
      withProxies: false,
      world: WORLD,
      settings: { 'outbox-sink': sink.url, 'outbox-token': 'secret', 'cell-size': 512, 'aoi-radius': 48 },
    });
    const node = cluster.node('a');
    const list = async (): Promise<NodeOutbox> => {
      const { stdout } = await worldmesh(['outbox', 'list', '--json', '--directory', cluster.directoryUrl]);
      return (JSON.parse(stdout) as NodeOutbox[])[0]!;
    };
    await until('some walkers have one parked each', async () => (await list()).parkedCount >= 3);
    const { parked } = await list();
    t.true(parked.every(({ number, name }) => number === 2 && name === 'counted'));
    await until('what stands behind the parked ones is delivered', () => sink.count > 12);
    t.is(sink.headers[0]!.authorization, 'Bearer secret');
    const entity = parked[0]!.entity;
    const wrong = await worldmesh(['outbox', 'replay', `${entity}:1`, '--directory', cluster.directoryUrl]);
    t.is(wrong.code, 1);
    t.regex(wrong.stderr, /is not parked/);
    await sink.setMood('up');
    const one = await worldmesh(['outbox', 'replay', `${entity}:2`, '--directory', cluster.directoryUrl]);
    t.is(one.code, 0);
    await until('the one is delivered', () => sink.taken.get(entity)?.has(2) === true);
    // While the node does not run the request waits for it; and what is delivered and not noted comes again.
    await node.kill();
    const all = await worldmesh(['outbox', 'replay', '--all', '--directory', cluster.directoryUrl]);
    t.is(all.code, 0);
    t.regex(all.stdout, /takes it at its next start/);
    node.start({ WORLDMESH_CRASH_POINT: 'afterDelivery:3' });
    node.expectEnd();
    t.true(await node.ended(UNTIL_MS_MAX));
    const { repeats } = sink;
    node.start();
    t.true(await node.ready());
    await until('nothing is parked', async () => (await list()).parkedCount === 0);
    await until('all are delivered', () => [...sink.taken.values()].every((numbers) => numbers.has(2)));
    await until('what was delivered and not noted came again', () => sink.repeats > repeats);
    t.deepEqual(sink.violations, []);
  },
);
