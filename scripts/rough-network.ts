/**
 * What a player notices of a bad network and a wrong clock: `npm run rough-network`. A client whose UTC is hours off and drifts walks and turns
 * through a proxy with latency, jitter and loss; then the same through a proxy with none of it.
 *
 *   --seconds N      of walking, in each of the two (30)
 *   --latency MS     one way (300)
 *   --jitter MS      each way, ± (200)
 *   --loss PERCENT   of TCP segments, each way (2)
 *   --ahead HOURS    of the client's clock (3)
 *   --drift PPM      of the client's clocks (500)
 *   --seed N         of weather and way (1)
 *   --json           one JSON object instead of text
 *
 * Exit code 0: every input acted exactly once and in order, in both. 1: otherwise. 2: wrong arguments.
 */
import { arch, cpus, platform } from 'node:os';
import { parseArgs } from 'node:util';
import { roughRun } from './rough-network/rough-run.ts';
import type { RoughReport } from './rough-network/rough-run.ts';
import { areInputsExact, share } from './rough-network/judge.ts';

const NUMBERS = ['seconds', 'latency', 'jitter', 'loss', 'ahead', 'drift', 'seed'] as const;
const HOUR_MS = 3_600_000;
const COLUMN = 26;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '30' },
      latency: { type: 'string', default: '300' },
      jitter: { type: 'string', default: '200' },
      loss: { type: 'string', default: '2' },
      ahead: { type: 'string', default: '3' },
      drift: { type: 'string', default: '500' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const given = Object.fromEntries(NUMBERS.map((name) => [name, Number(values[name])])) as Record<
    (typeof NUMBERS)[number],
    number
  >;
  const isWrong = NUMBERS.some((name) => !Number.isFinite(given[name]));
  if (isWrong || given.seconds < 1 || given.jitter > given.latency || given.loss < 0 || given.loss >= 100) {
    console.error('numbers are expected; the jitter is at most the latency, the loss a percentage below 100');
    process.exitCode = 2;
    return;
  }
  const clock = { aheadMs: given.ahead * HOUR_MS, driftPpm: given.drift };
  const bad = { latencyMs: given.latency, jitterMs: given.jitter, lossShare: given.loss / 100, seed: given.seed };
  const clean = { latencyMs: 0, jitterMs: 0, lossShare: 0, seed: given.seed };
  const rough = await roughRun({ seconds: given.seconds, network: bad, ...clock });
  const smooth = await roughRun({ seconds: given.seconds, network: clean, ...clock });
  if (values.json) console.log(JSON.stringify({ given, rough: summary(rough), clean: summary(smooth) }));
  else print(given, { rough, smooth });
  process.exitCode = areInputsExact(rough) && areInputsExact(smooth) ? 0 : 1;
}

function print(
  { seconds, latency, jitter, loss, ahead, drift }: Record<(typeof NUMBERS)[number], number>,
  { rough, smooth }: { rough: RoughReport; smooth: RoughReport },
): void {
  console.log(
    `Node ${process.version}, ${platform()} ${arch()}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}`,
  );
  console.log(
    `${seconds} s of walking at 6 m/s, turning, an input every 50 ms; clock ${ahead} h ahead, drifting ${drift} ppm\n`,
  );
  const names = ['', `${latency} ± ${jitter} ms, ${loss} % loss`, 'no latency, no loss'];
  console.log(names.map((name) => name.padEnd(COLUMN)).join(''));
  const columns = [summary(rough), summary(smooth)];
  for (const name of Object.keys(columns[0]!)) {
    console.log(
      [name, ...columns.map((column) => column[name]!)]
        .map((cell) => cell.padEnd(COLUMN))
        .join('')
        .trimEnd(),
    );
  }
  console.log(`\na client that says its wrong time as it is: ${rough.refusal}`);
  for (const line of rough.skewMetrics) console.log(`the gateway's metrics: ${line}`);
}

function summary(report: RoughReport): Record<string, string> {
  const { corrections, snaps, jumps, account, segments } = report;
  const errorsMs = report.serverTimeErrorsMs.map(Math.abs);
  const metres = (values: readonly number[], part: number): string => `${share(values, part).toFixed(3)} m`;
  return {
    'round trip, median': `${report.rttMs.toFixed(0)} ms`,
    'segments lost': `${segments.lost} of ${segments.segments}`,
    'correction, p50': metres(corrections, 0.5),
    'correction, p99': metres(corrections, 0.99),
    'correction, largest': metres(corrections, 1),
    'corrections over 5 m, snaps': `${corrections.filter((value) => value > 5).length}, ${snaps}`,
    'jump of a frame, p99': metres(jumps, 0.99),
    'jump of a frame, largest': metres(jumps, 1),
    frames: String(report.frames),
    'inputs sent': `${report.sent} (${report.repeated} again)`,
    'inputs acted': `${account.acted}, ${account.disorder} out of order`,
    'each exactly once': areInputsExact(report) ? 'yes' : 'NO',
    'clock skew reported': `${(report.skewMs / 1000).toFixed(3)} s`,
    'server time off, p50': `${share(errorsMs, 0.5).toFixed(1)} ms`,
    'server time off, most': `${share(errorsMs, 1).toFixed(1)} ms`,
    'refused for its clock': `${report.clockRefusals}, then corrected`,
    'connections lost': String(report.losses),
  };
}

await main();
