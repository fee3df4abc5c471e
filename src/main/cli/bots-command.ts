/** `worldmesh bots`. */
import type { Command } from 'commander';
import type { BotsProgress, BotsReport } from '../bots/bots.ts';
import type { Percentiles } from '../bots/measures.ts';
import { positiveNumber, wholeNumber } from './number-argument.ts';
import { EXIT_CODE, Progress, examples, note, print, printJson, styled } from './output.ts';

interface BotsFlags {
  readonly url: string;
  readonly count: number;
  readonly seconds: number;
  readonly inputsHz?: number;
  readonly seed: number;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

const BOTS_COUNT_MAX = 10_000;
/** Below the server's default limit of messages. */
const BOTS_INPUTS_HZ_MAX = 50;

export function addBotsCommand(program: Command): void {
  const command = program
    .command('bots')
    .description('Connect many clients that walk, and report what they measure; exit with 1 if one was lost')
    .option('--url <url>', 'the server', 'ws://127.0.0.1:7777')
    .option('--count <bots>', 'how many', wholeNumber(1, BOTS_COUNT_MAX), 100)
    .option('--seconds <seconds>', 'how long to measure once all have joined', positiveNumber(86_400), 10)
    .option(
      '--inputs-hz <Hz>',
      'inputs of each in a second (default: the tick rate)',
      wholeNumber(1, BOTS_INPUTS_HZ_MAX),
    )
    .option('--seed <number>', 'the same seed walks the same ways', wholeNumber(0, 0xffff_ffff), 1)
    .option('--token-file <file>', 'a JWT for all of them, for a server in token mode')
    .option('--json', 'print the report as JSON');
  command.addHelpText(
    'after',
    examples([
      'worldmesh bots --count 1000 --seconds 60',
      'worldmesh bots --url ws://game.example:7777 --count 50 --token-file bots.jwt --json',
    ]),
  );
  command.action(async (flags: BotsFlags) => {
    const report = await run(flags);
    if (flags.json) printJson(report);
    else print(reportText(report));
    const isFine = report.joined === report.count && report.disconnects === 0 && isEmpty(report.violations);
    process.exitCode = isFine ? EXIT_CODE.ok : EXIT_CODE.failure;
  });
}

async function run({ url, count, seconds, inputsHz, seed, tokenFile }: BotsFlags): Promise<BotsReport> {
  const token = tokenFile === undefined ? '' : await readToken(tokenFile);
  const { runBots } = await import('../bots/bots.ts');
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(EXIT_CODE.failure);
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  using progress = new Progress();
  const onProgress = (state: BotsProgress): void => {
    progress.show(
      `${state.phase}: ${state.online} of ${state.count} online, ${state.elapsedSeconds.toFixed(0)} s, ${state.snapshots} snapshots, ${state.disconnects} lost`,
    );
  };
  return runBots(
    { url, count, seconds, seed, token, ...(inputsHz === undefined ? {} : { inputsHz }) },
    { onProgress, signal: controller.signal },
  );
}

/** Not a flag: other users of the machine can read those. */
async function readToken(file: string): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    note(`worldmesh: the token file ${file} cannot be read (${code})`);
    process.exit(EXIT_CODE.usage);
  }
}

function reportText(report: BotsReport): string {
  const { count, joined, joinSeconds, measuredSeconds, snapshotIntervalMs: interval } = report;
  const row = (label: string, { p50, p90, p99, max }: Percentiles): string =>
    `${label.padEnd(34)}${[p50, p90, p99, max].map((value) => value.toFixed(1).padStart(9)).join('')}`;
  const lines = [
    `${joined} of ${count} bots joined ${report.url} in ${joinSeconds.toFixed(2)} s, measured ${measuredSeconds.toFixed(1)} s · ticks ${report.tickHz} Hz, snapshots ${report.snapshotHz} Hz`,
    '',
    `${'milliseconds'.padEnd(34)}${['p50', 'p90', 'p99', 'max'].map((name) => name.padStart(9)).join('')}`,
    row(`snapshot interval (nominal ${interval.nominal.toFixed(0)})`, interval),
    row('tick to receipt', report.receiptMs),
    row('input to its snapshot', report.acknowledgeMs),
    row('round trip', report.rttMs),
    row('join', report.joinMs),
    '',
    `${(report.bytesPerClientSecond / 1000).toFixed(2)} KB and ${report.snapshotsPerClientSecond.toFixed(1)} snapshots per client and second, ${report.entitiesInView.toFixed(1)} entities in view`,
    `${(100 * interval.onTimeShare).toFixed(2)} % of the intervals within ±20 ms of nominal · bots took ${report.cpuCores.toFixed(2)} cores`,
    `${report.messagesIn} messages received, ${report.inputsSent} inputs sent`,
  ];
  if (report.disconnects > 0) {
    lines.push(styled('red', `${report.disconnects} lost, by close code: ${JSON.stringify(report.disconnectsByCode)}`));
  }
  if (!isEmpty(report.errorsByCode)) lines.push(styled('red', `errors: ${JSON.stringify(report.errorsByCode)}`));
  if (!isEmpty(report.violations)) lines.push(styled('red', `wrong snapshots: ${JSON.stringify(report.violations)}`));
  if (joined === 0) lines.push(`Nobody could join: is a server running there? Start one with "worldmesh serve".`);
  return lines.join('\n');
}

function isEmpty(record: object): boolean {
  return Object.keys(record).length === 0;
}
