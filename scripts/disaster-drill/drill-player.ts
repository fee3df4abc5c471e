/** A player with an account, by the client SDK: walks over borders, and notes gaps, lost connections and sessions, and where it stands. */
import { connect } from '../../src/client/index.ts';
import type { Client, ClientStatus } from '../../src/client/index.ts';
import { Random } from '../../src/base/random.ts';
import { CountingWay } from '../cluster/counting-way.ts';
import type countingWorld from '../cluster/counting-world.ts';

const STEP_MS = 60;
const STORY_MAX = 100;
const BACKOFF = { minMs: 100, maxMs: 500 };

export interface DrillPlayerOptions {
  readonly url: string;
  readonly account: string;
  readonly token: string;
  readonly seed: number;
}

export class DrillPlayer implements Disposable {
  readonly account: string;
  connectionsLost = 0;
  sessionsResumed = 0;
  /** Welcomes to another session than the one before. */
  sessionsNew = 0;
  /** Changes of node that it was told of. */
  ownerChanges = 0;
  /** What became of its connections, for people. */
  readonly story: string[] = [];
  readonly #client: Client<typeof countingWorld>;
  readonly #way: CountingWay;
  readonly #timer: NodeJS.Timeout;
  #isWalking = false;
  #wasOnline = false;
  #lastMs = 0;
  #longestGapMs = 0;

  constructor({ url, account, token, seed }: DrillPlayerOptions) {
    this.account = account;
    this.#way = new CountingWay(new Random(seed));
    this.#client = connect<typeof countingWorld>(url, { name: account, token, predict: false, backoff: BACKOFF });
    this.#client.onStatus((status) => {
      this.#tell(status);
      if (status.kind === 'reconnecting' && this.#wasOnline) this.connectionsLost += 1;
      if (status.kind === 'online' && this.#lastMs > 0) {
        if (status.resumed) this.sessionsResumed += 1;
        else this.sessionsNew += 1;
      }
      this.#wasOnline = status.kind === 'online';
    });
    this.#client.onOwner(() => {
      this.ownerChanges += 1;
    });
    this.#client.onSnapshot(() => this.#see());
    this.#timer = setInterval(() => this.#walk(), STEP_MS);
  }

  get isOnline(): boolean {
    return this.#client.status.kind === 'online' && this.#client.self !== undefined;
  }

  get entity(): number {
    return this.#client.self?.id ?? 0;
  }

  get place(): { readonly x: number; readonly z: number } {
    const { x = Number.NaN, z = Number.NaN } = this.#client.self ?? {};
    return { x, z };
  }

  walk(): void {
    this.#isWalking = true;
  }

  stand(): void {
    this.#isWalking = false;
    this.#client.input({ moveX: 0, moveZ: 0, number: this.#way.number + 1 });
    this.#way.taken();
  }

  /** Longest time without a snapshot since it was asked last, the time until now included. */
  takeLongestGapMs(): number {
    const nowMs = performance.now();
    const gapMs = Math.max(this.#longestGapMs, nowMs - this.#lastMs);
    this.#longestGapMs = 0;
    this.#lastMs = nowMs;
    return gapMs;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#client.close();
  }

  #tell(status: ClientStatus): void {
    const how = status.kind === 'online' ? (status.resumed ? 'resumed' : 'new session') : status.kind;
    const why =
      'error' in status && status.error !== undefined ? ` (${status.error.code}: ${status.error.message})` : '';
    const text = `${how}${why}`;
    // Hundreds of tries to reach a server that is away are one line.
    if (this.story.length >= STORY_MAX || this.story.at(-1)?.endsWith(text) === true) return;
    this.story.push(`${new Date().toISOString().slice(11, 23)} ${text}`);
  }

  #see(): void {
    const nowMs = performance.now();
    if (this.#lastMs > 0) this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }

  #walk(): void {
    const { self } = this.#client;
    if (!this.#isWalking || self === undefined) return;
    const values = this.#way.next(performance.now(), self);
    if (values !== undefined && this.#client.input(values as { moveX: number; moveZ: number; number: number })) {
      this.#way.taken();
    }
  }
}
