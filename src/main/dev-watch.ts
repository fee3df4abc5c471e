/** Development: calls back when a world module, or a file that it imports, has changed. */
import { watch } from 'chokidar';
import type { FSWatcher } from 'chokidar';

/** Editors write a file in several steps. */
const SETTLE_MS = 60;

export class ModuleWatch implements AsyncDisposable {
  readonly #onChange: (file: string) => Promise<void>;
  readonly #watcher: FSWatcher;
  #timer: NodeJS.Timeout | undefined;
  /** One change after the other; those that come meanwhile are one more. */
  #working: Promise<void> = Promise.resolve();
  #isClosed = false;

  /** @param onChange must not reject: what went wrong is for it to report. */
  constructor(files: readonly string[], onChange: (file: string) => Promise<void>) {
    this.#onChange = onChange;
    this.#watcher = watch([...files], { ignoreInitial: true });
    this.#watcher.on('all', (_event, file) => this.#noteChange(file));
  }

  /** Watches these files as well: the module imports them now. */
  add(files: readonly string[]): void {
    this.#watcher.add([...files]);
  }

  /** Resolves when changes from now on are seen. */
  ready(): Promise<void> {
    return new Promise((resolve) => {
      this.#watcher.once('ready', () => resolve());
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#watcher.close();
    await this.#working;
  }

  #noteChange(file: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#working = this.#working.then(() => (this.#isClosed ? undefined : this.#onChange(file)));
    }, SETTLE_MS);
  }
}
