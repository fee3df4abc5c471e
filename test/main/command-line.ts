/** The command line as a child process, for tests. Every wait has a deadline; every process is ended. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../bin/worldmesh.cjs', import.meta.url));
const DEADLINE_MS = 30_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly folder?: string;
  /** Another copy of the program than this clone. */
  readonly program?: string;
}

export function temporaryFolder(): string {
  return mkdtempSync(path.join(tmpdir(), 'worldmesh-test-'));
}

/** Runs a command to its end. */
export async function worldmesh(args: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  await using command = new RunningCommand(args, options);
  return await command.ended;
}

export class RunningCommand implements AsyncDisposable {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  constructor(
    args: readonly string[],
    { environment = {}, folder = temporaryFolder(), program = BIN }: CommandOptions = {},
  ) {
    const child = spawn(process.execPath, [program, ...args], {
      cwd: folder,
      env: { ...withoutSettings(process.env), ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.ended = new Promise((resolve) => {
      child.once('close', (code) => resolve({ code, stdout: this.#stdout, stderr: this.#stderr }));
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves with the match once stdout and stderr together contain it. */
  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const look = (): void => {
      const match = pattern.exec(`${this.#stdout}\n${this.#stderr}`);
      if (match) resolve(match);
    };
    const output = (): string => `${this.#stdout}\n${this.#stderr}`;
    const timer = setTimeout(() => reject(new Error(`no ${String(pattern)} in time in:\n${output()}`)), DEADLINE_MS);
    const streams = [this.#child.stdout, this.#child.stderr];
    for (const stream of streams) stream?.on('data', look);
    void this.ended.then(() => {
      look();
      reject(new Error(`ended without ${String(pattern)}:\n${output()}`));
    });
    look();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      for (const stream of streams) stream?.off('data', look);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}

/** Settings of whoever runs the tests do not count. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('WORLDMESH_')));
}
