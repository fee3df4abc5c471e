/** A client of the bare server: sends as many bytes as one of ours, reads the stamp. */
import { INPUT_HEAD_BYTES } from '../../src/wire/client.wire.ts';
import { Connection } from './client.ts';
import type { Client, ClientOptions } from './client.ts';

/** An input of ours: its head, and two directions of a byte each. */
const INPUT_BYTES = INPUT_HEAD_BYTES + 2;

export class BareClient implements Client {
  readonly #connection: Connection;
  readonly #isObserver: boolean;
  readonly #input = Buffer.alloc(INPUT_BYTES);

  constructor(options: ClientOptions) {
    this.#connection = new Connection(options);
    this.#isObserver = options.isObserver;
  }

  get isOnline(): boolean {
    return this.#connection.isOnline;
  }

  join(): Promise<boolean> {
    return this.#connection.open('', { onOpen() {}, onMessage: (data) => this.#receive(data) });
  }

  sendInput({ x, z }: { x: number; z: number }): void {
    this.#input.writeInt8(x, 0);
    this.#input.writeInt8(z, 1);
    this.#connection.send(this.#input);
  }

  leave(): void {
    this.#connection.close();
  }

  #receive(data: Buffer): void {
    this.#connection.state(data.length);
    if (this.#isObserver) this.#connection.stamp(data.readUInt16LE(), undefined);
  }
}
