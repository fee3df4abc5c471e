/**
 * Bundles a web page: an HTML file, the scripts and style sheets that it names, and all that those import. What comes out is a folder to
 * serve as it is.
 *
 * The names of scripts and style sheets carry a hash of their contents, so that a browser may keep them as long as it likes; index.html is
 * replaced last and at once, so a page that loads meanwhile is whole.
 */
import { readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { makeFolder } from '../base/make-folder.ts';
import type { Plugin } from 'esbuild';
import { IS_BUILD, ROOT_FOLDER, within } from './installation.ts';
import { NodeError } from './node-error.ts';

const HTML_BYTES_MAX = 1024 * 1024;
/** What is imported as a file and served beside the script. */
const FILE_ENDINGS = ['.png', '.jpg', '.svg', '.ico', '.woff2', '.wasm', '.webmanifest'];
/** `<script src="…">` and `<link rel="stylesheet" href="…">`: the tag up to the address, and the address. */
const REFERENCE = /(<(?:script\b[^>]*?\bsrc|link\b(?=[^>]*\brel="?stylesheet\b)[^>]*?\bhref)=")([^"]*)(?=")/gi;
/** Another site's, or of the server's own root: left as it is. */
const ABSOLUTE = /^(?:[a-z][a-z0-9+.-]*:|\/)/i;

export interface PageBundle {
  /** index.html and what belongs to it. */
  readonly directory: string;
  /** Absolute paths of all files that it was made of. */
  readonly sources: readonly string[];
}

/** @throws NodeError ERR_NODE_PAGE that names file and line. */
export async function bundlePage(page: string, { directory }: { directory: string }): Promise<PageBundle> {
  const source = path.resolve(page);
  const html = await readHtml(source);
  const entries = [...new Set([...html.matchAll(REFERENCE)].map((match) => match[2]!))].filter(
    (address) => !ABSOLUTE.test(address),
  );
  const { names, files, sources } = await bundle(entries, { folder: path.dirname(source), directory });
  const bundled = html.replaceAll(REFERENCE, (_tag, before: string, address: string) => {
    return before + (names.get(address) ?? address);
  });
  try {
    await write(directory, { files, html: bundled });
  } catch (cause) {
    throw new NodeError('ERR_NODE_PAGE', `${directory} cannot be written: ${messageOf(cause)}`, { cause });
  }
  return { directory, sources: [source, ...sources] };
}

async function readHtml(source: string): Promise<string> {
  try {
    const { size } = await stat(source);
    if (size > HTML_BYTES_MAX) throw new Error(`it has ${size} bytes, and may have ${HTML_BYTES_MAX}`);
    return await readFile(source, 'utf8');
  } catch (cause) {
    throw new NodeError('ERR_NODE_PAGE', `the page ${source} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

interface Bundled {
  /** From an address in the page to the name of what was made of it. */
  readonly names: ReadonlyMap<string, string>;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly sources: readonly string[];
}

async function bundle(
  entries: readonly string[],
  { folder, directory }: { folder: string; directory: string },
): Promise<Bundled> {
  const { build } = await import('esbuild');
  try {
    const result = await build({
      entryPoints: entries.map((entry) => `./${entry}`),
      absWorkingDir: folder,
      outdir: directory,
      entryNames: 'page-[hash]',
      assetNames: 'file-[hash]',
      loader: Object.fromEntries(FILE_ENDINGS.map((ending) => [ending, 'file'])),
      metafile: true,
      write: false,
      bundle: true,
      minify: true,
      format: 'esm',
      conditions: ['worldmesh-source', 'module'],
      plugins: [ownPackage],
      target: ['es2022'],
      legalComments: 'none',
      logLevel: 'silent',
    });
    const names = new Map<string, string>();
    for (const [output, { entryPoint }] of Object.entries(result.metafile.outputs)) {
      const entry = entries.find((name) => path.normalize(name) === path.normalize(entryPoint ?? ''));
      if (entry !== undefined) names.set(entry, path.basename(output));
    }
    return {
      names,
      files: new Map(result.outputFiles.map((file) => [path.basename(file.path), file.contents])),
      sources: Object.keys(result.metafile.inputs).map((input) => path.resolve(folder, input)),
    };
  } catch (cause) {
    throw new NodeError('ERR_NODE_PAGE', `the page in ${folder} cannot be bundled: ${problemOf(cause)}`, { cause });
  }
}

async function write(
  directory: string,
  { files, html }: { files: ReadonlyMap<string, Uint8Array>; html: string },
): Promise<void> {
  makeFolder(directory);
  for (const [name, contents] of files) {
    const file = path.join(directory, name);
    // Its name has the hash of its contents: what is there already may be being read.
    const found = await stat(file).catch(() => undefined);
    if (found?.size !== contents.length) await writeFile(file, contents);
  }
  const draft = path.join(directory, `index-${process.pid}.tmp`);
  await writeFile(draft, html);
  await rename(draft, path.join(directory, 'index.html'));
  for (const name of await readdir(directory)) {
    if (name !== 'index.html' && !files.has(name)) await rm(path.join(directory, name), { force: true });
  }
}

/** What a page means by `worldmesh` is this very program; a clone, which has built no bundle of the SDK, gives its sources. */
const ownPackage: Plugin = {
  name: 'own-package',
  setup(hooks) {
    hooks.onResolve({ filter: /^worldmesh(?:\/client)?$/ }, ({ path: name, kind }) => {
      const files = IS_BUILD ? BUILT_FILES : SOURCE_FILES;
      return hooks.resolve(within(files[name]!), { kind, resolveDir: ROOT_FOLDER });
    });
  },
};
const SOURCE_FILES: Readonly<Record<string, string>> = {
  worldmesh: 'src/index.ts',
  'worldmesh/client': 'src/client/index.ts',
};
const BUILT_FILES: Readonly<Record<string, string>> = {
  worldmesh: 'dist/node/index.js',
  'worldmesh/client': 'dist/client/worldmesh-client.js',
};

/** What esbuild says, the first of it with its place. */
function problemOf(cause: unknown): string {
  const { errors } = cause as { errors?: readonly { text: string; location: { file: string; line: number } | null }[] };
  const first = errors?.[0];
  if (first === undefined) return messageOf(cause);
  const place = first.location === null ? '' : `${first.location.file}:${first.location.line}: `;
  const more = errors!.length > 1 ? ` (and ${errors!.length - 1} more)` : '';
  return `${place}${first.text}${more}`;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
