/**
 * A ring of frames from one writer thread to one reader thread.
 *
 *   byte 0       64          128                         128 + capacity
 *   ┌───────────┬───────────┬───────────────────────────┐
 *   │ head u32  │ tail u32  │ frames                    │
 *   └───────────┴───────────┴───────────────────────────┘
 *   frame: length u32 (bytes that follow, before padding) · payload · padding to 4 bytes
 *   A length of 0xFFFF_FFFF says that the rest up to the end of the ring is skipped.
 *
 * head and tail count bytes modulo 2^32 and the capacity is a power of two, so their difference is the fill.
 * head: written by the writer with Atomics.store after the frame's bytes, read by the reader: a reader that sees
 * the head sees the bytes. tail: written by the reader after it is done with the bytes, read by the writer.
 * Head and tail stand on lines of their own.
 *
 * When full: `reserve` returns -1 and the writer decides (refuse, skip a snapshot); nothing is overwritten.
 */
import { assert } from '../base/assert.ts';

const HEAD_WORD = 0;
const TAIL_WORD = 16;
const FRAMES_OFFSET_BYTES = 128;
const LENGTH_BYTES = 4;
const SKIP = 0xffff_ffff;

export class Ring {
  readonly capacityBytes: number;
  /** The frames' bytes; payload offsets index into this view. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly view: DataView<SharedArrayBuffer>;
  readonly #words: Int32Array<SharedArrayBuffer>;
  #reserved = 0;

  static sizeBytes(capacityBytes: number): number {
    return FRAMES_OFFSET_BYTES + capacityBytes;
  }

  constructor(buffer: SharedArrayBuffer, offsetBytes: number, capacityBytes: number) {
    assert((capacityBytes & (capacityBytes - 1)) === 0 && capacityBytes >= 64, 'a ring has a power of two of bytes');
    assert(offsetBytes % 64 === 0, 'a ring is aligned to a cache line');
    this.capacityBytes = capacityBytes;
    this.#words = new Int32Array(buffer, offsetBytes, FRAMES_OFFSET_BYTES / 4);
    this.bytes = new Uint8Array(buffer, offsetBytes + FRAMES_OFFSET_BYTES, capacityBytes);
    this.view = new DataView(buffer, offsetBytes + FRAMES_OFFSET_BYTES, capacityBytes);
  }

  /**
   * Writer: makes room for a payload of at most `sizeBytesMax` and returns where it starts in `bytes`, or -1 when
   * the ring is full. Follow with `commit`, or simply do not commit.
   */
  reserve(sizeBytesMax: number): number {
    const frameBytes = LENGTH_BYTES + padded(sizeBytesMax);
    const head = Atomics.load(this.#words, HEAD_WORD) >>> 0;
    const tail = Atomics.load(this.#words, TAIL_WORD) >>> 0;
    const free = this.capacityBytes - ((head - tail) >>> 0);
    const at = head & (this.capacityBytes - 1);
    const untilEnd = this.capacityBytes - at;
    if (frameBytes <= untilEnd) {
      if (frameBytes > free) return -1;
      this.#reserved = at + LENGTH_BYTES;
      return this.#reserved;
    }
    if (untilEnd + frameBytes > free) {
      // A frame longer than either part of an empty ring would never fit: move on to the start for the next attempt.
      if (free === this.capacityBytes && frameBytes <= free) this.#skipToStart(at, head + untilEnd);
      return -1;
    }
    this.#skipToStart(at, head + untilEnd);
    this.#reserved = LENGTH_BYTES;
    return this.#reserved;
  }

  #skipToStart(at: number, head: number): void {
    this.view.setUint32(at, SKIP, true);
    Atomics.store(this.#words, HEAD_WORD, head | 0);
  }

  /** Writer: publishes the reserved frame with its true size. */
  commit(sizeBytes: number): void {
    const at = this.#reserved - LENGTH_BYTES;
    this.view.setUint32(at, sizeBytes, true);
    const head = Atomics.load(this.#words, HEAD_WORD);
    Atomics.store(this.#words, HEAD_WORD, (head + LENGTH_BYTES + padded(sizeBytes)) | 0);
  }

  /**
   * Reader: calls `visit(offsetBytes, sizeBytes)` for each frame present at the time of the call, and frees them.
   * Returns how many. `visit` must be done with the bytes when it returns.
   */
  drain(visit: (offsetBytes: number, sizeBytes: number) => void, framesMax = Number.MAX_SAFE_INTEGER): number {
    let tail = Atomics.load(this.#words, TAIL_WORD) >>> 0;
    const head = Atomics.load(this.#words, HEAD_WORD) >>> 0;
    let frames = 0;
    while (tail !== head && frames < framesMax) {
      const at = tail & (this.capacityBytes - 1);
      const sizeBytes = this.view.getUint32(at, true);
      if (sizeBytes === SKIP) {
        tail = (tail + this.capacityBytes - at) >>> 0;
      } else {
        assert(at + LENGTH_BYTES + sizeBytes <= this.capacityBytes, 'a frame lies inside its ring');
        visit(at + LENGTH_BYTES, sizeBytes);
        tail = (tail + LENGTH_BYTES + padded(sizeBytes)) >>> 0;
        frames++;
      }
      Atomics.store(this.#words, TAIL_WORD, tail | 0);
    }
    return frames;
  }

  /** Bytes in use, as either side sees it now. */
  get fillBytes(): number {
    return (Atomics.load(this.#words, HEAD_WORD) - Atomics.load(this.#words, TAIL_WORD)) >>> 0;
  }
}

function padded(sizeBytes: number): number {
  return (sizeBytes + 3) & ~3;
}
