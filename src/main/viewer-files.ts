/** The files of the viewer are bundled from their sources when they are missing or older, as after a clone or a pull. */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { IS_BUILD, VIEWER_DIRECTORY } from './installation.ts';

const SOURCES = ['viewer', 'src/client', 'src/wire', 'src/base'].map((folder) =>
  fileURLToPath(new URL(`../../${folder}`, import.meta.url)),
);

/**
 * Bundles the viewer if it is not up to date.
 * Resolves to what went wrong, or undefined: a node without its page is still a node.
 */
export async function prepareViewer(): Promise<string | undefined> {
  if (IS_BUILD) return undefined;
  const page = statSync(path.join(VIEWER_DIRECTORY, 'index.html'), { throwIfNoEntry: false });
  if (page !== undefined && page.mtimeMs > newestMs()) return undefined;
  try {
    const { buildViewer } = await import('../../scripts/build-viewer.ts');
    await buildViewer();
    return undefined;
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}

/** When a source was changed last. */
function newestMs(): number {
  const files = SOURCES.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => !file.startsWith('dist'))
      .map((file) => path.join(folder, file)),
  );
  return Math.max(...files.map((file) => statSync(file).mtimeMs));
}
