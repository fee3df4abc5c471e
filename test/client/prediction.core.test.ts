import test from 'ava';
import { InputWindow } from '../../src/client/inputs.core.ts';
import { Prediction, PREDICTED_TICKS_MAX } from '../../src/client/prediction.core.ts';
import type { ApplyInput, Authoritative, PredictionWorld } from '../../src/client/prediction.core.ts';

const world: PredictionWorld = { tickHz: 20, minX: -100, minZ: -50, maxX: 100, maxZ: 50, edge: 'stop' };
const dt = Math.fround(1 / 20);

/** Sets the velocity, as most worlds do. */
const steer: ApplyInput = (self, input) => {
  self.vx = input['vx'] as number;
  self.vz = 0;
};

function base(change: Partial<Authoritative> = {}): Authoritative {
  return { tick: 100, inputSequence: 0, durableLag: 0, x: 0, z: 0, vx: 0, vz: 0, speedMax: 0, rest: {}, ...change };
}

/** The server's own arithmetic. */
function moved(x: number, vx: number, ticks: number): number {
  let at = Math.fround(x);
  for (let tick = 0; tick < ticks; tick++) at = Math.fround(at + Math.fround(Math.fround(vx) * dt));
  return at;
}

/** Of a new session. */
function window(): InputWindow {
  const inputs = new InputWindow();
  inputs.restart();
  return inputs;
}

function drawn(prediction: Prediction, at: { nowMs: number; tick: number }): { renderX: number; renderZ: number } {
  const target = { renderX: Number.NaN, renderZ: Number.NaN };
  prediction.draw(at, target);
  return target;
}

test('velocity holds without inputs, and the number of steps comes from time', (t) => {
  const prediction = new Prediction(world, steer, window());
  prediction.reconcile(base({ vx: 3 }), { nowMs: 0, tick: 103.5 });
  t.is(prediction.tick, 104);
  t.is(prediction.motion.x, moved(0, 3, 4));
  t.is(drawn(prediction, { nowMs: 0, tick: 103.5 }).renderX, (moved(0, 3, 3) + moved(0, 3, 4)) / 2);
});

test('each input acts once, at its tick, in order', (t) => {
  const applied: number[] = [];
  const prediction = new Prediction(
    world,
    (self, input) => {
      applied.push(input['vx'] as number);
      steer(self, input);
    },
    window(),
  );
  prediction.reconcile(base(), { nowMs: 0, tick: 100 });
  prediction.record({ input: { vx: 1 }, tick: 101 }, { nowMs: 0, tick: 100.2 });
  applied.length = 0;
  prediction.record({ input: { vx: 2 }, tick: 103 }, { nowMs: 100, tick: 102.2 });
  t.deepEqual(applied, [1, 2]);
  t.is(prediction.motion.x, moved(moved(0, 1, 2), 2, 1));
});

test('what the server applied is not applied again, what is on its way is', (t) => {
  const prediction = new Prediction(world, steer, window());
  prediction.reconcile(base(), { nowMs: 0, tick: 100 });
  for (let sequence = 1; sequence <= 4; sequence++) {
    prediction.record(
      { input: { vx: sequence }, tick: 100 + sequence },
      { nowMs: sequence * 50, tick: 99.9 + sequence },
    );
  }
  // Input 3 came too late for its tick: the snapshot of tick 103 does not have it, so it acts at 104, before input 4.
  const x = moved(moved(0, 1, 1), 2, 2);
  prediction.reconcile(base({ tick: 103, inputSequence: 2, x, vx: 2 }), { nowMs: 200, tick: 103.9 });
  t.is(prediction.tick, 104);
  t.is(prediction.motion.x, moved(x, 4, 1));
});

test('an exact prediction is never corrected', (t) => {
  const prediction = new Prediction(world, steer, window());
  let serverX = 0;
  let serverV = 0;
  prediction.reconcile(base({ tick: 0 }), { nowMs: 0, tick: 2 });
  const ticksAhead = 2;
  for (let tick = 1; tick <= 200; tick++) {
    const at = { nowMs: tick * 50, tick: tick + ticksAhead };
    if (tick % 7 === 0) prediction.record({ input: { vx: (tick % 5) - 2 }, tick: tick + ticksAhead + 1 }, at);
    // The server: inputs arrive for the tick that was foreseen.
    const sent = tick - ticksAhead - 1;
    if (sent > 0 && sent % 7 === 0) serverV = (sent % 5) - 2;
    serverX = moved(serverX, serverV, 1);
    if (tick % 2 === 0) {
      const inputSequence = Math.max(0, Math.floor(sent / 7));
      prediction.reconcile(base({ tick, inputSequence, x: serverX, vx: serverV }), at);
      t.true(prediction.lastCorrection < 1e-9, `tick ${tick}: ${prediction.lastCorrection} m`);
    }
  }
});

