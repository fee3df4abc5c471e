/**
 * Every setting of a node, in one schema: name, unit, default, range and what it means. Flags, environment and file
 * are read by it (resolve.ts), `--help` and docs/SETTINGS.md are written from it.
 *
 * Names are camelCase here and in files, `--kebab-case` as flags, `WORLDMESH_UPPER_CASE` in the environment.
 */
import { availableParallelism } from 'node:os';
import { CLUSTER_SETTINGS } from './cluster-settings.ts';
import { PROTECTION_SETTINGS } from './protection-settings.ts';
import { boolean, bytes, choice, integer, number, numbers, optionalNumber, text } from './setting.ts';
import type { Setting, SettingMeta } from './setting.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

export const WORKERS_MAX = 64;
/** Beyond this many workers a barrier costs more than another thread brings; an operator may still ask for more. */
const WORKERS_DEFAULT_MAX = 8;
const PARAMS_MAX = 64;

const SETTINGS = {
  module: text('', {
    placeholder: 'file',
    group: 'Process',
    max: 4096,
    defaultText: 'the meadow example',
    about: 'World module, a .ts or .js file; the argument of serve, dev and cluster beats it',
  }),
  port: integer(7777, {
    group: 'Process',
    min: 0,
    max: 65_535,
    about: 'Port for clients, viewer and metrics; 0 takes a free one',
  }),
  reusePort: boolean(false, {
    group: 'Process',
    about: 'Share the port with other gateways on this host; the kernel spreads clients over them (Linux)',
  }),
  host: text('127.0.0.1', {
    placeholder: 'address',
    group: 'Process',
    max: 255,
    about: 'Address to listen on; 0.0.0.0 admits other machines',
  }),
  dataDir: text('.worldmesh', {
    placeholder: 'folder',
    group: 'Process',
    max: 1024,
    about: 'Folder for what must survive a restart',
  }),
  viewer: boolean(true, { group: 'Process', about: 'Serve the web page and its feed' }),
  page: text('', {
    placeholder: 'file',
    group: 'Process',
    max: 1024,
    about:
      'HTML file of a game: bundled at start with the scripts and style sheets that it names, and served at /play/',
  }),
  inspectable: boolean(false, {
    group: 'Process',
    about: 'Answer /status and /entities to any address, not to this machine only',
  }),
  logLevel: choice('info', ['trace', 'debug', 'info', 'warn', 'error', 'silent'], {
    group: 'Process',
    about: 'Least severity that is logged',
  }),
  logFormat: choice('auto', ['auto', 'pretty', 'json'], {
    group: 'Process',
    about: 'How to log; auto is pretty on a terminal and JSON elsewhere',
  }),

  worldSize: optionalNumber({
    group: 'World',
    unit: 'm',
    min: 16,
    max: 131_072,
    defaultText: "the module's `size`",
    about: 'Side of the square world, centred on the origin',
  }),
  seed: integer(1, { group: 'World', min: 0, max: 4_294_967_295, about: 'Seed of all randomness in the world' }),
  params: numbers({
    countMax: PARAMS_MAX,
    group: 'World',
    defaultText: "the module's `params`",
    about: 'Numbers of the world module: --param name=value, repeated',
  }),
  cellSize: number(256, { group: 'World', unit: 'm', min: 8, max: 8192, about: 'Side of a cell' }),
  hysteresis: number(2, {
    group: 'World',
    unit: 'm',
    min: 0,
    max: 256,
    about: 'How far past a border an entity changes cell',
  }),

  tickHz: integer(20, { group: 'Ticks', unit: 'Hz', min: 1, max: 240, about: 'Ticks in a second' }),
  snapshotHz: integer(10, {
    group: 'Ticks',
    unit: 'Hz',
    min: 1,
    max: 240,
    about: 'Snapshots a client is sent in a second',
  }),
  workers: integer(workersDefault, {
    group: 'Ticks',
    unit: 'threads',
    min: 1,
    max: WORKERS_MAX,
    defaultText: 'cores − 1, from 1 to 8',
    about: 'Simulation threads',
  }),
  kernel: choice('simd', ['simd', 'typescript'], { group: 'Ticks', about: 'Movement kernel; both give the same bits' }),
  catchUpTicksMax: integer(5, {
    group: 'Ticks',
    unit: 'ticks',
    min: 0,
    max: 1000,
    about: 'Late ticks that are caught up; further ones are skipped and counted',
  }),

  entitiesMax: integer(65_536, {
    group: 'Capacity',
    unit: 'entities',
    min: 64,
    max: 8_388_608,
    about: 'Rows of the entity store',
  }),
  sessionsMax: integer(2048, {
    group: 'Capacity',
    unit: 'sessions',
    min: 1,
    max: 65_535,
    about: 'Clients at once, resumable ones included',
  }),
  heapBytes: bytes(8 * MIB, {
    group: 'Capacity',
    min: 64 * KIB,
    max: 2048 * MIB,
    multipleOf: 32,
    about: 'Memory for list fields',
  }),
  commandBytes: bytes(4 * MIB, {
    group: 'Capacity',
    min: 64 * KIB,
    max: 256 * MIB,
    multipleOf: 64,
    about: 'Spawns, despawns and events of one tick, for each worker',
  }),
  inputRingBytes: bytes(MIB, {
    group: 'Capacity',
    min: 64 * KIB,
    max: 256 * MIB,
    powerOfTwo: true,
    about: 'Inputs on their way to the simulation',
  }),
  outboundRingBytes: bytes(4 * MIB, {
    group: 'Capacity',
    min: 256 * KIB,
    max: 1024 * MIB,
    powerOfTwo: true,
    about: 'Snapshots on their way to the gateway, for each worker',
  }),

  aoiRadius: number(128, {
    group: 'Interest',
    unit: 'm',
    min: 1,
    max: 4096,
    about: 'How far a client sees, boundary included',
  }),
  aoiHysteresis: number(4, {
    group: 'Interest',
    unit: 'm',
    min: 0,
    max: 256,
    about: 'An entity leaves the view this far beyond aoiRadius',
  }),
  viewEntitiesMax: integer(255, {
    group: 'Interest',
    unit: 'entities',
    min: 1,
    max: 255,
    about: 'Entities in view of one client; the nearest win',
  }),
  snapshotBytesPerSecond: bytes(16 * KIB, {
    group: 'Interest',
    min: KIB,
    max: 64 * MIB,
    about:
      'Snapshot bytes of one client in a second, and after a quiet time at once; when short, the most urgent goes first',
  }),

  resumeGraceMs: integer(30_000, {
    group: 'Clients',
    unit: 'ms',
    min: 0,
    max: 3_600_000,
    about: 'How long a lost client may come back to its session',
  }),
  helloTimeoutMs: integer(5000, {
    group: 'Clients',
    unit: 'ms',
    min: 100,
    max: 600_000,
    about: 'Time for a new connection to say hello',
  }),
  headersTimeoutMs: integer(5000, {
    group: 'Clients',
    unit: 'ms',
    min: 100,
    max: 600_000,
    about: 'Time for a new connection to send its HTTP headers',
  }),
  idleTimeoutMs: integer(30_000, {
    group: 'Clients',
    unit: 'ms',
    min: 1000,
    max: 3_600_000,
    about: 'A connection without a sign of life for so long is cut; it is pinged at half of it',
  }),
  maxMessageBytes: bytes(4096, { group: 'Clients', min: 256, max: MIB, about: 'Largest message taken from a client' }),
  messagesPerSecond: integer(60, {
    group: 'Clients',
    unit: '1/s',
    min: 1,
    max: 100_000,
    about: 'Messages of one client, sustained',
  }),
  messagesBurst: integer(300, {
    group: 'Clients',
    unit: 'messages',
    min: 1,
    max: 1_000_000,
    about: 'Messages of one client at once',
  }),
  connectionsMax: integer(4096, {
    group: 'Clients',
    unit: 'connections',
    min: 1,
    max: 1_000_000,
    about: 'Connections at once, players and viewers together',
  }),
  viewersMax: integer(8, {
    group: 'Clients',
    unit: 'connections',
    min: 0,
    max: 1000,
    about: 'Viewer pages that are sent the overview at once',
  }),
  connectionsPerAddress: integer(64, {
    group: 'Clients',
    unit: 'connections',
    min: 1,
    max: 1_000_000,
    about: 'Connections from one address',
  }),
  connectionsPerAddressLoopback: integer(4096, {
    group: 'Clients',
    unit: 'connections',
    min: 1,
    max: 1_000_000,
    about: 'Connections from this machine itself',
  }),
  backlogBytesSkip: bytes(65_536, {
    group: 'Clients',
    min: KIB,
    max: 1024 * MIB,
    about: 'Unsent bytes above which a client gets no snapshots',
  }),
  backlogBytesMax: bytes(MIB, {
    group: 'Clients',
    min: KIB,
    max: 1024 * MIB,
    about: 'Unsent bytes above which a client is dropped',
  }),
  backlogMsMax: integer(10_000, {
    group: 'Clients',
    unit: 'ms',
    min: 100,
    max: 600_000,
    about: 'A client behind for longer is dropped',
  }),

  ...PROTECTION_SETTINGS,

  recordEntitiesMax: integer(20_000, {
    group: 'Recording',
    unit: 'entities',
    min: 0,
    max: 8_388_608,
    about: 'Up to so many, a recording holds a hash for each entity',
  }),
  recordBacklogBytesMax: bytes(64 * MIB, {
    group: 'Recording',
    min: MIB,
    max: 2048 * MIB,
    about: 'Unwritten bytes of a recording; above it the recording ends and the world goes on',
  }),

  ...CLUSTER_SETTINGS,
};

