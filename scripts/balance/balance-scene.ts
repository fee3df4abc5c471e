/**
 * Three nodes with a third of the world each, and players who walk: what can be done to them so that the balancer has something to do.
 *
 *   crowd    all players go into the first one's third
 *   balance  the balancer is switched on, until it moves nothing any more
 *   join     a fourth node is started
 *   gather   which nodes could be switched off; they are emptied
 */
import { setTimeout as wait } from 'node:timers/promises';
import { moveBlocks, planCells, readCells } from '../../src/main/cells/cells.ts';
import type { Decision } from '../../src/peer/balancer-log.core.ts';
import { DIRECTORY_SETTINGS } from '../../src/peer/directory.ts';
import type { BalanceMode, Directory } from '../../src/peer/directory.ts';
import { openDirectory } from '../../src/peer/directory-thread.ts';
import { PlayerRun } from '../cluster/player-run.ts';
import { LoadWatch, percent } from './load-watch.ts';
import type { MeasuredNode } from './load-watch.ts';
import { simulationCpuSeconds } from './simulation-cpu.ts';

export interface BalanceSceneOptions {
  readonly clients: number;
  readonly wanderersPerCell: number;
  readonly seed: number;
  /** How long loads are looked at, before and after. */
  readonly measureSeconds: number;
  /** How long one of the steps may take. */
  readonly stepSecondsMax: number;
  readonly onProgress?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Balanced {
  readonly after: readonly MeasuredNode[];
  readonly moves: number;
  readonly blocksMoved: number;
  /** From the switch to the last move. */
  readonly balanceSeconds: number;
  /** Of the balancer, in order. */
  readonly decisions: readonly Decision[];
}

export interface Joined {
  readonly seconds: number;
  readonly blocks: number;
  readonly figures: readonly MeasuredNode[];
}

export interface Gathered {
  /** Who could be switched off, and when they were named. */
  readonly idle: readonly string[];
  readonly seconds: number;
  /** From the switch to `gather` until they were empty. */
  readonly emptySeconds: number;
}

const NODES = 3;
const CELL_METRES = 64;
const RADIUS_METRES = 48;
const MOVES_PER_MINUTE = 30;
/** The first third of the columns of cells, and the middle of it. */
const MEETING = { x: -160, z: 0, radius: 85 } as const;
const LOOK_MS = 1000;
/** No move for so long: it is done. Reasons are held for some seconds, and moved blocks rest for half a minute. */
const QUIET_SECONDS = 40;
const WALK_SECONDS = 40;
/** The machine is busy, and nobody dies here. */
const LEASE_MS = 20_000;
/** Of the mean, as a node's share of all that is carried: it has been taken into use. */
const JOINED_SHARE = 0.7;

export class BalanceScene implements AsyncDisposable {
  readonly wrong: string[] = [];
  readonly run: PlayerRun;
  readonly watch: LoadWatch;
  readonly #directory: Directory;
  readonly #resources: AsyncDisposableStack;
  readonly #options: BalanceSceneOptions;

  private constructor(
    options: BalanceSceneOptions,
    { run, directory, resources }: { run: PlayerRun; directory: Directory; resources: AsyncDisposableStack },
  ) {
    this.#options = options;
    this.run = run;
    this.#directory = directory;
    this.#resources = resources;
    this.watch = new LoadWatch(directory, () => run.seconds);
  }

