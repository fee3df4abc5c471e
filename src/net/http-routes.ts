/**
 * HTTP beside the WebSockets:
 *
 *   /healthz  200 while the process lives           /schema   the world's schema as JSON
 *   /readyz   200 when players can join, else 503   /metrics  Prometheus text
 *   /status   what it is and does, /entities every row: for addresses of this machine (inspection.ts)
 *   /play/…   the page of the setting page, if there is one
 *   anything else: the viewer's files, if it is on
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GatewayContext } from './context.ts';
import { mayInspect } from './inspection.ts';
import type { Inspection } from './inspection.ts';
import type { Metrics } from './metrics.ts';
import { serveStatic } from './static-files.ts';

export interface HttpState {
  /** True while the gateway says goodbye to its clients. */
  readonly isDraining: boolean;
  metrics(): Promise<Metrics>;
  readonly inspection: Inspection;
}

const TEXT = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' };
const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' };

export async function handleHttp(
  context: GatewayContext,
  state: HttpState,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
): Promise<void> {
  response.setHeader('x-content-type-options', 'nosniff');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { ...TEXT, allow: 'GET, HEAD' }).end('only GET and HEAD\n');
    return;
  }
  const path = (request.url ?? '/').split(/[?#]/, 1)[0] ?? '/';
  switch (path) {
    case '/healthz':
      response.writeHead(200, TEXT).end('ok\n');
      return;
    case '/readyz': {
      const reason = state.isDraining ? 'draining' : context.store.control.isReady ? 'ready' : 'starting';
      response.writeHead(reason === 'ready' ? 200 : 503, TEXT).end(`${reason}\n`);
      return;
    }
    case '/schema':
      response.writeHead(200, JSON_TYPE).end(JSON.stringify(context.store.schema));
      return;
    case '/metrics': {
      const { contentType, text } = await (await state.metrics()).render();
      response.writeHead(200, { ...TEXT, 'content-type': contentType }).end(text);
      return;
    }
    case '/status':
    case '/entities':
      return inspect(context, state, { request, response, path });
    case '/connect':
    case '/overview':
      response.writeHead(426, { ...TEXT, upgrade: 'websocket' }).end('a WebSocket is expected here\n');
      return;
  }
  const { viewer, viewerDirectory, pageDirectory } = context.settings;
  if (pageDirectory !== '' && path === '/play') {
    response.writeHead(308, { ...TEXT, location: '/play/' }).end();
    return;
  }
  if (path.startsWith('/play/')) {
    const inPage = path.slice('/play'.length);
    if (await serveStatic(pageDirectory, { request, response, path: inPage })) return;
    response.writeHead(404, TEXT).end('not found\n');
    return;
  }
  if (viewer && (await serveStatic(viewerDirectory, { request, response, path }))) return;
  response.writeHead(404, TEXT).end(viewer && path === '/' ? 'the viewer is not built\n' : 'not found\n');
}

async function inspect(
  context: GatewayContext,
  { inspection, isDraining }: HttpState,
  { request, response, path }: { request: IncomingMessage; response: ServerResponse; path: string },
): Promise<void> {
  if (!mayInspect(context, request)) {
    response.writeHead(403, TEXT).end('for addresses of this machine only; the setting inspectable changes that\n');
    return;
  }
  response.writeHead(200, JSON_TYPE);
  if (request.method === 'HEAD') response.end();
  else if (path === '/status') response.end(`${JSON.stringify(inspection.status({ isDraining }))}\n`);
  else await inspection.writeEntities(response);
}
