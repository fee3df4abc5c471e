/**
 * The door: one TCP port for HTTP and WebSockets, with the limits that hold before anybody has said a word.
 *
 *   TCP connections      connectionsMax + slack, in total and by address likewise, and their rate: cut at once
 *   HTTP headers         headersTimeoutMs, 8 KiB: 408 or 431
 *   HTTP requests        their rate by address: 429
 *   pages                from elsewhere: 403 with ERR_ORIGIN
 *   WebSockets           their rate by address: 429 with ERR_LIMIT_CONNECTIONS
 *                        connectionsMax, connectionsPerAddress: ERR_LIMIT_CONNECTIONS, close code 4007
 *
 * A storm of connections is refused in HTTP, because that costs less than a WebSocket with an error message.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import { AddressCount, addressKey } from './address-count.core.ts';
import { perAddress } from './admission.ts';
import type { GatewayContext } from './context.ts';
import { DoorLimits } from './door-limits.ts';
import { isOriginAllowed } from './origin.core.ts';

/** Room beside the players for health checks, scrapes, pages, and refusals on their way. */
const SLACK_CONNECTIONS = 256;
const SLACK_PER_ADDRESS = 64;
const HEADER_BYTES_MAX = 8192;
/** How often connections past their time are looked for; often, so that few are closed at once. */
const CHECK_PERIOD_MS = 100;
const KEEP_ALIVE_MS = 5000;
/** How long a client has to answer a close before its socket is cut. */
const CLOSE_TIMEOUT_MS = 2000;
/** A frame of more than this many times `maxMessageBytes` is refused by its header: close code 1009. */
const PAYLOAD_FACTOR = 2;
const FRAGMENTS_MAX = 64;
/** Of somebody else's making, in a log. */
const ORIGIN_CHARACTERS_SHOWN = 200;
const RETRY_AFTER_SECONDS = '15';

/** Where a WebSocket came from, as far as it can be told. */
export interface ClientOrigin {
  /** Behind trusted proxies that of the client; in its shortest form, '' if there is none. */
  readonly address: string;
  /** The header Origin. */
  readonly origin: string | undefined;
}

export interface Arrival {
  readonly webSocket: WebSocket;
  readonly socket: Socket;
  /** By which limits are counted. */
  readonly address: string;
  readonly from: ClientOrigin;
  /** Over a limit of connections: to be told so, and closed. */
  readonly isRefused: boolean;
  readonly query: string;
}

export interface DoorKeeper {
  isDraining(): boolean;
  http(request: IncomingMessage, response: ServerResponse): void;
  player(arrival: Arrival): void;
  viewer(arrival: Arrival): void;
}

export class Listener {
  readonly #context: GatewayContext;
  readonly #keeper: DoorKeeper;
  readonly #server: Server;
  readonly #webSockets: WebSocketServer;
  readonly #tcpByAddress = new AddressCount();
  readonly #byAddress = new AddressCount();
  readonly #limits: DoorLimits;
  #count = 0;

