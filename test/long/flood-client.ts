/**
 * Run as a child process: floods the gateway at PORT in one way, KIND, from an address of its own, until it is ended.
 * Reports on standard output twice a second, one JSON line: {"tries": n, "ends": n}.
 */
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { encodeClientMessage } from '../../src/wire/client.wire.ts';
import { PROTOCOL_VERSION } from '../../src/wire/messages.ts';

type FloodKind = 'messages' | 'giants' | 'storm' | 'slowloris' | 'deaf' | 'requests';

/** Loopback has more addresses than one; limits are counted for each. */
const FLOOD_ADDRESS = '127.0.0.66';
const REPORT_PERIOD_MS = 500;
/** How many go on at once. */
const LANES = 40;
const GIANT_BYTES = 4 * 1024 * 1024;
const MESSAGES_AT_ONCE = 500;
/** Whose door is shut knocks again at once, but lets the others of its thread do so as well. */
const REST_MS = 2;

const HELLO = encodeClientMessage(
  {
    type: 'hello',
    protocolVersion: PROTOCOL_VERSION,
    schemaHash: 0,
    name: 'flood',
    token: '',
    resumeToken: '',
    mode: 'tunnel',
    clientTimeMs: 0,
    lastKnownTick: 0,
  },
  undefined,
);
const PING = encodeClientMessage({ type: 'ping', nonce: 1 }, undefined);
const KEYFRAME = encodeClientMessage({ type: 'keyframe' }, undefined);

class Flood {
  readonly #port: number;
  #tries = 0;
  #ends = 0;

  constructor(port: number) {
    this.#port = port;
  }

  report(): { tries: number; ends: number } {
    return { tries: this.#tries, ends: this.#ends };
  }

  async run(kind: FloodKind): Promise<never> {
    for (;;) {
      this.#tries++;
      await this.#attack(kind);
      this.#ends++;
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
    }
  }

  /** Resolves when the gateway has ended it. */
  #attack(kind: FloodKind): Promise<void> {
    switch (kind) {
      case 'messages':
        return this.#player((webSocket) => {
          for (let messages = 0; messages < MESSAGES_AT_ONCE; messages++) webSocket.send(PING);
        });
      case 'giants':
        return this.#player((webSocket) => webSocket.send(new Uint8Array(GIANT_BYTES)));
      case 'deaf':
        return this.#player((webSocket) => {
          webSocket.pause();
          const timer = setInterval(() => webSocket.send(KEYFRAME), 50);
          webSocket.on('close', () => clearInterval(timer));
        });
      case 'storm':
        return this.#player((webSocket) => webSocket.terminate(), new Uint8Array(0));
      case 'slowloris':
        return this.#socket((socket) => {
          socket.write('GET /connect HTTP/1.1\r\nHost: x\r\n');
          const timer = setInterval(() => socket.write('X'), 100);
          socket.on('close', () => clearInterval(timer));
        });
      case 'requests':
        return this.#socket((socket) => {
          socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(100));
        });
    }
  }

  #player(act: (webSocket: WebSocket) => void, hello: Uint8Array = HELLO): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const webSocket = new WebSocket(`ws://127.0.0.1:${this.#port}/connect`, {
      perMessageDeflate: false,
      localAddress: FLOOD_ADDRESS,
    });
    webSocket.on('error', () => resolve());
    webSocket.on('close', () => resolve());
    webSocket.on('open', () => {
      if (hello.length > 0) webSocket.send(hello);
      act(webSocket);
    });
    return promise;
  }

  #socket(act: (socket: Socket) => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const socket = createConnection({ host: '127.0.0.1', port: this.#port, localAddress: FLOOD_ADDRESS });
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.on('connect', () => act(socket));
    socket.resume();
    return promise;
  }
}

const [portText = '', kind = ''] = process.argv.slice(2);
const flood = new Flood(Number(portText));
for (let lane = 0; lane < LANES; lane++) void flood.run(kind as FloodKind);
setInterval(() => console.log(JSON.stringify(flood.report())), REPORT_PERIOD_MS);
