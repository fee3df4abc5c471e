/** Many bots of one process: they join, take turns to walk, and leave. */
import { setTimeout as sleep } from 'node:timers/promises';
import { mixSeed } from '../../base/random.ts';
import type { BackoffOptions } from '../../client/index.ts';
import type { ClientMode, Welcome } from '../../wire/messages.ts';
import { Bot } from './bot.ts';
import type { BotsShared } from './bot.ts';
import { Measures } from './measures.ts';
import { Rota } from './rota.core.ts';
import { Walk } from './walk.core.ts';
import type { NewWay } from './walk.core.ts';

export interface CrowdOptions {
  /** Bot n goes to url n modulo their number first, and to the others when that is gone. */
  readonly urls: readonly string[];
  readonly count: number;
  /** The number of the first, where several crowds play together. */
  readonly first?: number;
  /** Names are the prefix and the bot's number; nobody else's name may begin so. */
  readonly namePrefix: string;
  readonly mode?: ClientMode;
  /** The JWT of each, where the server wants one. */
  readonly tokens?: readonly string[];
  /** Inputs a second and bot; the server's tickHz by default, and at most INPUTS_HZ_MAX. */
  readonly inputsHz?: number;
  readonly joinsAtOnce?: number;
  readonly seed?: number;
  readonly newWay?: NewWay;
  readonly backoff?: BackoffOptions;
}

/** Below the server's default limit of 60 messages a second, with room for pings. */
export const INPUTS_HZ_MAX = 50;
const JOINS_AT_ONCE = 64;
const WAKE_MS = 4;
const LOOK_MS = 1000;
/** Enough pongs a second from all bots together to know the server's time, and not more than one bot may send. */
const PINGS_PER_SECOND = 200;
const PING_MS_MIN = 230;
const PING_MS_MAX = 5000;

export class Crowd {
  readonly measures = new Measures();
  readonly bots: readonly Bot[];
  joined = 0;
  readonly #options: CrowdOptions;

  constructor(options: CrowdOptions) {
    const { urls, count, first = 0, namePrefix, tokens, seed = 1 } = options;
    this.#options = options;
    const shared: BotsShared = {
      measures: this.measures,
      mode: options.mode ?? 'tunnel',
      namePrefix,
      newWay: options.newWay ?? ((random, schema, welcome) => new Walk(random, schema, welcome)),
      backoff: options.backoff,
      serverTimes: new Map(),
    };
    this.bots = Array.from({ length: count }, (_, index) => {
      const number = first + index;
      const turned = urls.map((_, place) => urls[(number + place) % urls.length] ?? '');
      const token = tokens?.[index % tokens.length] ?? '';
      return new Bot(shared, { urls: turned, token, name: `${namePrefix}${number + 1}`, seed: mixSeed(seed, number) });
    });
  }

  get welcome(): Welcome | undefined {
    return this.bots.find((bot) => bot.welcome !== undefined)?.welcome;
  }

  get online(): number {
    let online = 0;
    for (const bot of this.bots) if (bot.isOnline) online++;
    return online;
  }

  /** Joins all, so many at once. The first goes alone: where it cannot join, nobody else tries. */
  async join(signal?: AbortSignal): Promise<void> {
    let next = 0;
    const joinNext = async (): Promise<void> => {
      for (let bot = this.bots[next++]; bot !== undefined; bot = this.bots[next++]) {
        if (signal?.aborted === true) return;
        if (await bot.join()) this.joined++;
      }
    };
    if ((await this.bots[next++]?.join()) !== true) return;
    this.joined++;
    const lanes = Math.min(this.#options.joinsAtOnce ?? JOINS_AT_ONCE, this.bots.length);
    await Promise.all(Array.from({ length: lanes }, joinNext));
  }

  /** Sends inputs and pings, spread over time, until the signal, or until everybody is gone for good. */
  async walk(signal: AbortSignal): Promise<void> {
    const startMs = performance.now();
    const count = this.bots.length;
    const inputs = new Rota({ count, periodMs: 1000 / this.#inputsHz, startMs });
    const pingMs = Math.min(PING_MS_MAX, Math.max(PING_MS_MIN, (count * 1000) / PINGS_PER_SECOND));
    const pings = new Rota({ count, periodMs: pingMs, startMs });
    let lookMs = startMs;
    while (!signal.aborted) {
      const nowMs = performance.now();
      inputs.take(nowMs, (member) => this.bots[member]?.sendInput(nowMs));
      pings.take(nowMs, (member) => this.bots[member]?.sendPing(performance.now()));
      if (nowMs - lookMs > LOOK_MS) {
        lookMs = nowMs;
        if (this.bots.every(({ client }) => client.status.kind === 'closed')) return;
      }
      await sleep(WAKE_MS);
    }
  }

  beginMeasuring(): void {
    const nowMs = performance.now();
    for (const bot of this.bots) bot.beginMeasuring(nowMs);
    this.measures.isMeasuring = true;
  }

  endMeasuring(): void {
    const nowMs = performance.now();
    for (const bot of this.bots) bot.endMeasuring(nowMs);
    this.measures.isMeasuring = false;
  }

  async leave(): Promise<void> {
    await Promise.all(this.bots.map((bot) => bot.leave()));
  }

  get #inputsHz(): number {
    return Math.min(this.#options.inputsHz ?? this.welcome?.tickHz ?? INPUTS_HZ_MAX, INPUTS_HZ_MAX);
  }
}
