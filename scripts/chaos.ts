/** `npm run chaos -- --minutes 15`: its flags, and what came of it for people. */
import { runChaos } from './chaos/chaos-run.ts';
import type { ChaosResult } from './chaos/chaos-run.ts';
import { NODES_COUNT_MAX } from './cluster/process-cluster.ts';
import { FAULTS } from './chaos/faults.ts';
import { runTakeoverTrials, trialText } from './chaos/takeover-trials.ts';
import type { TakeoverResult } from './chaos/takeover-trials.ts';
import { longRunCommand, number, someOf, toggle, whole } from './cluster/long-run.ts';

await longRunCommand({
  name: 'chaos',
  about:
    'A real cluster with real players, to which real faults happen, and the auditor beside it; or, with --takeover-trials, how long takeovers take. Ends with 1 when anything is wrong.',
  flags: {
    minutes: number('of faults', { by: 15, min: 0.1, max: 1440 }),
    nodes: whole('of the cluster', { by: 3, min: 2, max: NODES_COUNT_MAX }),
    clients: whole('players', { by: 30, min: 1, max: 500 }),
    faults: someOf('what may happen', FAULTS),
    'takeover-trials': number('nodes are killed so often, and nothing else happens', {
      min: 1,
      max: 1000,
      isWhole: true,
    }),
    keep: toggle("the cluster's files stay"),
  },
  run: async ({ minutes, nodes, clients, faults, 'takeover-trials': trials, keep }, { seed, onProgress, signal }) =>
    trials === undefined
      ? await runChaos({ seconds: 60 * minutes, seed, nodes, clients, faults, keep, onProgress, signal })
      : await runTakeoverTrials({ trials, seed, nodes, clients, onProgress }),
  text: (result) => ('trials' in result ? takeoverText(result) : chaosText(result)),
});

function chaosText(result: ChaosResult): string {
  const row = (label: string, value: string | number): string => `${label.padEnd(34)}${value}`;
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
  const faults = Object.entries(result.faults).toSorted(([left], [right]) => left.localeCompare(right));
  const lines = [
    '',
    row(
      'faults',
      faults.reduce((sum, [, count]) => sum + count, 0),
    ),
    ...faults.map(([fault, count]) => row(`  ${fault}`, count)),
    row('entities before, after', `${result.entitiesBefore}, ${result.entitiesAfter}`),
    row('sessions before, after', `${result.sessionsBefore}, ${result.sessionsAfter}`),
    row('  connections lost', `${result.reconnects}, of which ${result.sessionsNew} began a new session`),
    row('inputs sent, acknowledged', `${result.inputsSent}, ${result.inputsAcknowledged}`),
    row('  twice, never (by the world)', `${result.inputsTwice}, ${result.inputsMissed}`),
    row('handovers, takeovers', `${result.handovers}, ${result.takeovers}`),
    row('changes of node that players saw', result.ownerChanges),
    row(
      'longest stall of a player',
      `${seconds(result.longestStallMs)} connected, ${seconds(result.longestOutageMs)} with reconnects`,
    ),
    row('jumps of players', `${result.jumps}, the longest ${result.longestJumpMetres.toFixed(1)} m`),
    row('audits', result.audits),
    row('verdict', result.verdict),
    '',
    ...result.wrong.map((text) => `WRONG  ${text}`),
    result.wrong.length === 0
      ? 'Nothing is wrong.'
      : `Again: npm run chaos -- --seed ${result.seed} --minutes ${result.seconds / 60}`,
    '',
  ];
  return lines.join('\n');
}

function takeoverText({ trials, wrong }: TakeoverResult): string {
  const sorted = trials.map(({ firstTickMs }) => firstTickMs).toSorted((left, right) => left - right);
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(0);
  const lines = [
    '',
    ...trials.map(trialText),
    '',
    `time to the first tick elsewhere: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, of ${trials.length}`,
    ...wrong.map((text) => `WRONG  ${text}`),
    wrong.length === 0 ? 'Nothing is wrong.' : '',
    '',
  ];
  return lines.join('\n');
}
