/** What processes hold, again and again: from /proc, so on Linux only, and from what their threads write (thread-watch.ts). */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Life, Measure, Sample } from './flatness.core.ts';
import type { ThreadState } from './thread-watch.ts';

const BYTES_PER_KIB = 1024;
/** A thread that has not written for so long has ended. */
const THREAD_AGE_MS_MAX = 40_000;
const THREAD_FILE = /^(\d+)-\d+\.json$/;

export interface Watched {
  readonly name: string;
  readonly pid: number;
  readonly connections: number | undefined;
}

export class ProcessSamples {
  readonly #lives: { name: string; pid: number; samples: Sample[] }[] = [];
  readonly #watchFolder: string;

  constructor(watchFolder: string) {
    this.#watchFolder = watchFolder;
  }

  get lives(): readonly Life[] {
    return this.#lives;
  }

  /**
   * A name with another process than before begins another life. Open files and handles are counted without those of
   * `connections` from clients, which come and go as clients do; undefined when the process could not say how many it has.
   */
  look(seconds: number, processes: readonly Watched[]): void {
    const threads = this.#threadStates();
    for (const { name, pid, connections } of processes) {
      const values = withoutConnections({ ...valuesOf(pid), ...threads.get(pid) }, connections);
      if (values.rss === undefined) continue;
      let life = this.#lives.findLast((known) => known.name === name);
      if (life?.pid !== pid) {
        life = { name, pid, samples: [] };
        this.#lives.push(life);
      }
      life.samples.push({ seconds, values });
    }
  }

  /** Sums over the threads of each process. */
  #threadStates(): ReadonlyMap<number, Partial<Record<Measure, number>>> {
    const sums = new Map<number, { heap: number; timers: number; handles: number }>();
    for (const name of readdirSync(this.#watchFolder)) {
      const pid = Number(THREAD_FILE.exec(name)?.[1]);
      if (Number.isNaN(pid)) continue;
      const file = path.join(this.#watchFolder, name);
      if (Date.now() - statSync(file).mtimeMs > THREAD_AGE_MS_MAX) continue;
      const state = JSON.parse(readFileSync(file, 'utf8')) as ThreadState;
      const sum = sums.get(pid) ?? { heap: 0, timers: 0, handles: 0 };
      sum.heap += state.heapBytes;
      sum.timers += state.timers;
      sum.handles += state.handles;
      sums.set(pid, sum);
    }
    return sums;
  }
}

function withoutConnections(
  { files, handles, ...values }: Partial<Record<Measure, number>>,
  connections: number | undefined,
): Partial<Record<Measure, number>> {
  if (connections === undefined) return values;
  return {
    ...values,
    ...(files !== undefined && { files: files - connections }),
    ...(handles !== undefined && { handles: handles - connections }),
  };
}

/** Nothing of a process that has just ended. */
function valuesOf(pid: number): Partial<Record<Measure, number>> {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    const threads = /^Threads:\s+(\d+)$/m.exec(status)?.[1];
    if (kib === undefined) return {};
    return {
      rss: Number(kib) * BYTES_PER_KIB,
      threads: Number(threads),
      files: readdirSync(`/proc/${pid}/fd`).length,
    };
  } catch {
    return {};
  }
}