export type SettingName = keyof typeof SETTINGS;
export type Settings = {
  readonly [Name in SettingName]: (typeof SETTINGS)[Name] extends Setting<infer Value> ? Value : never;
};

export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

export function metaOf(name: SettingName): SettingMeta {
  return SETTINGS[name].meta;
}

export function isSetting(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}

/** Of the values that the setting takes. */
export function schemaOf(name: SettingName): ReturnType<(typeof SETTINGS)[SettingName]['schema']> {
  return SETTINGS[name].schema();
}

/** True if the setting takes this value. */
export function accepts(name: SettingName, value: unknown): boolean {
  return schemaOf(name).safeParse(value).success;
}

export function defaultOf(name: SettingName): Settings[SettingName] {
  return SETTINGS[name].defaultValue();
}

/** The defaults of this machine. */
export function defaultSettings(): Settings {
  return Object.fromEntries(SETTING_NAMES.map((name) => [name, defaultOf(name)])) as unknown as Settings;
}

/** What is repeated stands in the singular on a command line: `--param name=value`, `--peer name=host:port`. */
export function optionOf(name: SettingName): string {
  return name === 'params' || name === 'peers' || name === 'origins' ? name.slice(0, -1) : name;
}

/** `tickHz` → `--tick-hz`. */
export function flagOf(name: SettingName): string {
  return `--${optionOf(name).replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `tickHz` → `WORLDMESH_TICK_HZ`. */
export function environmentNameOf(name: SettingName): string {
  return `WORLDMESH_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** What may stand there, in words: `a whole number from 1 to 240 (Hz)`. */
export function allowedText({ kind, min, max, unit, choices, powerOfTwo, multipleOf, shape }: SettingMeta): string {
  if (shape !== undefined) return shape;
  const suffix = unit === '' ? '' : ` (${unit})`;
  switch (kind) {
    case 'integer': {
      const noun = powerOfTwo ? 'a power of two' : multipleOf ? `a multiple of ${multipleOf}` : 'a whole number';
      return `${noun} from ${min} to ${max}${suffix}`;
    }
    case 'number':
      return `a number from ${min} to ${max}${suffix}`;
    case 'choice':
      return `one of ${(choices ?? []).join(', ')}`;
    case 'boolean':
      return 'true or false';
    case 'text':
      return `text of at most ${max} characters`;
    case 'list':
      return `at most ${max} texts, separated by commas`;
    case 'params':
      return 'name=value pairs with finite numbers';
  }
}

function workersDefault(): number {
  return Math.max(1, Math.min(WORKERS_DEFAULT_MAX, availableParallelism() - 1));
}
