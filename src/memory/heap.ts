/**
 * A bounded heap for variable-size fields, shared by all workers: blocks of 32 · 2^class bytes.
 *
 *   word 0        lock        taken by compare-and-swap; holders only touch a few words, and never wait for anything
 *   word 1        end         bytes carved so far; behind it nothing was ever used
 *   word 2        used        bytes in blocks that are handed out
 *   word 16 + c   free[c]     offset of the first free block of class c, 0 for none; a free block's first word is the next
 *   byte 256      blocks      offset 0 is never a block: the first 32 bytes are left out
 *
 * Where a block lies depends on timing, so a block's offset is not part of the world's state; its bytes are.
 *
 * When full: a CapacityError that names `heapBytes`. A block of a larger class is split before that, so the memory of freed
 * large blocks serves small ones; the opposite does not happen, so the setting should leave slack.
 */
import { CapacityError } from '../base/errors.ts';
import { assert } from '../base/assert.ts';

const LOCK = 0;
const END = 1;
const USED = 2;
const FREE = 16;
const HEADER_BYTES = 256;
const BLOCK_BYTES_MIN = 32;
const CLASSES = 20;

export class Heap {
  readonly capacityBytes: number;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #blocks: Uint32Array<SharedArrayBuffer>;

  static sizeBytes(heapBytes: number): number {
    return HEADER_BYTES + heapBytes;
  }

  constructor(buffer: SharedArrayBuffer, offsetBytes: number, heapBytes: number) {
    assert(heapBytes % BLOCK_BYTES_MIN === 0, 'the heap is a whole number of blocks');
    this.capacityBytes = heapBytes;
    this.#words = new Int32Array(buffer, offsetBytes, HEADER_BYTES / 4);
    this.bytes = new Uint8Array(buffer, offsetBytes + HEADER_BYTES, heapBytes);
    this.#blocks = new Uint32Array(buffer, offsetBytes + HEADER_BYTES, heapBytes / 4);
  }

  get usedBytes(): number {
    return Atomics.load(this.#words, USED);
  }

  /** A block of at least `sizeBytes`: its offset in `bytes`. @throws CapacityError */
  allocate(sizeBytes: number): number {
    const wanted = classOf(sizeBytes);
    this.#lock();
    try {
      const offset = this.#take(wanted);
      if (offset === 0) {
        throw new CapacityError('ERR_CAPACITY_HEAP', {
          setting: 'heapBytes',
          message: `no block of ${blockBytes(wanted)} bytes left in a heap of ${this.capacityBytes}`,
        });
      }
      this.#words[USED]! += blockBytes(wanted);
      return offset;
    } finally {
      this.#unlock();
    }
  }

  free(offset: number, sizeBytes: number): void {
    const freed = classOf(sizeBytes);
    assert(
      offset >= BLOCK_BYTES_MIN && offset + blockBytes(freed) <= this.capacityBytes,
      'a freed block lies in the heap',
    );
    this.#lock();
    this.#put(offset, freed);
    this.#words[USED]! -= blockBytes(freed);
    this.#unlock();
  }

  /** A block of `wantedBytes` in place of the given one (size 0: none yet). On CapacityError the old one is kept. */
  reallocate({ offset, sizeBytes, wantedBytes }: { offset: number; sizeBytes: number; wantedBytes: number }): number {
    if (sizeBytes > 0 && classOf(sizeBytes) === classOf(wantedBytes)) return offset;
    const target = this.allocate(wantedBytes);
    if (sizeBytes > 0) this.free(offset, sizeBytes);
    return target;
  }

  #take(wanted: number): number {
    const free = this.#words[FREE + wanted]!;
    if (free !== 0) {
      this.#words[FREE + wanted] = this.#blocks[free / 4]!;
      return free;
    }
    const end = Math.max(this.#words[END]!, BLOCK_BYTES_MIN);
    if (end + blockBytes(wanted) <= this.capacityBytes) {
      this.#words[END] = end + blockBytes(wanted);
      return end;
    }
    return this.#split(wanted);
  }

  /** Takes the smallest larger free block and gives its upper halves back. */
  #split(wanted: number): number {
    let larger = wanted + 1;
    while (larger < CLASSES && this.#words[FREE + larger] === 0) larger++;
    if (larger >= CLASSES) return 0;
    const offset = this.#words[FREE + larger]!;
    this.#words[FREE + larger] = this.#blocks[offset / 4]!;
    for (let half = larger - 1; half >= wanted; half--) this.#put(offset + blockBytes(half), half);
    return offset;
  }

  #put(offset: number, freed: number): void {
    this.#blocks[offset / 4] = this.#words[FREE + freed]!;
    this.#words[FREE + freed] = offset;
  }

  #lock(): void {
    while (Atomics.compareExchange(this.#words, LOCK, 0, 1) !== 0) Atomics.wait(this.#words, LOCK, 1);
  }

  #unlock(): void {
    Atomics.store(this.#words, LOCK, 0);
    Atomics.notify(this.#words, LOCK, 1);
  }
}

function blockBytes(sizeClass: number): number {
  return BLOCK_BYTES_MIN * 2 ** sizeClass;
}

function classOf(sizeBytes: number): number {
  let sizeClass = 0;
  while (blockBytes(sizeClass) < sizeBytes) sizeClass++;
  assert(sizeClass < CLASSES, 'a block is at most 16 MiB');
  return sizeClass;
}
