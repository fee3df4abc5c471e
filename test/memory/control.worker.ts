/** Takes part in phases as a simulation worker does, and adds 1 to each item that it takes. */
import { parentPort, workerData } from 'node:worker_threads';
import { Control, RUN_STATE } from '../../src/memory/control.ts';
import { pause } from '../../src/memory/pause.ts';

interface Task {
  readonly buffer: SharedArrayBuffer;
  readonly itemsOffset: number;
  /** Sleeps before each attempt to enter a phase, so that it wakes too late for many. */
  readonly lateMs: number;
}

const { buffer, itemsOffset, lateMs } = workerData as Task;
const control = new Control(buffer, 0);
const items = new Int32Array(buffer, itemsOffset);
const count = { entered: 0, taken: 0 };
parentPort?.postMessage('ready');
for (;;) {
  const seen = control.wakeCount;
  if (control.state === RUN_STATE.stopping) break;
  if (lateMs > 0) pause(lateMs);
  const phase = control.enter();
  if (phase < 0) {
    control.awaitWake(seen);
    continue;
  }
  count.entered++;
  for (let first = control.take(); first >= 0; first = control.take()) {
    const end = control.takenEnd(first);
    for (let item = first; item < end; item++) items[item]! += phase;
    count.taken += end - first;
  }
  control.leave();
}
parentPort?.postMessage(count);
