/** The licenses of packages whose code is in a build: each must come with it. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

const PACKAGE_OF = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//;
const LICENSE_FILE = /^(?:licen[cs]e|copying|notice)(?:\.|$)/i;
const RULE = '='.repeat(100);

/** The folders of packages that files come from, in order and each once. */
export function packageFolders(files: Iterable<string>): string[] {
  const folders = new Set<string>();
  for (const file of files) {
    const folder = PACKAGE_OF.exec(path.resolve(file))?.[1];
    if (folder !== undefined) folders.add(folder);
  }
  return [...folders].sort();
}

/** One text for all. @throws when a package says nothing of a license: it must not be shipped then. */
export function licensesOf(folders: readonly string[]): string {
  const texts = new Map<string, string>();
  for (const folder of folders) {
    const { name, version, license } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as {
      name: string;
      version: string;
      license?: string;
    };
    const files = readdirSync(folder).filter((file) => LICENSE_FILE.test(file));
    const words = files.map((file) => readFileSync(path.join(folder, file), 'utf8').trim());
    if (words.length === 0 && license === undefined) throw new Error(`${folder} says nothing of its license`);
    texts.set(`${name} ${version}`, [`License: ${license ?? 'see below'}`, ...words].join('\n\n'));
  }
  return [...texts].map(([name, text]) => `${RULE}\n${name}\n${RULE}\n\n${text}\n`).join('\n');
}
