/**
 * Three processes, and a crowded block that is moved by `worldmesh cells move` while players are in it: nobody is lost, by the
 * auditor's count, and its entities leave no faster than credits allow.
 */
import test from 'ava';
import { moveBlocks, readCells } from '../../src/main/cells/cells.ts';
import { sampleCluster } from '../../src/main/status/sample.ts';
import { clusterStatus } from '../../src/main/status/status.core.ts';
import { openDirectory } from '../../src/peer/directory-thread.ts';
import { blockOfCell } from '../../src/peer/placement.core.ts';
import { CREDITS_DEFAULT } from '../../src/peer/protocol.ts';
import { ClusterAuditor } from '../../scripts/cluster/cluster-auditor.ts';
import { Players } from '../../scripts/cluster/players.ts';
import { judgePlayers } from '../../scripts/cluster/players-verdict.ts';
import { ProcessCluster } from '../../scripts/cluster/process-cluster.ts';
import { until } from '../main/cluster/session-cluster.ts';

const PLAYERS = 12;
const WANDERERS_PER_CELL = 320;
/** 4 × 4 cells in four blocks: one holds 1,280 wanderers, more than may be under way at once. */
const SETTINGS = { 'cell-size': 128, 'block-cells': 2 };

test.serial('a crowded block is moved between three processes, and nobody is lost', async (t) => {
  t.timeout(180_000);
  await using cluster = await ProcessCluster.start({
    nodes: 3,
    takeoverAfterMs: 100,
    leaseMs: 8000,
    wanderersPerCell: WANDERERS_PER_CELL,
    withDisk: false,
    withProxies: false,
    settings: SETTINGS,
  });
  await using directory = await openDirectory(cluster.directoryUrl, { facts: undefined });
  await directory.putSetting('balance', 'off');
  const { grid } = await readCells(directory);
  const block = blockOfCell(grid, 0);
  const blocks = Array.from({ length: grid.blockCount }, (_, number) => number);
  await until('all blocks have owners', async () => (await directory.blocks()).every(({ isPopulated }) => isPopulated));
  await moveBlocks(directory, { blocks, to: 'a' });
  const row = async (name: string) => {
    const { nodes } = clusterStatus(await sampleCluster(cluster.directoryUrl), undefined);
    return nodes.find((node) => node.name === name);
  };
  const all = WANDERERS_PER_CELL * 16;
  await until('a has everybody', async () => (await row('a'))?.entities === all);

  const tokens = await Promise.all(Array.from({ length: PLAYERS }, (_, index) => cluster.token(`player-${index}`)));
  await using players = await Players.join({
    urls: cluster.nodes.map(({ url }) => url),
    count: PLAYERS,
    tokens,
    mode: 'tunnel',
    seed: 7,
    inputsHz: 10,
    ways: 'roam',
  });
  const auditor = new ClusterAuditor(cluster, (text) => t.log(text));
  await auditor.audit({ settleMs: undefined, inputs: [] });
  players.walk();
  players.meet({ x: -128, z: -128, radius: 80 });

  const moved = await moveBlocks(directory, { blocks: [block], to: 'b' });
  t.deepEqual([...moved], [['a', [block]]]);
  let inFlightMost = 0;
  await until('b has what was in the block', async () => {
    const [source, target] = [await row('a'), await row('b')];
    inFlightMost = Math.max(inFlightMost, source?.inFlight ?? 0);
    return (target?.entities ?? 0) >= WANDERERS_PER_CELL * 3;
  });
  t.true(inFlightMost <= CREDITS_DEFAULT, `${inFlightMost} under way at once`);
  const verdict = await judgePlayers({ cluster, players, auditor, clients: PLAYERS });
  t.deepEqual(verdict.wrong, []);
  t.is(verdict.verdict, 'proven');
  t.is(auditor.counts?.entities, all + PLAYERS);
  t.true(verdict.handovers >= WANDERERS_PER_CELL * 3);
  t.log({ inFlightMost, handovers: verdict.handovers, longestGapMs: verdict.longestGapMs.max });
});
