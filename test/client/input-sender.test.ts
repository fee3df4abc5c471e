import test from 'ava';
import { InputSender } from '../../src/client/input-sender.ts';
import { InputWindow, STALL_MS_MAX } from '../../src/client/inputs.core.ts';
import type { ClientMessage } from '../../src/wire/messages.ts';
import { INPUT_WINDOW } from '../../src/wire/messages.ts';

/** Longer than any test takes: what waits for the tick is sent by what comes after it, or not at all. */
const TICK_MS = 60_000;
const timing = { rttMs: 40, intervalMs: 50 };

class Bench {
  nowMs = 0;
  isConnected = true;
  readonly sent: string[] = [];
  readonly window = new InputWindow();
  readonly sender: InputSender;

  constructor() {
    this.window.restart();
    this.sender = new InputSender(this.window, {
      now: () => this.nowMs,
      send: (message) => this.#send(message),
      record: () => undefined,
      arrivalTick: () => 0,
    });
  }

  offer(value: number, { isKept = false, tickMs = TICK_MS } = {}): boolean {
    return this.sender.offer({ value }, { tickMs, isKept });
  }

  /** Fills the window, each input in a tick of its own. */
  fill(): void {
    for (let value = 1; value <= INPUT_WINDOW; value++) this.offer(value, { tickMs: 0 });
    this.sent.length = 0;
  }

  /** A snapshot came. */
  hear(inputSequence: number, durableLag = 0): void {
    this.window.acknowledge({ inputSequence, durableLag }, this.nowMs);
    this.sender.sendOverdue(this.nowMs, timing);
  }

  #send(message: ClientMessage): boolean {
    if (message.type === 'input' && this.isConnected) {
      this.sent.push(`${message.sequence}-${message.back} ${message.input['value'] as number}`);
    }
    return this.isConnected;
  }
}

test('of what waits within a tick the latest is sent, but one that is kept goes before what follows it', (t) => {
  const bench = new Bench();
  for (const [value, isKept] of [
    [1, false],
    [2, false],
    [3, true],
    [4, false],
    [5, true],
    [6, true],
  ] as const) {
    t.true(bench.offer(value, { isKept }));
  }
  t.deepEqual(bench.sent, ['1-0 1', '2-1 3', '3-2 5']);
  bench.nowMs = TICK_MS;
  t.true(bench.offer(7));
  t.deepEqual(bench.sent.slice(3), ['4-3 6']);
  bench.sender.drop();
});

test('what waits and is kept outlives a loss of the connection, what is not does not', (t) => {
  const bench = new Bench();
  bench.offer(1);
  bench.offer(2, { isKept: true });
  bench.isConnected = false;
  bench.sender.drop();
  bench.isConnected = true;
  bench.sender.sendAgain({ isNewConnection: true });
  t.deepEqual(bench.sent, ['1-0 1', '1-0 1', '2-1 2']);
  bench.offer(3);
  bench.sender.drop();
  bench.sender.sendAgain({ isNewConnection: true });
  t.deepEqual(bench.sent.slice(3), ['1-0 1', '2-1 2']);
});

test('before the first snapshot of a resumed session nothing takes the place of one that is kept', (t) => {
  const window = new InputWindow();
  const sent: unknown[] = [];
  const sender = new InputSender(window, {
    now: () => 0,
    send: (message) => sent.push(message.type === 'input' ? message.input : message.type) > 0,
    record: () => undefined,
    arrivalTick: () => 0,
  });
  t.true(sender.offer({ value: 1 }, { tickMs: 0, isKept: true }));
  t.false(sender.offer({ value: 2 }, { tickMs: 0, isKept: false }));
  window.acknowledge({ inputSequence: 8, durableLag: 0 }, 0);
  sender.sendOverdue(0, timing);
  t.deepEqual(sent, [{ value: 1 }]);
  t.is(window.kept[0]?.sequence, 9);
});

test('while nothing acts a full window holds the latest back, refuses what is to be kept, and gives nothing up', (t) => {
  const bench = new Bench();
  bench.fill();
  bench.nowMs = STALL_MS_MAX - 1;
  t.true(bench.offer(100, { tickMs: 0 }));
  t.true(bench.offer(101, { tickMs: 0 }));
  t.false(bench.offer(102, { tickMs: 0, isKept: true }));
  t.deepEqual(bench.sent, []);
  t.is(bench.window.givenUpCount, 0);
  bench.window.takeRepeat(bench.nowMs, timing);
  bench.hear(3, 1);
  t.deepEqual(bench.sent.at(-1), `${INPUT_WINDOW + 1}-${INPUT_WINDOW - 2} 101`, 'two have made room for one');
  t.true(bench.offer(103, { tickMs: 0, isKept: true }));
  t.is(bench.sent.at(-1), `${INPUT_WINDOW + 2}-${INPUT_WINDOW - 1} 103`);
  t.is(bench.window.givenUpCount, 0);
});

test('a longer stall gives the oldest up, and back says so', (t) => {
  const bench = new Bench();
  bench.fill();
  bench.nowMs = STALL_MS_MAX;
  t.true(bench.offer(100, { tickMs: 0 }));
  t.deepEqual(bench.sent, [`${INPUT_WINDOW + 1}-${INPUT_WINDOW - 1} 100`]);
  t.is(bench.window.givenUpCount, 1);
});
