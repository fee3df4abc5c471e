/**
 * The world of the outbox's run: walkers cross borders all the time, and count in their own state how often they have published. So what
 * is delivered can be compared with what they became: the count in each publication is its number, whatever crashed in between.
 */
import { component, defineWorld, u32 } from 'worldmesh';

const SPEED = 24;
const STRAIGHT_SECONDS_MAX = 4;
const WALKERS_PER_CELL = 3;

export default defineWorld({
  name: 'publishing',
  version: 1,
  size: 512,
  /** Publications of a walker in a second; the other is of every world of such a cluster, and means nothing here. */
  params: { publishHz: 1, wanderersPerCell: 0 },
  components: {
    walk: component({ turnTick: u32() }, { visible: 'none' }),
    tally: component({ count: u32() }, { visible: 'none' }),
  },
  kinds: { walker: { components: ['walk', 'tally'] } },
  publications: { counted: { count: u32(), tick: u32() } },
  systems: {
    walk: {
      kinds: ['walker'],
      run(cell) {
        const { turnTick } = cell.columns.walk;
        for (let index = cell.first; index < cell.end; index++) {
          const slot = cell.slots[index]!;
          if (cell.tick < turnTick[slot]!) continue;
          const angle = cell.random() * 2 * Math.PI;
          cell.vx[slot] = Math.cos(angle) * SPEED;
          cell.vz[slot] = Math.sin(angle) * SPEED;
          turnTick[slot] = cell.tick + Math.ceil((0.2 + cell.random()) * STRAIGHT_SECONDS_MAX * cell.ticksPerSecond);
        }
      },
    },
    publish: {
      kinds: ['walker'],
      run(cell) {
        const { publishHz } = cell.params;
        const { count } = cell.columns.tally;
        for (let index = cell.first; index < cell.end; index++) {
          const slot = cell.slots[index]!;
          if (cell.random() >= publishHz * cell.dt) continue;
          cell.publish(slot, 'counted', { count: count[slot]! + 1, tick: cell.tick });
          count[slot] = count[slot]! + 1;
        }
      },
    },
  },
  start(cell) {
    const [width, depth] = [cell.maxX - cell.minX, cell.maxZ - cell.minZ];
    for (let walker = 0; walker < WALKERS_PER_CELL; walker++) {
      cell.spawn('walker', { x: cell.minX + cell.random() * width, z: cell.minZ + cell.random() * depth });
    }
  },
  join: ({ random }) => ({ kind: 'walker', x: random() * 50, z: random() * 50 }),
});
