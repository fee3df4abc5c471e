/**
 * A webhook that takes publications, and is down in the ways that such things are. It keeps what it took, and judges each by what it has
 * heard of the same entity before.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { isDeepStrictEqual } from 'node:util';

/**
 * up: takes all. unavailable: 503. hangs: never answers. forgetful: takes, and closes the connection without an answer. closed: nobody listens.
 * choosy: refuses (422) what `refuses` says, and what comes with it.
 */
export type SinkMood = 'up' | 'unavailable' | 'hangs' | 'forgetful' | 'closed' | 'choosy';

export interface Received {
  readonly id: string;
  readonly entity: number;
  readonly number: number;
  readonly name: string;
  readonly node: string;
  readonly at: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const BODY_BYTES_MAX = 8 * 2 ** 20;

export class SinkServer implements AsyncDisposable {
  /** By entity, by number: as it came first. */
  readonly taken = new Map<number, Map<number, Received>>();
  readonly headers: IncomingMessage['headers'][] = [];
  readonly violations: string[] = [];
  repeats = 0;
  requests = 0;
  refuses: (publication: Received) => boolean = () => false;
  #last = new Map<number, number>();
  /** Numbers that were refused may come late. */
  #refused = new Set<string>();
  #mood: SinkMood = 'up';
  #server: Server | undefined;
  #port = 0;

  static async open(): Promise<SinkServer> {
    const sink = new SinkServer();
    await sink.#listen();
    return sink;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/publications`;
  }

  get count(): number {
    let count = 0;
    for (const numbers of this.taken.values()) count += numbers.size;
    return count;
  }

  async setMood(mood: SinkMood): Promise<void> {
    this.#mood = mood;
    if (mood === 'closed') await this.#close();
    else if (this.#server === undefined) await this.#listen();
    // Whoever waits for an answer that never comes is let go.
    else if (mood === 'up') this.#server.closeAllConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #listen(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    this.#server = server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
  }

  async #close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests++;
    this.headers.push(request.headers);
    const body = await bodyOf(request).catch(() => undefined);
    if (body === undefined) return;
    const { publications } = JSON.parse(body) as { publications: Received[] };
    switch (this.#mood) {
      case 'hangs':
      case 'closed':
        return;
      case 'unavailable':
        response.writeHead(503).end('not now');
        return;
      case 'choosy':
        if (publications.some((publication) => this.refuses(publication))) {
          if (publications.length === 1) this.#refused.add(publications[0]!.id);
          response.writeHead(422).end('no such thing');
          return;
        }
        break;
      default:
    }
    for (const publication of publications) this.#take(publication);
    if (this.#mood === 'forgetful') request.socket.destroy();
    else response.writeHead(204).end();
  }

  #take(publication: Received): void {
    const { id, entity, number } = publication;
    let numbers = this.taken.get(entity);
    if (numbers === undefined) this.taken.set(entity, (numbers = new Map()));
    const before = numbers.get(number);
    if (id !== `${entity}:${number}`) this.violations.push(`${id} is of entity ${entity}, number ${number}`);
    if (before !== undefined) {
      this.repeats++;
      if (!isDeepStrictEqual(before.data, publication.data)) this.violations.push(`${id} comes again with other data`);
      return;
    }
    numbers.set(number, publication);
    const last = this.#last.get(entity) ?? 0;
    for (let missing = last + 1; missing < number; missing++) {
      if (!this.#refused.has(`${entity}:${missing}`)) this.violations.push(`${id} comes before number ${missing}`);
    }
    if (number < last && !this.#refused.has(id)) this.violations.push(`${id} comes after number ${last}`);
    this.#last.set(entity, Math.max(last, number));
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    sizeBytes += piece.length;
    if (sizeBytes > BODY_BYTES_MAX) throw new RangeError(`more than ${BODY_BYTES_MAX} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}
