/** The scene as a world module. Its rate is that of the server: `--tick-hz`. */
import { defineWorld, i8, u16 } from 'worldmesh';
import { DIRECTION_UNIT, SPEED_METRES, STAMP_TICKS, stampNow, startOf } from './scene.ts';

const axis = i8({ min: -DIRECTION_UNIT, max: DIRECTION_UNIT });

export default defineWorld({
  name: 'peers',
  version: 1,
  size: 1024,
  params: { people: 100 },
  components: { beat: { stamp: u16() }, who: { person: u16() } },
  // Rounded directions may be a little longer than one.
  kinds: { person: { components: ['beat', 'who'], speedMax: SPEED_METRES * 1.01 } },
  input: {
    fields: { moveX: axis, moveZ: axis },
    apply(self, { moveX, moveZ }) {
      self.vx = (moveX / DIRECTION_UNIT) * SPEED_METRES;
      self.vz = (moveZ / DIRECTION_UNIT) * SPEED_METRES;
    },
  },
  systems: {
    beat: {
      kinds: ['person'],
      run({ slots, first, end, columns, tick }) {
        const { stamp } = columns.beat;
        // A measuring world may look at the clock; a world that is to be replayed may not.
        const now = stampNow();
        for (let index = first; index < end; index++) {
          const slot = slots[index]!;
          if ((slot + tick) % STAMP_TICKS === 0) stamp[slot] = now;
        }
      },
    },
  },
  /** The name of a person is their number. */
  join: ({ name, params, maxX, minX }) => ({
    kind: 'person',
    who: { person: Number(name) },
    ...startOf(Number(name), { people: params.people, worldSize: maxX - minX }),
  }),
});
