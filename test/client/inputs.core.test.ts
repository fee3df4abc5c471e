import test from 'ava';
import * as fc from 'fast-check';
import { InputWindow, STALL_MS_MAX } from '../../src/client/inputs.core.ts';
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

test('without progress it is time to send again what is not applied, each time for twice as long', (t) => {
  const inputs = windowOf(3);
  inputs.acknowledge({ inputSequence: 1, durableLag: 1 }, 0);
  const times: number[] = [];
  for (let nowMs = 0; nowMs < 20_000; nowMs += 10) {
    const count = inputs.takeRepeat(nowMs, timing);
    t.true(count === 0 || count === 2, `${count}`);
    if (count > 0) times.push(nowMs);
  }
  t.deepEqual(times, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500]);
  inputs.acknowledge({ inputSequence: 2, durableLag: 0 }, 20_000);
  t.is(inputs.takeRepeat(20_000, timing), 0);
  t.is(inputs.takeRepeat(20_490, timing), 0);
  t.is(inputs.takeRepeat(20_500, timing), 1, 'after progress the shortest time counts again');
  inputs.acknowledge({ inputSequence: 3, durableLag: 0 }, 21_000);
  t.is(inputs.takeRepeat(21_000, timing), 0);
  t.is(inputs.takeRepeat(99_000, timing), 0);
  // A pause without inputs is no time without progress.
  inputs.add({}, { tick: 0, nowMs: 99_100 });
  const slow = { rttMs: 700, intervalMs: 50 };
  t.is(inputs.takeRepeat(99_600, slow), 0, 'slow ways take time');
  t.is(inputs.takeRepeat(99_100 + 2 * 700 + 2 * 50, slow), 1);
});

/** With four times in vain behind it: the next would be due at 11 500 ms. */
function stalledWindow(): InputWindow {
  const inputs = windowOf(4);
  inputs.acknowledge({ inputSequence: 3, durableLag: 3 }, 0);
  for (let nowMs = 0; nowMs <= 8000; nowMs += 100) inputs.takeRepeat(nowMs, timing);
  return inputs;
}

test('an owner that goes back is sent the rest at once, and again after the shortest time', (t) => {
  const inputs = stalledWindow();
  inputs.acknowledge({ inputSequence: 1, durableLag: 1 }, 8100);
  t.is(inputs.takeRepeat(8100, timing), 3);
  inputs.acknowledge({ inputSequence: 1, durableLag: 1 }, 8200);
  t.is(inputs.takeRepeat(8200, timing), 0, 'it is on its way');
  t.is(inputs.takeRepeat(8590, timing), 0);
  t.is(inputs.takeRepeat(8600, timing), 3);
});

test('so is one whose first snapshot comes after a silence, also when it shows some progress', (t) => {
  for (const inputSequence of [3, 2]) {
    const inputs = stalledWindow();
    t.is(inputs.add({}, { tick: 0, nowMs: 8050 }).sequence, 5);
    inputs.acknowledge({ inputSequence, durableLag: inputSequence }, 8800);
    t.is(inputs.takeRepeat(8800, timing), 5 - inputSequence);
    t.is(inputs.takeRepeat(9290, timing), 0);
    t.is(inputs.takeRepeat(9300, timing), 5 - inputSequence);
  }
});

test('a new owner that was told is sent everything, nothing twice, and is asked after the shortest time', (t) => {
  const inputs = stalledWindow();
  t.is(inputs.takeAll(8100), 4);
  inputs.acknowledge({ inputSequence: 0, durableLag: 0 }, 8120);
  t.is(inputs.takeRepeat(8120, timing), 0, 'its first snapshot was made before they arrived');
  for (let nowMs = 8200; nowMs < 8600; nowMs += 100) t.is(inputs.takeRepeat(nowMs, timing), 0);
  t.is(inputs.takeRepeat(8620, timing), 4);
});

test('whatever goes wrong, what is sent again stays below what a gateway takes', (t) => {
  const inputs = windowOf(INPUT_WINDOW);
  let count = 0;
  for (let nowMs = 0; nowMs < 10_000; nowMs += 50) {
    inputs.acknowledge({ inputSequence: (nowMs / 50) % 2, durableLag: 1 }, nowMs);
    count += inputs.takeRepeat(nowMs, timing) + (nowMs % 500 === 0 ? inputs.takeAll(nowMs) : 0);
  }
  t.true(count >= 2 * INPUT_WINDOW && count <= 2 * INPUT_WINDOW + 200, `${count} in 10 s`);
  t.true(inputs.takeAll(10_000) < INPUT_WINDOW);
  inputs.allowRepeats();
  t.is(inputs.takeAll(10_000), INPUT_WINDOW);
});

test('a full window takes nothing new until it has stood still for long; a change of owner begins that anew', (t) => {
  const inputs = windowOf(0);
  for (let index = 0; index < INPUT_WINDOW; index++) {
    t.false(inputs.isFull(index));
    inputs.add({}, { tick: 0, nowMs: index });
  }
  t.true(inputs.isFull(STALL_MS_MAX - 1));
  t.false(inputs.isFull(STALL_MS_MAX), 'the oldest may be given up');
  inputs.takeAll(6000);
  t.true(inputs.isFull(6000 + STALL_MS_MAX - 1));
  inputs.acknowledge({ inputSequence: 2, durableLag: 0 }, 7000);
  t.false(inputs.isFull(7000));
  for (let index = 0; index < 2; index++) inputs.add({}, { tick: 0, nowMs: 7001 });
  t.true(inputs.isFull(7000 + STALL_MS_MAX - 1));
  t.is(inputs.givenUpCount, 0);
  t.deepEqual(
    sequences(inputs),
    Array.from({ length: INPUT_WINDOW }, (_, index) => index + 3),
  );
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
