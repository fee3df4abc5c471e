/**
 * The world of clusters to which things happen. Wanderers cross borders all the time and never end; players count their own inputs: an
 * input carries its number, and one that comes a second time, or late, is counted as a repeat. The count is part of the
 * player's state, so it goes wherever the player goes and back with it to a checkpoint.
 */
import { component, defineWorld, f32, text, u32 } from 'worldmesh';

const PLAYER_SPEED = 12;
const WANDER_SPEED = 8;
const STRAIGHT_SECONDS_MAX = 6;

const countingWorld = defineWorld({
  name: 'counting',
  version: 1,
  size: 512,
  params: { wanderersPerCell: 8 },
  components: {
    look: { name: text(32) },
    tally: component({ last: u32(), repeats: u32(), missed: u32() }, { visible: 'owner' }),
    wander: component({ turnTick: u32() }, { visible: 'none' }),
  },
  kinds: {
    player: { components: ['look', 'tally'], speedMax: PLAYER_SPEED },
    wanderer: { components: ['wander'] },
  },
  input: {
    fields: { moveX: f32({ min: -1, max: 1 }), moveZ: f32({ min: -1, max: 1 }), number: u32() },
    apply: countInput,
  },
  systems: {
    wander: {
      kinds: ['wanderer'],
      run(cell) {
        const { turnTick } = cell.columns.wander;
        for (let index = cell.first; index < cell.end; index++) {
          const slot = cell.slots[index]!;
          if (cell.tick < turnTick[slot]!) continue;
          const angle = cell.random() * 2 * Math.PI;
          cell.vx[slot] = Math.cos(angle) * WANDER_SPEED;
          cell.vz[slot] = Math.sin(angle) * WANDER_SPEED;
          turnTick[slot] = cell.tick + Math.ceil((0.2 + cell.random()) * STRAIGHT_SECONDS_MAX * cell.ticksPerSecond);
        }
      },
    },
  },
  start: populate,
  join: playerFrom,
});

export default countingWorld;

// What the next version shares with this one.

interface CountingPlayer {
  vx: number;
  vz: number;
  readonly tally: { last: number; repeats: number; missed: number };
}

export function countInput(
  self: CountingPlayer,
  { moveX, moveZ, number }: { readonly moveX: number; readonly moveZ: number; readonly number: number },
): void {
  self.vx = moveX * PLAYER_SPEED;
  self.vz = moveZ * PLAYER_SPEED;
  const { tally } = self;
  if (number <= tally.last) {
    tally.repeats += 1;
    return;
  }
  tally.missed += number - tally.last - 1;
  tally.last = number;
}

export function populate(cell: {
  readonly minX: number;
  readonly minZ: number;
  readonly maxX: number;
  readonly maxZ: number;
  readonly params: { readonly wanderersPerCell: number };
  random(): number;
  spawn(kind: 'wanderer', init: { x: number; z: number }): void;
}): void {
  const { minX, minZ, maxX, maxZ } = cell;
  for (let wanderer = 0; wanderer < cell.params.wanderersPerCell; wanderer++) {
    cell.spawn('wanderer', { x: minX + cell.random() * (maxX - minX), z: minZ + cell.random() * (maxZ - minZ) });
  }
}

export function playerFrom({ name, random }: { readonly name: string; random(): number }) {
  return { kind: 'player' as const, x: (random() - 0.5) * 400, z: (random() - 0.5) * 400, look: { name } };
}
