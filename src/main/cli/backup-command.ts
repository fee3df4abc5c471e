/** `worldmesh backup`. */
import type { Command } from 'commander';
import type { Manifest } from '../backup/manifest.ts';
import { clusterPlace } from './cluster-flags.ts';
import { positiveNumber } from './number-argument.ts';
import { Progress, examples, print, printJson, styled } from './output.ts';

interface BackupFlags {
  readonly out: string;
  readonly directory?: string;
  readonly timeout: number;
  readonly json?: boolean;
}

const TIMEOUT_SECONDS_DEFAULT = 60;
const TIMEOUT_SECONDS_MAX = 86_400;

const HELP = `
Copies the journals of all nodes and the directory as they were at one moment, of a cluster that runs or is stopped. A running one
goes on: handovers between nodes are paused for that moment, everything else is not, and the copying comes after it.
docs/BACKUP.md says what is in the folder, and how to bring it back.
`;

export function addBackupCommand(program: Command): void {
  program
    .command('backup')
    .description('Write a backup of a cluster while it runs')
    .requiredOption('--out <folder>', 'a folder that does not exist yet')
    .option(
      '--directory <url>',
      'directory of the cluster, sqlite:FILE (default: the one that "worldmesh cluster" made here)',
    )
    .option(
      '--timeout <seconds>',
      'how long a moment without handovers is waited for',
      positiveNumber(TIMEOUT_SECONDS_MAX),
      TIMEOUT_SECONDS_DEFAULT,
    )
    .option('--json', 'print the manifest as JSON')
    .addHelpText('after', HELP)
    .addHelpText(
      'after',
      examples([
        'worldmesh backup --out backups/monday',
        'worldmesh backup --directory sqlite:/var/lib/worldmesh/directory.sqlite --out /mnt/backups/monday --json',
        'worldmesh audit --data backups/monday',
      ]),
    )
    .action(async (flags: BackupFlags) => {
      const place = clusterPlace(flags.directory === undefined ? {} : { directory: flags.directory });
      if (!('directory' in place)) return;
      const { backup } = await import('../backup/backup.ts');
      const stop = new AbortController();
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => stop.abort());
      using progress = new Progress();
      const manifest = await backup({
        directoryUrl: place.directory,
        outFolder: flags.out,
        timeoutMs: flags.timeout * 1000,
        signal: stop.signal,
        onProgress: (text) => progress.show(text),
      });
      progress[Symbol.dispose]();
      if (flags.json) printJson(manifest);
      else print(backupText(manifest, flags.out));
    });
}

function backupText(manifest: Manifest, out: string): string {
  const { total, journals, directory, moment, pauseMs, snapshotsMs, attempts, tookMs, wasRunning } = manifest;
  const sizeBytes = [directory, ...journals].reduce((sum, file) => sum + file.sizeBytes, 0);
  const pause = `handovers paused for ${pauseMs} ms, snapshots of one moment in ${snapshotsMs} ms${attempts > 1 ? `, at try ${attempts}` : ''}`;
  const lines = [
    `${styled('green', 'Backup')} of ${moment} in ${out}`,
    '',
    ...journals
      .filter(({ isTaken }) => !isTaken)
      .map(
        ({ node, entities, atRest, named }) =>
          `${node.padEnd(12)} ${entities} entities, ${named} with an account, ${atRest} at rest`,
      ),
    `${'together'.padEnd(12)} ${total.entities} entities, ${total.named} with an account, ${total.atRest} at rest`,
    '',
    wasRunning ? pause : 'the cluster was stopped',
    `${journals.length + 1} files, ${(sizeBytes / 2 ** 20).toFixed(1)} MiB, ${(tookMs / 1000).toFixed(1)} s`,
  ];
  return lines.join('\n');
}
