/**
 * Tag: players chase each other. Shows inputs, events between entities, and a component that changes rarely.
 *
 * Exactly one player is "it" in each chase. Who is it tags by walking into somebody: an event goes to the other
 * entity, which may live in another cell, and its answer ends the chaser's turn. So the role is handed over, never copied
 * for longer than a tick.
 */
import { defineWorld, entity, f32, text, u32 } from 'worldmesh';

const SPEED = 6;
const REACH_METRES = 1;

export default defineWorld({
  name: 'tag',
  version: 1,
  size: 512,
  edge: 'stop',
  components: {
    look: { name: text(32) },
    tag: { it: u32({ max: 1 }), safeUntilTick: u32() },
    score: { tags: u32() },
  },
  kinds: {
    player: { components: ['look', 'tag', 'score'], speedMax: SPEED * 1.1 },
  },
  input: {
    fields: { moveX: f32({ min: -1, max: 1 }), moveZ: f32({ min: -1, max: 1 }) },
    apply(self, input) {
      const length = Math.hypot(input.moveX, input.moveZ);
      const scale = (length > 1 ? 1 / length : 1) * SPEED;
      self.vx = input.moveX * scale;
      self.vz = input.moveZ * scale;
    },
  },
  events: {
    tagged: { by: entity() },
    accepted: { by: entity() },
  },
  systems: {
    chase: {
      kinds: ['player'],
      near: REACH_METRES,
      run(cell) {
        const { tag } = cell.columns;
        for (let index = cell.first; index < cell.end; index++) {
          const slot = cell.slots[index]!;
          if (tag.it[slot] === 0) continue;
          const count = cell.near(cell.x[slot]!, cell.z[slot]!, REACH_METRES);
          for (let found = 0; found < count; found++) {
            const other = cell.found[found]!;
            if (other === slot) continue;
            cell.emit(cell.id[other]! as never, 'tagged', { by: cell.id[slot]! as never });
            break;
          }
        }
      },
    },
  },
  on: {
    tagged(self, event, cell) {
      if (self.tag.it === 1 || cell.tick < self.tag.safeUntilTick) return;
      self.tag.it = 1;
      cell.announce(self.slot, 'tagged', event);
      cell.emit(event.by, 'accepted', { by: self.id });
    },
    accepted(self, _event, cell) {
      self.tag.it = 0;
      self.tag.safeUntilTick = cell.tick + 3 * cell.ticksPerSecond;
      self.score.tags += 1;
    },
  },
  join({ name, random, minX, maxX }) {
    const spread = (maxX - minX) / 8;
    return {
      kind: 'player',
      x: (random() - 0.5) * spread,
      z: (random() - 0.5) * spread,
      look: { name },
      tag: { it: 1 },
    };
  },
});
