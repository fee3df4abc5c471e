/**
 * Builds what is published of the SDK: `dist/client/worldmesh-client.js`, one ESM file for browsers and Node with its source
 * map; beside it `worldmesh-client-json.js`, which is loaded only with the option `format: 'json'`; and in `dist/types` the
 * declarations of the SDK, of the server API and of the test world, together, so that a client is typed by a world module.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import type { BuildOptions, Plugin } from 'esbuild';

const ROOT = path.join(import.meta.dirname, '..');
/** Rooms that no public declaration names: the test world runs on them, and hides them. */
const PRIVATE_ROOMS = ['memory', 'workers'];
const JSON_BUNDLE = './worldmesh-client-json.js';

/** The JSON format stays out of the bundle, and is found beside it. */
const jsonBesides: Plugin = {
  name: 'json-besides',
  setup(hooks) {
    hooks.onResolve({ filter: /\/json\.wire\.ts$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: JSON_BUNDLE, external: true } : undefined,
    );
  },
};

const OPTIONS: BuildOptions = {
  absWorkingDir: ROOT,
  bundle: true,
  minify: true,
  sourcemap: true,
  format: 'esm',
  platform: 'neutral',
  target: ['es2022'],
  legalComments: 'none',
  logLevel: 'silent',
};

/** Resolves to the path of the bundle. Rejects with an error that names file and line. */
export async function buildClient(directory: string): Promise<string> {
  const outfile = path.join(directory, 'worldmesh-client.js');
  const json = path.join(directory, JSON_BUNDLE);
  await build({ ...OPTIONS, entryPoints: ['src/client/index.ts'], outfile, plugins: [jsonBesides] });
  await build({ ...OPTIONS, entryPoints: ['src/wire/json.wire.ts'], outfile: json });
  return outfile;
}

/** @throws when a type is wrong; the compiler's words go to standard error. */
export function buildTypes(directory: string): void {
  const compiler = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const options = ['-p', path.join(ROOT, 'tsconfig.types.json'), '--outDir', directory];
  execFileSync(process.execPath, [compiler, ...options], { stdio: ['ignore', 2, 'inherit'] });
  for (const room of PRIVATE_ROOMS) rmSync(path.join(directory, room), { recursive: true, force: true });
}

if (import.meta.main) {
  const bundle = await buildClient(path.join(ROOT, 'dist', 'client'));
  buildTypes(path.join(ROOT, 'dist', 'types'));
  const bytes = readFileSync(bundle);
  const name = path.relative(process.cwd(), bundle);
  console.log(`${name}: ${bytes.length} bytes, ${gzipSync(bytes, { level: 9 }).length} gzipped`);
}
