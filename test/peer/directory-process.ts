/**
 * One process of several that use one directory at once. Started by directory-suite.ts with a URL; reads one JSON line for each
 * call on stdin and answers with one on stdout. `{"begin": true}` calls are held until a line `go`.
 */
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { openDirectory } from '../../src/peer/directory-thread.ts';
import type { DirectoryError } from '../../src/peer/directory-error.ts';
import type { Directory } from '../../src/peer/directory.ts';

export type ProcessJob =
  /** Raises the number in a setting so often, by compare-and-swap. Answers how often another was faster. */
  | { readonly kind: 'count'; readonly key: string; readonly times: number }
  /** Joins and leaves so often. Answers the incarnations. */
  | { readonly kind: 'join'; readonly requests: readonly Parameters<Directory['join']>[0][] }
  | { readonly kind: 'fence'; readonly request: Parameters<Directory['fence']>[0] }
  | { readonly kind: 'renew'; readonly renewal: Parameters<Directory['renew']>[0] }
  | { readonly kind: 'claim'; readonly expectNodes: number };

async function run(directory: Directory, job: ProcessJob): Promise<unknown> {
  switch (job.kind) {
    case 'count':
      return await count(directory, job);
    case 'join': {
      const incarnations: number[] = [];
      for (const request of job.requests) incarnations.push((await directory.join(request)).incarnation);
      return incarnations;
    }
    case 'fence':
      return await directory.fence(job.request);
    case 'renew':
      return await directory.renew(job.renewal);
    case 'claim':
      return await directory.claimBlocks({ expectNodes: job.expectNodes });
  }
}

async function count(directory: Directory, { key, times }: Extract<ProcessJob, { kind: 'count' }>): Promise<number> {
  let lost = 0;
  for (let done = 0; done < times;) {
    const entry = (await directory.settings()).find((candidate) => candidate.key === key);
    const value = String(Number(entry?.value ?? 0) + 1);
    const written = await directory.putSetting(key, value, { expectedVersion: entry?.version ?? 0 });
    if (written) done += 1;
    else lost += 1;
    if (!written) await setTimeout(Math.random() * 2);
  }
  return lost;
}

const [url = ''] = process.argv.slice(2);
const directory = await openDirectory(url, { facts: undefined, busyMs: 20_000 });
console.log(JSON.stringify({ ready: process.pid }));
let job: ProcessJob | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== 'go') {
    job = JSON.parse(line) as ProcessJob;
    console.log(JSON.stringify({ set: true }));
    continue;
  }
  try {
    console.log(JSON.stringify({ result: job && (await run(directory, job)) }));
  } catch (error) {
    console.log(JSON.stringify({ code: (error as DirectoryError).code, message: (error as Error).message }));
  }
}
await directory.close();
