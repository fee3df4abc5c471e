/** Takes and gives blocks of a shared heap as fast as it can; each block is filled with a mark of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { CapacityError } from '../../src/base/errors.ts';
import { Random } from '../../src/base/random.ts';
import { Heap } from '../../src/memory/heap.ts';

interface Task {
  readonly buffer: SharedArrayBuffer;
  readonly heapBytes: number;
  readonly rounds: number;
  readonly mark: number;
}

const { buffer, heapBytes, rounds, mark } = workerData as Task;
const heap = new Heap(buffer, 0, heapBytes);
const random = new Random(mark);
const blocks: { offset: number; sizeBytes: number }[] = [];
let refused = 0;
let damaged = 0;
for (let round = 0; round < rounds; round++) {
  if (blocks.length > 0 && random.below(2) === 0) {
    const [block] = blocks.splice(random.below(blocks.length), 1);
    const bytes = heap.bytes.subarray(block!.offset, block!.offset + block!.sizeBytes);
    if (!bytes.every((byte) => byte === mark)) damaged++;
    heap.free(block!.offset, block!.sizeBytes);
    continue;
  }
  const sizeBytes = 1 + random.below(300);
  try {
    const offset = heap.allocate(sizeBytes);
    heap.bytes.fill(mark, offset, offset + sizeBytes);
    blocks.push({ offset, sizeBytes });
  } catch (error) {
    if (!(error instanceof CapacityError)) throw error;
    refused++;
  }
}
for (const { offset, sizeBytes } of blocks) heap.free(offset, sizeBytes);
parentPort?.postMessage({ refused, damaged });
