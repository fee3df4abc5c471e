/**
 * A configuration file: YAML or JSON, `name: value` lines. A file of a whole cluster has one name more, `nodes`: what stands there
 * under a node's name is that node's alone and beats what is common to all.
 *
 *   tickHz: 20
 *   directory: sqlite:.worldmesh/directory.sqlite
 *   nodes:
 *     a: { port: 7777 }
 *     b: { port: 7778 }
 */
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import type * as Yaml from 'yaml';
import { NODE_NAME_SHAPE } from './address.ts';
import { CLUSTER_NODES_MAX } from './cluster-settings.ts';
import { ConfigError } from './config-error.ts';
import type { ConfigSource } from './resolve.ts';

const FILE_BYTES_MAX = 1024 * 1024;
const ALIASES_MAX = 16;
/** Of a whole cluster's file; not a setting. */
const NODES = 'nodes';

export interface ConfigFile {
  readonly path: string;
  /** What counts for every node. */
  readonly common: ConfigSource;
  /** By name, for a whole cluster; undefined in a file of one node. */
  readonly nodes: ReadonlyMap<string, ConfigSource> | undefined;
}

/**
 * @param folder where a relative path begins.
 * @throws ConfigError code ERR_CONFIG_FILE
 */
export function readConfigFile(path: string, { folder = '.' }: { readonly folder?: string } = {}): ConfigFile {
  const content = readText(path, folder);
  // Loaded only for a file: few nodes have one, and it would cost each of them 10 ms at start.
  const yaml = createRequire(import.meta.url)('yaml') as typeof Yaml;
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(content, { prettyErrors: true, lineCounter: lines });
  const parsed = valueOf(document, path);
  if (parsed === null || parsed === undefined) return { path, common: sourceOf(path, {}), nodes: undefined };
  if (!isObject(parsed)) {
    throw fileError(path, {
      found: `${Array.isArray(parsed) ? 'a list' : `a ${typeof parsed}`} at the top`,
      remedy: 'write "name: value" lines, such as "tickHz: 20"',
    });
  }
  const lineOf = (map: unknown): Map<string, number> => {
    const pairs = yaml.isMap(map) ? map.items : [];
    return new Map(
      pairs.flatMap(({ key }) =>
        yaml.isScalar(key) && key.range ? [[String(key.value), lines.linePos(key.range[0]).line] as const] : [],
      ),
    );
  };
  const { [NODES]: nodes, ...common } = parsed;
  const source = sourceOf(path, common, lineOf(document.contents));
  if (nodes === undefined) return { path, common: source, nodes: undefined };
  return {
    path,
    common: source,
    nodes: nodesOf(path, nodes, (name) => {
      const map = document.getIn([NODES, name], true);
      return new Map([...lineOf(map), ['node', lineOf(document.get(NODES, true)).get(name) ?? 0]]);
    }),
  };
}

/**
 * The sources of one node in this file, the strongest first.
 * @throws ConfigError when the file is of a whole cluster and has no such node.
 */
export function sourcesOfNode({ path, common, nodes }: ConfigFile, node: string | undefined): readonly ConfigSource[] {
  if (nodes === undefined) return [common];
  const own = node === undefined ? undefined : nodes.get(node);
  if (own !== undefined) return [own, common];
  const names = [...nodes.keys()];
  throw fileError(path, {
    found:
      node === undefined
        ? `of a whole cluster, the nodes ${names.join(', ')}`
        : `of the nodes ${names.join(', ')} only`,
    remedy:
      node === undefined
        ? `say which of them this is, such as --node ${names[0] ?? 'a'}`
        : `name one of them instead of "${node.slice(0, NAME_LENGTH_SHOWN)}", or add it under "nodes"`,
  });
}

const NAME_LENGTH_SHOWN = 32;

function nodesOf(
  path: string,
  nodes: unknown,
  linesOf: (name: string) => ReadonlyMap<string, number>,
): ReadonlyMap<string, ConfigSource> {
  const entries = isObject(nodes) ? Object.entries(nodes) : [];
  if (entries.length === 0 || entries.length > CLUSTER_NODES_MAX) {
    throw fileError(path, {
      found: `${entries.length === 0 ? 'without names' : `with ${entries.length} names`} under "nodes"`,
      remedy: `write 1 to ${CLUSTER_NODES_MAX} nodes, each with its own settings, such as "nodes: { a: { port: 7777 } }"`,
    });
  }
  return new Map(
    entries.map(([name, values]) => {
      if (!NODE_NAME_SHAPE.test(name) || !(values === null || isObject(values))) {
        throw fileError(path, {
          found: `wrong under "nodes": ${JSON.stringify(name.slice(0, NAME_LENGTH_SHOWN))} is no node with settings`,
          remedy:
            'write the name of a node (small letters, digits and "-") and its settings, such as "a: { port: 7777 }"',
        });
      }
      return [name, sourceOf(path, { ...values, node: name }, linesOf(name))];
    }),
  );
}

function sourceOf(path: string, values: object, lines: ReadonlyMap<string, number> = new Map()): ConfigSource {
  return { kind: 'file', path, values: new Map(Object.entries(values)), lines };
}

function valueOf(document: Yaml.Document.Parsed, path: string): unknown {
  const [error] = document.errors;
  let found = error === undefined ? undefined : syntaxText(error);
  try {
    if (found === undefined) return document.toJS({ maxAliasCount: ALIASES_MAX }) as unknown;
  } catch {
    found = 'not valid YAML or JSON'; // An alias of nothing, or too many.
  }
  throw fileError(path, { found, remedy: 'correct the YAML or JSON at that place' });
}

function readText(path: string, folder: string): string {
  try {
    const file = resolve(folder, path);
    const { size } = statSync(file);
    if (size > FILE_BYTES_MAX) {
      throw fileError(path, {
        found: `${size} bytes large`,
        remedy: `a configuration has at most ${FILE_BYTES_MAX} bytes`,
      });
    }
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const found = code === 'ENOENT' ? 'not found' : `not readable (${code})`;
    throw fileError(path, { found, remedy: 'check the path, and who may read it' });
  }
}

function fileError(path: string, { found, remedy }: { found: string; remedy: string }): ConfigError {
  return new ConfigError([
    { code: 'ERR_CONFIG_FILE', setting: path, found, source: 'configuration file', allowed: '', remedy },
  ]);
}

/** What is wrong and where. The parser's own message is not used: it quotes the file, which may hold a secret. */
function syntaxText(error: Yaml.YAMLParseError): string {
  const what = error.code.toLowerCase().replaceAll('_', ' ');
  const [start] = error.linePos ?? [];
  return start
    ? `not valid YAML or JSON at line ${start.line}, column ${start.col} (${what})`
    : `not valid YAML or JSON (${what})`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
