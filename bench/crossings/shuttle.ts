/**
 * Shuttle: entities that walk to and fro over the line x = 0, so that a known number of them crosses it in a second.
 *
 * Each walks REACH metres to either side at `speed`, so it crosses every 2 · REACH / speed seconds; `shuttles` of them, spread
 * evenly over the line and over time, make shuttles · speed / (2 · REACH) crossings per second.
 */
import { bytes, component, defineWorld, f32, u32 } from 'worldmesh';

/** Beyond the hysteresis and what is walked during the dwell. */
const REACH = 24;

export default defineWorld({
  name: 'shuttle',
  version: 1,
  size: 1024,
  params: { shuttles: 5000, speed: 9.6 },
  components: {
    look: { colour: u32() },
    // So that a record has about the 300 bytes of a typical player.
    luggage: component({ things: bytes(220), weight: f32() }, { visible: 'none' }),
  },
  kinds: {
    player: { components: ['look'], speedMax: 12 },
    shuttle: { components: ['look', 'luggage'] },
  },
  input: {
    fields: { moveX: f32({ min: -1, max: 1 }), moveZ: f32({ min: -1, max: 1 }) },
    apply(self, { moveX, moveZ }) {
      self.vx = moveX * 6;
      self.vz = moveZ * 6;
    },
  },
  systems: {
    turn: {
      kinds: ['shuttle'],
      run({ slots, first, end, x, vx, params }) {
        for (let index = first; index < end; index++) {
          const slot = slots[index]!;
          if (x[slot]! > REACH) vx[slot] = -params.speed;
          else if (x[slot]! < -REACH) vx[slot] = params.speed;
        }
      },
    },
  },
  start(cell) {
    if (cell.minX !== 0 && cell.maxX !== 0) return;
    // Two columns of cells touch the line, each with as many rows as the world is high.
    const count = Math.round(cell.params.shuttles / 2 / 4);
    for (let index = 0; index < count; index++) {
      const x = (cell.minX === 0 ? 1 : -1) * cell.random() * REACH;
      const z = cell.minZ + cell.random() * (cell.maxZ - cell.minZ);
      const vx = cell.random() < 0.5 ? cell.params.speed : -cell.params.speed;
      const things = new Uint8Array(220).fill(index & 0xff);
      cell.spawn('shuttle', { x, z, vx, look: { colour: index }, luggage: { things, weight: index } });
    }
  },
  join({ random }) {
    return { kind: 'player', x: (random() - 0.5) * 40, z: (random() - 0.5) * 800, look: { colour: 1 } };
  },
});
