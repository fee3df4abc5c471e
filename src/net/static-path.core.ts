/**
 * Which file of the viewer a request asks for. The answer is a path below the viewer's folder, or undefined: no
 * way up, no hidden files, no absolute paths, no bytes that a file system reads in its own way.
 */
const PATH_CHARS_MAX = 512;
const SEGMENT = /^[A-Za-z0-9_@+-][A-Za-z0-9_@+.-]*$/;

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  ico: 'image/x-icon',
  jpg: 'image/jpeg',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json; charset=utf-8',
  map: 'application/json; charset=utf-8',
  mjs: 'text/javascript; charset=utf-8',
  png: 'image/png',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
  wasm: 'application/wasm',
  webmanifest: 'application/manifest+json',
  woff2: 'font/woff2',
};

/** `urlPath` is the part before the question mark, still encoded. */
export function staticPath(urlPath: string): string | undefined {
  if (!urlPath.startsWith('/') || urlPath.length > PATH_CHARS_MAX) return undefined;
  let decoded: string;
  try {
    decoded = decodeURIComponent(urlPath);
  } catch {
    // Not a URL that anybody could have linked to.
    return undefined;
  }
  const path = decoded.endsWith('/') ? `${decoded}index.html` : decoded;
  const segments = path.slice(1).split('/');
  return segments.every((segment) => SEGMENT.test(segment)) ? segments.join('/') : undefined;
}

/** By the ending of the name; what is unknown is only ever downloaded. */
export function contentType(path: string): string {
  const ending = path.slice(path.lastIndexOf('.') + 1).toLowerCase();
  return CONTENT_TYPES[ending] ?? 'application/octet-stream';
}
