/** What each part of a node is told, out of the node's settings and its world module. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { assert } from '../base/assert.ts';
import { viewHash } from '../base/view-hash.ts';
import { Grid } from '../memory/grid.ts';
import type { StoreOptions } from '../memory/store.ts';
import { PROTECTION_SETTINGS } from '../net/protection.ts';
import type { GatewaySettings } from '../net/settings.ts';
import type { DeliverySettings } from '../peer/delivery.ts';
import type { LinkTls } from '../peer/link-tls.ts';
import type { PeerSettings } from '../peer/peer-settings.ts';
import { blockGrid } from '../peer/placement.core.ts';
import { CLUSTER_PHASE_DEFAULTS } from '../workers/cluster.ts';
import type { PhaseOptions } from '../workers/phases.ts';
import { parseAddress, parsePeer } from './config/address.ts';
import { readCrashPoint } from './config/crash-point.ts';
import { nearestName } from './config/nearest.ts';
import { hidePassword } from './config/resolve.ts';
import { SETTING_NAMES, metaOf } from './config/settings.ts';
import type { Settings } from './config/settings.ts';
import { VIEWER_DIRECTORY } from './installation.ts';
import { NodeError } from './node-error.ts';
import type { WorldModule } from './world-module.ts';

/** Of the thread that reads a journal for the viewer. */
const TRACE_READER = new URL('./audit/trace.worker.ts', import.meta.url).href;

/** Delivers publications. */
const DELIVERY_THREAD = new URL('./outbox/delivery.worker.ts', import.meta.url).href;

/** The settings by which a store is laid out. */
export type StoreSettings = Pick<
  Settings,
  | 'cellSize'
  | 'entitiesMax'
  | 'sessionsMax'
  | 'workers'
  | 'hysteresis'
  | 'heapBytes'
  | 'commandBytes'
  | 'inputRingBytes'
  | 'outboundRingBytes'
  | 'worldSize'
> &
  Partial<Pick<Settings, 'directory' | 'peerRingBytes'>>;

export function storeOptions(settings: StoreSettings, world: Pick<WorldModule, 'schema' | 'size'>): StoreOptions {
  const half = (settings.worldSize ?? world.size) / 2;
  return {
    schema: world.schema,
    grid: { cellSize: settings.cellSize, minX: -half, minZ: -half, maxX: half, maxZ: half },
    entitiesMax: settings.entitiesMax,
    sessionsMax: settings.sessionsMax,
    workers: settings.workers,
    hysteresis: settings.hysteresis,
    heapBytes: settings.heapBytes,
    commandBytes: settings.commandBytes,
    inputRingBytes: settings.inputRingBytes,
    outboundRingBytes: settings.outboundRingBytes,
    cluster: isClustered(settings) ? { peerRingBytes: settings.peerRingBytes } : undefined,
  };
}

/** True if the node is one of a cluster, which may have no other. */
export function isClustered<Given extends Partial<Pick<Settings, 'directory' | 'peerRingBytes'>>>(
  settings: Given,
): settings is Given & Pick<Settings, 'directory' | 'peerRingBytes'> {
  return settings.directory !== undefined && settings.directory !== '';
}

/** For the peer thread. */
export function peerSettings(
  settings: Settings,
  { world, release }: { world: WorldModule; release: string },
): PeerSettings {
  const worldSize = settings.worldSize ?? world.size;
  const grid = new Grid(storeOptions(settings, world).grid);
  const { blockCount } = blockGrid({ width: grid.width, depth: grid.depth, blockCells: settings.blockCells });
  const { name, version, hash } = world.schema;
  const { cellSize, blockCells, tickHz, node } = settings;
  const listen = parseAddress(settings.listen);
  assert(listen !== undefined, 'settings are valid');
  return {
    name: node,
    folder: path.join(settings.dataDir, node),
    directory: settings.directory,
    facts: { world: name, worldSize, cellSize, blockCells, tickHz, blockCount },
    schema: { hash, version, text: JSON.stringify(world.schema) },
    viewHash: settings.mixedViews ? 0 : viewHash(world.schema),
    gridWidth: grid.width,
    gridDepth: grid.depth,
    listen,
    peers: settings.peers.map((peer) => parsePeer(peer)).filter((peer) => peer !== undefined),
    tls: tlsFiles(settings),
    release,
    capacity: settings.capacity,
    clusterSize: settings.clusterSize,
    balanceMovesPerMinute: settings.balanceMovesPerMinute,
    capacityHook: settings.capacityHook,
    leaseMs: settings.leaseMs,
    takeoverAfterMs: settings.takeoverAfterMs,
    handoversMax: settings.handoversMax,
    graceMs: settings.resumeGraceMs,
    reach: settings.aoiRadius + settings.aoiHysteresis + settings.overhang,
    takenJournalsMax: settings.takenJournalsMax,
    publications: world.publications,
    delivery: deliverySettings(settings),
    traceShare: traceShareOf(settings),
    crashPoint: readCrashPoint(),
  };
}

function deliverySettings(settings: Settings): DeliverySettings {
  const { dataDir, outboxSink, outboxToken, outboxTimeoutMs, outboxFileBytes } = settings;
  return {
    workerUrl: DELIVERY_THREAD,
    sink: outboxSink === '' ? `file:${path.join(dataDir, 'outbox')}` : outboxSink,
    token: outboxToken,
    timeoutMs: outboxTimeoutMs,
    fileBytesMax: outboxFileBytes,
  };
}

