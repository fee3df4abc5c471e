/**
 * Named points at which a test may have this process killed: WORLDMESH_CRASH_POINT=name:count, read by src/main/config and
 * handed in. The process gets SIGKILL when it passes the point for the count-th time; there is no way back.
 */
export const CRASH_POINTS = [
  'beforeRelease',
  'afterRelease',
  'afterStable',
  'afterCommitSent',
  'beforeAccept',
  'afterAccept',
  'beforeConfirm',
  'afterConfirm',
  'beforeDone',
  'afterDone',
  'beforeFence',
  'afterFence',
  'beforeImport',
  'afterImport',
  'afterDelivery',
  'beforeHandIn',
  'afterHandIn',
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

export class CrashPoints {
  readonly #name: string;
  #left: number;

  /** @param text `name:count`, or undefined for a process that is not to be killed. @throws RangeError */
  constructor(text: string | undefined) {
    const [name = '', count = '1'] = (text ?? '').split(':');
    if (text !== undefined && !CRASH_POINTS.some((point) => point === name)) {
      throw new RangeError(`WORLDMESH_CRASH_POINT: "${name}" is none of ${CRASH_POINTS.join(', ')}`);
    }
    this.#name = name;
    this.#left = Number(count);
    if (!Number.isInteger(this.#left) || this.#left < 1)
      throw new RangeError('WORLDMESH_CRASH_POINT: name:count expected');
  }

  pass(point: CrashPoint): void {
    if (point !== this.#name) return;
    this.#left--;
    if (this.#left === 0) process.kill(process.pid, 'SIGKILL');
  }
}
