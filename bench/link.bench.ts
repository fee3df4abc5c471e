/**
 * Links between nodes against bare sockets: messages of 200 bytes, 64 a write, and round trips; TLS beside plain TCP. Both ends
 * run in this thread, so a figure is the work of sender and receiver together.
 */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect as connectSecurely, createServer as createSecureServer } from 'node:tls';
import { createHistogram } from 'node:perf_hooks';
import { initKeys, issueKeys } from '../src/main/keys.ts';
import type { LinkTls } from '../src/peer/link-tls.ts';
import { Links } from '../src/peer/links.ts';
import type { LinksEvent } from '../src/peer/links.ts';
import type { Case, Suite } from './measure.ts';

const MESSAGE_BYTES = 200;
const MESSAGES_PER_WRITE = 64;
const WRITES = 64;
const OPERATIONS = WRITES * MESSAGES_PER_WRITE;
const LOOPBACK = { host: '127.0.0.1', port: 0 };

export const linkSuite: Suite = {
  name: 'link',
  async run({ quick, report }) {
    const keys = issueTwo();
    await using plain = await Pair.open(undefined);
    await using secure = await Pair.open(keys);
    await using bare = await BarePair.open(undefined);
    await using bareSecure = await BarePair.open(keys);
    const stream = (name: string, pair: Pair | BarePair, isLimit = false): Case => ({
      name,
      isLimit,
      operations: OPERATIONS,
      // Written as async: what is not would be called once by tinybench without being awaited.
      run: async () => await pair.stream(),
    });
    await report({
      title: `Messages of ${MESSAGE_BYTES} bytes between two nodes, ${MESSAGES_PER_WRITE} a write`,
      unit: 'message',
      cases: [
        stream('bare socket', bare, true),
        stream('link', plain),
        stream('bare socket, TLS 1.3', bareSecure),
        stream('link, TLS 1.3', secure),
      ],
    });
    const trip = (name: string, pair: Pair | BarePair, isLimit = false): Case => ({
      name,
      isLimit,
      operations: 1,
      run: async () => await pair.roundTrip(),
    });
    await report({
      title: `Round trips of ${MESSAGE_BYTES} bytes`,
      unit: 'round trip',
      cases: [
        trip('bare socket', bare, true),
        trip('link', plain),
        trip('bare socket, TLS 1.3', bareSecure),
        trip('link, TLS 1.3', secure),
      ],
    });
    console.log('\nRound trips, µs p50 / p99');
    const pairs = { 'bare socket': bare, link: plain, 'bare socket, TLS 1.3': bareSecure, 'link, TLS 1.3': secure };
    for (const [name, pair] of Object.entries(pairs)) {
      console.log(`  ${name.padEnd(44)}${await percentiles(pair, quick ? 10 : 5000)}`);
    }
  },
};

async function percentiles(pair: Pair | BarePair, count: number): Promise<string> {
  const histogram = createHistogram();
  for (let trip = 0; trip < count; trip++) {
    const start = process.hrtime.bigint();
    await pair.roundTrip();
    histogram.record(process.hrtime.bigint() - start);
  }
  return [50, 99].map((share) => (histogram.percentile(share) / 1000).toFixed(0).padStart(6)).join(' /');
}

/** Two nodes with a link between them. */
class Pair implements AsyncDisposable {
  readonly #payload = new Uint8Array(MESSAGE_BYTES).fill(7);
  #links: Links[] = [];
  #received = 0;
  #awaited = 0;
  #resolve: () => void = () => undefined;

  static async open(keys: readonly LinkTls[] | undefined): Promise<Pair> {
    const pair = new Pair();
    const { promise, resolve } = Promise.withResolvers<void>();
    const handlers = [
      (event: LinksEvent): void => {
        if (event.kind === 'frame') pair.#arrived();
        if (event.kind === 'up') resolve();
      },
      (event: LinksEvent): void => {
        if (event.kind !== 'frame') return;
        if (event.type === 0) pair.#arrived();
        else if (pair.#links[1]!.send(1, 'control', 0, event.payload) === 'sent') pair.#links[1]!.flush();
      },
    ];
    for (const [index, onEvent] of handlers.entries()) {
      pair.#links.push(
        await Links.open({
          me: {
            node: index + 1,
            name: `n${index + 1}`,
            incarnation: index + 1,
            ledger: '0'.repeat(31) + String(index),
          },
          listen: LOOPBACK,
          tls: keys?.[index],
          protocol: { min: 1, max: 1 },
          now: () => performance.now(),
          random: Math.random,
          onEvent,
        }),
      );
    }
    pair.#links[0]!.setPeers([{ name: 'n2', node: 2, ...pair.#links[1]!.address }]);
    await promise;
    return pair;
  }