test('a snapshot that comes before its tick is drawn corrects nothing', (t) => {
  const prediction = new Prediction(world, steer, window());
  prediction.reconcile(base({ vx: 6, x: moved(0, 6, 0) }), { nowMs: 0, tick: 100.2 });
  for (let tick = 101; tick < 110; tick++) {
    // It arrives 0.3 ticks before most others, so what is drawn now lies before it.
    prediction.reconcile(base({ tick, vx: 6, x: moved(0, 6, tick - 100) }), { nowMs: tick * 50, tick: tick - 0.3 });
    t.true(prediction.lastCorrection < 1e-5, `tick ${tick}: ${prediction.lastCorrection}`);
  }
});

test('nor does one that comes ticks before its time, as on a busy machine', (t) => {
  const prediction = new Prediction(world, steer, window());
  prediction.reconcile(base({ vx: 6 }), { nowMs: 0, tick: 100.2 });
  for (const [tick, early] of [
    [102, 1.6],
    [104, 3.1],
    [106, 0.2],
    [108, 2.4],
  ] as const) {
    prediction.reconcile(base({ tick, vx: 6, x: moved(0, 6, tick - 100) }), { nowMs: tick * 50, tick: tick - early });
    t.true(prediction.lastCorrection < 1e-4, `tick ${tick}: ${prediction.lastCorrection}`);
  }
});

test('a small correction slides in about 100 ms, a large one snaps', (t) => {
  const prediction = new Prediction(world, steer, window());
  prediction.reconcile(base(), { nowMs: 0, tick: 100 });
  prediction.reconcile(base({ x: 0.5 }), { nowMs: 1000, tick: 100 });
  t.is(prediction.lastCorrection, 0.5);
  t.is(drawn(prediction, { nowMs: 1000, tick: 100 }).renderX, 0);
  const half = drawn(prediction, { nowMs: 1025, tick: 100 }).renderX;
  t.true(half > 0.2 && half < 0.35, `${half}`);
  t.true(drawn(prediction, { nowMs: 1100, tick: 100 }).renderX > 0.475);
  prediction.reconcile(base({ x: 9 }), { nowMs: 2000, tick: 100 });
  t.is(prediction.snapCount, 1);
  t.is(drawn(prediction, { nowMs: 2000, tick: 100 }).renderX, 9);
});

test('what a late snapshot can explain does not snap, and slides no faster than the bound', (t) => {
  for (const { speedMax, slideSpeed } of [
    { speedMax: 6, slideSpeed: 20 },
    { speedMax: 30, slideSpeed: 45 },
  ]) {
    const prediction = new Prediction(world, steer, window());
    prediction.reconcile(base({ speedMax }), { nowMs: 0, tick: 120 });
    // Twenty ticks of way and twenty of silence: two seconds into the other direction.
    const x = 2 * speedMax - 0.1;
    prediction.reconcile(base({ tick: 120, speedMax, x }), { nowMs: 1000, tick: 140 });
    t.is(prediction.snapCount, 0);
    t.true(Math.abs(prediction.lastCorrection - x) < 1e-5);
    let shown = drawn(prediction, { nowMs: 1000, tick: 140 }).renderX;
    t.true(Math.abs(shown) < 1e-5, 'it stays where it was');
    for (let nowMs = 1010; nowMs <= 4000; nowMs += 10) {
      // The same snapshot again: what is left is no new correction, and goes on sliding.
      const at = { nowMs, tick: 140 };
      if (nowMs % 100 === 0) prediction.reconcile(base({ tick: 120, speedMax, x }), at);
      if (nowMs % 100 === 0) t.is(prediction.lastCorrection, 0);
      const { renderX } = drawn(prediction, at);
      t.true(renderX >= shown && renderX - shown <= slideSpeed / 100 + 1e-6, `${renderX - shown} m in 10 ms`);
      shown = renderX;
    }
    t.true(x - shown < 0.01, `${shown}`);
    prediction.reconcile(base({ tick: 138, speedMax, x: x - 2 * speedMax - 5 }), { nowMs: 4000, tick: 140 });
    t.is(prediction.snapCount, 1, 'more than anybody can have walked');
  }
});

