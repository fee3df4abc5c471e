/**
 * `npm run chaos -- --minutes 15`: a real cluster with real players, to which real faults happen, and the auditor beside it.
 * Exits with 1 when anything is wrong. `--takeover-trials 10` measures takeovers instead.
 */
import { parseArgs } from 'node:util';
import { runChaos } from './chaos/chaos-run.ts';
import type { ChaosResult } from './chaos/chaos-run.ts';
import { NODES_COUNT_MAX } from './cluster/process-cluster.ts';
import { FAULTS } from './chaos/faults.ts';
import type { Fault } from './chaos/faults.ts';
import { runTakeoverTrials, trialText } from './chaos/takeover-trials.ts';
import type { TakeoverResult } from './chaos/takeover-trials.ts';
import { numberFlag } from './cluster/long-run.ts';

const USAGE = `npm run chaos -- [--minutes 15] [--seed N] [--nodes 3] [--clients 30] [--faults "pause,full disk"] [--keep] [--json]
npm run chaos -- --takeover-trials 10 [--seed N] [--nodes 3] [--clients 30] [--json]

faults: ${FAULTS.join(', ')}`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '15' },
    seed: { type: 'string' },
    nodes: { type: 'string', default: '3' },
    clients: { type: 'string', default: '30' },
    faults: { type: 'string' },
    'takeover-trials': { type: 'string' },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  process.stdout.write(`${USAGE}\n`);
} else {
  process.exitCode = await main();
}

async function main(): Promise<number> {
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : numberOf('seed', 0, 2 ** 32 - 1);
  const nodes = numberOf('nodes', 2, NODES_COUNT_MAX);
  const clients = numberOf('clients', 1, 500);
  const startMs = performance.now();
  const onProgress = (text: string): void => {
    process.stderr.write(`${((performance.now() - startMs) / 1000).toFixed(1).padStart(7)} s  ${text}\n`);
  };
  process.stderr.write(`seed ${seed}\n`);
  if (values['takeover-trials'] !== undefined) {
    const trials = numberOf('takeover-trials', 1, 1000);
    const result = await runTakeoverTrials({ trials, seed, nodes, clients, onProgress });
    process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : takeoverText(result));
    return result.wrong.length === 0 ? 0 : 1;
  }
  // The first signal ends the faults, and what is there is still audited and cleaned up; the second one ends all.
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  const seconds = 60 * numberOf('minutes', 0.1, 1440);
  const faults = faultsOf(values.faults);
  const result = await runChaos({
    seconds,
    seed,
    nodes,
    clients,
    ...(faults && { faults }),
    keep: values.keep,
    onProgress,
    signal: stop.signal,
  });
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : chaosText(result));
  return result.wrong.length === 0 ? 0 : 1;
}

function numberOf(
  name: 'seed' | 'nodes' | 'clients' | 'minutes' | 'takeover-trials',
  min: number,
  max: number,
): number {
  return numberFlag(name, values[name] ?? '', { min, max, usage: USAGE });
}

function faultsOf(text: string | undefined): readonly Fault[] | undefined {
  if (text === undefined) return undefined;
  return text.split(',').map((part) => {
    const fault = FAULTS.find((known) => known === part.trim());
    if (fault === undefined) throw new RangeError(`no fault "${part}"\n\n${USAGE}`);
    return fault;
  });
}

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
