/** The single binary where nothing else is: an empty folder, an empty environment, and so no Node in PATH. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { copyFileSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const DEADLINE_MS = 120_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

export class BareMachine implements AsyncDisposable {
  /** Holds the binary alone, at first. */
  readonly folder: string;
  readonly program: string;
  readonly #running = new Set<BareProcess>();
  readonly #cache: string;

  /** @param binary is copied there as `worldmesh`. */
  constructor(binary: string) {
    this.folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-bare-'));
    this.program = path.join(this.folder, 'worldmesh');
    this.#cache = path.join(this.folder, '.cache');
    copyFileSync(binary, this.program);
  }

  /** As an upgrade does it: what runs goes on with the old file. */
  replace(binary: string): void {
    copyFileSync(binary, `${this.program}.new`);
    renameSync(`${this.program}.new`, this.program);
  }

  /** As before the first start. */
  forgetFiles(): void {
    rmSync(this.#cache, { recursive: true, force: true });
  }

  start(args: readonly string[], { folder = this.folder, program = this.program } = {}): BareProcess {
    // The one variable keeps what is unpacked in the folder that is thrown away.
    const child = spawn(program, args, {
      cwd: folder,
      env: { XDG_CACHE_HOME: this.#cache },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const running = new BareProcess(child);
    this.#running.add(running);
    void running.ended.then(() => this.#running.delete(running));
    return running;
  }

  run(args: readonly string[], options: { folder?: string; program?: string } = {}): Promise<Ended> {
    return this.start(args, options).ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running].map((running) => running.stop()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class BareProcess {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  constructor(child: ChildProcess) {
    const startMs = performance.now();
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        resolve({ code, stdout: this.#stdout, stderr: this.#stderr, tookMs: performance.now() - startMs });
      });
    });
  }

  /** Resolves with the match once the output contains it. @throws Error with the output when it ends before, or takes too long. */
  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const refuse = (why: string): void =>
      reject(new Error(`${why} ${String(pattern)}:\n${this.#stdout}\n${this.#stderr}`));
    const look = (): void => {
      const match = pattern.exec(`${this.#stdout}\n${this.#stderr}`);
      if (match) resolve(match);
    };
    const timer = setTimeout(() => refuse('not in time:'), DEADLINE_MS);
    const streams = [this.#child.stdout, this.#child.stderr];
    for (const stream of streams) stream?.on('data', look);
    void this.ended.then(() => {
      look();
      refuse('ended without');
    });
    look();
    return promise.finally(() => {
      clearTimeout(timer);
      for (const stream of streams) stream?.off('data', look);
    });
  }

  /** SIGTERM, and its end. */
  async stop(): Promise<Ended> {
    this.#child.kill('SIGTERM');
    return this.ended;
  }
}

export interface ReadyNode {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
}

/** What `worldmesh cluster --log-format json` says when all its nodes are ready. */
export async function readyNodes(cluster: BareProcess): Promise<readonly ReadyNode[]> {
  const [line] = await cluster.waitFor(/^\{.*"msg":"cluster ready"\}$/m);
  return (JSON.parse(line) as { nodes: ReadyNode[] }).nodes;
}
