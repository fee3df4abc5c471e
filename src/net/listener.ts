/**
 * The door: one TCP port for HTTP and WebSockets, with the limits that hold before anybody has said a word.
 *
 *   TCP connections      connectionsMax + slack, in total and by address likewise: cut at once
 *   HTTP headers         headersTimeoutMs, 8 KiB: 408 or 431
 *   WebSockets           connectionsMax, connectionsPerAddress: ERR_LIMIT_CONNECTIONS, close code 4007
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

export interface Arrival {
  readonly webSocket: WebSocket;
  readonly socket: Socket;
  readonly address: string;
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
  #count = 0;

  constructor(context: GatewayContext, keeper: DoorKeeper) {
    this.#context = context;
    this.#keeper = keeper;
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
    this.#server.on('request', (request, response) => keeper.http(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /** Resolves with the port once it listens. @throws the system's error, such as EADDRINUSE. */
  async listen(): Promise<number> {
    const { host, port } = this.#context.settings;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen({ host, port, backlog: 1024 }, resolve);
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
    const address = addressKey(socket.remoteAddress);
    const count = this.#tcpByAddress.add(address);
    socket.once('close', () => this.#tcpByAddress.remove(address));
    if (count <= perAddress(this.#context, address) + SLACK_PER_ADDRESS) return;
    this.#context.counters.connectionsCut++;
    socket.destroy();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Until `ws` has taken over, nobody else listens for what may happen to this socket.
    const onError = () => socket.destroy();
    socket.on('error', onError);
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
    const isViewer = path === '/overview' && this.#context.settings.viewer;
    if (this.#keeper.isDraining()) return refuse(socket, '503 Service Unavailable');
    if (!isViewer && path !== '/connect' && path !== '/') return refuse(socket, '404 Not Found');
    const address = addressKey(request.socket.remoteAddress);
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      socket.off('error', onError);
      this.#count++;
      const isRefused =
        this.#byAddress.add(address) > perAddress(this.#context, address) ||
        this.#count > this.#context.settings.connectionsMax;
      webSocket.once('close', (code) => {
        this.#count--;
        this.#byAddress.remove(address);
        this.#context.counters.countClose(code);
      });
      const arrival = { webSocket, socket: socket as Socket, address, isRefused, query };
      if (isViewer) this.#keeper.viewer(arrival);
      else this.#keeper.player(arrival);
    });
  }
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
