/** The reading end of a ring, in a thread of its own: checks order and content of frames until the last. */
import { parentPort, workerData } from 'node:worker_threads';
import { Ring } from '../../src/memory/ring.ts';
import { pause } from '../../src/memory/pause.ts';

interface Task {
  readonly buffer: SharedArrayBuffer;
  readonly capacityBytes: number;
  readonly frames: number;
}

const task = workerData as Task;
const { buffer, capacityBytes } = task;
const ring = new Ring(buffer, 0, capacityBytes);
const deadlineMs = performance.now() + 60_000;
const count = { read: 0, wrong: 0 };
while (count.read < task.frames && performance.now() < deadlineMs) {
  const drained = ring.drain((at, sizeBytes) => {
    const expected = count.read++;
    if (ring.view.getUint32(at, true) !== expected) count.wrong++;
    for (let index = 4; index < sizeBytes; index++) {
      if (ring.bytes[at + index] !== ((expected + index) & 0xff)) count.wrong++;
    }
  });
  if (drained === 0) pause(0.05);
}
parentPort?.postMessage(count);
