import test from 'ava';
import { INITIAL_SHEDDING, SHED_LEVEL_MAX, step } from '../../src/workers/shedding.core.ts';

const seconds = 0.05;
const run = (state: typeof INITIAL_SHEDDING, load: number, ticks: number) => {
  let next = state;
  for (let tick = 0; tick < ticks; tick++) next = step(next, { load, gatewayLoad: 0, seconds });
  return next;
};

test('sustained overload raises the level one by one to the last, and recovery lowers it one by one', (t) => {
  let state = INITIAL_SHEDDING;
  const levels = new Set<number>();
  for (let tick = 0; tick < 400; tick++)
    levels.add((state = step(state, { load: 1.5, gatewayLoad: 0, seconds })).level);
  t.deepEqual([...levels], [0, 1, 2, 3, 4]);
  t.is(state.level, SHED_LEVEL_MAX);
  state = run(state, 0.2, 400);
  t.is(state.level, 0);
});

test('one pause of the machine sheds nothing, and a load between the marks changes nothing', (t) => {
  const paused = run(step(INITIAL_SHEDDING, { load: 60, gatewayLoad: 0, seconds }), 0.3, 40);
  t.is(paused.level, 0);
  const busy = run({ ...INITIAL_SHEDDING, level: 2 }, 0.75, 1000);
  t.is(busy.level, 2);
});

test('a gateway with too much to do is given less, and turns nobody away', (t) => {
  const steps = (state: typeof INITIAL_SHEDDING, gatewayLoad: number, count: number) => {
    let next = state;
    for (let tick = 0; tick < count; tick++) next = step(next, { load: 0.2, gatewayLoad, seconds });
    return next;
  };
  const full = steps(INITIAL_SHEDDING, 1, 1000);
  t.is(full.level, 2);
  t.is(steps(full, 0.7, 1000).level, 2, 'with twice the snapshots it would be full again');
  t.is(steps(full, 0.55, 1000).level, 0);
  t.is(steps(run(INITIAL_SHEDDING, 1.5, 400), 1, 1000).level, 2, 'what ticks needed goes on its own');
});
