/**
 * Tells an autoscaler how many nodes are wanted: a command, which gets a line of JSON on its standard input, or a URL, which gets it by POST.
 *
 *   {"wanted":4,"active":3,"reason":"3 nodes carry 82 % of what they can","cluster":"…","atMs":1760000000000}
 *
 * It is told a count once that has been the same for STEADY_MS, and no more often than every BETWEEN_MS; what came in between is told as
 * the newest alone. One call at a time, ended after CALL_MS_MAX. Whether it works changes nothing for the node; a failure is logged, and the
 * count told again.
 */
import { spawn } from 'node:child_process';

export interface WantedCapacity {
  readonly nodes: number;
  readonly active: number;
  readonly reason: string;
}

export interface CapacityHookOptions {
  /** A command for the shell, or a URL with http or https; '' for none. */
  readonly hook: string;
  readonly cluster: string;
  readonly utcMs: () => number;
  readonly times?: Partial<HookTimes>;
  note(level: 'info' | 'warn', message: string, details: Readonly<Record<string, unknown>>): void;
}

export interface HookTimes {
  readonly steadyMs: number;
  readonly betweenMs: number;
  readonly callMsMax: number;
}

export const HOOK_TIMES: HookTimes = { steadyMs: 10_000, betweenMs: 30_000, callMsMax: 5000 };
/** Of what a command prints, for the log. */
const OUTPUT_CHARACTERS_MAX = 500;

export class CapacityHook {
  readonly #options: CapacityHookOptions;
  readonly #times: HookTimes;
  #told = 0;
  #nodes = 0;
  #sinceMs = 0;
  #nextMs = Number.NEGATIVE_INFINITY;
  #call: AbortController | undefined;

  constructor(options: CapacityHookOptions) {
    this.#options = options;
    this.#times = { ...HOOK_TIMES, ...options.times };
  }

  /** To be called about once a second by the node that balances, with a monotonic time. */
  want(wanted: WantedCapacity, nowMs: number): void {
    if (this.#options.hook === '') return;
    if (wanted.nodes !== this.#nodes) {
      this.#nodes = wanted.nodes;
      this.#sinceMs = nowMs;
    }
    if (wanted.nodes === this.#told || nowMs - this.#sinceMs < this.#times.steadyMs) return;
    if (this.#call !== undefined || nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + this.#times.betweenMs;
    void this.#tell(wanted);
  }

  /** Another node balances: what was told by this one may be long ago when it does so again. */
  forget(): void {
    this.#told = 0;
    this.#nodes = 0;
  }

  close(): void {
    this.#call?.abort();
  }

  async #tell({ nodes, active, reason }: WantedCapacity): Promise<void> {
    const { hook, cluster, utcMs, note } = this.#options;
    const call = new AbortController();
    this.#call = call;
    const timer = setTimeout(() => call.abort(), this.#times.callMsMax);
    const text = `${JSON.stringify({ wanted: nodes, active, reason, cluster, atMs: utcMs() })}\n`;
    try {
      if (/^https?:/i.test(hook)) await post(hook, text, call.signal);
      else await run(hook, text, call.signal);
      this.#told = nodes;
      note('info', 'the capacity hook was told', { wanted: nodes, active, reason });
    } catch (error) {
      const why = call.signal.aborted ? `no answer within ${this.#times.callMsMax} ms` : String(error);
      note('warn', 'the capacity hook failed; the nodes that are wanted are told again later', { wanted: nodes, why });
    } finally {
      clearTimeout(timer);
      this.#call = undefined;
    }
  }
}

async function post(url: string, text: string, signal: AbortSignal): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', body: text, headers, signal, redirect: 'error' });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`it answered ${response.status}`);
}

/** The shell and what it started get their end together: they are a process group of their own. */
async function run(command: string, text: string, signal: AbortSignal): Promise<void> {
  const child = spawn(command, { shell: true, detached: true, stdio: ['pipe', 'ignore', 'pipe'] });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const end = (): void => {
    killGroup(child.pid);
    reject(new Error('it was ended'));
  };
  signal.addEventListener('abort', end, { once: true });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    complaint = (complaint + chunk).slice(0, OUTPUT_CHARACTERS_MAX);
  });
  child.once('error', reject);
  child.once('close', (code, ended) => {
    if (code === 0) resolve();
    else reject(new Error(`it ended with ${code ?? ended ?? ''} ${complaint.trim()}`));
  });
  // A command need not read it.
  child.stdin.on('error', () => {});
  child.stdin.end(text);
  try {
    await promise;
  } finally {
    signal.removeEventListener('abort', end);
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It has just ended by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
