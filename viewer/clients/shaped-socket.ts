/**
 * A WebSocket whose messages take the way of a `Network`. What waits is kept here, in order; a way that holds too much is
 * given up, as a real one would be.
 *
 *   connecting ──▶ open ──▶ closed          a silent cut holds every arrow, a reset goes to closed from anywhere
 */
import type { Socket } from '../../src/client/index.ts';
import { Lane, isPerfect } from './network.core.ts';
import type { Network } from './network.ts';

export interface RealSocket {
  binaryType: string;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
}
export type RealSocketConstructor = new (url: string) => RealSocket;

/** Of `readyState`, as browsers have it. */
const STATE = { connecting: 0, open: 1, closed: 3 } as const;
const LOST_CLOSE_CODE = 1006;
/** How long a refused connection takes to be refused. */
const REFUSED_MS = 50;
/** Bytes that wait on one way; beyond it the connection is lost. */
export const HELD_BYTES_MAX = 4 * 1024 * 1024;

interface Held {
  readonly atMs: number;
  readonly sizeBytes: number;
  readonly run: () => void;
}

interface Way {
  readonly lane: Lane;
  readonly held: Held[];
  heldBytes: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

export class ShapedSocket implements Socket {
  binaryType = 'arraybuffer';
  readyState: number = STATE.connecting;
  onopen: ((event: any) => void) | null = null;
  onmessage: ((event: any) => void) | null = null;
  onclose: ((event: any) => void) | null = null;
  onerror: ((event: any) => void) | null = null;
  readonly url: string;
  readonly #network: Network;
  readonly #up = newWay();
  readonly #down = newWay();
  #real: RealSocket | undefined;

  /** @throws what the real socket throws for a URL that can never work. */
  constructor(url: string, network: Network) {
    if (!URL.canParse(url)) throw new SyntaxError(`"${url}" is no URL`);
    this.url = url;
    this.#network = network;
    network.add(this);
    if (network.cut?.kind === 'reset') {
      setTimeout(() => this.#lose(), REFUSED_MS);
      return;
    }
    // TCP's handshake and the upgrade are one round trip each; the answer to the second is the open event.
    const handshakeMs = 4 * network.conditions.latencyMs;
    if (handshakeMs === 0 && network.cut === undefined) this.#open();
    else this.#hold(this.#up, { atMs: performance.now() + handshakeMs, sizeBytes: 0, run: () => this.#open() });
  }

  send(data: string | Uint8Array): void {
    if (this.readyState !== STATE.open) return;
    const sizeBytes = data.length;
    // A copy: the caller may use its bytes again.
    const message = typeof data === 'string' ? data : new Uint8Array(data);
    this.#network.tap.sent(sizeBytes, performance.now());
    this.#pass(this.#up, sizeBytes, () => this.#real?.send(message));
  }

  /** The caller hears no close event: it is the one who closed. */
  close(code?: number, reason?: string): void {
    if (this.readyState === STATE.closed) return;
    this.readyState = STATE.closed;
    this.onopen = this.onmessage = this.onclose = this.onerror = null;
    this.#drop(this.#down);
    // Whoever is cut off cannot say goodbye either: the gateway hears of it behind all that is on its way.
    this.#pass(this.#up, 0, () => {
      this.#real?.close(code, reason);
      this.#leave();
    });
  }

  /** The network's cut began or ended. */
  cutChanged(): void {
    if (this.#network.cut?.kind === 'reset') return this.#lose();
    this.#schedule(this.#up);
    this.#schedule(this.#down);
  }

  #open(): void {
    const real = new this.#network.RealSocket(this.url);
    real.binaryType = 'arraybuffer';
    this.#real = real;
    real.onopen = () =>
      this.#pass(this.#down, 0, () => {
        if (this.readyState !== STATE.connecting) return;
        this.readyState = STATE.open;
        this.#network.tap.opened(this.url, performance.now());
        this.onopen?.({ type: 'open' });
      });
    real.onmessage = ({ data }: { data: string | ArrayBuffer }) => {
      const sizeBytes = typeof data === 'string' ? data.length : data.byteLength;
      this.#pass(this.#down, sizeBytes, () => this.#receive(data));
    };
    // A close event follows an error and says what there is to say.
    real.onerror = () => undefined;
    real.onclose = ({ code, reason }: { code: number; reason: string }) =>
      this.#pass(this.#down, 0, () => {
        this.#leave();
        this.#end(code, reason);
      });
  }

  #receive(data: string | ArrayBuffer): void {
    if (this.readyState !== STATE.open) return;
    this.#network.tap.received(this, data, performance.now());
    this.onmessage?.({ data });
  }

  /** As when the other side is not there any more. */
  #lose(): void {
    this.#drop(this.#up);
    this.#drop(this.#down);
    const real = this.#real;
    this.#leave();
    if (real !== undefined) {
      real.onopen = real.onmessage = real.onclose = null;
      real.close();
    }
    this.#end(LOST_CLOSE_CODE, '');
  }

  #end(code: number, reason: string): void {
    if (this.readyState === STATE.closed) return;
    this.readyState = STATE.closed;
    if (code === LOST_CLOSE_CODE) this.onerror?.({ type: 'error' });
    this.onclose?.({ code, reason });
  }

  #leave(): void {
    this.#real = undefined;
    this.#network.remove(this);
  }

  #pass(way: Way, sizeBytes: number, run: () => void): void {
    const { conditions, cut } = this.#network;
    if (way.held.length === 0 && cut === undefined && isPerfect(conditions)) return run();
    const nowMs = performance.now();
    this.#hold(way, {
      atMs: way.lane.arrivalMs({ nowMs, sizeBytes, random: Math.random }, conditions),
      sizeBytes,
      run,
    });
  }

  #hold(way: Way, held: Held): void {
    way.held.push(held);
    way.heldBytes += held.sizeBytes;
    if (way.heldBytes > HELD_BYTES_MAX) return this.#lose();
    this.#schedule(way);
  }

  #schedule(way: Way): void {
    clearTimeout(way.timer);
    const head = way.held[0];
    // The end of a cut schedules again.
    if (head === undefined || this.#network.cut !== undefined) return;
    way.timer = setTimeout(() => this.#deliver(way), Math.max(0, head.atMs - performance.now()));
  }

  #deliver(way: Way): void {
    // A timer may be a fraction early.
    const nowMs = performance.now() + 0.5;
    while (way.held.length > 0 && way.held[0]!.atMs <= nowMs && this.#network.cut === undefined) {
      const { run, sizeBytes } = way.held.shift()!;
      way.heldBytes -= sizeBytes;
      run();
    }
    this.#schedule(way);
  }

  #drop(way: Way): void {
    clearTimeout(way.timer);
    way.held.length = 0;
    way.heldBytes = 0;
  }
}

function newWay(): Way {
  return { lane: new Lane(), held: [], heldBytes: 0, timer: undefined };
}
