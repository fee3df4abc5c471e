/**
 * Builds `dist/worldmesh-<version>-linux-<arch>.tar.gz`: the single binary, what systemd needs to run it, an example of settings, dashboards
 * and rules, licenses, and checksums. Its times are those of the last commit, so that a release can be built again to the byte.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import packageFacts from '../package.json' with { type: 'json' };
import { buildBinary, processorNamed } from './build-binary.ts';
import type { BuiltBinary, Processor } from './build-binary.ts';
import { buildAll } from './build-node.ts';

const ROOT = path.join(import.meta.dirname, '..');
const DIST = path.join(ROOT, 'dist');
const CHECKSUMS = 'SHA256SUMS';

export interface BuiltRelease {
  readonly file: string;
  readonly sizeBytes: number;
  readonly files: readonly string[];
}

export function buildRelease(binary: BuiltBinary, processor: Processor): BuiltRelease {
  const name = `worldmesh-${packageFacts.version}-linux-${processor}`;
  const folder = path.join(DIST, name);
  rmSync(folder, { recursive: true, force: true });
  cpSync(path.join(ROOT, 'release'), folder, { recursive: true });
  copyFileSync(binary.file, path.join(folder, 'worldmesh'));
  copyFileSync(path.join(ROOT, 'LICENSE'), path.join(folder, 'LICENSE'));
  writeFileSync(path.join(folder, 'THIRD-PARTY-LICENSES.txt'), licenses(binary));
  const deploy = path.join(ROOT, 'deploy');
  if (existsSync(deploy)) cpSync(deploy, path.join(folder, 'deploy'), { recursive: true });
  mkdirSync(path.join(folder, 'docs'));
  for (const page of globSync('docs/*.md', { cwd: ROOT })) copyFileSync(path.join(ROOT, page), path.join(folder, page));
  const files = globSync('**', { cwd: folder })
    .filter((file) => statSync(path.join(folder, file)).isFile())
    .sort();
  const sums = files.map((file) => `${checksum(path.join(folder, file))}  ${file}\n`);
  writeFileSync(path.join(folder, CHECKSUMS), sums.join(''));
  const archive = pack(folder, name);
  rmSync(folder, { recursive: true });
  writeFileSync(`${archive}.sha256`, `${checksum(archive)}  ${path.basename(archive)}\n`);
  return { file: archive, sizeBytes: statSync(archive).size, files: [...files, CHECKSUMS] };
}

function licenses({ nodeLicense }: BuiltBinary): string {
  const packages = readFileSync(path.join(DIST, 'THIRD-PARTY-LICENSES.txt'), 'utf8');
  return `${packages}\nNode.js\n\n${readFileSync(nodeLicense, 'utf8')}`;
}

function pack(folder: string, name: string): string {
  const archive = path.join(DIST, `${name}.tar.gz`);
  const owner = ['--owner=0', '--group=0', '--numeric-owner', '--mode=u+rw,go+r,go-w'];
  const options = ['--sort=name', `--mtime=@${commitSeconds()}`, ...owner, '--use-compress-program=gzip -n'];
  execFileSync('tar', [...options, '-cf', archive, '-C', path.dirname(folder), name]);
  return archive;
}

function commitSeconds(): string {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined && /^\d+$/.test(given)) return given;
  return execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, encoding: 'utf8' }).trim();
}

function checksum(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { arch: { type: 'string', default: process.arch } } });
  const processor = processorNamed(values.arch);
  await buildAll();
  const { file, sizeBytes, files } = buildRelease(await buildBinary(processor), processor);
  console.log(`${path.relative(process.cwd(), file)}: ${(sizeBytes / 1e6).toFixed(1)} MB, ${files.length} files`);
}
