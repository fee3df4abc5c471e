/** A real server in a process of its own, as `npm start` runs it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = path.join(import.meta.dirname, '..', '..');
const READY_WITHIN_MS = 30_000;

export class ServerProcess {
  readonly #process: ChildProcess;
  readonly port: number;

  /** Port 0 takes a free one. Resolves when the server listens. */
  static async start({
    module = 'examples/meadow.ts',
    port,
    dataDirectory,
    flags,
  }: {
    module?: string;
    port: number;
    dataDirectory: string;
    flags: readonly string[];
  }): Promise<ServerProcess> {
    const command = ['bin/worldmesh.cjs', 'serve', module, '--port', String(port)];
    const child = spawn(process.execPath, [...command, '--data-dir', dataDirectory, '--log-format', 'json', ...flags], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return new ServerProcess(child, await listeningPort(child));
  }

  private constructor(child: ChildProcess, port: number) {
    this.#process = child;
    this.port = port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  /** Without a chance to say goodbye. */
  async kill(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGKILL');
      await once(this.#process, 'exit');
    }
  }
}

async function listeningPort(child: ChildProcess): Promise<number> {
  const lines = createInterface({ input: child.stdout! });
  const timer = setTimeout(() => child.kill('SIGKILL'), READY_WITHIN_MS);
  const seen: string[] = [];
  try {
    for await (const line of lines) {
      seen.push(line);
      const entry = JSON.parse(line) as { msg?: string; port?: number };
      if (entry.msg === 'ready' && entry.port !== undefined) return entry.port;
    }
  } finally {
    clearTimeout(timer);
    // Nobody reads on: a full pipe must not stop the server.
    child.stdout!.resume();
  }
  throw new Error(`the server did not become ready within ${READY_WITHIN_MS} ms; it printed: ${seen.join('\n')}`);
}
