/** Hot spot and consolidation: all players walk into one node's land, and later go home; the balancer spreads, and names who is not needed. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Decision } from '../../src/peer/balancer-log.core.ts';
import type { CellsFacts } from '../../src/main/cells/cells.ts';
import { lineChart } from '../chart/line-chart.ts';
import type { Line } from '../chart/line-chart.ts';
import { PlayerRun } from '../cluster/player-run.ts';
import { verdictRows } from '../cluster/players-verdict.ts';
import { LoadWatch } from './load-watch.ts';
import { promise, target } from './scenario.ts';
import type { Outcome, Rule, Scenario, ScenarioContext } from './scenario.ts';

/** So that one node's part has many blocks, and a spot of some of them. */
const CELL_METRES = 64;
const RADIUS_METRES = 30;
const SPOT_METRES = 60;
const LOOK_MS = 500;
const PLAYERS_SHARE_GATHERED = 0.8;

export const hotSpot: Scenario = {
  name: 'hot-spot',
  title: 'Hot spot',
  run: (context) => balancing(context, { isCold: false }),
};

export const consolidation: Scenario = {
  name: 'consolidation',
  title: 'Consolidation',
  run: (context) => balancing(context, { isCold: true }),
};

async function balancing(context: ScenarioContext, { isCold }: { isCold: boolean }): Promise<Outcome> {
  const { isQuick, seed, tell, signal } = context;
  const clients = isCold ? (isQuick ? 6 : 20) : isQuick ? 60 : 300;
  await using run = await PlayerRun.start({
    clients,
    nodes: 3,
    seed,
    mode: 'tunnel',
    ways: 'roam',
    onProgress: tell,
    signal,
    cluster: {
      wanderersPerCell: isCold ? 1 : 4,
      settings: { 'cell-size': CELL_METRES, 'aoi-radius': RADIUS_METRES, 'balance-moves-per-minute': 60 },
    },
  });
  await run.walk();
  await using watch = await LoadWatch.open(run.cluster.directoryUrl, () => run.seconds);
  const scene = new BalancingScene(context, run, watch);
  return isCold ? await scene.gather() : await scene.spread();
}

class BalancingScene {
  readonly #context: ScenarioContext;
  readonly #run: PlayerRun;
  readonly #watch: LoadWatch;

  constructor(context: ScenarioContext, run: PlayerRun, watch: LoadWatch) {
    this.#context = context;
    this.#run = run;
    this.#watch = watch;
  }

