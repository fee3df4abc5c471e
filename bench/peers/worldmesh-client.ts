/** A client of ours: the wire functions and nothing of the SDK, whose prediction and interpolation no other side has. */
import type { Values } from '../../src/base/pack.ts';
import type { Schema } from '../../src/base/schema.ts';
import { decodeServerMessage, encodeClientMessage } from '../../src/wire/client.wire.ts';
import { MESSAGE, PROTOCOL_VERSION } from '../../src/wire/messages.ts';
import type { EnterEntry } from '../../src/wire/messages.ts';
import { visitSnapshot } from '../../src/wire/snapshot.wire.ts';
import type { SnapshotVisitor } from '../../src/wire/snapshot.wire.ts';
import { Connection } from './client.ts';
import type { Client, ClientOptions } from './client.ts';

/** The first client is sent the schema, for all. */
export interface SharedSchema {
  schema: Schema | undefined;
}

/** Inputs that are kept are not sent again here: nothing is lost on a connection that stays. */
const INPUTS_KEPT = 0;

export class WorldmeshClient implements Client {
  readonly #connection: Connection;
  readonly #options: ClientOptions;
  readonly #shared: SharedSchema;
  readonly #values: Values = { moveX: 0, moveZ: 0 };
  readonly #sight: Sight;
  #sequence = 0;

  constructor(options: ClientOptions, shared: SharedSchema) {
    this.#connection = new Connection(options);
    this.#sight = new Sight(this.#connection);
    this.#options = options;
    this.#shared = shared;
  }

  get isOnline(): boolean {
    return this.#connection.isOnline;
  }

  join(): Promise<boolean> {
    return this.#connection.open('', { onOpen: () => this.#hello(), onMessage: (data) => this.#receive(data) });
  }

  sendInput({ x, z }: { x: number; z: number }): void {
    const { schema } = this.#shared;
    this.#values['moveX'] = x;
    this.#values['moveZ'] = z;
    const sequence = ++this.#sequence;
    const input = { type: 'input', sequence, back: INPUTS_KEPT, input: this.#values } as const;
    this.#connection.send(encodeClientMessage(input, schema));
  }

  /** Without a word the session would be kept for a while. */
  leave(): void {
    if (this.isOnline) this.#connection.send(encodeClientMessage({ type: 'bye' }, undefined));
    this.#connection.close();
  }

  #hello(): void {
    const hello = encodeClientMessage(
      {
        type: 'hello',
        protocolVersion: PROTOCOL_VERSION,
        schemaHash: this.#shared.schema?.hash ?? 0,
        name: String(this.#options.index),
        token: '',
        resumeToken: '',
        mode: 'tunnel',
        clientTimeMs: 0,
        lastKnownTick: 0,
      },
      undefined,
    );
    this.#connection.send(hello);
  }

  #receive(data: Buffer): void {
    const { schema } = this.#shared;
    if (data[0] === MESSAGE.snapshot) {
      this.#connection.state(data.length);
      if (schema === undefined || !this.#options.isObserver) return;
      visitSnapshot(data, schema, this.#sight);
      this.#options.measures.inView(this.#sight.inViewCount);
      return;
    }
    const message = decodeServerMessage(data, schema);
    if (message.type === 'welcome') this.#shared.schema ??= message.schema;
    else if (message.type === 'error') this.#options.measures.failed(message.code);
  }
}

const ALIASES = 256;

/** What an observer looks for in a snapshot. */
class Sight implements SnapshotVisitor {
  inViewCount = 0;
  readonly #connection: Connection;
  /** By alias. */
  readonly #people = new Uint16Array(ALIASES);

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  head({ keyframe }: { keyframe: boolean }): void {
    if (keyframe) this.inViewCount = 0;
  }
  leave(): void {
    this.inViewCount--;
  }
  enter({ alias, components }: EnterEntry): void {
    this.inViewCount++;
    for (const { person } of components.values()) if (person !== undefined) this.#people[alias] = Number(person);
  }
  change(alias: number, _component: number, { stamp }: Values): void {
    if (stamp !== undefined) this.#connection.stamp(Number(stamp), this.#people[alias]);
  }
  self(): void {}
  move(): void {}
  turn(): void {}
  jump(): void {}
  event(): void {}
}
