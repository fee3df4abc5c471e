/** What the server leaves out is not seen: the real view and interpolation draw others within the stated tolerance of the truth. */
import test from 'ava';
import { View } from '../../src/client/view.core.ts';
import { defineWorld, f32, u8 } from '../../src/index.ts';
import { GROSS_ERROR, TOLERANCE } from '../../src/workers/snapshot-updates.ts';
import { Headless } from '../fixtures/headless.ts';

const RADIUS = 128;
const TICKS = 400;
/** A centimetre of rounding at either end. */
const ROUNDING = 0.02;

/** Walkers that go straight, curve, stop and go on. */
const world = defineWorld({
  name: 'motion',
  version: 1,
  size: 512,
  components: { mood: { joy: u8() } },
  kinds: { player: { components: ['mood'] }, walker: { components: ['mood'] } },
  input: { fields: { vx: f32() }, apply: (self, input) => void (self.vx = input.vx) },
  systems: {
    walk: {
      kinds: ['walker'],
      run(cell) {
        for (let index = cell.first; index < cell.end; index++) {
          const slot = cell.slots[index]!;
          const chance = cell.random();
          const [vx, vz] = [cell.vx[slot]!, cell.vz[slot]!];
          // A third curves all the time, the others turn or stop now and then.
          if (slot % 3 === 0) {
            cell.vx[slot] = vx * Math.cos(0.05) - vz * Math.sin(0.05);
            cell.vz[slot] = vx * Math.sin(0.05) + vz * Math.cos(0.05);
          } else if (chance < 0.02) {
            cell.vx[slot] = 0;
            cell.vz[slot] = 0;
          } else if (chance < 0.06) {
            const angle = cell.random() * 2 * Math.PI;
            cell.vx[slot] = Math.cos(angle) * 6;
            cell.vz[slot] = Math.sin(angle) * 6;
          }
        }
      },
    },
  },
  start(cell) {
    for (let index = 0; index < 50; index++) {
      cell.spawn('walker', {
        x: cell.minX + cell.random() * 256,
        z: cell.minZ + cell.random() * 256,
        vx: 6 * (cell.random() - 0.5),
        vz: 6,
      });
    }
  },
  join: () => ({ kind: 'player', x: 0, z: 0 }),
});

interface Place {
  readonly x: number;
  readonly z: number;
}

test('others are drawn within the tolerance of where they were, near and far, at rates that fall with distance', (t) => {
  const headless = new Headless(world);
  const session = headless.join();
  const view = new View(world.schema, { tickHz: 20 });
  const { columns } = headless.store;
  const truth: Map<number, Place>[] = [];
  const enteredAt = new Map<number, number>();
  let drawn = 0;
  let updates = 0;
  for (let tick = 1; tick <= TICKS; tick++) {
    headless.input(session, tick, { vx: tick % 100 < 50 ? 3 : -3 });
    headless.tick();
    truth[tick] = new Map(
      headless.slots().map((slot) => [columns.id[slot]!, { x: columns.x[slot]!, z: columns.z[slot]! }]),
    );
    for (const { snapshot } of headless.snapshots()) {
      for (const change of view.apply(snapshot)) if (change.type === 'enter') enteredAt.set(change.entity.id, tick);
      updates += snapshot.turns.length + snapshot.moves.length + snapshot.jumps.length;
    }
    const own = columns.x[headless.slotOf(session)]!;
    t.is(view.self?.x, own, 'the own entity is exact, told or not');
    for (const share of [0.25, 0.75]) {
      const at = tick - 2 + share;
      view.draw({ tick: at, latestTick: tick, extrapolationTicksMax: 5 }, true);
      for (const entity of view.entities.values()) {
        const from = truth[tick - 2]?.get(entity.id);
        const to = truth[tick - 1]?.get(entity.id);
        // Whoever has just come into view has no past.
        if (entity.isSelf || from === undefined || to === undefined || tick - enteredAt.get(entity.id)! < 3) continue;
        const distance = Math.hypot(to.x - own, to.z);
        const tolerance = Math.max(0.01, distance * TOLERANCE) * (distance > RADIUS / 2 - 1 ? GROSS_ERROR : 1);
        const error = Math.hypot(
          entity.renderX - (from.x + (to.x - from.x) * share),
          entity.renderZ - (from.z + (to.z - from.z) * share),
        );
        t.true(error <= tolerance + ROUNDING, `${error} m off at ${distance} m`);
        drawn++;
      }
    }
  }
  t.true(drawn > 10_000);
  t.true(updates < drawn / 2 / 5, `${updates} updates`);
});
