/** What each part of a node is told, out of the node's settings and its world module. */
import { fileURLToPath } from 'node:url';
import type { StoreOptions } from '../memory/store.ts';
import type { GatewaySettings } from '../net/settings.ts';
import type { PhaseOptions } from '../workers/phases.ts';
import { nearestName } from './config/nearest.ts';
import { SETTING_NAMES, metaOf } from './config/settings.ts';
import type { Settings } from './config/settings.ts';
import { NodeError } from './node-error.ts';
import type { WorldModule } from './world-module.ts';

export const VIEWER_DIRECTORY = fileURLToPath(new URL('../../viewer/dist', import.meta.url));

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
>;

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
  };
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
    pauseOnFailure,
  };
}

export function gatewaySettings(settings: Settings, { world }: { world: WorldModule }): GatewaySettings {
  return {
    host: settings.host,
    port: settings.port,
    tickHz: settings.tickHz,
    snapshotHz: settings.snapshotHz,
    aoiRadius: settings.aoiRadius,
    edge: world.edge,
    authMode: settings.authMode,
    authSecret: settings.authSecret,
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
    viewer: settings.viewer,
    viewerDirectory: VIEWER_DIRECTORY,
    viewersMax: settings.viewersMax,
  };
}

/** For people: every setting but secrets, as it is in force. */
export function shownSettings(settings: Settings, world: WorldModule): Record<string, string | number | boolean> {
  const shown: Record<string, string | number | boolean> = {};
  for (const name of SETTING_NAMES) {
    const value = settings[name];
    if (metaOf(name).secret || value === undefined) continue;
    if (typeof value !== 'object') shown[name] = value;
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
