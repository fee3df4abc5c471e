/** The settings by which several processes are one cluster. They mean nothing to a node without a directory. */
import { NODE_NAME_SHAPE, parseAddress, parsePeer } from './address.ts';
import { boolean, bytes, integer, number, shapedText, text, texts } from './setting.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
/** As many as the directory has numbers for. */
export const CLUSTER_NODES_MAX = 63;
const PATH_MAX = 4096;

export const CLUSTER_SETTINGS = {
  node: shapedText('', {
    placeholder: 'name',
    group: 'Cluster',
    max: 32,
    accepts: (given) => NODE_NAME_SHAPE.test(given),
    shape: 'a small letter, then up to 31 small letters, digits or "-"',
    example: 'a',
    about: 'Name of this node in its cluster, together with directory; its journal lies in dataDir/name',
  }),
  directory: shapedText('', {
    placeholder: 'sqlite:file',
    group: 'Cluster',
    max: PATH_MAX,
    accepts: (given) => /^sqlite:./.test(given),
    shape: 'sqlite:FILE, a file shared by the processes of one host (etcd is not supported by this release)',
    example: 'sqlite:.worldmesh/directory.sqlite',
    about: 'Where the nodes of a cluster find each other and agree on who owns what; without it, one node is the world',
  }),
  listen: shapedText('127.0.0.1:0', {
    placeholder: 'host:port',
    group: 'Cluster',
    max: 262,
    accepts: (given) => parseAddress(given) !== undefined,
    shape: 'host:port, port 0 takes a free one',
    example: '127.0.0.1:7800',
    about: 'Address for other nodes; told to them by the directory',
  }),
  peers: texts({
    group: 'Cluster',
    countMax: CLUSTER_NODES_MAX,
    accepts: (given) => parsePeer(given) !== undefined,
    shape: 'host:port or name=host:port, repeated or separated by commas',
    example: 'b=127.0.0.1:7801',
    placeholder: '[name=]host:port',
    about: 'Where to find a node whose address in the directory does not reach it from here',
  }),
  clusterSize: integer(1, {
    group: 'Cluster',
    unit: 'nodes',
    min: 1,
    max: CLUSTER_NODES_MAX,
    about: 'Nodes that a new cluster waits for (up to 10 s) before it shares out the world',
  }),
  capacity: number(1, {
    group: 'Cluster',
    min: 0,
    max: 1000,
    about: 'Share of the world that this node takes, in proportion to the others; 0: none, it is a gateway only',
  }),
  balanceMovesPerMinute: integer(12, {
    group: 'Cluster',
    unit: 'moves a minute',
    min: 1,
    max: 600,
    about:
      'Moves of blocks between nodes that the balancer begins in a minute, while this node balances; a draining node is not held up by it',
  }),
  capacityHook: shapedText('', {
    group: 'Cluster',
    max: 2048,
    accepts: (given) => given.trim() !== '' && (!/^https?:/i.test(given) || URL.canParse(given)),
    shape: 'a command for the shell, or a URL with http or https',
    example: 'https://scaler.example/worldmesh',
    about: 'Told in JSON how many nodes are wanted and why, while this node balances: on standard input, or by POST',
  }),
  clientUrl: shapedText('', {
    placeholder: 'url',
    group: 'Cluster',
    max: 512,
    accepts: (given) => /^(?:https?|wss?):\/\/[^\s/]+(?:\/\S*)?$/.test(given),
    shape: 'a URL with http, https, ws or wss',
    example: 'wss://a.example/connect',
    defaultText: 'made from host and port',
    about: 'Under which clients reach this node, where that is not its own host and port',
  }),
  blockCells: integer(4, {
    group: 'Cluster',
    unit: 'cells',
    min: 1,
    max: 1024,
    about: 'Side of a block: nodes own whole blocks of so many cells by so many; fixed when a cluster is made',
  }),
  tunnelBytesPerSecondMax: bytes(4 * MIB, {
    group: 'Cluster',
    min: 0,
    max: 4096 * MIB,
    about:
      "Bytes a second of other nodes' snapshots above which a gateway sends clients in auto mode to the nodes that own their players",
  }),
  checkpointMs: integer(1000, {
    group: 'Cluster',
    unit: 'ms',
    min: 50,
    max: 600_000,
    about: 'Every changed entity is in the journal after so long at the latest',
  }),
  leaseMs: integer(2000, {
    group: 'Cluster',
    unit: 'ms',
    min: 300,
    max: 60_000,
    about: 'A node that could not renew its lease for so long stops simulating; it renews four times as often',
  }),
  takeoverAfterMs: integer(100, {
    group: 'Cluster',
    unit: 'ms',
    min: 0,
    max: 600_000,
    about: 'Time for a dead node to come back by itself, before another takes its journal and its cells',
  }),
  overhang: number(32, {
    group: 'Cluster',
    unit: 'm',
    min: 0,
    max: 1024,
    about:
      'How far into cells of another node an entity may go while it cannot be handed over; there it turns or stops, as at the edge of the world',
  }),
  dwellMs: integer(250, {
    group: 'Cluster',
    unit: 'ms',
    min: 0,
    max: 60_000,
    about: 'An entity is handed over after so long beyond the border; doubled for each bounce, up to eight times',
  }),
  handoversMax: integer(1024, {
    group: 'Cluster',
    unit: 'entities',
    min: 1,
    max: 65_536,
    about: 'Handovers under way from one node to another; further entities overhang',
  }),
  takenJournalsMax: integer(3, {
    group: 'Cluster',
    unit: 'files',
    min: 0,
    max: 100_000,
    about:
      'Journals of this node that neighbours took over are kept as history for trace and audit; older ones are removed',
  }),
  peerRingBytes: bytes(8 * MIB, {
    group: 'Cluster',
    min: 256 * KIB,
    max: 1024 * MIB,
    powerOfTwo: true,
    about: 'Entities, ghosts and sessions on their way between the simulation and other nodes, for each direction',
  }),
  outboxSink: shapedText('', {
    placeholder: 'sink',
    group: 'Cluster',
    max: 1024,
    accepts: isSink,
    shape: 'file:FOLDER, or a URL with http, https, postgres or postgresql',
    example: 'https://audit.example/publications',
    defaultText: 'file:dataDir/outbox',
    about:
      'Where publications of world code are delivered: a file per node in a folder, a webhook, or a table in PostgreSQL',
  }),
  outboxToken: text('', {
    placeholder: 'secret',
    group: 'Cluster',
    max: 4096,
    secret: true,
    about: 'Sent to a webhook as "Authorization: Bearer"',
  }),
  outboxTimeoutMs: integer(10_000, {
    group: 'Cluster',
    unit: 'ms',
    min: 100,
    max: 600_000,
    about: 'A sink that has not answered by then is taken for down, and tried again',
  }),
  outboxFileBytes: bytes(64 * MIB, {
    group: 'Cluster',
    min: 4 * KIB,
    max: 64 * 1024 * MIB,
    about: 'A file of publications that has grown beyond is closed, named by its time, and another is begun',
  }),
  outboxEventsMax: integer(100_000, {
    group: 'Cluster',
    unit: 'publications',
    min: 1,
    max: 10_000_000,
    about: 'Publications of this node that may wait for the sink; beyond, publish throws',
  }),
  outboxBytesMax: bytes(64 * MIB, {
    group: 'Cluster',
    min: 64 * KIB,
    max: 16 * 1024 * MIB,
    about: 'Bytes of publications of this node that may wait for the sink; beyond, publish throws',
  }),
  otlpUrl: shapedText('', {
    placeholder: 'url',
    group: 'Cluster',
    max: 512,
    // A name and a password in a URL are no credentials that a request may be made with.
    accepts: (given) => /^https?:\/\/[^\s/@]+(?:\/\S*)?$/.test(given) && URL.canParse(given),
    shape: 'a URL with http or https, without credentials',
    example: 'http://127.0.0.1:4318',
    about: 'Collector of traces by OTLP/HTTP (JSON), its base or its /v1/traces; without it nothing is traced',
  }),
  traceShare: number(0.01, {
    group: 'Cluster',
    min: 0,
    max: 1,
    about: 'Share of the handovers that are traced, the same ones at every node',
  }),
  mixedViews: boolean(false, {
    group: 'Cluster',
    about:
      'Joins though its clients see other components, kinds or fields than those of nodes that run: for an upgrade while nobody plays, since such clients cannot read what the others make',
  }),
  drainOnStop: boolean(false, {
    group: 'Cluster',
    about:
      'SIGTERM drains the node first, as "worldmesh drain" does: nothing is left behind, but it takes seconds; for nodes that are stopped one by one',
  }),
  tlsCert: text('', {
    placeholder: 'file',
    group: 'Cluster',
    max: PATH_MAX,
    about: 'File with the certificate of this node, PEM',
  }),
  tlsKey: text('', {
    placeholder: 'file',
    group: 'Cluster',
    max: PATH_MAX,
    about: 'File with the private key of this node, PEM',
  }),
  tlsCa: text('', {
    placeholder: 'file',
    group: 'Cluster',
    max: PATH_MAX,
    about:
      'File with the certificate of the cluster authority, PEM: "worldmesh keys init" and "keys issue" make all three',
  }),
};

function isSink(given: string): boolean {
  if (/^file:./.test(given)) return !given.includes('\0');
  if (!/^(?:https?|postgres|postgresql):\/\/[^\s/]+(?:\/\S*)?$/.test(given)) return false;
  return URL.canParse(given);
}
