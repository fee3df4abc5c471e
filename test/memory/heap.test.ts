import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { CapacityError } from '../../src/base/errors.ts';
import { Random } from '../../src/base/random.ts';
import { Heap } from '../../src/memory/heap.ts';

const make = (heapBytes: number): Heap => new Heap(new SharedArrayBuffer(Heap.sizeBytes(heapBytes)), 0, heapBytes);

test('random blocks never overlap, and keep what was written', (t) => {
  const heap = make(65_536);
  const random = new Random(9);
  const blocks = new Map<number, { sizeBytes: number; mark: number }>();
  let refused = 0;
  for (let step = 0; step < 20_000; step++) {
    if (blocks.size > 0 && random.below(9) < 4) {
      const offset = [...blocks.keys()][random.below(blocks.size)]!;
      const { sizeBytes, mark } = blocks.get(offset)!;
      t.true(heap.bytes.subarray(offset, offset + sizeBytes).every((byte) => byte === mark));
      heap.free(offset, sizeBytes);
      blocks.delete(offset);
      continue;
    }
    const sizeBytes = 1 + random.below(random.below(20) === 0 ? 9000 : 200);
    try {
      const offset = heap.allocate(sizeBytes);
      t.false(blocks.has(offset));
      t.true(offset >= 32 && offset + sizeBytes <= heap.capacityBytes);
      blocks.set(offset, { sizeBytes, mark: step & 0xff });
      heap.bytes.fill(step & 0xff, offset, offset + sizeBytes);
    } catch (error) {
      t.true(error instanceof CapacityError);
      refused++;
    }
  }
  t.true(refused > 100, 'the heap was full at times');
  for (const [offset, { sizeBytes }] of blocks) heap.free(offset, sizeBytes);
  t.is(heap.usedBytes, 0);
});

test('a full heap says which setting to raise, and serves again when something is freed', (t) => {
  const heap = make(1024);
  const offset = heap.allocate(500);
  const error = t.throws(() => heap.allocate(500), { instanceOf: CapacityError });
  t.is(error?.code, 'ERR_CAPACITY_HEAP');
  t.is(error?.setting, 'heapBytes');
  t.is(heap.usedBytes, 512);
  heap.free(offset, 500);
  t.notThrows(() => heap.allocate(500));
});

test('a freed large block serves small ones', (t) => {
  const heap = make(1056);
  heap.free(heap.allocate(1024), 1024);
  const offsets = new Set(Array.from({ length: 32 }, () => heap.allocate(32)));
  t.is(offsets.size, 32);
  t.throws(() => heap.allocate(1), { instanceOf: CapacityError });
});

test('reallocating keeps the block within its class, and the old one when there is no room', (t) => {
  const heap = make(1024);
  const offset = heap.allocate(40);
  t.is(heap.reallocate({ offset, sizeBytes: 40, wantedBytes: 64 }), offset);
  const larger = heap.reallocate({ offset, sizeBytes: 64, wantedBytes: 65 });
  t.not(larger, offset);
  t.is(heap.usedBytes, 128);
  t.throws(() => heap.reallocate({ offset: larger, sizeBytes: 65, wantedBytes: 2000 }), { instanceOf: CapacityError });
  t.is(heap.usedBytes, 128);
});

test('a block outside the heap is refused', (t) => {
  const heap = make(1024);
  t.throws(() => heap.free(0, 10), { message: /lies in the heap/ });
  t.throws(() => heap.free(1000, 100), { message: /lies in the heap/ });
  t.throws(() => make(1000), { message: /whole number of blocks/ });
});

test('three threads share a heap', async (t) => {
  const heapBytes = 65_536;
  const buffer = new SharedArrayBuffer(Heap.sizeBytes(heapBytes));
  const results = await Promise.all(
    [1, 2, 3].map(async (mark) => {
      const workerData = { buffer, heapBytes, rounds: 60_000, mark };
      const worker = new Worker(new URL('heap.worker.ts', import.meta.url), { workerData });
      const [result] = (await once(worker, 'message')) as [{ refused: number; damaged: number }];
      return result;
    }),
  );
  t.is(
    results.reduce((sum, { damaged }) => sum + damaged, 0),
    0,
  );
  t.is(new Heap(buffer, 0, heapBytes).usedBytes, 0);
});
