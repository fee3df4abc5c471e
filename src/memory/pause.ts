/** Blocks this thread for a time: only where nothing else waits for it, such as before a node has started. */
export function pause(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}
