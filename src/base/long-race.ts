/**
 * Many short calls, each against one thing that lasts, such as the end of a thread. `Promise.race` would keep every call, with what
 * came of it, for as long as that lasts: a promise never forgets who waits for it.
 */
export class LongRace<Long> {
  readonly #waiting = new Set<PromiseWithResolvers<unknown>>();
  #tell: ((one: PromiseWithResolvers<unknown>) => void) | undefined;

  constructor(long: Promise<Long>) {
    long.then(
      (value) => this.#end(({ resolve }) => resolve(value)),
      (reason: unknown) => this.#end(({ reject }) => reject(reason)),
    );
  }

  /** Calls under way. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** As `Promise.race([call, long])`. */
  async against<Result>(call: Promise<Result>): Promise<Result | Long> {
    const one = Promise.withResolvers<unknown>();
    if (this.#tell === undefined) this.#waiting.add(one);
    else this.#tell(one);
    call.then(one.resolve, one.reject);
    try {
      return (await one.promise) as Result | Long;
    } finally {
      this.#waiting.delete(one);
    }
  }

  #end(tell: (one: PromiseWithResolvers<unknown>) => void): void {
    this.#tell = tell;
    for (const one of this.#waiting) tell(one);
    this.#waiting.clear();
  }
}
