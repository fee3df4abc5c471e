/** What world code wants to know when it is on disk (`cell.durable`), in the order of the journal. */
export class DurableWishes {
  readonly #waiting: { readonly position: number; readonly number: number }[] = [];

  /** Everything up to `position` of the journal is what the wish with this number waits for. */
  wish(position: number, number: number): void {
    this.#waiting.push({ position, number });
  }

  /** The numbers whose wish has come true. */
  takeUntil(position: number): number[] {
    const end = this.#waiting.findIndex((waiting) => waiting.position > position);
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end).map(({ number }) => number);
  }
}
