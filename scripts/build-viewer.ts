/** Bundles the web page of `viewer/` into `viewer/dist`: index.html, one script, one style sheet. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';

const root = path.join(import.meta.dirname, '..');
const source = path.join(root, 'viewer');
const target = path.join(source, 'dist');

/**
 * Resolves to the output folder. Rejects with esbuild's errors, which name file and line. The names of script and
 * style sheet carry a hash of their contents, so that a browser may keep them as long as it likes; index.html is
 * replaced last and at once, so a page that loads meanwhile is whole.
 */
export async function buildViewer(): Promise<string> {
  const result = await build({
    entryPoints: [path.join(source, 'main.ts'), path.join(source, 'style.css')],
    outdir: target,
    write: false,
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['es2022'],
    legalComments: 'none',
    logLevel: 'silent',
  });
  await mkdir(target, { recursive: true });
  let page = await readFile(path.join(source, 'index.html'), 'utf8');
  const written = new Set(['index.html']);
  for (const file of result.outputFiles) {
    const { name, ext } = path.parse(file.path);
    const hash = createHash('sha256').update(file.contents).digest('hex').slice(0, 12);
    const hashedName = `${name}-${hash}${ext}`;
    await writeFile(path.join(target, hashedName), file.contents);
    written.add(hashedName);
    page = page.replace(`"${name}${ext}"`, `"${hashedName}"`);
  }
  const draft = path.join(target, `index-${process.pid}.tmp`);
  await writeFile(draft, page);
  await rename(draft, path.join(target, 'index.html'));
  for (const name of await readdir(target)) {
    if (!written.has(name)) await rm(path.join(target, name), { force: true });
  }
  return target;
}

if (import.meta.main) console.log(await buildViewer());
