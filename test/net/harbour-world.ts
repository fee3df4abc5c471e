/** The world of the gateway's tests. */
import { f32, text, u8 } from '../../src/base/fields.ts';
import { defineWorld } from '../../src/base/world.ts';

export default defineWorld({
  name: 'harbour',
  version: 2,
  size: 896,
  components: { look: { name: text(32) } },
  kinds: { player: { components: ['look'], speedMax: 9 } },
  input: {
    fields: { moveX: f32({ min: -1, max: 1 }), gear: u8({ max: 5 }), say: text(8) },
    apply(self, input) {
      self.vx = input.moveX * 5;
    },
  },
  systems: {},
  join: ({ name }) => ({ kind: 'player', x: 0, z: 0, look: { name } }),
});
