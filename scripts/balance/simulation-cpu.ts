/** CPU of the simulation threads of a process: on a machine that others use as well, a tick takes longer than it computes. */
import { readFileSync, readdirSync } from 'node:fs';

const THREAD_NAME = /^simulation-\d+$/;

/** Seconds since its start; 0 when it has gone. Linux only. */
export function simulationCpuSeconds(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map((thread) => `/proc/${pid}/task/${thread}`)
      .filter((folder) => THREAD_NAME.test(readFileSync(`${folder}/comm`, 'utf8').trim()))
      .reduce((sum, folder) => sum + Number(readFileSync(`${folder}/schedstat`, 'utf8').split(' ')[0]) / 1e9, 0);
  } catch {
    return 0;
  }
}
