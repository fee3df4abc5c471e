/**
 * What simulating costs, by cell and by session, and what the gateway sends, for load reports. Nothing in a tick decides by it.
 *
 *   byte 0           8 × C              8 × (C + S)
 *   ┌───────────────┬──────────────────┬──────────────────┐
 *   │ cells f64 × C │ sessions f64 × S │ gatewayBytes f64 │   C: cells · S: rows of the session table
 *   └───────────────┴──────────────────┴──────────────────┘
 *
 * Microseconds of a thread, added up since the start and never set back; readers compare two looks. `cells`: simulating and
 * indexing it. `sessions`: making the snapshots for that row, which cost its player's cell. Writer: the worker that has the cell or
 * session in this phase, so nobody else at that time.
 * `gatewayBytes`: sent to clients. Writer: the gateway. Reader: the peer thread, at any time; it may see a value of a moment ago.
 *
 * The clock is read once for each item that is measured, some 40 ns. Cells are many and mostly empty: they are measured in one tick of
 * COST_STRIDE_TICKS, and count as often. The stride is a prime, so that what a world does every second, fifth or tenth tick is met like
 * anything else. Sessions are measured always; their snapshots take turns, and one costs a hundred times as much as the clock.
 */
export const COST_STRIDE_TICKS = 7;

export class Costs {
  readonly cells: Float64Array<SharedArrayBuffer>;
  readonly sessions: Float64Array<SharedArrayBuffer>;
  readonly #gatewayBytes: Float64Array<SharedArrayBuffer>;

  static sizeBytes({ cellCount, sessionsMax }: { cellCount: number; sessionsMax: number }): number {
    return 8 * (cellCount + sessionsMax + 1);
  }

  constructor(
    buffer: SharedArrayBuffer,
    offsetBytes: number,
    { cellCount, sessionsMax }: { cellCount: number; sessionsMax: number },
  ) {
    this.cells = new Float64Array(buffer, offsetBytes, cellCount);
    this.sessions = new Float64Array(buffer, offsetBytes + this.cells.byteLength, sessionsMax);
    const gatewayBytesAt = offsetBytes + this.cells.byteLength + this.sessions.byteLength;
    this.#gatewayBytes = new Float64Array(buffer, gatewayBytesAt, 1);
  }

  get gatewayBytes(): number {
    return this.#gatewayBytes[0]!;
  }

  set gatewayBytes(bytes: number) {
    this.#gatewayBytes[0] = bytes;
  }

  isMeasured(tick: number): boolean {
    return tick % COST_STRIDE_TICKS === 0;
  }

  /** In a tick that is measured. */
  addCell(cell: number, tookMs: number): void {
    this.cells[cell]! += tookMs * 1000 * COST_STRIDE_TICKS;
  }

  addSession(session: number, tookMs: number): void {
    this.sessions[session]! += tookMs * 1000;
  }
}
