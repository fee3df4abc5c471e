/** Finds the largest number of clients whose snapshots come on time, by doubling back between what did and what did not. */
import type { ClientsOrder, Grown } from '../peers/clients-plan.ts';
import { window } from '../peers/measure.ts';
import { ON_TIME_MS } from '../peers/measures.ts';
import { PinnedRun } from './scene-run.ts';
import type { Rates } from './scene-run.ts';

export interface Trial {
  readonly clients: number;
  readonly isOnTime: boolean;
  readonly online: number;
  /** Milliseconds off the nominal interval. */
  readonly offNominalP99: number;
  readonly receiptP99: number;
  readonly snapshotsPerSecond: number;
  readonly serverCores: number;
  readonly clientCores: number;
  /** How late the clients' own event loop was. */
  readonly clientDelayP99: number;
  readonly joinSeconds: number;
  /** Refusals, errors and lost connections by code. */
  readonly failures: Readonly<Record<string, number>>;
}

export interface SearchOptions extends Rates {
  readonly start: number;
  readonly clientsMax: number;
  readonly stepSeconds: number;
  /** No trial is begun after it (performance.now). */
  readonly deadlineMs: number;
  readonly onTrial: (trial: Trial) => void;
}

export interface Found {
  readonly trials: readonly Trial[];
  /** 0 when no number of clients was served on time. */
  readonly largest: number;
  /** The smallest that was not; undefined when the time or `clientsMax` ended the search before. */
  readonly tooMany: number | undefined;
  /** The time for searching was over before the limit was found as narrowly as it can be; undefined: it was not. */
  readonly timeOver: string | undefined;
}

const STEP = 50;
const GROWTH = 1.5;
/** The search ends when the bracket is this narrow, as a share of its lower end. */
const RESOLUTION = 0.06;
const SETTLE_SECONDS = 3;
const GROW_MS_MAX = 180_000;
/** A rate that was halved is not on time, however evenly. */
const RATE_SHARE_MIN = 0.97;

export async function findLargest(options: SearchOptions): Promise<Found> {
  const trials: Trial[] = [];
  let largest = 0;
  let tooMany: number | undefined;
  let clients = options.start;
  for (;;) {
    if (performance.now() >= options.deadlineMs) {
      const found = trials.length === 0 ? 'nothing was tried' : `after ${trials.length} trials`;
      return {
        trials,
        largest,
        tooMany,
        timeOver: `The time for searching is over, ${found}: --seconds gives it more.`,
      };
    }
    const trial = await tryClients(clients, options);
    trials.push(trial);
    options.onTrial(trial);
    if (trial.isOnTime) largest = clients;
    else tooMany = clients;
    const next = nextClients({ largest, tooMany, clientsMax: options.clientsMax });
    if (next === undefined) break;
    clients = next;
  }
  return { trials, largest, tooMany, timeOver: undefined };
}

/** Undefined when the search is over. */
export function nextClients(bracket: {
  largest: number;
  tooMany: number | undefined;
  clientsMax: number;
}): number | undefined {
  const { largest, tooMany, clientsMax } = bracket;
  if (tooMany === undefined) {
    return largest >= clientsMax ? undefined : Math.min(clientsMax, roundUp(largest * GROWTH));
  }
  if (tooMany - largest <= Math.max(STEP, largest * RESOLUTION)) return undefined;
  const middle = roundUp((largest + tooMany) / 2);
  return middle < tooMany ? middle : undefined;
}

async function tryClients(clients: number, options: SearchOptions): Promise<Trial> {
  await using run = await PinnedRun.start(clients, options);
  const order: ClientsOrder = { type: 'grow', count: clients };
  const grown = await run.clients.ask<Grown>(order, 'grown', GROW_MS_MAX);
  await window(run.clients, SETTLE_SECONDS);
  const before = await run.server.usage();
  const report = await window(run.clients, options.stepSeconds);
  const after = await run.server.usage();
  const snapshotsPerSecond = report.states / report.seconds / clients;
  return {
    clients,
    isOnTime:
      report.online === clients &&
      report.offNominalMs.p99 <= ON_TIME_MS &&
      snapshotsPerSecond >= options.snapshotHz * RATE_SHARE_MIN,
    online: report.online,
    offNominalP99: report.offNominalMs.p99,
    receiptP99: report.receiptMs.p99,
    snapshotsPerSecond,
    serverCores: (after.cpuUs - before.cpuUs) / (after.atMs - before.atMs) / 1000,
    clientCores: report.cpuCores,
    clientDelayP99: report.loopDelayMs.p99,
    joinSeconds: grown.seconds,
    failures: report.failures,
  };
}

function roundUp(clients: number): number {
  return Math.ceil(clients / STEP) * STEP;
}
