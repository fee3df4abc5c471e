/** Bundles the web page of `viewer/` into `viewer/dist`: index.html, one script, one style sheet. */
import path from 'node:path';
import { bundlePage } from '../src/main/page-bundle.ts';

const source = path.join(import.meta.dirname, '..', 'viewer');

/** Resolves to the output folder. Rejects with an error that names file and line. */
export async function buildViewer(): Promise<string> {
  const { directory } = await bundlePage(path.join(source, 'index.html'), { directory: path.join(source, 'dist') });
  return directory;
}

if (import.meta.main) console.log(await buildViewer());
