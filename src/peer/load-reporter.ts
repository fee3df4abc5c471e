/** Tells the directory this node's load, once a second; a report that is still on its way is not followed by another. */
import type { Directory } from './directory.ts';
import { LOAD_MS, LoadMeter } from './load-report.ts';
import type { LoadMeterOptions } from './load-report.ts';
import type { PeerIdentity } from './protocol.ts';

export interface LoadReporterOptions extends LoadMeterOptions {
  readonly directory: Directory;
  readonly me: PeerIdentity;
  note(level: 'info' | 'warn', message: string, details: Readonly<Record<string, unknown>>): void;
}

export class LoadReporter {
  readonly #options: LoadReporterOptions;
  readonly #meter: LoadMeter;
  #dueMs: number;
  #isBusy = false;
  #hasComplained = false;

  constructor(options: LoadReporterOptions, nowMs: number) {
    this.#options = options;
    this.#meter = new LoadMeter(options, nowMs);
    this.#dueMs = nowMs + LOAD_MS;
  }

  /** To be called a few times a second. */
  time(nowMs: number): void {
    if (this.#isBusy || nowMs < this.#dueMs) return;
    this.#dueMs = nowMs + LOAD_MS;
    this.#isBusy = true;
    const { directory, me, note } = this.#options;
    directory
      .reportLoad({ node: me.node, incarnation: me.incarnation, load: this.#meter.measure(nowMs) })
      .then(() => {
        this.#hasComplained = false;
      })
      .catch((error: unknown) => {
        // Membership says that the directory cannot be reached; here once is enough.
        if (!this.#hasComplained) note('warn', 'the load could not be told', { error: String(error) });
        this.#hasComplained = true;
      })
      .finally(() => {
        this.#isBusy = false;
      });
  }
}
