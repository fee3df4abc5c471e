/**
 * FAULTS 1–9, 13, 14: one handover from A to B, with a crash of A, of B or of both before every single thing that they do,
 * and with what then happens to what they had: restarted, file taken, stream taken from a lost machine.
 */
import test from 'ava';
import type { Outcome } from './run-schedule.ts';
import { Scenario } from './scenario.ts';
import type { Settings } from './settings.ts';

type Way = 'restart' | 'restart without the unsynced' | 'file taken' | 'stream taken';
const WAYS: readonly Way[] = ['restart', 'restart without the unsynced', 'file taken', 'stream taken'];
const TAKEOVER: Readonly<Record<Way, Settings['takeover']>> = {
  restart: 'none',
  'restart without the unsynced': 'none',
  'file taken': 'file',
  'stream taken': 'stream',
};

/** One case. Zero is no crash. */
interface Point {
  readonly way: Way;
  readonly source: number;
  readonly target: number;
}

function begin(way: Way): Scenario {
  // With a machine lost, the buddy must not be the other one of the two.
  const scenario = new Scenario({ nodes: 3, takeover: TAKEOVER[way], settleMs: 8000, seed: 7 });
  if (way === 'stream taken') scenario.run(1500);
  return scenario;
}

function play({ way, source, target }: Point): { outcome: Outcome; sourceEffects: number; targetEffects: number } {
  const scenario = begin(way);
  const first = scenario.process('A');
  const second = scenario.process(way === 'stream taken' ? 'C' : 'B');
  for (const [process, countdown] of [
    [first, source],
    [second, target],
  ] as const) {
    process.effectCount = 0;
    process.crashCountdown = countdown;
    process.crashNow = () => {
      if (way === 'stream taken' && (source === 0 || target === 0)) process.machine.lose();
      else process.machine.crash('at a point', { keptShare: way === 'restart' ? 1 : 0, isSilent: false });
    };
  }
  const id = scenario.entity('A');
  scenario.move(id, way === 'stream taken' ? 'C' : 'B');
  scenario.run(400);
  const sourceEffects = first.effectCount;
  const targetEffects = second.effectCount;
  return { outcome: scenario.finish(), sourceEffects, targetEffects };
}

for (const way of WAYS) {
  test(`a crash at every point of one handover, ${way}`, (t) => {
    const calm = play({ way, source: 0, target: 0 });
    t.is(calm.outcome.failure, undefined);
    t.true(calm.sourceEffects >= 4 && calm.targetEffects >= 4);
    const points: Point[] = [];
    for (let source = 0; source <= Math.min(calm.sourceEffects, 18); source++) {
      for (let target = 0; target <= Math.min(calm.targetEffects, 18); target++) points.push({ way, source, target });
    }
    for (const point of points) {
      const { failure } = play(point).outcome;
      if (failure !== undefined) {
        t.fail(`${JSON.stringify(point)}: ${failure.message}`);
        return;
      }
    }
    t.log(`${points.length} cases`);
  });
}
