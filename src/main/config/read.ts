/**
 * Reads the sources of settings. The only place that looks at the environment; argv comes from cli.ts by way of
 * commander.
 */
import { CRASH_POINT_VARIABLE } from './crash-point.ts';
import { readConfigFile, sourcesOfNode } from './file.ts';
import { resolveConfig } from './resolve.ts';
import type { ConfigSource, ResolvedConfig } from './resolve.ts';
import { SETTING_NAMES, environmentNameOf } from './settings.ts';
import type { Settings } from './settings.ts';

const PREFIX = 'WORLDMESH_';
/** Names the file, like --config; not a setting itself. */
const CONFIG_VARIABLE = 'WORLDMESH_CONFIG';
const NOT_SETTINGS: ReadonlySet<string> = new Set([CONFIG_VARIABLE, CRASH_POINT_VARIABLE]);

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

/**
 * Where a command that is no node finds a cluster. What is said of nodes in environment and file need not fit together for it.
 * @throws ConfigError when one of the two is no value of its setting.
 */
export function readPlacesOfProcess(): Pick<Settings, 'directory' | 'dataDir'> {
  const given = givenSources({ flags: new Map(), environment: process.env });
  const path = configPath({ environment: process.env, file: undefined });
  const sources = [...given, ...(path === '' ? [] : [readConfigFile(path).common])];
  const { settings } = resolveConfig(
    sources.map(({ values, ...source }) => {
      const { directory, dataDir } = Object.fromEntries(values);
      const places = Object.entries({ directory, dataDir }).filter(([, value]) => value !== undefined);
      // A directory goes with a node; any name will do.
      return {
        ...source,
        values: new Map<string, unknown>([...places, ...(directory === undefined ? [] : [['node', 'a'] as const])]),
      };
    }),
  );
  return settings;
}

/** The environment of a process that this one starts. `colours`: its output is shown on a terminal in the end. */
export function environmentForNodes({ colours }: { readonly colours: boolean }): NodeJS.ProcessEnv {
  return colours ? { ...process.env, FORCE_COLOR: '1' } : process.env;
}

/** @throws ConfigError */
export function readConfig(inputs: ConfigInputs): ResolvedConfig {
  const path = configPath(inputs);
  const given = givenSources(inputs);
  return resolveConfig([...given, ...(path === '' ? [] : sourcesOfNode(readConfigFile(path), nodeNameAmong(given)))]);
}

/** The file that counts; '' for none. */
export function configPath({ environment, file }: Pick<ConfigInputs, 'environment' | 'file'>): string {
  return file ?? environment[CONFIG_VARIABLE] ?? '';
}

/** What flags and environment say, which beats any file. */
export function givenSources({
  flags,
  environment,
}: Pick<ConfigInputs, 'flags' | 'environment'>): readonly ConfigSource[] {
  return [
    { kind: 'flag', path: '', values: flags },
    { kind: 'environment', path: '', values: environmentValues(environment) },
  ];
}

/** The node that flags or environment name. */
export function nodeNameAmong(sources: readonly ConfigSource[]): string | undefined {
  const name = sources.map(({ values }) => values.get('node')).find((value) => value !== undefined);
  return name === undefined ? undefined : String(name);
}

/** The settings among environment variables. An unknown WORLDMESH_… is kept, to be reported. */
export function environmentValues(environment: ConfigInputs['environment']): Map<string, unknown> {
  const names = new Map<string, string>(SETTING_NAMES.map((name) => [environmentNameOf(name), name]));
  const values = new Map<string, unknown>();
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith(PREFIX) || NOT_SETTINGS.has(variable) || value === undefined) continue;
    values.set(names.get(variable) ?? camelCase(variable.slice(PREFIX.length)), value);
  }
  return values;
}

function camelCase(variable: string): string {
  return variable.toLowerCase().replaceAll(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
