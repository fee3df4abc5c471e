/** Answers the last message of each run, which says so. */
import { parentPort } from 'node:worker_threads';

parentPort?.on('message', (message: { last?: boolean; batch?: unknown[] }) => {
  if (message.last === true) parentPort?.postMessage('done');
});
