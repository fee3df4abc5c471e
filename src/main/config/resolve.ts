/**
 * From flags, environment and file to checked settings: a flag beats the environment, which beats the file, which
 * beats the default. Everything given is checked, also what is overridden: a wrong value is never silently unused.
 *
 * Pure: reads neither argv nor environment nor disk (read.ts does).
 */
import { ConfigError } from './config-error.ts';
import type { ConfigProblem } from './config-error.ts';
import { clusterConflicts } from './cluster-conflicts.ts';
import { nearestName } from './nearest.ts';
import { protectionConflicts } from './protection-conflicts.ts';
import {
  SETTING_NAMES,
  allowedText,
  defaultOf,
  defaultSettings,
  environmentNameOf,
  flagOf,
  isSetting,
  metaOf,
  schemaOf,
} from './settings.ts';
import type { SettingMeta } from './setting.ts';
import type { SettingName, Settings } from './settings.ts';

/** What one place says. Values from flags and environment are text; a file may hold any YAML or JSON value. */
export interface ConfigSource {
  readonly kind: 'flag' | 'environment' | 'file';
  /** The path of a file; else empty. */
  readonly path: string;
  /** By name of the setting in camelCase; names that are not settings are found here too. */
  readonly values: ReadonlyMap<string, unknown>;
  /** Where in a file each name stands, from 1. */
  readonly lines?: ReadonlyMap<string, number>;
}

export interface ResolvedConfig {
  readonly settings: Settings;
  /** Where each setting that is not at its default came from, for people: `flag --tick-hz`, `file worldmesh.yaml:3`. */
  readonly origins: ReadonlyMap<SettingName, string>;
}

/** Cells are visited each tick, empty ones too: beyond this a world needs larger cells. */
export const CELLS_MAX = 1_048_576;
const VALUE_TEXT_MAX = 80;

/**
 * @param sources the strongest first.
 * @throws ConfigError with every problem found.
 */
export function resolveConfig(sources: readonly ConfigSource[]): ResolvedConfig {
  const problems: ConfigProblem[] = [];
  const chosen = new Map<string, unknown>();
  const origins = new Map<SettingName, string>();
  for (const source of sources) {
    for (const [name, raw] of source.values) {
      const value = checkValue(name, raw, { source, problems });
      if (value === undefined || !isSetting(name)) continue;
      if (name === 'params') {
        chosen.set(name, { ...(value as object), ...(chosen.get(name) as object | undefined) });
      } else if (!chosen.has(name)) {
        chosen.set(name, value);
      }
      if (!origins.has(name)) origins.set(name, originText(name, source));
    }
  }
  if (isNotEmpty(problems)) throw new ConfigError(problems);
  const settings: Settings = { ...defaultSettings(), ...Object.fromEntries(chosen) };
  checkTogether(settings, { origins, problems });
  if (isNotEmpty(problems)) throw new ConfigError(problems);
  return { settings, origins };
}

/** A value as it may be printed: short, on one line, and hidden when secret. */
export function printable(value: unknown, { secret }: { secret: boolean }): string {
  if (secret) return value === '' ? '""' : '(hidden)';
  const text = hidePassword(typeof value === 'string' ? JSON.stringify(value) : renderValue(value));
  return text.length > VALUE_TEXT_MAX ? `${text.slice(0, VALUE_TEXT_MAX)}…` : text;
}

/** What stands between a user's name and the host of a URL, such as that of a database. */
export function hidePassword(text: string): string {
  return text.replaceAll(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@"]*):[^\s/@"]+@/gi, '$1:(hidden)@');
}

function checkValue(
  name: string,
  raw: unknown,
  { source, problems }: { source: ConfigSource; problems: ConfigProblem[] },
): unknown {
  if (!isSetting(name)) {
    problems.push(unknownSetting(name, source));
    return undefined;
  }
  const meta = metaOf(name);
  const value = source.kind === 'file' ? raw : parseText(String(raw), meta);
  const checked = schemaOf(name).safeParse(value);
  if (checked.success) return checked.data;
  const allowed = allowedText(meta);
  problems.push({
    code: 'ERR_CONFIG_VALUE',
    setting: name,
    found: printable(raw, { secret: meta.secret === true }),
    source: originText(name, source),
    allowed,
    remedy: `give ${allowed}, such as ${exampleText(name, { source, meta })}`,
  });
  return undefined;
}

function unknownSetting(name: string, source: ConfigSource): ConfigProblem {
  const nearest = nearestName(name, SETTING_NAMES) as SettingName | undefined;
  return {
    code: 'ERR_CONFIG_UNKNOWN',
    setting: spelled(name.slice(0, VALUE_TEXT_MAX), source),
    found: 'not a setting',
    source: source.kind === 'file' ? placeText(name, source) : source.kind,
    allowed: '',
    remedy: nearest
      ? `did you mean ${spelled(nearest, source)}?`
      : 'run "worldmesh config print" for a list of all settings, or remove it',
  };
}

/** Text from a flag or the environment, as the type that the setting has; text that does not fit stays text. */
function parseText(text: string, meta: SettingMeta): unknown {
  switch (meta.kind) {
    case 'integer':
    case 'number':
      return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()) ? Number(text) : text;
    case 'boolean':
      return parseBoolean(text);
    case 'params':
      return parseParams(text);
    case 'list':
      return text.split(/[,\s]+/).filter((part) => part !== '');
    case 'text':
    case 'choice':
      return text;
  }
}

function parseBoolean(text: string): unknown {
  const word = text.trim().toLowerCase();
  if (['true', '1', 'yes', 'on'].includes(word)) return true;
  if (['false', '0', 'no', 'off'].includes(word)) return false;
  return text;
}

