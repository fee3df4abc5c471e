import test from 'ava';
import * as fc from 'fast-check';
import { InputWindow } from '../../src/client/inputs.core.ts';
import { INPUT_WINDOW } from '../../src/wire/messages.ts';

const at = { tick: 0, nowMs: 0 };
const timing = { rttMs: 40, intervalMs: 50 };

function windowOf(count: number): InputWindow {
  const inputs = new InputWindow();
  inputs.restart();
  for (let index = 0; index < count; index++) inputs.add({}, at);
  return inputs;
}

function sequences(inputs: InputWindow): number[] {
  return inputs.kept.map(({ sequence }) => sequence);
}

test('numbered without gaps, kept until durable, and applied before that', (t) => {
  const inputs = windowOf(5);
  t.deepEqual(sequences(inputs), [1, 2, 3, 4, 5]);
  t.is(inputs.backOf(inputs.kept[4]!), 4);
  inputs.acknowledge({ inputSequence: 4, durableLag: 2 }, 10);
  t.deepEqual(sequences(inputs), [3, 4, 5]);
  t.deepEqual([inputs.unappliedCount, inputs.unappliedIndex], [1, 2]);
  t.is(inputs.backOf(inputs.kept[2]!), 2);
  inputs.acknowledge({ inputSequence: 5, durableLag: 255 }, 20);
  t.deepEqual(sequences(inputs), [3, 4, 5], 'nothing is known to be durable');
  inputs.acknowledge({ inputSequence: 5, durableLag: 0 }, 30);
  t.deepEqual(sequences(inputs), []);
  t.is(inputs.add({}, at).sequence, 6);
});

test('what a crash takes back is not applied again', (t) => {
  const inputs = windowOf(4);
  inputs.acknowledge({ inputSequence: 4, durableLag: 3 }, 10);
  t.is(inputs.unappliedCount, 0);
  inputs.acknowledge({ inputSequence: 1, durableLag: 0 }, 20);
  t.is(inputs.unappliedCount, 3);
  t.deepEqual(sequences(inputs), [2, 3, 4]);
  t.is(inputs.add({}, at).sequence, 5);
});

test('beyond the window the oldest is given up, and back says so', (t) => {
  const inputs = windowOf(INPUT_WINDOW + 10);
  t.is(inputs.kept.length, INPUT_WINDOW);
  t.is(inputs.givenUpCount, 10);
  t.is(inputs.backOf(inputs.kept.at(-1)!), INPUT_WINDOW - 1);
});

test('without progress it is time to send again, each time for twice as long', (t) => {
  const inputs = windowOf(2);
  const times: number[] = [];
  for (let nowMs = 0; nowMs < 60_000; nowMs += 10) if (inputs.takeRepeat(nowMs, timing)) times.push(nowMs);
  t.deepEqual(times, [500, 1500, 3500, 7500, 15_500, 31_500, 47_500]);
  inputs.acknowledge({ inputSequence: 1, durableLag: 0 }, 60_000);
  t.false(inputs.takeRepeat(60_490, timing));
  t.true(inputs.takeRepeat(60_500, timing));
  inputs.acknowledge({ inputSequence: 2, durableLag: 0 }, 61_000);
  t.false(inputs.takeRepeat(99_000, timing));
  // A pause without inputs is no time without progress.
  inputs.add({}, { tick: 0, nowMs: 100_000 });
  t.false(inputs.takeRepeat(100_400, timing));
  t.true(inputs.takeRepeat(100_000 + 2 * 700 + 2 * 50, { rttMs: 700, intervalMs: 50 }));
});

test('another client began: the first snapshot says where it was; a new session begins at 1', (t) => {
  const inputs = new InputWindow();
  t.false(inputs.isNumbered);
  inputs.acknowledge({ inputSequence: 41, durableLag: 3 }, 0);
  t.true(inputs.isNumbered);
  t.is(inputs.add({}, at).sequence, 42);
  inputs.restart();
  t.deepEqual(sequences(inputs), []);
  t.is(inputs.add({}, at).sequence, 1);
});

test('whatever the snapshots say: no gaps, at most a window, and only what is durable or given up is forgotten', (t) => {
  const action = fc.option(fc.record({ inputSequence: fc.nat(300), durableLag: fc.nat(255) }), { nil: undefined });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 300 }), (actions) => {
      const inputs = windowOf(0);
      let durable = 0;
      for (const acknowledgement of actions) {
        if (acknowledgement === undefined) inputs.add({}, at);
        else {
          const inputSequence = Math.min(acknowledgement.inputSequence, inputs.nextSequence - 1);
          inputs.acknowledge({ ...acknowledgement, inputSequence }, 0);
          durable = Math.max(durable, inputSequence - acknowledgement.durableLag);
        }
        const last = inputs.nextSequence - 1;
        const first = Math.max(durable + 1, last - INPUT_WINDOW + 1);
        t.is(inputs.kept.length, Math.max(0, last - first + 1));
        inputs.kept.forEach(({ sequence }, index) => t.is(sequence, first + index));
      }
    }),
  );
});
