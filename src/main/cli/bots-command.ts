/** `worldmesh bots`. */
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { CLIENT_MODES } from '../../wire/messages.ts';
import type { ClientMode } from '../../wire/messages.ts';
import type { BotsProgress, BotsReport, runBots as RunBots } from '../bots/bots.ts';
import type { Percentiles } from '../bots/measures.ts';
import { positiveNumber, wholeNumber } from './number-argument.ts';
import { EXIT_CODE, Progress, examples, note, print, printJson, styled } from './output.ts';

interface BotsFlags {
  readonly url?: readonly string[];
  readonly mode: ClientMode;
  readonly count: number;
  readonly seconds: number;
  readonly inputsHz?: number;
  readonly seed: number;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

const URL_DEFAULT = 'ws://127.0.0.1:7777';
const BOTS_COUNT_MAX = 10_000;
/** Below the server's default limit of messages. */
const BOTS_INPUTS_HZ_MAX = 50;

export function addBotsCommand(program: Command): void {
  const command = program
    .command('bots')
    .description('Connect many clients that walk, and report what they measure; exit with 1 if a session was lost')
    .option(
      '--url <url>',
      `the server, or several gateways of one world: repeat it (default: "${URL_DEFAULT}")`,
      gather,
    )
    .addOption(
      new Option('--mode <mode>', 'how a bot reaches its player on another node')
        .choices(CLIENT_MODES)
        .default('tunnel'),
    )
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
      'worldmesh bots --url ws://127.0.0.1:7777 --url ws://127.0.0.1:7778 --mode direct',
    ]),
  );
  command.action(async (flags: BotsFlags) => {
    const { runBots, isFine } = await import('../bots/bots.ts');
    const report = await run(flags, runBots);
    if (flags.json) printJson(report);
    else print(reportText(report));
    process.exitCode = isFine(report) ? EXIT_CODE.ok : EXIT_CODE.failure;
  });
}

function gather(url: string, before: readonly string[] = []): readonly string[] {
  const isUsable = URL.canParse(url) && /^(?:wss?|https?):$/.test(new URL(url).protocol);
  if (!isUsable) throw new InvalidArgumentError('Write it as ws://host:port or wss://host.');
  return [...before, url];
}

async function run(flags: BotsFlags, runBots: typeof RunBots): Promise<BotsReport> {
  const { url: urls = [URL_DEFAULT], mode, count, seconds, inputsHz, seed, tokenFile } = flags;
  const token = tokenFile === undefined ? '' : await readToken(tokenFile);
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
      `${state.phase}: ${state.online} of ${state.count} online, ${state.elapsedSeconds.toFixed(0)} s, ${state.snapshots} snapshots, ${state.disconnects} connections lost, ${state.resumes} resumed, ${state.sessionsLost} sessions lost`,
    );
  };
  return runBots(
    { urls, mode, count, seconds, seed, token, ...(inputsHz === undefined ? {} : { inputsHz }) },
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
  const { count, joined, joinSeconds, measuredSeconds, snapshotIntervalMs: interval, inputs } = report;
  const row = (label: string, { p50, p90, p99, max }: Percentiles): string =>
    `${label.padEnd(34)}${[p50, p90, p99, max].map((value) => value.toFixed(1).padStart(9)).join('')}`;
  const lines = [
    `${joined} of ${count} bots joined ${report.urls.join(', ')} in ${joinSeconds.toFixed(2)} s, measured ${measuredSeconds.toFixed(1)} s · ticks ${report.tickHz} Hz, snapshots ${report.snapshotHz} Hz`,
    '',
    `${'milliseconds'.padEnd(34)}${['p50', 'p90', 'p99', 'max'].map((name) => name.padStart(9)).join('')}`,
    row(`snapshot interval (nominal ${interval.nominal.toFixed(0)})`, interval),
    row('longest gap of each bot', report.longestGapMs),
    row('tick to receipt', report.receiptMs),
    row('input to its snapshot', report.acknowledgeMs),
    row('round trip', report.rttMs),
    row('join', report.joinMs),
    ...(report.reconnectMs.count > 0 ? [row('reconnect', report.reconnectMs)] : []),
    ...(report.redirects.done > 0 ? [row('gap around a redirect', report.redirects.gapMs)] : []),
    '',
    `${(report.bytesPerClientSecond / 1000).toFixed(2)} KB and ${report.snapshotsPerClientSecond.toFixed(1)} snapshots per client and second, ${report.entitiesInView.toFixed(1)} entities in view`,
    `${(100 * interval.onTimeShare).toFixed(2)} % of the intervals within ±20 ms of nominal · bots took ${report.cpuCores.toFixed(2)} cores`,
    `${report.messagesIn} messages received, ${inputs.sent} inputs sent, ${inputs.unacknowledged} not yet acknowledged, ${inputs.repeated} sent again, ${inputs.givenUp} given up`,
    `${report.handovers} changes of node, ${report.resumes} resumes, ${report.sessionsLost} sessions lost`,
    ...redirectLines(report),
    ...wrongLines(report),
  ];
  return lines.join('\n');
}

function redirectLines({ redirects: { offered, done, fallbacks, lost } }: BotsReport): string[] {
  if (offered === 0) return [];
  return [
    `${offered} redirects offered: ${done} done, ${fallbacks} stayed with the tunnel, ${lost} lost their connection`,
  ];
}

function wrongLines(report: BotsReport): string[] {
  const lines: string[] = [];
  const wrong = (text: string): unknown => lines.push(styled('red', text));
  if (report.disconnects > 0) {
    wrong(`${report.disconnects} connections lost, by close code: ${JSON.stringify(report.disconnectsByCode)}`);
  }
  if (report.online < report.joined) wrong(`${report.joined - report.online} not online at the end`);
  if (!isEmpty(report.errorsByCode)) wrong(`errors: ${JSON.stringify(report.errorsByCode)}`);
  if (!isEmpty(report.violations)) wrong(`wrong snapshots: ${JSON.stringify(report.violations)}`);
  if (report.flickers > 0) wrong(`${report.flickers} entities left and came back while they were near`);
  if (report.seenTwice > 0) wrong(`${report.seenTwice} bots seen twice at once`);
  lines.push(...report.examples.map((text) => `  ${text}`));
  if (report.joined === 0) {
    lines.push(`Nobody could join: is a server running there? Start one with "worldmesh serve".`);
  }
  return lines;
}

function isEmpty(record: object): boolean {
  return Object.keys(record).length === 0;
}
