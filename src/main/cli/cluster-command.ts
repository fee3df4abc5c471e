/** `worldmesh cluster`: several nodes on this host, as one world. */
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import type { RunningNode } from '../cluster/supervisor.ts';
import { NODE_OWN_SETTINGS, PEER_ADDRESS, gatewayName, nodeName, planCluster } from '../cluster/node-plan.core.ts';
import type { ClusterPlan } from '../cluster/node-plan.core.ts';
import { ConfigError } from '../config/config-error.ts';
import { CLUSTER_NODES_MAX } from '../config/cluster-settings.ts';
import { environmentForNodes } from '../config/read.ts';
import type { ResolvedConfig } from '../config/resolve.ts';
import { SETTING_NAMES } from '../config/settings.ts';
import { PROGRAM } from '../installation.ts';
import { ServiceManager } from '../service-manager.ts';
import { wholeNumber } from './number-argument.ts';
import { examples, note, styled } from './output.ts';
import { addSettingFlags } from './setting-flags.ts';

const NODES_DEFAULT = 3;

const HELP = `
Starts "worldmesh serve" once for each node, named a, b, c, …, and keeps them running: a node that dies is started again,
at once at first, then after longer and longer pauses. Meanwhile another node takes over its cells (--takeover-after-ms).
The nodes find each other by a directory in the data folder, and come back to what they owned at the next start.

  ports     clients of node a at --port, of b at the next one, and so on; 0 takes free ones
  gateways  --gateways N starts N more nodes that own no cells: they share --port, and the nodes take the ports above it
  data      <data-dir>/cluster: the directory, and a folder with the journal of each node
  log       one for all: the node's name before each line on a terminal, else JSON lines with a field "node"
  stop      Ctrl+C or SIGTERM stops all nodes and waits for them; a second one kills them
  one node  "kill -TERM PID" stops it for good, "kill -9 PID" is an accident that the cluster survives

Every other flag is handed on to the nodes.
`;

interface ClusterFlags {
  readonly nodes: number;
  readonly gateways: number;
  readonly restart: boolean;
  readonly config?: string;
}

export function addClusterCommand(program: Command): void {
  const command = program
    .command('cluster')
    .description('Run a world on several nodes of this machine, and keep them running')
    .argument('[module]', 'world module, a .ts or .js file (default: the meadow example)')
    .option('--nodes <count>', 'how many processes', wholeNumber(1, CLUSTER_NODES_MAX), NODES_DEFAULT)
    .option(
      '--gateways <count>',
      'how many more that only speak to clients, on one port',
      wholeNumber(0, CLUSTER_NODES_MAX - 1),
      0,
    )
    .addOption(new Option('--restart <true|false>', 'start a node that died again').argParser(yesOrNo).default(true));
  const flags = addSettingFlags(
    command,
    SETTING_NAMES.filter((name) => !NODE_OWN_SETTINGS.includes(name)),
  );
  command.addHelpText('after', HELP);
  command.addHelpText(
    'after',
    examples([
      'worldmesh cluster',
      'worldmesh cluster game.ts --nodes 5 --port 9000 --workers 2',
      'worldmesh cluster examples/meadow.ts --block-cells 2 --param botsPerCell=100',
      'worldmesh cluster --nodes 2 --gateways 2 --port 7777',
      'worldmesh cluster --nodes 2 --restart false --log-format json',
    ]),
  );
  command.action(async (module: string | undefined, { nodes, gateways, restart, config }: ClusterFlags) => {
    // Checked as its nodes would do it, so that what is wrong is said once and not by each of them.
    const readAs = (node: string): ResolvedConfig =>
      flags.read({
        node,
        directory: 'sqlite:directory.sqlite',
        listen: PEER_ADDRESS,
        clusterSize: String(Math.min(nodes + gateways, CLUSTER_NODES_MAX)),
      });
    const resolved = readAs(nodeName(0));
    // A file of a whole cluster may say more of the others, or not know them.
    for (let index = 1; index < nodes; index++) readAs(nodeName(index));
    for (let index = 0; index < gateways; index++) readAs(gatewayName(index));
    if (nodes + gateways > CLUSTER_NODES_MAX) throw tooManyNodes(nodes + gateways);
    await run({ module, nodes, gateways, restarts: restart, configFile: config, resolved });
  });
}

