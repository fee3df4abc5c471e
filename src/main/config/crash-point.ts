/** Not a setting. */
export const CRASH_POINT_VARIABLE = 'WORLDMESH_CRASH_POINT';

/** Where a test wants this process killed (src/peer/crash-point.ts); nothing for everybody else. */
export function readCrashPoint(): string | undefined {
  return process.env[CRASH_POINT_VARIABLE];
}
