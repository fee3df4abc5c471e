/**
 * Many real clients in one process: they join, walk, and measure what a player would notice.
 *
 * The process should have a core of its own: its own delays are part of what it measures, and it reports the CPU it took.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { mixSeed } from '../../base/random.ts';
import { Bot } from './bot.ts';
import type { BotsShared } from './bot.ts';
import { Measures } from './measures.ts';
import type { Percentiles } from './measures.ts';
import { Rota } from './rota.core.ts';
import type { Violation } from './view-check.core.ts';

export interface BotsOptions {
  /** Such as ws://127.0.0.1:7777 */
  readonly url: string;
  /** 1 … BOTS_MAX. */
  readonly count: number;
  /** How long is measured, from when all have joined. */
  readonly seconds: number;
  /** A JWT for all of them, where the server wants one. */
  readonly token?: string;
  /** Inputs a second and bot; the server's tickHz by default, and at most INPUTS_HZ_MAX. */
  readonly inputsHz?: number;
  /** Joins under way at once. */
  readonly joinsAtOnce?: number;
  /** The same seed walks the same ways. */
  readonly seed?: number;
}

export interface BotsProgress {
  readonly phase: 'joining' | 'settling' | 'measuring' | 'leaving';
  readonly online: number;
  readonly count: number;
  /** Since the phase began. */
  readonly elapsedSeconds: number;
  readonly snapshots: number;
  readonly disconnects: number;
}

export interface BotsHooks {
  /** Called about once a second, and when the phase changes. */
  readonly onProgress?: (progress: BotsProgress) => void;
  /** Ends the run early; the report is then of what was measured. */
  readonly signal?: AbortSignal;
}

/** Times in milliseconds. */
export interface BotsReport {
  readonly url: string;
  readonly count: number;
  readonly joined: number;
  /** From the first join to the last welcome. */
  readonly joinSeconds: number;
  readonly joinMs: Percentiles;
  readonly measuredSeconds: number;
  readonly tickHz: number;
  readonly snapshotHz: number;
  readonly snapshotIntervalMs: Percentiles & {
    readonly nominal: number;
    /** The share of intervals within 20 ms of the nominal one, 0 … 1. */
    readonly onTimeShare: number;
  };
  readonly rttMs: Percentiles;
  /** From the beginning of a tick at the server to the receipt of its snapshot. */
  readonly receiptMs: Percentiles;
  /** From sending an input to the snapshot that contains it. */
  readonly acknowledgeMs: Percentiles;
  readonly bytesPerClientSecond: number;
  readonly snapshotsPerClientSecond: number;
  readonly entitiesInView: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly inputsSent: number;
  readonly disconnects: number;
  readonly disconnectsByCode: Readonly<Record<string, number>>;
  readonly errorsByCode: Readonly<Record<string, number>>;
  /** Snapshots that were wrong, by what was wrong; all runs should have none. */
  readonly violations: Readonly<Partial<Record<Violation, number>>>;
  /** Cores that the bots kept busy while they measured. */
  readonly cpuCores: number;
}

export const BOTS_MAX = 10_000;
/** Below the server's default limit of 60 messages a second, with room for pings. */
export const INPUTS_HZ_MAX = 50;
const JOINS_AT_ONCE = 64;
/** Joining makes a burst that is not to be measured. */
const SETTLE_MS = 1000;
const PROGRESS_MS = 1000;
const WAKE_MS = 4;
/** Enough pongs a second from all bots together to know the server's time, and not more than one bot may send. */
const PINGS_PER_SECOND = 200;
const PING_MS_MIN = 230;
const PING_MS_MAX = 5000;

/** Runs the bots and reports. Never throws for what a server does: that is in the report. */
export async function runBots(options: BotsOptions, hooks: BotsHooks = {}): Promise<BotsReport> {
  const run = new BotsRun(options, hooks);
  try {
    await run.join();
    await run.walk('settling', SETTLE_MS);
    run.measures.isMeasuring = true;
    await run.walk('measuring', options.seconds * 1000);
    run.measures.isMeasuring = false;
  } finally {
    await run.leave();
  }
  return run.report();
}

class BotsRun {
  readonly measures = new Measures();
  readonly #options: BotsOptions;
  readonly #hooks: BotsHooks;
  readonly #shared: BotsShared;
  readonly #bots: Bot[];
  #joined = 0;
  #joinSeconds = 0;
  #measuredSeconds = 0;
  #cpuCores = 0;

  constructor(options: BotsOptions, hooks: BotsHooks) {
    const { url, token = '', count, seed = 1 } = options;
    if (!Number.isInteger(count) || count < 1 || count > BOTS_MAX) {
      throw new RangeError(`count: 1 to ${BOTS_MAX} bots, got ${count}`);
    }
    this.#options = options;
    this.#hooks = hooks;
    this.#shared = { url, token, measures: this.measures, schema: undefined, serverTime: undefined };
    this.#bots = Array.from(
      { length: count },
      (_, index) => new Bot(this.#shared, { name: `bot-${index + 1}`, seed: mixSeed(seed, index) }),
    );
  }

