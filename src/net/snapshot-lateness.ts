/**
 * How late snapshots reach the sockets of clients: beyond one period after the one before it, whoever made either. A change of the
 * owner, of the snapshot rate by overload shedding, and a tick that took too long all show here. What a client delays itself by not
 * reading does not: while too much waits in its socket, nothing is expected.
 *
 * Counts in a plain array: this is called for every snapshot.
 */

/** Upper bounds. 0.1 s is one period of the default rate, and what the service level is counted by. */
export const LATENESS_BOUNDS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

export class SnapshotLateness {
  /** By bound, not cumulated; the last has no bound. */
  readonly #counts = new Float64Array(LATENESS_BOUNDS_SECONDS.length + 1);
  #sumSeconds = 0;

  observe(seconds: number): void {
    let bound = 0;
    while (bound < LATENESS_BOUNDS_SECONDS.length && seconds > LATENESS_BOUNDS_SECONDS[bound]!) bound++;
    this.#counts[bound]! += 1;
    this.#sumSeconds += seconds;
  }

  /** In Prometheus' text format. */
  text(): string {
    const name = 'worldmesh_gateway_snapshot_lateness_seconds';
    let below = 0;
    const buckets = LATENESS_BOUNDS_SECONDS.map((bound, index) => {
      below += this.#counts[index]!;
      return `${name}_bucket{le="${bound}"} ${below}`;
    });
    const all = below + this.#counts[LATENESS_BOUNDS_SECONDS.length]!;
    return [
      `# HELP ${name} How much later than a period after the last one snapshots were written to sockets`,
      `# TYPE ${name} histogram`,
      ...buckets,
      `${name}_bucket{le="+Inf"} ${all}`,
      `${name}_sum ${this.#sumSeconds}`,
      `${name}_count ${all}`,
      '',
    ].join('\n');
  }
}
