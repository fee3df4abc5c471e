/** A process of the bench, server or clients: started with a channel, asked over it, and ended with its owner. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export interface ProcessOptions {
  readonly name: string;
  /** The script, then its arguments. */
  readonly command: readonly string[];
  /** Flags of Node itself. */
  readonly nodeFlags?: readonly string[];
  /** The only core that it may run on; any by default. Needs `taskset`. */
  readonly core?: number | undefined;
  readonly environment?: Readonly<Record<string, string>>;
}

interface Message {
  readonly type: string;
}

const ANSWER_MS_MAX = 60_000;
const STOP_MS_MAX = 5000;

export class SideProcess implements AsyncDisposable {
  readonly #name: string;
  readonly #child: ChildProcess;

  constructor({ name, command, nodeFlags = [], core, environment = {} }: ProcessOptions) {
    this.#name = name;
    const line = [process.execPath, '--disable-warning=ExperimentalWarning', ...nodeFlags, ...command];
    const [file, ...given] = core === undefined ? line : ['taskset', '-c', String(core), ...line];
    this.#child = spawn(file!, given, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, ...environment },
    });
  }

  get id(): number | undefined {
    return this.#child.pid;
  }

  send<Sent extends Message>(message: Sent): void {
    this.#child.send(message);
  }

  /** The next message of this type. @throws Error when the process ends before, or says nothing for a minute. */
  async next<Expected extends Message>(type: Expected['type'], waitMsMax = ANSWER_MS_MAX): Promise<Expected> {
    const { promise, resolve, reject } = Promise.withResolvers<Expected>();
    const hear = (message: Message) => {
      if (message.type === type) resolve(message as Expected);
    };
    const ended = (code: number | null) => reject(new Error(`${this.#name} ended with ${code} before "${type}"`));
    const timer = setTimeout(
      () => reject(new Error(`${this.#name} did not say "${type}" in ${waitMsMax} ms`)),
      waitMsMax,
    );
    this.#child.on('message', hear).once('exit', ended).once('error', reject);
    if (this.#child.exitCode !== null) ended(this.#child.exitCode);
    return await promise.finally(() => {
      clearTimeout(timer);
      this.#child.off('message', hear).off('exit', ended).off('error', reject);
    });
  }

  /** Asks, and resolves with the answer. */
  async ask<Answer extends Message>(
    message: Message & object,
    type: Answer['type'],
    waitMsMax?: number,
  ): Promise<Answer> {
    const answer = this.next<Answer>(type, waitMsMax);
    this.send(message);
    return await answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const ended = once(child, 'exit');
    const cut = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    child.kill('SIGTERM');
    await ended;
    clearTimeout(cut);
  }
}
