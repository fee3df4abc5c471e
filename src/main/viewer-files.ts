/** The files of the viewer are bundled from their sources when they are not there yet, as after a clone. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { VIEWER_DIRECTORY } from './node-settings.ts';

/**
 * Bundles the viewer if it is missing, or in any case when `fresh`.
 * Resolves to what went wrong, or undefined: a node without its page is still a node.
 */
export async function prepareViewer({ fresh }: { fresh: boolean }): Promise<string | undefined> {
  if (!fresh && existsSync(path.join(VIEWER_DIRECTORY, 'index.html'))) return undefined;
  try {
    const { buildViewer } = await import('../../scripts/build-viewer.ts');
    await buildViewer();
    return undefined;
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}
