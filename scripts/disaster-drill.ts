/** `npm run disaster-drill`: its flags, and what came of it for people. */
import { NODES_COUNT_MAX } from './cluster/process-cluster.ts';
import { tableText } from './cluster/players-verdict.ts';
import type { Row } from './cluster/players-verdict.ts';
import { runDrill } from './disaster-drill/drill-run.ts';
import type { DrillResult } from './disaster-drill/drill-run.ts';
import { longRunCommand, number, toggle, whole } from './cluster/long-run.ts';

await longRunCommand({
  name: 'disaster-drill',
  about:
    'The drill of docs/BACKUP.md: a cluster is backed up while players play, killed, loses all its disks, and is restored. Ends with 1 when anything did not come back.',
  flags: {
    players: whole('who play', { by: 24, min: 1, max: 200 }),
    resting: whole('who have left before', { by: 8, min: 1, max: 200 }),
    seconds: number('before, and after the backup', { by: 8, min: 1, max: 3600 }),
    nodes: whole('of the cluster', { by: 3, min: 2, max: NODES_COUNT_MAX }),
    keep: toggle("the cluster's files stay"),
  },
  run: (values, { seed, onProgress }) => runDrill({ ...values, seed, onProgress }),
  text: drillText,
});

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
