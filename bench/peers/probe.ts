/**
 * Loaded into each measured server with `--import`: answers its parent's question for what the process has used so far, all
 * threads included. The server itself is as it is delivered.
 */
import { isMainThread } from 'node:worker_threads';
import { monotonicMs } from '../../src/base/monotonic.ts';

export interface Usage {
  readonly type: 'usage';
  /** Of the clock that all processes share. */
  readonly atMs: number;
  /** User and system, all threads. */
  readonly cpuUs: number;
  readonly residentBytes: number;
}

if (isMainThread && process.send !== undefined) {
  process.on('message', (message: { type?: unknown }) => {
    if (message.type !== 'usage') return;
    const { user, system } = process.cpuUsage();
    const usage: Usage = {
      type: 'usage',
      atMs: monotonicMs(),
      cpuUs: user + system,
      residentBytes: process.memoryUsage.rss(),
    };
    process.send?.(usage);
  });
}
