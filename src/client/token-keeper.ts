/** Keeps the resume token where a reload of the page finds it. A storage that fails costs the resume, nothing else. */
import type { TokenStorage } from './options.ts';

export class TokenKeeper {
  readonly #storage: TokenStorage;
  readonly #key: string;
  readonly #report: (error: unknown) => void;
  #own = '';

  constructor(storage: TokenStorage, { key, report }: { key: string; report: (error: unknown) => void }) {
    this.#storage = storage;
    this.#key = key;
    this.#report = report;
  }

  /** Empty when there is none. */
  read(): string {
    return this.#attempt(() => this.#storage.getItem(this.#key)) ?? '';
  }

  write(token: string): void {
    this.#own = token;
    this.#attempt(() => this.#storage.setItem(this.#key, token));
  }

  /** The session ended; another client's token is left alone. */
  forget(): void {
    if (this.#own === '' || this.read() !== this.#own) return;
    this.#attempt(() => this.#storage.removeItem(this.#key));
  }

  #attempt<Result>(work: () => Result): Result | undefined {
    try {
      return work();
    } catch (error) {
      this.#report(error);
      return undefined;
    }
  }
}
