/**
 * The network of one client: its conditions, a cut, and the sockets that go through it.
 *
 * A *silent* cut is a tunnel or a pulled cable: nothing arrives, and nobody is told. A *reset* is a gateway that died: the
 * connection ends at once, and no new one opens until the cut is over.
 */
import type { SocketConstructor } from '../../src/client/index.ts';
import { PERFECT, type Conditions } from './network.core.ts';
import { ShapedSocket, type RealSocketConstructor } from './shaped-socket.ts';

export type CutKind = 'silent' | 'reset';

export interface Cut {
  readonly kind: CutKind;
  readonly untilMs: number;
}

/** Who looks at what goes through. Times are of `performance.now()`. */
export interface NetworkTap {
  received(socket: ShapedSocket, data: string | ArrayBuffer, nowMs: number): void;
  sent(sizeBytes: number, nowMs: number): void;
  opened(url: string, nowMs: number): void;
}

export class Network {
  readonly tap: NetworkTap;
  readonly RealSocket: RealSocketConstructor;
  /** For the SDK's option of this name. */
  readonly WebSocket: SocketConstructor;
  conditions: Conditions = PERFECT;
  #cut: Cut | undefined;
  #cutTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #sockets = new Set<ShapedSocket>();

  constructor(tap: NetworkTap, { RealSocket }: { RealSocket: RealSocketConstructor }) {
    this.tap = tap;
    this.RealSocket = RealSocket;
    this.WebSocket = socketsOf(this);
  }

  get cut(): Cut | undefined {
    return this.#cut;
  }

  cutFor(kind: CutKind, durationMs: number): void {
    clearTimeout(this.#cutTimer);
    this.#cut = { kind, untilMs: performance.now() + durationMs };
    this.#cutTimer = setTimeout(() => this.mend(), durationMs);
    this.#tellSockets();
  }

  /** Ends a cut before its time. */
  mend(): void {
    clearTimeout(this.#cutTimer);
    this.#cut = undefined;
    this.#tellSockets();
  }

  /** A socket of this network lives until it is closed. */
  add(socket: ShapedSocket): void {
    this.#sockets.add(socket);
  }

  remove(socket: ShapedSocket): void {
    this.#sockets.delete(socket);
  }

  #tellSockets(): void {
    // Whoever loses its socket may open another at once, and that one has seen the cut already.
    const sockets = Array.from(this.#sockets);
    for (const socket of sockets) socket.cutChanged();
  }
}

function socketsOf(network: Network): SocketConstructor {
  return class extends ShapedSocket {
    constructor(url: string) {
      super(url, network);
    }
  };
}
