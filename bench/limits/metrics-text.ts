/** Reads Prometheus' text format as far as a bench needs it: the value of each series, by its name with labels. */
const FETCH_MS_MAX = 5000;

export class MetricValues {
  readonly #values: ReadonlyMap<string, number>;

  /** Undefined when the server is too busy to answer in time. */
  static async fetch(url: string): Promise<MetricValues | undefined> {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_MS_MAX) });
      return new MetricValues(await response.text());
    } catch {
      // That the metrics do not come is a finding too; the timeline shows it as a gap.
      return undefined;
    }
  }

  constructor(text: string) {
    const values = new Map<string, number>();
    for (const line of text.split('\n')) {
      const end = line.lastIndexOf(' ');
      if (end > 0 && !line.startsWith('#')) values.set(line.slice(0, end), Number(line.slice(end + 1)));
    }
    this.#values = values;
  }

  /** Zero for a series that has not begun. */
  of(series: string): number {
    return this.#values.get(series) ?? 0;
  }
}
