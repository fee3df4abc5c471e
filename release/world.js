/** The world that a fresh installation runs, to be replaced by your own: a .js or .ts file. */
import { defineWorld, f32, text } from 'worldmesh';

const axis = f32({ min: -1, max: 1 });

export default defineWorld({
  name: 'hello',
  version: 1,
  size: 512,
  components: { look: { name: text(32) } },
  kinds: { player: { components: ['look'], speedMax: 8 } },
  input: {
    fields: { moveX: axis, moveZ: axis },
    apply(self, { moveX, moveZ }) {
      self.vx = moveX * 5;
      self.vz = moveZ * 5;
    },
  },
  systems: {},
  join: ({ name, random }) => ({ kind: 'player', x: random() * 50, z: random() * 50, look: { name } }),
});
