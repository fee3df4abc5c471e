import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { Random } from '../../src/base/random.ts';
import { pause } from '../../src/memory/pause.ts';
import { Ring } from '../../src/memory/ring.ts';

const make = (capacityBytes: number): Ring =>
  new Ring(new SharedArrayBuffer(Ring.sizeBytes(capacityBytes)), 0, capacityBytes);

function write(ring: Ring, payload: Uint8Array, reserveBytes = payload.length): boolean {
  const at = ring.reserve(reserveBytes);
  if (at < 0) return false;
  ring.bytes.set(payload, at);
  ring.commit(payload.length);
  return true;
}

function readAll(ring: Ring, framesMax?: number): number[][] {
  const frames: number[][] = [];
  ring.drain((at, sizeBytes) => frames.push([...ring.bytes.subarray(at, at + sizeBytes)]), framesMax);
  return frames;
}

test('frames come out as they went in, the reserve may be larger than the frame', (t) => {
  const ring = make(64);
  t.true(write(ring, Uint8Array.of(1, 2, 3)));
  t.true(write(ring, new Uint8Array()));
  t.true(write(ring, Uint8Array.of(9), 20));
  t.deepEqual(readAll(ring), [[1, 2, 3], [], [9]]);
  t.deepEqual(readAll(ring), []);
  t.is(ring.fillBytes, 0);
});

test('a full ring refuses and overwrites nothing', (t) => {
  const ring = make(64);
  t.true(write(ring, new Uint8Array(28).fill(1)));
  t.true(write(ring, new Uint8Array(28).fill(2)));
  t.is(ring.fillBytes, 64);
  t.false(write(ring, new Uint8Array()));
  t.deepEqual(
    readAll(ring, 1).map((frame) => frame[0]),
    [1],
  );
  t.true(write(ring, new Uint8Array(28).fill(3)));
  t.deepEqual(
    readAll(ring).map((frame) => frame[0]),
    [2, 3],
  );
});

test('a frame that does not fit before the end starts anew', (t) => {
  const ring = make(64);
  t.true(write(ring, new Uint8Array(36).fill(1)));
  readAll(ring);
  t.true(write(ring, new Uint8Array(30).fill(2)));
  t.deepEqual(readAll(ring), [Array.from({ length: 30 }, () => 2)]);
});

test('a frame longer than half the ring fits in the end, wherever the ring stands', (t) => {
  const ring = make(64);
  t.true(write(ring, new Uint8Array(28)));
  readAll(ring);
  let attempts = 0;
  while (!write(ring, new Uint8Array(60).fill(7))) {
    readAll(ring);
    t.true(++attempts < 3);
  }
  t.deepEqual(readAll(ring), [Array.from({ length: 60 }, () => 7)]);
  t.is(ring.reserve(61), -1);
});

test('what is not committed was never there', (t) => {
  const ring = make(64);
  ring.reserve(20);
  t.deepEqual(readAll(ring), []);
  t.true(write(ring, Uint8Array.of(5)));
  t.deepEqual(readAll(ring), [[5]]);
});

test('positions wrap at 2^32', (t) => {
  const buffer = new SharedArrayBuffer(Ring.sizeBytes(64));
  const words = new Int32Array(buffer);
  words[0] = -32;
  words[16] = -32;
  const ring = new Ring(buffer, 0, 64);
  for (let round = 0; round < 20; round++) {
    t.true(write(ring, Uint8Array.of(round, 1, 2, 3, 4, 5)));
    t.true(write(ring, Uint8Array.of(round)));
    t.deepEqual(readAll(ring), [[round, 1, 2, 3, 4, 5], [round]]);
  }
});

test('random writes and reads agree with a queue', (t) => {
  const ring = make(256);
  const random = new Random(6);
  const queue: number[][] = [];
  let refused = 0;
  for (let step = 0; step < 50_000; step++) {
    if (random.below(5) < 3) {
      const payload = Uint8Array.from({ length: random.below(80) }, () => random.below(256));
      if (write(ring, payload, payload.length + random.below(9))) queue.push([...payload]);
      else refused++;
    } else {
      const framesMax = random.below(4);
      const frames = readAll(ring, framesMax);
      t.deepEqual(frames, queue.splice(0, frames.length));
      if (frames.length < framesMax) t.is(queue.length, 0);
    }
  }
  t.true(refused > 1000);
});

test('two threads: 200,000 frames in order and whole', async (t) => {
  const capacityBytes = 1024;
  const frames = 200_000;
  const buffer = new SharedArrayBuffer(Ring.sizeBytes(capacityBytes));
  const ring = new Ring(buffer, 0, capacityBytes);
  const worker = new Worker(new URL('ring.worker.ts', import.meta.url), {
    workerData: { buffer, capacityBytes, frames },
  });
  const finished = once(worker, 'message');
  const random = new Random(2);
  const deadlineMs = performance.now() + 60_000;
  for (let frame = 0; frame < frames && performance.now() < deadlineMs;) {
    const sizeBytes = 4 + random.below(90);
    const at = ring.reserve(sizeBytes);
    if (at < 0) {
      pause(0.05);
      continue;
    }
    ring.view.setUint32(at, frame, true);
    for (let index = 4; index < sizeBytes; index++) ring.bytes[at + index] = (frame + index) & 0xff;
    ring.commit(sizeBytes);
    frame++;
  }
  const [result] = (await finished) as [{ read: number; wrong: number }];
  t.deepEqual(result, { read: frames, wrong: 0 });
});

test('a ring has a power of two of bytes on a line of its own', (t) => {
  t.throws(() => make(96), { message: /power of two/ });
  t.throws(() => new Ring(new SharedArrayBuffer(4096), 4, 64), { message: /aligned/ });
});
