/**
 * A crowd walks into one node's area, and the balancer has to help: how long the hottest node's ticks take before and after, what was
 * moved, and whether anybody was lost over it. Then a node joins under load, and at last everybody leaves.
 *
 *   settle   three nodes, a third of the world each; nobody balances
 *   crowd    all players in the first one's third
 *   balance  the balancer is switched on, until it moves nothing any more
 *   join     a fourth node is started
 *   judge    players come to rest; every input and entity is counted
 *   leave    no players: which nodes could be switched off; they are emptied
 */
import { setTimeout as wait } from 'node:timers/promises';
import { mixSeed } from '../../src/base/random.ts';
import { moveBlocks, planCells, readCells } from '../../src/main/cells/cells.ts';
import type { Decision } from '../../src/peer/balancer-log.core.ts';
import { DIRECTORY_SETTINGS } from '../../src/peer/directory.ts';
import type { BalanceMode, Directory } from '../../src/peer/directory.ts';
import { openDirectory } from '../../src/peer/directory-thread.ts';
import { ClusterAuditor } from '../cluster/cluster-auditor.ts';
import { Players } from '../cluster/players.ts';
import { judgePlayers } from '../cluster/players-verdict.ts';
import type { PlayersVerdict } from '../cluster/players-verdict.ts';
import { ProcessCluster } from '../cluster/process-cluster.ts';
import { LoadWatch } from './load-watch.ts';
import type { NodeFigures } from './load-watch.ts';

export interface BalanceOptions {
  readonly clients: number;
  readonly wanderersPerCell: number;
  readonly seed: number;
  /** How long loads are looked at, before and after. */
  readonly measureSeconds: number;
  readonly stepSecondsMax: number;
  readonly onProgress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface BalanceResult {
  readonly seed: number;
  readonly clients: number;
  readonly wanderersPerCell: number;
  readonly seconds: number;
  readonly before: readonly NodeFigures[];
  readonly after: readonly NodeFigures[];
  readonly moves: number;
  readonly blocksMoved: number;
  readonly balanceSeconds: number;
  /** Of the balancer, in order. */
  readonly decisions: readonly Decision[];
  readonly join: {
    readonly seconds: number;
    readonly blocks: number;
    readonly figures: readonly NodeFigures[];
  };
  readonly leave: { readonly idle: readonly string[]; readonly seconds: number; readonly emptySeconds: number };
  readonly verdict: PlayersVerdict;
  readonly wrong: readonly string[];
}

const NODES = 3;
const CELL_METRES = 64;
const RADIUS_METRES = 48;
const INPUTS_HZ = 10;
const MOVES_PER_MINUTE = 30;
/** The first third of the columns of cells, and the middle of it. */
const MEETING = { x: -160, z: 0, radius: 85 } as const;
const LOOK_MS = 1000;
/** No move for so long: it is done. Reasons are held for some seconds, and moved blocks rest for half a minute. */
const QUIET_MS = 40_000;
const WALK_MS = 40_000;
/** Of the mean, as a node's share of all that is carried: it has been taken into use. */
const JOINED_SHARE = 0.7;

export async function runBalance(options: BalanceOptions): Promise<BalanceResult> {
  const { clients, seed, wanderersPerCell } = options;
  const startMs = performance.now();
  const tell = options.onProgress ?? (() => {});
  await using cluster = await startCluster(options);
  await using directory = await openDirectory(cluster.directoryUrl, { facts: undefined });
  using watch = new LoadWatch(directory);
  const run = new BalanceRun({ cluster, directory, watch, options, tell });
  await run.setMode('off');
  await wait(QUIET_START_MS);
  await run.shareOutThirds();
  await wait(QUIET_START_MS);
  const tokens = await Promise.all(Array.from({ length: clients }, (_, index) => cluster.token(`player-${index + 1}`)));
  const players = await Players.join({
    urls: cluster.nodes.slice(0, NODES).map(({ url }) => url),
    count: clients,
    tokens,
    mode: 'tunnel',
    seed: mixSeed(seed, 2),
    inputsHz: INPUTS_HZ,
    ways: 'roam',
  });
  try {
    const auditor = new ClusterAuditor(cluster, tell);
    await wait(QUIET_START_MS);
    await auditor.audit({ settleMs: undefined, inputs: [] });
    players.walk();
    players.meet(MEETING);
    tell(`${clients} players walk into the area of a`);
    await run.pass(WALK_MS);
    const before = await run.measure('crowded, nobody balances');
    const balanced = await run.balance();
    const after = await run.measure('balanced');
    const join = await run.joinFourth();
    await auditor.audit({ settleMs: undefined, inputs: [] });
    const verdict = await judgePlayers({ cluster, players, auditor, clients });
    tell(`${verdict.verdict}: ${verdict.handovers} handovers, ${verdict.online} of ${clients} online`);
    await players[Symbol.asyncDispose]();
    const leave = await run.leave();
    await cluster.setHandoverPercent(0);
    const last = await auditor.audit({ settleMs: SETTLE_MS, inputs: [] });
    const wrong = [...verdict.wrong, ...run.wrong, ...lastWrong(auditor, last.verdict, verdict)];
    const seconds = (performance.now() - startMs) / 1000;
    return { seed, clients, wanderersPerCell, seconds, before, after, ...balanced, join, leave, verdict, wrong };
  } finally {
    await players[Symbol.asyncDispose]();
  }
}

const QUIET_START_MS = 3000;
const SETTLE_MS = 20_000;

function startCluster({ clients, wanderersPerCell }: BalanceOptions): Promise<ProcessCluster> {
  return ProcessCluster.start({
    nodes: NODES,
    reserve: 1,
    takeoverAfterMs: 100,
    // The machine is busy, and nobody dies here.
    leaseMs: 20_000,
    wanderersPerCell,
    withDisk: false,
    withProxies: false,
    settings: {
      'cell-size': CELL_METRES,
      'aoi-radius': RADIUS_METRES,
      'sessions-max': clients + 64,
      'connections-max': 2 * clients + 256,
      'entities-max': 32_768,
      'balance-moves-per-minute': MOVES_PER_MINUTE,
    },
  });
}

function lastWrong(auditor: ClusterAuditor, verdict: string, before: PlayersVerdict): string[] {
  const wrong = [...auditor.wrong].filter((text) => !before.wrong.includes(text));
  return verdict === 'proven' ? wrong : [...wrong, `after everybody had left the auditor says "${verdict}"`];
}

interface BalanceRunParts {
  readonly cluster: ProcessCluster;
  readonly directory: Directory;
  readonly watch: LoadWatch;
  readonly options: BalanceOptions;
  readonly tell: (text: string) => void;
}

class BalanceRun {
  readonly wrong: string[] = [];
  readonly #parts: BalanceRunParts;

