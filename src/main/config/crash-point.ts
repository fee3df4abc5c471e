/** Where a test wants this process killed (src/peer/crash-point.ts); nothing for everybody else. */
export function readCrashPoint(): string | undefined {
  return process.env['WORLDMESH_CRASH_POINT'];
}
