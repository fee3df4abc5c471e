/**
 * A client of Colyseus: what its SDK sends, over the same sockets as all other sides have. (The SDK takes the WebSocket of the
 * platform, which costs the clients' core more.) Observers decode with its own decoder.
 */
import { request } from 'node:http';
import type { Agent } from 'node:http';
import { text } from 'node:stream/consumers';
import { Decoder } from '@colyseus/schema';
import type { DataChange } from '@colyseus/schema';
import { Protocol } from '@colyseus/shared-types';
import { Connection } from './client.ts';
import type { Client, ClientOptions } from './client.ts';
import { COLYSEUS_INPUT, COLYSEUS_ROOM, defineState } from './colyseus-state.ts';

/** Kept connections may all be closed at once; a request on each is lost then. */
const SEAT_ATTEMPTS_MAX = 100;

interface Seat {
  readonly processId: string;
  readonly roomId: string;
  readonly sessionId: string;
}

export class ColyseusClient implements Client {
  readonly #connection: Connection;
  readonly #options: ClientOptions;
  readonly #agent: Agent;
  readonly #decoder: Decoder<InstanceType<ReturnType<typeof defineState>['PeersState']>> | undefined;
  readonly #input = Buffer.of(Protocol.ROOM_DATA_BYTES, COLYSEUS_INPUT, 0, 0);

  /** @param agent keeps connections for the requests of matchmaking. */
  constructor(options: ClientOptions, agent: Agent) {
    this.#connection = new Connection(options);
    this.#options = options;
    this.#agent = agent;
    if (!options.isObserver) return;
    const { PeersState } = defineState(options.crowd.worldSize);
    this.#decoder = new Decoder(new PeersState());
    this.#decoder.triggerChanges = (changes) => this.#look(changes);
  }

  get isOnline(): boolean {
    return this.#connection.isOnline;
  }

  async join(): Promise<boolean> {
    const { processId, roomId, sessionId } = await this.#reserveSeat();
    // The clients know the state's definition, so they need not be sent it.
    return await this.#connection.open(`${processId}/${roomId}?sessionId=${sessionId}&skipHandshake=1`, {
      onOpen() {},
      onMessage: (data) => this.#receive(data),
    });
  }

  sendInput({ x, z }: { x: number; z: number }): void {
    this.#input.writeInt8(x, 2);
    this.#input.writeInt8(z, 3);
    this.#connection.send(this.#input);
  }

  leave(): void {
    this.#connection.close();
  }

  async #reserveSeat(): Promise<Seat> {
    for (let attempt = 1; attempt <= SEAT_ATTEMPTS_MAX; attempt++) {
      const seat = await this.#askForSeat();
      if (seat !== undefined) return seat;
    }
    throw new Error(`no seat in ${SEAT_ATTEMPTS_MAX} attempts`);
  }

  /** Undefined when the connection was closed meanwhile. */
  async #askForSeat(): Promise<Seat | undefined> {
    const { port, index } = this.#options;
    let isStale = false;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const asked = request(
      {
        host: '127.0.0.1',
        port,
        agent: this.#agent,
        method: 'POST',
        path: `/matchmake/joinOrCreate/${COLYSEUS_ROOM}`,
        headers: { 'content-type': 'application/json', accept: 'application/json' },
      },
      (response) => {
        text(response).then(resolve, reject);
      },
    );
    asked.on('error', (error: NodeJS.ErrnoException) => {
      // The server may close a connection that was kept in the moment of its next request: not its fault, nor ours.
      if (asked.reusedSocket && error.code === 'ECONNRESET') isStale = true;
      reject(error);
    });
    asked.end(JSON.stringify({ index }));
    try {
      return JSON.parse(await promise) as Seat;
    } catch (error) {
      if (isStale) return undefined;
      throw error;
    }
  }

  #receive(data: Buffer): void {
    switch (data[0]) {
      case Protocol.JOIN_ROOM:
        this.#connection.send(Buffer.of(Protocol.JOIN_ROOM));
        return;
      case Protocol.ROOM_STATE:
      case Protocol.ROOM_STATE_PATCH:
        this.#connection.state(data.length);
        this.#decode(data);
        return;
      default:
        this.#options.measures.failed(`message ${data[0]}`);
    }
  }

  #decode(data: Buffer): void {
    const decoder = this.#decoder;
    if (decoder === undefined) return;
    decoder.decode(data, { offset: 1 });
    this.#options.measures.inView(decoder.state.people.size);
  }

  /** Stamps of people who were in view before. */
  #look(changes: readonly DataChange[]): void {
    for (const { field, value, previousValue, ref } of changes) {
      if (field !== 'stamp' || previousValue === undefined) continue;
      this.#connection.stamp(Number(value), (ref as unknown as { person: number }).person);
    }
  }
}
