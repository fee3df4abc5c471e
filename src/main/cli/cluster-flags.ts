/** Where the commands that look at a cluster find it. */
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import type { ClusterPlace } from '../audit/cluster-reader.ts';
import { readConfigOfProcess } from '../config/read.ts';
import { EXIT_CODE, note } from './output.ts';

export interface ClusterPlaceFlags {
  readonly directory?: string;
  readonly data?: string;
}

export function addClusterPlaceFlags(command: Command): Command {
  return command
    .option('--directory <url>', 'directory of the cluster, sqlite:FILE (also WORLDMESH_DIRECTORY)', directoryUrl)
    .option('--data <folder>', "the folder of the nodes' folders, of a cluster that does not run");
}

/** Ends the process with a hint when neither is given. */
export function clusterPlace(flags: ClusterPlaceFlags): ClusterPlace {
  if (flags.data !== undefined) return { data: flags.data };
  const directory = flags.directory ?? configuredDirectory();
  if (directory !== undefined) return { directory };
  note(
    'worldmesh: which cluster? Give --directory sqlite:FILE, as to the nodes, or --data FOLDER for one that is stopped',
  );
  process.exit(EXIT_CODE.usage);
}

/** The setting of the nodes, where the settings know it. */
function configuredDirectory(): string | undefined {
  const { settings } = readConfigOfProcess({ flags: new Map(), file: undefined });
  const directory = (settings as Readonly<Record<string, unknown>>)['directory'];
  return typeof directory === 'string' && directory !== '' ? directory : undefined;
}

function directoryUrl(text: string): string {
  if (!/^sqlite:.+/.test(text)) throw new InvalidArgumentError('Write it as sqlite:FILE.');
  return text;
}
