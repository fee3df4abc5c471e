/** One run of one node's process: what it writes, when it is ready, how it ends. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { LineSplitter } from './log-lines.core.ts';
import { drainedFrom, readyFrom } from './supervised.ts';
import type { NodeDrained, NodeReady } from './supervised.ts';

export interface NodeProcessOptions {
  /** A program for Node, and its arguments; '' when this executable is the program itself. */
  readonly program: string;
  readonly args: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly onLine: (line: string, from: { readonly isError: boolean }) => void;
  readonly onReady: (ready: NodeReady) => void;
  readonly onDrained: (drained: NodeDrained) => void;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class NodeProcess {
  readonly #child: ChildProcess;
  /** Resolves when the process is gone and all it wrote has been read. */
  readonly ended: Promise<ProcessEnd>;

  constructor({ program, args, environment, onLine, onReady, onDrained }: NodeProcessOptions) {
    // In a process group of its own: Ctrl+C on a terminal reaches the supervisor alone, which then stops the nodes in order.
    const child = spawn(process.execPath, program === '' ? args : [program, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: environment,
      detached: true,
    });
    this.#child = child;
    const splitters = [
      [child.stdout, new LineSplitter((line) => onLine(line, { isError: false }))],
      [child.stderr, new LineSplitter((line) => onLine(line, { isError: true }))],
    ] as const;
    for (const [stream, splitter] of splitters) {
      stream?.setEncoding('utf8').on('data', (text: string) => splitter.push(text));
    }
    child.on('message', (message: unknown) => {
      const ready = readyFrom(message);
      if (ready) onReady(ready);
      const drained = drainedFrom(message);
      if (drained) onDrained(drained);
    });
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => {
        // It could not even be started; there is no 'close' then.
        if (child.pid !== undefined) return;
        onLine(`cannot start a process: ${error.message}`, { isError: true });
        resolve({ code: 1, signal: null });
      });
      child.once('close', (code, signal) => {
        for (const [, splitter] of splitters) splitter.end();
        resolve({ code, signal });
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** No effect when it has ended. */
  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}
