import { defineWorld, f32, text, u32 } from 'worldmesh';
const axis = f32({ min: -1, max: 1 });

export default defineWorld({
  name: 'hello',
  version: 1,
  size: 1024,
  components: { look: { name: text(32) }, purse: { coins: u32() } },
  kinds: { player: { components: ['look', 'purse'], speedMax: 8 }, coin: { components: [] } },
  input: { fields: { x: axis, z: axis }, apply: (self, { x, z }) => void ([self.vx, self.vz] = [x * 5, z * 5]) },
  events: { reward: {} },
  systems: {
    collect: {
      kinds: ['coin'],
      near: 1,
      run(cell) {
        for (const coin of cell.slots.subarray(cell.first, cell.end)) {
          const found = cell.found.subarray(0, cell.near(cell.x[coin]!, cell.z[coin]!, 1));
          const player = found.find((slot) => cell.session[slot]! > 0);
          if (player === undefined) continue;
          cell.emit(cell.idOf(player), 'reward', {});
          [cell.x[coin], cell.z[coin]] = [cell.minX + cell.random() * 99, cell.minZ + cell.random() * 99];
        }
      },
    },
  },
  on: { reward: (self) => void self.purse.coins++ },
  start: (cell) => cell.spawn('coin', { x: cell.minX + 9, z: cell.minZ + 9 }),
  join: ({ name, random }) => ({ kind: 'player', x: random() * 50, z: random() * 50, look: { name } }),
});
