/** The WebSocket that a bot gives to the SDK: that of `ws`, whose traffic is seen on its way. */
import { WebSocket } from 'ws';
import type { Socket, SocketConstructor } from '../../client/index.ts';

const HANDSHAKE_MS_MAX = 20_000;
const HEADER_BYTES = { small: 2, medium: 4, large: 10 } as const;

/** Sees everything before the SDK does. */
export interface SocketWatch {
  sent(data: Uint8Array): void;
  received(data: Uint8Array, receivedMs: number): void;
  /** @param code of the system or of `ws`, such as ECONNREFUSED. */
  failed(code: string): void;
  /** @param byClient whether this side had asked for it. */
  closed(closeCode: number, byClient: boolean): void;
}

export class BotSocket implements Socket {
  binaryType = 'nodebuffer';
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  onerror: Socket['onerror'] = null;
  readonly #socket: WebSocket;
  readonly #watch: SocketWatch;
  #isClosing = false;

  constructor(url: string, watch: (socket: BotSocket) => SocketWatch) {
    this.#watch = watch(this);
    this.#socket = new WebSocket(url, {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      handshakeTimeout: HANDSHAKE_MS_MAX,
    });
    this.#socket.on('open', () => this.onopen?.({}));
    this.#socket.on('message', (data: Buffer) => this.#receive(data));
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!this.#isClosing) this.#watch.failed(error.code ?? error.name);
      this.onerror?.({});
    });
    this.#socket.on('close', (code) => {
      this.#watch.closed(code, this.#isClosing);
      this.onclose?.({ code });
    });
  }

  get readyState(): number {
    return this.#socket.readyState;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  send(data: string | Uint8Array): void {
    if (typeof data !== 'string') this.#watch.sent(data);
    this.#socket.send(data);
  }

  /** Of a measuring message, which the SDK knows nothing of. */
  sendBeside(data: Uint8Array): void {
    if (this.isOpen) this.#socket.send(data);
  }

  close(code?: number, reason?: string): void {
    this.#isClosing = true;
    this.#socket.close(code, reason);
  }

  /** Resolves when it is closed; cuts it when the other side takes too long. */
  async whenClosed(timeoutMs: number): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cut = setTimeout(() => this.#socket.terminate(), timeoutMs);
    this.#socket.once('close', () => {
      clearTimeout(cut);
      resolve();
    });
    await promise;
  }

  #receive(data: Buffer): void {
    const receivedMs = performance.now();
    this.#watch.received(data, receivedMs);
    this.onmessage?.({ data });
  }
}

/** @param watch called for each connection that the SDK makes. */
export function botSocketConstructor(watch: (url: string, socket: BotSocket) => SocketWatch): SocketConstructor {
  return class extends BotSocket {
    constructor(url: string) {
      super(url, (socket) => watch(url, socket));
    }
  };
}

/** A message of the server with its WebSocket header. */
export function frameBytes(payloadBytes: number): number {
  if (payloadBytes < 126) return payloadBytes + HEADER_BYTES.small;
  return payloadBytes + (payloadBytes < 65_536 ? HEADER_BYTES.medium : HEADER_BYTES.large);
}