  /** Resolves when everybody walks; nobody balances. */
  static async start(options: BalanceSceneOptions): Promise<BalanceScene> {
    const { clients, seed, wanderersPerCell, onProgress, signal } = options;
    await using resources = new AsyncDisposableStack();
    const started = await PlayerRun.start({
      clients,
      nodes: NODES,
      seed,
      mode: 'tunnel',
      ways: 'roam',
      onProgress,
      signal,
      cluster: {
        reserve: 1,
        leaseMs: LEASE_MS,
        wanderersPerCell,
        settings: {
          'cell-size': CELL_METRES,
          'aoi-radius': RADIUS_METRES,
          'entities-max': 32_768,
          'balance-moves-per-minute': MOVES_PER_MINUTE,
        },
      },
    });
    const run = resources.use(started);
    const directory = resources.use(await openDirectory(run.cluster.directoryUrl, { facts: undefined }));
    await directory.putSetting(DIRECTORY_SETTINGS.balance, 'off');
    await shareOut(
      directory,
      run.cluster.nodes.slice(0, NODES).map(({ name }) => name),
    );
    await run.walk();
    return new BalanceScene(options, { run, directory, resources: resources.move() });
  }

  /** All players go into the land of the first node. */
  async crowd(): Promise<readonly MeasuredNode[]> {
    const { run } = this;
    run.players.meet(MEETING);
    run.tell(`all players walk into the land of ${run.cluster.nodes[0]!.name}`);
    await run.until(run.seconds + WALK_SECONDS);
    return await this.#measure('crowded, nobody balances');
  }

  /** Switches the balancer on and waits until it moves nothing any more. */
  async balance(): Promise<Balanced> {
    const sinceMs = Date.now();
    const startSeconds = this.run.seconds;
    await this.#setMode('on');
    const lastMoveSeconds = await this.#untilQuiet();
    const after = await this.#measure('balanced');
    const decisions = (await this.#decisions()).filter(({ outcome, atMs }) => outcome === 'done' && atMs >= sinceMs);
    return {
      after,
      moves: decisions.length,
      blocksMoved: decisions.reduce((sum, { blockCount }) => sum + blockCount, 0),
      balanceSeconds: lastMoveSeconds - startSeconds,
      decisions,
    };
  }

  /** A fourth node is started under load, and taken into use. */
  async join(): Promise<Joined> {
    const { run } = this;
    const node = run.cluster.nodes[NODES]!;
    node.start();
    if (!(await node.ready())) throw new Error(`${node.name} did not get ready: ${node.output.join('\n')}`);
    run.tell(`${node.name} has joined under load`);
    let share = 0;
    const seconds = await this.#until(async () => {
      share = await this.#shareOfMean(node.name);
      return share >= JOINED_SHARE;
    });
    const carries = `carries ${percent(share)} of the mean`;
    if (seconds === undefined) this.wrong.push(`${node.name} ${carries} only`);
    const figures = await this.#measure('with four nodes');
    const blocks = figures.find(({ name }) => name === node.name)?.blocks ?? 0;
    run.tell(`${node.name} has ${blocks} blocks and ${carries}`);
    return { seconds: seconds ?? this.#options.stepSecondsMax, blocks, figures };
  }