  constructor(context: GatewayContext, keeper: DoorKeeper) {
    this.#context = context;
    this.#keeper = keeper;
    this.#limits = new DoorLimits(context.settings);
    const { headersTimeoutMs, maxMessageBytes, connectionsMax } = context.settings;
    this.#server = createServer({
      headersTimeout: headersTimeoutMs,
      requestTimeout: headersTimeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(CHECK_PERIOD_MS, headersTimeoutMs),
      maxHeaderSize: HEADER_BYTES_MAX,
    });
    this.#server.maxConnections = connectionsMax + SLACK_CONNECTIONS;
    // `closeTimeout` is newer than the published types.
    const options = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      autoPong: false,
      maxPayload: maxMessageBytes * PAYLOAD_FACTOR,
      maxFragments: FRAGMENTS_MAX,
      closeTimeout: CLOSE_TIMEOUT_MS,
    };
    this.#webSockets = new WebSocketServer(options);
    this.#server.on('connection', (socket: Socket) => this.#limitTcp(socket));
    this.#server.on('drop', () => context.counters.connectionsCut++);
    this.#server.on('request', (request, response) => this.#request(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /** Resolves with the port once it listens. @throws the system's error, such as EADDRINUSE. */
  async listen(): Promise<number> {
    const { host, port, reusePort } = this.#context.settings;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen({ host, port, reusePort, backlog: 1024 }, resolve);
    await promise;
    this.#server.off('error', reject);
    return (this.#server.address() as AddressInfo).port;
  }

  /** No new connections; those without a request are closed. */
  stopListening(): void {
    this.#server.close();
    this.#server.closeIdleConnections();
  }

  /** Cuts whatever is left. */
  terminate(): void {
    this.#server.closeAllConnections();
    this.#webSockets.close();
  }

  #limitTcp(socket: Socket): void {
    if (this.#limits.isProxy(socket.remoteAddress)) return;
    const address = addressKey(socket.remoteAddress);
    const count = this.#tcpByAddress.add(address);
    socket.once('close', () => this.#tcpByAddress.remove(address));
    const isFew = count <= perAddress(this.#context, address) + SLACK_PER_ADDRESS;
    if (isFew && this.#limits.take('tcp', address, this.#context.nowMs())) return;
    this.#context.counters.connectionsCut++;
    socket.destroy();
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    // Sent in one go behind a request that was refused: the connection is over.
    if (request.socket.destroyed) return;
    if (this.#limits.take('request', this.#limits.client(request), this.#context.nowMs())) {
      return this.#keeper.http(request, response);
    }
    this.#context.counters.requestsRefused++;
    const { status, headers, body } = refusal('ERR_LIMIT_RATE', 'too many requests from this address');
    response.writeHead(Number(status.slice(0, 3)), { ...headers, connection: 'close' }).end(body);
    // Most of the answer's way to the client is behind it: the kernel has it. Refusing one by one what is sent in one go
    // would cost as much as answering.
    request.socket.destroy();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Until `ws` has taken over, nobody else listens for what may happen to this socket.
    const onError = () => socket.destroy();
    socket.on('error', onError);
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
    const isViewer = path === '/overview' && this.#context.settings.viewer;
    if (this.#keeper.isDraining()) return end(socket, { status: '503 Service Unavailable' });
    if (!isViewer && path !== '/connect' && path !== '/') return end(socket, { status: '404 Not Found' });
    const from = { address: this.#limits.client(request), origin: originOf(request) };
    const code = this.#refuses(request, from);
    if (code !== undefined) {
      this.#context.counters.countError(code);
      return end(socket, refusal(code, REFUSALS[code]));
    }
    const address = addressKey(from.address);
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      socket.off('error', onError);
      this.#count++;
      const isRefused =
        this.#byAddress.add(address) > perAddress(this.#context, address) ||
        this.#count > this.#context.settings.connectionsMax;
      webSocket.once('close', (closeCode) => {
        this.#count--;
        this.#byAddress.remove(address);
        this.#context.counters.countClose(closeCode);
      });
      const arrival = { webSocket, socket: socket as Socket, address, from, isRefused, query };
      if (isViewer) this.#keeper.viewer(arrival);
      else this.#keeper.player(arrival);
    });
  }

  /** Why this WebSocket is not even made. */
  #refuses({ headers }: IncomingMessage, { address, origin }: ClientOrigin): UpgradeErrorCode | undefined {
    const { settings, counters, log } = this.#context;
    if (!this.#limits.take('webSocket', address, this.#context.nowMs())) {
      counters.connectionsHeldOff++;
      return 'ERR_LIMIT_CONNECTIONS';
    }
    if (isOriginAllowed({ origin, host: headers.host }, settings)) return undefined;
    // It is the setting that is wrong more often than the page.
    log.warn('origin', 'a page from elsewhere wants to connect; the setting origins decides who may', {
      code: 'ERR_ORIGIN',
      origin: (origin ?? 'none').slice(0, ORIGIN_CHARACTERS_SHOWN),
    });
    return 'ERR_ORIGIN';
  }
}

type UpgradeErrorCode = 'ERR_LIMIT_CONNECTIONS' | 'ERR_ORIGIN';

const REFUSALS: Readonly<Record<UpgradeErrorCode, string>> = {
  ERR_LIMIT_CONNECTIONS: 'too many connections of this address in a minute',
  ERR_ORIGIN: 'pages of this origin may not connect',
};

interface Refusal {
  readonly status: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function refusal(code: UpgradeErrorCode | 'ERR_LIMIT_RATE', message: string): Refusal {
  const body = `${JSON.stringify({ code, message })}\n`;
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    'content-length': String(Buffer.byteLength(body)),
  };
  if (code === 'ERR_ORIGIN') return { status: '403 Forbidden', headers, body };
  return { status: '429 Too Many Requests', headers: { ...headers, 'retry-after': RETRY_AFTER_SECONDS }, body };
}

function end(socket: Duplex, { status, headers = { 'content-length': '0' }, body = '' }: Partial<Refusal>): void {
  const lines = Object.entries({ ...headers, connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n${body}`);
}

/** Version 8 of the protocol, which `ws` takes as well, had another name for it. */
function originOf({ headers }: IncomingMessage): string | undefined {
  const old = headers['sec-websocket-origin'];
  return headers.origin ?? (Array.isArray(old) ? old.join(',') : old);
}
