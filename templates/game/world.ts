/**
 * The world of {{NAME}}: players walk about a field and pick up coins. This file is the whole server; docs/WORLD-MODULES.md of Worldmesh
 * is its reference. While `worldmesh dev` runs, change it and the world goes on with the change.
 */
import { defineWorld, f32, text, u32 } from 'worldmesh';

/** Metres. The field is a square around 0, 0. */
export const FIELD_SIZE = 96;
/** Metres per second. */
export const SPEED = 8;
/** Metres at which a coin is picked up. */
export const REACH = 1.5;

export default defineWorld({
  name: '{{WORLD}}',
  version: 1,
  size: FIELD_SIZE,
  edge: 'stop',

  // What entities are made of. Clients see it; x, z, vx and vz everything has.
  components: {
    look: { name: text(32), colour: u32({ max: 0xffffff }) },
    purse: { coins: u32() },
  },
  kinds: {
    player: { components: ['look', 'purse'], speedMax: SPEED },
    coin: { components: [] },
  },

  // What players may wish. `apply` runs on the server, and at once on the client that sends it.
  input: {
    fields: { moveX: f32({ min: -1, max: 1 }), moveZ: f32({ min: -1, max: 1 }) },
    apply(self, { moveX, moveZ }) {
      // Diagonally no faster than straight ahead.
      const scale = SPEED / Math.max(1, Math.hypot(moveX, moveZ));
      self.vx = moveX * scale;
      self.vz = moveZ * scale;
    },
  },

  // Messages between entities, and to the clients that see them.
  events: { reward: {}, picked: { coins: u32() } },

  // What happens in every tick, over whole columns of numbers.
  systems: {
    collect: {
      kinds: ['coin'],
      near: REACH,
      run(cell) {
        for (const coin of cell.slots.subarray(cell.first, cell.end)) {
          const found = cell.found.subarray(0, cell.near(cell.x[coin]!, cell.z[coin]!, REACH));
          const finder = found.find((slot) => cell.session[slot]! > 0);
          if (finder === undefined) continue;
          cell.despawn(coin);
          cell.emit(cell.idOf(finder), 'reward', {});
        }
      },
    },
    grow: {
      run(cell) {
        if (cell.count('coin') < cell.params.coinsPerCell && cell.random() < cell.dt)
          cell.spawn('coin', somewhere(cell));
      },
    },
  },
  on: {
    reward(self, _event, cell) {
      self.purse.coins += 1;
      cell.announce(self.slot, 'picked', { coins: self.purse.coins });
    },
  },

  // The operator may set it: --param coinsPerCell=50. Cells are squares of 256 m from 0, 0 on: this field has part of four.
  params: { coinsPerCell: 6 },

  start(cell) {
    for (let coin = 0; coin < cell.params.coinsPerCell; coin++) cell.spawn('coin', somewhere(cell));
  },
  join({ name, random }) {
    const colour = 0x404040 + Math.floor(random() * 0xc0) * 0x010000 + Math.floor(random() * 0xc0) * 0x0100;
    return { kind: 'player', x: random() * 20 - 10, z: random() * 20 - 10, look: { name, colour } };
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
