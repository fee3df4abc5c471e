/**
 * `npm run disaster-drill`: the drill of docs/BACKUP.md. Prints what was measured; exits with 1 when anything did not come back.
 */
import { parseArgs } from 'node:util';
import { NODES_COUNT_MAX } from './cluster/process-cluster.ts';
import { startLongRun } from './cluster/long-run.ts';
import { tableText } from './cluster/players-verdict.ts';
import type { Row } from './cluster/players-verdict.ts';
import { runDrill } from './disaster-drill/drill-run.ts';
import type { DrillResult } from './disaster-drill/drill-run.ts';

const USAGE =
  'npm run disaster-drill -- [--players 24] [--resting 8] [--seconds 8] [--nodes 3] [--seed N] [--keep] [--json]';

const { values } = parseArgs({
  options: {
    players: { type: 'string', default: '24' },
    resting: { type: 'string', default: '8' },
    seconds: { type: 'string', default: '8' },
    nodes: { type: 'string', default: '3' },
    seed: { type: 'string' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(`${USAGE}\n`);
else process.exitCode = await main();

async function main(): Promise<number> {
  const { seed, onProgress } = startLongRun(values.seed === undefined ? undefined : numberOf('seed', 0, 2 ** 31 - 1));
  const result = await runDrill({
    players: numberOf('players', 1, 200),
    resting: numberOf('resting', 1, 200),
    seconds: numberOf('seconds', 1, 3600),
    nodes: numberOf('nodes', 2, NODES_COUNT_MAX),
    keep: values.keep,
    seed,
    onProgress,
  });
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : drillText(result));
  return result.wrong.length === 0 ? 0 : 1;
}

function numberOf(name: 'players' | 'resting' | 'seconds' | 'nodes' | 'seed', min: number, max: number): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`--${name} from ${min} to ${max}, not ${values[name]}\n\n${USAGE}`);
}

function drillText(result: DrillResult): string {
  const { manifest, gapsMs, handovers, entities, atRest, wrong, verdicts } = result;
  const ms = (value: number): string => `${value.toFixed(0)} ms`;
  const rows: Row[] = [
    [
      'backup: handovers paused, snapshots begun within',
      `${manifest.pauseMs} ms, ${manifest.snapshotsMs} ms (try ${manifest.attempts})`,
    ],
    ['the whole command', ms(result.backupMs)],
    [
      'longest gap of a player before, during, after the backup',
      [gapsMs.before, gapsMs.during, gapsMs.after].map(ms).join(', '),
    ],
    ['sessions, connections lost before the disaster', `${result.sessionsLostBefore}, ${result.connectionsLostBefore}`],
    ['handovers before, during, after the backup', `${handovers.before}, ${handovers.during}, ${handovers.after}`],
    [
      'entities live, in the backup, restored, running',
      [entities.live, entities.backup, entities.restored, entities.running].join(', '),
    ],
    ['players at rest live, restored', `${atRest.live}, ${atRest.restored}`],
    ['farthest from where it rested', `${result.farthestMetres.toFixed(2)} m`],
    ['restore', ms(result.restoreMs)],
    ['from the kill until all players are back', `${(result.outageMs / 1000).toFixed(1)} s`],
    ['players back, with new sessions', `${result.playersBack}, ${result.sessionsNewAfter}`],
    [
      'audits',
      Object.entries(verdicts)
        .map(([name, verdict]) => `${name} ${verdict}`)
        .join(', '),
    ],
  ];
  const closing =
    wrong.length === 0
      ? ['Everything came back.']
      : [...wrong.map((text) => `WRONG  ${text}`), `Again: npm run disaster-drill -- --seed ${result.seed}`];
  return `${tableText(rows)}\n\n${closing.join('\n')}\n`;
}
