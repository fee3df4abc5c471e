/** Directories, members and processes for the tests of directories. Everything is ended and removed by its owner. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { DirectoryError } from '../../src/peer/directory-error.ts';
import type { DirectoryErrorCode } from '../../src/peer/directory-error.ts';
import type { Directory, DirectoryChange, JoinRequest, Joined, WatchOptions } from '../../src/peer/directory.ts';
import type { WorldFacts } from '../../src/peer/directory.ts';
import type { NodeLoad } from '../../src/peer/load-values.core.ts';
import type { ProcessJob } from './directory-process.ts';

const PROCESS = fileURLToPath(new URL('directory-process.ts', import.meta.url));
export const DEADLINE_MS = 30_000;

export interface DirectoryFactory {
  /** In the titles of the tests. */
  readonly name: string;
  /** A place for a directory that nobody has used. */
  readonly makeUrl: () => string;
  readonly open: (url: string, facts: WorldFacts | undefined) => Promise<Directory>;
}

/** A process id that no process has: the largest of Linux is 4,194,304. */
export const PID_DEAD = 2 ** 30;

export async function refusal(
  t: ExecutionContext,
  attempt: () => Promise<unknown>,
  code: DirectoryErrorCode,
): Promise<string> {
  const error = await t.throwsAsync(attempt(), { instanceOf: DirectoryError });
  t.is(error?.code, code, error?.message);
  return error?.message ?? '';
}

/** 7 × 5 blocks. */
export const FACTS: WorldFacts = {
  world: 'harbour',
  worldSize: 1300,
  cellSize: 50,
  blockCells: 4,
  tickHz: 20,
  blockCount: 35,
};

export class TemporaryFolder implements Disposable {
  readonly path = mkdtempSync(path.join(tmpdir(), 'worldmesh-directory-'));

  file(name: string): string {
    return path.join(this.path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export function newLedger(): string {
  return randomBytes(16).toString('hex');
}

export function nodeLoad(changes: Partial<NodeLoad> = {}): NodeLoad {
  return {
    tickP50Us: 4100,
    tickP99Us: 9300,
    busyShare: 0.0825,
    entities: 700,
    entitiesMax: 65_536,
    sessions: 31,
    sessionsMax: 1024,
    gatewayBytesPerSecond: 120_500,
    snapshotBytesPerSecond: 98_000,
    shedLevel: 0,
    hottestCell: { cell: 12, costUs: 900, entities: 40, sessions: 9 },
    blocks: [{ block: 3, costUs: 2900, entities: 400, sessions: 25 }],
    rest: { blocks: 6, costUs: 1200, entities: 300, sessions: 6 },
    ...changes,
  };
}

export function joinRequest(name: string, changes: Partial<JoinRequest> = {}): JoinRequest {
  return {
    name,
    ledger: newLedger(),
    incarnationSeen: 0,
    peerAddress: '127.0.0.1:7800',
    clientUrl: 'http://127.0.0.1:7777/',
    folder: `/data/${name}`,
    pid: process.pid,
    release: '0.1.0',
    capacity: 1,
    schema: { hash: 7, version: 1, text: '{"name":"harbour"}' },
    viewHash: 70,
    ...changes,
  };
}

export interface ActiveMember extends Joined {
  readonly request: JoinRequest;
}

export async function joinActive(
  directory: Directory,
  name: string,
  changes: Partial<JoinRequest> = {},
): Promise<ActiveMember> {
  const request = joinRequest(name, changes);
  const joined = await directory.join(request);
  const renewed = await directory.renew({ node: joined.node, incarnation: joined.incarnation, state: 'active' });
  if (renewed === 'fenced') throw new Error('fenced while joining');
  return { ...joined, version: renewed.version, request };
}

/** What a watch has told, and a wait for what it will tell. */
export class WatchLog implements Disposable {
  readonly changes: DirectoryChange[] = [];
  readonly #stop: () => void;
  readonly #waiting = new Set<() => void>();

  constructor(directory: Directory, options: WatchOptions = {}) {
    this.#stop = directory.watch((change) => {
      this.changes.push(change);
      for (const look of this.#waiting) look();
    }, options);
  }

  /** Resolves with the first change, from number `from` on, for which this holds. */
  async waitFor(isWanted: (change: DirectoryChange) => boolean, { from = 0 } = {}): Promise<DirectoryChange> {
    const { promise, resolve, reject } = Promise.withResolvers<DirectoryChange>();
    const look = (): void => {
      const found = this.changes.slice(from).find(isWanted);
      if (found) resolve(found);
    };
    const timer = setTimeout(() => reject(new Error(`not told in time: ${String(isWanted)}`)), DEADLINE_MS);
    this.#waiting.add(look);
    look();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(look);
    }
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}

export interface ProcessAnswer {
  readonly result?: unknown;
  readonly code?: string;
  readonly message?: string;
}

/** A real process with the directory open. */
export class DirectoryProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<void>;

  static async start(url: string): Promise<DirectoryProcess> {
    const started = new DirectoryProcess(url);
    await started.#next();
    return started;
  }

  private constructor(url: string) {
    this.#child = spawn(process.execPath, [PROCESS, url], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', () => resolve());
    });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** Resolves when the process has understood what to do at `go`. */
  async set(job: ProcessJob): Promise<void> {
    this.#child.stdin!.write(`${JSON.stringify(job)}\n`);
    await this.#next();
  }

  async go(): Promise<ProcessAnswer> {
    this.#child.stdin!.write('go\n');
    return (await this.#next()) as ProcessAnswer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async #next(): Promise<unknown> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error('the process did not answer in time')), DEADLINE_MS);
    try {
      const line = await Promise.race([this.#lines.next(), promise]);
      if (line.done) throw new Error('the process ended');
      return JSON.parse(line.value) as unknown;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** So many processes with a directory open at once. */
export async function withProcesses<Result>(
  { url, count }: { url: string; count: number },
  use: (processes: DirectoryProcess[]) => Promise<Result>,
): Promise<Result> {
  await using stack = new AsyncDisposableStack();
  const processes = await Promise.all(Array.from({ length: count }, () => DirectoryProcess.start(url)));
  for (const started of processes) stack.use(started);
  return await use(processes);
}
