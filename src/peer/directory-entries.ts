/** Facts, names, settings and schemas in the tables of the embedded directory. Each function runs inside a transaction. */
import type { EntityId } from '../base/brand.ts';
import { DirectoryError } from './directory-error.ts';
import { SCHEMAS_REMEMBERED_MAX, SECRET_VALUE } from './directory.ts';
import type {
  ClusterFacts,
  NameEntry,
  NameHome,
  SchemaEntry,
  SecretName,
  SettingEntry,
  WorldFacts,
} from './directory.ts';
import { nextRevision, prepared } from './directory-tables.ts';
import type { Database } from './directory-tables.ts';

const FACT_KEYS = [
  'world',
  'worldSize',
  'cellSize',
  'blockCells',
  'tickHz',
  'blockCount',
  'clusterId',
  'tickEpochMs',
] as const;

export function writeFacts(database: Database, facts: ClusterFacts): void {
  const insert = prepared(database, 'INSERT INTO fact (key, value) VALUES (?, ?)');
  for (const key of FACT_KEYS) insert.run(key, facts[key]);
}

export function readFacts(database: Database): ClusterFacts {
  const rows = prepared<[], { key: string; value: unknown }>(database, 'SELECT key, value FROM fact').all();
  const isShown = ({ key }: { key: string }): boolean => (FACT_KEYS as readonly string[]).includes(key);
  return Object.fromEntries(rows.filter(isShown).map(({ key, value }) => [key, value])) as unknown as ClusterFacts;
}

/** Written once: whoever comes later is given what is there. */
export function secret(
  database: Database,
  { name, candidate }: { readonly name: SecretName; readonly candidate: string },
): string {
  prepared(database, 'INSERT OR IGNORE INTO fact (key, value) VALUES (?, ?)').run(name, candidate);
  const row = prepared<[string], { value: string }>(database, 'SELECT value FROM fact WHERE key = ?').get(name);
  if (row !== undefined && SECRET_VALUE.test(row.value)) return row.value;
  throw new DirectoryError('ERR_DIRECTORY_CORRUPT', `the fact "${name}" is not one that a node writes`);
}

/** @throws DirectoryError ERR_DIRECTORY_FACTS naming the setting. */
export function checkFacts(cluster: ClusterFacts, own: WorldFacts, { file }: { readonly file: string }): void {
  for (const [key, what] of FACT_NAMES) {
    if (own[key] === cluster[key]) continue;
    throw new DirectoryError(
      'ERR_DIRECTORY_FACTS',
      `${what} is ${own[key]} here, and the cluster in ${file} was made with ${cluster[key]}; ` +
        `set it to ${cluster[key]}, or begin a new cluster with another directory and data folder`,
    );
  }
}

const FACT_NAMES: readonly (readonly [key: keyof WorldFacts, what: string])[] = [
  ['world', 'the name of the world module'],
  ['worldSize', 'worldSize (the size of the module, or --world-size)'],
  ['cellSize', 'cellSize'],
  ['blockCells', 'blockCells'],
  ['tickHz', 'tickHz'],
  ['blockCount', 'the number of blocks'],
];

/** True if it is new here. Drops the oldest beyond the limit. */
export function rememberSchema(database: Database, { hash, version, text }: SchemaEntry): boolean {
  const known = prepared(database, 'SELECT 1 FROM schema WHERE hash = ?').get(hash) !== undefined;
  if (known) return false;
  const newest = prepared<[], { n: number }>(database, 'SELECT coalesce(max(revision), 0) AS n FROM schema').get()?.n;
  prepared(database, 'INSERT INTO schema (hash, version, text, revision) VALUES (?, ?, ?, ?)').run(
    hash,
    version,
    text,
    (newest ?? 0) + 1,
  );
  prepared(
    database,
    'DELETE FROM schema WHERE hash NOT IN (SELECT hash FROM schema ORDER BY revision DESC LIMIT ?)',
  ).run(SCHEMAS_REMEMBERED_MAX);
  return true;
}

export function schemas(database: Database): SchemaEntry[] {
  return prepared<[], SchemaEntry>(database, 'SELECT hash, version, text FROM schema ORDER BY revision').all();
}

export function getName(database: Database, key: string): NameEntry | undefined {
  const row = prepared<[string], { ledger: string; entity: number; version: number }>(
    database,
    'SELECT ledger, entity, version FROM name WHERE key = ?',
  ).get(key);
  return row && { ledger: row.ledger, entity: row.entity as EntityId, version: row.version };
}

export function putName(
  database: Database,
  { key, home, expectedVersion }: { readonly key: string; readonly home: NameHome; readonly expectedVersion: number },
): { version: number } | undefined {
  if ((getName(database, key)?.version ?? 0) !== expectedVersion) return undefined;
  const version = nextRevision(database, ['names']);
  prepared(database, 'INSERT OR REPLACE INTO name (key, ledger, entity, version) VALUES (?, ?, ?, ?)').run(
    key,
    home.ledger,
    home.entity,
    version,
  );
  return { version };
}

export function deleteName(
  database: Database,
  { key, expectedVersion }: { readonly key: string; readonly expectedVersion: number },
): boolean {
  const isDeleted =
    prepared(database, 'DELETE FROM name WHERE key = ? AND version = ?').run(key, expectedVersion).changes === 1;
  if (isDeleted) nextRevision(database, ['names']);
  return isDeleted;
}

export function settings(database: Database): SettingEntry[] {
  return prepared<[], SettingEntry>(database, 'SELECT key, value, version FROM setting ORDER BY key').all();
}

export function putSetting(
  database: Database,
  given: { readonly key: string; readonly value: string; readonly expectedVersion: number | undefined },
): { version: number } | undefined {
  const { key, value, expectedVersion } = given;
  const before = prepared<[string], { version: number }>(database, 'SELECT version FROM setting WHERE key = ?').get(
    key,
  );
  if (expectedVersion !== undefined && (before?.version ?? 0) !== expectedVersion) return undefined;
  const version = nextRevision(database, ['settings']);
  prepared(database, 'INSERT OR REPLACE INTO setting (key, value, version) VALUES (?, ?, ?)').run(key, value, version);
  return { version };
}
