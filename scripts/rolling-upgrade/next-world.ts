/**
 * The next version of the counting world: wanderers remember how far they have come and when they were born (a migration says so of those
 * that were there before), and go a little slower. What clients see is as it was, so they play on while nodes of both versions run.
 */
import { component, defineWorld, f32, text, u32 } from 'worldmesh';
import countingWorld, { countInput, playerFrom, populate } from '../cluster/counting-world.ts';

const { version } = countingWorld.schema;
export const NEXT_VERSION = version + 1;
/** By which the migration marks who was there before. */
export const MIGRATED_MARK = 7;
const PLAYER_SPEED = 12;
const WANDER_SPEED = 6;
const TURN_SECONDS = 3;

export default defineWorld({
  name: 'counting',
  version: NEXT_VERSION,
  size: 512,
  params: { wanderersPerCell: 8 },
  components: {
    look: { name: text(32) },
    tally: component({ last: u32(), repeats: u32(), missed: u32() }, { visible: 'owner' }),
    wander: component({ turnTick: u32(), mark: u32() }, { visible: 'none' }),
    journey: component({ metres: f32() }, { visible: 'none' }),
  },
  kinds: {
    player: { components: ['look', 'tally'], speedMax: PLAYER_SPEED },
    wanderer: { components: ['wander', 'journey'] },
  },
  migrations: { [version]: (values) => ({ ...values, 'wander.mark': MIGRATED_MARK }) },
  input: {
    fields: { moveX: f32({ min: -1, max: 1 }), moveZ: f32({ min: -1, max: 1 }), number: u32() },
    apply: countInput,
  },
  systems: {
    wander: {
      kinds: ['wanderer'],
      run(cell) {
        const { turnTick } = cell.columns.wander;
        const { metres } = cell.columns.journey;
        for (let index = cell.first; index < cell.end; index++) {
          const slot = cell.slots[index]!;
          metres[slot] = metres[slot]! + Math.hypot(cell.vx[slot]!, cell.vz[slot]!) / cell.ticksPerSecond;
          if (cell.tick < turnTick[slot]!) continue;
          const angle = cell.random() * 2 * Math.PI;
          cell.vx[slot] = Math.cos(angle) * WANDER_SPEED;
          cell.vz[slot] = Math.sin(angle) * WANDER_SPEED;
          turnTick[slot] = cell.tick + Math.ceil((0.2 + cell.random()) * TURN_SECONDS * cell.ticksPerSecond);
        }
      },
    },
  },
  start: populate,
  join: playerFrom,
});
