/**
 * Builds `dist/worldmesh-linux-x64`, or with `--arch arm64` the other one: a copy of Node with the files of the package inside, and with
 * the native parts of its two dependencies. It needs no Node, no npm and no folder beside it.
 *
 * Node itself comes from the npm package `node-linux-<arch>`, in the version that the lockfile names. What is put into it holds no machine
 * code, so either binary is built on either machine.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { constants, zstdCompressSync } from 'node:zlib';
import { build } from 'esbuild';
import type { FileToArchive } from './binary/archive.ts';
import { archiveHash, readArchive, writeArchive } from './binary/archive.ts';
import { buildAll } from './build-node.ts';

export type Processor = 'x64' | 'arm64';

const ROOT = path.join(import.meta.dirname, '..');
const DIST = path.join(ROOT, 'dist');
/** Node finds what was put into it by this mark. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
const ZSTD_LEVEL = 19;
/** Of the package itself, as in `files` of package.json, without what only people read. */
const OWN_FILES = [
  'LICENSE',
  'package.json',
  'bin/*.cjs',
  'entry/*.js',
  'dist/{client,examples,node,types}/**',
  'dist/THIRD-PARTY-LICENSES.txt',
  'templates/**',
  'viewer/dist/**',
];
const STRIP_PROGRAMS: Readonly<Record<Processor, readonly string[]>> = {
  x64: ['strip', 'x86_64-linux-gnu-strip', 'llvm-strip'],
  arm64: ['aarch64-linux-gnu-strip', 'llvm-strip'],
};

export interface BuiltBinary {
  readonly file: string;
  readonly sizeBytes: number;
  readonly isStripped: boolean;
  /** Of the Node in it. */
  readonly nodeLicense: string;
}

/** Of what the build made: call `buildAll` before. */
export function buildBinary(processor: Processor): Promise<BuiltBinary> {
  const file = path.join(DIST, `worldmesh-linux-${processor}`);
  return assemble(packagedFiles(processor), { processor, file, level: ZSTD_LEVEL });
}

/** What the binary unpacks. */
export function packagedFiles(processor: Processor): FileToArchive[] {
  return [...ownFiles(), ...nativeFiles(processor)];
}

