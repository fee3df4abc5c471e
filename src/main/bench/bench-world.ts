/**
 * The world of `worldmesh bench`: entities spread evenly, all moving at about 5 m/s, and one user system that turns
 * each a little in every tick. There are no players.
 */
import { f32 } from '../../base/fields.ts';
import { defineWorld } from '../../base/world.ts';

const SPEED = 5;
/** Radians per tick: a full circle takes some 1,250 ticks. */
const TURN = 0.005;
const COSINE = Math.cos(TURN);
const SINE = Math.sin(TURN);

export default defineWorld({
  name: 'bench',
  version: 1,
  size: 2048,
  params: { entities: 10_000, cells: 64 },
  components: { turn: { side: f32({ min: -1, max: 1 }) } },
  kinds: { mover: { components: ['turn'] } },
  systems: {
    turn: {
      kinds: ['mover'],
      run(cell) {
        const { slots, end, vx, vz } = cell;
        const { side } = cell.columns.turn;
        for (let index = cell.first; index < end; index++) {
          const slot = slots[index]!;
          const x = vx[slot]!;
          const z = vz[slot]!;
          const sine = SINE * side[slot]!;
          vx[slot] = x * COSINE - z * sine;
          vz[slot] = z * COSINE + x * sine;
        }
      },
    },
  },
  start(cell) {
    // Rounding spreads the remainder: the counts of all cells add up to the number of entities.
    const { entities, cells } = cell.params;
    const count = Math.floor(((cell.index + 1) * entities) / cells) - Math.floor((cell.index * entities) / cells);
    for (let entity = 0; entity < count; entity++) {
      const angle = cell.random() * 2 * Math.PI;
      cell.spawn('mover', {
        x: cell.minX + cell.random() * (cell.maxX - cell.minX),
        z: cell.minZ + cell.random() * (cell.maxZ - cell.minZ),
        vx: Math.cos(angle) * SPEED,
        vz: Math.sin(angle) * SPEED,
        turn: { side: cell.random() < 0.5 ? -1 : 1 },
      });
    }
  },
  join: () => ({ kind: 'mover', x: 0, z: 0 }),
});
