/** A machine of its own in namespaces of this one, with systemd as its first process. Needs root. */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';

const BOOT = path.join(import.meta.dirname, 'boot-systemd.sh');
const UNSHARE = [
  '--fork',
  '--kill-child=SIGKILL',
  '--pid',
  '--mount',
  '--uts',
  '--ipc',
  '--net',
  'bash',
  BOOT,
] as const;
const DEADLINE_MS = 60_000;
const LOOK_MS = 100;
const OUTPUT_BYTES_MAX = 4 * 2 ** 20;
const run = promisify(execFile);

export interface Output {
  readonly code: number;
  /** Both streams. */
  readonly text: string;
}

export class LiveSystemd implements AsyncDisposable {
  readonly #base: string;
  /** It ends with its child, and its child with it. */
  readonly #unshare: ChildProcess;
  #boot = '';

  private constructor(releaseFolder: string) {
    this.#base = mkdtempSync(path.join(tmpdir(), 'worldmesh-systemd-'));
    this.#unshare = spawn('unshare', [...UNSHARE, this.#base, releaseFolder], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#unshare.stdout, this.#unshare.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#boot += text;
      });
    }
  }

  /** @param releaseFolder what the machine sees as /run/release. */
  static async boot(releaseFolder: string): Promise<LiveSystemd> {
    const machine = new LiveSystemd(releaseFolder);
    try {
      await machine.until('it has booted', async () => {
        const { text } = await machine.run('systemctl is-active live.target');
        return text.trim() === 'active';
      });
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs a script there, as root; it ends at the first command that fails. */
  async run(script: string): Promise<Output> {
    const init = this.#init;
    if (init === undefined) return { code: -1, text: this.#boot };
    const flags = ['--target', init, '--all', '--', 'bash', '-ec', `exec 2>&1; cd /\n${script}`];
    try {
      const { stdout } = await run('nsenter', flags, { maxBuffer: OUTPUT_BYTES_MAX });
      return { code: 0, text: stdout };
    } catch (error) {
      const { code, stdout = '' } = error as { code?: unknown; stdout?: string };
      if (typeof code !== 'number') throw error;
      return { code, text: stdout };
    }
  }

  /** What systemd says of a service. */
  async property(unit: string, name: string): Promise<string> {
    const { text } = await this.run(`systemctl show ${unit} --property ${name} --value`);
    return text.trim();
  }

  async until(what: string, isThere: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + DEADLINE_MS;
    while (!(await isThere())) {
      if (performance.now() > endMs || this.#unshare.exitCode !== null) {
        const { text } = await this.run('journalctl --no-pager -n 60');
        throw new Error(`${what}: not in time\n${text}`);
      }
      await wait(LOOK_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#unshare.exitCode === null && this.#unshare.signalCode === null) {
      const ended = once(this.#unshare, 'exit');
      this.#unshare.kill('SIGKILL');
      await ended;
    }
    rmdirSync(this.#base);
  }

  /** As this machine numbers it; undefined before it is there. */
  get #init(): string | undefined {
    const { pid } = this.#unshare;
    if (pid === undefined || this.#unshare.exitCode !== null) return undefined;
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    return child === '' ? undefined : child;
  }
}
