/** Random, mutated and cut frames: a WireError or a message, and nothing else. */
import test from 'ava';
import * as fc from 'fast-check';
import { WireError } from '../../src/base/errors.ts';
import { Random } from '../../src/base/random.ts';
import {
  decodeClientMessage,
  decodeServerMessage,
  encodeClientMessage,
  encodeServerMessage,
} from '../../src/wire/client.wire.ts';
import { fromJson, toJson } from '../../src/wire/json.wire.ts';
import { encodeSnapshot } from '../../src/wire/snapshot.wire.ts';
import { clientMessages, plainServerMessages, schema, snapshots } from './fixture.ts';

const SEED = 20_260_101;
const FRAMES = 150_000;

/** Changes up to four bytes, and sometimes the length. */
function mutate(frame: Uint8Array, random: Random): Uint8Array {
  const copy = Uint8Array.from(frame);
  for (let count = random.below(5); count > 0 && copy.length > 0; count--)
    copy[random.below(copy.length)] = random.below(256);
  const choice = random.below(4);
  if (choice === 0) return copy.subarray(0, random.below(copy.length + 1));
  if (choice === 1) return Uint8Array.of(...copy, ...Array.from({ length: random.below(8) }, () => random.below(256)));
  return copy;
}

function noise(random: Random): Uint8Array {
  return Uint8Array.from({ length: random.below(64) }, () => random.below(256));
}

/** Runs a decoder over many frames and counts how many it took. Anything but a WireError ends the test. */
function takenOf(frames: readonly Uint8Array[], decode: (frame: Uint8Array) => unknown): number {
  const random = new Random(SEED);
  let taken = 0;
  for (let count = 0; count < FRAMES; count++) {
    const frame = random.below(8) === 0 ? noise(random) : mutate(frames[random.below(frames.length)]!, random);
    try {
      decode(frame);
      taken += 1;
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
    }
  }
  return taken;
}

test('client frames', (t) => {
  const frames = fc
    .sample(clientMessages, { seed: SEED, numRuns: 300 })
    .map((message) => encodeClientMessage(message, schema));
  const taken = takenOf(frames, (frame) => decodeClientMessage(frame, schema));
  t.true(taken > 0 && taken < FRAMES);
});

test('server frames', (t) => {
  const plain = fc
    .sample(plainServerMessages, { seed: SEED, numRuns: 100 })
    .map((message) => encodeServerMessage(message));
  const frames = fc.sample(snapshots, { seed: SEED, numRuns: 300 }).map((snapshot) => encodeSnapshot(snapshot, schema));
  const taken = takenOf([...plain, ...frames], (frame) => decodeServerMessage(frame, schema));
  t.true(taken > 0 && taken < FRAMES);
});

test('JSON texts', (t) => {
  const messages = fc.sample(fc.oneof(clientMessages, plainServerMessages, snapshots), { seed: SEED, numRuns: 200 });
  const frames = messages.map((message) => new TextEncoder().encode(toJson(message)));
  const decoder = new TextDecoder();
  const taken = takenOf(frames, (frame) => fromJson(decoder.decode(frame), schema));
  t.true(taken > 0 && taken < FRAMES);
});
