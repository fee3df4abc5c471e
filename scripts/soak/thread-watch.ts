/**
 * Loaded into every thread of a watched process before its own code (`--import`): each thread that has an event loop writes every few seconds
 * what only it can know, what its JavaScript heap is when all garbage is out, and what keeps its loop alive. An idle thread collects
 * so seldom that an hour of its garbage would look like a leak. A thread that sleeps in shared memory, as
 * those of the simulation do, has no loop and writes nothing.
 */
import { renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { threadId } from 'node:worker_threads';

export interface ThreadState {
  /** Just after a collection. */
  readonly heapBytes: number;
  readonly timers: number;
  /** Sockets, servers, ports of threads, watched files. */
  readonly handles: number;
}

/** In the environment of a watched process: where its threads write. */
export const WATCH_FOLDER = 'SOAK_WATCH_FOLDER';
const PERIOD_MS = 15_000;

export function threadFile(folder: string, pid: number, thread: number): string {
  return path.join(folder, `${pid}-${thread}.json`);
}

function watch(folder: string): void {
  const file = threadFile(folder, process.pid, threadId);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const timer = setInterval(() => {
    collect();
    const active = process.getActiveResourcesInfo();
    const timers = active.filter((name) => name === 'Timeout').length;
    // A request under way is not a handle that was forgotten.
    const handles = active.filter((name) => !/Timeout|Immediate|Req/.test(name)).length;
    const state: ThreadState = { heapBytes: process.memoryUsage().heapUsed, timers, handles };
    writeFileSync(`${file}.new`, JSON.stringify(state));
    renameSync(`${file}.new`, file);
  }, PERIOD_MS);
  timer.unref();
}

const folder = process.env[WATCH_FOLDER];
if (folder !== undefined) watch(folder);