async function run(given: {
  module: string | undefined;
  nodes: number;
  gateways: number;
  restarts: boolean;
  configFile: string | undefined;
  resolved: ResolvedConfig;
}): Promise<void> {
  const { settings, origins } = given.resolved;
  const [{ isPretty }, { ClusterLog }, { Supervisor }, { waitForEarlierNodes }] = await Promise.all([
    import('../log.ts'),
    import('../cluster/cluster-log.ts'),
    import('../cluster/supervisor.ts'),
    import('../cluster/earlier-nodes.ts'),
  ]);
  const pretty = isPretty(settings);
  const plan = planCluster({
    count: given.nodes,
    gateways: given.gateways,
    module: given.module,
    settings,
    origins,
    configFile: given.configFile,
    folder: process.cwd(),
    logFormat: pretty ? 'pretty' : 'json',
  });
  if (plan === undefined) throw tooFewPorts(given.resolved, given.nodes + Math.sign(given.gateways));
  const log = new ClusterLog({
    pretty,
    nodes: plan.nodes.map(({ name }) => name),
    write: (text) => process.stdout.write(text),
    now: Date.now,
    stream: process.stdout,
  });
  await waitForEarlierNodes({
    folder: plan.folder,
    nodes: plan.nodes.map(({ name }) => name),
    onWait: (nodes) => log.tell('warn', `waiting for nodes of an earlier run to stop: ${nodes.join(', ')}`, { nodes }),
  });
  // Once, and not by each node at the same time.
  if (settings.viewer) await (await import('../viewer-files.ts')).prepareViewer();
  using service = ServiceManager.connect({ warn: (message) => log.tell('warn', message, {}) });
  await using supervisor = Supervisor.start({
    nodes: plan.nodes,
    program: PROGRAM,
    command: ['serve'],
    environment: environmentForNodes({ colours: process.stdout.isTTY && process.stdout.hasColors() }),
    restarts: given.restarts,
    log,
    onAllReady: (nodes) => {
      void service?.ready(`${nodes.length} nodes`, { isAlive: async () => true });
      if (pretty) process.stdout.write(readyTable(nodes, plan));
      else log.tell('info', 'cluster ready', { nodes: nodes.map(shownNode) });
    },
  });
  let isStopping = false;
  const onSignal = (): void => {
    if (isStopping) return supervisor.kill();
    isStopping = true;
    if (pretty) note('worldmesh: stopping all nodes');
    else log.tell('info', 'stopping all nodes', {});
    void service?.stopping();
    supervisor.stop();
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, onSignal);
  process.exitCode = await supervisor.ended;
}

function readyTable(nodes: readonly RunningNode[], plan: ClusterPlan): string {
  const hasPeers = nodes.some(({ ready }) => ready.peerAddress !== '');
  const row = (name: string, url: string, peerAddress: string, pid: string): string[] =>
    hasPeers ? [name, url, peerAddress, pid] : [name, url, pid];
  const head = row('node', 'clients', 'peers', 'process');
  const rows = nodes.map(({ name, pid, ready }) => row(name, ready.url, ready.peerAddress, String(pid)));
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  const [first] = nodes;
  const lines = [
    '',
    `  ${styled(['bold', 'cyan'], first?.ready.world ?? '')} is running on ${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'}`,
    '',
    `  ${styled('dim', line(head))}`,
    ...rows.map((cells) => `  ${line(cells)}`),
    '',
    `  Data    ${plan.folder}`,
    `  Status  ${styled('bold', `worldmesh status --directory ${plan.directory}`)}`,
    styled('dim', '  A node that dies is started again. Stop all with Ctrl+C.'),
    '',
  ];
  return `${lines.join('\n')}\n`;
}

function shownNode({ name, pid, ready: { type: _type, ...rest } }: RunningNode): Readonly<Record<string, unknown>> {
  return { name, pid, ...rest };
}

function yesOrNo(text: string): boolean {
  if (text !== 'true' && text !== 'false') throw new InvalidArgumentError('Allowed are true and false.');
  return text === 'true';
}

function tooManyNodes(count: number): ConfigError {
  return new ConfigError([
    {
      code: 'ERR_CONFIG_VALUE',
      setting: 'nodes',
      found: `${count} with the gateways`,
      source: 'flags',
      allowed: `1 to ${CLUSTER_NODES_MAX} nodes and gateways together`,
      remedy: 'start fewer of them',
    },
  ]);
}

function tooFewPorts({ settings, origins }: ResolvedConfig, nodes: number): ConfigError {
  return new ConfigError([
    {
      code: 'ERR_CONFIG_CONFLICT',
      setting: 'port',
      found: String(settings.port),
      source: origins.get('port') ?? 'default',
      allowed: `a port with ${nodes - 1} more above it, up to 65535`,
      remedy: `lower it to ${65_536 - nodes} or less, or set it to 0 for free ports`,
    },
  ]);
}
