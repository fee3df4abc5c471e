/** Where the commands that look at a cluster find it. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import type { ClusterPlace } from '../audit/cluster-reader.ts';
import { CLUSTER_FOLDER, DIRECTORY_FILE } from '../cluster/node-plan.core.ts';
import { readPlacesOfProcess } from '../config/read.ts';
import { EXIT_CODE, note } from './output.ts';

export interface ClusterPlaceFlags {
  readonly directory?: string;
  readonly data?: string;
}

export function addClusterPlaceFlags(command: Command): Command {
  return command
    .option(
      '--directory <url>',
      'directory of the cluster, sqlite:FILE (default: the one that "worldmesh cluster" made here)',
      directoryUrl,
    )
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

/** The setting of the nodes; else what `worldmesh cluster` has made in the data folder of this place. */
function configuredDirectory(): string | undefined {
  const { directory, dataDir } = readPlacesOfProcess();
  if (directory !== '') return directory;
  const file = path.join(dataDir, CLUSTER_FOLDER, DIRECTORY_FILE);
  return existsSync(file) ? `sqlite:${file}` : undefined;
}

function directoryUrl(text: string): string {
  if (!/^sqlite:.+/.test(text)) throw new InvalidArgumentError('Write it as sqlite:FILE.');
  return text;
}
