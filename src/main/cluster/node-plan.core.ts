/** Which processes make up a cluster on one host, and with which arguments each is started. Pure. */
import path from 'node:path';
import { flagOf, metaOf } from '../config/settings.ts';
import type { SettingName, Settings } from '../config/settings.ts';

/** In the data folder: what `worldmesh cluster` makes. */
export const CLUSTER_FOLDER = 'cluster';
export const DIRECTORY_FILE = 'directory.sqlite';

export interface NodePlan {
  readonly name: string;
  /** For "worldmesh serve": the same for each start, but for the port. */
  readonly args: readonly string[];
  /** For clients; 0 takes a free one at the first start. */
  readonly port: number;
}

export interface ClusterPlan {
  readonly nodes: readonly NodePlan[];
  /** Absolute. */
  readonly folder: string;
  /** URL of the directory. */
  readonly directory: string;
  readonly workers: number;
}

export interface ClusterRequest {
  /** Nodes that own cells. */
  readonly count: number;
  /** Nodes that only speak to clients, all on one port. */
  readonly gateways: number;
  readonly module: string | undefined;
  readonly settings: Settings;
  /** By name of the setting, where it came from; a setting from flags is passed on as a flag. */
  readonly origins: ReadonlyMap<SettingName, string>;
  readonly configFile: string | undefined;
  /** Where relative paths begin. */
  readonly folder: string;
  readonly logFormat: 'json' | 'pretty';
}

/** Each node has its own of these, so the command that starts them all does not take them. */
export const NODE_OWN_SETTINGS: readonly SettingName[] = [
  'node',
  'directory',
  'listen',
  'peers',
  'clientUrl',
  'clusterSize',
  'capacity',
  'reusePort',
];
/** Passed on in another form than they came. */
const PLANNED_SETTINGS: ReadonlySet<SettingName> = new Set<SettingName>([
  ...NODE_OWN_SETTINGS,
  'dataDir',
  'port',
  'workers',
  'logFormat',
]);
/** The directory tells the others which port it was. */
export const PEER_ADDRESS = '127.0.0.1:0';
const PORT_MAX = 65_535;

/** a, b, … z, aa, ab, … */
export function nodeName(index: number): string {
  const letter = String.fromCodePoint(97 + (index % 26));
  return index < 26 ? letter : nodeName(Math.floor(index / 26) - 1) + letter;
}

/** g1, g2, … */
export function gatewayName(index: number): string {
  return `g${index + 1}`;
}

/**
 * Ports count up from the one that is set; undefined when there are not that many. Gateways share that one, so that clients
 * need to know no other, and nodes take those above.
 */
export function planCluster(request: ClusterRequest): ClusterPlan | undefined {
  const { count, gateways, module, settings, origins, configFile, logFormat } = request;
  const firstNodePort = settings.port + (gateways === 0 ? 0 : 1);
  if (settings.port !== 0 && firstNodePort + count - 1 > PORT_MAX) return undefined;
  const folder = path.resolve(request.folder, settings.dataDir, CLUSTER_FOLDER);
  const directory = `sqlite:${path.join(folder, DIRECTORY_FILE)}`;
  // The nodes share the cores, unless told how many threads each may have.
  const workers = origins.has('workers') ? settings.workers : Math.max(1, Math.floor(settings.workers / count));
  const shared = [
    ...(module === undefined ? [] : [module]),
    ...(configFile === undefined ? [] : ['--config', configFile]),
    ...passedFlags(settings, origins),
    `--directory=${directory}`,
    `--data-dir=${folder}`,
    `--cluster-size=${count + gateways}`,
    `--listen=${PEER_ADDRESS}`,
    `--workers=${workers}`,
    `--log-format=${logFormat}`,
  ];
  const nodes = Array.from({ length: count }, (_, index) => {
    const name = nodeName(index);
    const port = settings.port === 0 ? 0 : firstNodePort + index;
    return { name, port, args: [...shared, `--node=${name}`] };
  });
  const doors = Array.from({ length: gateways }, (_, index) => {
    const name = gatewayName(index);
    return { name, port: settings.port, args: [...shared, `--node=${name}`, '--capacity=0', '--reuse-port'] };
  });
  return { nodes: [...doors, ...nodes], folder, directory, workers };
}

/** The settings that were given as flags, as flags again. Environment and file reach the nodes by themselves. */
function passedFlags(settings: Settings, origins: ReadonlyMap<SettingName, string>): string[] {
  const flags: string[] = [];
  for (const [name, origin] of origins) {
    if (!origin.startsWith('flag ') || PLANNED_SETTINGS.has(name)) continue;
    const flag = flagOf(name);
    const value = settings[name];
    if (metaOf(name).kind === 'boolean') flags.push(value === true ? flag : `--no-${flag.slice(2)}`);
    else if (name === 'params') {
      for (const [param, number] of Object.entries(settings.params)) flags.push(flag, `${param}=${number}`);
    } else flags.push(`${flag}=${String(value)}`);
  }
  return flags;
}
