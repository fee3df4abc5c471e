/**
 * One thing against its limit: both by turns, in batches of some milliseconds, and the median of the rounds' ratios. What the machine does
 * beside hits both halves of a round alike, and a round that it hits in one half only is not the median.
 */
import type { Case } from '../measure.ts';

/**
 * By which clock: `cpu` is the time that this process computed, which others on the same machine do not lengthen; `wall` is for what waits
 * for a disk or for another thread.
 */
export type ClockName = 'cpu' | 'wall';
/** Microseconds. */
export type Clock = ClockName | (() => number);

export interface PairOptions {
  readonly subject: Case;
  readonly limit: Case;
  readonly clock: Clock;
  readonly seconds: number;
}

export interface PairRatio {
  /** The subject's time for an operation, over the limit's. */
  readonly ratio: number;
  readonly rounds: number;
}

const BATCH_MS = 12;
const CALIBRATION_CALLS_MAX = 1 << 20;
const ROUNDS_MIN = 9;
const WARM_UP_SHARE = 0.25;

export async function measurePair({ subject, limit, clock, seconds }: PairOptions): Promise<PairRatio> {
  const stopMs = performance.now() + seconds * 1000;
  const warmMs = performance.now() + seconds * 1000 * WARM_UP_SHARE;
  let subjectCalls = 1;
  let limitCalls = 1;
  // What is called a few times only is optimised late: the batches are measured again until then.
  do {
    subjectCalls = await callsOfBatch(subject);
    limitCalls = await callsOfBatch(limit);
  } while (performance.now() < warmMs);
  const ratios: number[] = [];
  while (ratios.length < ROUNDS_MIN || performance.now() < stopMs) {
    const isLimitFirst = ratios.length % 2 === 0;
    let limitTime = isLimitFirst ? await timeOf(limit, limitCalls, clock) : 0;
    const subjectTime = await timeOf(subject, subjectCalls, clock);
    if (!isLimitFirst) limitTime = await timeOf(limit, limitCalls, clock);
    ratios.push(subjectTime / limitTime);
  }
  return { ratio: median(ratios), rounds: ratios.length };
}

/** The upper of two in the middle. */
export function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** So many calls that a batch takes BATCH_MS. */
async function callsOfBatch(of: Case): Promise<number> {
  for (let calls = 1; ; calls *= 2) {
    const startMs = performance.now();
    await call(of, calls);
    const tookMs = performance.now() - startMs;
    if (tookMs >= BATCH_MS / 2 || calls >= CALIBRATION_CALLS_MAX)
      return Math.max(1, Math.round((calls * BATCH_MS) / tookMs));
  }
}

/** Of one operation. */
async function timeOf(of: Case, calls: number, clock: Clock): Promise<number> {
  const start = nowUs(clock);
  await call(of, calls);
  return (nowUs(clock) - start) / (calls * of.operations);
}

async function call({ run }: Case, calls: number): Promise<void> {
  for (let index = 0; index < calls; index++) {
    const done = run();
    if (done !== undefined) await done;
  }
}

function nowUs(clock: Clock): number {
  if (typeof clock === 'function') return clock();
  if (clock === 'wall') return performance.now() * 1000;
  const { user, system } = process.cpuUsage();
  return user + system;
}
