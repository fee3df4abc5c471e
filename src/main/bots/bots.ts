/**
 * Many real clients in one process: they join by the SDK, walk, come back when their connection is lost, and measure what a
 * player would notice.
 *
 * The process should have a core of its own: its own delays are part of what it measures, and it reports the CPU it took.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientMode } from '../../wire/messages.ts';
import { Crowd } from './crowd.ts';
import { sum } from './measures.ts';
import type { Percentiles } from './measures.ts';
import type { Violation } from './view-check.core.ts';

export interface BotsOptions {
  /** Such as ws://127.0.0.1:7777; several gateways of one world share the bots among them. */
  readonly urls: readonly string[];
  /** 1 … BOTS_MAX. */
  readonly count: number;
  /** How long is measured, from when all have joined. */
  readonly seconds: number;
  /** How a bot reaches its player when that goes to another node. */
  readonly mode?: ClientMode;
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
  readonly resumes: number;
  readonly sessionsLost: number;
}

export interface BotsHooks {
  /** Called about once a second, and when the phase changes. */
  readonly onProgress?: (progress: BotsProgress) => void;
  /** Ends the run early; the report is then of what was measured. */
  readonly signal?: AbortSignal;
}

/** Times in milliseconds. */
export interface BotsReport {
  readonly urls: readonly string[];
  readonly mode: ClientMode;
  readonly count: number;
  readonly joined: number;
  /** At the end, before they left. */
  readonly online: number;
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
  /** One for each bot: the longest time without a snapshot, reconnects included. */
  readonly longestGapMs: Percentiles;
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
  readonly inputs: {
    /** While it was measured; the others from the first join on. */
    readonly sent: number;
    /** Sent once more, to a new owner or after a reconnect. */
    readonly repeated: number;
    /** No longer kept by the client, though no snapshot had contained it. */
    readonly givenUp: number;
    /** Of those that all sessions at the end have sent: how many their last snapshots contain. */
    readonly acknowledged: number;
    readonly unacknowledged: number;
  };
  readonly disconnects: number;
  readonly disconnectsByCode: Readonly<Record<string, number>>;
  /** Connections that took their session up again. */
  readonly resumes: number;
  /** Connections that came back to another session. */
  readonly sessionsLost: number;
  /** From the loss of a connection until the client was online again. */
  readonly reconnectMs: Percentiles;
  readonly handovers: number;
  /** In direct mode: done; stayed with the tunnel; lost their connection over it. Gaps are around those that were done. */
  readonly redirects: {
    readonly offered: number;
    readonly done: number;
    readonly fallbacks: number;
    readonly lost: number;
    readonly gapMs: Percentiles;
  };
  /** Entities that left and came back within 2 s though they were near all the time. */
  readonly flickers: number;
  /** Bots whose name two entities in one view had. */
  readonly seenTwice: number;
  readonly errorsByCode: Readonly<Record<string, number>>;
  /** Snapshots that were wrong, by what was wrong; all runs should have none. */
  readonly violations: Readonly<Partial<Record<Violation, number>>>;
  /** The first things that were wrong, for people. */
  readonly examples: readonly string[];
  /** Cores that the bots kept busy while they measured. */
  readonly cpuCores: number;
}

export const BOTS_MAX = 10_000;
/** Joining makes a burst that is not to be measured. */
const SETTLE_MS = 1000;
const PROGRESS_MS = 1000;

/** Runs the bots and reports. Never throws for what a server does: that is in the report. */
export async function runBots(options: BotsOptions, hooks: BotsHooks = {}): Promise<BotsReport> {
  const run = new BotsRun(options, hooks);
  try {
    await run.join();
    await run.walk('settling', SETTLE_MS);
    run.crowd.beginMeasuring();
    await run.walk('measuring', options.seconds * 1000);
    run.crowd.endMeasuring();
    run.look();
  } finally {
    await run.leave();
  }
  return run.report();
}

/** Everybody came, stayed or came back, and was told the truth. */
export function isFine(report: BotsReport): boolean {
  const { joined, online, count, sessionsLost, flickers, seenTwice, violations } = report;
  if (joined !== count || online !== count) return false;
  return sessionsLost + flickers + seenTwice === 0 && Object.keys(violations).length === 0;
}

class BotsRun {
  readonly crowd: Crowd;
  readonly #options: BotsOptions;
  readonly #hooks: BotsHooks;
  #joinSeconds = 0;
  #measuredSeconds = 0;
  #cpuCores = 0;
  #online = 0;
  #acknowledged = 0;
  #unacknowledged = 0;

  constructor(options: BotsOptions, hooks: BotsHooks) {
    const { urls, token, count, seconds: _, ...rest } = options;
    if (!Number.isInteger(count) || count < 1 || count > BOTS_MAX) {
      throw new RangeError(`count: 1 to ${BOTS_MAX} bots, got ${count}`);
    }
    if (urls.length === 0) throw new RangeError('urls: at least one');
    this.#options = options;
    this.#hooks = hooks;
    // Others may send bots to the same world at the same time.
    const namePrefix = `bot-${randomBytes(3).toString('hex')}-`;
    this.crowd = new Crowd({ ...rest, urls, count, namePrefix, ...(token === undefined ? {} : { tokens: [token] }) });
  }

