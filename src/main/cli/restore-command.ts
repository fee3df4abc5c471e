/** `worldmesh restore`. */
import path from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { INCARNATION_MAX } from '../../base/brand.ts';
import type { RestoreReport } from '../backup/restore.ts';
import { DIRECTORY_FILE } from '../cluster/node-plan.core.ts';
import { wholeNumber } from './number-argument.ts';
import { examples, note, print, printJson, styled } from './output.ts';

interface RestoreFlags {
  readonly data: string;
  readonly directory?: string;
  readonly force?: boolean;
  readonly sessionKey: 'renew' | 'keep';
  readonly incarnationMargin: number;
  readonly json?: boolean;
}

/** Starts of nodes between the backup and the loss of the disks: enough for 63 nodes that were each started 65 times. */
const INCARNATION_MARGIN_DEFAULT = 4096;

const HELP = `
Checks every file of the backup, and then puts the directory and a journal for each node in place, so that the cluster starts on
them as after a stop. It refuses while nodes of that cluster run on this host, and where a cluster is already.

  --session-key renew   clients begin new sessions: what they remember is younger than the backup
  --session-key keep    clients that were there at the backup take their sessions up again
`;

export function addRestoreCommand(program: Command): void {
  program
    .command('restore')
    .description('Bring a cluster back from a backup')
    .argument('<folder>', 'of the backup')
    .requiredOption('--data <folder>', "the folder of the nodes' folders: their --data-dir")
    .option('--directory <url>', `sqlite:FILE (default: ${DIRECTORY_FILE} in the folder of --data)`, directoryUrl)
    .option('--force', 'delete what is in the way; without it, it is only listed')
    .addOption(
      new Option('--session-key <renew|keep>', 'what becomes of the sessions of clients')
        .choices(['renew', 'keep'])
        .default('renew'),
    )
    .option(
      '--incarnation-margin <count>',
      'more than the starts of nodes since the backup',
      wholeNumber(1, INCARNATION_MAX),
      INCARNATION_MARGIN_DEFAULT,
    )
    .option('--json', 'print the report as JSON')
    .addHelpText('after', HELP)
    .addHelpText(
      'after',
      examples([
        'worldmesh restore backups/monday --data .worldmesh/cluster',
        'worldmesh restore /mnt/backups/monday --data /var/lib/worldmesh --directory sqlite:/var/lib/worldmesh/directory.sqlite',
      ]),
    )
    .action(async (folder: string, flags: RestoreFlags) => {
      const { restore } = await import('../backup/restore.ts');
      const report = await restore({
        folder: path.resolve(folder),
        dataFolder: flags.data,
        directoryUrl: flags.directory ?? `sqlite:${path.join(flags.data, DIRECTORY_FILE)}`,
        force: flags.force ?? false,
        sessionKey: flags.sessionKey,
        incarnationMargin: flags.incarnationMargin,
        onProgress: (text) => note(text),
      });
      if (flags.json) printJson(report);
      else print(restoreText(report));
    });
}

function restoreText({
  manifest,
  directory,
  folders,
  incarnation,
  clusterId,
  sessionKey,
  tookMs,
}: RestoreReport): string {
  const { total, moment } = manifest;
  return [
    `${styled('green', 'Restored')} the cluster as of ${moment}, in ${(tookMs / 1000).toFixed(1)} s`,
    '',
    `directory    ${directory}`,
    ...folders.map((folder) => `journal      ${folder}`),
    `entities     ${total.entities}, ${total.named} with an account, ${total.atRest} at rest`,
    `incarnations go on above ${incarnation}`,
    `cluster id   ${clusterId}, before ${String(manifest.cluster['clusterId'])}`,
    `session key  ${sessionKey === 'renew' ? 'renewed: clients begin new sessions' : 'kept: clients may take up sessions of the backup'}`,
    '',
    'Start the nodes with the same names, data folder and directory.',
  ].join('\n');
}

function directoryUrl(text: string): string {
  if (!/^sqlite:.+/.test(text)) throw new InvalidArgumentError('Write it as sqlite:FILE.');
  return text;
}