  /** Joins all, so many at once. The first goes alone: it brings the schema for the others. */
  async join(): Promise<void> {
    const startMs = performance.now();
    const stopTelling = this.#tellProgress('joining');
    let next = 0;
    const joinNext = async (): Promise<void> => {
      for (let bot = this.#bots[next++]; bot !== undefined; bot = this.#bots[next++]) {
        if (this.#hooks.signal?.aborted === true) return;
        if (await bot.join()) this.#joined++;
        if (this.#joined === 0) return;
      }
    };
    const first = this.#bots[next++];
    if ((await first?.join()) === true) {
      this.#joined = 1;
      const lanes = Math.min(this.#options.joinsAtOnce ?? JOINS_AT_ONCE, this.#bots.length);
      await Promise.all(Array.from({ length: lanes }, joinNext));
    }
    this.#joinSeconds = (performance.now() - startMs) / 1000;
    stopTelling();
  }

  /** Sends inputs and pings, spread over time, until the time is over. */
  async walk(phase: BotsProgress['phase'], durationMs: number): Promise<void> {
    if (this.#joined === 0) return;
    const stopTelling = this.#tellProgress(phase);
    const startMs = performance.now();
    const cpuBefore = process.cpuUsage();
    const count = this.#bots.length;
    const inputs = new Rota({ count, periodMs: 1000 / this.#inputsHz, startMs });
    const pings = new Rota({
      count,
      periodMs: clamp((count * 1000) / PINGS_PER_SECOND, PING_MS_MIN, PING_MS_MAX),
      startMs,
    });
    let nowMs = startMs;
    while (nowMs - startMs < durationMs && this.#hooks.signal?.aborted !== true && this.#onlineCount() > 0) {
      const sentMs = nowMs;
      inputs.take(nowMs, (member) => this.#bots[member]?.sendInput(sentMs));
      pings.take(nowMs, (member) => this.#bots[member]?.sendPing(performance.now()));
      await sleep(WAKE_MS);
      nowMs = performance.now();
    }
    const cpu = process.cpuUsage(cpuBefore);
    this.#measuredSeconds = (nowMs - startMs) / 1000;
    this.#cpuCores = (cpu.user + cpu.system) / 1e6 / Math.max(this.#measuredSeconds, 1e-3);
    stopTelling();
  }

  async leave(): Promise<void> {
    const stopTelling = this.#tellProgress('leaving');
    await Promise.all(this.#bots.map((bot) => bot.leave()));
    stopTelling();
  }

  report(): BotsReport {
    const { measures } = this;
    const welcome = this.#welcome;
    const clientSeconds = Math.max(this.#joined * this.#measuredSeconds, 1e-3);
    const intervals = measures.intervalMs;
    return {
      url: this.#options.url,
      count: this.#bots.length,
      joined: this.#joined,
      joinSeconds: this.#joinSeconds,
      joinMs: measures.joinMs,
      measuredSeconds: this.#measuredSeconds,
      tickHz: welcome?.tickHz ?? 0,
      snapshotHz: welcome?.snapshotHz ?? 0,
      snapshotIntervalMs: {
        ...intervals,
        nominal: welcome === undefined ? 0 : 1000 / welcome.snapshotHz,
        onTimeShare: measures.intervalsOnTime / Math.max(intervals.count, 1),
      },
      rttMs: measures.rttMs,
      receiptMs: measures.receiptMs,
      acknowledgeMs: measures.acknowledgeMs,
      bytesPerClientSecond: measures.bytesIn / clientSeconds,
      snapshotsPerClientSecond: measures.snapshots / clientSeconds,
      entitiesInView: measures.inViewSum / Math.max(measures.snapshots, 1),
      messagesIn: measures.messagesIn,
      messagesOut: measures.messagesOut,
      inputsSent: measures.inputsSent,
      disconnects: sum(measures.disconnectsByCode),
      disconnectsByCode: Object.fromEntries(measures.disconnectsByCode),
      errorsByCode: Object.fromEntries(measures.errorsByCode),
      violations: Object.fromEntries(measures.violations),
      cpuCores: this.#cpuCores,
    };
  }

  get #welcome(): Bot['welcome'] {
    return this.#bots.find((bot) => bot.welcome !== undefined)?.welcome;
  }

  get #inputsHz(): number {
    return Math.min(this.#options.inputsHz ?? this.#welcome?.tickHz ?? INPUTS_HZ_MAX, INPUTS_HZ_MAX);
  }

  #onlineCount(): number {
    let online = 0;
    for (const bot of this.#bots) if (bot.isOnline) online++;
    return online;
  }

  /** Tells at once, each second, and when the returned function ends it. */
  #tellProgress(phase: BotsProgress['phase']): () => void {
    const { onProgress } = this.#hooks;
    if (onProgress === undefined) return () => undefined;
    const startMs = performance.now();
    const tell = (): void =>
      onProgress({
        phase,
        online: this.#onlineCount(),
        count: this.#bots.length,
        elapsedSeconds: (performance.now() - startMs) / 1000,
        snapshots: this.measures.snapshots,
        disconnects: sum(this.measures.disconnectsByCode),
      });
    tell();
    const timer = setInterval(tell, PROGRESS_MS);
    return () => {
      clearInterval(timer);
      tell();
    };
  }
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}

function sum(counts: ReadonlyMap<unknown, number>): number {
  let total = 0;
  for (const value of counts.values()) total += value;
  return total;
}
