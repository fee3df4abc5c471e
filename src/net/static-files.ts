/** The viewer's files over HTTP. Read anew when changed on disk, so that a rebuilt viewer is served without a restart. */
import { readFile, realpath, stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join, sep } from 'node:path';
import { contentType, staticPath } from './static-path.core.ts';

/** A larger file is none of the viewer's. */
const FILE_BYTES_MAX = 32 * 1024 * 1024;

/** Answers with the file, 304 if the browser has it, or returns false when there is none. */
export async function serveStatic(
  directory: string,
  { request, response, path }: { request: IncomingMessage; response: ServerResponse; path: string },
): Promise<boolean> {
  const relative = staticPath(path);
  if (directory === '' || relative === undefined) return false;
  const found = await findFile(directory, relative);
  if (found === undefined) return false;
  const headers = { etag: found.etag, 'cache-control': 'no-cache', 'content-type': contentType(relative) };
  if (request.headers['if-none-match'] === found.etag) {
    response.writeHead(304, headers).end();
    return true;
  }
  const body = await readFile(found.path);
  response.writeHead(200, { ...headers, 'content-length': body.length }).end(request.method === 'HEAD' ? '' : body);
  return true;
}

async function findFile(directory: string, relative: string): Promise<{ path: string; etag: string } | undefined> {
  try {
    const root = await realpath(directory);
    const path = await realpath(join(root, relative));
    // A link that leads out of the folder is not followed.
    if (!path.startsWith(root + sep)) return undefined;
    const { mtimeMs, size, ...file } = await stat(path);
    if ((file.mode & 0o170000) !== 0o100000 || size > FILE_BYTES_MAX) return undefined;
    return { path, etag: `"${Math.trunc(mtimeMs).toString(36)}-${size.toString(36)}"` };
  } catch {
    // Not there, or not readable: both are a 404 to a browser.
    return undefined;
  }
}
