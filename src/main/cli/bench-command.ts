/** `worldmesh bench`. */
import type { Command } from 'commander';
import type { BenchResult } from '../bench/run-bench.ts';
import { positiveNumber, wholeNumber } from './number-argument.ts';
import { Progress, examples, note, print, printJson } from './output.ts';
import { addSettingFlags } from './setting-flags.ts';

interface BenchFlags {
  readonly entities: number;
  readonly seconds: number;
  readonly ticks?: number;
  readonly max?: boolean;
  readonly json?: boolean;
}

const ENTITIES_MAX = 8_388_608;
/** Unless told otherwise, worlds of all sizes are as dense as one of 2,048 m with 10,000 entities. */
const DENSE_WORLD_METRES = 2048;
const DENSE_WORLD_ENTITIES = 10_000;
const WORLD_METRES_MAX = 131_072;

export function addBenchCommand(program: Command): void {
  const command = program
    .command('bench')
    .description('Measure ticks: percentiles of tick time, phases and lateness, beside the raw loop of the same run')
    .option('--entities <count>', 'entities in the world', wholeNumber(1, ENTITIES_MAX), DENSE_WORLD_ENTITIES)
    .option('--seconds <seconds>', 'how long to measure', positiveNumber(86_400), 10)
    .option('--ticks <count>', 'measure so many ticks instead', wholeNumber(1, 100_000_000))
    .option('--max', 'tick as fast as possible instead of in real time')
    .option('--json', 'print the result as JSON');
  const flags = addSettingFlags(command, [
    'worldSize',
    'cellSize',
    'hysteresis',
    'workers',
    'kernel',
    'tickHz',
    'catchUpTicksMax',
    'seed',
  ]);
  command.addHelpText(
    'after',
    examples([
      'worldmesh bench',
      'worldmesh bench --entities 100000 --workers 2 --seconds 30',
      'worldmesh bench --entities 1000000 --max --ticks 500 --kernel typescript',
      'worldmesh bench --entities 100000 --max --json > bench.json',
    ]),
  );
  command.action(async ({ entities, seconds, ticks, max = false, json }: BenchFlags) => {
    // Snapshots play no part here; at one a tick they go with every tick rate.
    const given = flags.read();
    const settings = { ...given.settings, snapshotHz: given.settings.tickHz };
    const { runBench } = await import('../bench/run-bench.ts');
    const worldSize = settings.worldSize ?? worldSizeFor(entities, settings.cellSize);
    let result: BenchResult;
    {
      using progress = new Progress();
      const onProgress = (text: string): void => progress.show(text);
      result = await runBench({
        settings,
        entities,
        worldSize,
        seconds,
        ticks,
        asFastAsPossible: max,
        onProgress,
        onProblem: (text) => note(`worldmesh: ${text}`),
      });
    }
    if (json) return printJson(result);
    const { benchText } = await import('../bench/bench-report.ts');
    print(benchText(result));
  });
}

/** A whole number of cells on each side. */
function worldSizeFor(entities: number, cellSize: number): number {
  const metres = DENSE_WORLD_METRES * Math.sqrt(entities / DENSE_WORLD_ENTITIES);
  const cells = Math.max(2, Math.round(metres / cellSize / 2) * 2);
  return Math.min(WORLD_METRES_MAX, cells * cellSize);
}
