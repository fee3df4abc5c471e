/** `worldmesh status`. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import type { ClusterStatus, StatusSample } from '../status/status.core.ts';
import { clusterPlace } from './cluster-flags.ts';
import { positiveNumber } from './number-argument.ts';
import { EXIT_CODE, examples, note, print, printJson, styled } from './output.ts';

interface StatusFlags {
  readonly directory?: string;
  readonly watch?: boolean | number;
  readonly json?: boolean;
}

const WATCH_SECONDS = 1;
/** Rates need two looks. */
const RATE_MS = 500;
const HOME_AND_CLEAR = '\u001B[H\u001B[J';
const ALTERNATE_SCREEN = '\u001B[?1049h\u001B[?25l';
const FORMER_SCREEN = '\u001B[?25h\u001B[?1049l';

export function addStatusCommand(program: Command): void {
  const command = program
    .command('status')
    .description('Show the nodes of a cluster: leases, cells, entities, sessions, handovers and links')
    .option('--directory <url>', 'directory of the cluster, sqlite:FILE (also WORLDMESH_DIRECTORY)')
    .option('--watch [seconds]', 'again and again, every second by default', positiveNumber(3600))
    .option('--json', 'print JSON, one line each time');
  command.addHelpText(
    'after',
    examples([
      'worldmesh status --directory sqlite:data/directory.sqlite',
      'worldmesh status --directory sqlite:data/directory.sqlite --watch',
      'worldmesh status --directory sqlite:data/directory.sqlite --json | jq .nodes',
    ]),
  );
  command.action(async (flags: StatusFlags) => {
    const place = clusterPlace(flags);
    if (!('directory' in place)) return;
    if (flags.watch === undefined) await showOnce(place.directory, flags);
    else await watch(place.directory, flags);
  });
}

/** Exit code 1 when a node that ought to answer does not. */
async function showOnce(directory: string, flags: StatusFlags): Promise<void> {
  const { sampleCluster } = await import('../status/sample.ts');
  const { clusterStatus } = await import('../status/status.core.ts');
  const before = await sampleCluster(directory);
  await wait(RATE_MS);
  const status = clusterStatus(await sampleCluster(directory), before);
  await show(status, flags);
  process.exitCode = status.nodes.every(({ down }) => down === '') ? EXIT_CODE.ok : EXIT_CODE.failure;
}

async function watch(directory: string, flags: StatusFlags): Promise<void> {
  const { sampleCluster } = await import('../status/sample.ts');
  const { clusterStatus } = await import('../status/status.core.ts');
  const intervalMs = (typeof flags.watch === 'number' ? flags.watch : WATCH_SECONDS) * 1000;
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const isDrawn = process.stdout.isTTY && flags.json !== true;
  if (isDrawn) process.stdout.write(ALTERNATE_SCREEN);
  try {
    let before: StatusSample | undefined;
    while (!stop.signal.aborted) {
      const sample = await sampleCluster(directory);
      if (isDrawn) process.stdout.write(HOME_AND_CLEAR);
      await show(clusterStatus(sample, before), flags);
      before = sample;
      // Ended by a signal, and by nothing else.
      await wait(intervalMs, undefined, { signal: stop.signal }).catch(() => {});
    }
  } finally {
    if (isDrawn) process.stdout.write(FORMER_SCREEN);
  }
}

async function show(status: ClusterStatus, { json }: StatusFlags): Promise<void> {
  if (json) return printJson(status);
  const { statusText } = await import('../status/status-text.ts');
  if (status.nodes.length === 0) note('worldmesh: no node has ever joined this directory');
  print(statusText(status, (style, text) => styled(style, text)));
}
