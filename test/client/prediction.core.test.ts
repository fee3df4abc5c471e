import test from 'ava';
import { INPUTS_KEPT_MAX, Prediction, PREDICTED_TICKS_MAX } from '../../src/client/prediction.core.ts';
import type { ApplyInput, Authoritative, PredictionWorld } from '../../src/client/prediction.core.ts';

const world: PredictionWorld = { tickHz: 20, minX: -100, minZ: -50, maxX: 100, maxZ: 50, edge: 'stop' };
const dt = Math.fround(1 / 20);

/** Sets the velocity, as most worlds do. */
const steer: ApplyInput = (self, input) => {
  self.vx = input['vx'] as number;
  self.vz = 0;
};

function base(change: Partial<Authoritative> = {}): Authoritative {
  return { tick: 100, inputSequence: 0, x: 0, z: 0, vx: 0, vz: 0, speedMax: 0, rest: {}, ...change };
}

/** The server's own arithmetic. */
function moved(x: number, vx: number, ticks: number): number {
  let at = Math.fround(x);
  for (let tick = 0; tick < ticks; tick++) at = Math.fround(at + Math.fround(Math.fround(vx) * dt));
  return at;
}

function drawn(prediction: Prediction, at: { nowMs: number; tick: number }): { renderX: number; renderZ: number } {
  const target = { renderX: Number.NaN, renderZ: Number.NaN };
  prediction.draw(at, target);
  return target;
}

test('velocity holds without inputs, and the number of steps comes from time', (t) => {
  const prediction = new Prediction(world, steer);
  prediction.reconcile(base({ vx: 3 }), { nowMs: 0, tick: 103.5 });
  t.is(prediction.tick, 104);
  t.is(prediction.motion.x, moved(0, 3, 4));
  t.is(drawn(prediction, { nowMs: 0, tick: 103.5 }).renderX, (moved(0, 3, 3) + moved(0, 3, 4)) / 2);
});

test('each input acts once, at its tick, in order', (t) => {
  const applied: number[] = [];
  const prediction = new Prediction(world, (self, input) => {
    applied.push(input['vx'] as number);
    steer(self, input);
  });
  prediction.reconcile(base(), { nowMs: 0, tick: 100 });
  prediction.record({ sequence: 1, input: { vx: 1 }, tick: 101 }, { nowMs: 0, tick: 100.2 });
  applied.length = 0;
  prediction.record({ sequence: 2, input: { vx: 2 }, tick: 103 }, { nowMs: 100, tick: 102.2 });
  t.deepEqual(applied, [1, 2]);
  t.is(prediction.motion.x, moved(moved(0, 1, 2), 2, 1));
});

test('what the server applied is not applied again, what is on its way is', (t) => {
  const prediction = new Prediction(world, steer);
  prediction.reconcile(base(), { nowMs: 0, tick: 100 });
  for (let sequence = 1; sequence <= 4; sequence++) {
    prediction.record(
      { sequence, input: { vx: sequence }, tick: 100 + sequence },
      { nowMs: sequence * 50, tick: 99.9 + sequence },
    );
  }
  // Input 3 came too late for its tick: the snapshot of tick 103 does not have it, so it acts at 104, before input 4.
  const x = moved(moved(0, 1, 1), 2, 2);
  prediction.reconcile(base({ tick: 103, inputSequence: 2, x, vx: 2 }), { nowMs: 200, tick: 103.9 });
  t.deepEqual(
    prediction.inputs.map((kept) => kept.sequence),
    [3, 4],
  );
  t.is(prediction.tick, 104);
  t.is(prediction.motion.x, moved(x, 4, 1));
});

test('an exact prediction is never corrected', (t) => {
  const prediction = new Prediction(world, steer);
  let serverX = 0;
  let serverV = 0;
  prediction.reconcile(base({ tick: 0 }), { nowMs: 0, tick: 2 });
  const ticksAhead = 2;
  for (let tick = 1; tick <= 200; tick++) {
    const at = { nowMs: tick * 50, tick: tick + ticksAhead };
    if (tick % 7 === 0)
      prediction.record({ sequence: tick, input: { vx: (tick % 5) - 2 }, tick: tick + ticksAhead + 1 }, at);
    // The server: inputs arrive for the tick that was foreseen.
    const sent = tick - ticksAhead - 1;
    const arrived = sent > 0 && sent % 7 === 0;
    if (arrived) serverV = (sent % 5) - 2;
    serverX = moved(serverX, serverV, 1);
    if (tick % 2 === 0) {
      const inputSequence = Math.max(0, Math.floor((tick - ticksAhead - 1) / 7) * 7);
      prediction.reconcile(base({ tick, inputSequence, x: serverX, vx: serverV }), at);
      t.true(prediction.lastCorrection < 1e-9, `tick ${tick}: ${prediction.lastCorrection} m`);
    }
  }
});

