import test from 'ava';
import { UtcClock } from '../../../src/main/telemetry/utc-clock.ts';

/** A machine whose UTC is `offsetMs` ahead of its monotonic clock; each reading takes `stepMs`, and some take longer. */
function machine({ offsetMs, stalls = [] }: { offsetMs: number; stalls?: readonly number[] }) {
  let nowMs = 1000.123;
  let readings = 0;
  const read = (): number => {
    nowMs += stalls.includes(readings++) ? 3.7 : 0.001;
    return nowMs;
  };
  return {
    clock: new UtcClock({ utcMs: () => Math.floor(read() + offsetMs), nowMs: read }),
    pass: (ms: number) => {
      nowMs += ms;
    },
    setOffset: (ms: number) => {
      offsetMs = ms;
    },
  };
}

test('the offset is known to microseconds, though UTC counts milliseconds', (t) => {
  for (const offsetMs of [0.4, 1_700_000_000_000.25, -12.9]) {
    const { clock } = machine({ offsetMs });
    t.true(Math.abs(clock.offsetMs() - offsetMs) < 0.01, String(offsetMs));
  }
});

test('a process that is not scheduled while it looks, looks again', (t) => {
  const offsetMs = 1_700_000_000_000.5;
  for (let stall = 0; stall < 400; stall += 7) {
    const { clock } = machine({ offsetMs, stalls: [stall, stall + 40] });
    t.true(Math.abs(clock.offsetMs() - offsetMs) < 0.06, `stalled at reading ${stall}`);
  }
});

test('it is looked at again after half a minute', (t) => {
  const { clock, pass, setOffset } = machine({ offsetMs: 5.5 });
  clock.offsetMs();
  setOffset(105.5);
  t.true(clock.offsetMs() < 6);
  pass(30_001);
  t.true(Math.abs(clock.offsetMs() - 105.5) < 0.01);
});
