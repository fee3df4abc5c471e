/**
 * Meadow: people walk among wandering bots. The default world of `npm start`.
 *
 * Bots walk straight for 3 to 7 seconds, then choose another direction; whoever comes within 2 m of another steers away.
 * Every cell keeps its number of bots near `botsPerCell` by adding or removing at most one in each tick.
 */
import { component, defineWorld, f32, text, u32 } from 'worldmesh';

const WALK_SPEED = 6;
const BOT_SPEED_MIN = 1;
const BOT_SPEED_MAX = 2.5;
const PERSONAL_SPACE = 2;
const STRAIGHT_SECONDS_MIN = 3;
const STRAIGHT_SECONDS_MAX = 7;
/** A cell acts once it is this far from its target, which leaves room for those who wander in and out. */
const DENSITY_TOLERANCE = 0.1;
/** Under overload a meadow makes do with half of its bots. */
const SHEDDING_SHARE = 0.5;
const COLOURS = [0xe4572e, 0x17bebb, 0xffc914, 0x76b041, 0x9b5de5, 0xf15bb5, 0x00bbf9, 0xfb8500];

export default defineWorld({
  name: 'meadow',
  version: 1,
  size: 2048,
  params: { botsPerCell: 40, joinSpread: 200 },
  components: {
    look: { name: text(32), colour: u32({ max: 0xffffff }) },
    // Bots decide by it, nobody else needs to know.
    wander: component({ turnTick: u32() }, { visible: 'none' }),
  },
  kinds: {
    player: { components: ['look'], speedMax: WALK_SPEED },
    bot: { components: ['wander'], sheddable: true },
  },
  input: {
    fields: { moveX: f32({ min: -1, max: 1 }), moveZ: f32({ min: -1, max: 1 }) },
    apply(self, { moveX, moveZ }) {
      // Diagonally no faster than straight ahead.
      const scale = WALK_SPEED / Math.max(1, Math.hypot(moveX, moveZ));
      self.vx = moveX * scale;
      self.vz = moveZ * scale;
    },
  },
  systems: {
    wander: {
      kinds: ['bot'],
      near: PERSONAL_SPACE,
      run(cell) {
        const { x, z, vx, vz } = cell;
        const { turnTick } = cell.columns.wander;
        for (let index = cell.first; index < cell.end; index++) {
          const bot = cell.slots[index]!;
          let awayX = 0;
          let awayZ = 0;
          const count = cell.near(x[bot]!, z[bot]!, PERSONAL_SPACE);
          for (let found = 0; found < count; found++) {
            // The bot itself is among those found, and adds nothing.
            awayX += x[bot]! - cell.foundX[found]!;
            awayZ += z[bot]! - cell.foundZ[found]!;
          }
          const isCrowded = count > 1;
          if (!isCrowded && cell.tick < turnTick[bot]!) continue;

          const isStacked = awayX === 0 && awayZ === 0;
          const angle = isStacked ? cell.random() * 2 * Math.PI : Math.atan2(awayZ, awayX);
          const speed = BOT_SPEED_MIN + cell.random() * (BOT_SPEED_MAX - BOT_SPEED_MIN);
          vx[bot] = Math.cos(angle) * speed;
          vz[bot] = Math.sin(angle) * speed;
          const seconds = STRAIGHT_SECONDS_MIN + cell.random() * (STRAIGHT_SECONDS_MAX - STRAIGHT_SECONDS_MIN);
          turnTick[bot] = cell.tick + Math.round(seconds * cell.ticksPerSecond);
        }
      },
    },
    populate: {
      run(cell) {
        if (cell.shedding || cell.count('bot') >= cell.params.botsPerCell * (1 - DENSITY_TOLERANCE)) return;
        cell.spawn('bot', somewhere(cell));
      },
    },
    thin: {
      kinds: ['bot'],
      run(cell) {
        const target = cell.params.botsPerCell * (cell.shedding ? SHEDDING_SHARE : 1);
        if (cell.count('bot') > target * (1 + DENSITY_TOLERANCE)) cell.despawn(cell.slots[cell.end - 1]!);
      },
    },
  },
  start(cell) {
    for (let bot = 0; bot < cell.params.botsPerCell; bot++) cell.spawn('bot', somewhere(cell));
  },
  join({ name, random, params }) {
    return {
      kind: 'player',
      x: (random() - 0.5) * params.joinSpread,
      z: (random() - 0.5) * params.joinSpread,
      look: { name, colour: COLOURS[Math.floor(random() * COLOURS.length)]! },
    };
  },
});

interface Area {
  readonly minX: number;
  readonly minZ: number;
  readonly maxX: number;
  readonly maxZ: number;
  random(): number;
}

function somewhere({ minX, minZ, maxX, maxZ, random }: Area): { x: number; z: number } {
  return { x: minX + random() * (maxX - minX), z: minZ + random() * (maxZ - minZ) };
}