test('the edge stops or reflects, and the bound itself is outside', (t) => {
  const stopped = new Prediction(world, steer, window());
  stopped.reconcile(base({ x: 99.9, vx: 10, z: -49.9, vz: -10 }), { nowMs: 0, tick: 103 });
  t.true(stopped.motion.x < 100 && stopped.motion.x > 99.99);
  t.is(stopped.motion.vx, 0);
  t.is(stopped.motion.z, -50);
  const reflected = new Prediction({ ...world, edge: 'bounce' }, steer, window());
  reflected.reconcile(base({ x: 99.9, vx: 10 }), { nowMs: 0, tick: 100 });
  t.is(reflected.motion.vx, -10);
});

test('speeds are limited as the server limits them', (t) => {
  const prediction = new Prediction(
    world,
    (self) => {
      self.vx = 30;
      self.vz = 40;
    },
    window(),
  );
  prediction.reconcile(base({ speedMax: 5 }), { nowMs: 0, tick: 100 });
  prediction.record({ input: {}, tick: 101 }, { nowMs: 0, tick: 100 });
  t.deepEqual([prediction.motion.vx, prediction.motion.vz], [3, 4]);
});

test('the ticks predicted are bounded', (t) => {
  const prediction = new Prediction(world, steer, window());
  prediction.reconcile(base(), { nowMs: 0, tick: 1e9 });
  t.is(prediction.tick, 100 + PREDICTED_TICKS_MAX);
});

test('an input that the server never applies leaves no jump', (t) => {
  const prediction = new Prediction(world, steer, window());
  prediction.reconcile(base(), { nowMs: 0, tick: 104 });
  prediction.record({ input: { vx: 40 }, tick: 105 }, { nowMs: 0, tick: 104 });
  const before = drawn(prediction, { nowMs: 250, tick: 109 }).renderX;
  t.true(before > 5, `${before}`);
  // The server is beyond it, and it did nothing: farther off than an error without inputs may be.
  prediction.reconcile(base({ tick: 105, inputSequence: 1 }), { nowMs: 250, tick: 109 });
  t.is(drawn(prediction, { nowMs: 250, tick: 109 }).renderX, before);
  t.is(prediction.snapCount, 0);
  const frame = drawn(prediction, { nowMs: 266, tick: 109.3 }).renderX;
  t.true(before - frame <= 1.5 * 40 * 0.016, `${before - frame} m in a frame`);
  t.true(drawn(prediction, { nowMs: 2250, tick: 149 }).renderX < 0.05);
});

test('what a crash took back is predicted again', (t) => {
  const inputs = window();
  const prediction = new Prediction(world, steer, inputs);
  prediction.reconcile(base(), { nowMs: 0, tick: 100 });
  prediction.record({ input: { vx: 2 }, tick: 101 }, { nowMs: 0, tick: 100 });
  prediction.record({ input: { vx: 4 }, tick: 102 }, { nowMs: 0, tick: 100 });
  prediction.reconcile(base({ tick: 102, inputSequence: 2, durableLag: 1, vx: 4 }), { nowMs: 100, tick: 103 });
  // The new owner has the first input only.
  prediction.reconcile(base({ tick: 103, inputSequence: 1, durableLag: 0, vx: 2 }), { nowMs: 150, tick: 104 });
  t.is(prediction.motion.vx, 4);
  t.is(inputs.unappliedCount, 1);
});

test('what apply does to components stays in the prediction', (t) => {
  const rest = { stamina: { value: 5 } };
  const prediction = new Prediction(
    world,
    (self) => {
      (self as unknown as typeof rest).stamina.value -= 1;
      self.vx = (self as unknown as typeof rest).stamina.value;
    },
    window(),
  );
  prediction.reconcile(base({ rest }), { nowMs: 0, tick: 100 });
  prediction.record({ input: {}, tick: 101 }, { nowMs: 0, tick: 100 });
  prediction.record({ input: {}, tick: 101 }, { nowMs: 0, tick: 100 });
  t.is(prediction.motion.vx, 3);
  t.is(rest.stamina.value, 5);
});

test('without apply, inputs are kept and nothing is predicted', (t) => {
  const inputs = window();
  const prediction = new Prediction(world, undefined, inputs);
  prediction.reconcile(base(), { nowMs: 0, tick: 100 });
  prediction.record({ input: {}, tick: 101 }, { nowMs: 0, tick: 100 });
  t.false(prediction.isActive);
  t.is(inputs.kept.length, 1);
});
