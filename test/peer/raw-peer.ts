/** A peer written by hand from docs/LINKS.md, which can say what no node would. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { FRAME_TYPE, FrameDecoder, encodeFrame } from '../../src/peer/link-frame.wire.ts';
import type { FrameHeader } from '../../src/peer/link-frame.wire.ts';
import { checksumSeed, decodeClose, decodeHello, encodeHello, encodePing } from '../../src/peer/link-hello.wire.ts';
import type { Hello } from '../../src/peer/link-hello.wire.ts';
import { ledgerOf, until } from './link-fixture.ts';

export interface RawFrame {
  readonly header: FrameHeader;
  readonly payload: Buffer;
}

export class RawPeer implements AsyncDisposable {
  readonly frames: RawFrame[] = [];
  readonly hello: Hello;
  sequence = 0;
  target = 0;
  seed = 0;
  isEnded = false;
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();

  private constructor(socket: Socket, hello: Hello) {
    this.#socket = socket;
    this.hello = hello;
    socket.on('data', (chunk: Buffer) => {
      this.#decoder.push(chunk, (header, payload) => {
        if (header.type === FRAME_TYPE.helloOk) this.#agree(header, payload);
        this.frames.push({ header, payload });
        return true;
      });
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.isEnded = true;
    });
  }

  static async connect(
    address: { host: string; port: number },
    more: Partial<Hello> & { incarnation?: number } = {},
  ): Promise<RawPeer> {
    const socket = connect({ ...address, noDelay: true });
    await once(socket, 'connect');
    const { incarnation = 990, ...rest } = more;
    return new RawPeer(socket, {
      protocol: { min: 1, max: 1 },
      nonce: 12_345,
      peer: { node: 9, ledger: ledgerOf(9), incarnation, name: 'n9' },
      windows: [1 << 20, 1 << 20, 1 << 20, 1 << 20],
      targetName: '',
      cluster: 'worldmesh',
      ...rest,
    });
  }

  /** A link that is up on both sides. */
  static async up(
    address: { host: string; port: number },
    more: Partial<Hello> & { incarnation?: number } = {},
  ): Promise<RawPeer> {
    const peer = await RawPeer.tryUp(address, more);
    if (peer === undefined) throw new Error('the link was refused');
    return peer;
  }

  /** Undefined when the other side ends it, as it does while it still has an older link of that name. */
  static async tryUp(
    address: { host: string; port: number },
    more: Partial<Hello> & { incarnation?: number } = {},
  ): Promise<RawPeer | undefined> {
    const peer = await RawPeer.connect(address, more);
    peer.sayHello();
    await until(() => peer.seed !== 0 || peer.isEnded, 'HELLO_OK, or the end');
    if (peer.isEnded) return undefined;
    peer.say(FRAME_TYPE.ping, encodePing(1));
    const hasPong = (): boolean => peer.frames.some(({ header }) => header.type === FRAME_TYPE.pong);
    await until(() => hasPong() || peer.isEnded, 'PONG, or the end');
    return hasPong() ? peer : undefined;
  }

  sayHello(more: Partial<FrameHeader> = {}): void {
    this.say(FRAME_TYPE.hello, encodeHello(this.hello), more);
  }

  /** A frame as it should be, but for what `more` says. */
  frame(type: number, payload: Uint8Array, more: Partial<FrameHeader> = {}): Buffer {
    this.sequence = more.sequence ?? this.sequence + 1;
    const header = {
      type: type as FrameHeader['type'],
      priority: 0,
      count: 0,
      source: this.hello.peer.incarnation,
      target: this.target,
      sequence: this.sequence,
      acknowledged: this.frames.at(-1)?.header.sequence ?? 0,
      ...more,
    };
    return encodeFrame(header, payload, this.seed);
  }

  say(type: number, payload: Uint8Array, more: Partial<FrameHeader> = {}): void {
    this.#socket.write(this.frame(type, payload, more));
  }

  write(bytes: Uint8Array): boolean {
    return this.#socket.write(bytes);
  }

  async drained(): Promise<void> {
    if (this.#socket.writableNeedDrain && !this.isEnded)
      await Promise.race([once(this.#socket, 'drain'), once(this.#socket, 'close')]);
  }

  end(): void {
    this.#socket.end();
  }

  /** The code with which the node closed the link. */
  async closeCode(): Promise<string> {
    const find = (): RawFrame | undefined => this.frames.find(({ header }) => header.type === FRAME_TYPE.close);
    await until(() => find() !== undefined || this.isEnded, 'CLOSE');
    const close = find();
    return close === undefined ? 'no CLOSE' : decodeClose(close.payload).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    if (!this.isEnded) await once(this.#socket, 'close');
  }

  #agree(header: FrameHeader, payload: Buffer): void {
    this.target = header.source;
    const answer = decodeHello(payload, header.source);
    this.seed = checksumSeed({ dialer: this.hello.nonce, acceptor: answer.nonce });
    this.#decoder.seed = this.seed;
  }
}
