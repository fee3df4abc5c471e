/**
 * Builds what a package and the single binary run: `dist/node`, JavaScript of everything that a node, its threads and its commands need, with
 * the dependencies inside, save the two that are native. All of it is in one folder, so that every file finds the others beside itself;
 * beside it `dist/examples`, `dist/client`, `dist/types`, `viewer/dist` and the licenses of what is inside.
 *
 * Entry points are the command line, what users import, and every module that the sources name by `new URL('….ts', import.meta.url)`:
 * the threads. Such an address is rewritten to the name of the file that was made of it.
 */
import { copyFileSync, globSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import type { Plugin } from 'esbuild';
import { buildClient, buildTypes } from './build-client.ts';
import { bundlePage } from '../src/main/page-bundle.ts';
import { licensesOf, packageFolders } from './licenses.ts';

const ROOT = path.join(import.meta.dirname, '..');
/** Installed as packages: they bring programs for each system. */
export const NATIVE_PACKAGES: readonly string[] = ['better-sqlite3', 'esbuild'];
/** `ws` does without them. */
const ABSENT_PACKAGES = ['bufferutil', 'utf-8-validate'];
/** Names of the files for what others import; threads keep the names of their sources. */
const NAMED_ENTRIES: Readonly<Record<string, string>> = {
  'src/main/cli.ts': 'cli',
  'src/index.ts': 'index',
  'src/client/index.ts': 'client',
  'src/testing/index.ts': 'testing',
};
const ADDRESS = /new URL\(\s*'([^']+)',\s*import\.meta\.url\s*\)/g;
const LAZY_REQUIRE = /createRequire\(import\.meta\.url\)\('([^']+)'\)/g;
/**
 * esbuild's stand-in for `require` in code that was CommonJS; it takes the real one where there is one. It shares a file with what pages use
 * of a world module, so it must not import anything.
 */
const REQUIRE_STAND_IN = 'var __require = ';
const REAL_REQUIRE = `const require = globalThis.process?.getBuiltinModule?.('node:module').createRequire(import.meta.url);
`;

interface Entries {
  /** From a source, relative to the root, to the name of its file without ending. */
  readonly names: ReadonlyMap<string, string>;
  /** Files that are read as they are. */
  readonly assets: readonly string[];
}

/** Resolves to the sources it was made of. Rejects with an error that names file and line. */
export async function buildNode(directory: string): Promise<string[]> {
  const entries = findEntries();
  const result = await build({
    absWorkingDir: ROOT,
    entryPoints: [...entries.names].map(([source, name]) => ({ in: source, out: name })),
    outdir: directory,
    chunkNames: 'chunk-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: ['node24'],
    external: [...NATIVE_PACKAGES, ...ABSENT_PACKAGES],
    plugins: [ownAddresses(entries)],
    legalComments: 'none',
    logLevel: 'silent',
    metafile: true,
    write: false,
  });
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const { path: file, text } of result.outputFiles) {
    writeFileSync(file, text.includes(REQUIRE_STAND_IN) ? REAL_REQUIRE + text : text);
  }
  for (const asset of entries.assets) copyFileSync(path.join(ROOT, asset), path.join(directory, path.basename(asset)));
  return Object.keys(result.metafile.inputs).map((input) => path.join(ROOT, input));
}

/** The worlds to start from, as JavaScript: Node strips no types of a file below node_modules. */
export async function buildExamples(directory: string): Promise<void> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: globSync('examples/*.ts', { cwd: ROOT }),
    outdir: directory,
    format: 'esm',
    target: ['node24'],
    logLevel: 'silent',
  });
}

function findEntries(): Entries {
  const names = new Map(Object.entries(NAMED_ENTRIES));
  const assets = new Set<string>();
  for (const source of globSync('src/**/*.ts', { cwd: ROOT })) {
    for (const [, address = ''] of readFileSync(path.join(ROOT, source), 'utf8').matchAll(ADDRESS)) {
      const target = path.posix.join(path.posix.dirname(source), address);
      if (address.endsWith('.wasm')) assets.add(target);
      if (address.endsWith('.ts') && !names.has(target)) names.set(target, path.basename(target, '.ts'));
    }
  }
  if (new Set(names.values()).size < names.size) throw new Error('two threads have files of the same name');
  return { names, assets: [...assets] };
}

function ownAddresses({ names, assets }: Entries): Plugin {
  return {
    name: 'own-addresses',
    setup(hooks) {
      // Only a clone builds its viewer and its types when it is run.
      hooks.onResolve({ filter: /\/scripts\/build-\w+\.ts$/ }, ({ path: file }) => ({ path: file, external: true }));
      hooks.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path: file }) => {
        const source = path.relative(ROOT, file);
        const contents = readFileSync(file, 'utf8')
          .replaceAll(ADDRESS, (_text, address: string) => `new URL('${rewritten(address, source)}', import.meta.url)`)
          .replaceAll(LAZY_REQUIRE, "require('$1')");
        return { contents, loader: 'ts' };
      });
    },
  };

  function rewritten(address: string, source: string): string {
    const target = path.posix.join(path.posix.dirname(source), address);
    const name = names.get(target);
    if (name !== undefined) return `./${name}.js`;
    if (assets.includes(target)) return `./${path.basename(target)}`;
    // A folder: it is as far from dist/node as from src/main.
    if (address.endsWith('/') && source.split('/').length === 3) return address;
    throw new Error(`${source}: the build has no file for ${address}`);
  }
}

/** Everything that is published, in place. */
export async function buildAll(): Promise<void> {
  const dist = path.join(ROOT, 'dist');
  const sources = await buildNode(path.join(dist, 'node'));
  await buildExamples(path.join(dist, 'examples'));
  await buildClient(path.join(dist, 'client'));
  buildTypes(path.join(dist, 'types'));
  const page = await bundlePage(path.join(ROOT, 'viewer', 'index.html'), {
    directory: path.join(ROOT, 'viewer', 'dist'),
  });
  const native = NATIVE_PACKAGES.map((name) => path.join(ROOT, 'node_modules', name, 'package.json'));
  const packages = packageFolders([...sources, ...page.sources, ...native]);
  writeFileSync(path.join(dist, 'THIRD-PARTY-LICENSES.txt'), licensesOf(packages));
  console.log(
    `dist/node: ${readdirSync(path.join(dist, 'node')).length} files, with code of ${packages.length} packages`,
  );
}

if (import.meta.main) await buildAll();
