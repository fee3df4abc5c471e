/**
 * Broken configurations, as files in test/fixtures/configs: a folder each, with what `worldmesh config check` says of it in
 * expected.txt. Keys, and a directory that a cluster has made, are made when the folder is looked at: they cannot lie in a repository.
 */
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkJson, checkText } from '../../../src/main/cli/config-command.ts';
import { checkConfigs } from '../../../src/main/config/check/check.ts';
import { initKeys, issueKeys } from '../../../src/main/keys.ts';
import { SqliteDirectory } from '../../../src/peer/directory-sqlite.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/configs', import.meta.url));
const MEADOW = fileURLToPath(new URL('../../../examples/meadow.ts', import.meta.url));
export const EXPECTED_FILE = 'expected.txt';
/** Not the clock: certificates end on a day that a test can name. */
const NOW = new Date('2026-07-01T12:00:00Z');
const DAY_MS = 86_400_000;

export interface BrokenConfig {
  readonly name: string;
  readonly folder: string;
  /** As on a command line. */
  readonly args: readonly string[];
  readonly flags: Readonly<Record<string, string>>;
  readonly nodes: number;
  readonly prepare: (folder: string) => void | Promise<void>;
}

type Special = Partial<Pick<BrokenConfig, 'flags' | 'nodes' | 'prepare'>>;

/** What is more to a folder than its files. */
const SPECIAL: Readonly<Record<string, Special>> = {
  'ports-run-out': {
    nodes: 3,
    flags: { node: 'a', directory: 'sqlite:directory.sqlite', clusterSize: '3' },
  },
  'node-not-in-file': { flags: { node: 'c' } },
  'secret-for-everybody': { prepare: (folder) => chmodSync(path.join(folder, 'node.yaml'), 0o644) },
  'logins-differ': { prepare: (folder) => chmodSync(path.join(folder, 'cluster.yaml'), 0o600) },
  'short-secret': { prepare: (folder) => chmodSync(path.join(folder, 'node.yaml'), 0o600) },
  'directory-of-another-world': { prepare: makeDirectory },
  'key-of-another': { prepare: (folder) => issue(folder, { nodes: ['a', 'b'] }) },
  'certificate-of-another': { prepare: (folder) => issue(folder, { nodes: ['b'] }) },
  'certificate-ended': { prepare: (folder) => issue(folder, { nodes: ['a'], days: 30, agoDays: 31 }) },
  'certificate-ends-soon': { prepare: (folder) => issue(folder, { nodes: ['a'], days: 30, agoDays: 18 }) },
  'certificate-not-yet': { prepare: (folder) => issue(folder, { nodes: ['a'], days: 30, agoDays: -10 }) },
  'another-authority': {
    prepare: (folder) => {
      issue(folder, { nodes: ['a'] });
      issue(folder, { nodes: [], out: 'others' });
    },
  },
  'authorities-differ': {
    prepare: (folder) => {
      issue(folder, { nodes: ['a', 'b'] });
      issue(folder, { nodes: ['c'], out: 'others' });
    },
  },
  'key-and-certificate-swapped': { prepare: (folder) => issue(folder, { nodes: ['a'] }) },
  'no-authority': { prepare: (folder) => issue(folder, { nodes: ['a'] }) },
  'key-for-everybody': {
    prepare: (folder) => {
      issue(folder, { nodes: ['a'] });
      chmodSync(path.join(folder, 'keys', 'a.key'), 0o644);
    },
  },
  'keys-on-one-only': { prepare: (folder) => issue(folder, { nodes: ['a'] }) },
};

export function brokenConfigs(): BrokenConfig[] {
  return readdirSync(FIXTURES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => {
      const folder = path.join(FIXTURES, name);
      const { flags = {}, nodes = 0, prepare = () => {} } = SPECIAL[name] ?? {};
      const args = readdirSync(folder).filter((file) => /\.(?:yaml|json)$/.test(file));
      return { name, folder, args, flags, nodes, prepare };
    });
}

/** How the command reads that does the same. */
export function commandText({ args, flags, nodes }: BrokenConfig): string {
  const given = nodes > 0 ? [`--nodes ${nodes}`] : Object.entries(flags).map(([name, value]) => `--${name} ${value}`);
  return ['worldmesh config check', ...args, ...given].join(' ');
}

/** What the check says, and whether a node would start. */
export async function checkBroken(config: BrokenConfig): Promise<{ text: string; exitCode: number; json: string }> {
  const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-broken-'));
  try {
    cpSync(config.folder, folder, { recursive: true });
    await config.prepare(folder);
    const result = await checkConfigs({
      flags: new Map(Object.entries(config.flags)),
      environment: {},
      file: undefined,
      files: config.args,
      nodes: config.nodes,
      gateways: 0,
      defaultModule: MEADOW,
      folder,
      now: NOW,
    });
    const neutral = (text: string): string =>
      text.replaceAll(MEADOW, 'examples/meadow.ts').replaceAll(`${folder}/`, '').replaceAll(folder, '.');
    return {
      text: `${neutral(checkText(result))}\n`,
      exitCode: result.findings.some(({ severity }) => severity === 'error') ? 2 : 0,
      json: JSON.stringify(checkJson(result)),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function expectedOf({ folder }: BrokenConfig): string {
  const file = path.join(folder, EXPECTED_FILE);
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

function issue(
  folder: string,
  {
    nodes,
    days = 365,
    agoDays = 1,
    out = 'keys',
  }: { nodes: readonly string[]; days?: number; agoDays?: number; out?: string },
): void {
  const place = path.join(folder, out);
  initKeys({ out: place, days: 3650, now: new Date(NOW.getTime() - 100 * DAY_MS) });
  for (const node of nodes) {
    issueKeys({ node, ca: place, out: place, days, now: new Date(NOW.getTime() - agoDays * DAY_MS) });
  }
}

async function makeDirectory(folder: string): Promise<void> {
  const directory = await SqliteDirectory.open({
    file: path.join(folder, 'directory.sqlite'),
    facts: { world: 'fair', worldSize: 1024, cellSize: 64, blockCells: 4, tickHz: 20, blockCount: 16 },
    now: () => NOW.getTime(),
    random: () => 0.5,
  });
  await directory.close();
}
