/** What the clients of all sides have in common: a `ws` socket, and the measures of what comes over it. */
import { WebSocket } from 'ws';
import type { Measures } from './measures.ts';
import type { Crowd } from './scene.ts';
import { sinceStampMs } from './scene.ts';

export interface ClientOptions {
  readonly port: number;
  /** Also the number of the person. */
  readonly index: number;
  readonly crowd: Crowd;
  /** Reads what it is sent; the others only count and time it, so that the clients' core is not what is measured. */
  readonly isObserver: boolean;
  readonly measures: Measures;
  /** Whether this client stands near that person. */
  isNear(person: number): boolean;
}

export interface Client {
  readonly isOnline: boolean;
  /** Resolves when the first state has come, or with false when the server does not want it. */
  join(): Promise<boolean>;
  sendInput(direction: { readonly x: number; readonly z: number }): void;
  leave(): void;
}

const JOIN_MS_MAX = 30_000;

/** One connection. Whoever has it decides by the bytes what a message is. */
export class Connection {
  readonly #options: ClientOptions;
  readonly #joined = Promise.withResolvers<boolean>();
  #socket: WebSocket | undefined;
  #isLeaving = false;
  #lastStateMs = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  get isOnline(): boolean {
    return this.#lastStateMs > 0 && this.#socket?.readyState === WebSocket.OPEN;
  }

  async open(path: string, hooks: { onOpen(): void; onMessage(data: Buffer): void }): Promise<boolean> {
    const { port, measures } = this.#options;
    const socket = new WebSocket(`ws://127.0.0.1:${port}/${path}`, {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      handshakeTimeout: JOIN_MS_MAX,
    });
    this.#socket = socket;
    const deadline = setTimeout(() => socket.terminate(), JOIN_MS_MAX);
    socket.on('open', () => hooks.onOpen());
    socket.on('message', (data: Buffer) => {
      measures.received(data.length);
      hooks.onMessage(data);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => measures.failed(error.code ?? error.name));
    socket.on('close', (code) => {
      if (!this.#isLeaving) measures.failed(`closed ${code}`);
      this.#joined.resolve(false);
    });
    const isJoined = await this.#joined.promise;
    clearTimeout(deadline);
    return isJoined;
  }

  send(data: Uint8Array): void {
    this.#socket?.send(data);
    this.#options.measures.sent(data.length);
  }

  /** A snapshot, patch or frame came: the state of one tick. */
  state(sizeBytes: number): void {
    const nowMs = performance.now();
    if (this.#lastStateMs === 0) this.#joined.resolve(true);
    else this.#options.measures.state(nowMs - this.#lastStateMs, sizeBytes);
    this.#lastStateMs = nowMs;
  }

  /** @param person whose it is; undefined for one that is nobody's, and counts as near. */
  stamp(stamp: number, person: number | undefined): void {
    const { measures, isNear } = this.#options;
    measures.receipt(sinceStampMs(stamp), person === undefined || isNear(person));
  }

  close(): void {
    this.#isLeaving = true;
    this.#socket?.close(1000);
  }
}
