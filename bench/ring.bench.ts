/** Frames of 64 bytes through a ring, against copying them, and against postMessage to another thread. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Ring } from '../src/memory/ring.ts';
import type { Suite } from './measure.ts';

const FRAMES = 1000;
const FRAME_BYTES = 64;
const CAPACITY_BYTES = 131_072;

export const ringSuite: Suite = {
  name: 'ring',
  async run({ report }) {
    const ring = new Ring(new SharedArrayBuffer(Ring.sizeBytes(CAPACITY_BYTES)), 0, CAPACITY_BYTES);
    const frame = new Uint8Array(FRAME_BYTES).fill(7);
    const plain = new Uint8Array(CAPACITY_BYTES);
    let sum = 0;
    const throughRing = (): void => {
      for (let index = 0; index < FRAMES; index++) {
        const at = ring.reserve(FRAME_BYTES);
        ring.bytes.set(frame, at);
        ring.commit(FRAME_BYTES);
      }
      ring.drain((at) => {
        sum += ring.bytes[at]!;
      });
    };
    const copyOnly = (): void => {
      for (let index = 0; index < FRAMES; index++) plain.set(frame, index * FRAME_BYTES);
      for (let index = 0; index < FRAMES; index++) sum += plain[index * FRAME_BYTES]!;
    };
    const worker = new Worker(new URL('echo.worker.ts', import.meta.url));
    const post = async (): Promise<void> => {
      const answered = once(worker, 'message');
      for (let index = 0; index < FRAMES; index++) worker.postMessage({ last: index === FRAMES - 1, frame });
      await answered;
    };
    await report({
      title: `ring: ${FRAME_BYTES}-byte frames`,
      unit: 'frame, written and read',
      cases: [
        { name: 'copying alone', operations: FRAMES, isLimit: true, run: copyOnly },
        { name: 'ring: reserve, commit, drain', operations: FRAMES, run: throughRing },
        { name: 'postMessage to a worker', operations: FRAMES, run: post },
      ],
    });
    await worker.terminate();
    if (sum === 0) throw new Error('nothing was read');
  },
};