  async stream(): Promise<void> {
    const [sender] = this.#links;
    const done = this.#expect(OPERATIONS);
    for (let write = 0; write < WRITES; write++) {
      for (let message = 0; message < MESSAGES_PER_WRITE; message++) {
        if (sender!.send(2, 'handover', 0, this.#payload) !== 'sent') throw new Error('the link is not ready');
      }
      sender!.flush();
    }
    await done;
  }

  async roundTrip(): Promise<void> {
    const done = this.#expect(1);
    this.#links[0]!.send(2, 'control', 1, this.#payload);
    this.#links[0]!.flush();
    await done;
  }

  #expect(count: number): Promise<void> {
    this.#received = 0;
    this.#awaited = count;
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  #arrived(): void {
    if (++this.#received === this.#awaited) this.#resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const links of this.#links) await links.close();
  }
}

/** Two sockets; the receiver does no more than count bytes. */
class BarePair implements AsyncDisposable {
  readonly #write = Buffer.alloc(MESSAGES_PER_WRITE * MESSAGE_BYTES, 7);
  readonly #sender: Socket;
  readonly #receiver: Socket;
  readonly #close: () => void;
  #isEcho = false;
  #receivedBytes = 0;
  #awaitedBytes = 0;
  #resolve: () => void = () => undefined;

  private constructor(sender: Socket, receiver: Socket, close: () => void) {
    this.#sender = sender.setNoDelay(true);
    this.#receiver = receiver.setNoDelay(true);
    this.#close = close;
    receiver.on('data', (chunk: Buffer) => {
      if (this.#isEcho) receiver.write(chunk);
      else this.#arrived(chunk.length);
    });
    sender.on('data', (chunk: Buffer) => this.#arrived(chunk.length));
  }

  static async open(keys: readonly LinkTls[] | undefined): Promise<BarePair> {
    const { promise, resolve } = Promise.withResolvers<Socket>();
    const server =
      keys === undefined ? createServer(resolve) : createSecureServer({ ...keys[1]!, minVersion: 'TLSv1.3' }, resolve);
    server.listen(LOOPBACK);
    await once(server, 'listening');
    const address = { host: LOOPBACK.host, port: (server.address() as AddressInfo).port };
    const sender =
      keys === undefined
        ? connect(address)
        : connectSecurely({ ...address, ...keys[0]!, checkServerIdentity: () => undefined });
    return new BarePair(sender, await promise, () => server.close());
  }

  async stream(): Promise<void> {
    this.#isEcho = false;
    const done = this.#expect(OPERATIONS * MESSAGE_BYTES);
    for (let write = 0; write < WRITES; write++) this.#sender.write(this.#write);
    await done;
  }

  async roundTrip(): Promise<void> {
    this.#isEcho = true;
    const done = this.#expect(MESSAGE_BYTES);
    this.#sender.write(this.#write.subarray(0, MESSAGE_BYTES));
    await done;
  }

  #expect(sizeBytes: number): Promise<void> {
    this.#receivedBytes = 0;
    this.#awaitedBytes = sizeBytes;
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  #arrived(sizeBytes: number): void {
    this.#receivedBytes += sizeBytes;
    if (this.#receivedBytes === this.#awaitedBytes) this.#resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    const closed = Promise.all([once(this.#sender, 'close'), once(this.#receiver, 'close')]);
    this.#sender.destroy();
    this.#receiver.destroy();
    await closed;
  }
}

function issueTwo(): LinkTls[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-bench-'));
  try {
    const now = new Date();
    initKeys({ out: folder, days: 1, now });
    return ['n1', 'n2'].map((node) => {
      issueKeys({ node, ca: folder, out: folder, days: 1, now });
      const read = (name: string): string => readFileSync(path.join(folder, name), 'utf8');
      return { ca: read('ca.crt'), cert: read(`${node}.crt`), key: read(`${node}.key`) };
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