/** A binary that unpacks these files and runs `bin/worldmesh.cjs` among them. */
export async function assemble(
  files: readonly FileToArchive[],
  { processor, file, level }: { processor: Processor; file: string; level: number },
): Promise<BuiltBinary> {
  mkdirSync(path.dirname(file), { recursive: true });
  const work = mkdtempSync(`${file}-`);
  writePayload(files, { work, level });
  await build({
    absWorkingDir: ROOT,
    entryPoints: ['scripts/binary/start.ts'],
    outfile: path.join(work, 'start.cjs'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: ['node24'],
    logLevel: 'silent',
  });
  const blob = makeBlob(work);
  const draft = path.join(work, 'worldmesh');
  copyFileSync(packagedFile(`node-linux-${processor}`, 'bin/node'), draft);
  chmodSync(draft, 0o755);
  const isStripped = strip(draft, processor);
  inject(blob, draft);
  // One rename: a binary that runs is never written to.
  renameSync(draft, file);
  rmSync(work, { recursive: true });
  const nodeLicense = packagedFile(`node-linux-${processor}`, 'LICENSE');
  return { file, sizeBytes: statSync(file).size, isStripped, nodeLicense };
}

function writePayload(contents: readonly FileToArchive[], { work, level }: { work: string; level: number }): void {
  const archive = writeArchive(contents);
  const files = [...readArchive(archive)].map(({ path: name, sizeBytes, isProgram }) => ({
    path: name,
    sizeBytes,
    isProgram,
  }));
  writeFileSync(path.join(work, 'contents.json'), JSON.stringify({ hash: archiveHash(archive), files }));
  const params = { [constants.ZSTD_c_compressionLevel]: level };
  writeFileSync(path.join(work, 'files.zst'), zstdCompressSync(archive, { params }));
}

function ownFiles(): FileToArchive[] {
  return OWN_FILES.flatMap((pattern) => globSync(pattern, { cwd: ROOT }))
    .filter((name) => statSync(path.join(ROOT, name)).isFile())
    .map((name) => ({ path: name, bytes: readFileSync(path.join(ROOT, name)), isProgram: false }));
}

/** SQLite for the journal, esbuild for pages: each a few scripts and a native part. */
function nativeFiles(processor: Processor): FileToArchive[] {
  const sqlite = globSync('node_modules/better-sqlite3/{package.json,lib/**/*.js}', { cwd: ROOT });
  const parts = [
    ...sqlite,
    `node_modules/better-sqlite3/prebuilds/linux-${processor}.node`,
    'node_modules/esbuild/package.json',
    'node_modules/esbuild/lib/main.js',
  ].map((name) => ({ path: name, bytes: readFileSync(path.join(ROOT, name)), isProgram: false }));
  const esbuild = `@esbuild/linux-${processor}`;
  for (const name of ['package.json', 'bin/esbuild']) {
    const bytes = readFileSync(packagedFile(esbuild, name));
    parts.push({ path: `node_modules/${esbuild}/${name}`, bytes, isProgram: name.startsWith('bin/') });
  }
  return parts;
}

/**
 * A file of an optional package: from node_modules, or, when that is for another machine, from the registry, as npm checks it.
 */
function packagedFile(name: string, file: string): string {
  const installed = path.join(ROOT, 'node_modules', name, file);
  if (existsSync(installed)) return installed;
  const version = lockedVersion(name);
  const folder = path.join(DIST, 'packages', `${name.replace('/', '-')}-${version}`);
  if (!existsSync(path.join(folder, 'package', file))) {
    mkdirSync(folder, { recursive: true });
    const temporary = mkdtempSync(path.join(folder, 'fetch-'));
    const options = ['--silent', '--pack-destination', temporary];
    const archive = execFileSync('npm', ['pack', `${name}@${version}`, ...options], { encoding: 'utf8' }).trim();
    execFileSync('tar', ['-xzf', path.join(temporary, archive), '-C', folder]);
    rmSync(temporary, { recursive: true });
  }
  return path.join(folder, 'package', file);
}

function lockedVersion(name: string): string {
  const lockfile = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string }>;
  };
  const version = lockfile.packages[`node_modules/${name}`]?.version;
  if (version === undefined) throw new Error(`package-lock.json does not know ${name}`);
  return version;
}

/** Without code cache and snapshot, so that the blob fits any Node of this version. */
function makeBlob(work: string): string {
  const blob = path.join(work, 'blob');
  const config = {
    main: path.join(work, 'start.cjs'),
    output: blob,
    disableExperimentalSEAWarning: true,
    useCodeCache: false,
    useSnapshot: false,
    assets: { 'contents.json': path.join(work, 'contents.json'), 'files.zst': path.join(work, 'files.zst') },
  };
  writeFileSync(path.join(work, 'sea.json'), JSON.stringify(config));
  const node = packagedFile(`node-linux-${process.arch as Processor}`, 'bin/node');
  execFileSync(node, ['--experimental-sea-config', path.join(work, 'sea.json')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return blob;
}

/** In a process of its own: it warns of every section that was stripped. @throws Error with its words when it fails. */
function inject(blob: string, file: string): void {
  const postject = path.join(ROOT, 'node_modules', 'postject', 'dist', 'cli.js');
  const args = [postject, file, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE];
  execFileSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** True if a program for that was found. It must come before the blob is put in. */
function strip(file: string, processor: Processor): boolean {
  for (const program of STRIP_PROGRAMS[processor]) {
    try {
      execFileSync(program, [file], { stdio: 'ignore' });
      return true;
    } catch {
      // Not installed here, or not for this machine: the next one.
    }
  }
  return false;
}

/** @throws Error for any other. */
export function processorNamed(name: string): Processor {
  if (name === 'x64' || name === 'arm64') return name;
  throw new Error(`--arch is x64 or arm64, not ${name}`);
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { arch: { type: 'string', default: process.arch } } });
  const startMs = performance.now();
  await buildAll();
  const { file, sizeBytes, isStripped } = await buildBinary(processorNamed(values.arch));
  const megabytes = (sizeBytes / 1e6).toFixed(1);
  const note = isStripped ? '' : ', not stripped: no strip program for this machine is installed';
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  console.log(`${path.relative(process.cwd(), file)}: ${megabytes} MB${note}; built in ${seconds} s`);
}