test('a snapshot that comes before its tick is drawn corrects nothing', (t) => {
  const prediction = new Prediction(world, steer);
  prediction.reconcile(base({ vx: 6, x: moved(0, 6, 0) }), { nowMs: 0, tick: 100.2 });
  for (let tick = 101; tick < 110; tick++) {
    // It arrives 0.3 ticks before most others, so what is drawn now lies before it.
    prediction.reconcile(base({ tick, vx: 6, x: moved(0, 6, tick - 100) }), { nowMs: tick * 50, tick: tick - 0.3 });
    t.true(prediction.lastCorrection < 1e-5, `tick ${tick}: ${prediction.lastCorrection}`);
  }
});

test('a small correction slides in about 100 ms, a large one snaps', (t) => {
  const prediction = new Prediction(world, steer);
  prediction.reconcile(base(), { nowMs: 0, tick: 100 });
  prediction.reconcile(base({ x: 1 }), { nowMs: 1000, tick: 100 });
  t.is(prediction.lastCorrection, 1);
  t.is(drawn(prediction, { nowMs: 1000, tick: 100 }).renderX, 0);
  const half = drawn(prediction, { nowMs: 1025, tick: 100 }).renderX;
  t.true(half > 0.4 && half < 0.7, `${half}`);
  t.true(drawn(prediction, { nowMs: 1100, tick: 100 }).renderX > 0.95);
  prediction.reconcile(base({ x: 9 }), { nowMs: 2000, tick: 100 });
  t.is(prediction.snapCount, 1);
  t.is(drawn(prediction, { nowMs: 2000, tick: 100 }).renderX, 9);
});

test('the edge stops or reflects, and the bound itself is outside', (t) => {
  const stopped = new Prediction(world, steer);
  stopped.reconcile(base({ x: 99.9, vx: 10, z: -49.9, vz: -10 }), { nowMs: 0, tick: 103 });
  t.true(stopped.motion.x < 100 && stopped.motion.x > 99.99);
  t.is(stopped.motion.vx, 0);
  t.is(stopped.motion.z, -50);
  const reflected = new Prediction({ ...world, edge: 'bounce' }, steer);
  reflected.reconcile(base({ x: 99.9, vx: 10 }), { nowMs: 0, tick: 100 });
  t.is(reflected.motion.vx, -10);
});

test('speeds are limited as the server limits them', (t) => {
  const prediction = new Prediction(world, (self) => {
    self.vx = 30;
    self.vz = 40;
  });
  prediction.reconcile(base({ speedMax: 5 }), { nowMs: 0, tick: 100 });
  prediction.record({ sequence: 1, input: {}, tick: 101 }, { nowMs: 0, tick: 100 });
  t.deepEqual([prediction.motion.vx, prediction.motion.vz], [3, 4]);
});

test('the inputs kept and the ticks predicted are bounded', (t) => {
  const prediction = new Prediction(world, steer);
  for (let sequence = 1; sequence <= 1000; sequence++) {
    prediction.record({ sequence, input: { vx: 0 }, tick: sequence }, { nowMs: 0, tick: sequence });
  }
  t.is(prediction.inputs.length, INPUTS_KEPT_MAX);
  t.is(prediction.inputs.at(-1)?.sequence, 1000);
  prediction.reconcile(base(), { nowMs: 0, tick: 1e9 });
  t.is(prediction.tick, 100 + PREDICTED_TICKS_MAX);
});

test('what apply does to components stays in the prediction', (t) => {
  const rest = { stamina: { value: 5 } };
  const prediction = new Prediction(world, (self) => {
    (self as unknown as typeof rest).stamina.value -= 1;
    self.vx = (self as unknown as typeof rest).stamina.value;
  });
  prediction.reconcile(base({ rest }), { nowMs: 0, tick: 100 });
  prediction.record({ sequence: 1, input: {}, tick: 101 }, { nowMs: 0, tick: 100 });
  prediction.record({ sequence: 2, input: {}, tick: 101 }, { nowMs: 0, tick: 100 });
  t.is(prediction.motion.vx, 3);
  t.is(rest.stamina.value, 5);
});

test('without apply, inputs are kept and nothing is predicted', (t) => {
  const prediction = new Prediction(world, undefined);
  prediction.reconcile(base(), { nowMs: 0, tick: 100 });
  prediction.record({ sequence: 5, input: {}, tick: 101 }, { nowMs: 0, tick: 100 });
  t.false(prediction.isActive);
  t.is(prediction.inputs.length, 1);
  prediction.pause(5);
  t.is(prediction.inputs.length, 0);
});