  async join(): Promise<void> {
    const startMs = performance.now();
    const stopTelling = this.#tellProgress('joining');
    await this.crowd.join(this.#hooks.signal);
    this.#joinSeconds = (performance.now() - startMs) / 1000;
    stopTelling();
  }

  async walk(phase: BotsProgress['phase'], durationMs: number): Promise<void> {
    if (this.crowd.joined === 0) return;
    const stopTelling = this.#tellProgress(phase);
    const startMs = performance.now();
    const cpuBefore = process.cpuUsage();
    const ended = new AbortController();
    const signals = this.#hooks.signal === undefined ? [ended.signal] : [ended.signal, this.#hooks.signal];
    const over = sleep(durationMs, undefined, { signal: AbortSignal.any(signals) }).then(
      () => ended.abort(),
      () => undefined,
    );
    await this.crowd.walk(AbortSignal.any(signals));
    ended.abort();
    await over;
    const cpu = process.cpuUsage(cpuBefore);
    this.#measuredSeconds = (performance.now() - startMs) / 1000;
    this.#cpuCores = (cpu.user + cpu.system) / 1e6 / Math.max(this.#measuredSeconds, 1e-3);
    stopTelling();
  }

  /** How it stands, before they leave. */
  look(): void {
    this.#online = this.crowd.online;
    for (const { check, ledger } of this.crowd.bots) {
      this.#acknowledged += check.inputSequence;
      this.#unacknowledged += Math.max(0, ledger.sentSequence - check.inputSequence);
    }
  }

  async leave(): Promise<void> {
    const stopTelling = this.#tellProgress('leaving');
    await this.crowd.leave();
    stopTelling();
  }

  report(): BotsReport {
    const { crowd } = this;
    const { measures, welcome } = crowd;
    const { traffic, events, presence, redirects } = measures;
    const clientSeconds = Math.max(crowd.joined * this.#measuredSeconds, 1e-3);
    const intervals = measures.percentiles('interval');
    return {
      urls: this.#options.urls,
      mode: this.#options.mode ?? 'tunnel',
      count: crowd.bots.length,
      joined: crowd.joined,
      online: this.#online,
      joinSeconds: this.#joinSeconds,
      joinMs: measures.percentiles('join'),
      measuredSeconds: this.#measuredSeconds,
      tickHz: welcome?.tickHz ?? 0,
      snapshotHz: welcome?.snapshotHz ?? 0,
      snapshotIntervalMs: {
        ...intervals,
        nominal: welcome === undefined ? 0 : 1000 / welcome.snapshotHz,
        onTimeShare: traffic.intervalsOnTime / Math.max(intervals.count, 1),
      },
      longestGapMs: measures.percentiles('longestGap'),
      rttMs: measures.percentiles('roundTrip'),
      receiptMs: measures.percentiles('receipt'),
      acknowledgeMs: measures.percentiles('acknowledgement'),
      bytesPerClientSecond: traffic.bytesIn / clientSeconds,
      snapshotsPerClientSecond: traffic.snapshots / clientSeconds,
      entitiesInView: traffic.inViewSum / Math.max(traffic.snapshots, 1),
      messagesIn: traffic.messagesIn,
      messagesOut: traffic.messagesOut,
      inputs: {
        sent: traffic.inputsSent,
        repeated: events.inputsRepeated,
        givenUp: events.inputsGivenUp,
        acknowledged: this.#acknowledged,
        unacknowledged: this.#unacknowledged,
      },
      disconnects: sum(measures.disconnectsByCode),
      disconnectsByCode: Object.fromEntries(measures.disconnectsByCode),
      resumes: events.resumes,
      sessionsLost: events.sessionsLost,
      reconnectMs: measures.percentiles('reconnect'),
      handovers: events.handovers,
      redirects: { ...redirects, gapMs: measures.percentiles('redirectGap') },
      ...presence,
      errorsByCode: Object.fromEntries(measures.errorsByCode),
      violations: Object.fromEntries(measures.violations),
      examples: measures.examples,
      cpuCores: this.#cpuCores,
    };
  }

  /** Tells at once, each second, and when the returned function ends it. */
  #tellProgress(phase: BotsProgress['phase']): () => void {
    const { onProgress } = this.#hooks;
    if (onProgress === undefined) return () => undefined;
    const startMs = performance.now();
    const tell = (): void => {
      const { bots, online, measures } = this.crowd;
      onProgress({
        phase,
        online,
        count: bots.length,
        elapsedSeconds: (performance.now() - startMs) / 1000,
        snapshots: measures.traffic.snapshots,
        disconnects: sum(measures.disconnectsByCode),
        resumes: measures.events.resumes,
        sessionsLost: measures.events.sessionsLost,
      });
    };
    tell();
    const timer = setInterval(tell, PROGRESS_MS);
    return () => {
      clearInterval(timer);
      tell();
    };
  }
}