  constructor(parts: BalanceRunParts) {
    this.#parts = parts;
  }

  async setMode(mode: BalanceMode): Promise<void> {
    await this.#parts.directory.putSetting(DIRECTORY_SETTINGS.balance, mode);
  }

  /** Columns of cells: a third for each node, as `worldmesh cells move` does it. */
  async shareOutThirds(): Promise<void> {
    const { cluster, directory } = this.#parts;
    const { grid } = await readCells(directory);
    const thirds = new Map<string, number[]>(cluster.nodes.slice(0, NODES).map(({ name }) => [name, []]));
    const names = [...thirds.keys()];
    for (let block = 0; block < grid.blockCount; block++) {
      const column = block % grid.blocksWide;
      thirds.get(names[Math.floor((column * NODES) / grid.blocksWide)] ?? '')?.push(block);
    }
    for (const [to, blocks] of thirds) await moveBlocks(directory, { blocks, to });
  }

  /** Lets time pass, or less when the run is ended. */
  async pass(durationMs: number): Promise<void> {
    const { signal } = this.#parts.options;
    await wait(durationMs, undefined, { signal }).catch((error: unknown) => {
      if (!signal?.aborted) throw error;
    });
  }

  async measure(what: string): Promise<readonly NodeFigures[]> {
    const { watch, options, tell } = this.#parts;
    watch.clear();
    await this.pass(options.measureSeconds * 1000);
    const figures = watch.figures();
    for (const { name, tickP99Ms, busyShare, entities, blocks, players } of figures) {
      const busy = `${(100 * busyShare).toFixed(0)} % busy`;
      tell(
        `${what}: ${name} tick p99 ${tickP99Ms.toFixed(1)} ms, ${busy}, ${entities} entities, ${players} players, ${blocks} blocks`,
      );
    }
    return figures;
  }

