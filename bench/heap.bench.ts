/** Taking and giving back blocks of the shared heap, against a free list without a lock and against new arrays. */
import { Random } from '../src/base/random.ts';
import { Heap } from '../src/memory/heap.ts';
import type { Suite } from './measure.ts';

const BLOCKS = 1000;
const HEAP_BYTES = 4 * 2 ** 20;

export const heapSuite: Suite = {
  name: 'heap',
  async run({ report }) {
    const heap = new Heap(new SharedArrayBuffer(Heap.sizeBytes(HEAP_BYTES)), 0, HEAP_BYTES);
    const random = new Random(2);
    const sizes = Uint32Array.from({ length: BLOCKS }, () => 1 + random.below(500));
    const offsets = new Uint32Array(BLOCKS);
    const free = Array.from({ length: BLOCKS }, (_, index) => index);
    let kept: Uint8Array[] = [];
    await report({
      title: 'heap: blocks of 1 to 500 bytes',
      unit: 'block, taken and given back',
      cases: [
        {
          name: 'a stack of free numbers',
          operations: BLOCKS,
          isLimit: true,
          run: () => {
            for (let index = 0; index < BLOCKS; index++) offsets[index] = free.pop()!;
            for (let index = 0; index < BLOCKS; index++) free.push(offsets[index]!);
          },
        },
        {
          name: 'shared heap, locked',
          operations: BLOCKS,
          run: () => {
            for (let index = 0; index < BLOCKS; index++) offsets[index] = heap.allocate(sizes[index]!);
            for (let index = 0; index < BLOCKS; index++) heap.free(offsets[index]!, sizes[index]!);
          },
        },
        {
          name: 'new Uint8Array, left to the collector',
          operations: BLOCKS,
          run: () => {
            kept = Array.from(sizes, (size) => new Uint8Array(size));
          },
        },
      ],
    });
    if (kept.length !== BLOCKS) throw new Error('the arrays were not made');
  },
};