  /** With the balancer off for the time before, so that the spot is hot; then on. */
  async spread(): Promise<Outcome> {
    const hold = this.#context.isQuick ? 8 : 30;
    const run = this.#run;
    await this.#setMode('off');
    await run.until(run.seconds + 5);
    const { name, x, z } = await this.#heartOfOne();
    run.players.meet({ x, z, radius: SPOT_METRES });
    const gathered = await this.#until(hold * 2, ({ nodes }) => share(nodes, name) >= PLAYERS_SHARE_GATHERED);
    const hotFrom = run.seconds;
    await run.until(hotFrom + hold);
    const before = this.#watch.hottestMs(hotFrom, run.seconds);
    const startMs = Date.now();
    const startSeconds = run.seconds;
    await this.#setMode('on');
    await run.until(startSeconds + hold * 2);
    const after = this.#watch.hottestMs(run.seconds - hold / 2, run.seconds);
    const { moves, seconds } = await this.#movesSince(startMs);
    const playersAfter = share(this.#watch.last.nodes, name);
    const done = `Three nodes; all ${this.#clients} players walk into the land of ${name}, within ${SPOT_METRES} m of one place, while balancing is off; after ${hold} s it is switched on.`;
    return await this.#outcome({
      name: 'hot-spot',
      done,
      marks: [{ x: startSeconds, text: 'balancing on' }],
      rules: [
        promise('the players did not gather', gathered === undefined ? 1 : 0),
        promise('no block was moved', moves.length === 0 ? 1 : 0),
        target('players that are still with the hottest node', playersAfter, { max: 0.7, unit: '' }),
        target('tick p99 of the hottest node after, of that before', after / before, { max: 0.9, unit: '' }),
      ],
      rows: [
        ['tick p99 of the hottest node before, after', `${before.toFixed(1)} ms, ${after.toFixed(1)} ms`],
        ['moves, seconds until the last', `${moves.length}, ${seconds.toFixed(1)}`],
        ...moves.slice(0, 8).map(({ text }, index) => [`move ${index + 1}`, text] as const),
      ],
    });
  }

  /** Few players, who stay together: the plan names who could be switched off, and `gather` empties one. */
  async gather(): Promise<Outcome> {
    const seconds = this.#context.isQuick ? 30 : 90;
    const run = this.#run;
    const named = await this.#until(seconds, ({ idle }) => idle.length > 0);
    const startMs = Date.now();
    const startSeconds = run.seconds;
    await this.#setMode('gather');
    const emptied = await this.#until(seconds, ({ nodes }) => [...nodes.values()].some(({ blocks }) => blocks === 0));
    const { moves } = await this.#movesSince(startMs);
    const empty = [...this.#watch.last.nodes].flatMap(([name, { blocks }]) => (blocks === 0 ? [name] : []));
    return await this.#outcome({
      name: 'consolidation',
      done: `Three nodes and ${this.#clients} players, so that fewer nodes could carry it all; then \`worldmesh cells balance gather\`, which empties who is not needed.`,
      marks: [{ x: startSeconds, text: 'gather' }],
      rules: [
        promise('nodes that could be switched off were not named', named === undefined ? 1 : 0),
        promise('no node was emptied', emptied === undefined ? 1 : 0),
      ],
      rows: [
        ['named after, seconds', named?.toFixed(1) ?? 'never'],
        ['empty after, seconds', emptied?.toFixed(1) ?? 'never'],
        ['nodes without a block', empty.join(', ')],
        ...moves.slice(0, 4).map(({ text }, index) => [`decision ${index + 1}`, text] as const),
      ],
    });
  }

  get #clients(): number {
    return [...this.#watch.last.nodes.values()].reduce((sum, { players }) => sum + players, 0);
  }

  async #outcome(parts: {
    readonly name: string;
    readonly done: string;
    readonly marks: readonly { readonly x: number; readonly text: string }[];
    readonly rules: readonly Rule[];
    readonly rows: Outcome['rows'];
  }): Promise<Outcome> {
    const picture = (of: string, title: string, yLabel: string, lines: readonly Line[]) => ({
      name: `${parts.name}-${of}`,
      svg: lineChart({ title, xLabel: 'seconds', yLabel, lines, marks: parts.marks }),
    });
    const pictures = [
      picture(
        'tick',
        'Tick p99 of each node',
        'ms',
        this.#watch.lines(({ tickP99Ms }) => tickP99Ms),
      ),
      picture(
        'players',
        'Players in the land of each node',
        'players',
        this.#watch.lines(({ players }) => players),
      ),
      picture(
        'blocks',
        'Blocks of each node',
        'blocks',
        this.#watch.lines(({ blocks }) => blocks),
      ),
    ];
    const { verdict } = await this.#run.finish();
    return {
      done: parts.done,
      rules: [
        ...parts.rules,
        promise('sessions lost', verdict.sessionsLost),
        promise('things that are wrong, by the players and the auditor', verdict.wrong.length),
      ],
      rows: [...parts.rows, ...verdictRows(verdict)],
      pictures,
      ...(verdict.wrong.length > 0 && { text: verdict.wrong.join('\n') }),
    };
  }

  async #setMode(mode: string): Promise<void> {
    await this.#run.cluster.putSetting('balance', mode);
  }

  /** Middle of the block, of any node, that has most blocks of the same node around it. */
  async #heartOfOne(): Promise<{ readonly name: string; readonly x: number; readonly z: number }> {
    const facts = await this.#watch.facts();
    const owners = new Map(facts.blocks.map(({ block, node }) => [block, node]));
    const { width, depth } = facts.grid;
    const scored = facts.blocks.map(({ block, node }) => {
      let same = 0;
      for (const other of around(block, { width, depth })) if (owners.get(other) === node) same++;
      return { block, node, same };
    });
    const best = scored.toSorted((left, right) => right.same - left.same)[0];
    if (best === undefined) throw new Error('nobody owns a block');
    const name = facts.members.find(({ node }) => node === best.node)?.name ?? '';
    return { name, ...middleOf(best.block, facts) };
  }

  /** Seconds that it took; undefined when it did not come. */
  async #until(secondsMax: number, isThere: (sample: LoadWatch['last']) => boolean): Promise<number | undefined> {
    const startSeconds = this.#run.seconds;
    while (this.#run.seconds - startSeconds < secondsMax && !this.#run.isAborted) {
      await wait(LOOK_MS);
      if (this.#watch.samples.length > 0 && isThere(this.#watch.last)) return this.#run.seconds - startSeconds;
    }
    return undefined;
  }

  async #movesSince(startMs: number): Promise<{ readonly moves: readonly Decision[]; readonly seconds: number }> {
    const { decisions } = await this.#watch.facts();
    const moves = decisions
      .filter(({ atMs, blockCount }) => atMs >= startMs && blockCount > 0)
      .toSorted((left, right) => left.atMs - right.atMs);
    return { moves, seconds: ((moves.at(-1)?.atMs ?? startMs) - startMs) / 1000 };
  }
}

function around(block: number, { width, depth }: { width: number; depth: number }): number[] {
  const [column, row] = [block % width, Math.floor(block / width)];
  const found: number[] = [];
  for (let z = Math.max(0, row - 1); z <= Math.min(depth - 1, row + 1); z++) {
    for (let x = Math.max(0, column - 1); x <= Math.min(width - 1, column + 1); x++) found.push(z * width + x);
  }
  return found;
}

function middleOf(block: number, { facts, grid }: CellsFacts): { readonly x: number; readonly z: number } {
  const side = facts.cellSize * facts.blockCells;
  const half = facts.worldSize / 2;
  return { x: ((block % grid.width) + 0.5) * side - half, z: (Math.floor(block / grid.width) + 0.5) * side - half };
}

/** Of all players, those in a node's land. */
function share(nodes: LoadWatch['last']['nodes'], name: string): number {
  const all = [...nodes.values()].reduce((sum, { players }) => sum + players, 0);
  return all === 0 ? 0 : (nodes.get(name)?.players ?? 0) / all;
}
