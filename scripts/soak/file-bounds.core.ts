/** Whether what a cluster writes stays within bounds. */
import type { FileSizes } from './file-sizes.ts';
import { slopePerHour } from './slope.core.ts';

const MIB = 2 ** 20;
/** SQLite takes a log back at 4 MB; a reader that looks at an old state, as an audit does, keeps it from that for a while. */
export const WAL_BYTES_MAX = 64 * MIB;
/** Rows of entities are replaced, history is cut off: what is left grows with the names that were ever known. */
export const GROWTH_PER_HOUR_MAX = 48 * MIB;
const WARM_UP_SECONDS = 300;
const JUDGED_SECONDS_MIN = 600;

/** Bytes an hour after warming up; undefined when the run was too short to say. */
export function growthPerHour(files: readonly FileSizes[]): number | undefined {
  const settled = files.filter(({ seconds }) => seconds >= WARM_UP_SECONDS);
  const [first, last] = [settled[0], settled.at(-1)];
  if (first === undefined || last === undefined || last.seconds - first.seconds < JUDGED_SECONDS_MIN) return undefined;
  return slopePerHour(
    settled.map(({ seconds, journalBytes, directoryBytes }) => ({
      hours: seconds / 3600,
      value: journalBytes + directoryBytes,
    })),
  );
}

export function filesWrong(files: readonly FileSizes[]): string[] {
  const wrong: string[] = [];
  const walBytes = files.reduce((most, { walBytesMax }) => Math.max(most, walBytesMax), 0);
  if (walBytes > WAL_BYTES_MAX)
    wrong.push(`a write-ahead log grew to ${mib(walBytes)} MiB; at most ${mib(WAL_BYTES_MAX)} is bounded`);
  const growth = growthPerHour(files);
  if (growth !== undefined && growth > GROWTH_PER_HOUR_MAX) {
    wrong.push(
      `journals and directory grow by ${mib(growth)} MiB an hour; at most ${mib(GROWTH_PER_HOUR_MAX)} is bounded`,
    );
  }
  return wrong;
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(1);
}