  /** Switches the balancer on and waits until it moves nothing any more. */
  async balance(): Promise<Pick<BalanceResult, 'moves' | 'blocksMoved' | 'balanceSeconds' | 'decisions'>> {
    const sinceMs = Date.now();
    await this.setMode('on');
    const { lastMoveMs, startMs } = await this.#untilQuiet();
    const decisions = (await this.#decisions()).filter(({ outcome, atMs }) => outcome === 'done' && atMs >= sinceMs);
    return {
      moves: decisions.length,
      blocksMoved: decisions.reduce((sum, { blockCount }) => sum + blockCount, 0),
      balanceSeconds: (lastMoveMs - startMs) / 1000,
      decisions,
    };
  }

  async joinFourth(): Promise<BalanceResult['join']> {
    const { cluster, tell, options, watch } = this.#parts;
    const node = cluster.nodes[NODES]!;
    node.start();
    if (!(await node.ready())) throw new Error(`${node.name} did not get ready: ${node.output.join('\n')}`);
    const startMs = performance.now();
    tell(`${node.name} has joined under load`);
    const deadlineMs = startMs + options.stepSecondsMax * 1000;
    let share = 0;
    while (share < JOINED_SHARE && performance.now() < deadlineMs && options.signal?.aborted !== true) {
      await this.pass(LOOK_MS);
      share = await this.#shareOfMean(node.name);
    }
    const seconds = (performance.now() - startMs) / 1000;
    if (share < JOINED_SHARE) this.wrong.push(`${node.name} carries ${(100 * share).toFixed(0)} % of the mean only`);
    watch.clear();
    await this.pass(options.measureSeconds * 1000);
    const figures = watch.figures();
    const blocks = figures.find(({ name }) => name === node.name)?.blocks ?? 0;
    tell(
      `${node.name} was given ${blocks} blocks in ${seconds.toFixed(0)} s and carries ${(100 * share).toFixed(0)} % of the mean`,
    );
    return { seconds, blocks, figures };
  }

  /** Nobody plays any more: which nodes are named, and how long it takes to empty them. */
  async leave(): Promise<BalanceResult['leave']> {
    const { cluster, directory, tell, options } = this.#parts;
    await cluster.setHandoverPercent(100);
    const startMs = performance.now();
    const deadlineMs = startMs + options.stepSecondsMax * 1000;
    let idle: readonly string[] = [];
    while (idle.length === 0 && performance.now() < deadlineMs) {
      await this.pass(LOOK_MS);
      idle = await this.#idleNames();
    }
    const seconds = (performance.now() - startMs) / 1000;
    if (idle.length === 0) this.wrong.push('no node could be switched off after all had left');
    tell(`could be switched off: ${idle.join(', ')} (${seconds.toFixed(0)} s after the last player)`);
    await this.setMode('gather');
    const isEmpty = async (): Promise<boolean> => {
      const { blocks, members } = await readCells(directory);
      const owners = new Set(blocks.map(({ node }) => node));
      return members.filter(({ node }) => owners.has(node)).length <= members.length - idle.length;
    };
    const gatherMs = performance.now();
    while (!(await isEmpty()) && performance.now() < gatherMs + options.stepSecondsMax * 1000) await this.pass(LOOK_MS);
    const emptySeconds = (performance.now() - gatherMs) / 1000;
    if (!(await isEmpty())) this.wrong.push(`${idle.join(', ')} could be switched off, and were not emptied`);
    tell(`emptied in ${emptySeconds.toFixed(0)} s`);
    return { idle, seconds, emptySeconds };
  }

  async #untilQuiet(): Promise<{ startMs: number; lastMoveMs: number }> {
    const { options, tell } = this.#parts;
    const startMs = performance.now();
    let lastMoveMs = startMs;
    let seen = (await this.#decisions()).length;
    while (performance.now() - lastMoveMs < QUIET_MS && performance.now() - startMs < options.stepSecondsMax * 1000) {
      if (options.signal?.aborted) break;
      await this.pass(LOOK_MS);
      const decisions = await this.#decisions();
      for (const { kind, text } of decisions.slice(seen)) tell(`${kind}: ${text}`);
      if (decisions.length > seen) lastMoveMs = performance.now();
      seen = decisions.length;
    }
    return { startMs, lastMoveMs };
  }

  async #decisions(): Promise<readonly Decision[]> {
    const { decisions } = await readCells(this.#parts.directory);
    return decisions.filter(({ outcome }) => outcome === 'done' || outcome === 'refused');
  }

  async #shareOfMean(name: string): Promise<number> {
    const { before } = planCells(await readCells(this.#parts.directory));
    const mean = before.reduce((sum, { share }) => sum + share, 0) / Math.max(1, before.length);
    return (before.find((node) => node.name === name)?.share ?? 0) / Math.max(mean, Number.MIN_VALUE);
  }

  async #idleNames(): Promise<string[]> {
    const facts = await readCells(this.#parts.directory);
    const last = facts.decisions.findLast(({ kind }) => kind === 'idle');
    if (last === undefined) return [];
    return planCells(facts).idle.map((node) => facts.members.find((member) => member.node === node)?.name ?? '');
  }
}
