/** Hot spot and consolidation: all players walk into one node's land, and the balancer spreads; few play, and it names who is not needed. */
import { lineChart } from '../chart/line-chart.ts';
import { BalanceScene } from '../balance/balance-scene.ts';
import { hottestOf, percent, playersShare } from '../balance/load-watch.ts';
import type { MeasuredNode, NodeFigures } from '../balance/load-watch.ts';
import { verdictRows } from '../cluster/players-verdict.ts';
import { promise, target } from './scenario.ts';
import type { Outcome, Scenario, ScenarioContext } from './scenario.ts';

const GATHERED_SHARE_MIN = 0.8;
const SPREAD_SHARE_MAX = 0.7;
const CPU_SHARE_MAX = 0.9;
const ROWS_MAX = 8;

export const hotSpot: Scenario = {
  name: 'hot-spot',
  title: 'Hot spot',
  async run(context): Promise<Outcome> {
    const { isQuick } = context;
    const clients = isQuick ? 60 : 450;
    await using scene = await start(context, { clients, wanderersPerCell: isQuick ? 4 : 40 });
    const before = await scene.crowd();
    const hot = hottestOf(before);
    if (hot === undefined) throw new Error('no node reported its load');
    const startSeconds = scene.run.seconds;
    const { after, moves, balanceSeconds, decisions } = await scene.balance();
    const spread = hottestOf(after);
    if (spread === undefined) throw new Error('no node reported its load after balancing');
    return await finish(scene, {
      name: 'hot-spot',
      done: `Three nodes; all ${clients} players walk into the land of ${hot.name} while balancing is off; then it is switched on, until nothing is moved any more.`,
      mark: { x: startSeconds, text: 'balancing on' },
      rules: [
        promise('the players did not gather', playersShare(before, hot.name) < GATHERED_SHARE_MIN ? 1 : 0),
        target('no block was moved', moves === 0 ? 1 : 0, { max: 0, unit: '' }),
        target('players that are still with that node', playersShare(after, hot.name), {
          max: SPREAD_SHARE_MAX,
          unit: '',
        }),
        target('CPU of simulation of the hottest node after, of that before', spread.cpuShare / hot.cpuShare, {
          max: CPU_SHARE_MAX,
          unit: '',
        }),
      ],
      rows: [
        ['hottest node before', figuresText(hot)],
        ['hottest node after', figuresText(spread)],
        ['moves, seconds until the last', `${moves}, ${balanceSeconds.toFixed(1)}`],
        ...decisions.slice(0, ROWS_MAX).map(({ text }, index) => [`move ${index + 1}`, text] as const),
      ],
    });
  },
};

export const consolidation: Scenario = {
  name: 'consolidation',
  title: 'Consolidation',
  async run(context): Promise<Outcome> {
    const clients = context.isQuick ? 6 : 20;
    await using scene = await start(context, { clients, wanderersPerCell: 1 });
    const startSeconds = scene.run.seconds;
    const { idle, seconds, emptySeconds } = await scene.gather();
    return await finish(scene, {
      name: 'consolidation',
      done: `Three nodes and ${clients} players, so that fewer nodes could carry it all; then \`worldmesh cells balance gather\`, which empties who is not needed.`,
      mark: { x: startSeconds + seconds, text: 'gather' },
      rules: [promise('nodes were not named, or not emptied', scene.wrong.length)],
      rows: [
        ['could be switched off, named after seconds', `${idle.join(', ')}, ${seconds.toFixed(1)}`],
        ['empty after, seconds', emptySeconds.toFixed(1)],
      ],
    });
  },
};

function figuresText({ name, tickP50Ms, tickP99Ms, busyShare, cpuShare }: MeasuredNode): string {
  const ticks = `tick p50 ${tickP50Ms.toFixed(1)} ms, p99 ${tickP99Ms.toFixed(1)} ms, ${percent(busyShare)} busy`;
  return `${name}: ${ticks}, ${percent(cpuShare)} of a core computing`;
}

function start(
  { isQuick, seed, tell, signal }: ScenarioContext,
  load: { readonly clients: number; readonly wanderersPerCell: number },
): Promise<BalanceScene> {
  const times = isQuick ? { measureSeconds: 6, stepSecondsMax: 40 } : { measureSeconds: 15, stepSecondsMax: 240 };
  return BalanceScene.start({ ...load, ...times, seed, onProgress: tell, signal });
}

const PICTURES: readonly {
  readonly of: string;
  readonly title: string;
  readonly yLabel: string;
  readonly value: (figures: NodeFigures) => number;
}[] = [
  { of: 'tick', title: 'Tick p99 of each node', yLabel: 'ms', value: ({ tickP99Ms }) => tickP99Ms },
  { of: 'players', title: 'Players in the land of each node', yLabel: 'players', value: ({ players }) => players },
  { of: 'blocks', title: 'Blocks of each node', yLabel: 'blocks', value: ({ blocks }) => blocks },
];

async function finish(
  { run, watch }: BalanceScene,
  parts: Pick<Outcome, 'done' | 'rules' | 'rows'> & {
    readonly name: string;
    readonly mark: { readonly x: number; readonly text: string };
  },
): Promise<Outcome> {
  const pictures = PICTURES.map(({ of, title, yLabel, value }) => ({
    name: `${parts.name}-${of}`,
    svg: lineChart({ title, xLabel: 'seconds', yLabel, lines: watch.lines(value), marks: [parts.mark] }),
  }));
  const { verdict } = await run.finish();
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
