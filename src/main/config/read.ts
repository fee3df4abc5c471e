/**
 * Reads the sources of settings. The only place that looks at the environment; argv comes from cli.ts by way of
 * commander.
 */
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';
import { ConfigError } from './config-error.ts';
import { resolveConfig } from './resolve.ts';
import type { ConfigSource, ResolvedConfig } from './resolve.ts';
import { SETTING_NAMES, environmentNameOf } from './settings.ts';

const PREFIX = 'WORLDMESH_';
/** Names the file, like --config; not a setting itself. */
const CONFIG_VARIABLE = 'WORLDMESH_CONFIG';
const FILE_BYTES_MAX = 1024 * 1024;

export interface ConfigInputs {
  /** Setting name → text, from flags. */
  readonly flags: ReadonlyMap<string, unknown>;
  readonly environment: { readonly [name: string]: string | undefined };
  /** From --config; the environment's WORLDMESH_CONFIG counts otherwise. */
  readonly file: string | undefined;
}

/** With the environment of this process. @throws ConfigError */
export function readConfigOfProcess(given: Omit<ConfigInputs, 'environment'>): ResolvedConfig {
  return readConfig({ ...given, environment: process.env });
}

/** The environment of a process that this one starts. `colours`: its output is shown on a terminal in the end. */
export function environmentForNodes({ colours }: { readonly colours: boolean }): NodeJS.ProcessEnv {
  return colours ? { ...process.env, FORCE_COLOR: '1' } : process.env;
}

/** @throws ConfigError */
export function readConfig({ flags, environment, file }: ConfigInputs): ResolvedConfig {
  const path = file ?? environment[CONFIG_VARIABLE];
  const sources: ConfigSource[] = [
    { kind: 'flag', path: '', values: flags },
    { kind: 'environment', path: '', values: environmentValues(environment) },
  ];
  if (path !== undefined && path !== '') sources.push({ kind: 'file', path, values: fileValues(path) });
  return resolveConfig(sources);
}

/** The settings among environment variables. An unknown WORLDMESH_… is kept, to be reported. */
export function environmentValues(environment: ConfigInputs['environment']): Map<string, unknown> {
  const names = new Map<string, string>(SETTING_NAMES.map((name) => [environmentNameOf(name), name]));
  const values = new Map<string, unknown>();
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith(PREFIX) || variable === CONFIG_VARIABLE || value === undefined) continue;
    values.set(names.get(variable) ?? camelCase(variable.slice(PREFIX.length)), value);
  }
  return values;
}

/** @throws ConfigError code ERR_CONFIG_FILE */
export function fileValues(path: string): Map<string, unknown> {
  const content = readText(path);
  // Loaded only for a file: few nodes have one, and it would cost each of them 10 ms at start.
  const { YAMLParseError, parse } = createRequire(import.meta.url)('yaml') as typeof Yaml;
  let parsed: unknown;
  try {
    parsed = parse(content, { maxAliasCount: 16, prettyErrors: true });
  } catch (cause) {
    throw fileError(path, {
      found: cause instanceof YAMLParseError ? syntaxText(cause) : 'not valid YAML or JSON',
      remedy: 'correct the YAML or JSON at that place',
    });
  }
  if (parsed === null || parsed === undefined) return new Map();
  if (typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw fileError(path, {
      found: `${Array.isArray(parsed) ? 'a list' : `a ${typeof parsed}`} at the top`,
      remedy: 'write "name: value" lines, such as "tickHz: 20"',
    });
  }
  return new Map(Object.entries(parsed));
}

function readText(path: string): string {
  try {
    const { size } = statSync(path);
    if (size > FILE_BYTES_MAX) {
      throw fileError(path, {
        found: `${size} bytes large`,
        remedy: `a configuration has at most ${FILE_BYTES_MAX} bytes`,
      });
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const found = code === 'ENOENT' ? 'not found' : `not readable (${code})`;
    throw fileError(path, { found, remedy: 'check the path given by --config or WORLDMESH_CONFIG' });
  }
}

function fileError(path: string, { found, remedy }: { found: string; remedy: string }): ConfigError {
  return new ConfigError([
    { code: 'ERR_CONFIG_FILE', setting: path, found, source: 'configuration file', allowed: '', remedy },
  ]);
}

/** What is wrong and where. The parser's own message is not used: it quotes the file, which may hold a secret. */
function syntaxText(cause: Yaml.YAMLParseError): string {
  const what = cause.code.toLowerCase().replaceAll('_', ' ');
  const [start] = cause.linePos ?? [];
  return start
    ? `not valid YAML or JSON at line ${start.line}, column ${start.col} (${what})`
    : `not valid YAML or JSON (${what})`;
}

function camelCase(variable: string): string {
  return variable.toLowerCase().replaceAll(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
