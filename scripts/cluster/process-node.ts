/** One node of a cluster as a process of its own, that can be killed, paused and started again. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../bin/worldmesh.cjs', import.meta.url));
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 10_000;
const POLL_MS = 50;
const OUTPUT_LINES_MAX = 60;

export interface ProcessNodeOptions {
  readonly name: string;
  readonly port: number;
  readonly peerPort: number;
  /** Arguments of `worldmesh`, from `serve` on. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** How a process ended that nobody here had ended. */
export interface UnexpectedEnd {
  readonly name: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: readonly string[];
}

export class ProcessNode implements AsyncDisposable {
  readonly name: string;
  readonly port: number;
  readonly peerPort: number;
  readonly ends: UnexpectedEnd[] = [];
  #args: readonly string[];
  readonly #environment: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  #output: string[] = [];
  #isEnding = false;
  #isPaused = false;

  constructor({ name, port, peerPort, args, environment }: ProcessNodeOptions) {
    this.#environment = environment;
    this.name = name;
    this.port = port;
    this.peerPort = peerPort;
    this.#args = args;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/connect`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Of the process that ran last; undefined while it runs, or when a signal ended it. */
  get exitCode(): number | undefined {
    return this.#child?.exitCode ?? undefined;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** The last lines that the process wrote. */
  get output(): readonly string[] {
    return this.#output;
  }

  /** From its next start on the node runs this world module. */
  useWorld(file: string): void {
    const [command = '', , ...rest] = this.#args;
    this.#args = [command, file, ...rest];
  }

  start(environment: Readonly<Record<string, string>> = {}): void {
    this.#isEnding = false;
    this.#isPaused = false;
    this.#output = [];
    const child = spawn(process.execPath, [BIN, ...this.#args], {
      env: { ...withoutSettings(process.env), ...this.#environment, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output.push(...text.split('\n').filter((line) => line.trim() !== ''));
        this.#output.splice(0, Math.max(0, this.#output.length - OUTPUT_LINES_MAX));
      });
    }
    child.once('exit', (code, signal) => {
      if (this.#isEnding || child !== this.#child) return;
      this.ends.push({ name: this.name, code, signal, output: this.#output.slice(-12) });
    });
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM, and SIGKILL when that takes too long. */
  async stop(): Promise<void> {
    this.resume();
    await this.#end('SIGTERM');
  }

  pause(): void {
    if (!this.isRunning) return;
    this.#isPaused = true;
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#child?.kill('SIGCONT');
  }

  /** From here on an end by itself is expected: it was told to die at a named point, or may find itself fenced. */
  expectEnd(): void {
    this.#isEnding = true;
  }

  /** An end is a failure again. */
  expectRunning(): void {
    this.#isEnding = false;
  }

  /** Resolves true once the process has ended. */
  async ended(timeoutMs: number): Promise<boolean> {
    const deadlineMs = performance.now() + timeoutMs;
    while (this.isRunning && performance.now() < deadlineMs) await wait(POLL_MS);
    return !this.isRunning;
  }

  /** Resolves true once players can join; false when the process ended or took too long. */
  async ready(timeoutMs: number = READY_MS_MAX): Promise<boolean> {
    const deadlineMs = performance.now() + timeoutMs;
    while (this.isRunning && performance.now() < deadlineMs) {
      try {
        const signal = AbortSignal.timeout(1000);
        if ((await fetch(`http://127.0.0.1:${this.port}/readyz`, { signal })).ok) return true;
      } catch {
        // Not listening yet.
      }
      await wait(POLL_MS);
    }
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return;
    this.#isEnding = true;
    const gone = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await gone;
    clearTimeout(timer);
  }
}

/** Settings of whoever runs this do not count. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('WORLDMESH_')));
}