/** @throws NodeError ERR_NODE_TLS when a file cannot be read. */
function tlsFiles({ tlsCert, tlsKey, tlsCa }: Settings): LinkTls | undefined {
  if (tlsCert === '') return undefined;
  const read = (file: string): string => {
    try {
      return readFileSync(file, 'utf8');
    } catch (cause) {
      throw new NodeError('ERR_NODE_TLS', `${file} cannot be read: ${String(cause)}`, { cause });
    }
  };
  return { cert: read(tlsCert), key: read(tlsKey), ca: read(tlsCa) };
}

/** @throws NodeError ERR_NODE_PARAM when a param is given that the module does not have. */
export function phaseOptions(
  settings: Settings,
  { world, pauseOnFailure }: { world: WorldModule; pauseOnFailure: boolean },
): PhaseOptions {
  return {
    seed: settings.seed,
    tickHz: settings.tickHz,
    params: mergeParams(world, settings.params),
    kernel: settings.kernel,
    aoiRadius: settings.aoiRadius,
    aoiHysteresis: settings.aoiHysteresis,
    viewEntitiesMax: settings.viewEntitiesMax,
    backlogBytesSkip: settings.backlogBytesSkip,
    snapshotBytesPerSecond: settings.snapshotBytesPerSecond,
    pauseOnFailure,
    cluster: isClustered(settings)
      ? {
          ...CLUSTER_PHASE_DEFAULTS,
          ...pick(settings, ['overhang', 'dwellMs', 'checkpointMs', 'outboxEventsMax', 'outboxBytesMax']),
        }
      : undefined,
  };
}

function pick<Value, Key extends keyof Value>(value: Value, keys: readonly Key[]): Pick<Value, Key> {
  return Object.fromEntries(keys.map((key) => [key, value[key]])) as Pick<Value, Key>;
}

/** @param given.sessionKey of the cluster, which its directory keeps. */
export function gatewaySettings(
  settings: Settings,
  { world, sessionKey }: { world: WorldModule; sessionKey: string | undefined },
): GatewaySettings {
  return {
    ...pick(settings, PROTECTION_SETTINGS),
    host: settings.host,
    reusePort: settings.reusePort,
    port: settings.port,
    tickHz: settings.tickHz,
    snapshotHz: settings.snapshotHz,
    aoiRadius: settings.aoiRadius,
    edge: world.edge,
    connectionsMax: settings.connectionsMax,
    connectionsPerAddress: settings.connectionsPerAddress,
    connectionsPerAddressLoopback: settings.connectionsPerAddressLoopback,
    maxMessageBytes: settings.maxMessageBytes,
    messagesPerSecond: settings.messagesPerSecond,
    messagesBurst: settings.messagesBurst,
    helloTimeoutMs: settings.helloTimeoutMs,
    headersTimeoutMs: settings.headersTimeoutMs,
    idleTimeoutMs: settings.idleTimeoutMs,
    resumeGraceMs: settings.resumeGraceMs,
    backlogBytesSkip: settings.backlogBytesSkip,
    backlogBytesMax: settings.backlogBytesMax,
    backlogMsMax: settings.backlogMsMax,
    tunnelBytesPerSecondMax: settings.tunnelBytesPerSecondMax,
    viewer: settings.viewer,
    inspectable: settings.inspectable,
    viewerDirectory: VIEWER_DIRECTORY,
    pageDirectory: settings.page === '' ? '' : pageDirectory(settings),
    viewersMax: settings.viewersMax,
    cluster: isClustered(settings)
      ? {
          node: settings.node,
          traceShare: traceShareOf(settings),
          ...(sessionKey !== undefined && { sessionKey }),
          journal: { folder: path.join(settings.dataDir, settings.node), readerUrl: TRACE_READER },
        }
      : undefined,
  };
}

/** Without anybody to tell them to, traces are not made. */
function traceShareOf({ otlpUrl, traceShare }: Settings): number {
  return otlpUrl === '' ? 0 : traceShare;
}

/** Where the setting `page` is bundled to: each node of a host has its own. */
export function pageDirectory({ dataDir, node }: Settings): string {
  return path.resolve(dataDir, node, 'page');
}

/** For people: every setting but secrets, as it is in force. */
export function shownSettings(settings: Settings, world: WorldModule): Record<string, string | number | boolean> {
  const shown: Record<string, string | number | boolean> = {};
  for (const name of SETTING_NAMES) {
    const value = settings[name];
    if (metaOf(name).secret || value === undefined) continue;
    if (typeof value !== 'object') shown[name] = typeof value === 'string' ? hidePassword(value) : value;
  }
  for (const [name, value] of Object.entries(mergeParams(world, settings.params))) shown[`params.${name}`] = value;
  return { ...shown, worldSize: settings.worldSize ?? world.size };
}

/** The module's params, with those that an operator set. @throws NodeError ERR_NODE_PARAM */
export function mergeParams(
  world: Pick<WorldModule, 'params' | 'schema'>,
  given: Readonly<Record<string, number>>,
): Record<string, number> {
  const names = Object.keys(world.params);
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    const nearest = nearestName(name, names);
    const remedy = nearest ? `did you mean "${nearest}"?` : `it has ${names.join(', ') || 'none'}`;
    throw new NodeError('ERR_NODE_PARAM', `the world "${world.schema.name}" has no param "${name}"; ${remedy}`);
  }
  return { ...world.params, ...given };
}
