/** Functions to call when something happens. One that throws keeps neither the others nor the client from their work. */
export class Listeners<Arguments extends readonly unknown[]> {
  readonly #listeners = new Set<(...args: Arguments) => void>();
  readonly #report: (error: unknown) => void;

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  /** Returns a function that takes the listener away again. */
  add(listener: (...args: Arguments) => void): () => void {
    // Wrapped, so that one function added twice is two listeners.
    const own = (...args: Arguments): void => listener(...args);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  call(...args: Arguments): void {
    for (const listener of this.#listeners) {
      try {
        listener(...args);
      } catch (error) {
        this.#report(error);
      }
    }
  }
}
