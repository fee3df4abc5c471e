/** Makes every clock of this process wrong: UTC by an offset, and both UTC and `performance.now` run too fast or too slow. */
export interface WrongClock {
  /** Right ones, for measuring. */
  readonly utcMs: () => number;
  readonly nowMs: () => number;
}

export function setWrongClock({ aheadMs, driftPpm }: { aheadMs: number; driftPpm: number }): WrongClock {
  const nowMs = performance.now.bind(performance);
  const utcMs = Date.now.bind(Date);
  const startNowMs = nowMs();
  const startUtcMs = utcMs();
  const elapsedMs = (): number => (nowMs() - startNowMs) * (1 + driftPpm / 1e6);
  performance.now = () => startNowMs + elapsedMs();
  Date.now = () => Math.floor(startUtcMs + aheadMs + elapsedMs());
  return { utcMs, nowMs };
}