/** `name=value,name=value`, separated by commas or blanks. */
function parseParams(text: string): unknown {
  const params: Record<string, unknown> = {};
  for (const part of text.split(/[,\s]+/)) {
    if (part === '') continue;
    const at = part.indexOf('=');
    const name = part.slice(0, at);
    const value = part.slice(at + 1);
    if (at < 1 || value === '' || !Number.isFinite(Number(value))) return text;
    params[name] = Number(value);
  }
  return params;
}

/** Settings that are fine alone, but not with each other; `setting` is the one to change. */
export interface Conflict {
  readonly setting: SettingName;
  readonly found: string;
  readonly allowed: string;
  readonly remedy: string;
}

/** Settings that are fine alone, but not with each other. */
function checkTogether(
  settings: Settings,
  { origins, problems }: { origins: ReadonlyMap<SettingName, string>; problems: ConfigProblem[] },
): void {
  for (const conflict of conflictsOf(settings)) {
    problems.push({
      ...conflict,
      code: 'ERR_CONFIG_CONFLICT',
      source: origins.get(conflict.setting) ?? 'default',
    });
  }
}

function* conflictsOf(settings: Settings): Generator<Conflict> {
  const { tickHz, snapshotHz, cellSize, hysteresis, worldSize } = settings;
  if (tickHz % snapshotHz !== 0) {
    yield {
      setting: 'snapshotHz',
      found: String(snapshotHz),
      allowed: `a divisor of tickHz, which is ${tickHz}`,
      remedy: `set snapshotHz to ${largestDivisor(tickHz, snapshotHz)}, or tickHz to a multiple of ${snapshotHz}`,
    };
  }
  if (hysteresis > cellSize / 4) {
    yield {
      setting: 'hysteresis',
      found: String(hysteresis),
      allowed: `at most a quarter of cellSize, ${cellSize / 4} m`,
      remedy: `lower hysteresis to ${cellSize / 4} or raise cellSize to ${hysteresis * 4}`,
    };
  }
  const cells = worldSize === undefined ? 0 : (Math.ceil(worldSize / cellSize) + 1) ** 2;
  if (cells > CELLS_MAX) {
    yield {
      setting: 'cellSize',
      found: String(cellSize),
      allowed: `a size that gives at most ${CELLS_MAX} cells in a world of ${worldSize} m`,
      remedy: `raise cellSize to ${Math.ceil((worldSize ?? 0) / (Math.sqrt(CELLS_MAX) - 1))} or more, or lower worldSize`,
    };
  }
  yield* clientConflicts(settings);
  yield* clusterConflicts(settings);
  yield* protectionConflicts(settings);
}

function* clientConflicts({
  backlogBytesSkip,
  backlogBytesMax,
  messagesBurst,
  messagesPerSecond,
}: Settings): Generator<Conflict> {
  if (backlogBytesSkip > backlogBytesMax) {
    yield {
      setting: 'backlogBytesSkip',
      found: String(backlogBytesSkip),
      allowed: `at most backlogBytesMax, which is ${backlogBytesMax}`,
      remedy: `lower backlogBytesSkip to ${backlogBytesMax} or raise backlogBytesMax to ${backlogBytesSkip}`,
    };
  }
  if (messagesBurst < messagesPerSecond) {
    yield {
      setting: 'messagesBurst',
      found: String(messagesBurst),
      allowed: `at least messagesPerSecond, which is ${messagesPerSecond}`,
      remedy: `raise messagesBurst to ${messagesPerSecond} or lower messagesPerSecond to ${messagesBurst}`,
    };
  }
}

function largestDivisor(of: number, atMost: number): number {
  for (let candidate = Math.min(of, atMost); candidate > 1; candidate--) if (of % candidate === 0) return candidate;
  return 1;
}

function originText(name: SettingName, source: ConfigSource): string {
  return source.kind === 'file' ? placeText(name, source) : `${source.kind} ${spelled(name, source)}`;
}

/** As editors and terminals find it: `file worldmesh.yaml:3`. */
function placeText(name: string, { path, lines }: ConfigSource): string {
  const line = lines?.get(name);
  return line === undefined ? `file ${path}` : `file ${path}:${line}`;
}

/** The name in the style of its source. */
function spelled(name: string, source: ConfigSource): string {
  if (source.kind === 'flag') return flagOf(name as SettingName);
  return source.kind === 'environment' ? environmentNameOf(name as SettingName) : name;
}

function exampleText(name: SettingName, { source, meta }: { source: ConfigSource; meta: SettingMeta }): string {
  const value = exampleValue(name, meta);
  if (source.kind === 'file') return `"${name}: ${fileValue(name, { value, meta })}"`;
  return source.kind === 'flag' ? `"${flagOf(name)} ${value}"` : `"${environmentNameOf(name)}=${value}"`;
}

function fileValue(name: SettingName, { value, meta }: { value: string; meta: SettingMeta }): string {
  if (name === 'params') return '{ botsPerCell: 20 }';
  return meta.kind === 'list' ? `[${value}]` : value;
}

function exampleValue(name: SettingName, { kind, min, example }: SettingMeta): string {
  if (example !== undefined) return example;
  if (kind === 'params') return 'botsPerCell=20';
  if (name === 'authSecret') return '…';
  return String(defaultOf(name) ?? min ?? '');
}

function renderValue(value: unknown): string {
  if (value === null || value === undefined) return 'empty';
  if (typeof value === 'object') {
    try {
      return JSON.stringify(value) ?? 'unprintable';
    } catch {
      return 'unprintable'; // Cyclic, as YAML anchors can make it.
    }
  }
  return String(value as number | boolean | bigint | symbol);
}

function isNotEmpty(problems: ConfigProblem[]): problems is [ConfigProblem, ...ConfigProblem[]] {
  return problems.length > 0;
}
