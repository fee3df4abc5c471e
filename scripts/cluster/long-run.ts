/** What commands that run for minutes have in common: a seed that is told, progress with its time, and an end on a signal. */
export interface LongRun {
  readonly seed: number;
  readonly onProgress: (text: string) => void;
  /** The first signal ends the run, and what is there is still judged and cleaned up; the second one ends all. */
  readonly signal: AbortSignal;
}

/** Of a flag. @throws RangeError with the usage when it is none in these bounds. */
export function numberFlag(
  name: string,
  text: string,
  { min, max, usage }: { readonly min: number; readonly max: number; readonly usage: string },
): number {
  const value = Number(text);
  if (text !== '' && value >= min && value <= max) return value;
  throw new RangeError(`--${name} from ${min} to ${max}, not ${text}\n\n${usage}`);
}

/** @param seed undefined: a random one. Tells it, for the next time. */
export function startLongRun(seed: number = Math.floor(Math.random() * 2 ** 31)): LongRun {
  const startMs = performance.now();
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  process.stderr.write(`seed ${seed}\n`);
  const onProgress = (text: string): void => {
    process.stderr.write(`${((performance.now() - startMs) / 1000).toFixed(1).padStart(7)} s  ${text}\n`);
  };
  return { seed, onProgress, signal: stop.signal };
}