  /** Who could be switched off is named, and in mode `gather` emptied. */
  async gather(): Promise<Gathered> {
    const { run } = this;
    const { stepSecondsMax } = this.#options;
    let idle: readonly string[] = [];
    await this.#setMode('on');
    const seconds = await this.#until(async () => {
      idle = await this.#idleNames();
      return idle.length > 0;
    });
    if (seconds === undefined) this.wrong.push('no node was named that could be switched off');
    run.tell(`could be switched off: ${idle.join(', ')} (${seconds?.toFixed(0) ?? 'never'} s)`);
    await this.#setMode('gather');
    const emptySeconds = await this.#until(async () => {
      const { blocks, members } = await readCells(this.#directory);
      const owners = new Set(blocks.map(({ node }) => node));
      return members.filter(({ node }) => owners.has(node)).length <= members.length - idle.length;
    });
    if (emptySeconds === undefined) this.wrong.push(`${idle.join(', ')} could be switched off, and were not emptied`);
    run.tell(`emptied in ${emptySeconds?.toFixed(0) ?? 'no'} s`);
    return { idle, seconds: seconds ?? stepSecondsMax, emptySeconds: emptySeconds ?? stepSecondsMax };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.watch[Symbol.dispose]();
    await this.#resources.disposeAsync();
  }

  async #setMode(mode: BalanceMode): Promise<void> {
    await this.#directory.putSetting(DIRECTORY_SETTINGS.balance, mode);
  }

  async #measure(what: string): Promise<readonly MeasuredNode[]> {
    const { run } = this;
    const startSeconds = run.seconds;
    const cpuOf = (): Map<string, number> =>
      new Map(run.cluster.nodes.map(({ name, pid }) => [name, simulationCpuSeconds(pid ?? 0)]));
    const before = cpuOf();
    await run.until(startSeconds + this.#options.measureSeconds);
    const after = cpuOf();
    const seconds = run.seconds - startSeconds;
    const figures = this.watch.figures(startSeconds).map((node) => {
      const cpuSeconds = (after.get(node.name) ?? 0) - (before.get(node.name) ?? 0);
      return { ...node, cpuShare: cpuSeconds / seconds };
    });
    for (const { name, tickP99Ms, cpuShare, entities, blocks, players } of figures) {
      run.tell(
        `${what}: ${name} tick p99 ${tickP99Ms.toFixed(1)} ms, ${percent(cpuShare)} of a core, ${entities} entities, ${players} players, ${blocks} blocks`,
      );
    }
    return figures;
  }

  /** When the last move was, on the clock of the run. */
  async #untilQuiet(): Promise<number> {
    const { run } = this;
    const startSeconds = run.seconds;
    let lastMoveSeconds = startSeconds;
    let seen = (await this.#decisions()).length;
    await this.#until(async () => {
      const decisions = await this.#decisions();
      for (const { kind, text } of decisions.slice(seen)) run.tell(`${kind}: ${text}`);
      if (decisions.length > seen) lastMoveSeconds = run.seconds;
      seen = decisions.length;
      return run.seconds - lastMoveSeconds >= QUIET_SECONDS;
    });
    return lastMoveSeconds;
  }

  /** Seconds that it took; undefined when it did not come in the time of a step. */
  async #until(isThere: () => Promise<boolean>): Promise<number | undefined> {
    const startMs = performance.now();
    while (performance.now() - startMs < this.#options.stepSecondsMax * 1000 && !this.run.isAborted) {
      if (await isThere()) return (performance.now() - startMs) / 1000;
      await wait(LOOK_MS, undefined, { signal: this.#options.signal }).catch(() => undefined);
    }
    return undefined;
  }

  async #decisions(): Promise<readonly Decision[]> {
    const { decisions } = await readCells(this.#directory);
    return decisions.filter(({ outcome }) => outcome === 'done' || outcome === 'refused');
  }

  async #shareOfMean(name: string): Promise<number> {
    const { before } = planCells(await readCells(this.#directory));
    const mean = before.reduce((sum, { share }) => sum + share, 0) / Math.max(1, before.length);
    return (before.find((node) => node.name === name)?.share ?? 0) / Math.max(mean, Number.MIN_VALUE);
  }

  async #idleNames(): Promise<string[]> {
    const facts = await readCells(this.#directory);
    const last = facts.decisions.findLast(({ kind }) => kind === 'idle');
    if (last === undefined) return [];
    return planCells(facts).idle.map((node) => facts.members.find((member) => member.node === node)?.name ?? '');
  }
}

/** Columns of cells: the same for each node, as `worldmesh cells move` does it. */
async function shareOut(directory: Directory, names: readonly string[]): Promise<void> {
  const { grid } = await readCells(directory);
  const parts = new Map<string, number[]>(names.map((name) => [name, []]));
  for (let block = 0; block < grid.blockCount; block++) {
    const column = block % grid.blocksWide;
    parts.get(names[Math.floor((column * names.length) / grid.blocksWide)]!)?.push(block);
  }
  for (const [to, blocks] of parts) await moveBlocks(directory, { blocks, to });
}
